"""fit: check, split, choose, fit, measure, evaluate, refit, fingerprint. The stages are fixed; the spec fills them."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController

from skyulf.core import choosing
from skyulf.core.assemble import assemble
from skyulf.core.candidates import check_spec
from skyulf.core.cluster_quality import clusters_in
from skyulf.core.columns import ColumnFacts
from skyulf.core.copies import warnings_of
from skyulf.core.environment import describe_environment
from skyulf.core.evaluation import codes_of, json_label
from skyulf.core.fingerprint import fingerprint
from skyulf.core.flow import Flow, follow
from skyulf.core.frame import target_values
from skyulf.core.judging import judge, judge_clusters
from skyulf.core.measuring import Measured, measure, set_aside
from skyulf.core.nested import JobTrials, tune_job
from skyulf.core.notices import Notices, Told
from skyulf.core.probing import probe_inputs
from skyulf.core.registry import BuildContext
from skyulf.core.sampling import without_samplers
from skyulf.core.spec import PipelineSpec
from skyulf.core.state import FittedState, Label
from skyulf.core.transformers import settled
from skyulf.errors import TrainingFailed

Array = np.ndarray[Any, Any]
Report = Callable[[str, float, dict[str, float]], None]

PROBE_ROWS = 50

SOME_CELLS = 20_000
"""Cells of a table from which on threads of OpenMP are worth waking (docs/performance.md, Training)."""

Free = Callable[[], int]
"""Tells how many cores are free for this process now, those that it uses itself counted as free."""

# Where each stage ends, as a share of the whole; choosing and fitting is what takes long.
ENDS = {
    "load": 0.02,
    "split": 0.05,
    "choose": 0.5,
    "tune": 0.55,
    "fit": 0.6,
    "measure": 0.7,
    "evaluate": 0.75,
    "refit": 0.95,
    "fingerprint": 1.0,
}


@dataclass
class Run:
    """Progress and time of one fit."""

    report: Report
    timings: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    reached: float = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        """Time a stage; what it yields reports how much of the stage is done, from 0 to 1."""
        begin = self.reached
        end = ENDS[name]

        def done(share: float) -> None:
            self.report(name, begin + (end - begin) * share, dict(self.metrics))

        done(0.0)
        start = time.perf_counter()
        yield done
        self.timings[name] = time.perf_counter() - start
        self.reached = end
        done(1.0)


@dataclass(frozen=True)
class Table:
    """Features and target of the rows that have one; of a clustering all rows, and zeros that nothing looks at."""

    features: pd.DataFrame
    target: Array
    classes: Array | None
    dropped: int
    reference: Array | None = None
    """Of a clustering that is compared with one: the reference of each row as a number, -1 where it is missing."""


def fit(
    spec_candidates: Sequence[PipelineSpec],
    frame: pd.DataFrame,
    columns: Sequence[ColumnFacts],
    seed: int,
    report: Report,
    threads: int,
    trials: JobTrials = JobTrials(),  # noqa: B008 -- frozen
    free: Free = lambda: 1,
) -> FittedState:
    """Train the best of the candidate specs on a frame as ``read_frame`` gives it.

    ``columns`` are the facts of the dataset's columns. Of several candidates, cross-validation on the training rows
    alone chooses. ``seed`` rules every random choice that the spec gives no seed for. ``report`` hears of the stage,
    the fraction of the whole that is done (0 to 1) and the metrics so far; what it raises ends the fit. A spec that
    asks for tuning has no other candidates beside it; ``trials`` are those of it that are known, and who hears of more.
    OpenMP gets as many of ``threads`` as cores are ``free`` when a fit begins.

    Raises:
        TrainingFailed: the data or the specs do not let a model be trained; names columns and rules, never values.

    """
    import sklearn.linear_model  # noqa: F401  a limit of threads holds for the libraries that are loaded by then

    libraries = ThreadpoolController()
    run = Run(report)
    notices = Notices()
    context = BuildContext(seed % 2**32, spec_candidates[0].task, threads)
    limits = {"blas": 1, "openmp": 1}

    @contextmanager
    def eased() -> Iterator[None]:
        """Let OpenMP have the cores that nobody else uses now."""
        # Threads of k-means add up its centres in the order in which they finish.
        several = spec_candidates[0].task != "clustering"
        limits["openmp"] = threads_of_openmp(frame.size, min(threads, free())) if several else 1
        with libraries.limit(limits=limits):
            yield

    # Of BLAS one thread always: sums over rows then come out the same whatever the number of cores, and sooner, for
    # tables are tall and narrow, and threads spend more time on waiting than they save.
    with libraries.limit(limits=limits), notices.listening():
        with run.stage("load"):
            table = check(spec_candidates, frame, columns)
            flows = [follow(spec, columns, len(frame)) for spec in spec_candidates]
        with run.stage("split"):
            train, test = split(spec_candidates[0], table, context.seed)
            train, measuring = set_aside(spec_candidates[0], train, len(test), context.seed)
            kind = target_type(spec_candidates[0], columns)
            labels = [] if table.classes is None else [json_label(value, kind) for value in table.classes]
        spec, flow, tuned = spec_candidates[0], flows[0], None
        scores: list[dict[str, Any]] = []
        if spec.tuning is None:
            with run.stage("choose") as done, eased():
                features, target = table.features, table.target
                best, scores = choosing.choose(spec_candidates, flows, features, target, train, context, done)
            spec, flow = spec_candidates[best], flows[best]
        else:
            with run.stage("tune") as done:
                features, target = table.features.iloc[train], table.target[train]
                tuned = tune_job(spec, columns, len(frame), features, target, context, trials, done)
            spec, flow = tuned.spec, follow(tuned.spec, columns, len(frame))
        spec = completed(spec)
        with run.stage("fit"), eased():
            held_out, left_of_train = learnt(spec, flow, context, table, train)
        measured = Measured()
        if spec.thresholds is not None or spec.intervals is not None:
            with run.stage("measure") as done, eased():
                features, target, again = table.features, table.target, partial(fitted, spec, flow, context, table)
                measured = measure(
                    spec, held_out, again, features, target, table.classes, labels, train, measuring, context.seed, done
                )
        with run.stage("evaluate"):
            warn_of_columns(flow, columns, len(frame), table, train)
            features, truth = table.features.iloc[test], table.target[test]
            if spec.task == "clustering":
                labelled = None if table.reference is None else table.reference[test]
                metrics, evaluation = judge_clusters(
                    held_out, spec, features, labelled, flow.inputs, columns, context.seed
                )
            else:
                metrics, evaluation = judge(
                    held_out, measured, spec, features, truth, table.classes, labels, flow.inputs, columns, context.seed
                )
            run.metrics = {name: value for name, value in metrics.items() if value is not None}
            if tuned is not None:
                evaluation["tuning"] = tuned.summary
        with run.stage("refit"), eased():
            served, left = held_out, left_of_train
            if spec.refit:
                served, left = learnt(spec, flow, context, table, None)
    with run.stage("fingerprint"), libraries.limit(limits=1):
        probe = table.features.iloc[train[:PROBE_ROWS]]
        mark = fingerprint(served, probe, measured.deciding)
        schema = probe_inputs(served, flow, probe, columns, libraries)
    classes: list[Label] | None = None
    if spec.task == "clustering":
        classes = list(range(clusters_in(served)))
    elif table.classes is not None:
        classes = [json_label(value, kind) for value in served.classes_]
    rows = {"total": len(frame), "train": len(train), "test": len(test), "dropped": table.dropped}
    if len(measuring):
        rows["measuring"] = len(measuring)
    if flow.changes_rows:
        rows |= {"train_after_steps": left_of_train, "served_after_steps": left}
    environment = describe_environment(threads, limits, libraries)
    warned = (*(() if tuned is None else tuned.warnings), *notices.texts())
    return FittedState(
        spec=spec, pipeline=served, pipeline_inputs=flow.inputs, classes=classes, metrics=metrics,
        candidate_scores=scores, input_schema=schema, target_type=kind, rows=rows, evaluation=evaluation,
        fingerprint=mark, environment=environment, timings=run.timings, warnings=warned,
        thresholds=measured.thresholds, intervals=measured.intervals,
    )  # fmt: skip


def warn_of_columns(flow: Flow, columns: Sequence[ColumnFacts], rows: int, table: Table, train: Array) -> None:
    """Warn of columns that are used and by which a good score means little; a clustering has no target to copy."""
    used = [name for name in flow.inputs if name not in flow.unused]
    for text in warnings_of(used, columns, rows, table.features, table.target, table.classes is not None, train):
        warnings.warn(text, Told, stacklevel=2)


def threads_of_openmp(cells: int, free: int) -> int:
    """Return how many threads OpenMP may use on a table of so many cells when so many cores are free.

    Boosted trees meet at thousands of barriers, where each thread waits for the slowest: on a core that others use as
    well, a second thread doubles the time that it halves elsewhere. Their number does not change the model.
    """
    return max(1, free) if cells >= SOME_CELLS else 1


def target_type(spec: PipelineSpec, columns: Sequence[ColumnFacts]) -> Any:
    """The type of what is predicted: the target's, and of clusters, which are numbered, an integer's."""
    if spec.task == "clustering":
        return "integer"
    return next(column.type for column in columns if column.name == spec.target)


def check(specs: Sequence[PipelineSpec], frame: pd.DataFrame, columns: Sequence[ColumnFacts]) -> Table:
    """Refuse what cannot be trained, by the facts and then by the data; drop the rows without a target."""
    for spec in specs:
        if faults := check_spec(spec, columns, len(frame)):
            raise TrainingFailed("; ".join(str(fault) for fault in faults))
    if absent := [column.name for column in columns if column.name not in frame.columns]:
        raise TrainingFailed(f"the stored table lacks columns that its record names: {', '.join(absent)}")
    spec = specs[0]
    table, has_target = frame, np.ones(len(frame), dtype=bool)
    if spec.target is not None:
        has_target = frame[spec.target].notna().to_numpy()
        table = frame if has_target.all() else frame[has_target]
    # a view, where a selection by name would be a copy
    features = table if spec.withheld is None else table.drop(columns=spec.withheld)
    names = [column.name for column in columns if column.name != spec.withheld]
    if names != features.columns.to_list():
        features = features[names]
    for name in features.columns[features.dtypes == np.float64]:
        if np.isinf(features[name].to_numpy()).any():
            raise TrainingFailed(f"column {name} holds infinite values; remove or replace them")
    if spec.target is None:
        reference = spec.evaluation.reference
        codes = None if reference is None else pd.factorize(table[reference], use_na_sentinel=True)[0]
        return Table(features, np.zeros(len(table)), None, 0, codes)
    kind = target_type(spec, columns)
    target, classes = learnable(spec, table[spec.target], kind)
    return Table(features, target, classes, int((~has_target).sum()))


def learnable(spec: PipelineSpec, values: "pd.Series[Any]", kind: Any) -> tuple[Array, Array | None]:
    """Return a target without missing cells as a model learns it, and its classes; None of numbers."""
    target = target_values(values, kind)
    if spec.task == "regression":
        return target.astype(np.float64), None
    if kind == "number" and (target != np.floor(target)).any():
        raise TrainingFailed(f"target {spec.target} holds fractions, which are no classes; use task regression")
    classes = np.unique(target) if target.dtype != object else np.array(sorted(set(target.tolist())), dtype=object)
    if len(classes) < 2:
        raise TrainingFailed(f"target {spec.target} has fewer than two classes in the rows that have one")
    return target, classes


def split(spec: PipelineSpec, table: Table, seed: int) -> tuple[Array, Array]:
    """Return the positions of training and test rows."""
    from sklearn.model_selection import train_test_split

    split = spec.split
    options: dict[str, Any] = {"test_size": split.test_size, "shuffle": split.shuffle}
    if split.shuffle:
        options["random_state"] = seed if split.seed is None else split.seed
    if table.classes is not None:
        codes = codes_of(table.target, table.classes)
        counts = np.bincount(codes)
        if split.stratifies(spec.task):
            if counts.min() < 2:
                raise TrainingFailed(
                    f"a class of target {spec.target} has one row only; set split.stratify to false, or merge it"
                )
            options["stratify"] = codes
    train, test = train_test_split(np.arange(len(table.target)), **options)
    if table.classes is not None and (table.target[train] == table.target[train[0]]).all():
        raise TrainingFailed(f"the training rows hold one class of target {spec.target} only; shuffle or stratify")
    return train, test


def completed(spec: PipelineSpec) -> PipelineSpec:
    """Write out every parameter, so that the record does not depend on defaults that may change."""
    steps = tuple(step.model_copy(update={"params": step.use().model_dump()}) for step in spec.steps or ())
    model = spec.model and spec.model.model_copy(update={"params": spec.model.use().model_dump()})
    turned = "none" if spec.task == "regression" and spec.target_transform is None else spec.target_transform
    return spec.model_copy(update={"steps": steps, "model": model, "target_transform": turned})


def fitted(spec: PipelineSpec, flow: Flow, context: BuildContext, table: Table, rows: Array | None) -> Any:
    """Fit on the rows at these positions, or on all."""
    return learnt(spec, flow, context, table, rows)[0]


def learnt(spec: PipelineSpec, flow: Flow, context: BuildContext, table: Table, rows: Array | None) -> tuple[Any, int]:
    """Fit as `fitted` does; the pipeline, and how many rows its steps left for the model."""
    pipeline = assemble(spec, flow, context)
    features, target = table.features, table.target
    if rows is not None:
        features, target = features.iloc[rows], target[rows]
    pipeline.fit(features, target)
    left = pipeline["rows"].rows_ if flow.changes_rows else len(target)
    pipeline = without_samplers(pipeline) if flow.changes_rows else pipeline
    for transformer in pipeline[:-1]:
        settled(transformer)
    model = getattr(pipeline[-1], "regressor_", pipeline[-1])
    if "n_jobs" in model.get_params(deep=False):
        # Predictions of a forest on several threads are summed in the order in which the threads finish.
        model.set_params(n_jobs=1)
    if hasattr(model, "_n_threads"):
        vars(model)["_n_threads"] = 1  # k-means keeps how many it was fitted with
    return pipeline, left
