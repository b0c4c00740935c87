"""Store an example, and the shape, of every event that has none yet; what is stored already is never touched.

Run it as ``python tests/golden/store.py`` after adding an event or raising a SCHEMA number.
"""

import hashlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from builders import (
    COLUMNS,
    NOW,
    PROBLEM,
    SPEC,
    dataset_scored,
    full_metadata,
    job_created,
    model_reproduced,
    model_trained,
    predictions_logged,
    record,
    registered,
    reproduction_created,
    scoring_created,
    target,
)

from skyulf.events import cloudevents
from skyulf.events.access import CommandsDenied, Denial, KeyIssued, KeyRevoked, RoleGranted, RoleRevoked
from skyulf.events.base import DomainEvent
from skyulf.events.dataset import (
    DatasetCreated,
    DatasetErased,
    DatasetErasureFinished,
    DatasetErasureListed,
    DatasetProfiled,
    DatasetVersionAdded,
    Source,
    Suspicion,
)
from skyulf.events.deployment import (
    ColumnDrift,
    DeploymentCreated,
    DeploymentRetired,
    DeploymentRolledBack,
    DeploymentRolledOut,
    DriftAcknowledged,
    DriftFound,
    PredictionLogSet,
    PredictionsForgotten,
)
from skyulf.events.job import (
    JobCancelled,
    JobCancelRequested,
    JobFailed,
    JobProgressed,
    JobReclaimed,
    JobRetried,
    JobStarted,
    ModelExplained,
    ModelPackaged,
    Sample,
    Trial,
    TrialsFinished,
)
from skyulf.events.model import ModelAliasRemoved, ModelAliasSet, ModelVersionRetired
from skyulf.events.pipeline import PipelineArchived, PipelineCreated, PipelineRevised
from skyulf.events.projection import ParkedEventPurged
from skyulf.events.registry import EVENTS
from skyulf.events.schemas import without_prose
from skyulf.events.webhook import (
    DeliveryRetried,
    DeliverySkipped,
    Filter,
    WebhookChanged,
    WebhookCreated,
    WebhookPaused,
    WebhookRemoved,
    WebhookReplayed,
    WebhookResumed,
    WebhookSecretReplaced,
)

EXAMPLES: dict[str, list[DomainEvent]] = {
    "webhook-1": [
        WebhookCreated(
            url="https://example.org/hook",
            filter=Filter(types=("JobFailed",), nouns=("job",), streams=("job-1",)),
            secret_hash="ab" * 32,
            after=7,
        ),
        WebhookChanged(url="https://example.org/other", filter=Filter(nouns=("model",))),
        WebhookSecretReplaced(secret_hash="cd" * 32),
        WebhookPaused(),
        WebhookResumed(),
        WebhookReplayed(after=3),
        DeliveryRetried(stream="job-1"),
        DeliverySkipped(stream="job-1", position=9),
        WebhookRemoved(),
    ],
    "dataset-1": [
        DatasetCreated(name="irises"),
        DatasetVersionAdded(
            dataset_version=1,
            digest="sha256:aa",
            artifact="sha256:bb",
            rows=100,
            source=Source(
                filename="irises.csv",
                size=4_000,
                encoding="windows-1252",
                delimiter=";",
                decimal=",",
                header=False,
                types={"y": "string"},
                unfit="missing",
                uri="s3://data/flowers/irises.csv",
            ),
            columns=COLUMNS,
        ),
        DatasetProfiled(
            dataset_version=1,
            profile="sha256:cc",
            sampled=100,
            warnings=(Suspicion(rule="duplicate", columns=("x", "z")),),
        ),
        DatasetErased(artifacts=("sha256:bb", "sha256:cc"), models=(target(1),), deployments=("shop",)),
        DatasetErasureFinished(artifacts=("sha256:bb",), shared=("sha256:cc",)),
        DatasetErasureListed(
            artifacts=("sha256:dd",), shared=("sha256:ee",), models=(target(2),), deployments=("market",)
        ),
    ],
    "pipeline-1": [
        PipelineCreated(name="flowers", spec=SPEC),
        PipelineRevised(name="roses", spec=SPEC),
        PipelineArchived(),
    ],
    "job-1": [
        job_created(
            model_name="irises",
            pipeline_id="pipeline-1",
            set_aside=(("id", "an identifier"),),
            sample=Sample(rows=50, of=100, needed_bytes=2**31),
        ),
        JobStarted(worker="worker-1", attempt=1),
        JobProgressed(attempt=1, stage="fit", fraction=0.5, metrics={"accuracy": 0.5, "roc_auc": None}),
        model_trained(
            model_name="irises",
            model_version=1,
            environment={"skyulf": "0.1.0", "code": "ff", "python": "3.11", "threads": 2},
        ),
        JobFailed(attempt=1, problem=PROBLEM, traceback="sha256:cc"),
        JobCancelRequested(),
        JobCancelled(),
        JobReclaimed(attempt=1, cause="worker_lost", begun=True),
        JobRetried(),
        ModelPackaged(attempt=1, onnx="sha256:dd", reason=None, probe_rows=100, largest_difference=1e-12),
        ModelExplained(attempt=1, explanation="sha256:ee", metric="roc_auc", rows=20, repeats=5),
        TrialsFinished(
            attempt=1,
            planned=20,
            metric="roc_auc",
            higher_is_better=True,
            trials=(
                Trial(
                    number=3,
                    parameters={"model.C": 0.5, "steps.0.strategy": "mean"},
                    state="pruned",
                    scores=(0.75, 0.5),
                    mean=0.625,
                    seconds=0.25,
                    share=0.5,
                    reason="after 2 of 5 folds it did worse than the median of the trials before it",
                    outer_fold=1,
                ),
            ),
        ),
    ],
    "job-2": [
        scoring_created(deployment="shop", format="csv", keep=("x",)),
        dataset_scored(),
    ],
    "job-3": [
        reproduction_created(seed=8),
        model_reproduced(not_compared="the recorded model's file is missing"),
    ],
    "model-irises": [
        registered(1),
        ModelAliasSet(alias="champion", before=None, after=1),
        ModelAliasRemoved(alias="champion", before=1),
        ModelVersionRetired(model_version=1),
    ],
    "deployment-shop": [
        DeploymentCreated(),
        DeploymentRolledOut(before=target(1), after=target(2), alias="champion"),
        DeploymentRolledBack(before=target(2), after=target(1)),
        DeploymentRetired(),
        PredictionLogSet(share=0.25, keep_rows=1_000, alert="major"),
        predictions_logged(lost=1),
        PredictionsForgotten(artifact="sha256:logged-0"),
        DriftFound(target=target(1), rows=500, level="major", columns=(ColumnDrift(name="x", level="major", psi=0.5),)),
        DriftAcknowledged(),
    ],
    "projection-jobs": [ParkedEventPurged(projection="jobs", key="job-1", position=41)],
    "access-1": [
        KeyIssued(name="the shop", actor="shop", kind="service", hash="ab" * 32, expires_at=NOW),
        RoleGranted(role="viewer"),
        RoleRevoked(role="viewer"),
        KeyRevoked(),
        CommandsDenied(
            since=NOW, until=NOW, denials=(Denial(actor=None, operation="GET /v1/jobs", status=401, count=3),)
        ),
    ],
}
"""One event of every class, with nothing left out; an example of a new class is added here."""

HERE = Path(__file__).parent
SHAPES = HERE / "shapes.json"


def shape(cls: type[DomainEvent]) -> str:
    """SHA-256 over the event's JSON schema, prose left out."""
    text = json.dumps(without_prose(cls.model_json_schema()), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    """Write what is missing."""
    shapes = json.loads(SHAPES.read_text()) if SHAPES.exists() else {}
    for stream, events in EXAMPLES.items():
        for version, event in enumerate(events, start=1):
            path = HERE / f"{event.stored_name()}.json"
            if not path.exists():
                recorded = record(event, 40 + version, stream, version, metadata=full_metadata(), ordinal=0)
                path.write_bytes(cloudevents.to_json(recorded) + b"\n")
    for cls in EVENTS.values():
        shapes.setdefault(cls.stored_name(), shape(cls))
    SHAPES.write_text(json.dumps(dict(sorted(shapes.items())), indent=2) + "\n")


if __name__ == "__main__":
    main()
