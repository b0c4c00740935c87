"""What is wrong with the columns that a step is given, or that come together: each with its place and the way out."""

from collections.abc import Sequence
from dataclasses import dataclass

from skyulf.core.columns import Kind
from skyulf.core.joining import Clashes, Flowing
from skyulf.core.made import some
from skyulf.core.registry import Step
from skyulf.core.spec import PipelineSpec
from skyulf.errors import Fault


@dataclass(frozen=True, slots=True)
class Known:
    """The columns of a dataset that steps may name: its ``inputs``, all but the target."""

    inputs: tuple[str, ...]
    target: str | None
    """The target, or the reference of a clustering; ``role`` is what this is called."""
    role: str
    branches: bool
    """Whether columns part, so that one may be there for some steps only."""

    def missing(self, name: str) -> str:
        """Say why a column is not there."""
        if name == self.target:
            return f"this is the {self.role}, which no step may touch; leave it out"
        if name not in self.inputs:
            return "the dataset has no such column"
        if self.branches:
            return "this column is not in what is read here; read it by an input that has it, or select by kind"
        return "an earlier step dropped or replaced this column; select by kind, or move this step before that one"


def role_of(spec: PipelineSpec) -> str:
    """What the column is called that no step may touch."""
    return "reference" if spec.task == "clustering" else "target"


def step_faults(
    step: Step,
    chosen: Sequence[Flowing],
    current: Sequence[Flowing],
    with_made: bool,
    gaps: bool,
    place: str,
    known: Known,
) -> list[Fault]:
    """Say what keeps a step from acting on the ``chosen`` of the ``current`` columns.

    ``with_made`` says that it acts on columns that earlier steps made, too, and ``gaps`` that cells of those may be
    missing.
    """
    return [
        *_objections(step, chosen, with_made, place),
        *_named(step, current, place, known),
        *_misfit(step, chosen, current, place),
        *_gaps(step, chosen, gaps, place),
    ]


def clash_faults(clashes: Clashes, place: str) -> list[Fault]:
    """Say what comes by two inputs at once."""
    return [
        Fault(
            place,
            f"{some(names)} would come by {first} and by {second}; take it from one of them only, by naming the"
            f' columns of the other, as in {{"from": "{second}", "columns": …}}',
        )
        for (first, second), names in clashes.items()
    ]


def _named(step: Step, current: Sequence[Flowing], place: str, known: Known) -> list[Fault]:
    """Say which columns that a step's parameters name are not there."""
    faults = []
    kinds = {column.name: column.kind for column in current}
    for parameter, names in step.names().items():
        faults += [
            Fault(f"{place}.params.{parameter}.{at}", known.missing(name))
            for at, name in enumerate(names)
            if name not in kinds and (name != known.target or known.role == "reference")
        ]
    for parameter, (names, taken) in step.reads().items():
        for name in names:
            where = f"{place}.params.{parameter}"
            if name not in kinds:
                faults.append(Fault(where, known.missing(name)))
            elif kinds[name] not in taken:
                faults.append(Fault(where, f"{name} is {kinds[name]}; {step.name} takes {_either(taken)} here"))
    return faults


def _either(kinds: frozenset[Kind]) -> str:
    return " or ".join(sorted(kinds))


def _misfit(step: Step, chosen: Sequence[Flowing], current: Sequence[Flowing], place: str) -> list[Fault]:
    columns = {column.name: column.kind for column in chosen}
    others = {column.name: column.kind for column in current if column.name not in columns}
    reason = step.misfit(columns, others) if chosen else None
    return [Fault(f"{place}.columns", reason)] if reason else []


def _objections(step: Step, chosen: Sequence[Flowing], with_made: bool, place: str) -> list[Fault]:
    """Say which of the chosen columns, and of the generated ones (numbers), the step cannot take; one for a reason."""
    reasons: dict[str, list[str]] = {}
    for column in chosen:
        if reason := step.objection(column.kind):
            reasons.setdefault(reason, []).append(f"{column.name} ({column.kind})")
    if with_made and (reason := step.objection("numeric")):
        reasons.setdefault(reason, []).append("columns of earlier steps (numeric)")
    return [Fault(f"{place}.columns", f"{why}; not {some(names)}") for why, names in reasons.items()]


def _gaps(step: Step, chosen: Sequence[Flowing], gaps: bool, place: str) -> list[Fault]:
    """Say which of the chosen columns may lack cells, for a step that takes none."""
    if step.takes_nulls:
        return []
    names = [column.name for column in chosen if column.nullable] + ["columns of earlier steps"] * gaps
    message = f"{step.name} takes no missing cells, and {some(names)} may have some; add impute before it"
    return [Fault(f"{place}.columns", message)] if names else []
