"""Boosted trees that other libraries grow, kept as plain arrays: a model needs its library to be fitted, and no more.

So a stored model holds nothing that compiled code would have to parse, and predicts where the library is missing. The
arrays ask and answer what the library's own trees do, in double precision.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from skyulf.core.transformers import LIMIT, Array

MANY_CELLS = 50_000
"""So many answers of trees are looked up at once: as many as a processor's cache holds."""


class Grown(NamedTuple):
    """Trees, one after the other in one row of nodes, and what they start from.

    A row goes left where its feature is at most the threshold; a leaf has -1 in ``left`` and its answer in ``values``.
    ``roots`` are where the trees begin; they take turns with the outputs. ``base`` is what is added to each output.
    """

    features: Array
    thresholds: Array
    left: Array
    right: Array
    missing_left: Array
    values: Array
    roots: Array
    base: Array


class _Boosted(BaseEstimator):  # type: ignore[misc]
    """Trees of ``library`` (lightgbm or xgboost), grown by its own ``options``, ``rounds`` for each output."""

    def __init__(
        self,
        library: str = "lightgbm",
        options: Mapping[str, Any] | None = None,
        rounds: int = 100,
        seed: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.library = library
        self.options = options
        self.rounds = rounds
        self.seed = seed
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def threads(self) -> int:
        """As many as it may use, and no more than OpenMP is given around the fit."""
        from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

        return min(self.n_jobs, int(_openmp_effective_n_threads()))

    def _grow(self, rows: Array, target: Array, weights: Array | None, classes: int) -> None:
        grow = {"lightgbm": _lightgbm, "xgboost": _xgboost}[self.library]
        grown = grow(rows, target, weights, classes, self)
        self.features_, self.thresholds_, self.left_, self.right_ = grown[:4]
        self.missing_left_, self.values_, self.roots_, self.base_ = grown[4:]

    def scores(self, rows: Array) -> Array:
        """Return what the trees add up to: rows by outputs."""
        numbers = rows.astype(np.float32).astype(np.float64) if self.library == "xgboost" else rows
        step = max(1, MANY_CELLS // max(1, len(self.roots_)))
        parts = [self._scores(numbers[at : at + step]) for at in range(0, max(len(rows), 1), step)]
        whole: Array = np.concatenate(parts)
        return whole

    def _scores(self, rows: Array) -> Array:
        node = np.tile(self.roots_, (len(rows), 1)).ravel()
        row = np.repeat(np.arange(len(rows)), len(self.roots_))
        asked = np.flatnonzero(self.left_[node] >= 0)
        while len(asked):
            here = node[asked]
            cells = rows[row[asked], self.features_[here]]
            goes_left = np.where(np.isnan(cells), self.missing_left_[here], cells <= self.thresholds_[here])
            node[asked] = np.where(goes_left, self.left_[here], self.right_[here])
            asked = asked[self.left_[node[asked]] >= 0]
        said = self.values_[node].reshape(len(rows), -1, len(self.base_))
        scores: Array = said.sum(axis=1) + self.base_
        return scores

    def _rows(self, X: Any) -> Array:
        check_is_fitted(self)
        rows: Array = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return np.clip(rows, -LIMIT, LIMIT)


class BoostedClassifier(ClassifierMixin, _Boosted):  # type: ignore[misc]
    """A classifier; ``class_weight`` as scikit-learn has it."""

    def __init__(
        self,
        library: str = "lightgbm",
        options: Mapping[str, Any] | None = None,
        rounds: int = 100,
        seed: int = 0,
        n_jobs: int = 1,
        class_weight: str | None = None,
    ) -> None:
        super().__init__(library, options, rounds, seed, n_jobs)
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any) -> Self:
        """Grow the trees."""
        rows, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        rows = np.clip(rows, -LIMIT, LIMIT)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("Classifier can't train when only one class is present.")
        weights = None if self.class_weight is None else compute_sample_weight(self.class_weight, codes)
        self._grow(rows, codes, weights, len(self.classes_))
        return self

    def predict_proba(self, X: Any) -> Array:
        """Return probabilities, rows by classes."""
        scores = self.scores(self._rows(X))
        if len(self.classes_) == 2:
            second = expit(scores[:, 0])
            return np.column_stack([1 - second, second])
        chances: Array = softmax(scores, axis=1)
        return chances

    def predict(self, X: Any) -> Array:
        """Return the likeliest class of each row."""
        places = self.predict_proba(X).argmax(axis=1)
        likeliest: Array = self.classes_[places]
        return likeliest


class BoostedRegressor(RegressorMixin, _Boosted):  # type: ignore[misc]
    """A regressor, by least squares."""

    def fit(self, X: Any, y: Any) -> Self:
        """Grow the trees."""
        rows, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", y_numeric=True)
        rows = np.clip(rows, -LIMIT, LIMIT)
        self._grow(rows, np.asarray(y, dtype=np.float64), None, 0)
        return self

    def predict(self, X: Any) -> Array:
        """Return a number for each row."""
        return self.scores(self._rows(X))[:, 0]


def _lightgbm(rows: Array, target: Array, weights: Array | None, classes: int, model: _Boosted) -> Grown:
    import lightgbm

    kind = {0: {"objective": "regression"}, 2: {"objective": "binary"}}
    options = {
        **kind.get(classes, {"objective": "multiclass", "num_class": classes}),
        **(model.options or {}),
        # With these the same trees grow whatever the number of threads, says its documentation.
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": model.threads(),
        "seed": model.seed,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(rows, target, weight=weights)
    booster = lightgbm.train(options, data, num_boost_round=model.rounds)
    trees = [list(_lightgbm_nodes(tree["tree_structure"])) for tree in booster.dump_model()["tree_info"]]
    starts = np.cumsum([0, *(len(tree) for tree in trees)])
    nodes = np.array([node for tree in trees for node in tree], dtype=np.float64).reshape(-1, 6)
    offsets = np.repeat(starts[:-1], np.diff(starts))
    inner = nodes[:, 2] >= 0
    left = np.where(inner, nodes[:, 2] + offsets, -1).astype(np.intp)
    right = np.where(inner, nodes[:, 3] + offsets, -1).astype(np.intp)
    base = np.zeros(max(1, classes) if classes > 2 else 1)
    return Grown(nodes[:, 0].astype(np.intp), nodes[:, 1], left, right, nodes[:, 4] > 0, nodes[:, 5], starts[:-1], base)


def _lightgbm_nodes(root: Mapping[str, Any]) -> Iterator[tuple[float, float, float, float, float, float]]:
    """Yield feature, threshold, left, right, where missing goes, and value of each node, breadth first."""
    waiting = [root]
    for at, node in enumerate(waiting):
        if "split_feature" not in node:
            yield 0.0, 0.0, -1.0, -1.0, 1.0, float(node["leaf_value"])
            continue
        # Where training rows lacked none, a missing cell counts as 0.
        missing_left = node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0
        place = len(waiting)
        waiting += [node["left_child"], node["right_child"]]
        assert at < place
        yield float(node["split_feature"]), float(node["threshold"]), place, place + 1.0, float(missing_left), 0.0


def _xgboost(rows: Array, target: Array, weights: Array | None, classes: int, model: _Boosted) -> Grown:
    import xgboost

    kind = {0: {"objective": "reg:squarederror"}, 2: {"objective": "binary:logistic"}}
    options = {
        **kind.get(classes, {"objective": "multi:softprob", "num_class": classes}),
        **(model.options or {}),
        "tree_method": "hist",
        "nthread": model.threads(),
        "seed": model.seed,
        "verbosity": 0,
    }
    data = xgboost.DMatrix(rows, target, weight=weights, nthread=model.threads())
    booster = xgboost.train(options, data, num_boost_round=model.rounds)
    learnt = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]
    trees = learnt["trees"]
    sizes = [len(tree["left_children"]) for tree in trees]
    starts = np.cumsum([0, *sizes])

    def joined(name: str, kind: Any) -> Array:
        return np.concatenate([np.array(tree[name], dtype=kind) for tree in trees])

    offsets = np.repeat(starts[:-1], sizes)
    left, right = joined("left_children", np.intp), joined("right_children", np.intp)
    inner = left >= 0
    conditions = joined("split_conditions", np.float32)
    # It goes left below the threshold, in single precision: at most the number before it.
    thresholds = np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64)
    outputs = classes if classes > 2 else 1
    grown = Grown(
        joined("split_indices", np.intp),
        np.where(inner, thresholds, 0.0),
        np.where(inner, left + offsets, -1),
        np.where(inner, right + offsets, -1),
        joined("default_left", np.int64) > 0,
        np.where(inner, 0.0, conditions.astype(np.float64)),
        starts[:-1],
        np.zeros(outputs),
    )
    return grown._replace(base=_start(booster, grown, model, rows[:1], outputs))


def _start(booster: Any, grown: Grown, model: _Boosted, row: Array, outputs: int) -> Array:
    """Return what XGBoost adds to its trees: how it is stored differs from version to version, what it does cannot."""
    import xgboost

    whole = booster.predict(xgboost.DMatrix(row, nthread=1), output_margin=True).reshape(1, outputs)
    trees = _Boosted(model.library)
    trees.features_, trees.thresholds_, trees.left_, trees.right_ = grown[:4]
    trees.missing_left_, trees.values_, trees.roots_, trees.base_ = grown[4:]
    base: Array = (whole.astype(np.float64) - trees.scores(row))[0]
    return base
