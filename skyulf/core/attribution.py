"""How each column moved a model's predictions of single rows: SHAP values (Lundberg and Lee 2017), on request.

They are of the columns that callers send, not of those that steps make of them. The library shap draws orders of the
columns (permutation sampling after Strumbelj and Kononenko 2014): a column that is not yet known in an order takes the
values of other rows, the background. Values of a row add up to what the model says of it, less what it says of the
background on average. Like importance they are of held-out rows and of the model that never saw them.
"""

import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.columns import ColumnFacts
from skyulf.core.evaluation import aligned, finite
from skyulf.core.formats import LoadedModel
from skyulf.core.importance import held_out
from skyulf.core.predictions import class_key
from skyulf.core.registry import BuildContext
from skyulf.core.rows import sent
from skyulf.core.walk import Walk
from skyulf.errors import NotAllowed

Array = np.ndarray[Any, Any]

MOST_ROWS = 100
"""Rows that are explained, at most, and at least a tenth of that."""

BACKGROUND = 30
"""Rows whose values stand for a column that is not known."""

MOST_PREDICTIONS = 2_000_000
"""Of many columns fewer rows are explained, so that the model says no more than this."""

MOST_CLASSES = 20

ORDERS = 2


def attribute(
    model: LoadedModel, frame: pd.DataFrame, columns: Sequence[ColumnFacts], seed: int, threads: int
) -> dict[str, Any]:
    """Return how much each column moves predictions, the one that moves them most first.

    ``frame``, ``columns``, ``seed`` and ``threads`` are those of the fit. The document says what is explained
    (``of``: the prediction, or a probability), and for each ``output`` (the number, the second of two classes, or each
    of more) the ``base``, which is the mean over the background, and each column's ``mean_abs`` and ``mean`` SHAP value
    over ``rows`` held-out rows, in the unit of the output.

    Raises:
        NotAllowed: it is a clustering, shap is not installed, or there are more than 20 classes.

    """
    if model.spec.task == "clustering":
        raise NotAllowed("a clustering predicts no number and no probability of a target that columns could move")
    if importlib.util.find_spec("shap") is None:
        raise NotAllowed("SHAP values need shap, which is not installed; run pip install 'skyulf[shap]'")
    if model.classes is not None and len(model.classes) > MOST_CLASSES:
        raise NotAllowed(f"of {len(model.classes)} classes there are no SHAP values, but of {MOST_CLASSES} at most")
    context = BuildContext(seed % 2**32, model.spec.task, threads)
    evaluations = ORDERS * (2 * len(model.input_schema) + 1)
    most = max(MOST_ROWS // 10, min(MOST_ROWS, MOST_PREDICTIONS // (evaluations * BACKGROUND)))
    pipeline, features, _, classes = held_out(model, frame, columns, context, most)
    cells = _Cells(sent(model.input_schema, features))
    walk = Walk(pipeline, model.pipeline_inputs)

    def say(matrix: Array) -> Array:
        rows = cells.columns(matrix)
        if classes is None:
            return np.asarray(walk.predict(rows), dtype=np.float64)[:, None]
        chances = aligned(walk.chances(rows), pipeline.classes_, classes)
        return chances[:, 1:] if len(classes) == 2 else chances

    values, base = _shap(say, cells.matrix, evaluations, context.seed)
    names = _outputs(model)
    return {
        "of": "prediction" if classes is None else "probability",
        "rows": len(values),
        "background": min(BACKGROUND, len(values)),
        "outputs": [
            {"output": name, "base": finite(base[at]), "columns": _ranked(cells.names, values[:, :, at])}
            for at, name in enumerate(names)
        ],
    }


def _outputs(model: LoadedModel) -> list[str | None]:
    if model.classes is None:
        return [None]
    keys = [class_key(label) for label in model.classes]
    return list(keys[1:] if len(keys) == 2 else keys)


def _shap(say: Any, matrix: Array, evaluations: int, seed: int) -> tuple[Array, Array]:
    """SHAP values (rows by columns by outputs) and what is said of the background on average (by outputs)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it draws pictures, too, and with what other libraries are about to change
        import numba

        # To compile shap's loops takes seven seconds in every new process; to run them as they are, less than one.
        vars(numba.config).update(DISABLE_JIT=True)
        from shap import PermutationExplainer
        from shap.maskers import Independent

    random = np.random.default_rng(seed)
    background = matrix[random.choice(len(matrix), min(BACKGROUND, len(matrix)), replace=False)]
    explainer = PermutationExplainer(say, Independent(background, max_samples=BACKGROUND), seed=seed)
    found = explainer(matrix, max_evals=evaluations, silent=True)
    # Of one output shap leaves its axis out.
    return np.reshape(found.values, (*matrix.shape, -1)), np.reshape(found.base_values, (len(matrix), -1))[0]


def _ranked(names: Sequence[str], values: Array) -> list[dict[str, Any]]:
    sizes, means = np.abs(values).mean(axis=0), values.mean(axis=0)
    return [
        {"column": names[at], "mean_abs": finite(sizes[at]), "mean": finite(means[at])}
        for at in np.argsort(-np.nan_to_num(sizes), kind="stable")
    ]


class _Cells:
    """Columns as one matrix of numbers, as shap takes them, and back: a text goes by its place among all."""

    def __init__(self, columns: Mapping[str, Array]) -> None:
        self.names = list(columns)
        self._texts: dict[str, Array] = {}
        parts = []
        for name, cells in columns.items():
            if cells.dtype == object:
                codes, known = pd.factorize(cells, use_na_sentinel=False)
                self._texts[name] = np.asarray(known, dtype=object)
                parts.append(codes.astype(np.float64))
            else:
                parts.append(cells)
        self.matrix = np.column_stack(parts)

    def columns(self, matrix: Array) -> dict[str, Array]:
        """The columns of such a matrix."""
        found: dict[str, Array] = {}
        for at, name in enumerate(self.names):
            known = self._texts.get(name)
            found[name] = matrix[:, at] if known is None else known[matrix[:, at].astype(np.intp)]
        return found
