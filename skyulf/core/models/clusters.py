"""Models that find clusters of rows that are alike, and tell of rows that they never saw where these belong."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.registry import BuildContext, Model, Task

if TYPE_CHECKING:
    from skyulf.core.graph import Graph

MOST_CELLS = 1 << 14
"""Centres by columns up to which there is an ONNX copy: it holds so many numbers for each row at once."""

CLUSTERING: tuple[Task, ...] = ("clustering",)


class _Centres(Model):
    """What models by centres have in common."""

    tasks: ClassVar[tuple[Task, ...]] = CLUSTERING

    n_clusters: int = Field(default=8, ge=2)
    init: Literal["k-means++", "random"] = "k-means++"
    n_init: int = Field(default=10, ge=1)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Add the distances from the centres."""
        import numpy as np

        from skyulf.core.graph import NoOnnx

        centers = np.asarray(fitted.cluster_centers_, dtype=np.float64)
        if centers.size > MOST_CELLS:
            raise NoOnnx(f"{cls.name}: {len(centers)} centres of {centers.shape[1]} columns are too many for a copy")
        apart = graph.add("Sub", graph.add("Unsqueeze", matrix, np.array([1])), centers[None])
        squares = graph.add("ReduceSum", graph.add("Mul", apart, apart), np.array([2]), keepdims=0)
        return graph.add("Sqrt", squares)


class KMeans(_Centres):
    """Parts rows into clusters around their means so that squared distances from these are least (Lloyd 1982).

    Builds on scikit-learn's KMeans, begun by k-means++ (Arthur and Vassilvitskii 2007) ``n_init`` times, of which the
    best is kept. Wants scaled numeric columns without missing cells. A row to predict belongs to the nearest centre.
    """

    name: ClassVar[str] = "k_means"
    types: ClassVar[tuple[str, ...]] = ("sklearn.cluster._kmeans.KMeans",)

    max_iter: int = Field(default=300, ge=1)
    tol: float = Field(default=1e-4, ge=0)

    def build(self, context: BuildContext) -> Any:
        """Make the model."""
        from sklearn.cluster import KMeans as Estimator

        return Estimator(**self.model_dump(), random_state=context.seed)


class MiniBatchKMeans(_Centres):
    """Does what k-means does by ``batch_size`` rows at a time: sooner on many rows, and a little worse (Sculley 2010).

    Builds on scikit-learn's MiniBatchKMeans. Wants scaled numeric columns without missing cells. A row to predict
    belongs to the nearest centre.
    """

    name: ClassVar[str] = "mini_batch_k_means"
    types: ClassVar[tuple[str, ...]] = ("sklearn.cluster._kmeans.MiniBatchKMeans",)

    n_init: int = Field(default=3, ge=1)
    max_iter: int = Field(default=100, ge=1)
    batch_size: int = Field(default=1024, ge=1)

    def build(self, context: BuildContext) -> Any:
        """Make the model."""
        from sklearn.cluster import MiniBatchKMeans as Estimator

        return Estimator(**self.model_dump(), random_state=context.seed)


class Birch(Model):
    """Gathers rows into small subclusters in one pass, and merges these (BIRCH; Zhang, Ramakrishnan and Livny 1996).

    Builds on scikit-learn's Birch, and AgglomerativeClustering (Ward) to merge. Subclusters have a radius of at most
    ``threshold``, in the units of the columns; left out, a quarter of the spread of the rows, and more where there
    would be over 1,000 of them. Wants scaled numeric columns without missing cells. A row to predict belongs to the
    cluster of the nearest subcluster. Has no ONNX copy.
    """

    name: ClassVar[str] = "birch"
    tasks: ClassVar[tuple[Task, ...]] = CLUSTERING
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.clusters.BirchClusters",)

    n_clusters: int = Field(default=8, ge=2)
    threshold: float | None = Field(default=None, gt=0)

    def build(self, _: BuildContext) -> Any:
        """Make the model."""
        from skyulf.core.clusters import BirchClusters

        return BirchClusters(self.n_clusters, self.threshold)


class GaussianMixture(Model):
    """Takes rows for draws from a mixture of normal distributions, and tells how likely each is theirs (EM).

    Builds on scikit-learn's GaussianMixture (Dempster, Laird and Rubin 1977), begun by k-means. ``covariance_type`` is
    what the distributions may look like: any shape of their own (``full``), one for all (``tied``), along the axes
    (``diag``), or round (``spherical``). Wants numeric columns without missing cells. A row to predict belongs to the
    likeliest; the probabilities of all are told.
    """

    name: ClassVar[str] = "gaussian_mixture"
    tasks: ClassVar[tuple[Task, ...]] = CLUSTERING
    types: ClassVar[tuple[str, ...]] = ("sklearn.mixture._gaussian_mixture.GaussianMixture",)

    n_components: int = Field(default=8, ge=2)
    covariance_type: Literal["full", "tied", "diag", "spherical"] = "full"
    tol: float = Field(default=1e-3, ge=0)
    reg_covar: float = Field(default=1e-6, ge=0)
    max_iter: int = Field(default=100, ge=1)
    n_init: int = Field(default=1, ge=1)

    def build(self, context: BuildContext) -> Any:
        """Make the model."""
        from sklearn.mixture import GaussianMixture as Estimator

        return Estimator(**self.model_dump(), random_state=context.seed)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Add the probabilities: of rows whitened for each component, all beside one another."""
        import numpy as np

        from skyulf.core.graph import NoOnnx

        count, width = fitted.means_.shape
        if count * width**2 > MOST_CELLS:
            raise NoOnnx(f"{cls.name}: {count} components of {width} columns are too many for a copy")
        whitening = _whitening(fitted)
        side_by_side = whitening.transpose(1, 0, 2).reshape(width, count * width)
        means = np.einsum("kf,kfg->kg", fitted.means_, whitening).reshape(1, -1)
        apart = graph.add("Sub", graph.add("MatMul", matrix, side_by_side), means)
        sums = np.repeat(np.eye(count), width, axis=0)
        squares = graph.add("MatMul", graph.add("Mul", apart, apart), sums)
        size = np.log(np.abs(np.diagonal(whitening, axis1=1, axis2=2))).sum(axis=1)
        joint = graph.add("Sub", (np.log(fitted.weights_) + size)[None], graph.add("Mul", squares, 0.5))
        return graph.add("Softmax", joint, axis=1)


def _whitening(fitted: Any) -> Any:
    """What whitens each component of a mixture: components by columns by columns."""
    import numpy as np

    factors = fitted.precisions_cholesky_
    count, width = fitted.means_.shape
    if fitted.covariance_type == "full":
        return factors
    if fitted.covariance_type == "tied":
        return np.broadcast_to(factors, (count, width, width))
    along = factors if fitted.covariance_type == "diag" else np.repeat(factors[:, None], width, axis=1)
    return along[:, :, None] * np.eye(width)
