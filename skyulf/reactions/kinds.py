"""What each kind of job has its sandbox do, and what is reported of its result."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from skyulf.artifacts import ArtifactStore, DataStore, hexadecimal
from skyulf.commands.base import Command
from skyulf.commands.job import CompleteJob
from skyulf.commands.reproduction import CompleteReproduction
from skyulf.commands.scoring import CompleteScoring
from skyulf.core.cluster import Cluster
from skyulf.errors import AnotherContent, Damaged, Erased, NotFound
from skyulf.events.dataset import DatasetState, DatasetVersionAdded
from skyulf.events.job import Asked, CandidateScore, JobCreated, JobState, ModelTrained
from skyulf.events.log import EventLog
from skyulf.events.registry import decode, replay
from skyulf.events.reproduction import Comparison, Fact, ReproductionCreated
from skyulf.events.scoring import ScoringCreated
from skyulf.reactions.attempt import Attempt, Kind, events_of
from skyulf.reactions.reproducer import Reproduced, ReproductionTask, reproduce
from skyulf.reactions.scorer import OUTPUT, ScoringResult, ScoringTask, score
from skyulf.reactions.trainer import EVALUATION, MODEL, Task, Trained, train


def kinds_of(
    log: EventLog, artifacts: DataStore, threads: int, cluster: Cluster | None = None
) -> Callable[[JobState], Kind]:
    """What tells of a job which kind it is; trainings have ``threads`` threads, and tunings the cluster, if any."""
    kinds: Mapping[type[Asked], Kind] = {
        JobCreated: Training(log, artifacts, threads, cluster),
        ScoringCreated: Scoring(log, artifacts, threads),
        ReproductionCreated: Reproduction(log, artifacts, threads, cluster),
    }
    return lambda job: kinds[type(job.created)]


class Training:
    """Fits a model on a version of a dataset."""

    name = "training"
    function = staticmethod(train)

    def __init__(self, log: EventLog, artifacts: DataStore, threads: int, cluster: Cluster | None) -> None:
        self._log = log
        self._artifacts = artifacts
        self._threads = threads
        self._cluster = cluster

    def task(self, attempt: Attempt, folder: Path) -> Task:
        """See `Kind.task`."""
        created = attempt.job.training
        table = self._artifacts.path(created.dataset_artifact)
        version = version_of(self._log, created)
        return training_task(created, version, table, folder, self._threads, attempt.job, self._cluster)

    def threads(self, task: Task) -> int:
        """See `Kind.threads`."""
        return task.threads

    def completed(self, attempt: Attempt, result: Trained, folder: Path) -> Command:
        """See `Kind.completed`."""
        created = attempt.job.training
        model = self._artifacts.put_for(created.dataset_id, folder / MODEL)
        evaluation = self._artifacts.put_for(created.dataset_id, folder / EVALUATION)
        return CompleteJob(
            id=attempt.job_id,
            dataset_id=created.dataset_id,
            attempt=attempt.number,
            model=model,
            evaluation=evaluation,
            metrics=result.metrics,
            spec=result.spec,
            candidate_scores=tuple(candidate_score(score, created.candidates) for score in result.candidate_scores),
            fingerprint_of_model=result.fingerprint,
            environment=result.environment,
            rows=result.rows,
            timings=result.timings,
            warnings=result.warnings,
            model_name=created.model_name,
        )


class Scoring:
    """Predicts every row of a version of a dataset with a model."""

    name = "scoring"
    function = staticmethod(score)

    def __init__(self, log: EventLog, artifacts: DataStore, threads: int) -> None:
        self._log = log
        self._artifacts = artifacts
        self._threads = threads

    def threads(self, task: ScoringTask) -> int:  # noqa: ARG002 - all have the same
        """See `Kind.threads`."""
        return self._threads

    def task(self, attempt: Attempt, folder: Path) -> ScoringTask:
        """See `Kind.task`."""
        created = attempt.job.created
        assert isinstance(created, ScoringCreated)
        version = version_of(self._log, created)
        return ScoringTask(
            model=str(self._artifacts.path(created.target.artifact)),
            table=str(self._artifacts.path(created.dataset_artifact)),
            folder=str(folder),
            columns=tuple(column.model_dump() for column in version.columns),
            format=created.format,
            keep=created.keep,
        )

    def completed(self, attempt: Attempt, result: ScoringResult, folder: Path) -> Command:
        """See `Kind.completed`."""
        return CompleteScoring(
            id=attempt.job_id,
            dataset_id=attempt.job.created.dataset_id,
            attempt=attempt.number,
            output=self._artifacts.put_for(attempt.job.created.dataset_id, folder / OUTPUT),
            size=result.size,
            rows=result.rows,
            missing=result.missing,
            timings=result.timings,
        )


class Reproduction:
    """Trains a model again, with as many threads as it was trained with, and compares."""

    name = "reproduction"
    function = staticmethod(reproduce)

    def __init__(self, log: EventLog, artifacts: ArtifactStore, threads: int, cluster: Cluster | None) -> None:
        self._log = log
        self._artifacts = artifacts
        self._threads = threads
        self._cluster = cluster

    def threads(self, task: ReproductionTask) -> int:
        """See `Kind.threads`."""
        return task.training.threads

    def task(self, attempt: Attempt, folder: Path) -> ReproductionTask:
        """See `Kind.task`; raises `NotFound` where the table is gone."""
        asked = attempt.job.created
        assert isinstance(asked, ReproductionCreated)
        job, trained = _trained(self._log, asked.job_id)
        created = job.training
        version = version_of(self._log, created)
        table, found = self._table(created)
        model, no_model = self._model(trained.model)
        training = training_task(
            created,
            version,
            table,
            folder,
            threads=int(trained.environment.get("threads", self._threads)),
            job=attempt.job,
            cluster=self._cluster,
        )
        limited = trained.spec.get("tuning") is not None and trained.spec["tuning"].get("seconds") is not None
        known = tuple(dict.fromkeys(trial.key for trial in job.trials)) if limited else ()
        again = replace(
            training,
            seed=created.seed if asked.seed is None else asked.seed,
            openmp=trained.environment.get("openmp_threads"),
            only_trials=known or None,
        )
        return ReproductionTask(
            training=again,
            seed=created.seed,
            fingerprint=trained.fingerprint,
            environment=trained.environment,
            recorded=hexadecimal(created.dataset_artifact),
            found=hexadecimal(found),
            model=model,
            seconds=asked.limits.seconds,
            no_model=no_model,
        )

    def _table(self, created: JobCreated) -> tuple[Path, str]:
        """The table, and the digest that it has now."""
        digest = created.dataset_artifact
        try:
            return self._artifacts.path(digest), digest
        except AnotherContent as error:
            return Path(), error.found
        except NotFound as error:
            of = f"version {created.dataset_version} of {created.dataset_id}"
            raise NotFound(f"the table of {of} is missing from the artifact store: {error.detail}") from error

    def _model(self, digest: str) -> tuple[str | None, str | None]:
        """The recorded model's file, or why there is none to compare with."""
        try:
            return str(self._artifacts.path(digest)), None
        except NotFound as error:
            return None, f"the recorded model's file is missing from the artifact store: {error.detail}"
        except Damaged as error:
            return None, f"the recorded model's file is not what it was: {error.detail}"

    def completed(self, attempt: Attempt, result: Reproduced, folder: Path) -> Command:  # noqa: ARG002 - no file is kept
        """See `Kind.completed`."""
        return CompleteReproduction(
            id=attempt.job_id,
            dataset_id=attempt.job.created.dataset_id,
            attempt=attempt.number,
            verdict=result.verdict,
            causes=result.causes,
            facts=tuple(Fact(**fact) for fact in result.facts),
            fingerprint_of_model=result.fingerprint,
            comparison=None if result.comparison is None else Comparison(**result.comparison),
            not_compared=result.not_compared,
            metrics=result.metrics,
            timings=result.timings,
        )


def _trained(log: EventLog, job_id: str) -> tuple[JobState, ModelTrained]:
    """A training as it is recorded, and what came of it."""
    events = events_of(log, job_id)
    job: JobState = replay(job_id, None, events)
    trained = next(decode(event) for event in reversed(events) if event.type == ModelTrained.__name__)
    assert isinstance(trained, ModelTrained)
    return job, trained


def training_task(
    created: JobCreated,
    version: DatasetVersionAdded,
    table: Path,
    folder: Path,
    threads: int,
    job: JobState,
    cluster: Cluster | None,
) -> Task:
    """The task of a training; ``job``, the one that does it, may have recorded trials of its tuning."""
    return Task(
        table=str(table),
        folder=str(folder),
        candidates=created.candidates,
        columns=tuple(column.model_dump() for column in version.columns),
        seed=created.seed,
        threads=threads,
        rows=version.rows,
        sampled=created.sample.rows if created.sample else None,
        trials=tuple(trial.model_dump() for trial in job.trials),
        cluster=cluster,
    )


def version_of(log: EventLog, created: Asked) -> DatasetVersionAdded:
    """The version of a dataset that a job was made for; raises `Erased`."""
    dataset: DatasetState | None = replay(created.dataset_id, None, events_of(log, created.dataset_id))
    if dataset is None:
        raise NotFound(f"there is no dataset {created.dataset_id}")
    if dataset.erased:
        raise Erased(f"{created.dataset_id} was erased")
    return dataset.versions[created.dataset_version - 1]


def candidate_score(score: Mapping[str, Any], candidates: tuple[dict[str, Any], ...]) -> CandidateScore:
    """A candidate's score as it is recorded; of a clustering, candidates differ by how many clusters there are."""
    model = candidates[score["candidate"]]["model"]
    clusters = model.get("params", {}).get("n_clusters")
    return CandidateScore(
        candidate=score["candidate"],
        model=model["node"] if clusters is None else f"{model['node']} of {clusters}",
        metric=score["metric"],
        scores=tuple(score["scores"]),
        mean=score["mean"],
        chosen=score["chosen"],
    )
