"""The way of plain arrays through a fitted pipeline, without a DataFrame: what makes predicting one row quick."""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from skyulf.core import clusters
from skyulf.core.registry import Step, steps

if TYPE_CHECKING:
    from skyulf.core.branches import Pieces

Array = np.ndarray[Any, Any]
T = TypeVar("T")

Watch = Callable[[Any, Array], None]
"""Is told a fitted transformer, and rows as they reach it."""

# Trees compare in single precision, and what is beyond it can overflow a linear model: the model sees this at most.
LIMIT = 1e30


class _Part(NamedTuple):
    """One transformer of a stage (None passes through) and the positions of its columns."""

    transform: Any
    positions: tuple[int, ...]


class _Stage(NamedTuple):
    """A ColumnTransformer: its parts in the order of their output, and whether it takes an array, not a frame."""

    parts: list[_Part]
    by_position: bool


class _Branches(NamedTuple):
    """Stages that stand side by side: each with where its columns are found, and whether all of those are numbers."""

    parts: "list[tuple[_Stage, Pieces, bool]]"
    pieces: "Pieces"
    plain: bool


class Walk:
    """A fitted pipeline's steps and model, made to act on arrays: the same numbers as on a DataFrame.

    ``inputs`` are the names of the columns that the pipeline was fitted on, in their order. ``libraries`` are
    those whose threads are limited; looking them up takes 4 ms. ``watch`` is told what reaches each transformer.
    """

    def __init__(
        self,
        pipeline: Any,
        inputs: Sequence[str],
        libraries: ThreadpoolController | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._inputs = tuple(inputs)
        *steps, (_, model) = pipeline.steps
        self._stages = [_compiled(transformer, watch) for _, transformer in steps]
        self._model = nameless(model)
        # Boosted trees would wake a thread for each core for a single row; the limit holds for the calling thread.
        self._openmp = (libraries or ThreadpoolController()).select(user_api="openmp")

    def predict(self, columns: Mapping[str, Array]) -> Array:
        """Return the model's predictions, one a row."""
        return self._ask(self._model.predict, columns)

    def chances(self, columns: Mapping[str, Array]) -> Array:
        """Return a classifier's probabilities, rows by classes."""
        return self._ask(self._model.predict_proba, columns)

    def distances(self, columns: Mapping[str, Array]) -> Array:
        """Return the distances from the clusters of a model that has centres, rows by clusters."""
        return self._ask(partial(clusters.distances, self._model), columns)

    def _ask(self, question: Callable[[Array], Array], columns: Mapping[str, Array]) -> Array:
        with np.errstate(all="ignore"), self._openmp.limit(limits=1):
            return question(self._matrix(columns))

    def _matrix(self, columns: Mapping[str, Array]) -> Array:
        """Return what the model sees: float64, rows by features. Columns that are only dropped may be absent."""
        flowing: list[Array | None] = [columns.get(name) for name in self._inputs]
        for stage in self._stages:
            flowing = _through(stage, flowing) if isinstance(stage, _Stage) else _through_branches(stage, flowing)
        whole = np.column_stack([column for column in flowing if column is not None])
        return np.clip(whole.astype(np.float64, copy=False), -LIMIT, LIMIT)


def _through(stage: _Stage, flowing: list[Array | None]) -> list[Array | None]:
    if stage.by_position and any(column is None or column.dtype == object for column in flowing):
        # The pipeline was fitted on one array of objects here, and its encoders have learnt objects from it.
        flowing = [column if column is None else column.astype(object) for column in flowing]
    after: list[Array | None] = []
    for transform, positions in stage.parts:
        chosen = [flowing[at] for at in positions]
        if transform is None:
            after += chosen
            continue
        block = transform(np.column_stack([column for column in chosen if column is not None]))
        after += list(block.T)
    return after


def _through_branches(branches: _Branches, flowing: list[Array | None]) -> list[Array | None]:
    tables = [flowing]
    for stage, pieces, plain in branches.parts:
        tables.append(_through(stage, _numbers(picked(tables, pieces), plain)))
    return _numbers(picked(tables, branches.pieces), branches.plain)


def _numbers(flowing: list[Array | None], plain: bool) -> list[Array | None]:
    """Return columns as they are, or as numbers where all of them are: objects once stood beside text."""
    if not plain:
        return flowing
    return [column if column is None else column.astype(np.float64, copy=False) for column in flowing]


def picked(tables: Sequence[list[T]], pieces: "Pieces") -> list[T]:
    """Return the columns of pieces, side by side; the table at 0 is what comes into the branches."""
    found: list[T] = []
    for part, places in pieces:
        table = tables[part + 1]
        found += table[places] if isinstance(places, slice) else [table[at] for at in places]
    return found


def branches_of(transformer: Any) -> "list[tuple[Any, Pieces]] | None":
    """Return the fitted parts of a pipeline's step that lets columns go several ways; None of any other step."""
    if not hasattr(transformer, "pieces"):
        return None
    return [(fitted, part[2]) for fitted, part in zip(transformer.fitted_, transformer.parts, strict=True)]


def _compiled(transformer: Any, watch: Watch | None) -> _Stage | _Branches:
    parts = branches_of(transformer)
    if parts is None:
        return _stage(transformer, watch)
    plain = [part[3] for part in transformer.parts]
    compiled = [
        (_stage(fitted, watch), pieces, numbers) for (fitted, pieces), numbers in zip(parts, plain, strict=True)
    ]
    return _Branches(compiled, transformer.pieces, transformer.plain)


def _stage(transformer: Any, watch: Watch | None) -> _Stage:
    parts = [
        _Part(None if fitted is None else _transform_of(fitted, watch), positions)
        for fitted, positions in parts_of(transformer)
    ]
    return _Stage(parts, by_position=not hasattr(transformer, "feature_names_in_"))


def parts_of(transformer: Any) -> list[tuple[Any, tuple[int, ...]]]:
    """Return the fitted transformers of a pipeline's step and the positions of their columns, in the order of output.

    None passes columns through; what is dropped is left out.
    """
    if not hasattr(transformer, "transformers_"):  # it stands alone: it acts on every column
        return [(transformer, tuple(range(transformer.n_features_in_)))]
    names = {name: at for at, name in enumerate(getattr(transformer, "feature_names_in_", ()))}
    parts: list[tuple[Any, tuple[int, ...]]] = []
    for _, fitted, columns in transformer.transformers_:
        positions = tuple(names[c] if isinstance(c, str) else int(c) for c in columns)
        if (isinstance(fitted, str) and fitted == "drop") or not positions:
            continue
        passes = isinstance(fitted, str) or type(fitted).__name__ == "FunctionTransformer"
        parts.append((None if passes else fitted, positions))
    return parts


def step_of(fitted: Any) -> type[Step] | None:
    """Return the step that declares a fitted transformer's class."""
    name = f"{type(fitted).__module__}.{type(fitted).__qualname__}"
    return next((step for step in steps().values() if name in step.types), None)


def _transform_of(fitted: Any, watch: Watch | None) -> Callable[[Array], Array]:
    """Return the step's own arithmetic where it declares one, else the transformer's method."""
    declared = step_of(fitted)
    arithmetic = declared.arithmetic(fitted) if declared else None
    transform: Callable[[Array], Array] = arithmetic or nameless(fitted).transform
    if watch is None:
        return transform

    def watched(cells: Array) -> Array:
        watch(fitted, cells)
        return transform(cells)

    return watched


def nameless(fitted: Any) -> Any:
    """Copy an estimator without the names it was fitted with, which it would miss in an array."""
    bare = copy.copy(fitted)
    vars(bare).pop("feature_names_in_", None)
    vars(bare).pop("_sklearn_output_config", None)
    if hasattr(bare, "regressor_"):  # of a target that is transformed: the model stands inside
        bare.regressor_ = nameless(bare.regressor_)
    return bare
