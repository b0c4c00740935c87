"""An ONNX copy says what the model of record says, on any row that it takes: seen, missing, unseen or extreme."""

import json
import math
import warnings
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from helpers import SMALL as QUICK
from helpers import USES, facts_of, spec, table, trained, wide
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from test_check_agrees import MANY_STEPS, REST

from skyulf.core import packaging
from skyulf.core.applier import Applier
from skyulf.core.candidates import check_spec
from skyulf.core.packaging import NotPackaged, Packaged, audit, converted, package
from skyulf.core.registry import models, steps
from skyulf.core.rows import Columns
from skyulf.core.scorer import RECORD, Scorer
from skyulf.core.state import FittedState, InputColumn
from skyulf.errors import Damaged

SMALL = {
    **QUICK,
    "random_forest": {"n_estimators": 7, "min_samples_leaf": 3},
    "hist_gradient_boosting": {"max_iter": 7, "min_samples_leaf": 5},
}
EXACT = {
    "decision_tree", "random_forest", "extra_trees", "gradient_boosting", "hist_gradient_boosting", "lightgbm",
    "xgboost",
}  # fmt: skip
"""Models whose copy differs in the last bits at most."""

NOT_CONVERTED = {"k_neighbors", "calibrated"}

TARGETS = {"two classes": "string", "three classes": "integer", "numbers": "number"}


@cache
def fitted(use: str, model: str, target: str) -> tuple[FittedState, Columns]:
    """A model on a table of every kind of column, and that table's columns as the model takes them."""
    frame, facts = wide()
    kind = TARGETS[target]
    if kind != "string":
        other, _ = table(160, target=kind)  # type: ignore[arg-type]
        frame["y"] = other["y"].astype(float)
        facts = [fact.model_copy(update={"type": kind}) if fact.name == "y" else fact for fact in facts]
    task = "regression" if kind == "number" else "classification"
    asked = spec(USES[use], {"node": model, "params": SMALL.get(model, {})}, task, refit=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = trained(asked, frame=frame, facts=facts)
    return state, Applier(state).columns_of_frame(frame)


def same(state: FittedState, copy: Scorer, rows: Columns, exact: bool) -> None:
    """See that the two agree on rows, together and one by one."""
    record = Applier(state)
    count = len(next(iter(rows.values())))
    for part in [rows, *({name: cells[at : at + 1] for name, cells in rows.items()} for at in range(min(count, 3)))]:
        wanted, got = record.predict(part), copy.predict(part)
        if wanted.chances is None or got.chances is None:
            np.testing.assert_allclose(got.values, wanted.values, rtol=1e-12 if exact else 1e-7, atol=1e-12)
            continue
        np.testing.assert_allclose(got.chances, wanted.chances, atol=1e-12 if exact else 1e-5)
        first, second = np.sort(wanted.chances, axis=1)[:, ::-1][:, :2].T
        clear = first - second > 1e-9  # where two classes are as likely, which one is said is a matter of rounding
        assert (got.values == wanted.values)[clear].all()


def wild_rows(state: FittedState, rows: Columns) -> st.SearchStrategy[Columns]:
    """Rows of the table, changed in up to three columns, in one of them to something enormous."""
    count = len(next(iter(rows.values())))
    schema = {column.name: column for column in state.input_schema}
    change = st.sampled_from(sorted(schema)).flatmap(
        lambda name: st.tuples(st.just(name), cells(schema[name], rows[name], state))
    )
    enormous = st.tuples(
        st.sampled_from([name for name, column in sorted(schema.items()) if column.type in ("integer", "number")]),
        st.sampled_from([1e18, -1e18, 1e30, -1e30, 1e300, -1e300]),
    )
    row = st.tuples(st.integers(0, count - 1), st.lists(change, max_size=3), st.none() | enormous)
    return st.lists(row, min_size=1, max_size=8).map(lambda drawn: _changed(rows, drawn))


def _changed(rows: Columns, drawn: Any) -> Columns:
    changed = {name: cells[[at for at, _, _ in drawn]].copy() for name, cells in rows.items()}
    for number, (_, changes, enormous) in enumerate(drawn):
        for name, cell in [*changes, *([enormous] if enormous else [])]:
            changed[name][number] = cell
    return changed


def cells(column: InputColumn, seen: Any, state: FittedState) -> st.SearchStrategy[Any]:
    missing = [st.just(math.nan)] if column.nullable else []
    if column.type == "string":
        known = sorted({cell for cell in seen if cell == cell})
        strange = st.sampled_from(["", "=", "=a", "0=a", "!", "\0", "\0\0", "nan", "None", "A", "a ", "\ud800", "ß"])
        return st.one_of(st.sampled_from(known), strange, st.text(max_size=3), *missing)
    if column.type == "boolean":
        return st.one_of(st.sampled_from([0.0, 1.0]), *missing)
    if column.type in ("date", "datetime"):
        days = st.integers(-719_162, 2_932_896).map(lambda day: day * 86_400.0)
        return st.one_of(st.floats(-6.2e10, 2.5e11), days, *missing)
    near = sorted({0.0, *seen[~np.isnan(seen)].tolist(), *thresholds(state)})
    neighbours = st.sampled_from(near).flatmap(
        lambda value: st.sampled_from(
            [
                value,
                np.nextafter(value, math.inf),
                np.nextafter(value, -math.inf),
                float(np.nextafter(np.float32(value), np.float32(math.inf))),
                float(np.nextafter(np.float32(value), np.float32(-math.inf))),
            ]
        )
    )
    odd = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0**24 + 1, 2.0**53, 1e-300, 1e6, -1e6])
    return st.one_of(neighbours, odd, st.floats(-1e9, 1e9), *missing)


def thresholds(state: FittedState) -> list[float]:
    """What a tree compares with; as numbers of the input only where nothing scales them, and strange ones elsewhere."""
    model = state.pipeline[-1]
    if hasattr(model, "tree_"):
        return model.tree_.threshold.tolist()  # type: ignore[no-any-return]
    if hasattr(model, "thresholds_"):
        return [each for each in model.thresholds_[model.left_ >= 0].tolist() if abs(each) < 1e30]
    if hasattr(model, "_predictors"):
        found = [each for rounds in model._predictors for one in rounds for each in one.nodes["num_threshold"].tolist()]
        return [each for each in found if math.isfinite(each)]
    return []


PLAIN = "missing_indicator"
"""A use after which models see scaled numbers, categories and marks of what was missing."""


def packaged(state: FittedState, rows: Columns) -> Packaged:
    outcome = package(state, "sha256:model", rows)
    assert isinstance(outcome, Packaged), outcome
    return outcome


NO_COPY = {
    "clean_text", "cluster", "geo_distance", "h3_cells", "hash_encode", "impute_iterative", "impute_knn", "lag",
    "rolling", "sentence_embedding", "text_vectors",
}  # fmt: skip
"""Steps that say so themselves."""


def test_a_step_without_a_copy_says_so() -> None:
    assert {name for name, step in steps().items() if "no ONNX copy" in (step.__doc__ or "")} == NO_COPY | {"cast"}


@pytest.mark.parametrize("use", [use for use in USES if use.split()[0] not in NO_COPY and use != "cast"])
def test_every_step_has_a_copy_that_agrees(use: str) -> None:
    state, rows = fitted(use, "hist_gradient_boosting", "two classes")
    outcome = packaged(state, rows)
    assert outcome.largest_difference < 1e-12
    assert outcome.probe_rows > len(rows["age"] if "age" in rows else rows["fare paid"])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("model", sorted(set(models()) - NOT_CONVERTED))
def test_every_model_has_a_copy_that_agrees(model: str, target: str) -> None:
    task = "regression" if target == "numbers" else "classification"
    if task not in models()[model].tasks:
        return
    outcome = packaged(*fitted(PLAIN, model, target))
    assert outcome.largest_difference < (1e-12 if model in EXACT else 1e-7)


@pytest.mark.parametrize(
    ("use", "model", "why"),
    [
        ("text_vectors", "decision_tree", "the step text_vectors has no counterpart in ONNX"),
        ("cast", "decision_tree", "the step cast reads numbers out of text"),
        ("impute", "k_neighbors", "which of equally near rows count"),
        ("impute", "calibrated", "the model calibrated has no counterpart"),
        ("lag", "decision_tree", "the step lag has no counterpart"),
    ],
)
def test_what_has_no_copy_says_why(use: str, model: str, why: str) -> None:
    outcome = package(*_with_digest(*fitted(use, model, "two classes")))
    assert isinstance(outcome, NotPackaged)
    assert why in outcome.reason
    assert outcome.probe_rows == 0


def _with_digest(state: FittedState, rows: Columns) -> tuple[FittedState, str, Columns]:
    return state, "sha256:model", rows


WILD = [
    *[(PLAIN, model, target) for model in sorted(EXACT | {"logistic_regression"}) for target in ("three classes",)],
    *[(PLAIN, model, "numbers") for model in ("ridge", "random_forest")],
    (PLAIN, "svm", "three classes"),
    ("cast numbers", "decision_tree", "two classes"),
    ("date_parts", "hist_gradient_boosting", "two classes"),
    ("ordinal", "random_forest", "two classes"),
    ("target_encode numbers", "hist_gradient_boosting", "three classes"),
    ("bin", "decision_tree", "two classes"),
    ("polynomial", "hist_gradient_boosting", "numbers"),
    ("power_transform", "logistic_regression", "two classes"),
    ("power_transform box_cox", "ridge", "numbers"),
    ("clip late", "hist_gradient_boosting", "two classes"),
    (PLAIN, "adaboost", "three classes"),
    (PLAIN, "adaboost", "numbers"),
    (PLAIN, "sgd", "three classes"),
    (PLAIN, "bernoulli_naive_bayes", "three classes"),
    (PLAIN, "stacking", "two classes"),
    ("arithmetic", "decision_tree", "two classes"),
    ("bin_edges", "decision_tree", "two classes"),
    ("function", "ridge", "numbers"),
    ("function reciprocal", "decision_tree", "two classes"),
    ("one_hot dummy", "hist_gradient_boosting", "two classes"),
    ("outlier_indicator", "decision_tree", "two classes"),
    ("replace", "hist_gradient_boosting", "two classes"),
    ("replace numbers", "hist_gradient_boosting", "two classes"),
    ("set_missing", "hist_gradient_boosting", "two classes"),
    ("set_missing text", "hist_gradient_boosting", "two classes"),
    ("weight_of_evidence numbers", "decision_tree", "three classes"),
]


@pytest.mark.parametrize(("use", "model", "target"), WILD)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_the_two_agree_on_rows_that_nobody_thought_of(use: str, model: str, target: str, data: st.DataObject) -> None:
    state, rows = fitted(use, model, target)
    same(state, copy_of(use, model, target), data.draw(wild_rows(state, rows)), model in EXACT)


PLAIN_REST = [{"node": "drop_columns", "columns": "text"}, *[step for step in REST if step["node"] != "text_vectors"]]


@settings(max_examples=10, deadline=None)
@given(steps=MANY_STEPS, model=st.sampled_from(["decision_tree", "hist_gradient_boosting", "logistic_regression"]))
def test_steps_in_any_order_have_a_copy_that_agrees(steps: list[dict[str, Any]], model: str) -> None:
    frame, facts = wide(60)
    steps = [step for step in steps if step["node"] not in NO_COPY]
    asked = spec([*steps, *PLAIN_REST], {"node": model, "params": SMALL.get(model, {})}, refit=False)
    if check_spec(asked, facts, len(frame)):
        return
    state = trained(asked, frame=frame, facts=facts)
    outcome = package(state, "sha256:model", Applier(state).columns_of_frame(frame))
    if isinstance(outcome, NotPackaged):
        assert "reads numbers out of text" in outcome.reason
    else:
        assert outcome.largest_difference < 1e-7


@cache
def copy_of(use: str, model: str, target: str) -> Scorer:
    return Scorer(converted(fitted(use, model, target)[0], "sha256:model"))


@cache
def bare(model: str, target: str) -> tuple[FittedState, Columns, Scorer]:
    """A model on numbers that no step has touched, so that its thresholds are numbers of the input."""
    frame, _ = table(200, target=TARGETS[target])  # type: ignore[arg-type]
    frame = frame[["age", "fare paid", "y"]]
    facts = facts_of(frame, {"age": "integer", "fare paid": "number", "y": TARGETS[target]})  # type: ignore[dict-item]
    task = "regression" if target == "numbers" else "classification"
    state = trained(spec([], {"node": model, "params": SMALL.get(model, {})}, task), frame=frame, facts=facts)
    return state, Applier(state).columns_of_frame(frame), Scorer(converted(state, "sha256:model"))


@pytest.mark.parametrize("model", ["decision_tree", "hist_gradient_boosting", "lightgbm", "xgboost"])
@pytest.mark.parametrize("target", TARGETS)
def test_trees_turn_at_the_very_number_at_which_the_model_of_record_turns(model: str, target: str) -> None:
    state, rows, copy = bare(model, target)
    found = np.array(thresholds(state))
    single = np.nextafter(found.astype(np.float32), np.float32(math.inf)).astype(np.float64)
    near = np.concatenate([found, np.nextafter(found, math.inf), np.nextafter(found, -math.inf), single, [math.nan]])
    for name in rows:
        same(state, copy, {**{n: np.full(len(near), np.nan) for n in rows}, name: near}, exact=True)
        same(state, copy, {**{n: np.resize(cells, len(near)) for n, cells in rows.items()}, name: near}, exact=True)


def test_a_copy_that_disagrees_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    state, rows = fitted(PLAIN, "logistic_regression", "two classes")
    sound = converted(state, "sha256:model")
    bent = onnx.ModelProto.FromString(sound)
    for node in bent.graph.node:
        if node.op_type == "Sigmoid":
            node.op_type = "Tanh"
    monkeypatch.setattr(packaging, "converted", lambda *_: bent.SerializeToString())
    outcome = package(state, "sha256:model", rows)
    assert isinstance(outcome, NotPackaged)
    assert "another class" in outcome.reason
    assert outcome.largest_difference is not None
    assert outcome.largest_difference > 0.1


def test_numbers_are_measured_by_the_predictions_own_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target counted in millionths agrees with nothing that is a millionth off, whatever an extreme row gives."""
    frame, _ = table(100, target="number")
    frame = frame[["age", "fare paid", "y"]].assign(y=frame["y"] * 1e-6)
    facts = facts_of(frame, {"age": "integer", "fare paid": "number", "y": "number"})
    steps = [{"node": "impute"}]
    state = trained(spec(steps, {"node": "ridge"}, "regression"), frame=frame, facts=facts)
    rows = Applier(state).columns_of_frame(frame)
    assert isinstance(package(state, "sha256:model", rows), Packaged)
    bent = onnx.ModelProto.FromString(converted(state, "sha256:model"))
    intercept = onnx.numpy_helper.to_array(bent.graph.initializer[-1])
    bent.graph.initializer[-1].CopyFrom(onnx.numpy_helper.from_array(intercept + 1e-9, bent.graph.initializer[-1].name))
    monkeypatch.setattr(packaging, "converted", lambda *_: bent.SerializeToString())
    outcome = package(state, "sha256:model", rows)
    assert isinstance(outcome, NotPackaged)
    assert "more than it may" in outcome.reason


def test_a_copy_says_by_itself_what_it_takes_and_gives() -> None:
    state, rows = fitted(PLAIN, "logistic_regression", "three classes")
    copy = Scorer(packaged(state, rows).content)
    assert (copy.input_schema, copy.target_type, copy.classes) == (state.input_schema, "integer", [0, 1, 2])
    assert copy.model == "sha256:model"
    assert copy.predict({name: cells[:0] for name, cells in rows.items()}).predictions == []


def test_the_same_model_gives_the_same_file() -> None:
    state, _ = fitted(PLAIN, "hist_gradient_boosting", "two classes")
    assert converted(state, "sha256:model") == converted(state, "sha256:model")


class TestAudit:
    """A file that came from elsewhere is judged by its structure, before anything of it is run."""

    @pytest.fixture
    def copy(self) -> onnx.ModelProto:
        return onnx.ModelProto.FromString(converted(fitted(PLAIN, "logistic_regression", "two classes")[0], "sha256:m"))

    def test_our_own_passes(self, copy: onnx.ModelProto) -> None:
        audit(copy.SerializeToString())

    def test_other_operators_do_not(self, copy: onnx.ModelProto) -> None:
        copy.graph.node.append(helper.make_node("Loop", [], []))
        with pytest.raises(Damaged, match="'Loop'"):
            audit(copy.SerializeToString())

    def test_nor_other_domains(self, copy: onnx.ModelProto) -> None:
        copy.graph.node[0].domain = "com.example"
        with pytest.raises(Damaged, match="no copy of ours does"):
            audit(copy.SerializeToString())
        copy.graph.node[0].domain = ""
        copy.opset_import.append(helper.make_opsetid("com.example", 1))
        with pytest.raises(Damaged, match="another kind"):
            audit(copy.SerializeToString())

    def test_nor_data_outside_the_file(self, copy: onnx.ModelProto) -> None:
        tensor = copy.graph.initializer[0]
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/passwd")
        with pytest.raises(Damaged, match="outside its file"):
            audit(copy.SerializeToString())

    def test_nor_functions_nor_graphs_within(self, copy: onnx.ModelProto) -> None:
        whole = onnx.ModelProto.FromString(copy.SerializeToString())
        whole.functions.add(name="f", domain="")
        with pytest.raises(Damaged, match="functions"):
            audit(whole.SerializeToString())
        inner = helper.make_graph([], "inner", [], [])
        copy.graph.node[0].attribute.append(helper.make_attribute("then_branch", inner))
        with pytest.raises(Damaged, match="graph within"):
            audit(copy.SerializeToString())

    @pytest.mark.parametrize("content", [b"", b"no", b"\0" * 100, b"PK\3\4"])
    def test_nor_what_is_no_onnx(self, content: bytes) -> None:
        with pytest.raises(Damaged):
            audit(content)
        with pytest.raises(Damaged):
            Scorer(content)

    def test_a_file_without_our_record_is_not_loaded(self, copy: onnx.ModelProto) -> None:
        props = {each.key: each.value for each in copy.metadata_props}
        assert json.loads(props[RECORD])["format"] == 1
        del copy.metadata_props[:]
        with pytest.raises(Damaged):
            Scorer(copy.SerializeToString())


def test_a_row_that_gives_no_number_is_an_error_as_it_is_for_the_model_of_record() -> None:
    frame, _ = table(60, target="number")
    frame = frame[["fare paid", "y"]]
    state = trained(
        spec([], {"node": "ridge"}, "regression"),
        frame=frame,
        facts=facts_of(frame, {"fare paid": "number", "y": "number"}),
    )
    missing = {"fare paid": np.array([1.0, math.nan])}
    with pytest.raises(ValueError, match="NaN"):
        Applier(state).predict(missing)
    with pytest.raises(ValueError, match="not finite"):
        Scorer(converted(state, "sha256:model")).predict(missing)
