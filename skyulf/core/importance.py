"""How much each column matters to a model: how much worse it does on held-out rows once a column is shuffled there.

Permutation importance after Breiman (Machine Learning 45, 2001), of the columns that callers send, not of those that
steps make of them. A model does well on rows it was fitted on by whatever column it has learnt by heart, so those who
ask must hold rows out: where the model that is served was fitted on all rows, the same pipeline is fitted once more on
the training rows alone, the one that the metrics belong to.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core import calculator
from skyulf.core.columns import ColumnFacts
from skyulf.core.evaluation import aligned, brier, codes_of, finite
from skyulf.core.flow import follow
from skyulf.core.formats import LoadedModel
from skyulf.core.registry import BuildContext, Task
from skyulf.core.rows import sent
from skyulf.core.walk import Walk

Array = np.ndarray[Any, Any]

MOST_ROWS = 1_000
REPEATS = 5

METRICS: dict[Task, str] = {"classification": "brier", "regression": "rmse", "clustering": "another_cluster"}


def explain(
    model: LoadedModel, frame: pd.DataFrame, columns: Sequence[ColumnFacts], seed: int, threads: int
) -> dict[str, Any]:
    """Return what each column of a model's input is worth to it, the worthiest first.

    ``frame``, ``columns``, ``seed`` and ``threads`` are those of the fit. The document names the ``metric``, its
    ``score`` on the sample of held-out ``rows``, and for each column the ``mean`` and ``std`` over ``repeats`` shuffles
    of what the metric grew by. The metric is the Brier score (it judges probabilities and exists whatever the balance
    of classes, and unlike log loss it is not ruled by the few rows to which a forest gives no chance at all), or the
    root mean squared error; of a clustering, which has no truth, it is the share of rows that come to be in
    ``another_cluster``.
    """
    context = BuildContext(seed % 2**32, model.spec.task, threads)
    pipeline, features, truth, classes = held_out(model, frame, columns, context, MOST_ROWS)
    rows = sent(model.input_schema, features)
    walk = Walk(pipeline, model.pipeline_inputs)

    clusters = walk.predict(rows) if model.spec.task == "clustering" else None

    def score(shuffled: Mapping[str, Array]) -> float:
        if model.spec.task == "clustering":
            return float(np.mean(walk.predict(shuffled) != clusters))
        if classes is None:
            return float(np.sqrt(np.mean((walk.predict(shuffled) - truth) ** 2)))
        return brier(codes_of(truth, classes), aligned(walk.chances(shuffled), pipeline.classes_, classes))

    random = np.random.default_rng(context.seed)
    start = score(rows)
    worth = [
        (name, np.array([score({**rows, name: random.permutation(cells)}) for _ in range(REPEATS)]) - start)
        for name, cells in rows.items()
    ]
    return {
        "metric": METRICS[model.spec.task],
        "score": finite(start),
        "rows": len(truth),
        "repeats": REPEATS,
        "importance": [
            {"column": name, "mean": finite(grew.mean()), "std": finite(grew.std())}
            for name, grew in sorted(worth, key=lambda each: -np.nan_to_num(each[1].mean()))
        ],
    }


def held_out(
    model: LoadedModel, frame: pd.DataFrame, columns: Sequence[ColumnFacts], context: BuildContext, most: int
) -> tuple[Any, pd.DataFrame, Array, Array | None]:
    """Return a pipeline that was fitted on the training rows, and of the others ``most``, with their targets.

    The last of the four are the classes, None of a regression or a clustering, whose targets are zeros.
    """
    spec = model.spec
    table = calculator.check([spec], frame, columns)
    train, test = calculator.split(spec, table, context.seed)
    pipeline = model.pipeline
    if spec.refit:
        pipeline = calculator.fitted(spec, follow(spec, columns, len(frame)), context, table, train)
    if len(test) > most:
        test = np.sort(np.random.default_rng(context.seed).choice(test, most, replace=False))
    return pipeline, table.features.iloc[test], table.target[test], table.classes
