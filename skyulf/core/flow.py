"""What each step of a spec sees and leaves behind, worked out from the columns' facts alone.

Both the static check of a spec and the building of its scikit-learn pipeline follow this one account, so that
what was checked is what is trained.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from skyulf.core.columns import ColumnFacts, kind_of
from skyulf.core.flow_faults import Known, clash_faults, role_of, step_faults
from skyulf.core.joining import DATASET_STAGE, Flowing, Intake, MadeBy, Table, joined
from skyulf.core.made import Made, Source
from skyulf.core.made import some as some
from skyulf.core.registry import Step
from skyulf.core.selection import Columns, Selector
from skyulf.core.spec import PipelineSpec, StepSpec
from skyulf.core.wiring import Readings, called, wire
from skyulf.errors import Fault


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
    by_position: bool
    """Whether columns have lost their names by now: a step generated some, or was given all of them as they were."""
    whole: bool
    """Whether it acts on every column that there is, all of them numbers, and so needs nothing to choose them."""
    intake: Intake
    """Where its columns stand."""
    leaves: int
    """How many known columns stand before those that are generated, once it has acted."""
    leaves_generated: bool


@dataclass(frozen=True, slots=True)
class Passage:
    """What one step of a spec, by its place there, acts on, and the columns as they are after it."""

    step: Step
    reads: tuple[str, ...]
    """What it reads: the dataset, or steps by id or place."""
    acts_on: tuple[str, ...]
    acts_on_made: bool
    """Whether it acts on columns that earlier steps made."""
    columns: tuple[Flowing, ...]
    made: tuple[Made, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """The whole way: its stages as they act, every step's account, the columns that reach the model, and faults."""

    inputs: tuple[str, ...]
    stages: tuple[Stage, ...]
    passages: tuple[Passage, ...]
    reads: tuple[str, ...]
    """What the model reads."""
    outcome: tuple[Flowing, ...]
    """The known columns that reach the model."""
    made: tuple[Made, ...]
    """The generated ones that do."""
    intake: Intake
    """Where these stand."""
    unused: frozenset[str]
    """Columns that nothing uses: no step acts on them but to drop them, and they do not reach the model."""
    faults: tuple[Fault, ...]

    @property
    def changes_rows(self) -> bool:
        """Whether a step drops or adds training rows."""
        return any(stage.step.output == "rows" for stage in self.stages)

    @property
    def generated(self) -> bool:
        """Whether generated columns reach the model."""
        return bool(self.intake.tails)

    @property
    def gaps(self) -> bool:
        """Whether cells of those may be missing."""
        return _nullable(self.made)


def follow(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> Flow:
    """Follow the columns of a dataset (target or reference aside) through the steps of a spec, or past none."""
    return _Following(spec, columns, rows).through()


class _Following:
    """The way through the steps of a spec, in the order in which they act."""

    def __init__(self, spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> None:
        self._spec = spec
        self._facts = columns
        self._wiring = wire(spec)
        dataset = tuple(Flowing(c.name, kind_of(c, rows), c.nulls > 0) for c in columns if c.name != spec.withheld)
        inputs = tuple(column.name for column in dataset)
        self._known = Known(
            inputs, spec.withheld, role_of(spec), branches=any(step.inputs for step in spec.steps or ())
        )
        self._tables: dict[int | None, Table] = {None: Table.of(DATASET_STAGE, dataset)}
        self._stages: list[Stage] = []
        self._passages: dict[int, Passage] = {}
        self._touched: set[str] = set()
        self._faults: list[Fault] = []

    def through(self) -> Flow:
        for index in self._wiring.order:
            self._tables[index] = self._step(index, (self._spec.steps or ())[index])
        outcome = self._read(self._wiring.model, "model.inputs" if self._spec.model else "steps")
        used = self._touched.union(column.name for column in outcome.columns)
        return Flow(
            inputs=self._known.inputs, stages=tuple(self._stages),
            passages=tuple(self._passages[index] for index in sorted(self._passages)),
            reads=self._names(self._wiring.model), outcome=outcome.columns, made=outcome.made_here,
            intake=outcome.intake, unused=frozenset(self._known.inputs) - used, faults=tuple(self._faults),
        )  # fmt: skip

    def _step(self, index: int, spec: StepSpec) -> Table:
        """Let a step act on what it reads; returns what it leaves."""
        step, place = spec.use(), f"steps.{index}"
        table = self._read(self._wiring.steps[index], f"{place}.inputs")
        chosen, with_made = self._select(spec, step, table, f"{place}.columns")
        with_made = with_made and bool(table.tails) and step.takes_generated
        gaps = with_made and _nullable(table.made_here)
        self._faults += step_faults(step, chosen, table.columns, with_made, gaps, place, self._known)
        names = tuple(column.name for column in chosen)
        if chosen or with_made:
            table = self._acted(step, chosen, table, with_made)
        reads = self._names(self._wiring.steps[index])
        self._passages[index] = Passage(step, reads, names, with_made, table.columns, table.made_here)
        return table

    def _acted(self, step: Step, chosen: Sequence[Flowing], table: Table, with_made: bool) -> Table:
        number = len(self._stages)
        known, names = tuple(column.name for column in table.columns), {column.name for column in chosen}
        whole = _whole(step, chosen, table.columns) and bool(table.tails) == with_made
        read = {name for read_names, _ in step.reads().values() for name in read_names}
        needed = tuple(name for name in known if name in read or name in names)
        if step.output not in ("rows", "dropped"):
            self._touched |= set(needed)
        made = table.made
        if step.output in ("generated", "added"):
            taken = made if with_made else ()
            kept = () if with_made and step.output == "generated" else made
            sources = [*self._sources(chosen), *(each.as_source() for each, _ in taken)]
            made = kept + tuple((each, number) for each in step.makes(sources, self._classes()))
        elif with_made:
            made = _made_after(step, made)
        after, generated = _after(step, table.columns, names, bool(table.tails), with_made)
        stage = Stage(
            step, known, needed, bool(table.tails), with_made, table.by_position, whole, table.intake,
            len(after), generated,
        )  # fmt: skip
        self._stages.append(stage)
        by_position = table.by_position or whole or step.output in ("generated", "added")
        return Table.of(number, after, made, generated, by_position)

    def _read(self, readings: Readings, place: str) -> Table:
        """Join what is read, and note what comes by two inputs at once."""
        parts: list[tuple[str, Table]] = []
        for at, reading in enumerate(readings):
            table = self._tables[reading.step]
            if reading.columns is not None:
                chosen, with_made = self._choose(reading.columns, table, f"{place}.{at}.columns")
                table = table.only({column.name for column in chosen}, with_made)
            parts.append((called(self._spec, reading.step), table))
        table, clashes = joined(parts)
        self._faults += clash_faults(clashes, place)
        return table

    def _select(self, spec: StepSpec, step: Step, table: Table, place: str) -> tuple[list[Flowing], bool]:
        """Return the columns that a step acts on in their own order, and whether generated ones too."""
        if not step.by_name:
            return self._choose(spec.columns, table, place)
        if spec.columns != "all":
            self._faults.append(Fault(place, f"the parameters of {step.name} name its columns; leave this out"))
            return [], False
        wanted = {name for names, _ in step.reads().values() for name in names}
        return [column for column in table.columns if column.name in wanted], False

    def _choose(self, wanted: Columns, table: Table, place: str) -> tuple[list[Flowing], bool]:
        """Return the columns that are wanted in their own order, and whether generated ones are."""
        if isinstance(wanted, tuple):
            present = {column.name for column in table.columns}
            self._faults += [
                Fault(f"{place}.{at}", self._known.missing(name))
                for at, name in enumerate(wanted)
                if name not in present
            ]
            return [column for column in table.columns if column.name in wanted], False
        selector = wanted if isinstance(wanted, Selector) else Selector(kind=wanted)
        self._faults += [
            Fault(f"{place}.exclude.{at}", "the dataset has no such column")
            for at, name in enumerate(selector.exclude)
            if name not in self._known.inputs and name != self._known.target
        ]
        chosen = [
            column
            for column in table.columns
            if selector.kind in ("all", column.kind) and column.name not in selector.exclude
        ]
        return chosen, selector.kind in ("all", "numeric")

    def _names(self, readings: Readings) -> tuple[str, ...]:
        return tuple(called(self._spec, reading.step) for reading in readings)

    def _classes(self) -> int | None:
        if self._spec.task == "regression":
            return None
        return next((column.distinct for column in self._facts if column.name == self._spec.target), None)

    def _sources(self, chosen: Sequence[Flowing]) -> list[Source]:
        """Steps before may have changed values, but never one into two."""
        distinct = {column.name: column.distinct + (column.nulls > 0) for column in self._facts}
        return [Source(column.name, column.nullable, distinct[column.name]) for column in chosen]


def _whole(step: Step, chosen: Sequence[Flowing], current: Sequence[Flowing]) -> bool:
    """Tell whether a step acts on all known columns and they are all numbers, which an array holds as they are."""
    return (
        len(chosen) == len(current)
        and step.output in ("same", "numeric", "generated")
        and all(column.kind == "numeric" for column in chosen)
    )


def _nullable(made: tuple[Made, ...]) -> bool:
    return any(columns.nullable for columns in made)


def _made_after(step: Step, made: MadeBy) -> MadeBy:
    """Return what becomes of columns that earlier steps made, by a step that acts on them and makes none."""
    if step.output == "dropped":
        return ()
    return tuple((replace(each, nullable=False), by) for each, by in made) if step.fills_nulls else made


def _after(
    step: Step, current: Sequence[Flowing], selected: set[str], generated: bool, with_generated: bool
) -> tuple[tuple[Flowing, ...], bool]:
    """Return the known columns as a step leaves them, in their order then, and whether it leaves generated ones."""
    if step.output == "dropped":
        return tuple(c for c in current if c.name not in selected), generated and not with_generated
    if step.output == "generated":
        return tuple(c for c in current if c.name not in selected), True
    if step.output == "added":
        return tuple(current), True
    if step.output == "rows":  # a sampler leaves every column where it stands
        return tuple(current), generated

    def changed(column: Flowing) -> Flowing:
        return Flowing(column.name, *step.after(column.kind, column.nullable))

    after = [changed(c) if c.name in selected else c for c in current]
    # A ColumnTransformer puts what it changes first; with generated columns it puts them last.
    keeps_first = with_generated
    return tuple(sorted(after, key=lambda c: (c.name in selected) == keeps_first)), generated
