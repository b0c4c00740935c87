"""What each kind of job has its sandbox do, and what is reported of its result."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from skyulf.artifacts import DataStore
from skyulf.commands.base import Command
from skyulf.commands.job import CompleteJob
from skyulf.commands.scoring import CompleteScoring
from skyulf.errors import Erased, NotFound
from skyulf.events.dataset import DatasetState, DatasetVersionAdded
from skyulf.events.job import CandidateScore, JobCreated, JobState, ScoringCreated
from skyulf.events.log import EventLog
from skyulf.events.registry import replay
from skyulf.reactions.attempt import Attempt, Kind, events_of
from skyulf.reactions.scorer import OUTPUT, ScoringResult, ScoringTask, score
from skyulf.reactions.trainer import EVALUATION, MODEL, Task, Trained, train


def kinds_of(log: EventLog, artifacts: DataStore, threads: int) -> Callable[[JobState], Kind]:
    """What tells of a job which kind it is; trainings have ``threads`` threads."""
    kinds: Mapping[type[JobCreated | ScoringCreated], Kind] = {
        JobCreated: Training(log, artifacts, threads),
        ScoringCreated: Scoring(log, artifacts),
    }
    return lambda job: kinds[type(job.created)]


class Training:
    """Fits a model on a version of a dataset."""

    name = "training"
    function = staticmethod(train)

    def __init__(self, log: EventLog, artifacts: DataStore, threads: int) -> None:
        self._log = log
        self._artifacts = artifacts
        self._threads = threads

    def task(self, attempt: Attempt, folder: Path) -> Task:
        """See `Kind.task`."""
        created = attempt.job.training
        version = version_of(self._log, created)
        return Task(
            table=str(self._artifacts.path(created.dataset_artifact)),
            folder=str(folder),
            candidates=created.candidates,
            columns=tuple(column.model_dump() for column in version.columns),
            seed=created.seed,
            threads=self._threads,
            rows=version.rows,
            sampled=created.sample.rows if created.sample else None,
            trials=tuple(trial.model_dump() for trial in attempt.job.trials),
        )

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

    def __init__(self, log: EventLog, artifacts: DataStore) -> None:
        self._log = log
        self._artifacts = artifacts

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


def version_of(log: EventLog, created: JobCreated | ScoringCreated) -> DatasetVersionAdded:
    """The version of a dataset that a job was made for; raises `Erased`."""
    dataset: DatasetState | None = replay(created.dataset_id, None, events_of(log, created.dataset_id))
    if dataset is None:
        raise NotFound(f"there is no dataset {created.dataset_id}")
    if dataset.erased:
        raise Erased(f"{created.dataset_id} was erased")
    return dataset.versions[created.dataset_version - 1]


def candidate_score(score: Mapping[str, Any], candidates: tuple[dict[str, Any], ...]) -> CandidateScore:
    """A candidate's score as it is recorded."""
    return CandidateScore(
        candidate=score["candidate"],
        model=candidates[score["candidate"]]["model"]["node"],
        metric=score["metric"],
        scores=tuple(score["scores"]),
        mean=score["mean"],
        chosen=score["chosen"],
    )
