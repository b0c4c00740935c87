"""Trees as ONNX has them: the operator TreeEnsemble, in double precision, each question as the model of record asks it.

A tree asks of a row whether a feature is at most a threshold, which both compare as float64; where a cell is missing
it goes the way that the model of record goes. Leaves are added up in the order of the trees, so that the sums are
the same to the last bit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skyulf.core.graph import DOUBLE, FLOAT, LEARNING, Graph, NoOnnx

Array = np.ndarray[Any, Any]

DEEPEST = 500
"""ONNX Runtime reads trees by recursion."""

MOST_NODES = 2_000_000

LESS_OR_EQUAL = 0
SUM = 1


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree's nodes, the root first; ``left`` is where rows go that are at most the threshold.

    A leaf has no children: -1 in ``left``, and what it says in ``values``. ``missing_left`` tells where missing goes.
    """

    features: Array
    thresholds: Array
    left: Array
    right: Array
    missing_left: Array
    values: Array


def of_sklearn(tree: Any, values: Array) -> Tree:
    """A tree of scikit-learn's, of which each node says ``values``."""
    missing = np.asarray(tree.missing_go_to_left)
    return Tree(tree.feature, tree.threshold, tree.children_left, tree.children_right, missing, values)


def of_predictor(predictor: Any) -> Tree:
    """A tree of scikit-learn's histogram gradient boosting."""
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    if (nodes["is_categorical"].astype(bool) & ~leaf).any():
        raise NoOnnx("hist_gradient_boosting splits by categories")
    left = np.where(leaf, -1, nodes["left"].astype(np.int64))
    right = np.where(leaf, -1, nodes["right"].astype(np.int64))
    features = nodes["feature_idx"].astype(np.int64)
    return Tree(features, nodes["num_threshold"], left, right, nodes["missing_go_to_left"], nodes["value"])


def constant(value: float) -> Tree:
    """A tree that says the same of every row."""
    nothing, leaf = np.zeros(1, dtype=np.int64), np.full(1, -1, dtype=np.int64)
    return Tree(nothing, np.zeros(1), leaf, leaf, nothing, np.array([value]))


def single_precision(graph: Graph, matrix: str) -> str:
    """Round numbers as scikit-learn's trees round them before they compare."""
    return graph.add("Cast", graph.add("Cast", matrix, to=FLOAT), to=DOUBLE)


def summed(graph: Graph, matrix: str, trees: Iterable[Tree]) -> str:
    """Add what every tree says of each row, in their order; rows by 1."""
    parts: dict[str, list[Array]] = {name: [] for name in ("feature", "split", "yes", "no", "missing", "weight")}
    yes_leaf: list[Array] = []
    no_leaf: list[Array] = []
    roots = []
    nodes = leaves = 0
    for tree in trees:
        inner = np.flatnonzero(tree.left >= 0)
        ends = np.flatnonzero(tree.left < 0)
        _refuse_deep(tree)
        roots.append(nodes)
        place = np.empty(len(tree.left), dtype=np.int64)
        place[inner] = nodes + np.arange(len(inner))
        place[ends] = leaves + np.arange(len(ends))
        # A tree that is one leaf asks a question all the same, and says the same whatever the answer.
        asks = inner if len(inner) else np.zeros(1, dtype=np.int64)
        left, right = (tree.left[asks], tree.right[asks]) if len(inner) else (asks, asks)
        parts["feature"].append(tree.features[asks] if len(inner) else asks)
        parts["split"].append(tree.thresholds[asks])
        parts["yes"].append(place[left])
        parts["no"].append(place[right])
        parts["missing"].append(tree.missing_left[asks])
        parts["weight"].append(tree.values[ends])
        yes_leaf.append(tree.left[left] < 0)
        no_leaf.append(tree.left[right] < 0)
        nodes += len(asks)
        leaves += len(ends)
        if nodes > MOST_NODES:
            raise NoOnnx(f"the trees have more than {MOST_NODES:,} questions")
    whole = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    return graph.add(
        "TreeEnsemble", matrix, domain=LEARNING,
        n_targets=1, aggregate_function=SUM, post_transform=0, tree_roots=roots,
        nodes_featureids=_ints(whole["feature"]), nodes_splits=whole["split"].astype(np.float64),
        nodes_modes=np.full(nodes, LESS_OR_EQUAL, dtype=np.uint8),
        nodes_truenodeids=_ints(whole["yes"]), nodes_trueleafs=_ints(np.concatenate(yes_leaf)),
        nodes_falsenodeids=_ints(whole["no"]), nodes_falseleafs=_ints(np.concatenate(no_leaf)),
        nodes_missing_value_tracks_true=_ints(whole["missing"]),
        leaf_targetids=[0] * leaves, leaf_weights=whole["weight"].astype(np.float64),
    )  # fmt: skip


def averaged(graph: Graph, matrix: str, trees: Sequence[Any], classes: int | None) -> str:
    """Return the mean of what scikit-learn's trees say: rows by ``classes``, or by 1 where there are none."""
    numbers = single_precision(graph, matrix)

    def mean(at: int) -> str:
        total = summed(graph, numbers, (of_sklearn(tree, tree.value[:, 0, at]) for tree in trees))
        return total if len(trees) == 1 else graph.add("Div", total, float(len(trees)))

    if classes is None:
        return mean(0)
    if classes == 2 and (len(trees) == 1 or all(_pure(tree) for tree in trees)):
        return two_classes(graph, mean(1))  # the sums of whole numbers are exact, so that ties stay ties
    return graph.add("Concat", *[mean(at) for at in range(classes)], axis=1)


def two_classes(graph: Graph, second: str) -> str:
    """Put the probability of the first of two classes beside that of the second."""
    return graph.add("Concat", graph.add("Sub", 1.0, second), second, axis=1)


def chances(graph: Graph, scores: Sequence[str]) -> str:
    """Turn scores, rows by 1 each, into probabilities; one score is that of the second of two classes."""
    if len(scores) == 1:
        return two_classes(graph, graph.add("Sigmoid", scores[0]))
    return graph.add("Softmax", graph.add("Concat", *scores, axis=1), axis=1)


def _pure(tree: Any) -> bool:
    leaves = tree.value[tree.children_left < 0, 0, :]
    return bool(((leaves == 0) | (leaves == 1)).all())


def _refuse_deep(tree: Tree) -> None:
    level = np.zeros(1, dtype=np.int64)
    for _ in range(DEEPEST):
        level = level[tree.left[level] >= 0]
        if not len(level):
            return
        level = np.concatenate([tree.left[level], tree.right[level]])
    raise NoOnnx(f"a tree is deeper than {DEEPEST} questions")


def _ints(array: Array) -> list[int]:
    whole: list[int] = array.astype(np.int64).tolist()
    return whole
