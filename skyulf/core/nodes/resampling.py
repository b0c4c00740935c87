"""Steps that even out the classes of the training rows; what is evaluated and what is served passes them by."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.made import some
from skyulf.core.registry import ALL_KINDS, ENCODABLE, NUMERIC, Address, BuildContext, Reads, RowStep, Task

CLASSIFICATION: tuple[Task, ...] = ("classification",)


class RandomOversample(RowStep):
    """Repeats training rows of the rarer classes at random, until each has ``ratio`` of the rows of the commonest.

    For classification. Takes columns of any kind, which stay as they are; which it is given makes no difference. Builds
    on numpy's Generator.
    """

    name: ClassVar[str] = "random_oversample"
    tasks: ClassVar[tuple[Task, ...]] = CLASSIFICATION
    takes: ClassVar[frozenset[Kind]] = ALL_KINDS

    ratio: float = Field(default=1.0, gt=0, le=1)

    def sampler(self, context: BuildContext, _: Address) -> Any:
        """Make a sampler."""
        from skyulf.core.resampling import Resampled

        return Resampled("random_over", self.ratio, seed=context.seed)


class RandomUndersample(RowStep):
    """Drops training rows of the commoner classes at random, until the rarest has ``ratio`` of the rows of each.

    For classification. Takes columns of any kind, which stay as they are; which it is given makes no difference. Builds
    on numpy's Generator.
    """

    name: ClassVar[str] = "random_undersample"
    tasks: ClassVar[tuple[Task, ...]] = CLASSIFICATION
    takes: ClassVar[frozenset[Kind]] = ALL_KINDS

    ratio: float = Field(default=1.0, gt=0, le=1)

    def sampler(self, context: BuildContext, _: Address) -> Any:
        """Make a sampler."""
        from skyulf.core.resampling import Resampled

        return Resampled("random_under", self.ratio, seed=context.seed)


class _Neighbors(RowStep):
    tasks: ClassVar[tuple[Task, ...]] = CLASSIFICATION
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    takes_nulls: ClassVar[bool] = False

    def misfit(self, columns: Mapping[str, Kind], others: Mapping[str, Kind]) -> str | None:
        """Refuse to leave columns out: rows are near each other, or made, in all of them."""
        if not others:
            return None
        return f"{self.name} needs every column, {some(list(others))} too; give it all, and encode or drop the others"


class Smote(_Neighbors):
    """Adds training rows of the rarer classes between rows that are near each other, up to ``ratio`` of the commonest.

    Builds on imbalanced-learn: smote (Chawla et al., J. Artificial Intelligence Research 16, 2002), among rows near
    other classes only (borderline; Han et al., 2005), near the border of a support vector machine (svm; Nguyen et al.,
    2009), within clusters (kmeans; Douzas et al., 2018), more where a class is harder to learn (adasyn; He et al.,
    2008). With method smote the columns ``nominal`` hold categories, of which the commonest among neighbours is taken
    (SMOTE-NC). For classification; wants every column, scaled and without missing cells, and at least two rows of each
    class.
    """

    name: ClassVar[str] = "smote"
    takes: ClassVar[frozenset[Kind]] = ENCODABLE

    method: Literal["smote", "borderline", "svm", "kmeans", "adasyn"] = "smote"
    ratio: float = Field(default=1.0, gt=0, le=1)
    neighbors: int = Field(default=5, ge=1)
    nominal: list[str] = []

    def reads(self) -> Mapping[str, Reads]:
        """Name the columns of categories."""
        return {"nominal": (self.nominal, ENCODABLE)} if self.nominal else {}

    def misfit(self, columns: Mapping[str, Kind], others: Mapping[str, Kind]) -> str | None:
        """Refuse categories that are not named as such."""
        words = [name for name, kind in columns.items() if kind != "numeric" and name not in self.nominal]
        if words:
            return f"smote takes numeric columns, and categories that nominal names; not {some(words)}"
        if self.nominal and self.method != "smote":
            return "nominal is for method smote only"
        if self.nominal and set(columns) <= set(self.nominal):
            return "smote needs a column of numbers beside those of categories; use random_oversample"
        return super().misfit(columns, others)

    def sampler(self, context: BuildContext, address: Address) -> Any:
        """Make a sampler."""
        from skyulf.core.resampling import Resampled

        nominal = [address.of[name] for name in self.nominal]
        return Resampled(self.method, self.ratio, self.neighbors, nominal, seed=context.seed)


class Undersample(_Neighbors):
    """Drops training rows of the commoner classes by what is near them.

    Builds on imbalanced-learn: ``near_miss`` keeps, up to the rarest class by ``ratio``, the rows nearest to rarer ones
    (by ``version``: to the nearest of them, to the farthest, or near to each; Mani and Zhang, 2003); ``tomek_links``
    drops those that are another class's nearest and it theirs (Tomek, 1976); ``edited_nearest_neighbors`` those of
    which not all neighbours are of their class (Wilson, 1972). For classification; wants every column, scaled and
    without missing cells.
    """

    name: ClassVar[str] = "undersample"

    method: Literal["near_miss", "tomek_links", "edited_nearest_neighbors"] = "near_miss"
    ratio: float = Field(default=1.0, gt=0, le=1)
    neighbors: int = Field(default=3, ge=1)
    version: Literal[1, 2, 3] = 1

    def sampler(self, context: BuildContext, _: Address) -> Any:
        """Make a sampler."""
        from skyulf.core.resampling import Resampled

        return Resampled(self.method, self.ratio, self.neighbors, version=self.version, seed=context.seed)
