"""The parameters that a tuning searches through: where they stand in a spec, and what they may be. Pure."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from skyulf.core.registry import make_model, make_step, models, steps
from skyulf.core.tuning_spec import HIGHER_IS_BETTER, MOST_TRIALS, PATH, RangeSpec, TuningSpec
from skyulf.errors import Fault

if TYPE_CHECKING:
    from skyulf.core.spec import PipelineSpec

LOOKED_AT = 50
"""So many values of a list are tried out when a spec is checked; the others meet their trials."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the space: a list of ``choices``, or else numbers from ``low`` to ``high``."""

    path: str
    choices: tuple[Any, ...] | None = None
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    whole: bool = False

    def values(self) -> tuple[Any, ...] | None:
        """Every value that it may take; None for a range without a step."""
        if self.choices is not None:
            return self.choices
        if self.step is None:
            return tuple(range(int(self.low), int(self.high) + 1)) if self.whole and not self.log else None
        count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
        made = [self.low + at * self.step for at in range(count)]
        return tuple(int(value) for value in made) if self.whole else tuple(made)


def parameters_of(spec: "PipelineSpec") -> tuple[Parameter, ...]:
    """The space of a spec that is tuned, in the order of the paths."""
    assert spec.tuning is not None
    return tuple(_parameter(spec, path, values) for path, values in sorted(spec.tuning.space.items()))


def with_parameters(spec: "PipelineSpec", values: Mapping[str, Any]) -> "PipelineSpec":
    """The spec with these values in their places, and nothing left to tune; raises pydantic's ValidationError."""
    document = spec.model_dump(mode="json", exclude={"tuning"})
    for path, value in values.items():
        found = PATH.fullmatch(path)
        assert found is not None
        if found["model"]:
            document["model"]["params"][found["model"]] = value
        else:
            document["steps"][_step_at(spec, found)]["params"][found["parameter"]] = value
    return type(spec).model_validate(document)


def space_faults(spec: "PipelineSpec") -> list[Fault]:
    """Say what is wrong with a spec's tuning, whatever the dataset."""
    tuning = spec.tuning
    assert tuning is not None
    faults: list[Fault] = []
    known = HIGHER_IS_BETTER[spec.task]
    if tuning.metric is not None and tuning.metric not in known:
        faults.append(Fault("tuning.metric", f"no such metric of {spec.task}; known are {', '.join(known)}"))
    if tuning.cv.kind == "stratified" and spec.task != "classification":
        faults.append(Fault("tuning.cv.kind", "numbers are not stratified; use k_fold"))
    if tuning.outer is not None and tuning.outer.kind == "stratified" and spec.task != "classification":
        faults.append(Fault("tuning.outer.kind", "numbers are not stratified; use k_fold"))
    if spec.model is None:
        return [*faults, Fault("model", "tuning needs a model; name one")]
    for path, values in tuning.space.items():
        faults += _path_faults(spec, path) or _value_faults(spec, path, values)
    return faults or _strategy_faults(tuning, parameters_of(spec))


def combinations(parameters: tuple[Parameter, ...]) -> int | None:
    """How many combinations a space has; None if a range without a step makes it endless."""
    counts = [len(values) if (values := parameter.values()) is not None else None for parameter in parameters]
    return None if None in counts else math.prod(count for count in counts if count is not None)


def _strategy_faults(tuning: TuningSpec, parameters: tuple[Parameter, ...]) -> list[Fault]:
    if tuning.strategy == "cma_es":
        lists = [p.path for p in parameters if p.choices is not None]
        if lists:
            return [Fault(f"tuning.space.{lists[0]}", "cma_es searches ranges of numbers; use tpe for lists")]
        if len(parameters) < 2:
            return [Fault("tuning.space", "cma_es needs two parameters at least; use tpe for one")]
    if tuning.trials is not None and tuning.trials < tuning.searches:
        message = f"{tuning.searches} searches, one for each outer fold and the last, share them; raise it"
        return [Fault("tuning.trials", message)]
    if tuning.strategy == "grid":
        endless = [p.path for p in parameters if p.values() is None]
        if endless:
            return [Fault(f"tuning.space.{endless[0]}", "a grid needs a list, or a range with a step")]
        count = (combinations(parameters) or 0) * tuning.searches
        if count > (tuning.trials or MOST_TRIALS):
            times = f" in {tuning.searches} searches" if tuning.searches > 1 else ""
            message = f"the grid has {count} combinations{times}, more than {tuning.trials or MOST_TRIALS} trials"
            return [Fault("tuning.trials", f"{message}; raise it, shorten the lists, or use random")]
    return []


def _path_faults(spec: "PipelineSpec", path: str) -> list[Fault]:
    place = f"tuning.space.{path}"
    found = PATH.fullmatch(path)
    if found is None:
        expected = "model.PARAMETER, steps.0.PARAMETER for the first step, or steps.ID.PARAMETER"
        return [Fault(place, f"no such place; expected {expected}")]
    if found["model"]:
        assert spec.model is not None
        at, node, fields, name = None, spec.model.node, models()[spec.model.node].model_fields, found["model"]
    elif spec.steps is None:
        return [Fault(place, "the steps are left to Skyulf; give them, or tune the model only")]
    elif (at := _step_at(spec, found)) is None:
        named = [step.id for step in spec.steps if step.id is not None]
        known = f"{len(spec.steps)}, from 0 on" + (f", and by ids {', '.join(named)}" if named else "")
        return [Fault(place, f"there is no step {found['step'] or found['id']}; the spec has {known}")]
    else:
        node, name = spec.steps[at].node, found["parameter"]
        fields = steps()[node].model_fields
    if name in fields:
        twice = found["id"] is not None and f"steps.{at}.{name}" in (spec.tuning.space if spec.tuning else ())
        return [Fault(place, f"steps.{at}.{name} is the same parameter; leave one of them out")] if twice else []
    return [Fault(place, f"{node} has no such parameter; it takes {', '.join(sorted(fields)) or 'none'}")]


def _value_faults(spec: "PipelineSpec", path: str, values: tuple[Any, ...] | RangeSpec) -> list[Fault]:
    """Try values out by themselves, beside the parameters that the spec gives."""
    if isinstance(values, RangeSpec):
        parameter = _parameter(spec, path, values)
        tried = {"low": parameter.low, "high": parameter.high}
        if parameter.whole and any(
            isinstance(end, float) and not end.is_integer() for end in (values.low, values.high)
        ):
            return [Fault(f"tuning.space.{path}", "this parameter takes whole numbers only")]
    else:
        tried = {str(at): value for at, value in enumerate(values[:LOOKED_AT])}
    told = [(at, _objection(spec, path, value)) for at, value in tried.items()]
    return [Fault(f"tuning.space.{path}.{at}", message) for at, message in told if message]


def _objection(spec: "PipelineSpec", path: str, value: Any) -> str | None:
    """Say why a node does not take a value; None if it does."""
    found = PATH.fullmatch(path)
    assert found is not None
    assert spec.model is not None
    at = _step_at(spec, found)
    part = spec.model if at is None else (spec.steps or ())[at]
    make = make_model if found["model"] else make_step
    try:
        make(part.node, {**part.params, found["model"] or found["parameter"]: value})
    except ValidationError as error:
        return str(error.errors(include_url=False)[0]["msg"]).removeprefix("Value error, ")
    return None


def _step_at(spec: "PipelineSpec", found: re.Match[str]) -> int | None:
    """Return the place of the step that a path names, by place or by id; None where there is none, or the model."""
    given = spec.steps or ()
    if found["step"] is not None:
        return int(found["step"]) if int(found["step"]) < len(given) else None
    return next((at for at, step in enumerate(given) if step.id is not None and step.id == found["id"]), None)


def _parameter(spec: "PipelineSpec", path: str, values: tuple[Any, ...] | RangeSpec) -> Parameter:
    if not isinstance(values, RangeSpec):
        return Parameter(path, tuple(values))
    between = float(values.low) + (values.high - values.low) * 0.382
    whole = values.whole
    if whole is None:
        takes_whole = float(values.low).is_integer() and _objection(spec, path, int(values.low)) is None
        whole = takes_whole and _objection(spec, path, between) is not None
    number = int if whole else float
    step = None if values.step is None else number(values.step)
    return Parameter(path, None, number(values.low), number(values.high), values.log, step, whole)
