"""What each step of a spec sees and leaves behind, worked out from the columns' facts alone.

Both the static check of a spec and the building of its scikit-learn pipeline follow this one account, so that
what was checked is what is trained.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from skyulf.core.columns import ColumnFacts, Kind, kind_of
from skyulf.core.made import Made, Source
from skyulf.core.made import some as some
from skyulf.core.registry import Step
from skyulf.core.spec import PipelineSpec, Selector, StepSpec
from skyulf.errors import Fault


@dataclass(frozen=True, slots=True)
class Flowing:
    """A column on its way through the steps: its name, its kind by now, and whether cells may be missing by now."""

    name: str
    kind: Kind
    nullable: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """One step that acts: on ``selected`` of the ``known`` columns before it, and on the generated ones or not.

    Columns that a step generates have names only once it is fitted; they are numeric and follow every step on
    "numeric" or "all" that takes them.
    """

    step: Step
    known: tuple[str, ...]
    selected: tuple[str, ...]
    generated: bool
    """Whether earlier steps generated columns."""
    takes_generated: bool
    by_position: bool = False
    """Whether columns have lost their names by now: a step generated some, or was given all of them as they were."""
    whole: bool = False
    """Whether it acts on every column that there is, all of them numbers, and so needs nothing to choose them."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What one step of a spec, by its place there, acts on, and the columns as they are after it."""

    step: Step
    acts_on: tuple[str, ...]
    acts_on_made: bool
    """Whether it acts on columns that earlier steps made."""
    columns: tuple[Flowing, ...]
    made: tuple[Made, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """The whole way: its stages, every step's account, the columns that reach the model, and faults."""

    inputs: tuple[str, ...]
    stages: tuple[Stage, ...]
    passages: tuple[Passage, ...]
    outcome: tuple[Flowing, ...]
    """The known columns that reach the model."""
    generated: bool
    """Whether generated ones do."""
    gaps: bool
    """Whether cells of those may be missing."""
    unused: frozenset[str]
    """Columns that were dropped before anything used them."""
    faults: tuple[Fault, ...]

    @property
    def changes_rows(self) -> bool:
        """Whether a step drops or adds training rows."""
        return any(stage.step.output == "rows" for stage in self.stages)


def follow(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> Flow:
    """Follow the columns of a dataset (its target aside) through the steps of a spec; steps left out are none."""
    current = [Flowing(c.name, kind_of(c, rows), c.nulls > 0) for c in columns if c.name != spec.target]
    inputs = tuple(column.name for column in current)
    made: tuple[Made, ...] = ()
    generated = by_position = False
    touched: set[str] = set()
    unused: set[str] = set()
    stages: list[Stage] = []
    passages: list[Passage] = []
    faults: list[Fault] = []
    for index, step_spec in enumerate(spec.steps or ()):
        step = step_spec.use()
        chosen, with_generated, problems = _select(step_spec, current, inputs, spec.target, index)
        with_generated = with_generated and generated and step.takes_generated
        faults += problems + _objections(step, chosen, with_generated, index)
        faults += _named(step, current, inputs, spec.target, index) + _misfit(step, chosen, current, index)
        faults += _gaps(step, chosen, with_generated and _nullable(made), index)
        names = tuple(column.name for column in chosen)
        if chosen or with_generated:
            known = tuple(c.name for c in current)
            whole = _whole(step, chosen, current) and generated == with_generated
            read = {name for read_names, _ in step.reads().values() for name in read_names}
            needed = tuple(name for name in known if name in read or name in names)
            stages.append(Stage(step, known, needed, generated, with_generated, by_position, whole))
            by_position = by_position or whole or step.output in ("generated", "added")
            if step.output == "dropped":
                unused |= set(names) - touched
            if step.output != "rows":
                touched |= set(needed)
            if step.output in ("generated", "added"):
                taken = made if with_generated else ()
                kept = () if with_generated and step.output == "generated" else made
                sources = [*_sources(chosen, columns), *(some_made.as_source() for some_made in taken)]
                made = kept + step.makes(sources, _classes(spec, columns))
            elif made and with_generated:
                made = _made_after(step, made)
            current, generated = _after(step, current, set(names), generated, with_generated)
        passages.append(Passage(step, names, with_generated, tuple(current), made))
    return Flow(
        inputs, tuple(stages), tuple(passages), tuple(current), generated, _nullable(made), frozenset(unused),
        tuple(faults),
    )  # fmt: skip


def _select(
    spec: StepSpec, current: list[Flowing], inputs: tuple[str, ...], target: str, index: int
) -> tuple[list[Flowing], bool, list[Fault]]:
    """Return the columns that a step acts on in their own order, whether generated ones too, and faults."""
    place = f"steps.{index}.columns"
    wanted = spec.columns
    if (step := spec.use()).by_name:
        if wanted != "all":
            return [], False, [Fault(place, f"the parameters of {step.name} name its columns; leave this out")]
        wanted = tuple(name for names, _ in step.reads().values() for name in names)
        return [column for column in current if column.name in wanted], False, []
    if isinstance(wanted, tuple):
        present = {column.name for column in current}
        faults = [
            Fault(f"{place}.{at}", _missing(name, inputs, target))
            for at, name in enumerate(wanted)
            if name not in present
        ]
        return [column for column in current if column.name in wanted], False, faults
    selector = wanted if isinstance(wanted, Selector) else Selector(kind=wanted)
    faults = [
        Fault(f"{place}.exclude.{at}", "the dataset has no such column")
        for at, name in enumerate(selector.exclude)
        if name not in inputs and name != target
    ]
    chosen = [
        column for column in current if selector.kind in ("all", column.kind) and column.name not in selector.exclude
    ]
    return chosen, selector.kind in ("all", "numeric"), faults


def _named(step: Step, current: list[Flowing], inputs: tuple[str, ...], target: str, index: int) -> list[Fault]:
    """Say which columns that a step's parameters name are not there."""
    faults = []
    for parameter, names in step.names().items():
        present = {column.name for column in current} | {target}
        faults += [
            Fault(f"steps.{index}.params.{parameter}.{at}", _missing(name, inputs, target))
            for at, name in enumerate(names)
            if name not in present
        ]
    kinds = {column.name: column.kind for column in current}
    for parameter, (names, taken) in step.reads().items():
        for name in names:
            place = f"steps.{index}.params.{parameter}"
            if name not in kinds:
                faults.append(Fault(place, _missing(name, inputs, target)))
            elif kinds[name] not in taken:
                faults.append(Fault(place, f"{name} is {kinds[name]}; {step.name} takes {_either(taken)} here"))
    return faults


def _either(kinds: frozenset[Kind]) -> str:
    return " or ".join(sorted(kinds))


def _misfit(step: Step, chosen: list[Flowing], current: list[Flowing], index: int) -> list[Fault]:
    columns = {column.name: column.kind for column in chosen}
    others = {column.name: column.kind for column in current if column not in chosen}
    reason = step.misfit(columns, others) if chosen else None
    return [Fault(f"steps.{index}.columns", reason)] if reason else []


def _whole(step: Step, chosen: list[Flowing], current: list[Flowing]) -> bool:
    """Tell whether a step acts on all known columns and they are all numbers, which an array holds as they are."""
    return (
        len(chosen) == len(current)
        and step.output in ("same", "numeric", "generated")
        and all(column.kind == "numeric" for column in chosen)
    )


def _missing(name: str, inputs: tuple[str, ...], target: str) -> str:
    if name == target:
        return "this is the target, which no step may touch; leave it out"
    if name in inputs:
        return "an earlier step dropped or replaced this column; select by kind, or move this step before that one"
    return "the dataset has no such column"


def _objections(step: Step, chosen: list[Flowing], generated: bool, index: int) -> list[Fault]:
    """Say which of the chosen columns, and of the generated ones (numbers), the step cannot take; one for a reason."""
    reasons: dict[str, list[str]] = {}
    for column in chosen:
        if reason := step.objection(column.kind):
            reasons.setdefault(reason, []).append(f"{column.name} ({column.kind})")
    if generated and (reason := step.objection("numeric")):
        reasons.setdefault(reason, []).append("columns of earlier steps (numeric)")
    return [Fault(f"steps.{index}.columns", f"{why}; not {some(names)}") for why, names in reasons.items()]


def _gaps(step: Step, chosen: list[Flowing], generated: bool, index: int) -> list[Fault]:
    """Say which of the chosen columns may lack cells, for a step that takes none."""
    if step.takes_nulls:
        return []
    names = [column.name for column in chosen if column.nullable] + ["columns of earlier steps"] * generated
    message = f"{step.name} takes no missing cells, and {some(names)} may have some; add impute before it"
    return [Fault(f"steps.{index}.columns", message)] if names else []


def _nullable(made: tuple[Made, ...]) -> bool:
    return any(columns.nullable for columns in made)


def _classes(spec: PipelineSpec, columns: Sequence[ColumnFacts]) -> int | None:
    if spec.task == "regression":
        return None
    return next((column.distinct for column in columns if column.name == spec.target), None)


def _sources(chosen: list[Flowing], columns: Sequence[ColumnFacts]) -> list[Source]:
    """Steps before may have changed values, but never one into two."""
    distinct = {column.name: column.distinct + (column.nulls > 0) for column in columns}
    return [Source(column.name, column.nullable, distinct[column.name]) for column in chosen]


def _made_after(step: Step, made: tuple[Made, ...]) -> tuple[Made, ...]:
    """Return what becomes of columns that earlier steps made, by a step that acts on them and makes none."""
    if step.output == "dropped":
        return ()
    return tuple(replace(columns, nullable=False) for columns in made) if step.fills_nulls else made


def _after(
    step: Step, current: list[Flowing], selected: set[str], generated: bool, with_generated: bool
) -> tuple[list[Flowing], bool]:
    if step.output == "dropped":
        return [c for c in current if c.name not in selected], generated and not with_generated
    if step.output == "generated":
        return [c for c in current if c.name not in selected], True
    if step.output == "added":
        return current, True
    if step.output == "rows":  # a sampler leaves every column where it stands
        return current, generated

    def changed(column: Flowing) -> Flowing:
        return Flowing(column.name, *step.after(column.kind, column.nullable))

    after = [changed(c) if c.name in selected else c for c in current]
    # A ColumnTransformer puts what it changes first; with generated columns it puts them last.
    keeps_first = with_generated
    return sorted(after, key=lambda c: (c.name in selected) == keeps_first), generated
