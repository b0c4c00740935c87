"""What a spec may say of judging and of deciding: thresholds, intervals, slices. No scikit-learn here."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from skyulf.core.part import Name, Part
from skyulf.core.tuning_spec import FoldsSpec, of_folds

Criterion = Literal["f1", "balanced_accuracy", "youden", "mcc", "cost"]

MOST_SLICED = 10
"""Columns that an evaluation is sliced by, at most."""


class _OutOfFold(Part):
    """What is found out from predictions of training rows, each made by a pipeline fitted on other folds of them."""

    cv: FoldsSpec = FoldsSpec()

    @field_validator("cv", mode="before")
    @classmethod
    def _a_number_is_that_of_folds(cls, value: Any) -> Any:
        return of_folds(value)


class ThresholdsSpec(_OutOfFold):
    """A classifier's thresholds, chosen by a criterion on out-of-fold predictions of the training rows.

    Of two classes the second is predicted from its threshold on; of more, the one whose probability is the greatest
    multiple of its threshold, each chosen for its class against the rest. ``criterion``: ``f1``; ``balanced_accuracy``,
    which is the same as ``youden`` (Youden's J, 1950); ``mcc``; or, of two classes, the least ``cost``, where a false
    negative is worth ``false_negative_cost`` false positives. Probabilities stay as they are.
    """

    criterion: Criterion = "f1"
    false_negative_cost: Annotated[float, Field(gt=0, le=1e6)] | None = None

    @model_validator(mode="after")
    def _a_cost_is_for_the_criterion(self) -> Self:
        if (self.criterion == "cost") != (self.false_negative_cost is not None):
            raise ValueError("criterion cost and false_negative_cost go together")
        return self


class IntervalsSpec(_OutOfFold):
    """Intervals around a regressor's predictions that hold the true value in a share ``coverage`` of unseen rows.

    They are conformal: as wide as the residuals of training rows that the model predicted without having seen them
    (Vovk et al. 2005; Lei et al. 2018). ``cross`` takes the residuals of every training row, out of fold, and the model
    that is served is fitted on all rows: close to the coverage where models of different folds are alike (Barber et al.
    2021). ``split`` sets ``calibration_size`` of the training rows aside for it; the model that is served never saw
    them, and the coverage holds on average whatever the model, as long as rows are exchangeable.
    """

    coverage: float = Field(default=0.9, strict=True, ge=0.01, le=0.999)
    method: Literal["cross", "split"] = "cross"
    calibration_size: Annotated[float, Field(strict=True, gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _fits_its_method(self) -> Self:
        if self.method == "cross" and self.calibration_size is not None:
            raise ValueError("calibration_size is for method split; leave it out")
        if self.method == "split" and self.cv != FoldsSpec():
            raise ValueError("cv is for method cross; leave it out")
        return self

    @property
    def set_aside(self) -> float | None:
        """The share of the training rows that the model is not fitted on; None where it is fitted on all."""
        return None if self.method == "cross" else self.calibration_size or 0.25


def _is_left_out(value: Any) -> bool:
    """Leave a field that only clusterings have out of the record of others."""
    return value is None


class EvaluationSpec(Part):
    """What an evaluation shows beside the metrics of all rows held out: those of each part of them.

    ``slices`` are columns of the dataset, whether the model uses them or not. ``reference`` is a column of labels that
    clusters are compared with; the clustering itself never sees it.
    """

    slices: tuple[Name, ...] = Field(default=(), max_length=MOST_SLICED)
    reference: Name | None = Field(default=None, exclude_if=_is_left_out)

    @field_validator("slices")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a column is named twice")
        return value
