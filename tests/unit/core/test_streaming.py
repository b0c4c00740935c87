"""Training in pieces: the same rows held out, what is learnt as from all rows at once, and bounded memory."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from helpers import USES, facts_of, silent, spec, trained, wide

from skyulf.core import streaming
from skyulf.core.applier import Applier
from skyulf.core.assemble import assemble
from skyulf.core.candidates import check_spec
from skyulf.core.flow import follow
from skyulf.core.formats import load_model, save_model
from skyulf.core.frame import read_frame, read_pieces
from skyulf.core.memory import bytes_needed
from skyulf.core.piecewise import Moments
from skyulf.core.plan import check_alone
from skyulf.core.registry import BuildContext, models, steps
from skyulf.core.spec import parse_spec
from skyulf.core.streaming import fit_in_pieces
from skyulf.core.streaming_check import piece_rows, streamed_bytes
from skyulf.errors import TrainingFailed

ROWS, PIECE = 3_000, 601
TYPES = {"a": "number", "b": "integer", "flag": "boolean", "gaps": "number", "word": "string", "y": "string"}
FILL = {"node": "impute", "columns": "numeric", "params": {"strategy": "mean"}}
WORDS = [
    {"node": "impute", "columns": ["word"], "params": {"strategy": "constant", "fill_value": "none"}},
    {"node": "hash_encode", "columns": ["word"], "params": {"buckets": 4}},
]
SCALE = {"node": "scale", "columns": "all"}
BAYES, SGD = {"node": "naive_bayes"}, {"node": "sgd"}
IN_PIECES = {"streaming": {"epochs": 3}}


def stored(path, target="string", change=None, rows=ROWS):
    """A table with a column that is missing throughout its first pieces, and rows without a target."""
    rng = np.random.default_rng(0)
    a = rng.normal(1e6, 3.0, rows)
    b = rng.integers(0, 9, rows).astype(float)
    signal = (a - 1e6) / 3 + b / 4 + rng.normal(0, 0.3, rows)
    gaps = np.where(np.arange(rows) < 2 * PIECE, np.nan, signal + rng.normal(0, 1, rows))
    word = pd.Series(rng.choice(np.array(["x", "y", "z"], dtype=object), rows)).where(rng.random(rows) > 0.1)
    y = pd.Series(np.where(signal > 2, "high", np.where(signal > 1, "mid", "low")), dtype=object)
    y = y if target == "string" else pd.Series(signal)
    y[rng.random(rows) < 0.05] = None
    frame = pd.DataFrame({"a": a, "b": b, "flag": rng.integers(0, 2, rows) > 0, "gaps": gaps, "word": word, "y": y})
    if change is not None:
        change(frame)
    frame.to_parquet(path, row_group_size=700)
    return facts_of(read_frame(path, "y"), {**TYPES, "y": target})


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(streaming, "piece_rows", lambda _: PIECE)


def both(path, facts, asked):
    """The fit in pieces, and that of the whole table by the same spec without streaming."""
    alike = parse_spec({**asked.model_dump(exclude={"streaming"})})
    whole = trained(alike, frame=read_frame(path, "y"), facts=facts)
    return fit_in_pieces(asked, path, facts, ROWS, 1, silent, 1), whole


def numbers_of(thing):
    """All numbers that a fitted transformer or model has learnt, by name."""
    return {
        name: np.asarray(value, dtype=float)
        for name, value in vars(thing).items()
        if name.endswith("_") and not name.startswith("_") and np.asarray(value).dtype.kind in "fiu"
    }


def inner(pipeline):
    for _, step in pipeline.steps:
        parts = [fitted for _, fitted, _ in step.transformers_] if hasattr(step, "transformers_") else [step]
        yield from (part for part in parts if not isinstance(part, str))


@pytest.mark.parametrize("method", ["standard", "minmax", "maxabs"])
@pytest.mark.parametrize("order", ["fill first", "scale first"])
def test_it_learns_what_is_learnt_of_all_rows_at_once(tmp_path, method, order):
    facts = stored(tmp_path / "t.parquet")
    scale = {**SCALE, "params": {"method": method}}
    given = [FILL, *WORDS, scale] if order == "fill first" else [{**scale, "columns": "numeric"}, FILL, *WORDS]
    asked = spec(given, BAYES, **IN_PIECES)
    one, other = both(tmp_path / "t.parquet", facts, asked)
    compared = 0
    for mine, theirs in zip(inner(one.pipeline), inner(other.pipeline), strict=True):
        assert type(mine) is type(theirs)
        expected = numbers_of(theirs)
        found = numbers_of(mine)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-9, err_msg=f"{type(mine)} {name}")
            compared += 1
    assert compared > 10
    assert {name: one.rows[name] for name in other.rows} == other.rows, "the same split"
    for name, value in other.metrics.items():
        assert one.metrics[name] == pytest.approx(value, rel=1e-6), name
    assert (one.classes, one.input_schema, one.target_type) == (other.classes, other.input_schema, other.target_type)
    assert (one.rows["piece"], one.rows["passes"]) == (PIECE, 2 * (2 + 1) + 1)


def test_the_same_model_twice_whatever_the_row_groups_and_another_by_another_seed(tmp_path):
    facts = stored(tmp_path / "t.parquet")
    asked = spec([FILL, *WORDS, SCALE], SGD, **IN_PIECES)
    first = fit_in_pieces(asked, tmp_path / "t.parquet", facts, ROWS, 1, silent, 1)
    pd.read_parquet(tmp_path / "t.parquet").to_parquet(tmp_path / "u.parquet", row_group_size=1_111)
    again = fit_in_pieces(asked, tmp_path / "u.parquet", facts, ROWS, 1, silent, 1)
    assert (again.fingerprint, again.metrics) == (first.fingerprint, first.metrics)
    assert fit_in_pieces(asked, tmp_path / "t.parquet", facts, ROWS, 2, silent, 1).fingerprint != first.fingerprint
    assert first.metrics["accuracy"] > 0.75
    assert first.rows["passes"] == 2 * (2 + 3) + 1
    save_model(first, tmp_path / "m.skops")
    applier = Applier(load_model(tmp_path / "m.skops"))
    said = applier.predict(applier.columns_of_frame(read_frame(tmp_path / "t.parquet").iloc[:20]))
    assert len(said.values) == 20


def test_a_regression_comes_near_the_one_in_memory(tmp_path):
    facts = stored(tmp_path / "t.parquet", "number")
    asked = spec([FILL, *WORDS, SCALE], SGD, task="regression", streaming={"epochs": 8})
    one, other = both(tmp_path / "t.parquet", facts, asked)
    assert one.metrics["r2"] == pytest.approx(other.metrics["r2"], abs=0.02)
    assert one.metrics["r2"] > 0.8


@pytest.mark.parametrize("model", [BAYES, SGD], ids=["naive_bayes", "sgd"])
def test_nothing_is_learnt_of_rows_held_out(tmp_path, model):
    facts = stored(tmp_path / "t.parquet")
    asked = spec([FILL, *WORDS, SCALE], model, refit=False, split={"shuffle": False}, **IN_PIECES)
    before = fit_in_pieces(asked, tmp_path / "t.parquet", facts, ROWS, 1, silent, 1)

    def change(last):
        def other(frame):
            at = slice(ROWS - 300, None) if last else slice(0, 300)
            frame.loc[frame.index[at], "a"] = 5e8
            frame.loc[frame.index[at], "word"] = "new"

        return other

    stored(tmp_path / "held.parquet", change=change(True))
    stored(tmp_path / "learnt.parquet", change=change(False))
    held = fit_in_pieces(asked, tmp_path / "held.parquet", facts, ROWS, 1, silent, 1)
    assert held.fingerprint == before.fingerprint
    assert held.metrics != before.metrics
    assert (
        fit_in_pieces(asked, tmp_path / "learnt.parquet", facts, ROWS, 1, silent, 1).fingerprint != before.fingerprint
    )


def test_a_table_sorted_by_its_target_is_warned_of_where_the_order_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "piece_rows", lambda _: 150)

    def change(frame):
        frame[:] = frame.sort_values("y").to_numpy(dtype=object)

    for path, given in ((tmp_path / "sorted.parquet", change), (tmp_path / "mixed.parquet", None)):
        facts = stored(path, change=given)
        for model in (SGD, BAYES):
            asked = spec([FILL, *WORDS], model, streaming={"epochs": 1}, refit=False)
            warned = fit_in_pieces(asked, path, facts, ROWS, 1, silent, 1).warnings
            assert (streaming.SORTED in warned) is (given is not None and model is SGD)


def test_a_copy_of_the_target_is_warned_of(tmp_path):
    def copied(frame):
        frame["b"] = frame["y"].map({"low": 3.0, "mid": 1.0, "high": 2.0}).fillna(0.0)

    path = tmp_path / "copied.parquet"
    facts = stored(path, change=copied)
    asked = spec([FILL, *WORDS], BAYES, streaming={"epochs": 1}, refit=False)
    (told,) = fit_in_pieces(asked, path, facts, ROWS, 1, silent, 1).warnings
    assert told.startswith("column b tells the target of all ")


def test_infinite_numbers_are_refused_by_the_name_of_their_column(tmp_path):
    def change(frame):
        frame.loc[ROWS - 1, "a"] = np.inf

    facts = stored(tmp_path / "t.parquet", change=change)
    with pytest.raises(TrainingFailed, match="column a holds infinite values"):
        fit_in_pieces(spec([FILL, *WORDS], BAYES, **IN_PIECES), tmp_path / "t.parquet", facts, ROWS, 1, silent, 1)


def test_moments_keep_their_digits_and_pass_by_what_is_missing():
    rng = np.random.default_rng(3)
    numbers = rng.normal([1e9, 0.0, 5.0], [1e-2, 1.0, 0.0], (5_000, 3))
    numbers[rng.random(numbers.shape) < 0.2] = np.nan
    numbers[:900, 1] = np.nan
    moments = Moments()
    for begin in range(0, 5_000, 300):
        moments.add(numbers[begin : begin + 300])
    np.testing.assert_allclose(moments.mean, np.nanmean(numbers, axis=0), rtol=1e-14)
    np.testing.assert_allclose(moments.variance[:2], np.nanvar(numbers, axis=0)[:2], rtol=1e-6)
    assert moments.deviation[2] == 1.0, "a constant column is not stretched"


def test_pieces_are_the_table_as_it_is_read_at_once(tmp_path):
    stored(tmp_path / "t.parquet")
    pieces = list(read_pieces(tmp_path / "t.parquet", "y", 999, {"a", "word", "y"}))
    assert [len(piece) for piece in pieces] == [999, 999, 999, 3]
    whole = read_frame(tmp_path / "t.parquet", "y", only={"a", "word", "y"})
    pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), whole)


@pytest.mark.parametrize("name", sorted(name for name, node in steps().items() if node.row_by_row))
def test_steps_that_are_said_to_learn_nothing_do_not(name):
    """Fitted on other rows they make the same of a row."""
    frame, facts = wide()
    for use, given in USES.items():
        if use.split()[0] != name:
            continue
        asked = spec(given, {"node": "random_forest"})
        place = next(at for at, step in enumerate(given) if step["node"] == name)
        cut = asked.model_copy(update={"steps": asked.steps[: place + 1]})
        features = frame.drop(columns="y")
        whole, half = (assemble(cut, follow(cut, facts, len(frame)), BuildContext(0, asked.task)) for _ in range(2))
        before = features
        for at in range(len(whole) - 2):
            before = whole[at].fit_transform(before, frame["y"])
        whole[-2].fit(before, frame["y"])
        half[-2].fit(before.iloc[:30] if hasattr(before, "iloc") else before[:30], frame["y"][:30])
        one, other = np.asarray(half[-2].transform(before)), np.asarray(whole[-2].transform(before))
        pd.testing.assert_frame_equal(pd.DataFrame(one), pd.DataFrame(other))


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ({"model": None}, "model", "name one"),
        ({"model": {"node": "ridge"}, "task": "regression"}, "model.node", "use sgd"),
        ({"model": {"node": "random_forest"}}, "model.node", "use naive_bayes or sgd"),
        ({"model": {"node": "bernoulli_naive_bayes"}}, "model.node", "use naive_bayes or sgd"),
        ({"model": {"node": "sgd", "params": {"class_weight": "balanced"}}}, "model.node", "class_weight"),
        ({"steps": None}, "steps", "name them"),
        ({"steps": [{"node": "one_hot", "columns": ["word"]}]}, "steps.0.node", "one_hot learns from all rows"),
        ({"steps": [{"node": "drop_duplicates"}]}, "steps.0.node", "drop_duplicates learns from all rows"),
        ({"steps": [FILL, {**SCALE, "params": {"method": "robust"}}]}, "steps.1.node", "minmax"),
        ({"steps": [{"node": "impute", "params": {"strategy": "median"}}]}, "steps.0.node", "use mean or constant"),
        ({"tuning": {"strategy": "grid", "space": {"model.alpha": [0.1, 0.2]}}}, "tuning", "leave it out"),
        ({"thresholds": {}}, "thresholds", "leave it out"),
        ({"task": "regression", "intervals": {}}, "intervals", "leave it out"),
        ({"task": "regression", "target_transform": "log1p"}, "target_transform", "leave it out"),
        ({"evaluation": {"slices": ["word"]}}, "evaluation.slices", "leave it out"),
    ],
)
def test_what_cannot_be_done_in_pieces_is_refused_by_its_place(tmp_path, change, place, words):
    document = {"task": "classification", "target": "y", "steps": [FILL], "model": SGD, **IN_PIECES} | change
    facts = stored(tmp_path / "t.parquet", rows=300)
    for faults in (check_alone(parse_spec(document)), check_spec(parse_spec(document), facts, 300)):
        (fault,) = faults
        assert fault.place == place
        assert words in fault.message
    del document["streaming"]
    assert not any(fault.message.startswith("streaming") for fault in check_alone(parse_spec(document)))


def test_a_spec_without_it_is_recorded_as_before():
    assert "streaming" not in spec([FILL], SGD).model_dump(mode="json")
    assert spec([FILL], SGD, streaming={}).model_dump(mode="json")["streaming"] == {"epochs": 5}


def test_every_model_that_says_so_learns_from_pieces(tmp_path):
    facts = stored(tmp_path / "t.parquet", rows=600)
    for name, node in models("classification").items():
        if node.in_pieces != "never":
            asked = spec([FILL, *WORDS], {"node": name}, **IN_PIECES)
            assert (
                fit_in_pieces(asked, tmp_path / "t.parquet", facts, 600, 1, silent, 1).metrics["accuracy"] is not None
            )


PEAK = """
import sys
import skyulf.core.export.standalone
from skyulf.core.columns import ColumnFacts
from skyulf.core.spec import parse_spec
from skyulf.core.streaming import fit_in_pieces
import sklearn.naive_bayes, sklearn.preprocessing, sklearn.compose, sklearn.model_selection, pyarrow.parquet
def resident(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name))
rows, columns = int(sys.argv[2]), int(sys.argv[3])
facts = [ColumnFacts(name=f"x{at}", type="number", distinct=rows) for at in range(columns)]
facts.append(ColumnFacts(name="y", type="integer", distinct=2, commonest=rows // 2, rarest=rows // 2))
spec = parse_spec({"task": "classification", "target": "y", "steps": [{"node": "scale"}],
                   "model": {"node": "naive_bayes"}, "streaming": {}, "refit": False})
before = resident("VmRSS")
state = fit_in_pieces(spec, sys.argv[1], facts, rows, 0, lambda *_: None, 1)
assert state.metrics["accuracy"] > 0.6
print(resident("VmHWM") - before)
"""


def test_it_takes_less_memory_than_is_told_of_a_table_several_times_larger(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, columns = 240_000, 60
    y = np.arange(rows) % 2
    table = {f"x{at}": (np.arange(rows) % 1_000) * (at + 1.0) + y * 700 * (at + 1.0) for at in range(columns)}
    pq.write_table(pa.table({**table, "y": y}), tmp_path / "large.parquet", row_group_size=120_000)
    facts = facts_of(pd.DataFrame({"x0": table["x0"], "y": y}), {"x0": "number", "y": "integer"})
    facts = [facts[0].model_copy(update={"name": f"x{at}"}) for at in range(columns)] + facts[1:]
    asked = spec([{"node": "scale"}], BAYES, streaming={})
    told, whole = streamed_bytes(asked, facts, rows), bytes_needed([asked], facts, rows)
    assert told < whole / 3
    command = [sys.executable, "-c", PEAK, str(tmp_path / "large.parquet"), str(rows), str(columns)]
    taken = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert taken < told
    assert taken < whole / 4
    assert piece_rows(1) > piece_rows(columns) > piece_rows(10_000) == 1_000
