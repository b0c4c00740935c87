from typing import Any

import pytest
from builders import (
    LIMITS,
    PROBLEM,
    RESULT,
    SCORES,
    dataset_created,
    dataset_scored,
    job_created,
    registered,
    scoring_created,
    target,
    version_added,
)
from scenario import History, given

from skyulf.commands.job import CancelJob, CompleteJob, FailJob, ReclaimJob, RetryJob, StartJob
from skyulf.commands.scoring import CompleteScoring, CreateScoring
from skyulf.errors import Invalid, NotAllowed, NotFound
from skyulf.events.base import DomainEvent
from skyulf.events.deployment import DeploymentCreated, DeploymentRetired, DeploymentRolledOut
from skyulf.events.job import JobCancelled, JobCancelRequested, JobFailed, JobReclaimed, JobRetried, JobStarted
from skyulf.events.model import ModelAliasSet, ModelVersionRetired

ID = "job-1"
SERVED = [DeploymentCreated(), DeploymentRolledOut(before=None, after=target(2))]
MODEL: list[DomainEvent] = [registered(1), registered(2), ModelAliasSet(alias="champion", before=None, after=1)]
DATA: dict[str, list[DomainEvent]] = {
    "dataset-1": [dataset_created(), version_added(1), version_added(2)],
    "model-irises": MODEL,
    "deployment-shop": [*SERVED],
}
STARTED = JobStarted(worker="worker-1", attempt=1)


def create(**changes: Any) -> CreateScoring:
    return CreateScoring(**{"id": ID, "dataset_id": "dataset-1", "limits": LIMITS, **changes})


def complete(attempt: int = 1) -> CompleteScoring:
    return CompleteScoring(id=ID, attempt=attempt, **SCORES)


def scoring(*events: DomainEvent) -> History:
    return {ID: [scoring_created(), *events]}


def test_a_deployment_scores_with_what_it_serves_now() -> None:
    newest = {"dataset_version": 2, "dataset_digest": "sha256:digest-2", "dataset_artifact": "sha256:table-2"}
    command = create(deployment="shop", format="csv", keep=("y", "x"))
    made = scoring_created(**newest, deployment="shop", target=target(2), format="csv", keep=("y", "x"))
    given(DATA).when(command).then(made)


@pytest.mark.parametrize("by", [{"model_version": 1}, {"alias": "champion"}])
def test_a_model_scores_by_its_version_or_by_an_alias_that_is_resolved_now(by: dict[str, Any]) -> None:
    given(DATA).when(create(model="irises", dataset_version=1, **by)).then(scoring_created(target=target(1)))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "with a deployment or with a model"),
        ({"deployment": "shop", "model": "irises", "model_version": 1}, "with a deployment or with a model"),
        ({"deployment": "shop", "alias": "champion"}, "says itself which version"),
        ({"model": "irises"}, "by its number or by an alias"),
        ({"deployment": "shop", "keep": ("z",)}, "cannot stand beside"),
        ({"deployment": "shop", "keep": ("x", "x")}, "cannot stand beside"),
    ],
)
def test_what_predicts_and_what_is_kept_must_be_clear(asked: dict[str, Any], said: str) -> None:
    given(DATA).when(create(**asked)).refused(Invalid, said)


def test_what_is_not_there_or_no_longer_used_scores_nothing() -> None:
    given(DATA).when(create(deployment="shop", dataset_version=3)).refused(NotFound, "its newest is 2")
    given({**DATA, "dataset-1": []}).when(create(deployment="shop")).refused(NotFound, "no dataset")
    given({**DATA, "deployment-shop": []}).when(create(deployment="shop")).refused(NotFound, "no deployment shop")
    retired = {**DATA, "deployment-shop": [*SERVED, DeploymentRetired()]}
    given(retired).when(create(deployment="shop")).refused(NotAllowed, "shop is retired")
    given(DATA).when(create(model="irises", model_version=3)).refused(NotFound, "no version 3")
    version_retired = {**DATA, "model-irises": [*MODEL, ModelVersionRetired(model_version=1)]}
    given(version_retired).when(create(model="irises", model_version=1)).refused(NotAllowed, "is retired")


def test_it_is_claimed_once_and_handed_in_once() -> None:
    given(scoring()).when(StartJob(id=ID, attempt=1, worker="worker-1")).then(STARTED)
    given(scoring(STARTED)).when(StartJob(id=ID, attempt=2, worker="w")).refused(NotAllowed, "cannot be started")
    given(scoring(STARTED)).when(complete()).then(dataset_scored())
    given(scoring(STARTED, dataset_scored())).when(complete()).refused(NotAllowed, "is over")
    again = [STARTED, JobReclaimed(attempt=1, cause="worker_lost", begun=True), JobStarted(worker="w", attempt=2)]
    given(scoring(*again)).when(complete(1)).refused(NotAllowed, "attempt 1 of job-1 is over")
    given(scoring(*again)).when(complete(2)).then(dataset_scored(2))


def test_a_lost_one_waits_again_and_a_cancel_that_came_first_wins() -> None:
    lost = ReclaimJob(id=ID, attempt=1, cause="worker_lost")
    given(scoring(STARTED)).when(lost).then(JobReclaimed(attempt=1, cause="worker_lost", begun=False))
    asked = scoring(STARTED, JobCancelRequested())
    for command in (complete(), lost, FailJob(id=ID, attempt=1, problem=PROBLEM)):
        given(asked).when(command).then(JobCancelled())
    given(scoring()).when(CancelJob(id=ID)).then(JobCancelled())


def test_one_that_failed_can_be_retried_and_one_that_succeeded_not() -> None:
    failed = JobFailed(attempt=1, problem=PROBLEM)
    given(scoring(STARTED, failed)).when(RetryJob(id=ID)).then(JobRetried())
    given(scoring(STARTED, dataset_scored())).when(RetryJob(id=ID)).refused(NotAllowed, "is succeeded")


def test_a_job_of_one_kind_takes_no_result_of_the_other() -> None:
    training = {ID: [job_created(), STARTED]}
    given(training).when(complete()).refused(NotAllowed, "scores no dataset")
    model = CompleteJob(id=ID, attempt=1, fingerprint_of_model="f", model_name=None, **RESULT)
    given(scoring(STARTED)).when(model).refused(NotAllowed, "trains no model")
