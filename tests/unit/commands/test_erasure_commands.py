"""What may be asked of an erased dataset, and what becomes of work that its end overtakes."""

from typing import Any

import pytest
from builders import (
    LIMITS,
    PROBLEM,
    RESULT,
    SCORES,
    SPEC,
    dataset_created,
    job_created,
    registered,
    scoring_created,
    target,
    version_added,
)
from scenario import History, given

from skyulf.adapters.stored import data_of
from skyulf.commands.base import Command
from skyulf.commands.dataset import AddDatasetVersion, CreateDataset, EraseDataset, FinishErasure, ProfileDataset
from skyulf.commands.job import CompleteJob, CreateJob, ExplainModel, FailJob, PackageModel
from skyulf.commands.made import erased_problem
from skyulf.commands.scoring import CompleteScoring, CreateScoring
from skyulf.errors import Erased, NotAllowed, NotFound
from skyulf.events.base import DomainEvent
from skyulf.events.dataset import DatasetErased, DatasetErasureFinished, DatasetErasureListed, Source
from skyulf.events.deployment import Target
from skyulf.events.job import JobCancelled, JobCancelRequested, JobFailed, JobStarted, ModelPackaged, ModelTrained

ID = "dataset-1"
REACHED: dict[str, Any] = {"artifacts": ("sha256:a", "sha256:b"), "models": (target(1),), "deployments": ("shop",)}
DONE: dict[str, Any] = {"artifacts": ("sha256:a",), "shared": ("sha256:b",)}
DATASET: list[DomainEvent] = [dataset_created(), version_added(1)]
GONE = [*DATASET, DatasetErased(**REACHED)]
FILE: dict[str, Any] = {
    "digest": "sha256:d", "artifact": "sha256:t", "rows": 1, "source": Source(filename="a.csv", size=1), "columns": (),
}  # fmt: skip


def running(created: DomainEvent, *more: DomainEvent, dataset: list[DomainEvent] = GONE) -> History:
    return {ID: dataset, "job-1": [created, JobStarted(worker="w", attempt=1), *more], "model-irises": [registered(1)]}


def test_a_dataset_is_erased_once_and_finished_once() -> None:
    given({ID: DATASET}).when(EraseDataset(id=ID, **REACHED)).then(DatasetErased(**REACHED))
    given({ID: GONE}).when(EraseDataset(id=ID, artifacts=(), models=(), deployments=())).then()
    given({ID: GONE}).when(FinishErasure(id=ID, **DONE)).then(DatasetErasureFinished(**DONE))
    finished = [*GONE, DatasetErasureFinished(**DONE)]
    given({ID: finished}).when(FinishErasure(id=ID, artifacts=(), shared=())).then()
    given({ID: finished}).when(EraseDataset(id=ID, **REACHED)).then()


def test_however_much_is_erased_no_event_outgrows_what_passes_it_on() -> None:
    """A message of Kafka holds 1 MB by default; names are as long here as they may be."""
    artifacts = tuple(f"sha256:{number:064d}" for number in range(30_000))
    models = tuple(Target(model="m" * 100, model_version=n, artifact=artifacts[n]) for n in range(5_000))
    deployments = tuple(f"{number:0100d}" for number in range(5_000))
    told = []
    for dataset, command in (
        (DATASET, EraseDataset(id=ID, artifacts=artifacts, models=models, deployments=deployments)),
        (GONE, FinishErasure(id=ID, artifacts=artifacts, shared=deployments)),
    ):
        events: list[Any] = [event for _, event in given({ID: dataset}).when(command).decided()]
        assert max(len(data_of(event)) for event in events) < 500_000
        assert [type(event) for event in events[1:]] == [DatasetErasureListed] * (len(events) - 1)
        told.append({m: sum((getattr(e, m, ()) for e in events), ()) for m in ("artifacts", "shared", "models")})
    assert told == [
        {"artifacts": artifacts, "shared": (), "models": models},
        {"artifacts": artifacts, "shared": deployments, "models": ()},
    ]


def test_what_is_not_there_or_was_not_erased_is_refused() -> None:
    for stream in ("dataset-9", "job-1", ""):
        given({ID: DATASET}).when(EraseDataset(id=stream, **REACHED)).refused(NotFound, "there is no dataset")
    given({ID: DATASET}).when(FinishErasure(id=ID, **DONE)).refused(NotAllowed, "nobody asked")


@pytest.mark.parametrize(
    "command",
    [
        AddDatasetVersion(id=ID, **FILE),
        ProfileDataset(id=ID, dataset_version=1, profile="sha256:p", sampled=1),
        CreateJob(id="job-2", dataset_id=ID, spec=SPEC, limits=LIMITS),
        CreateScoring(id="job-2", dataset_id=ID, model="irises", model_version=1, limits=LIMITS),
        PackageModel(id="job-1", dataset_id=ID, attempt=1, onnx="sha256:o"),
        ExplainModel(id="job-1", dataset_id=ID, attempt=1, explanation="sha256:e"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_nothing_is_made_of_an_erased_dataset(command: Command) -> None:
    trained = ModelTrained(**RESULT, attempt=1, fingerprint="f", model_name=None, model_version=None)
    given(running(job_created(), trained)).when(command).refused(Erased, f"{ID} was erased")


def test_that_a_model_has_no_copy_may_be_said() -> None:
    trained = ModelTrained(**RESULT, attempt=1, fingerprint="f", model_name=None, model_version=None)
    told = PackageModel(id="job-1", dataset_id=ID, attempt=1, onnx=None, reason="its dataset was erased")
    said = ModelPackaged(attempt=1, onnx=None, reason="its dataset was erased")
    given(running(job_created(), trained)).when(told).then(said)


@pytest.mark.parametrize(
    ("created", "command"),
    [
        (
            job_created(),
            CompleteJob(id="job-1", dataset_id=ID, attempt=1, fingerprint_of_model="f", model_name=None, **RESULT),
        ),
        (job_created(), FailJob(id="job-1", dataset_id=ID, attempt=1, problem=PROBLEM, traceback="sha256:values")),
        (scoring_created(), CompleteScoring(id="job-1", dataset_id=ID, attempt=1, **SCORES)),
    ],
    ids=["trained", "failed", "scored"],
)
def test_an_attempt_that_the_erasure_overtook_has_failed_and_names_no_artifact(
    created: DomainEvent, command: Command
) -> None:
    failed = JobFailed(attempt=1, problem=erased_problem(ID))
    given(running(created)).when(command).then(failed)
    given(running(created, JobCancelRequested())).when(command).then(JobCancelled())
    assert failed not in [event for _, event in given(running(created, dataset=DATASET)).when(command).decided()]


def test_the_id_made_for_an_upload_is_no_part_of_what_was_sent() -> None:
    prints = {CreateDataset(id=id_, name="a", **FILE).fingerprint("why") for id_ in ("", "dataset-1", "dataset-2")}
    assert len(prints) == 1
    assert prints != {CreateDataset(name="b", **FILE).fingerprint("why")}
