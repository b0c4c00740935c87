"""The declarative pipeline: what to predict, how to split, which steps and which model. No scikit-learn here."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, cast, get_args

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from skyulf.core.columns import Kind
from skyulf.core.part import Name
from skyulf.core.part import Part as _Part
from skyulf.core.registry import Model, Step, Task, make_model, make_step, models
from skyulf.core.tuning_space import space_faults
from skyulf.core.tuning_spec import FoldsSpec, TuningSpec
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


class Selector(_Part):
    """Columns by kind, with exceptions."""

    kind: Kind | Literal["all"] = "all"
    exclude: tuple[Name, ...] = ()


Columns = Kind | Literal["all"] | tuple[Name, ...] | Selector


class StepSpec(_Part):
    """One step: a node, the columns it acts on as they are by then, and its parameters."""

    node: Name
    columns: Columns = "all"
    params: dict[str, Any] = Field(default_factory=dict)

    @field_validator("columns", mode="wrap")
    @classmethod
    def _say_what_columns_may_be(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Columns:
        try:
            columns: Columns = handler(value)
        except ValidationError:
            raise ValueError(
                'expected "numeric", "categorical", "datetime", "text", "all", a list of column names,'
                ' or {"kind": …, "exclude": [names]}'
            ) from None
        return columns

    @model_validator(mode="after")
    def _node_takes_params(self) -> Self:
        self.use()
        return self

    def use(self) -> Step:
        """Return the node with its parameters."""
        return make_step(self.node, self.params)


class ModelSpec(_Part):
    """The model at the end, its parameters, and a seed that overrides the job's for it."""

    node: Name
    params: dict[str, Any] = Field(default_factory=dict)
    seed: Seed | None = None

    @model_validator(mode="after")
    def _node_takes_params(self) -> Self:
        self.use()
        return self

    def use(self) -> Model:
        """Return the node with its parameters."""
        return make_model(self.node, self.params)


class PipelineSpec(_Part):
    """A whole pipeline. Steps and model, left out independently, are chosen from the columns' facts.

    ``target_transform`` says what the model of a regression learns in place of the target: ``log1p`` of it (of a
    negative one the same with its sign), or it to the power that makes it most like a normal distribution
    (``yeo_johnson``); predictions are turned back into the target's units. Left out it is chosen with the model where
    that is left out, too, and else is none. After evaluation the served model is fitted again on all rows, unless
    ``refit`` is false. A table that is too large for the job's memory is sampled, unless ``allow_sampling`` is false:
    then the job is refused. ``tuning`` searches for better parameters of a model that is named, and of steps that are
    given; the spec of a trained model has none, but the parameters that were found.
    """

    task: Task
    target: Name
    split: SplitSpec = SplitSpec()
    steps: tuple[StepSpec, ...] | None = None
    model: ModelSpec | None = None
    target_transform: TargetTransform | None = None
    refit: bool = Field(default=True, strict=True)
    allow_sampling: bool = Field(default=True, strict=True)
    tuning: TuningSpec | None = None

    @model_validator(mode="after")
    def _model_does_the_task(self) -> Self:
        if self.model is not None and (message := _wrong_task(self.model.node, self.task)):
            kind = PydanticCustomError("wrong_task", "{message}", {"message": message})
            line = InitErrorDetails(type=kind, loc=("model", "node"), input=None)
            raise ValidationError.from_exception_data("spec", [line])
        if self.transform is not None and self.task != "regression":
            text = "classes are not turned into other numbers; leave it out, or use task regression"
            kind = PydanticCustomError("wrong_task", "{message}", {"message": text})
            line = InitErrorDetails(type=kind, loc=("target_transform",), input=None)
            raise ValidationError.from_exception_data("spec", [line])
        return self

    @model_validator(mode="after")
    def _tuning_can_be_done(self) -> Self:
        if self.tuning is not None and (faults := space_faults(self)):
            lines = [
                InitErrorDetails(
                    type=PydanticCustomError("tuning", "{message}", {"message": fault.message}),
                    loc=(fault.place,),
                    input=None,
                )
                for fault in faults
            ]
            raise ValidationError.from_exception_data("spec", lines)
        return self

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
    }  # fmt: skip
    inside = [parts[part] for part in error["loc"][:-1] if part in parts]
    owner = inside[-1] if inside else PipelineSpec
    return f"no such field; known are {', '.join(owner.model_fields)}"
