"""Groups of rows that are alike, kept as plain arrays, after scikit-learn's conventions."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import validate_data

from skyulf.core.transformers import Array, NumberTransformer

MANY_CELLS = 1_000_000
"""So many differences from centres are looked at at once."""

MOST_SUBCLUSTERS = 1_000


def far_from(numbers: Array, centers: Array) -> Array:
    """The Euclidean distance of each row from each centre, by the differences themselves: exact however far all lie."""
    step = max(1, MANY_CELLS // max(1, centers.size))
    places = range(0, max(len(numbers), 1), step)
    with np.errstate(all="ignore"):
        parts = [np.sqrt(((numbers[at : at + step, None, :] - centers[None]) ** 2).sum(axis=2)) for at in places]
    return np.concatenate(parts)


def distances(fitted: Any, numbers: Array) -> Array:
    """The distance of each row from each cluster of a fitted model that has centres: rows by clusters."""
    if isinstance(fitted, BirchClusters):
        return fitted.transform(numbers)
    return far_from(numbers, fitted.cluster_centers_)


def count_of(fitted: Any) -> int:
    """How many clusters a fitted model that has centres knows."""
    return int(fitted.clusters_.max()) + 1 if isinstance(fitted, BirchClusters) else len(fitted.cluster_centers_)


class Clusters(NumberTransformer):
    """Tells to which of the clusters of the training rows a row belongs, or how far it is from each.

    ``method`` is k_means, mini_batch_k_means, birch or gaussian_mixture. ``give`` is membership (1 for the cluster of
    the nearest centre, else 0; for a mixture the probabilities) or distances (from the centres). Once fitted it keeps
    the ``centers_``, and to which cluster each belongs in ``clusters_``; a mixture of normal distributions besides
    the shares ``weights_``, and what whitens each (``whitening_``, features by features).
    """

    def __init__(self, method: str = "k_means", count: int = 8, give: str = "membership", seed: int = 0) -> None:
        self.method = method
        self.count = count
        self.give = give
        self.seed = seed

    def _learn(self, numbers: Array, target: Any) -> None:
        from sklearn import cluster, mixture

        count = min(self.count, len(np.unique(numbers, axis=0)))
        if self.method == "gaussian_mixture":
            found = mixture.GaussianMixture(count, reg_covar=1e-6, random_state=self.seed).fit(numbers)
            self.centers_, self.clusters_ = found.means_, np.arange(count)
            self.weights_, self.whitening_ = found.weights_, found.precisions_cholesky_
        elif self.method == "birch":
            self.centers_ = _subclusters(numbers)
            self.clusters_ = _merged(self.centers_, count)
        else:
            kind = cluster.KMeans if self.method == "k_means" else cluster.MiniBatchKMeans
            found = kind(count, n_init=3, random_state=self.seed).fit(numbers)
            self.centers_, self.clusters_ = found.cluster_centers_, np.arange(count)

    def compute(self, numbers: Array) -> Array:
        """Compare rows with the centres; a row with a gap is near none."""
        if np.isnan(numbers).any():
            raise ValueError("a missing cell (NaN) is near no cluster")
        step = max(1, MANY_CELLS // max(1, self.centers_.size))
        parts = [self._compared(numbers[at : at + step]) for at in range(0, max(len(numbers), 1), step)]
        return np.concatenate(parts)

    def _compared(self, numbers: Array) -> Array:
        with np.errstate(all="ignore"):
            if self.method == "gaussian_mixture" and self.give == "membership":
                return self._chances(numbers)
            apart = ((numbers[:, None, :] - self.centers_[None]) ** 2).sum(axis=2)
            inside = self.clusters_[:, None] == np.arange(self.clusters_.max() + 1)[None]
            if self.give == "membership":
                marks: Array = inside[apart.argmin(axis=1)].astype(np.float64)
                return marks
            return np.sqrt(_nearest(apart, self.clusters_))

    def _chances(self, numbers: Array) -> Array:
        from scipy.special import softmax

        apart = numbers[:, None, :] - self.centers_[None]
        white = np.einsum("rkf,kfg->rkg", apart, self.whitening_)
        size = np.log(np.abs(np.diagonal(self.whitening_, axis1=1, axis2=2))).sum(axis=1)
        joint = np.clip(np.log(self.weights_) + size - 0.5 * (white**2).sum(axis=2), -1e300, None)
        chances: Array = softmax(joint, axis=1)
        return chances

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        return tags


class BirchClusters(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Birch's clusters, kept as the centres of its subclusters, and to which cluster each belongs; no tree is kept."""

    def __init__(self, n_clusters: int = 8, threshold: float | None = None) -> None:
        self.n_clusters = n_clusters
        self.threshold = threshold

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find them; ``threshold`` None is chosen by the spread of the rows."""
        numbers = validate_data(self, X, dtype=np.float64)
        self.centers_ = _subclusters(numbers, self.threshold)
        self.clusters_ = _merged(self.centers_, self.n_clusters)
        self.labels_ = self.predict(X)
        return self

    def transform(self, X: Any) -> Array:
        """The distance of each row from the nearest subcluster of each cluster."""
        numbers = validate_data(self, X, dtype=np.float64, reset=False)
        return _nearest(far_from(numbers, self.centers_), self.clusters_)

    def predict(self, X: Any) -> Array:
        """The cluster of the nearest subcluster."""
        nearest: Array = self.transform(X).argmin(axis=1)
        return nearest


def _nearest(apart: Array, clusters: Array) -> Array:
    """Of distances from centres, those from the nearest centre of each cluster."""
    return np.column_stack([apart[:, clusters == own].min(axis=1) for own in range(clusters.max() + 1)])


def _merged(centers: Array, count: int) -> Array:
    """To which of at most ``count`` clusters each centre belongs."""
    from sklearn.cluster import AgglomerativeClustering

    few = min(count, len(centers))
    merged: Array = AgglomerativeClustering(few).fit(centers).labels_ if few > 1 else np.zeros(len(centers), np.intp)
    return merged


def _subclusters(numbers: Array, threshold: float | None = None) -> Array:
    """Return the centres of Birch's subclusters: finer ones where there are not too many to be merged."""
    from sklearn.cluster import Birch

    threshold = threshold or 0.25 * (float(np.sqrt(numbers.var(axis=0).sum())) or 1.0)
    while True:
        centers: Array = Birch(threshold=threshold, n_clusters=None).fit(numbers).subcluster_centers_
        if len(centers) <= MOST_SUBCLUSTERS:
            return centers
        threshold *= 2
