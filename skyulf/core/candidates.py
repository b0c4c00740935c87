"""From the columns' facts to candidate specs, and to what is wrong with a spec before anything is run. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from skyulf.core.clustering import clusterers, clustering_faults
from skyulf.core.columns import ColumnFacts
from skyulf.core.default_steps import LINEAR_MODELS, Reasons, Sorted, sort_out, steps_for
from skyulf.core.evaluation_check import evaluation_faults
from skyulf.core.flow import Flow, follow
from skyulf.core.made import some
from skyulf.core.registry import Node
from skyulf.core.spec import ModelSpec, PipelineSpec
from skyulf.core.streaming_check import streaming_faults
from skyulf.core.tuning_check import tuning_faults
from skyulf.core.wiring import ends_of
from skyulf.errors import Fault

MAX_CLASSES = 1000
MIN_TRAINING_ROWS = 2

MOST_LINEAR_CELLS = 1_000_000
"""Rows by classes beyond which a logistic regression takes minutes."""

TREE_CELLS = 400_000_000
"""Rows by classes by iterations that boosting of one tree for each class and iteration may take."""

LONGEST = 1000
"""Iterations of the boosting that stops by itself: many where they help, few where probabilities would grow bold."""

MOST_TREES = 4_000
"""Trees that a model of many classes may have, one for each class and iteration: loading and asking it takes time."""

STOPPING_ROWS, STOPPING_CLASS, STOPPING_CLASSES, STOPPING_COLUMNS = 200, 20, 20, 500
"""To stop early takes a tenth of the rows: so many rows, so many of each class, and not more classes and columns."""

SKEWED, ENOUGH_TO_TURN = 1.0, 1000
"""The skewness of a target from which on its logarithm is tried, too, and the rows that takes: of fewer, the two or
three largest targets decide which does better, and say nothing of the next ones."""

FEW_ROWS_A_COLUMN = 10
"""With fewer a linear model learns noise; a second one, drawn more to the mean, is tried."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Complete specs to choose between, and the columns that all set aside, each with the reason."""

    specs: tuple[PipelineSpec, ...]
    set_aside: Reasons


def choose_candidates(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> Candidates:
    """Fill in what a spec leaves out.

    Without a model, linear ones and histogram gradient boosting are candidates, as many as the size of the data
    allows, and of a skewed target two of them once more that learn its logarithm; without steps, each gets those that
    suit it: columns that say nothing about unseen rows are dropped, dates taken apart, missing cells filled, categories
    encoded, numbers scaled for linear models, and words of free text counted, beside candidates that drop the text. Of
    given steps with no model, models that cannot take what the steps leave are left out, unless none could. Where there
    are too few rows for every class to be on both sides of the split, ``split.stratify`` left out becomes false,
    unless steps and model are both given.

    Of a clustering, k-means with each number of clusters that may be is a candidate.
    """
    spec = _split_as_can_be(spec, columns, rows)
    ends = ends_of(spec) if spec.model is None else None
    models = (spec.model,) if spec.model is not None else _models_for(spec, columns, rows)
    models = models if ends is None else tuple(model.model_copy(update={"inputs": ends}) for model in models)
    asked = [spec.model_copy(update={"model": model}) for model in models]
    if spec.model is None and spec.target_transform is None and _is_skewed(spec, columns, rows):
        linear = asked[:1] if models[0].node in LINEAR_MODELS else []
        asked += [one.model_copy(update={"target_transform": "log1p"}) for one in (*linear, asked[-1])]
    if spec.steps is not None:
        specs = tuple(asked)
        able = [one for one in specs if len(specs) == 1 or not _model_faults(one, follow(one, columns, rows))]
        return Candidates(tuple(able) or specs, ())
    found = sort_out(spec.withheld, columns, rows)
    # A column of text can be a story or chatter: with a model to choose, it is tried both ways.
    ways = (True, False) if found.texts and found.rest and spec.model is None else (True,)
    ways = (False,) if spec.task == "clustering" else ways  # words would outweigh all other columns
    specs = tuple(_with_steps(one, columns, rows, found, words) for words in ways for one in asked)
    return Candidates(specs, found.set_aside)


def _with_steps(
    spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int, found: Sorted, words: bool
) -> PipelineSpec:
    assert spec.model is not None
    return spec.model_copy(update={"steps": steps_for(spec.model, spec, columns, rows, found, words)})


def _is_skewed(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> bool:
    """Tell whether a regression's target has a long upper tail, and rows enough to tell whether its logarithm helps."""
    target = next((c for c in columns if c.name == spec.target), None)
    if spec.task != "regression" or target is None or target.skewness is None:
        return False
    return target.skewness > SKEWED and rows - target.nulls >= ENOUGH_TO_TURN


def _models_for(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> tuple[ModelSpec, ...]:
    """Return the models worth trying, by the size of the data and of its classes; the first is always possible."""
    if spec.task == "clustering":
        return clusterers(rows)
    target = next((c for c in columns if c.name == spec.target), None)
    filled = rows - target.nulls if target else rows
    classify = spec.task == "classification"
    classes = target.distinct if target and classify else 1
    rarest = target.rarest if target and classify else filled
    cells = filled * (classes if classes > 2 else 1)
    node, penalty = ("logistic_regression", {"C": 0.05}) if classify else ("ridge", {"alpha": 30.0})
    models: list[ModelSpec] = []
    if cells <= MOST_LINEAR_CELLS:
        models.append(ModelSpec(node=node))
    if filled < FEW_ROWS_A_COLUMN * len(columns):
        models.append(ModelSpec(node=node, params=penalty))
    params: dict[str, object] = {}
    if cells > MOST_LINEAR_CELLS:
        params = {"max_iter": max(10, min(100, TREE_CELLS // cells, MOST_TREES // classes)), "l2_regularization": 1.0}
    if rarest < STOPPING_CLASS:
        # Rows set aside to tell when to stop would need two of each class; and trees for a few rows run away.
        params |= {"early_stopping": False, "l2_regularization": 1.0}
    models.append(ModelSpec(node="hist_gradient_boosting", params=params))
    enough = filled >= STOPPING_ROWS and rarest >= STOPPING_CLASS
    if enough and classes <= STOPPING_CLASSES and len(columns) <= STOPPING_COLUMNS:
        most = LONGEST if classes <= 2 else max(100, LONGEST // classes)
        long = {"max_iter": most, "early_stopping": True, "l2_regularization": 1.0}
        models.append(ModelSpec(node="hist_gradient_boosting", params=long))
    return tuple(models)


def _split_as_can_be(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> PipelineSpec:
    """Give up keeping the classes' shares where the data has too few rows of one and nobody asked for it.

    Of a spec that leaves nothing to be chosen that is a fault, of which its author should hear.
    """
    if spec.steps is not None and spec.model is not None:
        return spec
    target = next((c for c in columns if c.name == spec.target), None)
    if target is None or spec.split.stratify is not None or not spec.split.stratifies(spec.task):
        return spec
    filled = rows - target.nulls
    test = math.ceil(spec.split.test_size * filled)
    if target.rarest == 1 or min(test, filled - test) >= target.distinct:
        return spec  # a class of one row is a fault, of which its owner should hear before he reads a metric
    return spec.model_copy(update={"split": spec.split.model_copy(update={"stratify": False})})


def check_spec(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> tuple[Fault, ...]:
    """Find what would keep a spec from being trained on a dataset of ``rows`` rows, by its columns' facts alone.

    Quick enough for every request. A fault names the place in the spec and the way out; none means that the
    data's shape lets it be trained.
    """
    if unable := unable_nodes(spec) or streaming_faults(spec):
        return tuple(unable)
    if spec.task == "clustering":
        return tuple(_clustering_faults(spec, columns, rows))
    spec = _split_as_can_be(spec, columns, rows)
    target = next((c for c in columns if c.name == spec.target), None)
    if target is None:
        return (Fault("target", f"the dataset has no such column; it has {some([c.name for c in columns], 20)}"),)
    faults = _target_faults(spec, target, rows)
    if len(columns) < 2:
        return (*faults, Fault("target", "the dataset has no other column to learn from"))
    if not faults:
        faults = _split_faults(spec, target, rows - target.nulls)
    faults += _flow_faults(spec, columns, rows)
    if not faults:
        faults += evaluation_faults(spec, columns, rows)
    if not faults and spec.tuning is not None:
        return tuning_faults(spec, columns, rows, lambda one: check_spec(one, columns, rows))
    return tuple(faults)


def _clustering_faults(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> list[Fault]:
    faults = [*clustering_faults(spec, columns, rows), *_few_rows(spec, rows, "rows")]
    return faults or _flow_faults(spec, columns, rows)


def _flow_faults(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> list[Fault]:
    """Say which steps cannot act, and what reaches the model that it cannot take."""
    if faults := follow(spec, columns, rows).faults:
        return list(faults)
    best = choose_candidates(spec, columns, rows).specs[0]
    return _model_faults(best, follow(best, columns, rows))


def unable_nodes(spec: PipelineSpec) -> list[Fault]:
    """Say which nodes cannot be used, whatever the dataset: a library is missing, or they do not do the task."""
    parts = [(f"steps.{at}.node", step.use()) for at, step in enumerate(spec.steps or ())]
    nodes: list[tuple[str, Node]] = [*parts, *([("model.node", spec.model.use())] if spec.model else [])]
    reasons = [(place, node.absent() or node.unable(spec.task)) for place, node in nodes]
    return [Fault(place, reason) for place, reason in reasons if reason]


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
    if few := _few_rows(spec, rows, "rows with a target"):
        return few
    test = math.ceil(spec.split.test_size * rows)
    train = rows - test
    if not spec.split.stratifies(spec.task):
        return []
    if target.rarest == 1:
        message = "a class has one row only, which cannot be both learnt from and tested on"
        return [Fault("target", f"{message}; remove or merge it, or set split.stratify to false")]
    if min(test, train) < target.distinct:
        message = f"{target.distinct} classes cannot be on both sides of a split into {train} and {test} rows"
        return [Fault("split.test_size", f"{message}; change it, add rows, or set split.stratify to false")]
    return []


def _few_rows(spec: PipelineSpec, rows: int, what: str) -> list[Fault]:
    train = rows - math.ceil(spec.split.test_size * rows)
    if train >= MIN_TRAINING_ROWS:
        return []
    message = f"{rows} {what} leave {max(train, 0)} for training, and 2 are needed at least"
    return [Fault("split.test_size", f"{message}; add rows or lower it")]


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
