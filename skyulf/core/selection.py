"""How a spec names columns, and what steps read: by kind, by name, or all. No scikit-learn here."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from skyulf.core.columns import Kind
from skyulf.core.part import Name, Part

DATASET = "dataset"
"""What inputs call the dataset's own columns."""

COLUMNS = '"numeric", "categorical", "datetime", "text", "all", a list of column names, or {"kind": …, "exclude": […]}'


def _say_what_columns_may_be(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        raise ValueError(f"expected {COLUMNS}") from None


def _say_what_an_input_may_be(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        raise ValueError(
            f'expected "{DATASET}", the id of a step, or {{"from": either, "columns": …}}, where columns are {COLUMNS}'
        ) from None


def _say_what_an_id_may_be(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        raise ValueError("expected up to 64 letters, digits, _ and -, of which the first is a letter") from None


class Selector(Part):
    """Columns by kind, with exceptions."""

    kind: Kind | Literal["all"] = "all"
    exclude: tuple[Name, ...] = ()


Columns = Annotated[
    Kind | Literal["all"] | tuple[Name, ...] | Selector,
    WrapValidator(_say_what_columns_may_be),
]


class Input(Part):
    """Some columns of the dataset, or of what a step leaves.

    By a list of names only those that have names before anything is fitted; what steps made goes with "numeric" and
    "all".
    """

    source: Name = Field(alias="from")
    columns: Columns


Inputs = Annotated[
    tuple[Annotated[Name | Input, WrapValidator(_say_what_an_input_may_be)], ...],
    Field(min_length=1),
]
"""What is read: the dataset or steps, by name; several are joined in this order."""

StepId = Annotated[
    str, Field(strict=True, max_length=64, pattern=r"^[^\W\d][\w-]*$"), WrapValidator(_say_what_an_id_may_be)
]
"""What a step is called where others read it."""
