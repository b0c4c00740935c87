"""The life of a model as a sealed log: trained, promoted, deployed, watched and replaced, by people who say why."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builders import (
    ANN,
    NOW,
    dataset_created,
    dataset_scored,
    job_created,
    metadata,
    model_reproduced,
    model_trained,
    named,
    predictions_logged,
    record,
    registered,
    reproduction_created,
    scoring_created,
    sequential_ids,
    target,
    version_added,
)
from sealed import sealer_of

from skyulf.adapters.memory_artifacts import MemoryArtifacts
from skyulf.adapters.memory_ledger import MemoryLedgerStore
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.events.access import CommandsDenied, Denial, KeyIssued, RoleGranted
from skyulf.events.base import Actor, DomainEvent, Recorded
from skyulf.events.deployment import (
    ColumnDrift,
    DeploymentCreated,
    DeploymentRolledBack,
    DeploymentRolledOut,
    DriftAcknowledged,
    DriftFound,
    PredictionLogSet,
    PredictionsForgotten,
)
from skyulf.events.job import JobProgressed, JobStarted, ModelExplained
from skyulf.events.model import ModelAliasSet
from skyulf.queries.audit import AuditService
from skyulf.queries.history import HistoryService
from skyulf.queries.report.facts import FactsOfModels
from skyulf.queries.report.service import ReportService

OTTO = Actor("otto", "human")
WORKER = Actor("worker-1", "worker")

EVALUATION: dict[str, Any] = {
    "labels": ["a", "b"],
    "confusion_matrix": [[9, 1], [1, 9]],
    "curves": [],
    "slices": [{"column": "x", "parts": []}],
}
EXPLANATION: dict[str, Any] = {
    "importance": [{"column": "x", "mean": 0.3, "std": 0.01}],
    "metric": "accuracy",
    "score": 0.9,
    "rows": 20,
    "repeats": 5,
}


@dataclass
class Life:
    """A log that is written event by event, with its ledger and its artifacts."""

    folder: Path
    log: MemoryEventLog = field(default_factory=lambda: MemoryEventLog(sequential_ids()))
    ledger: MemoryLedgerStore = field(default_factory=MemoryLedgerStore)
    artifacts: MemoryArtifacts = field(default_factory=MemoryArtifacts)
    versions: dict[str, int] = field(default_factory=dict)
    position: int = 0

    def happened(
        self, stream: str, event: DomainEvent, actor: Actor = ANN, reason: str | None = None, **changes: Any
    ) -> Recorded:
        """Put the next event into the log."""
        self.position += 1
        self.versions[stream] = self.versions.get(stream, 0) + 1
        told = metadata(f"command-{self.position}", actor=actor, reason=reason)
        recorded = record(event, self.position, stream, self.versions[stream], metadata=told, **changes)
        self.log._keep(recorded)
        return recorded

    def kept(self, document: Mapping[str, Any]) -> str:
        """The digest of an artifact that holds the document."""
        file = self.folder / "document.json"
        file.write_text(json.dumps(document))
        return self.artifacts.put(file)

    def seal(self) -> None:
        """Sign a checkpoint over all there is."""
        sealer_of(self.log, self.ledger).seal(sign=True)

    def report(self, number: int = 1, name: str = "irises", as_of: int | None = None) -> dict[str, Any]:
        """The report, as it is answered."""
        facts = FactsOfModels(self.log, self.artifacts, HistoryService(self.log))
        return ReportService(facts, AuditService(self.log, self.ledger), "0.0").report(name, number, NOW, as_of)

    def trained(self, number: int = 1, **changes: Any) -> None:
        """A version of the model, from its job's creation to its registration."""
        job = f"job-{number}"
        self.happened(job, job_created(model_name="irises", **changes))
        self.happened(job, JobStarted(worker="worker-1", attempt=1), WORKER)
        self.happened(job, JobProgressed(attempt=1, stage="fit", fraction=0.5), WORKER)
        self.happened(
            job,
            model_trained(evaluation=self.kept(EVALUATION), model_name="irises", model_version=number),
            WORKER,
        )
        self.happened("model-irises", registered(number), WORKER)


def lived(folder: Path) -> Life:
    """A log of two versions of one model, of which the first was served, watched, and came back."""
    life = Life(folder)
    life.happened("access-1", KeyIssued(name="Otto's", actor="otto", kind="human", hash="ab" * 32))
    life.happened("access-1", RoleGranted(role="operator"))
    life.happened("dataset-1", dataset_created())
    life.happened("dataset-1", version_added())
    life.happened("pipeline-1", named("flowers"))
    life.trained(1, pipeline_id="pipeline-1")
    explanation = life.kept(EXPLANATION)
    life.happened("job-1", ModelExplained(attempt=1, explanation=explanation, metric="accuracy", rows=20), WORKER)
    life.happened("model-irises", ModelAliasSet(alias="champion", before=None, after=1), OTTO, "good enough")
    life.happened("deployment-shop", DeploymentCreated(), OTTO, "for the shop")
    life.happened("deployment-shop", DeploymentRolledOut(before=None, after=target(1)), OTTO, "for the shop")
    setting = PredictionLogSet(share=0.5, keep_rows=100, alert="major")
    life.happened("deployment-shop", setting, OTTO, "to see what is asked")
    life.happened("deployment-shop", predictions_logged(1), WORKER)
    life.happened("deployment-shop", predictions_logged(2, lost=3), WORKER)
    life.happened("deployment-shop", PredictionsForgotten(artifact="sha256:logged-1"), WORKER)
    drift = DriftFound(
        target=target(1), rows=200, level="major", columns=(ColumnDrift(name="x", level="major", psi=1),)
    )
    life.happened("deployment-shop", drift, WORKER)
    life.happened("deployment-shop", DriftAcknowledged(), OTTO, "a new season")
    life.happened("dataset-1", version_added(2))
    life.trained(2)
    life.happened("model-irises", ModelAliasSet(alias="champion", before=1, after=2), OTTO, "better")
    life.happened("deployment-shop", DeploymentRolledOut(before=target(1), after=target(2)), OTTO)
    life.happened("deployment-shop", DeploymentRolledBack(before=target(2), after=target(1)), OTTO, "it was slower")
    life.happened("job-3", scoring_created(target=target(1)))
    life.happened("job-3", dataset_scored(), WORKER)
    life.happened("job-4", reproduction_created(job_id="job-1", seed=8))
    life.happened("job-4", model_reproduced(verdict="equivalent", causes=("seed",)), WORKER)
    life.happened("job-5", reproduction_created(job_id="job-2"))
    denial = Denial(actor="ann", operation="PUT /v1/models/{name}/aliases/{alias}", status=403, count=2)
    life.happened("access-denials", CommandsDenied(since=NOW, until=NOW, denials=(denial,)))
    return life
