"""fit, of a table that comes in pieces: the same stages, and no more than a piece of the table is held at a time.

The target alone is read whole, so that the very rows are held out that would be if the table fitted into memory. Then
each step that learns takes a pass over the training rows, and the model one or several (docs/decisions/0030).
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController

from skyulf.core.assemble import assemble
from skyulf.core.calculator import (
    PROBE_ROWS,
    Report,
    Run,
    Table,
    completed,
    learnable,
    split,
    target_type,
    warn_of_columns,
)
from skyulf.core.candidates import check_spec
from skyulf.core.columns import ColumnFacts
from skyulf.core.environment import describe_environment
from skyulf.core.evaluation import Metrics, aligned, codes_of, evaluate_classes, evaluate_numbers, json_label
from skyulf.core.fingerprint import fingerprint
from skyulf.core.flow import Flow, Stage, follow
from skyulf.core.frame import read_pieces
from skyulf.core.memory import needed_columns
from skyulf.core.notices import Notices, Told
from skyulf.core.piecewise import Moments
from skyulf.core.predictions import Label, decided
from skyulf.core.probing import probe_inputs
from skyulf.core.registry import BuildContext
from skyulf.core.reproduction import ROWS as COMPARED_ROWS
from skyulf.core.spec import PipelineSpec
from skyulf.core.state import FittedState
from skyulf.core.streaming_check import piece_rows
from skyulf.errors import TrainingFailed

Array = np.ndarray[Any, Any]

SORTED = (
    "most pieces of the table hold one class of the target only, and the model learns them one after the other; "
    "shuffle the table's rows"
)

TEST = 2
TRAIN = 1
"""What becomes of a row; 0 of one that has no target."""


@dataclass
class _Pieces:
    """A table in pieces, of which rows are told apart by their ``roles``."""

    path: str | Path
    only: frozenset[str]
    names: tuple[str, ...]
    """The columns that a pipeline is given, in their order."""
    size: int
    target: Array = field(default_factory=lambda: np.empty(0))
    """Of the rows that have one."""
    places: Array = field(default_factory=lambda: np.empty(0))
    """Where those rows stand in the table."""
    roles: Array = field(default_factory=lambda: np.empty(0))
    passes: int = 0

    def of(self, *roles: int) -> Iterator[tuple[pd.DataFrame, Array, float]]:
        """Pass over the table: of each piece the rows of some roles, their targets, and how much of it is done."""
        begin, at = 0, 0
        for frame in read_pieces(self.path, None, self.size, self.only):
            end = begin + len(frame)
            until = int(np.searchsorted(self.places, end))
            wanted = np.isin(self.roles[self.places[at:until]], roles)
            features = frame[list(self.names)].iloc[self.places[at:until][wanted] - begin]
            for name in features.columns[features.dtypes == np.float64]:
                if np.isinf(features[name].to_numpy()).any():
                    raise TrainingFailed(f"column {name} holds infinite values; remove or replace them")
            if len(features):
                yield features.reset_index(drop=True), self.target[at:until][wanted], end / len(self.roles)
            begin, at = end, until
        self.passes += 1  # whoever wants the first rows only makes none


def fit_in_pieces(
    spec: PipelineSpec,
    path: str | Path,
    columns: Sequence[ColumnFacts],
    rows: int,
    seed: int,
    report: Report,
    threads: int,
) -> FittedState:
    """Train a complete spec that asks for ``streaming`` on a Parquet file of so many rows.

    The rest is as in `skyulf.core.calculator.fit`. What is learnt follows from the table, the spec and the seed, and
    not from the memory that there is. ``rows`` of the state tells of the ``piece`` (its rows), and how many ``passes``
    over the features there were.
    """
    import sklearn.linear_model  # noqa: F401  a limit of threads holds for the libraries that are loaded by then

    assert spec.streaming is not None
    libraries = ThreadpoolController()
    run, notices = Run(report), Notices()
    context = BuildContext(seed % 2**32, spec.task, threads)
    limits = {"blas": 1, "openmp": 1}
    with libraries.limit(limits=limits), notices.listening():
        with run.stage("load"):
            if faults := check_spec(spec, columns, rows):
                raise TrainingFailed("; ".join(str(fault) for fault in faults))
            spec, flow = completed(spec), follow(spec, columns, rows)
            kind = target_type(spec, columns)
            table, pieces = _opened(spec, flow, path, columns, kind)
        with run.stage("split"):
            train, test = split(spec, table, context.seed)
            pieces.roles[pieces.places[train]] = TRAIN
            pieces.roles[pieces.places[test]] = TEST
            labels = [] if table.classes is None else [json_label(value, kind) for value in table.classes]
            first, of_first, _ = next(pieces.of(TRAIN))
            probe = first.iloc[:PROBE_ROWS]
            seen = Table(first, of_first, table.classes, 0)
            warn_of_columns(flow, columns, rows, seen, np.arange(len(first)))
        if table.classes is not None and spec.model and spec.model.use().in_pieces == "epochs" and _is_sorted(pieces):
            warnings.warn(Told(SORTED), stacklevel=1)
        with run.stage("fit") as done:
            held_out = _fitted(spec, flow, context, pieces, (TRAIN,), done)
        with run.stage("evaluate") as done:
            metrics, evaluation = _judged(held_out, pieces, table, labels, done)
            run.metrics = {name: value for name, value in metrics.items() if value is not None}
        with run.stage("refit") as done:
            served = _fitted(spec, flow, context, pieces, (TRAIN, TEST), done) if spec.refit else held_out
    with run.stage("fingerprint"), libraries.limit(limits=1):
        mark = fingerprint(served, probe)
        schema = probe_inputs(served, flow, probe, columns, libraries)
    classes: list[Label] | None = None
    if table.classes is not None:
        classes = [json_label(value, kind) for value in served.classes_]
    counts = {"total": len(pieces.roles), "train": len(train), "test": len(test), "dropped": table.dropped}
    return FittedState(
        spec=spec, pipeline=served, pipeline_inputs=flow.inputs, classes=classes, metrics=metrics,
        candidate_scores=[], input_schema=schema, target_type=kind,
        rows={**counts, "piece": pieces.size, "passes": pieces.passes}, evaluation=evaluation,
        fingerprint=mark, environment=describe_environment(threads, limits, libraries), timings=run.timings,
        warnings=notices.texts(),
    )  # fmt: skip


def first_rows(spec: PipelineSpec, path: str | Path, columns: Sequence[ColumnFacts], rows: int) -> pd.DataFrame:
    """As many rows from the beginning of a table as two models of it are compared on."""
    return next(read_pieces(path, spec.target, COMPARED_ROWS, needed_columns(spec, follow(spec, columns, rows))))


def _is_sorted(pieces: _Pieces) -> bool:
    """Tell whether most pieces hold rows of one class only."""
    ends = np.searchsorted(pieces.places, np.arange(pieces.size, len(pieces.roles), pieces.size))
    parts = np.split(pieces.target, ends)
    return len(parts) > 1 and sum(bool((part == part[:1]).all()) for part in parts) > len(parts) / 2


def _opened(
    spec: PipelineSpec, flow: Flow, path: str | Path, columns: Sequence[ColumnFacts], kind: Any
) -> tuple[Table, _Pieces]:
    """Read the target; of the features nothing yet."""
    assert spec.target is not None
    only = needed_columns(spec, flow)
    size = piece_rows(len(only))
    there: set[str] = set()
    parts: list[pd.Series[Any]] = []
    for frame in read_pieces(path, spec.target, size, {spec.target}):
        there.update(frame.columns)
        if spec.target in frame:
            parts.append(frame[spec.target])
    if absent := [column.name for column in columns if column.name not in there]:
        raise TrainingFailed(f"the stored table lacks columns that its record names: {', '.join(absent)}")
    values = pd.concat(parts, ignore_index=True)
    filled = values.notna().to_numpy()
    target, classes = learnable(spec, values if filled.all() else values[filled], kind)
    table = Table(pd.DataFrame(), target, classes, int((~filled).sum()))
    roles = np.zeros(len(values), dtype=np.int8)
    return table, _Pieces(path, only - {spec.target}, flow.inputs, size, target, np.flatnonzero(filled), roles)


def _fitted(
    spec: PipelineSpec,
    flow: Flow,
    context: BuildContext,
    pieces: _Pieces,
    roles: tuple[int, ...],
    done: Callable[[float], None],
) -> Any:
    """Fit on the rows of these roles: first what each step learns, then the model."""
    assert spec.model is not None
    assert spec.streaming is not None
    pipeline, node = assemble(spec, flow, context), spec.model.use()
    epochs = 1 if node.in_pieces == "one pass" else spec.streaming.epochs
    if len(pipeline) != len(flow.stages) + 1:
        raise TypeError("steps that part or change rows do not learn from pieces")
    learning = [stage for stage in flow.stages if stage.step.learns]
    planned, begun = len(learning) + epochs, 0
    head, head_target, _ = next(pieces.of(*roles))
    for at, stage in enumerate(flow.stages):
        transformer = pipeline[at]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a piece; what it learns of it is replaced
            transformer.fit(_through(pipeline[:at], head), head_target)
        if not stage.step.learns:
            continue
        moments, (inner, columns) = Moments(), _inside(transformer, stage)
        for features, _, share in pieces.of(*roles):
            moments.add(_numbers(_through(pipeline[:at], features), columns))
            done((begun + share) / planned)
        stage.step.learn(inner, moments)
        begun += 1
    classes = (
        None if spec.task == "regression" else np.unique(pieces.target[np.isin(pieces.roles[pieces.places], roles)])
    )
    learner = node.learner(pipeline[-1], classes)
    for _ in range(epochs):
        for features, target, share in pieces.of(*roles):
            learner.learn(_through(pipeline[:-1], features), target)
            done((begun + share) / planned)
        begun += 1
    learner.finish()
    return pipeline


def _through(steps: Any, features: Any) -> Any:
    for _, transformer in steps.steps:
        features = transformer.transform(features)
    return features


def _inside(transformer: Any, stage: Stage) -> tuple[Any, Any]:
    """The fitted transformer of a stage itself, and which columns it is given; None for all."""
    if stage.whole:
        return transformer, None
    name = "remainder" if stage.takes_generated else stage.step.name
    return next((fitted, list(columns)) for called, fitted, columns in transformer.transformers_ if called == name)


def _numbers(table: Any, columns: Any) -> Array:
    """Those columns of a frame, by name, or of a frame or an array, by position."""
    if columns is not None and not isinstance(table, pd.DataFrame):
        table = table[:, columns]
    elif columns is not None:
        table = table[columns] if isinstance(columns[0], str) else table.iloc[:, columns]
    return np.asarray(table, dtype=np.float64)


def _judged(
    pipeline: Any, pieces: _Pieces, table: Table, labels: Sequence[Label], done: Callable[[float], None]
) -> tuple[Metrics, dict[str, Any]]:
    """Ask for the rows held out, piece by piece, and judge all of them."""
    said, truth = [], []
    for features, target, share in pieces.of(TEST):
        said.append(pipeline.predict(features) if table.classes is None else pipeline.predict_proba(features))
        truth.append(target)
        done(share)
    true, answers = np.concatenate(truth), np.concatenate(said)
    if table.classes is None:
        return evaluate_numbers(true, answers.astype(np.float64))
    chances = aligned(answers, pipeline.classes_, table.classes)
    return evaluate_classes(codes_of(true, table.classes), decided(chances, None), chances, labels)
