"""Real tables made as dirty as those that people send: gaps, dates, truths, accents, and forty columns of names."""

import numpy as np
import pandas as pd

from bench.accuracy.sets import Table, csv, some

NOISE_COLUMNS = 40


def spoilt_arrests() -> pd.DataFrame:
    """Arrests of which 6 % are not released, under names with spaces and accents, with a date and gaps."""
    from sklego.datasets import load_arrests

    frame: pd.DataFrame = load_arrests(as_frame=True)
    draw = np.random.default_rng(0)
    held = frame["released"] == "No"
    few = frame[held].sample(round((~held).sum() * 0.06 / 0.94), random_state=0)
    frame = pd.concat([frame[~held], few]).sort_index().reset_index(drop=True)
    frame["citizen"] = frame["citizen"] == "Yes"
    day = draw.integers(0, 365, len(frame))
    frame["day of arrest"] = pd.to_datetime(frame.pop("year").astype(str)) + pd.to_timedelta(day, unit="D")
    frame = frame.rename(
        columns={"age": "Âge à l’arrestation", "employed": "a un emploi ?", "colour": "colour (noted)"}
    )
    return with_noise(with_gaps(frame, ["Âge à l’arrestation", "a un emploi ?", "released"], draw), draw)


def spoilt_diamonds() -> pd.DataFrame:
    """Diamonds with gaps, in the price as well, and forty columns of names."""
    frame = some(csv("plotnine", "data", "diamonds.csv"), 8_000).reset_index(drop=True)
    draw = np.random.default_rng(1)
    frame = frame.rename(columns={"clarity": "Reinheit (geprüft)", "carat": "poids en carats"})
    frame["certified"] = draw.random(len(frame)) < 0.5
    return with_noise(with_gaps(frame, ["poids en carats", "Reinheit (geprüft)", "x", "price"], draw), draw)


def with_gaps(frame: pd.DataFrame, names: list[str], draw: np.random.Generator) -> pd.DataFrame:
    """Empty 5 % of the cells of these columns."""
    gapped = frame.copy()
    for name in names:
        gapped[name] = gapped[name].mask(draw.random(len(frame)) < 0.05)
    return gapped


def with_noise(frame: pd.DataFrame, draw: np.random.Generator) -> pd.DataFrame:
    """Add columns of text that differ in nearly every row: half of them codes, half of seven words."""
    words = np.array(["street", "near", "house", "Straße", "old", "été", "called", "north", "again", "12", "b", "blue"])
    more = {}
    for number in range(NOISE_COLUMNS):
        drawn = draw.choice(words, (len(frame), 7))
        keys = draw.integers(0, 10**9, len(frame))
        wordy = number % 2
        more[f"note n° {number}"] = [
            " ".join(row) if wordy else f"{row[0]}-{key}" for row, key in zip(drawn, keys, strict=True)
        ]
    return pd.concat([frame, pd.DataFrame(more, index=frame.index)], axis=1)


SPOILT: tuple[Table, ...] = (
    Table("arrests, spoilt", "scikit-lego", spoilt_arrests, "classification", "released", dates=("day of arrest",),
          strange=("colour (noted)",)),
    Table("diamonds, spoilt", "plotnine", spoilt_diamonds, "regression", "price",
          strange=("cut", "Reinheit (geprüft)")),
)  # fmt: skip
"""Every table that was made dirtier than it is shipped."""
