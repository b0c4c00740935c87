"""How the steps of a spec hang together: what each reads, in which order they act, and what cannot be. Pure.

A list is a graph in which each step reads the one before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skyulf.core.made import some
from skyulf.core.selection import DATASET, Columns, Input
from skyulf.errors import Fault

if TYPE_CHECKING:
    from skyulf.core.spec import PipelineSpec, StepSpec


@dataclass(frozen=True, slots=True)
class Reading:
    """One thing that a step or the model reads: what the step at that place of the spec leaves, or the dataset (None).

    ``columns`` are the part of it that is read; None is all of it.
    """

    step: int | None
    columns: Columns | None = None


Readings = tuple[Reading, ...]

LEFT = "the steps are left to Skyulf; leave this out, or give them"


@dataclass(frozen=True, slots=True)
class Wiring:
    """What each step of a spec reads, by its place, and what the model does; ``order`` is that in which steps act.

    The order depends on nothing but who reads what: not on where in the spec a step stands, nor on what it is called.
    Where there are faults it is not whole.
    """

    steps: tuple[Readings, ...]
    model: Readings
    order: tuple[int, ...]
    faults: tuple[Fault, ...]


def wire(spec: "PipelineSpec") -> Wiring:
    """Find out how the steps of a spec hang together; steps left out are none."""
    steps = spec.steps or ()
    places = {step.id: at for at, step in reversed(list(enumerate(steps))) if step.id is not None}
    faults = list(_repeated(steps, places))
    read: list[Readings] = []
    for at, step in enumerate(steps):
        if step.inputs is None:
            read.append((Reading(at - 1 if at else None),))
        else:
            readings, wrong = _readings(step.inputs, places, f"steps.{at}.inputs")
            read.append(readings)
            faults += wrong
    _, circle = _visit(range(len(steps)), read)
    if circle:
        faults.append(_circle_fault(circle, steps))
        return Wiring(tuple(read), (), (), tuple(faults))
    if spec.model is not None and spec.model.inputs is not None:
        model, wrong = _readings(spec.model.inputs, places, "model.inputs")
        faults += [Fault("model.inputs", LEFT)] if spec.steps is None else wrong
    else:
        model, wrong = _ends(spec, read)
        faults += [] if faults else wrong  # a name that is wrong leaves ends that are none
    order, _ = _visit([each.step for each in model if each.step is not None], read)
    if not faults:
        faults += _unread(read, model)
        faults += _passed_by(steps, read, model, order)
    return Wiring(tuple(read), model, tuple(order), tuple(faults))


def called(spec: "PipelineSpec", step: int | None) -> str:
    """Name what is read: the dataset, or a step by its id, or by its place where it has none."""
    if step is None:
        return DATASET
    return (spec.steps or ())[step].id or f"steps.{step}"


def ends_of(spec: "PipelineSpec") -> tuple[str, ...] | None:
    """Name what a model reads that has no inputs, where it is several: the ends of all branches, in order of names."""
    wiring = wire(spec)
    return tuple(called(spec, each.step) for each in wiring.model) if len(wiring.model) > 1 else None


def _repeated(steps: Sequence["StepSpec"], places: Mapping[str, int]) -> Iterator[Fault]:
    for at, step in enumerate(steps):
        if step.id == DATASET:
            yield Fault(f"steps.{at}.id", f'"{DATASET}" stands for the columns of the dataset; call the step otherwise')
        elif step.id is not None and places[step.id] != at:
            yield Fault(f"steps.{at}.id", f"steps.{places[step.id]} has this id, too; call one of them otherwise")


def _readings(inputs: Sequence[str | Input], places: Mapping[str, int], place: str) -> tuple[Readings, list[Fault]]:
    readings: list[Reading] = []
    faults: list[Fault] = []
    for at, each in enumerate(inputs):
        name, columns, inside = (each, None, "") if isinstance(each, str) else (each.source, each.columns, ".from")
        if name != DATASET and name not in places:
            known = some([DATASET, *places], 20)
            faults.append(Fault(f"{place}.{at}{inside}", f"no step has this id; known are {known}"))
            continue
        step = None if name == DATASET else places[name]
        if step in {reading.step for reading in readings}:
            faults.append(
                Fault(f"{place}.{at}{inside}", "this is read twice here; name all of its columns in one input")
            )
            continue
        readings.append(Reading(step, columns))
    return tuple(readings), faults


def _ends(spec: "PipelineSpec", read: Sequence[Readings]) -> tuple[Readings, list[Fault]]:
    """What a model reads that names nothing: what no step reads."""
    steps = spec.steps or ()
    taken = {reading.step for readings in read for reading in readings}
    ends = sorted((at for at in range(len(steps)) if at not in taken), key=lambda at: (steps[at].id or "", at))
    model = tuple(Reading(at) for at in ends) or (Reading(None),)
    if len(ends) < 2:
        return model, []
    if nameless := [at for at in ends if steps[at].id is None]:
        message = "nothing reads this step; give it an id, and name that in the inputs of another, or of the model"
        return model, [Fault(f"steps.{nameless[0]}", message)]
    if spec.model is None:  # what is chosen reads every branch
        return model, []
    names = some([called(spec, at) for at in ends])
    message = f"nothing reads {names}; name here those that the model shall read, and remove others"
    return model, [Fault("model.inputs", message)]


def _visit(starts: Sequence[int], read: Sequence[Readings]) -> tuple[list[int], list[int]]:
    """Go back from steps to what they read, depth first.

    Returns every step that was met, after those that it reads, and the first circle that was met, if any.
    """
    order: list[int] = []
    done: set[int] = set()
    for start in starts:
        way = {} if start in done else {start: iter(read[start])}
        while way:
            last, left = next(reversed(way.items()))
            following = next((each.step for each in left if each.step is not None and each.step not in done), None)
            if following is None:
                done.add(last)
                order.append(last)
                del way[last]
            elif following in way:
                met = list(way)
                return order, met[met.index(following) :]
            else:
                way[following] = iter(read[following])
    return order, []


def _circle_fault(circle: Sequence[int], steps: Sequence["StepSpec"]) -> Fault:
    names = [steps[at].id or f"steps.{at}" for at in circle]
    ways = " reads ".join(names[:5]) + (" reads …" if len(names) > 5 else "")
    message = f"steps read each other in a circle: {ways} reads {names[0]}; let one of them read something else"
    return Fault(f"steps.{min(circle)}.inputs", message)


def _unread(read: Sequence[Readings], model: Readings) -> Iterator[Fault]:
    """Say which steps nothing reads."""
    taken = {reading.step for readings in (*read, model) for reading in readings}
    for at in range(len(read)):
        if at not in taken:
            message = "nothing reads this step; name it in the inputs of another, or of the model, or remove it"
            yield Fault(f"steps.{at}", message)


def _passed_by(
    steps: Sequence["StepSpec"], read: Sequence[Readings], model: Readings, order: Sequence[int]
) -> Iterator[Fault]:
    """Steps that change rows and that some way leads past: others would keep rows that these drop."""
    turns: dict[int | None, int] = {None: -1, **{step: turn for turn, step in enumerate(order)}}
    readers = [(turn, steps[step].id or f"steps.{step}", read[step]) for turn, step in enumerate(order)]
    readers.append((len(order), "the model", model))
    for turn, step in enumerate(order):
        if steps[step].use().output != "rows":
            continue
        past = [who for at, who, readings in readers if any(turns[each.step] < turn < at for each in readings)]
        if past:
            message = f"it changes rows, and {some(past)} would read rows that went past it"
            way_out = "put it before the branches part, or after they are joined"
            yield Fault(f"steps.{step}.node", f"{message}; {way_out}")
