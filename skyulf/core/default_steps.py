"""What training does by itself with each column, by the columns' facts: set aside, taken as words, encoded, scaled."""

from collections.abc import Sequence
from dataclasses import dataclass

from skyulf.core.columns import ColumnFacts, Kind, is_free_text, kind_of
from skyulf.core.spec import ModelSpec, PipelineSpec, StepSpec

ONE_HOT_CAP = 30
"""Categories of more values than this are encoded by the target, where that can be, and else share columns."""

ONE_HOT_CAP_OF_MANY_CLASSES = 100
FEW_CLASSES = 10
ENOUGH_ROWS = 100
KEY_SHARE = 0.9
"""An integer column that is named like a key is one if at least this share of its cells differ."""

MOST_TEXTS = 5
WORDS = 200
WORD_CELLS = 4_000_000
"""Words of all text columns together are at most `WORDS`, and fewer where they would take more cells than this."""

DATE_PARTS = ("year", "month", "day", "weekday", "days")
TIME_PARTS = (*DATE_PARTS, "hour", "minute")
LINEAR_MODELS = ("logistic_regression", "linear_regression", "ridge")

Reasons = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sorted:
    """The columns of a dataset, target aside: those without use, each with the reason, free text, and the rest."""

    set_aside: Reasons
    texts: tuple[ColumnFacts, ...]
    rest: tuple[ColumnFacts, ...]


def sort_out(target: str | None, columns: Sequence[ColumnFacts], rows: int) -> Sorted:
    """Tell columns that can help to predict rows that were never seen from those that cannot.

    ``target`` is the column that is none of them: the target, or the reference of a clustering.
    """
    features = [c for c in columns if c.name != target]
    texts = sorted((c for c in features if is_free_text(c, rows)), key=lambda c: -(c.mean_words or 0.0))
    used = {c.name for c in texts[:MOST_TEXTS]}
    reasons = {c.name: _useless(c, rows) for c in features if c.name not in used}
    return Sorted(
        tuple((name, reason) for name, reason in reasons.items() if reason),
        tuple(c for c in features if c.name in used),
        tuple(c for c in features if c.name not in used and not reasons[c.name]),
    )


def _useless(facts: ColumnFacts, rows: int) -> str | None:
    """Say why a column cannot help, or None."""
    filled = rows - facts.nulls
    if filled <= 0:
        return "every cell is missing"
    if facts.distinct <= 1 and facts.nulls == 0:
        return "every row has the same value"
    if is_free_text(facts, rows):
        return f"free text: words are counted in the {MOST_TEXTS} columns that have most of them"
    if kind_of(facts, rows) == "text":
        return "a name or an identifier: nearly every value is different, and has few words"
    key = facts.distinct == filled or facts.distinct >= KEY_SHARE * filled >= KEY_SHARE * ENOUGH_ROWS
    if facts.type == "integer" and key and _named_like_an_identifier(facts.name):
        return "an identifier: nearly every value is different"
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


def steps_for(
    model: ModelSpec, spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int, columns_sorted: Sorted, words: bool
) -> tuple[StepSpec, ...]:
    """The steps that suit a model; with ``words`` free text is counted, else dropped."""
    kept = columns_sorted.rest
    names = {name for name, _ in columns_sorted.set_aside} | {c.name for c in columns_sorted.texts if not words}
    dropped = tuple(c.name for c in columns if c.name in names)
    many = _of_many_values(spec, columns, kept, rows)
    kinds: set[Kind] = {kind_of(c, rows) for c in kept if c.name not in many}
    steps: list[StepSpec] = []
    if dropped:
        steps.append(StepSpec(node="drop_columns", columns=dropped))
    for type_, parts in (("date", DATE_PARTS), ("datetime", TIME_PARTS)):
        if dates := tuple(c.name for c in kept if c.type == type_):
            steps.append(StepSpec(node="date_parts", columns=dates, params={"parts": list(parts)}))
    if many:
        steps.append(StepSpec(node="target_encode", columns=many))
    linear = model.node in LINEAR_MODELS or spec.task == "clustering"  # distances, too, want numbers on one scale
    numbers = bool(kinds & {"numeric", "datetime"})
    if numbers and (linear or not model.use().takes_nulls):
        steps.append(StepSpec(node="impute", columns="numeric", params={"strategy": "median"}))
    if linear and (numbers or many):
        steps.append(StepSpec(node="scale", columns="numeric"))
    if "categorical" in kinds:
        steps.append(_encoding(model, spec, columns, linear))
    if words and columns_sorted.texts:
        texts = tuple(c.name for c in columns_sorted.texts)
        each = max(min(WORDS, WORD_CELLS // max(rows, 1)) // len(texts), 10)
        steps.append(StepSpec(node="text_vectors", columns=texts, params={"max_features": each}))
    return tuple(steps)


def _encoding(model: ModelSpec, spec: PipelineSpec, columns: Sequence[ColumnFacts], linear: bool) -> StepSpec:
    """One column for each category, or for trees one number; what those never saw is missing, if they can take that."""
    if linear:
        params: dict[str, int | None] = {"max_categories": _one_hot_cap(spec, columns)}
    else:
        params = {"unknown_value": None} if model.use().takes_nulls else {}
    return StepSpec(node="one_hot" if linear else "ordinal", columns="categorical", params=params)


def _one_hot_cap(spec: PipelineSpec, columns: Sequence[ColumnFacts]) -> int:
    target = next((c for c in columns if c.name == spec.target), None)
    many = spec.task == "classification" and target is not None and target.distinct > FEW_CLASSES
    return ONE_HOT_CAP_OF_MANY_CLASSES if many else ONE_HOT_CAP


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
