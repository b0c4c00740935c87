"""Groups of rows that are alike, kept as plain arrays, after scikit-learn's conventions."""

from typing import Any

import numpy as np

from skyulf.core.transformers import Array, NumberTransformer

MANY_CELLS = 1_000_000
"""So many differences from centres are looked at at once."""

MOST_SUBCLUSTERS = 1_000


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
            few = min(count, len(self.centers_))
            merged = cluster.AgglomerativeClustering(few).fit(self.centers_).labels_ if few > 1 else None
            self.clusters_ = np.zeros(len(self.centers_), dtype=np.intp) if merged is None else merged
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
            far = [np.sqrt(apart[:, own].min(axis=1)) for own in inside.T]
            return np.column_stack(far)

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


def _subclusters(numbers: Array) -> Array:
    """Return the centres of Birch's subclusters: finer ones where there are not too many to be merged."""
    from sklearn.cluster import Birch

    threshold = 0.25 * (float(np.sqrt(numbers.var(axis=0).sum())) or 1.0)
    while True:
        centers: Array = Birch(threshold=threshold, n_clusters=None).fit(numbers).subcluster_centers_
        if len(centers) <= MOST_SUBCLUSTERS:
            return centers
        threshold *= 2
