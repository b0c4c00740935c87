"""Whose data an artifact holds, by the log alone."""

import json
from pathlib import Path

from builders import (
    PROBLEM,
    dataset_created,
    dataset_scored,
    job_created,
    model_trained,
    predictions_logged,
    registered,
    scoring_created,
    sequential_ids,
    target,
    version_added,
    written,
)

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.events.dataset import DatasetErased, DatasetProfiled
from skyulf.events.deployment import DeploymentCreated, DeploymentRolledOut, PredictionsForgotten
from skyulf.events.holdings import PRODUCED, READ, holdings, trained_on
from skyulf.events.job import JobFailed, JobStarted, ModelExplained, ModelPackaged
from skyulf.events.registry import EVENTS

GOLDEN = Path(__file__).parents[2] / "golden"

NAMES_ONLY = {
    "JobCreated": {"dataset_digest", "dataset_artifact"},
    "ScoringCreated": {"dataset_digest", "dataset_artifact"},
    "ReproductionCreated": {"dataset_digest", "dataset_artifact", "model"},
    "DatasetVersionAdded": {"digest"},
    "ModelVersionRegistered": {"model"},
    "PredictionsForgotten": {"artifact"},
}
"""Members that hold a digest of a file that was sent, or of an artifact that another event told of."""


def test_every_digest_in_an_event_is_of_a_known_kind() -> None:
    """A new event that names an artifact must say here, or in `PRODUCED`, whether somebody's data is in it."""
    for file in GOLDEN.glob("*@*.json"):
        data = json.loads(file.read_text())["data"]
        name = file.name.partition("@")[0]
        found = {member for member, value in data.items() if isinstance(value, str) and value.startswith("sha256:")}
        assert found <= {*PRODUCED.get(name, ()), *NAMES_ONLY.get(name, set())}, file.name
    assert set(READ) <= set(EVENTS)


def history() -> MemoryEventLog:
    """Two datasets of which a table is the same; of the first one a model that is served, logged, and scores both."""
    log = MemoryEventLog(sequential_ids())
    written(log, "dataset-1", 0, dataset_created(), version_added(1, artifact="sha256:same"))
    written(log, "dataset-1", 2, version_added(2, artifact="sha256:own"))
    written(log, "dataset-1", 3, DatasetProfiled(dataset_version=1, profile="sha256:profile", sampled=1))
    written(log, "dataset-2", 0, dataset_created(), version_added(1, artifact="sha256:same"))
    written(log, "job-1", 0, job_created(dataset_id="dataset-1", model_name="irises"))
    written(
        log,
        "job-1",
        1,
        JobStarted(worker="w", attempt=1),
        model_trained(model="sha256:model", evaluation="sha256:eval"),
    )
    written(log, "model-irises", 0, registered(1, job_id="job-1", model="sha256:model"))
    written(log, "job-1", 3, ModelPackaged(attempt=1, onnx="sha256:onnx"), ModelExplained(attempt=1, explanation=None))
    served = target(1).model_copy(update={"artifact": "sha256:model"})
    written(log, "deployment-shop", 0, DeploymentCreated(), DeploymentRolledOut(before=None, after=served))
    for number in (1, 2):
        part = predictions_logged(number).model_copy(update={"target": served, "artifact": f"sha256:part-{number}"})
        written(log, "deployment-shop", number + 1, part)
    written(log, "deployment-shop", 4, PredictionsForgotten(artifact="sha256:part-1"))
    written(log, "job-2", 0, scoring_created(dataset_id="dataset-2"), dataset_scored(output="sha256:scored"))
    written(log, "job-3", 0, job_created(dataset_id="dataset-1"))
    written(log, "job-3", 1, JobFailed(attempt=1, problem=PROBLEM, traceback="sha256:traceback"))
    written(log, "job-4", 0, job_created(dataset_id="dataset-1"), JobStarted(worker="w", attempt=1))
    return log


def test_what_was_made_of_a_dataset_is_its_own() -> None:
    held = holdings(history()).of("dataset-1")
    own = {"own", "profile", "model", "eval", "onnx", "part-2", "traceback"}
    assert set(held.artifacts) == {f"sha256:{name}" for name in {*own, "same"}}
    assert held.shared == ("sha256:same",)
    assert set(held.alone) == {f"sha256:{name}" for name in own}
    assert [(each.model, each.model_version) for each in held.models] == [("irises", 1)]
    assert held.deployments == ("shop",)
    assert held.jobs == ("job-4",)


def test_what_was_scored_belongs_to_what_was_scored() -> None:
    held = holdings(history()).of("dataset-2")
    assert held.artifacts == ("sha256:same", "sha256:scored")
    assert (held.models, held.deployments) == ((), ())


def test_what_only_an_erased_dataset_shares_is_nobodys() -> None:
    log = history()
    written(log, "dataset-1", 4, DatasetErased(artifacts=(), models=(), deployments=()))
    assert holdings(log).of("dataset-2").shared == ()
    assert holdings(log).of("dataset-9").artifacts == ()


def test_a_version_tells_what_it_was_trained_on() -> None:
    log = history()
    assert trained_on(log, target(1)) == "dataset-1"
    assert trained_on(log, target(2)) is None
