"""Steps that put cells right: values that are written in several ways, codes for missing, what cannot be true."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from skyulf.core.columns import Kind
from skyulf.core.registry import ENCODABLE, BuildContext, Step

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph

Cell = str | float


def _is_number(value: Cell) -> bool:
    try:
        return abs(float(value)) < float("inf")
    except ValueError:
        return False


class Replace(Step):
    """Puts other values in the place of some: ``values`` says which for which, null for missing.

    For aliases ({"U.S.": "USA", "us": "USA"}), codes ({"-999": null}) and merged categories. With ``ignore_case`` text
    is compared without regard to case and to spaces around it. Takes categorical, text and numeric columns; numbers
    are written as text on the left ("-999"). Missing cells are filled by impute.
    """

    name: ClassVar[str] = "replace"
    row_by_row: ClassVar[bool] = True
    takes: ClassVar[frozenset[Kind]] = ENCODABLE
    takes_generated: ClassVar[bool] = False
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.cleaning.Replace",)

    values: Annotated[dict[str, str | float | None], Field(min_length=1)]
    ignore_case: bool = False

    @model_validator(mode="after")
    def _values_differ(self) -> Self:
        if self.ignore_case and len({value.strip().casefold() for value in self.values}) < len(self.values):
            raise ValueError("two of the values are the same without regard to case and spaces")
        return self

    def after(self, kind: Kind, nullable: bool) -> tuple[Kind, bool]:
        """Tell whether it makes cells missing."""
        return kind, nullable or None in self.values.values()

    def objection(self, kind: Kind) -> str | None:
        """Refuse words for numbers, and numbers for words."""
        others = [value for value in self.values.values() if value is not None]
        if kind == "numeric" and not all(map(_is_number, self.values)):
            return "replace takes numbers only as the values of numeric columns"
        if kind == "numeric" and any(isinstance(value, str) for value in others):
            return "replace puts numbers only into numeric columns"
        if kind in ("categorical", "text") and not all(isinstance(value, str) for value in others):
            return f"replace puts text only into {kind} columns"
        return super().objection(kind)

    def build(self, _: BuildContext) -> Any:
        """Make a Replace."""
        from skyulf.core import cleaning

        return cleaning.Replace(dict(self.values), self.ignore_case)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Replace."""
        compute: Callable[[Any], Any] = fitted.compute
        return compute

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Numbers are compared; text is known by its values, to which those that are replaced are added."""
        import numpy as np

        from skyulf.core.cleaning import as_number
        from skyulf.core.graph import Named, NoOnnx

        if fitted.ignore_case and any(isinstance(each, Named) for each in columns):
            raise NoOnnx("text that is compared without regard to case has no counterpart in ONNX")
        changed: list[Column] = []
        for each in columns:
            if isinstance(each, Named):
                changed.append(each.then(_alone(fitted), also=tuple(fitted.values)))
                continue
            before = result = graph.matrix([each])
            for value, other in fitted.values.items():
                if (number := as_number(value)) is not None:
                    cell = np.nan if other is None else float(other)
                    result = graph.add("Where", graph.add("Equal", before, number), cell, result)
            changed += graph.columns(result, 1)
        return changed


class SetMissing(Step):
    """Takes cells for missing that cannot be true: numbers beyond limits, codes, and whatever is not allowed.

    A number is set missing below ``minimum`` or above ``maximum``; any cell that is one of ``values``, or where
    ``allowed`` is given none of those. Takes categorical, text and numeric columns. Missing cells are filled by impute.
    """

    name: ClassVar[str] = "set_missing"
    row_by_row: ClassVar[bool] = True
    takes: ClassVar[frozenset[Kind]] = ENCODABLE
    takes_generated: ClassVar[bool] = False
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.cleaning.SetMissing",)

    minimum: float | None = None
    maximum: float | None = None
    values: list[str | float] = []
    allowed: Annotated[list[str | float], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _it_says_something(self) -> Self:
        if self.minimum is None and self.maximum is None and not self.values and self.allowed is None:
            raise ValueError("say what is set missing: minimum, maximum, values or allowed")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum must not be above maximum")
        return self

    def after(self, kind: Kind, nullable: bool) -> tuple[Kind, bool]:
        """Any cell may be missing afterwards."""
        return kind, True

    def objection(self, kind: Kind) -> str | None:
        """Refuse limits for words, and words for numbers."""
        if kind in ("categorical", "text") and (self.minimum is not None or self.maximum is not None):
            return "minimum and maximum are for numeric columns only"
        if kind == "numeric" and not all(map(_is_number, [*self.values, *(self.allowed or [])])):
            return "values and allowed must be numbers for numeric columns"
        return super().objection(kind)

    def build(self, _: BuildContext) -> Any:
        """Make a SetMissing."""
        from skyulf.core import cleaning

        allowed = None if self.allowed is None else list(self.allowed)
        return cleaning.SetMissing(self.minimum, self.maximum, list(self.values), allowed)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Judge."""
        compute: Callable[[Any], Any] = fitted.compute
        return compute

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Numbers are compared; text is known by its values."""
        import math

        import numpy as np

        from skyulf.core.cleaning import as_number
        from skyulf.core.graph import Named

        def judged(before: str) -> str:
            result = before
            if fitted.minimum is not None:
                result = graph.add("Where", graph.add("Less", before, float(fitted.minimum)), np.nan, result)
            if fitted.maximum is not None:
                above = float(np.nextafter(fitted.maximum, math.inf))
                result = graph.add("Where", graph.add("GreaterOrEqual", before, above), np.nan, result)
            for value in fitted.values:
                if (number := as_number(value)) is not None:
                    result = graph.add("Where", graph.add("Equal", before, number), np.nan, result)
            if fitted.allowed is None:
                return result
            right = graph.add("Mul", before, np.nan)
            for value in fitted.allowed:
                if (number := as_number(value)) is not None:
                    right = graph.add("Where", graph.add("Equal", before, number), result, right)
            return right

        changed: list[Column] = []
        for each in columns:
            if isinstance(each, Named):
                changed.append(each.then(_alone(fitted), also=(*fitted.values, *(fitted.allowed or ()))))
            else:
                changed += graph.columns(judged(graph.matrix([each])), 1)
        return changed


class CleanText(Step):
    """Writes text in one way, so that what means the same is the same: case, spaces, accents, punctuation, digits.

    ``spaces`` takes those at the ends away and makes one of several; ``accents`` and ``digits`` take those away,
    ``punctuation`` puts spaces for it (and for symbols). Text of which nothing is left is missing. Builds on Python's
    unicodedata. Takes categorical and text columns. Models after it have no ONNX copy.
    """

    name: ClassVar[str] = "clean_text"
    row_by_row: ClassVar[bool] = True
    takes: ClassVar[frozenset[Kind]] = frozenset({"categorical", "text"})
    takes_generated: ClassVar[bool] = False
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.cleaning.CleanText",)

    case: Literal["lower", "upper"] | None = "lower"
    spaces: bool = True
    accents: bool = False
    punctuation: bool = False
    digits: bool = False

    def after(self, kind: Kind, nullable: bool) -> tuple[Kind, bool]:
        """Any cell may be missing afterwards."""
        return kind, True

    def build(self, _: BuildContext) -> Any:
        """Make a CleanText."""
        from skyulf.core import cleaning

        return cleaning.CleanText(**self.model_dump())

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Clean."""
        compute: Callable[[Any], Any] = fitted.compute
        return compute


def _alone(fitted: Any) -> Callable[[Any], Any]:
    import numpy as np

    return lambda cells: fitted.compute(np.asarray(cells, dtype=object)[:, None])[:, 0]
