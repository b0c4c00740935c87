"""What would be trained, told before anything runs: the candidates, and the columns after each of their steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from skyulf.core.candidates import choose_candidates, unable_nodes
from skyulf.core.columns import ColumnFacts, Kind
from skyulf.core.flow import Passage, follow
from skyulf.core.flow_faults import role_of
from skyulf.core.joining import Flowing
from skyulf.core.made import Made
from skyulf.core.spec import PipelineSpec, StepSpec
from skyulf.core.streaming_check import streaming_faults
from skyulf.core.wiring import wire
from skyulf.errors import Fault

ROWS = "changes the rows that the model is fitted on, and none that are evaluated or served"
NOTHING = "no column is of that kind by then, so this step does nothing"


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """A column as it is after a step, or several that the step makes.

    What a step makes is ``of`` other columns. Where those are not one column, there is no ``name`` but a
    ``description``; ``count`` is how many they are and ``most`` how many at most, None where only fitting tells.
    """

    name: str | None
    kind: Kind
    nullable: bool
    of: tuple[str, ...] = ()
    description: str | None = None
    count: int | None = 1
    most: int | None = 1


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step with every parameter, what it reads and acts on, and all columns of that as they are after it."""

    id: str | None
    reads: tuple[str, ...]
    """What it reads: the dataset, or steps by their ids, or by their places where they have none."""
    node: str
    params: dict[str, Any]
    selected_by: Any
    """Its ``columns`` in the spec."""
    acts_on: tuple[str, ...]
    acts_on_made: bool
    """Whether it acts on columns that earlier steps made, too."""
    columns: tuple[PlannedColumn, ...]
    note: str | None


@dataclass(frozen=True, slots=True)
class PlannedCandidate:
    """A model with every parameter, what it learns in place of the target, the steps before it, and what it reads."""

    model: dict[str, Any]
    steps: tuple[PlannedStep, ...]
    reads: tuple[str, ...]
    columns: tuple[PlannedColumn, ...]
    """The columns that reach the model."""
    target_transform: str | None
    """``none`` where a regression learns the target as it is; None of a classification, which always does."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A column that is left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be trained: one of the candidates, without the columns that are set aside."""

    candidates: tuple[PlannedCandidate, ...] = ()
    set_aside: tuple[SetAside, ...] = ()


def plan(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> Plan:
    """Plan a spec on a dataset of ``rows`` rows, by its columns' facts alone, whether it could be trained or not.

    Of a spec with a fault in its steps it shows where the columns go nevertheless; without the target, nothing.
    """
    if spec.target is not None and spec.target not in {column.name for column in columns}:
        return Plan()
    chosen = choose_candidates(spec, columns, rows)
    planned = []
    for candidate in chosen.specs:
        if candidate.model is None:
            continue
        flow = follow(candidate, columns, rows)
        steps = tuple(map(_step, candidate.steps or (), flow.passages))
        reach = (*map(_kept, flow.outcome), *map(_made, flow.made))
        model = {"node": candidate.model.node, "params": candidate.model.use().model_dump(mode="json")}
        turned = (candidate.transform or "none") if candidate.task == "regression" else None
        planned.append(PlannedCandidate(model, steps, flow.reads, reach, turned))
    return Plan(tuple(planned), tuple(SetAside(name, reason) for name, reason in chosen.set_aside))


def _step(spec: StepSpec, passage: Passage) -> PlannedStep:
    document = spec.model_dump(mode="json")
    acts = bool(passage.acts_on or passage.acts_on_made)
    return PlannedStep(
        id=spec.id,
        reads=passage.reads,
        node=spec.node,
        params=passage.step.model_dump(mode="json"),
        selected_by=document["columns"],
        acts_on=passage.acts_on,
        acts_on_made=passage.acts_on_made,
        columns=(*map(_kept, passage.columns), *map(_made, passage.made)),
        note=NOTHING if not acts else ROWS if passage.step.output == "rows" else None,
    )


def _kept(column: Flowing) -> PlannedColumn:
    return PlannedColumn(column.name, column.kind, column.nullable)


def _made(columns: Made) -> PlannedColumn:
    description = None if columns.name else columns.description
    return PlannedColumn(
        columns.name, "numeric", columns.nullable, columns.of, description, columns.count, columns.most
    )


def check_alone(spec: PipelineSpec) -> tuple[Fault, ...]:
    """Find what is wrong with a spec whatever the dataset: columns that its steps cannot be given."""
    faults = unable_nodes(spec) or streaming_faults(spec)
    wiring = wire(spec)
    gone: dict[int | None, frozenset[str]] = {None: frozenset()}
    for index in wiring.order:
        step_spec = (spec.steps or ())[index]
        step, wanted = step_spec.use(), step_spec.columns
        gone[index] = frozenset.intersection(*(gone[each.step] for each in wiring.steps[index]))
        if not isinstance(wanted, tuple):
            kind = wanted if isinstance(wanted, str) else wanted.kind
            objection = None if kind == "all" else step.objection(kind)
            faults += [Fault(f"steps.{index}.columns", objection)] if objection else []
            continue
        for at, name in enumerate(wanted):
            place = f"steps.{index}.columns.{at}"
            if name == spec.withheld:
                faults.append(Fault(place, f"this is the {role_of(spec)}, which no step may touch; leave it out"))
            elif name in gone[index]:
                faults.append(Fault(place, "an earlier step dropped or replaced this column"))
        if step.output in ("dropped", "generated"):
            gone[index] |= set(wanted)
    return tuple(faults)
