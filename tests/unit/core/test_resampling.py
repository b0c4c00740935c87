"""Steps that even out classes: in training rows, and in no others."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import LOGISTIC, facts_of, spec, table, trained

from skyulf.core.candidates import check_spec
from skyulf.core.resampling import Resampled
from skyulf.errors import TrainingFailed

RNG = np.random.default_rng(0)
COUNTS = {"a": 200, "b": 60, "c": 30}
TARGET = np.repeat(np.array(list(COUNTS), dtype=object), list(COUNTS.values()))
ROWS = RNG.normal(size=(290, 3)) + np.repeat(np.arange(3.0), list(COUNTS.values()))[:, None]


def counts(method: str, **params: Any) -> dict[str, int]:
    rows, target = Resampled(method, **params).fit_resample(ROWS, TARGET)
    assert len(rows) == len(target)
    assert target.dtype == object
    values, found = np.unique(target.astype(str), return_counts=True)
    return dict(zip(values.tolist(), found.tolist(), strict=True))


@pytest.mark.parametrize("method", ["random_over", "smote", "borderline", "svm"])
def test_rarer_classes_grow_to_a_share_of_the_commonest(method: str) -> None:
    assert counts(method) == {"a": 200, "b": 200, "c": 200}
    assert counts(method, ratio=0.25) == {"a": 200, "b": 60, "c": 50}


@pytest.mark.parametrize("method", ["adasyn", "kmeans"])
def test_others_grow_them_nearly_so(method: str) -> None:
    found = counts(method)
    assert found["a"] == 200
    assert all(abs(found[name] - 200) <= 20 for name in "bc")


@pytest.mark.parametrize("method", ["random_under", "near_miss"])
def test_commoner_classes_shrink_to_the_rarest(method: str) -> None:
    assert counts(method) == {"a": 30, "b": 30, "c": 30}
    assert counts(method, ratio=0.5) == {"a": 60, "b": 60, "c": 30}


@pytest.mark.parametrize("method", ["tomek_links", "edited_nearest_neighbors"])
def test_rows_amid_another_class_go(method: str) -> None:
    found = counts(method)
    assert found["c"] == 30
    assert 0 < found["a"] < 200


def test_made_rows_lie_between_those_there_are() -> None:
    rows, target = Resampled("smote").fit_resample(ROWS, TARGET)
    made, own = rows[290:][target[290:] == "c"], ROWS[TARGET == "c"]
    assert (made >= own.min(axis=0)).all()
    assert (made <= own.max(axis=0)).all()
    again, _ = Resampled("smote").fit_resample(ROWS, TARGET)
    np.testing.assert_array_equal(again, rows)


def test_categories_are_not_averaged() -> None:
    frame = pd.DataFrame({"x": ROWS[:, 0], "kind": pd.Series(RNG.choice(["u", "v"], 290), dtype=object)})
    rows, _ = Resampled("smote", nominal=["kind"]).fit_resample(frame, TARGET)
    assert set(rows["kind"]) == {"u", "v"}
    assert len(rows) == 600


def imbalanced() -> tuple[pd.DataFrame, Any]:
    frame = pd.DataFrame(ROWS, columns=["x", "z", "w"]).assign(
        kind=pd.Series(RNG.choice(["u", "v"], 290), dtype=object)
    )
    frame["y"] = pd.Series(TARGET, dtype=object)
    kinds: Any = {"x": "number", "z": "number", "w": "number", "kind": "string", "y": "string"}
    return frame, facts_of(frame, kinds)


def test_what_is_evaluated_keeps_its_classes() -> None:
    frame, facts = imbalanced()
    use = [{"node": "one_hot", "columns": "categorical"}, {"node": "scale"}, {"node": "smote"}]
    state = trained(spec(use, LOGISTIC), frame=frame, facts=facts)
    assert (state.rows["train"], state.rows["test"]) == (232, 58)
    assert state.rows["train_after_steps"] == 480
    assert state.rows["served_after_steps"] == 600
    assert [each["support"] for each in state.evaluation["per_class"]] == [40, 12, 6]


@pytest.mark.parametrize(
    ("step", "word"),
    [
        ({"node": "smote", "columns": "numeric"}, "needs every column, kind too"),
        ({"node": "smote"}, "categories that nominal names; not kind"),
        ({"node": "smote", "params": {"nominal": ["kind"], "method": "svm"}}, "method smote only"),
        ({"node": "smote", "columns": ["kind"], "params": {"nominal": ["kind"]}}, "random_oversample"),
        ({"node": "undersample", "columns": "numeric"}, "needs every column"),
    ],
)
def test_columns_that_have_no_neighbours_are_refused_before_anything_runs(step: Any, word: str) -> None:
    frame, facts = imbalanced()
    assert word in " ".join(fault.message for fault in check_spec(spec([step], LOGISTIC), facts, len(frame)))


def test_numbers_have_no_classes_to_even_out() -> None:
    frame, facts = imbalanced()
    frame = frame.assign(y=ROWS[:, 1])
    facts = facts_of(frame, {fact.name: "number" if fact.name == "y" else fact.type for fact in facts})
    asked = spec([{"node": "random_oversample"}], {"node": "ridge"}, "regression")
    assert "steps.0.node" in {fault.place for fault in check_spec(asked, facts, len(frame))}


def test_a_class_of_one_row_has_no_neighbours() -> None:
    target = np.array(["a"] * 289 + ["b"], dtype=object)
    with pytest.raises(TrainingFailed, match="at least two training rows of each class"):
        Resampled("smote").fit_resample(ROWS, target)
    _, target = Resampled("random_over").fit_resample(ROWS, target)
    assert (target == "b").sum() == 289


def test_steps_after_one_that_changes_rows_find_their_columns_where_they_stand() -> None:
    frame, facts = table()
    steps = [
        {"node": "impute", "columns": "numeric"},
        {"node": "one_hot", "columns": "categorical"},
        {"node": "drop_duplicates", "columns": ["fare paid"]},
        {"node": "scale", "columns": ["age"]},
    ]
    scaler = trained(spec(steps, LOGISTIC), frame=frame, facts=facts).pipeline[-2].named_transformers_["scale"]
    assert scaler.mean_ == pytest.approx([frame["age"].mean()])
