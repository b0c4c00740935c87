"""What a spec may say of tuning: how to search, through which parameters, judged by which folds. No scikit-learn here.

A parameter is named by its place in the spec: ``model.C``, or ``steps.0.strategy`` of the first step, or
``steps.fill.strategy`` of the step whose id is fill.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, field_validator, model_validator

from skyulf.core.part import Name, Part, is_left_out
from skyulf.core.registry import Task

Strategy = Literal["grid", "random", "halving", "tpe", "cma_es"]
PrunerName = Literal["median", "hyperband"]
FoldKind = Literal["stratified", "k_fold", "time_series", "group"]
Number = Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True)]

PATH = re.compile(r"model\.(?P<model>\w+)|steps\.((?P<step>[0-9]{1,4})|(?P<id>[^\W\d][\w-]*))\.(?P<parameter>\w+)")

DEFAULT_TRIALS = 20
MOST_TRIALS = 10_000
MOST_PARAMETERS = 50
MOST_CHOICES = 1_000

HIGHER_IS_BETTER: Mapping[Task, Mapping[str, bool]] = {
    "classification": {
        "accuracy": True, "balanced_accuracy": True, "precision": True, "recall": True, "f1": True, "log_loss": False,
        "roc_auc": True, "average_precision": True, "brier": False, "mcc": True,
    },
    "regression": {
        "mae": False, "rmse": False, "mse": False, "r2": True, "median_ae": False, "mape": False,
        "explained_variance": True,
    },
}  # fmt: skip
"""The metrics of an evaluation that can be tuned for, and whether more of them is better."""


class FoldsSpec(Part):
    """How training rows are parted into folds, each of which is once scored by a pipeline fitted on others.

    ``stratified`` keeps the classes' shares in every fold; ``k_fold`` does not; both shuffle unless told otherwise.
    ``time_series`` fits on what was before and scores on what came next, in the order of ``column``, or else of the
    rows. ``group`` keeps the rows that are alike in ``column`` in one fold. Left out, ``kind`` is stratified for
    classification and k_fold for regression.
    """

    kind: FoldKind | None = None
    folds: int = Field(default=5, strict=True, ge=2, le=100)
    shuffle: Annotated[bool, Field(strict=True)] | None = None
    column: Name | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind == "group" and self.column is None:
            raise ValueError("group folds need a column; name the one whose rows belong together")
        if self.column is not None and self.kind not in ("group", "time_series"):
            raise ValueError("a column is for folds of kind group or time_series; leave it out")
        if self.shuffle is not None and self.kind in ("group", "time_series"):
            raise ValueError(f"{self.kind} folds are not shuffled; leave shuffle out")
        return self

    def kind_for(self, task: Task) -> FoldKind:
        """The kind of the folds, chosen by the task where it was left out."""
        return self.kind or ("stratified" if task == "classification" else "k_fold")


def of_folds(value: Any) -> Any:
    """Take a number for that of folds."""
    return {"folds": value} if isinstance(value, int) and not isinstance(value, bool) else value


class RangeSpec(Part):
    """Numbers from ``low`` to ``high``, both included: evenly by their logarithm with ``log``, or in a ``step``.

    ``int`` true makes them whole; left out they are where the parameter takes no others.
    """

    low: Number
    high: Number
    log: bool = Field(default=False, strict=True)
    step: Number | None = None
    whole: Annotated[bool, Field(strict=True)] | None = Field(default=None, alias="int")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        if self.log and self.low <= 0:
            raise ValueError("log needs low above 0")
        if self.log and self.step is not None:
            raise ValueError("log and step do not go together")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError("step must be above 0, and not more than high - low")
        if self.whole and any(isinstance(n, float) and not n.is_integer() for n in (self.low, self.high, self.step)):
            raise ValueError("int needs whole numbers for low, high and step")
        return self


Choices = tuple[Any, ...]


class TuningSpec(Part):
    """A search for the parameters that do best in cross-validation on the training rows.

    ``strategy``: ``grid`` tries every combination; ``random`` draws; ``halving`` draws, tries all on few rows, and the
    best third of them on three times as many until all rows are used (successive halving, Jamieson and Talwalkar
    2016); ``tpe`` (Bergstra et al. 2011) and ``cma_es`` (Hansen 2016) learn from earlier trials. ``trials`` is how
    many combinations are tried, by default 20, and all of a grid. ``seconds`` ends the search early: what it has found
    by then counts. ``prune`` gives up a trial of random, tpe or cma_es after a fold by which it does worse than the
    median of trials before it did, or with the ``pruner`` hyperband at the folds where that looks at it
    (`skyulf.core.pruning`). ``metric`` is one of the evaluation's, by default log_loss or rmse.

    ``outer`` makes it nested cross-validation (Cawley and Talbot 2010): each of these folds of the training rows is
    searched for by itself, by ``cv`` on its own training part, and what is found there is judged on the rows that the
    fold holds out; then all training rows are searched as without. ``trials`` and ``seconds`` are for all these
    searches together, each of which gets as much as the others.
    """

    strategy: Strategy = "random"
    trials: Annotated[int, Field(strict=True, ge=1, le=MOST_TRIALS)] | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    cv: FoldsSpec = FoldsSpec()
    outer: FoldsSpec | None = Field(default=None, exclude_if=is_left_out)
    metric: Name | None = None
    prune: bool = Field(default=True, strict=True)
    pruner: PrunerName | None = Field(default=None, exclude_if=is_left_out)
    space: dict[str, Choices | RangeSpec] = Field(min_length=1, max_length=MOST_PARAMETERS)

    @field_validator("cv", "outer", mode="before")
    @classmethod
    def _a_number_is_that_of_folds(cls, value: Any) -> Any:
        return of_folds(value)

    @field_validator("space", mode="wrap")
    @classmethod
    def _say_what_a_space_is(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        """Say one thing of each parameter, where a union complains of both of its branches."""
        if isinstance(value, Mapping):
            for path, values in value.items():
                if isinstance(values, list | tuple):
                    if not 1 <= len(values) <= MOST_CHOICES:
                        raise ValueError(f"{path}: a list holds 1 to {MOST_CHOICES} values")
                elif isinstance(values, Mapping):
                    try:
                        RangeSpec.model_validate(values)
                    except ValidationError as error:
                        told = error.errors(include_url=False)[0]
                        where = ".".join(str(part) for part in told["loc"])
                        message = str(told["msg"]).removeprefix("Value error, ")
                        raise ValueError(f"{path}: {where + ': ' if where else ''}{message}") from None
                elif not isinstance(values, RangeSpec):
                    raise ValueError(f'{path}: expected a list of values, or {{"low": …, "high": …}}')
        return handler(value)

    @model_validator(mode="after")
    def _outer_folds_can_be_made(self) -> Self:
        try:
            self.outer_folds  # noqa: B018 -- it raises where what it takes from the inner folds does not go with it
        except ValidationError as error:
            raise ValueError(str(error.errors(include_url=False)[0]["msg"]).removeprefix("Value error, ")) from None
        return self

    @model_validator(mode="after")
    def _pruner_has_something_to_prune(self) -> Self:
        if self.pruner is not None and self.strategy in ("grid", "halving"):
            raise ValueError(f"{self.strategy} gives no trial up; leave pruner out, or use random, tpe or cma_es")
        if self.pruner is not None and not self.prune:
            raise ValueError("a pruner and prune false do not go together; leave one of them out")
        return self

    @property
    def outer_folds(self) -> FoldsSpec | None:
        """The outer folds; those whose kind is left out are of the inner ones' kind, as rows belong together there."""
        if self.outer is None or self.outer.kind is not None:
            return self.outer
        shuffle = self.cv.shuffle if self.outer.shuffle is None else self.outer.shuffle
        return FoldsSpec(kind=self.cv.kind, folds=self.outer.folds, shuffle=shuffle, column=self.cv.column)

    @property
    def searches(self) -> int:
        """How many searches there are: one for each outer fold, and the one through all training rows."""
        return 1 if self.outer is None else self.outer.folds + 1

    def metric_for(self, task: Task) -> str:
        """The metric, chosen by the task where it was left out."""
        return self.metric or ("log_loss" if task == "classification" else "rmse")
