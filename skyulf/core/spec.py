"""The declarative pipeline: what to predict, how to split, which steps and which model. No scikit-learn here."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, LiteralString, Self, cast, get_args

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from skyulf.core.evaluation_spec import EvaluationSpec, IntervalsSpec, ThresholdsSpec
from skyulf.core.part import Name, is_left_out
from skyulf.core.part import Part as _Part
from skyulf.core.registry import Model, Step, Task, make_model, make_step, models
from skyulf.core.selection import Columns, Inputs, StepId
from skyulf.core.tuning_space import space_faults
from skyulf.core.tuning_spec import FoldsSpec, TuningSpec
from skyulf.core.wiring import wire
from skyulf.errors import Fault, Invalid

Seed = Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)]
TargetTransform = Literal["none", "log1p", "yeo_johnson"]

MAX_FAULTS = 20
MAX_PLACE = 200


class SplitSpec(_Part):
    """How rows are held out: the share for testing, and whether classes keep their shares on both sides.

    ``stratify`` left out means yes for classification that shuffles. Without ``shuffle`` the last rows are tested.
    """

    test_size: float = Field(default=0.2, strict=True, gt=0, lt=1)
    stratify: Annotated[bool, Field(strict=True)] | None = None
    shuffle: bool = Field(default=True, strict=True)
    seed: Seed | None = None

    @model_validator(mode="after")
    def _stratifying_shuffles(self) -> Self:
        if self.stratify and not self.shuffle:
            raise ValueError("stratify needs shuffle")
        return self

    def stratifies(self, task: Task) -> bool:
        """Tell whether the split keeps the classes' shares."""
        return task == "classification" and self.shuffle and self.stratify is not False


class StepSpec(_Part):
    """One step: a node, the columns it acts on as they are by then, and its parameters.

    ``id`` is what others call it that read it. ``inputs`` are what it reads: the dataset, or steps by their ids, joined
    side by side. Without them it reads the step that stands before it, and the first one the dataset.
    """

    id: StepId | None = Field(default=None, exclude_if=is_left_out)
    node: Name
    inputs: Inputs | None = Field(default=None, exclude_if=is_left_out)
    columns: Columns = "all"
    params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _node_takes_params(self) -> Self:
        self.use()
        return self

    def use(self) -> Step:
        """Return the node with its parameters."""
        return make_step(self.node, self.params)


class ModelSpec(_Part):
    """The model at the end, its parameters, and a seed that overrides the job's for it.

    ``inputs`` are what it reads, as those of a step; without them it reads the one step that no other reads.
    """

    node: Name
    inputs: Inputs | None = Field(default=None, exclude_if=is_left_out)
    params: dict[str, Any] = Field(default_factory=dict)
    seed: Seed | None = None

    @model_validator(mode="after")
    def _node_takes_params(self) -> Self:
        self.use()
        return self

    def use(self) -> Model:
        """Return the node with its parameters."""
        return make_model(self.node, self.params)


class StreamingSpec(_Part):
    """Training that reads the table in pieces: ``epochs`` is how often a model that learns over and over sees it."""

    epochs: int = Field(default=5, strict=True, ge=1, le=1000)


class PipelineSpec(_Part):
    """A whole pipeline. Steps and model, left out independently, are chosen from the columns' facts.

    Steps are a list, or a graph where some name their ``inputs`` (docs/pipelines.md). A model that is left out reads
    the ends of all branches.

    ``target_transform`` says what the model of a regression learns in place of the target: ``log1p`` of it (of a
    negative one the same with its sign), or it to the power that makes it most like a normal distribution
    (``yeo_johnson``); predictions are turned back into the target's units. Left out it is chosen with the model where
    that is left out, too, and else is none. After evaluation the served model is fitted again on all rows, unless
    ``refit`` is false. A table that is too large for the job's memory is sampled, unless ``allow_sampling`` is false:
    then the job is refused. With ``streaming`` all rows are trained on, however many, and no more than a piece of them
    is held at a time; model and steps are named, and must be able to learn so. ``tuning`` searches for better
    parameters of a model that is named, and of steps that are given; the spec of a trained model has none, but the
    parameters that were found. ``thresholds`` decide between classes, and ``intervals`` stand around numbers, where
    they are asked for; ``evaluation`` says what is shown of it.

    A clustering has no ``target``, nor what is measured by one: tuning, thresholds, intervals, slices.
    """

    task: Task
    target: Name | None = Field(default=None, validate_default=True)
    split: SplitSpec = SplitSpec()
    steps: tuple[StepSpec, ...] | None = None
    model: ModelSpec | None = None
    target_transform: TargetTransform | None = None
    refit: bool = Field(default=True, strict=True)
    allow_sampling: bool = Field(default=True, strict=True)
    streaming: StreamingSpec | None = Field(default=None, exclude_if=is_left_out)
    tuning: TuningSpec | None = None
    thresholds: ThresholdsSpec | None = None
    intervals: IntervalsSpec | None = None
    evaluation: EvaluationSpec = EvaluationSpec()

    @field_validator("target")
    @classmethod
    def _there_where_the_task_has_one(cls, value: str | None, info: ValidationInfo) -> str | None:
        clusters = info.data.get("task") == "clustering"
        if value is None and not clusters:
            raise PydanticCustomError("missing", "Field required")
        if value is not None and clusters:
            raise ValueError("clustering has no target; leave it out, or name it as evaluation.reference")
        return value

    @model_validator(mode="after")
    def _nothing_asks_for_a_target_that_is_not_there(self) -> Self:
        reference = self.evaluation.reference
        if self.task != "clustering":
            message = "clusters alone are compared with a reference; leave it out, or use task clustering"
            return self._without("wrong_task", [Fault("evaluation.reference", message)] if reference else [])
        asked: dict[str, object] = {
            "split.stratify": self.split.stratify, "target_transform": self.transform, "tuning": self.tuning,
            "thresholds": self.thresholds, "intervals": self.intervals, "evaluation.slices": self.evaluation.slices,
        }  # fmt: skip
        message = "clustering has no target, which this goes by; leave it out"
        return self._without("wrong_task", [Fault(place, message) for place, given in asked.items() if given])

    @model_validator(mode="after")
    def _model_does_the_task(self) -> Self:
        faults: list[Fault] = []
        if self.model is not None and (message := _wrong_task(self.model.node, self.task)):
            faults.append(Fault("model.node", message))
        elif self.transform is not None and self.task != "regression":
            message = "classes are not turned into other numbers; leave it out, or use task regression"
            faults.append(Fault("target_transform", message))
        return self._without("wrong_task", faults)

    @model_validator(mode="after")
    def _judging_suits_the_task(self) -> Self:
        faults: list[Fault] = []
        if self.thresholds is not None and self.task != "classification":
            message = "numbers are not decided between; leave it out, or use task classification"
            faults.append(Fault("thresholds", message))
        if self.intervals is not None:
            if self.task != "regression":
                message = "there are none around classes, which have probabilities; leave it out"
                faults.append(Fault("intervals", message))
            if self.intervals.cv.kind == "stratified":
                faults.append(Fault("intervals.cv.kind", "numbers are not stratified; use k_fold"))
            if self.intervals.method == "split" and self.refit:
                message = "split needs refit false: it measures a model that is fitted on some rows only"
                faults.append(Fault("intervals.method", message))
        if self.target in self.evaluation.slices:
            message = "by the target the evaluation is told as it is; name other columns"
            faults.append(Fault("evaluation.slices", message))
        return self._without("wrong_task", faults)

    @model_validator(mode="after")
    def _steps_hang_together(self) -> Self:
        return self._without("wiring", wire(self).faults)

    @model_validator(mode="after")
    def _tuning_can_be_done(self) -> Self:
        return self._without("tuning", space_faults(self) if self.tuning is not None else ())

    def _without(self, kind: LiteralString, faults: Sequence[Fault]) -> Self:
        """Raise pydantic's ValidationError of faults, if there are any."""
        if not faults:
            return self
        lines = [
            InitErrorDetails(
                type=PydanticCustomError(kind, "{message}", {"message": fault.message}), loc=(fault.place,), input=None
            )
            for fault in faults
        ]
        raise ValidationError.from_exception_data("spec", lines)

    @property
    def withheld(self) -> str | None:
        """The column that steps and model are not given: the target, or the reference of a clustering."""
        return self.target if self.target is not None else self.evaluation.reference

    @property
    def transform(self) -> Literal["log1p", "yeo_johnson"] | None:
        """What becomes of the target before the model learns it; None where it is learnt as it is."""
        return None if self.target_transform is None or self.target_transform == "none" else self.target_transform


def parse_spec(document: Mapping[str, Any]) -> PipelineSpec:
    """Read a spec from JSON.

    Raises:
        Invalid: with a fault for each place that is wrong (at most 20), naming what is known there.

    """
    try:
        return PipelineSpec.model_validate(document)
    except ValidationError as error:
        faults = [Fault(_place(one["loc"]), _message(one)) for one in error.errors(include_url=False)]
    told = {fault.place for fault in faults}
    faults += [fault for fault in _nodes_faults(document) if fault.place not in told]
    raise Invalid("the pipeline spec is not valid", faults[:MAX_FAULTS])


def _nodes_faults(document: Mapping[str, Any]) -> list[Fault]:
    """Look at every node by itself: pydantic does not where another field of the same part is wrong."""
    steps, task = document.get("steps"), document.get("task")
    parts: list[tuple[tuple[int | str, ...], Any, Any]] = [(("model",), document.get("model"), make_model)]
    parts += [(("steps", at), part, make_step) for at, part in enumerate(steps if isinstance(steps, list) else ())]
    faults: list[Fault] = []
    for place, part, make in parts:
        if not isinstance(part, Mapping) or not isinstance(part.get("node"), str):
            continue
        params = part.get("params", {})
        try:
            make(part["node"], params if isinstance(params, Mapping) else {})
        except ValidationError as error:
            faults += [Fault(_place((*place, *one["loc"])), _message(one)) for one in error.errors(include_url=False)]
    model = document.get("model")
    name = model.get("node") if isinstance(model, Mapping) else None
    if isinstance(name, str) and name in models() and task in get_args(Task):
        faults += [Fault("model.node", message)] if (message := _wrong_task(name, cast("Task", task))) else []
    return faults


def _wrong_task(node: str, task: Task) -> str | None:
    return None if node in models(task) else f"does not do {task}; known are {', '.join(sorted(models(task)))}"


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)[:MAX_PLACE]


def _message(error: Any) -> str:
    """Put pydantic's words plainly; an unknown field is answered with the known ones."""
    if error["type"] != "extra_forbidden":
        return str(error["msg"]).removeprefix("Value error, ")
    parts: dict[str, type[BaseModel]] = {
        "split": SplitSpec, "steps": StepSpec, "model": ModelSpec, "tuning": TuningSpec, "cv": FoldsSpec,
        "outer": FoldsSpec,
        "thresholds": ThresholdsSpec, "intervals": IntervalsSpec, "evaluation": EvaluationSpec,
        "streaming": StreamingSpec,
    }  # fmt: skip
    inside = [parts[part] for part in error["loc"][:-1] if part in parts]
    owner = inside[-1] if inside else PipelineSpec
    return f"no such field; known are {', '.join(owner.model_fields)}"
