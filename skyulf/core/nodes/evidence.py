"""Steps that turn categories of many values into numbers: by what they say of the target, or by their hash."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, one_for_each_class, repeated
from skyulf.core.registry import ENCODABLE, BuildContext, Output, Step, Task

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph


class WeightOfEvidence(Step):
    """Replaces each category by how much it speaks for a class: the logarithm of its share there by that elsewhere.

    After Good (Probability and the Weighing of Evidence, 1950), with ``smooth`` rows added to each count. Training
    rows are encoded by the other ``folds``, so that no row's own target reaches the model; a class beyond two adds a
    column for each. A missing cell is a category of its own; one never seen in training weighs 0. Takes categorical,
    text and numeric columns; for classification.
    """

    name: ClassVar[str] = "weight_of_evidence"
    tasks: ClassVar[tuple[Task, ...]] = ("classification",)
    takes: ClassVar[frozenset[Kind]] = ENCODABLE
    output: ClassVar[Output] = "generated"
    fills_nulls: ClassVar[bool] = True
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.encoders.WeightOfEvidence",)

    smooth: float = Field(default=0.5, gt=0)
    folds: int = Field(default=5, ge=2)

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """One column for each, or one for each class beyond two."""
        return tuple(one_for_each_class(source, "as evidence", classes) for source in sources)

    def build(self, context: BuildContext) -> Any:
        """Make a WeightOfEvidence whose folds the seed rules."""
        from skyulf.core import encoders

        return encoders.WeightOfEvidence(self.smooth, self.folds, context.seed)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Look the weights up."""
        compute: Callable[[Any], Any] = fitted.compute
        return compute

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Look the categories up."""
        from skyulf.core.graph import asked

        widths = [weights.shape[1] for weights in fitted.weights_]
        return graph.lookup(columns, fitted.categories_, asked(fitted.compute, fitted.categories_, widths))


class HashEncode(Step):
    """Replaces each column by ``buckets`` columns of 0 and 1: its category's hash says which is 1.

    It learns nothing, so that categories which training rows lack count as well; categories share columns (Weinberger
    et al., Feature hashing for large scale multitask learning, 2009). A missing cell is 0 in all. Builds on BLAKE2b of
    Python's hashlib. Takes categorical, text and numeric columns. Models after it have no ONNX copy.
    """

    name: ClassVar[str] = "hash_encode"
    row_by_row: ClassVar[bool] = True
    takes: ClassVar[frozenset[Kind]] = ENCODABLE
    output: ClassVar[Output] = "generated"
    fills_nulls: ClassVar[bool] = True
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.encoders.HashEncoder",)

    buckets: int = Field(default=16, ge=2)

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """As many columns as there are buckets."""
        return tuple(
            repeated(source, self.buckets, f"those that the categories of {source.name} share") for source in sources
        )

    def build(self, _: BuildContext) -> Any:
        """Make a HashEncoder."""
        from skyulf.core import encoders

        return encoders.HashEncoder(self.buckets)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Hash."""
        compute: Callable[[Any], Any] = fitted.compute
        return compute
