"""From the columns' facts to candidate specs, and to what is wrong with a spec before anything is run. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from skyulf.core.columns import ColumnFacts, Kind, kind_of
from skyulf.core.flow import Flow, follow, some
from skyulf.core.spec import ModelSpec, PipelineSpec, StepSpec
from skyulf.errors import Fault

MAX_CLASSES = 1000
ONE_HOT_CAP = 30
FEW_CLASSES = 10
ENOUGH_ROWS = 100
DATE_PARTS = ("year", "month", "day", "weekday", "days")
TIME_PARTS = (*DATE_PARTS, "hour", "minute")
MIN_TRAINING_ROWS = 2

LINEAR_MODELS = ("logistic_regression", "linear_regression", "ridge")


@dataclass(frozen=True, slots=True)
class Candidates:
    """Complete specs to choose between, and the columns that they set aside, each with the reason."""

    specs: tuple[PipelineSpec, ...]
    set_aside: tuple[tuple[str, str], ...]


def choose_candidates(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> Candidates:
    """Fill in what a spec leaves out.

    Without a model, a linear one and histogram gradient boosting are candidates; without steps, each gets those
    that suit it: columns that say nothing about unseen rows are dropped, dates taken apart, missing cells filled,
    categories encoded, and numbers scaled for linear models. Of given steps with no model, models that cannot take
    what the steps leave are left out, unless none could.
    """
    models = (spec.model,) if spec.model is not None else _models_for(spec)
    set_aside = _set_aside(spec, columns, rows) if spec.steps is None else ()
    specs = tuple(
        spec.model_copy(
            update={"model": model, "steps": _steps_for(model, spec, columns, rows, set_aside)}
            if spec.steps is None
            else {"model": model}
        )
        for model in models
    )
    if len(specs) == 1:
        return Candidates(specs, set_aside)
    able = tuple(one for one in specs if not _model_faults(one, follow(one, columns, rows)))
    return Candidates(able or specs, set_aside)


def _models_for(spec: PipelineSpec) -> tuple[ModelSpec, ...]:
    linear = "logistic_regression" if spec.task == "classification" else "ridge"
    return (ModelSpec(node=linear), ModelSpec(node="hist_gradient_boosting"))


def _set_aside(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> tuple[tuple[str, str], ...]:
    reasons = [(c.name, _useless(c, rows)) for c in columns if c.name != spec.target]
    return tuple((name, reason) for name, reason in reasons if reason)


def _useless(facts: ColumnFacts, rows: int) -> str | None:
    """Say why a column cannot help to predict rows that were never seen, or None."""
    filled = rows - facts.nulls
    if filled <= 0:
        return "every cell is missing"
    if facts.distinct <= 1 and facts.nulls == 0:
        return "every row has the same value"
    kind = kind_of(facts, rows)
    if kind == "text":
        return "free text or an identifier: nearly every value is different"
    if facts.type == "integer" and facts.distinct == filled and _named_like_an_identifier(facts.name):
        return "an identifier: every value is different"
    return None


def _named_like_an_identifier(name: str) -> bool:
    """Integers that all differ may be measurements; only together with such a name are they taken for a key."""
    words = "".join(f"_{c}" if c.isupper() else c if c.isalnum() else "_" for c in name).lower().split("_")
    spelled_out = {word for word in words if word}
    return bool(spelled_out & {"id", "uuid", "guid", "index", "key", "rowid"}) or name.upper() in {
        "ID",
        "UUID",
        "ROWID",
    }


def _steps_for(
    model: ModelSpec,
    spec: PipelineSpec,
    columns: Sequence[ColumnFacts],
    rows: int,
    set_aside: tuple[tuple[str, str], ...],
) -> tuple[StepSpec, ...]:
    dropped = {name for name, _ in set_aside}
    kept = [c for c in columns if c.name not in dropped and c.name != spec.target]
    many = _of_many_values(spec, columns, kept, rows)
    kinds: set[Kind] = {kind_of(c, rows) for c in kept if c.name not in many}
    steps: list[StepSpec] = []
    if dropped:
        names = tuple(c.name for c in columns if c.name in dropped)
        steps.append(StepSpec(node="drop_columns", columns=names))
    for type_, parts in (("date", DATE_PARTS), ("datetime", TIME_PARTS)):
        if names := tuple(c.name for c in kept if c.type == type_):
            steps.append(StepSpec(node="date_parts", columns=names, params={"parts": list(parts)}))
    if many:
        steps.append(StepSpec(node="target_encode", columns=many))
    linear = model.node in LINEAR_MODELS
    numbers = bool(kinds & {"numeric", "datetime"})
    if numbers and (linear or not model.use().takes_nulls):
        steps.append(StepSpec(node="impute", columns="numeric", params={"strategy": "median"}))
    if linear and (numbers or many):
        steps.append(StepSpec(node="scale", columns="numeric"))
    if "categorical" in kinds:
        params = {"max_categories": ONE_HOT_CAP} if linear else {}
        steps.append(StepSpec(node="one_hot" if linear else "ordinal", columns="categorical", params=params))
    return tuple(steps)


def _of_many_values(
    spec: PipelineSpec, columns: Sequence[ColumnFacts], kept: Sequence[ColumnFacts], rows: int
) -> tuple[str, ...]:
    """Name the categorical columns that have more values than one-hot columns are made of.

    They are encoded by the target, unless it has many classes, of which each would add a column, or few rows.
    """
    target = next((c for c in columns if c.name == spec.target), None)
    if target is None or rows - target.nulls < ENOUGH_ROWS:
        return ()
    if spec.task == "classification" and target.distinct > FEW_CLASSES:
        return ()
    return tuple(c.name for c in kept if kind_of(c, rows) == "categorical" and c.distinct > ONE_HOT_CAP)


def check_spec(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> tuple[Fault, ...]:
    """Find what would keep a spec from being trained on a dataset of ``rows`` rows, by its columns' facts alone.

    Quick enough for every request. A fault names the place in the spec and the way out; none means that the
    data's shape lets it be trained.
    """
    target = next((c for c in columns if c.name == spec.target), None)
    if target is None:
        return (Fault("target", f"the dataset has no such column; it has {some([c.name for c in columns], 20)}"),)
    faults = _target_faults(spec, target, rows)
    if len(columns) < 2:
        return (*faults, Fault("target", "the dataset has no other column to learn from"))
    if not faults:
        faults = _split_faults(spec, target, rows - target.nulls)
    flow = follow(spec, columns, rows)
    faults += flow.faults
    if not flow.faults:
        best = choose_candidates(spec, columns, rows).specs[0]
        faults += _model_faults(best, follow(best, columns, rows))
    return tuple(faults)


def _target_faults(spec: PipelineSpec, target: ColumnFacts, rows: int) -> list[Fault]:
    filled = rows - target.nulls
    if filled <= 0:
        return [Fault("target", "every cell of this column is missing; choose another")]
    if target.distinct <= 1:
        return [Fault("target", "this column has only one value, so there is nothing to predict; choose another")]
    if target.type in ("date", "datetime"):
        return [Fault("target", "dates and times cannot be predicted; choose another column")]
    if spec.task == "regression":
        if target.type == "string":
            return [Fault("target", "regression needs a column of numbers; this is text: use task classification")]
        return []
    if target.distinct >= filled:
        return [Fault("target", "every row is a class of its own; choose another column, or task regression")]
    if target.distinct > MAX_CLASSES:
        message = f"{target.distinct} classes are more than {MAX_CLASSES}; choose another column, or task regression"
        return [Fault("target", message)]
    return []


def _split_faults(spec: PipelineSpec, target: ColumnFacts, rows: int) -> list[Fault]:
    """Foresee what the split would refuse; it rounds the rows for testing up."""
    test = math.ceil(spec.split.test_size * rows)
    train = rows - test
    if train < MIN_TRAINING_ROWS:
        message = f"{rows} rows with a target leave {max(train, 0)} for training, and 2 are needed at least"
        return [Fault("split.test_size", f"{message}; add rows or lower it")]
    if not spec.split.stratifies(spec.task):
        return []
    if target.rarest == 1:
        message = "a class of the target has one row only, which cannot be on both sides of a stratified split"
        return [Fault("split.stratify", f"{message}; set it to false, or remove or merge that class")]
    if min(test, train) < target.distinct:
        message = f"{target.distinct} classes cannot be on both sides of a split into {train} and {test} rows"
        return [Fault("split.test_size", f"{message}; change it, add rows, or set split.stratify to false")]
    return []


def _model_faults(spec: PipelineSpec, flow: Flow) -> list[Fault]:
    """Say what reaches the model that it cannot take."""
    if spec.model is None or flow.faults:
        return []
    if not flow.outcome and not flow.generated:
        return [Fault("steps", "no column is left for the model to learn from; drop fewer, or add columns")]
    by_kind: dict[str, list[str]] = {}
    for column in flow.outcome:
        by_kind.setdefault(column.kind, []).append(column.name)
    ways_out = {
        "categorical": "add one_hot or ordinal or target_encode for them",
        "text": "add text_vectors or drop_columns, or name them in target_encode, one_hot or ordinal",
        "datetime": "add date_parts or drop_columns for them",
    }
    faults = [
        Fault("steps", f"{kind} columns reach the model unencoded ({some(names)}); {ways_out[kind]}")
        for kind, names in by_kind.items()
        if kind != "numeric"
    ]
    gaps = [column.name for column in flow.outcome if column.kind == "numeric" and column.nullable]
    if flow.gaps:
        gaps.append("columns that steps made")
    if gaps and not spec.model.use().takes_nulls:
        message = f"{spec.model.node} takes no missing cells, and {some(gaps)} may have some"
        faults.append(Fault("steps", f"{message}; add impute for them"))
    return faults
