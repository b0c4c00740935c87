"""Steps that encode by the target."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, one_for_each_class
from skyulf.core.registry import ENCODABLE, SUPERVISED, BuildContext, Output, Step, Task

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph


class TargetEncode(Step):
    """Replaces each category by the mean of the target in it, drawn to the mean of all the fewer rows it has.

    Builds on scikit-learn's TargetEncoder (Micci-Barreca, SIGKDD Explorations 3, 2001). Takes categorical, text and
    numeric columns, of many values above all. Training rows are encoded by means of the other ``folds``, so that no
    row's own target reaches the model; a class beyond two adds a column for each. A missing cell is a category of its
    own; a category never seen in training counts as the mean of all.
    """

    name: ClassVar[str] = "target_encode"
    tasks: ClassVar[tuple[Task, ...]] = SUPERVISED
    takes: ClassVar[frozenset[Kind]] = ENCODABLE
    output: ClassVar[Output] = "generated"
    fills_nulls: ClassVar[bool] = True
    types: ClassVar[tuple[str, ...]] = (
        "sklearn.model_selection._split.KFold",
        "sklearn.preprocessing._target_encoder.TargetEncoder",
    )

    smooth: Literal["auto"] | Annotated[float, Field(ge=0)] = "auto"
    folds: int = Field(default=5, ge=2)

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """One column for each, or one for each class beyond two."""
        return tuple(one_for_each_class(source, "by the target", classes) for source in sources)

    def build(self, context: BuildContext) -> Any:
        """Make a TargetEncoder whose folds the seed rules."""
        from sklearn.model_selection import KFold
        from sklearn.preprocessing import TargetEncoder

        # Folds are not stratified: a class with fewer rows than folds is no reason to fail.
        folds = KFold(self.folds, shuffle=True, random_state=context.seed)
        target = "continuous" if context.task == "regression" else "auto"
        return TargetEncoder(target_type=target, smooth=self.smooth, cv=folds)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Look the categories up."""
        from skyulf.core.graph import asked

        widths = [len(fitted.classes_) if fitted.target_type_ == "multiclass" else 1] * len(columns)
        return graph.lookup(columns, fitted.categories_, asked(fitted.transform, fitted.categories_, widths))
