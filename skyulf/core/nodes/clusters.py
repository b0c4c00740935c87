"""Steps that group rows which are alike, without asking for the target."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, names_of, some
from skyulf.core.registry import NUMERIC, BuildContext, NumberStep, Output


class Cluster(NumberStep):
    """Adds a column for each of ``count`` clusters of training rows: whether a row belongs to it, or how far it is.

    Builds on scikit-learn's KMeans, MiniBatchKMeans, Birch (its subclusters merged by AgglomerativeClustering) and
    GaussianMixture, whose memberships are probabilities. With fewer different rows there are fewer clusters. Takes
    numeric columns, scaled and without missing cells. Models after it have no ONNX copy.
    """

    name: ClassVar[str] = "cluster"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    takes_nulls: ClassVar[bool] = False
    fills_nulls: ClassVar[bool] = True
    takes_generated: ClassVar[bool] = False
    output: ClassVar[Output] = "added"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.clusters.Clusters",)

    method: Literal["k_means", "mini_batch_k_means", "birch", "gaussian_mixture"] = "k_means"
    count: int = Field(default=8, ge=2)
    give: Literal["membership", "distances"] = "membership"

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """One column for each cluster."""
        names = names_of(sources)
        return (Made(names, f"one for each cluster of {some(names)}", most=self.count),)

    def build(self, context: BuildContext) -> Any:
        """Make a Clusters."""
        from skyulf.core import clusters

        return clusters.Clusters(self.method, self.count, self.give, context.seed)
