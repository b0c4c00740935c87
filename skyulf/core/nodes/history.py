"""Steps that look back: values of earlier rows, and statistics of them."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source
from skyulf.core.registry import ENCODABLE, NUMERIC, BuildContext, Output, Reads, Step


class _History(Step):
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    takes_generated: ClassVar[bool] = False
    output: ClassVar[Output] = "added"

    order: str
    groups: list[str] = []

    def reads(self) -> Mapping[str, Reads]:
        """Name the columns of the moment and of the groups."""
        reads: dict[str, Reads] = {"order": ([self.order], frozenset({"numeric", "datetime"}))}
        return {**reads, "groups": (self.groups, ENCODABLE)} if self.groups else reads

    def misfit(self, columns: Mapping[str, Kind], others: Mapping[str, Kind]) -> str | None:
        """Refuse to have nothing but the moment itself to look back at."""
        beside = set(columns) - {self.order, *self.groups}
        return None if beside else f"{self.name} acts on other columns than order and groups; name some"

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """A column for each of the columns and each look back."""
        kept = [source for source in sources if source.name not in {self.order, *self.groups}]
        named = [(source.name, f"{source.name} {word}") for source in kept for word in self._words()]
        return tuple(Made((source,), name, name, 1, 1, nullable=True) for source, name in named)

    @abstractmethod
    def _words(self) -> list[str]: ...

    def build(self, context: BuildContext) -> Any:
        """Make a transformer of one column that stands before order and groups."""
        return self.build_on(context, ["", self.order, *self.groups])

    def build_on(self, context: BuildContext, columns: Sequence[str]) -> Any:
        """Make a transformer for columns of these names."""
        place = {name: at for at, name in enumerate(columns)}
        values = [at for name, at in place.items() if name not in {self.order, *self.groups}]
        return self._made(values, place[self.order], [place[name] for name in dict.fromkeys(self.groups)])

    @abstractmethod
    def _made(self, values: list[int], order: int, groups: list[int]) -> Any: ...

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Look the past up."""
        return lambda block: fitted.compute(block.astype(object, copy=False))


class Lag(_History):
    """Adds what numeric columns held so many rows before, in the order of a column, within groups.

    The past of a row are the training rows of its group (those that are alike in ``groups``) with a lesser ``order``,
    never a later row, nor one that is predicted with it; the model keeps them. So a row that is predicted long after
    the training sees the last of them, in evaluation as in serving: train again when there is more past. Where there
    are too few rows before, the cell is missing. Builds on numpy's searchsorted. Models after it have no ONNX copy.
    """

    name: ClassVar[str] = "lag"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.history.Lags",)

    lags: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = [1]

    def _words(self) -> list[str]:
        return [f"{lag} before" for lag in dict.fromkeys(self.lags)]

    def _made(self, values: list[int], order: int, groups: list[int]) -> Any:
        from skyulf.core.history import Lags

        return Lags(values, order, groups, list(dict.fromkeys(self.lags)))


class Rolling(_History):
    """Adds statistics of what numeric columns held in the last rows before, in the order of a column, within groups.

    Of the ``window`` training rows before a row in its group, which are told as lag tells them; the row itself is not
    among them. Missing cells do not count; where there are no others, the statistic is missing. Builds on numpy. Models
    after it have no ONNX copy.
    """

    name: ClassVar[str] = "rolling"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.history.Rolling",)

    window: int = Field(default=3, ge=1)
    statistics: Annotated[list[Literal["mean", "sum", "min", "max", "std"]], Field(min_length=1)] = ["mean"]

    def _words(self) -> list[str]:
        return [f"{statistic} of {self.window} before" for statistic in dict.fromkeys(self.statistics)]

    def _made(self, values: list[int], order: int, groups: list[int]) -> Any:
        from skyulf.core import history

        return history.Rolling(values, order, groups, self.window, list(dict.fromkeys(self.statistics)))
