"""Jobs, as they are shown, and what is known of how good their models are."""

from typing import Any

import msgspec

from skyulf.artifacts import ArtifactStore
from skyulf.errors import NotFound
from skyulf.events.job import JobStatus
from skyulf.projections.job import JOBS, JobRow
from skyulf.projections.store import ReadStore
from skyulf.queries.base import PageRequest, Repository
from skyulf.queries.dataset import DatasetRepository
from skyulf.queries.past import Past


class JobRepository(Repository[JobRow]):
    """Jobs, by id."""

    noun = "job"

    def __init__(self, store: ReadStore) -> None:
        super().__init__(store, JOBS)

    def find_by_status(self, status: JobStatus, limit: int) -> tuple[JobRow, ...]:
        """Jobs of that status, the oldest first."""
        return self.page(PageRequest(limit=limit, order="created_at"), {"status": status}).items


class EvaluationService:
    """The evaluation that a job left behind, from its artifact."""

    def __init__(self, jobs: JobRepository, datasets: DatasetRepository, artifacts: ArtifactStore) -> None:
        self._jobs = jobs
        self._datasets = datasets
        self._artifacts = artifacts

    def at(self, past: Past) -> "EvaluationService":
        """The same of jobs as they were."""
        return EvaluationService(self._jobs.at(past), self._datasets, self._artifacts)

    def get(self, job_id: str) -> dict[str, Any]:
        """Metrics and what is shown beside them, but for slices; raises `NotFound` while there is no model."""
        job, evaluation = self._read(job_id)
        evaluation.pop("slices", None)
        told = {"job_id": job_id, "metrics": job.metrics, "candidate_scores": job.candidate_scores, **evaluation}
        return {**told, **self._explanation(job)}

    def slices(self, job_id: str) -> list[dict[str, Any]]:
        """The metrics of parts of the rows held out, which name values of the data; none where none were asked for."""
        _, evaluation = self._read(job_id)
        return list(evaluation.get("slices", ()))

    def _read(self, job_id: str) -> tuple[JobRow, dict[str, Any]]:
        job = self._jobs.get(job_id)
        if job.evaluation is None:
            raise NotFound(f"{job_id} is {job.status} and has no evaluation; a succeeded job has one")
        self._datasets.need_data(job.dataset_id)
        evaluation: dict[str, Any] = msgspec.json.decode(self._artifacts.read(job.evaluation))
        return job, evaluation

    def _explanation(self, job: JobRow) -> dict[str, Any]:
        """How much each column matters, once that is known; None until then, or when it could not be found out."""
        if job.explanation is None:
            return {"importance": None}
        explanation: dict[str, Any] = msgspec.json.decode(self._artifacts.read(job.explanation))
        return {
            "importance": explanation["importance"],
            "importance_of": {name: explanation[name] for name in ("metric", "score", "rows", "repeats")},
        }
