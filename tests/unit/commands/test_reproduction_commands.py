from typing import Any

import pytest
from builders import (
    FOUND,
    LIMITS,
    PROBLEM,
    RESULT,
    SCORES,
    dataset_created,
    job_created,
    model_reproduced,
    model_trained,
    registered,
    reproduction_created,
    scoring_created,
    trial,
    version_added,
)
from scenario import History, given

from skyulf.commands.job import CancelJob, CompleteJob, FailJob, ReclaimJob, ReportTrials, RetryJob, StartJob
from skyulf.commands.made import erased_problem
from skyulf.commands.reproduction import CompleteReproduction, CreateReproduction, training_of
from skyulf.commands.scoring import CompleteScoring
from skyulf.errors import Erased, Invalid, NotAllowed, NotFound
from skyulf.events.base import DomainEvent
from skyulf.events.dataset import DatasetErased
from skyulf.events.job import (
    JobCancelled,
    JobCancelRequested,
    JobFailed,
    JobReclaimed,
    JobRetried,
    JobStarted,
    ModelPackaged,
    TrialsFinished,
)
from skyulf.events.model import ModelAliasSet, ModelState, ModelVersionRetired, evolve

ID = "job-2"
STARTED = JobStarted(worker="worker-1", attempt=1)
TRAINED = model_trained(model_name="irises", model_version=1)
DATA: History = {"dataset-1": [dataset_created(), version_added()]}
TRAINING: History = {**DATA, "job-1": [job_created(model_name="irises"), STARTED, TRAINED]}


def create(**changes: Any) -> CreateReproduction:
    named = {"id": ID, "training": "job-1", "dataset_id": "dataset-1"}
    return CreateReproduction(**{**named, "limits": LIMITS, **changes})


def complete(attempt: int = 1) -> CompleteReproduction:
    return CompleteReproduction(id=ID, attempt=attempt, fingerprint_of_model="f2", **FOUND)


def reproduction(*events: DomainEvent) -> History:
    return {ID: [reproduction_created(), *events]}


def model(*events: DomainEvent) -> ModelState:
    state = None
    for event in (registered(1), registered(2), *events):
        state = evolve(state, event)  # type: ignore[arg-type]
    assert state is not None
    return state


def test_a_training_that_succeeded_is_to_be_done_again_from_what_it_recorded() -> None:
    given(TRAINING).when(create()).then(reproduction_created())
    followed = {**DATA, "job-1": [*TRAINING["job-1"], ModelPackaged(attempt=1, onnx=None, reason="svm")]}
    given(followed).when(create(model="irises", model_version=1)).then(reproduction_created())


def test_a_training_without_a_models_name_is_too() -> None:
    nameless = {**DATA, "job-1": [job_created(), STARTED, model_trained()]}
    given(nameless).when(create()).then(reproduction_created(model_name=None, model_version=None))


def test_another_seed_is_recorded_and_the_recorded_one_is_none() -> None:
    given(TRAINING).when(create(seed=8)).then(reproduction_created(seed=8))
    given(TRAINING).when(create(seed=7)).then(reproduction_created(seed=None))


def test_what_has_no_model_cannot_be_reproduced() -> None:
    given({}).when(create()).refused(NotFound, "no job job-1")
    given({"job-1": [job_created(), STARTED]}).when(create()).refused(NotAllowed, "job-1 is running, and has no model")
    failed = {"job-1": [job_created(), STARTED, JobFailed(attempt=1, problem=PROBLEM)]}
    given(failed).when(create()).refused(NotAllowed, "is failed, and has no model")
    given({"job-1": [scoring_created()]}).when(create()).refused(NotAllowed, "scores a dataset")
    given({"job-1": [reproduction_created()]}).when(create()).refused(NotAllowed, "reproduces one")


def test_what_was_trained_on_erased_data_cannot_be_reproduced() -> None:
    erasure = DatasetErased(artifacts=(), models=(), deployments=())
    erased = {**TRAINING, "dataset-1": [*DATA["dataset-1"], erasure]}
    given(erased).when(create()).refused(Erased, "dataset-1 was erased")
    late = complete().model_copy(update={"dataset_id": "dataset-1"})
    failed = JobFailed(attempt=1, problem=erased_problem("dataset-1"))
    given({**erased, **reproduction(STARTED)}).when(late).then(failed)


def test_a_version_is_named_by_its_number_or_by_an_alias_and_may_be_retired() -> None:
    state = model(ModelAliasSet(alias="best", before=None, after=2), ModelVersionRetired(model_version=1))
    assert training_of("model-irises", state, 1, None) == "job-1"
    assert training_of("model-irises", state, None, "best") == "job-2"
    for number, alias, refusal, said in (
        (3, None, NotFound, "irises has no version 3; its newest is 2"),
        (None, "worst", NotFound, "irises has no alias worst"),
        (None, None, Invalid, "by its number or by an alias"),
        (1, "best", Invalid, "by its number or by an alias"),
    ):
        with pytest.raises(refusal, match=said):
            training_of("model-irises", state, number, alias)


def test_an_alias_that_has_been_moved_makes_no_other_request() -> None:
    by_alias = create(model="irises", alias="best")
    assert by_alias.fingerprint(None) == create(model="irises", alias="best", training="job-9").fingerprint(None)
    assert create().fingerprint(None) != create(training="job-9").fingerprint(None)
    assert by_alias.fingerprint(None) != create(model="irises", alias="best", seed=1).fingerprint(None)


def test_it_is_claimed_once_and_handed_in_once() -> None:
    given(reproduction()).when(StartJob(id=ID, attempt=1, worker="worker-1")).then(STARTED)
    given(reproduction(STARTED)).when(complete()).then(model_reproduced())
    given(reproduction(STARTED, model_reproduced())).when(complete()).refused(NotAllowed, "is over")
    again = [STARTED, JobReclaimed(attempt=1, cause="worker_lost", begun=True), JobStarted(worker="w", attempt=2)]
    given(reproduction(*again)).when(complete(1)).refused(NotAllowed, "attempt 1 of job-2 is over")
    given(reproduction(*again)).when(complete(2)).then(model_reproduced(2))


def test_trials_of_a_search_that_is_made_again_are_its_own() -> None:
    told = {"attempt": 1, "planned": 5, "metric": "roc_auc", "higher_is_better": True, "trials": (trial(),)}
    given(reproduction(STARTED)).when(ReportTrials(id=ID, **told)).then(TrialsFinished(**told))


def test_a_cancel_that_came_first_wins_and_what_failed_can_be_retried() -> None:
    asked = reproduction(STARTED, JobCancelRequested())
    for command in (
        complete(), ReclaimJob(id=ID, attempt=1, cause="worker_lost"), FailJob(id=ID, attempt=1, problem=PROBLEM),
    ):  # fmt: skip
        given(asked).when(command).then(JobCancelled())
    given(reproduction()).when(CancelJob(id=ID)).then(JobCancelled())
    failed = JobFailed(attempt=1, problem=PROBLEM)
    given(reproduction(STARTED, failed)).when(RetryJob(id=ID)).then(JobRetried())
    given(reproduction(STARTED, model_reproduced())).when(RetryJob(id=ID)).refused(NotAllowed, "is succeeded")


def test_a_job_of_one_kind_takes_no_result_of_another() -> None:
    for other in (job_created(), scoring_created()):
        given({ID: [other, STARTED]}).when(complete()).refused(NotAllowed, "reproduces no model")
    model = CompleteJob(id=ID, attempt=1, fingerprint_of_model="f", model_name=None, **RESULT)
    given(reproduction(STARTED)).when(model).refused(NotAllowed, "trains no model")
    scored = CompleteScoring(id=ID, attempt=1, **SCORES)
    given(reproduction(STARTED)).when(scored).refused(NotAllowed, "scores no dataset")
