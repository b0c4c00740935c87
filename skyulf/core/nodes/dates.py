"""Steps for dates and times."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, one
from skyulf.core.registry import BuildContext, NumberStep, Output

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph

Part = Literal["year", "month", "day", "weekday", "day_of_year", "hour", "minute", "second", "days"]


class DateParts(NumberStep):
    """Replaces dates and times by numbers: parts of them in UTC, each missing where the cell is.

    ``weekday`` counts from Monday, 1; ``days`` are those since 1970, for what grows or falls with time. Builds on
    numpy's datetime64. Takes datetime columns.
    """

    name: ClassVar[str] = "date_parts"
    row_by_row: ClassVar[bool] = True
    takes: ClassVar[frozenset[Kind]] = frozenset({"datetime"})
    takes_generated: ClassVar[bool] = False
    output: ClassVar[Output] = "generated"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.transformers.DateParts",)

    parts: Annotated[list[Part], Field(min_length=1)] = ["year", "month", "day", "weekday", "hour"]

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """Each part of each column."""
        parts = dict.fromkeys(self.parts)
        return tuple(one(source, part.replace("_", " "), source.nullable) for source in sources for part in parts)

    def build(self, _: BuildContext) -> Any:
        """Make a transformer of moments."""
        from skyulf.core import transformers

        return transformers.DateParts(list(dict.fromkeys(self.parts)))

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Take moments apart."""
        from skyulf.core.graph import Numbers
        from skyulf.core.onnx_arithmetic import date_parts

        made = date_parts(graph, graph.matrix(columns), fitted.parts)
        return [Numbers(made[part], at, len(columns)) for at in range(len(columns)) for part in fitted.parts]
