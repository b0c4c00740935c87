from typing import Any

import pytest
from builders import (
    COLUMNS,
    LIMITS,
    PROBLEM,
    RESULT,
    SPEC,
    dataset_created,
    job_created,
    model_trained,
    registered,
    trial,
    version_added,
)
from pydantic import ValidationError
from scenario import Case, History, given

from skyulf.commands.base import Command
from skyulf.commands.job import (
    SANDBOX_DEATHS,
    WORKERS_LOST,
    CancelJob,
    CompleteJob,
    ConfirmCancelled,
    CreateJob,
    ExplainModel,
    FailJob,
    PackageModel,
    ReclaimJob,
    ReportProgress,
    ReportTrials,
    RetryJob,
    StartJob,
)
from skyulf.errors import Invalid, NotAllowed, NotFound
from skyulf.events.base import DomainEvent
from skyulf.events.job import (
    JobCancelled,
    JobCancelRequested,
    JobCreated,
    JobFailed,
    JobProgressed,
    JobReclaimed,
    JobRetried,
    JobStarted,
    ModelExplained,
    ModelPackaged,
    ReclaimCause,
    TrialsFinished,
)
from skyulf.events.model import ModelVersionRetired
from skyulf.events.pipeline import PipelineArchived, PipelineCreated

ID = "job-1"
REQUESTED = JobCancelRequested()
CANCELLED = JobCancelled()
RETRIED = JobRetried()


def started(attempt: int = 1) -> JobStarted:
    return JobStarted(worker=f"worker-{attempt}", attempt=attempt)


def progressed(fraction: float = 0.5, attempt: int = 1) -> JobProgressed:
    return JobProgressed(attempt=attempt, stage="fit", fraction=fraction)


def failed(attempt: int = 1) -> JobFailed:
    return JobFailed(attempt=attempt, problem=PROBLEM)


def reclaimed(cause: ReclaimCause, begun: bool, attempt: int = 1) -> JobReclaimed:
    return JobReclaimed(attempt=attempt, cause=cause, begun=begun)


def job(*events: DomainEvent, **created: Any) -> History:
    return {ID: [job_created(**created), *events]}


CREATED = job()
RUNNING = job(started())
ASKED_TO_STOP = job(started(), progressed(), REQUESTED)
SUCCEEDED = job(started(), model_trained())
FAILED = job(started(), failed())
STOPPED = job(CANCELLED)
RECLAIMED = job(started(), reclaimed("worker_lost", begun=True))
AGAIN = job(started(), failed(), RETRIED)

ENDED = {"succeeded": SUCCEEDED, "failed": FAILED, "cancelled": STOPPED}
WAITING = {"created": CREATED, "reclaimed": RECLAIMED, "retried": AGAIN}


def start(attempt: int = 1) -> StartJob:
    return StartJob(id=ID, worker=f"worker-{attempt}", attempt=attempt)


def progress(fraction: float = 0.5, attempt: int = 1, **more: Any) -> ReportProgress:
    return ReportProgress(id=ID, attempt=attempt, stage="fit", fraction=fraction, **more)


def complete(attempt: int = 1, model_name: str | None = None, **changes: Any) -> CompleteJob:
    return CompleteJob(
        id=ID, attempt=attempt, fingerprint_of_model="f1", model_name=model_name, **{**RESULT, **changes}
    )


def fail(attempt: int = 1) -> FailJob:
    return FailJob(id=ID, attempt=attempt, problem=PROBLEM)


def reclaim(cause: ReclaimCause = "worker_lost", attempt: int = 1) -> ReclaimJob:
    return ReclaimJob(id=ID, attempt=attempt, cause=cause)


def stopped(attempt: int = 1) -> ConfirmCancelled:
    return ConfirmCancelled(id=ID, attempt=attempt)


class TestStarting:
    @pytest.mark.parametrize(
        ("history", "attempt"), [(CREATED, 1), (RECLAIMED, 2), (AGAIN, 2), (job(CANCELLED, RETRIED), 1)]
    )
    def test_a_job_that_waits_is_claimed_as_the_next_attempt(self, history: History, attempt: int) -> None:
        given(history).when(start(attempt)).then(started(attempt))

    @pytest.mark.parametrize("attempt", [0, 1, 3])
    def test_only_as_the_next_attempt(self, attempt: int) -> None:
        given(RECLAIMED).when(start(attempt)).refused(NotAllowed, "at attempt 1; it cannot be started")

    @pytest.mark.parametrize("history", [RUNNING, ASKED_TO_STOP, *ENDED.values()])
    def test_a_job_that_does_not_wait_is_not_started(self, history: History) -> None:
        given(history).when(start(2)).refused(NotAllowed, "cannot be started")
        given(history).when(start(1)).refused(NotAllowed, "cannot be started")


REPORTS: list[Any] = [
    pytest.param(progress, id="progress"),
    pytest.param(complete, id="complete"),
    pytest.param(fail, id="fail"),
    pytest.param(reclaim, id="reclaim"),
    pytest.param(stopped, id="confirm"),
]


@pytest.mark.parametrize("report", REPORTS)
class TestTheFence:
    def test_an_attempt_that_was_given_to_another_is_not_heard(self, report: Any) -> None:
        history = job(started(1), progressed(), reclaimed("worker_lost", begun=True), started(2))
        given(history).when(report(attempt=1)).refused(NotAllowed, "attempt 1 of job-1 is over")

    @pytest.mark.parametrize("history", [*WAITING.values(), *ENDED.values()])
    def test_a_job_that_does_not_run_has_no_attempt_to_hear_of(self, report: Any, history: History) -> None:
        given(history).when(report(attempt=1)).refused(NotAllowed, "attempt 1 of job-1 is over")

    def test_an_attempt_that_has_not_begun_is_not_heard(self, report: Any) -> None:
        given(RUNNING).when(report(attempt=2)).refused(NotAllowed, "attempt 2 of job-1 is over")


class TestProgress:
    def test_it_is_recorded(self) -> None:
        given(RUNNING).when(progress(0.25, metrics={"accuracy": 0.5, "loss": None})).then(
            JobProgressed(attempt=1, stage="fit", fraction=0.25, metrics={"accuracy": 0.5, "loss": None})
        )

    @pytest.mark.parametrize(("before", "reported", "shown"), [(0.5, 0.25, 0.5), (0.5, 1.5, 1.0), (0.0, -1.0, 0.0)])
    def test_it_never_goes_back_nor_beyond_the_end(self, before: float, reported: float, shown: float) -> None:
        given(job(started(), progressed(before))).when(progress(reported)).then(progressed(shown))

    def test_a_new_attempt_begins_at_nothing(self) -> None:
        history = job(started(), progressed(0.9), reclaimed("worker_lost", begun=True), started(2))
        given(history).when(progress(0.1, attempt=2)).then(progressed(0.1, attempt=2))

    @pytest.mark.parametrize("fraction", [float("nan"), float("inf")])
    def test_it_is_a_number(self, fraction: float) -> None:
        with pytest.raises(ValidationError):
            progress(fraction)


SEARCH: dict[str, Any] = {"planned": 4, "metric": "roc_auc", "higher_is_better": True}


def tried(*numbers: int, attempt: int = 1) -> ReportTrials:
    return ReportTrials(id=ID, attempt=attempt, trials=tuple(map(trial, numbers)), **SEARCH)


def trials_finished(*numbers: int, attempt: int = 1) -> TrialsFinished:
    return TrialsFinished(attempt=attempt, trials=tuple(map(trial, numbers)), **SEARCH)


class TestTrials:
    def test_they_are_recorded_once(self) -> None:
        given(RUNNING).when(tried(0, 1)).then(trials_finished(0, 1))
        given(job(started(), trials_finished(0, 1))).when(tried(1, 2)).then(trials_finished(2))
        given(job(started(), trials_finished(0, 1))).when(tried(0)).then()

    def test_trials_of_other_outer_folds_are_others(self) -> None:
        each = (trial(0), trial(0, outer_fold=0), trial(0, outer_fold=0, held_out=True), trial(0, outer_fold=1))
        told = [TrialsFinished(attempt=1, trials=part, **SEARCH) for part in (each[:2], each[2:])]
        again = ReportTrials(id=ID, attempt=1, trials=each, **SEARCH)
        given(job(started(), told[0])).when(again).then(told[1])
        given(job(started(), *told)).when(again).then()

    def test_an_attempt_that_is_over_is_not_heard(self) -> None:
        given(AGAIN).when(tried(0)).refused(NotAllowed, "is over")

    def test_work_with_trials_has_begun(self) -> None:
        given(job(started(), trials_finished(0))).when(reclaim()).then(reclaimed("worker_lost", begun=True))


class TestCompleting:
    def test_without_a_model_name_the_result_stands_alone(self) -> None:
        given(RUNNING).when(complete()).then(model_trained())

    def test_a_named_model_gets_its_first_version_in_the_same_breath(self) -> None:
        given(job(started(), model_name="irises")).when(complete(model_name="irises")).then(
            model_trained(model_name="irises", model_version=1), ("model-irises", version(1))
        )

    def test_versions_are_numbered_whatever_was_retired(self) -> None:
        history = {
            **job(started(), model_name="irises"),
            "model-irises": [registered(1), registered(2), ModelVersionRetired(model_version=2)],
        }
        given(history).when(complete(model_name="irises")).then(
            model_trained(model_name="irises", model_version=3), ("model-irises", version(3))
        )

    @pytest.mark.parametrize(("of_job", "given_in"), [("irises", None), (None, "irises"), ("irises", "roses")])
    def test_the_model_is_the_jobs(self, of_job: str | None, given_in: str | None) -> None:
        given(job(started(), model_name=of_job)).when(complete(model_name=given_in)).refused(
            NotAllowed, f"was created for the model {of_job}"
        )

    def test_a_cancel_that_came_first_wins(self) -> None:
        given(ASKED_TO_STOP).when(complete()).then(CANCELLED)

    def test_a_cancel_that_came_first_registers_no_version(self) -> None:
        history = job(started(), REQUESTED, model_name="irises")
        given(history).when(complete(model_name="irises")).then(CANCELLED)


def version(number: int) -> Any:
    return registered(
        number,
        job_id=ID,
        model="sha256:model",
        fingerprint="f1",
        metrics=RESULT["metrics"],
        estimator="logistic_regression",
    )


class TestFailing:
    def test_it_is_recorded(self) -> None:
        given(RUNNING).when(fail()).then(failed())

    def test_a_cancel_that_came_first_wins(self) -> None:
        given(ASKED_TO_STOP).when(fail()).then(CANCELLED)


def lost(times: int, cause: ReclaimCause, begun: bool) -> list[DomainEvent]:
    """So many attempts, each lost."""
    events: list[DomainEvent] = []
    for attempt in range(1, times + 1):
        events += [started(attempt), *([progressed(attempt=attempt)] if begun else [])]
        events.append(reclaimed(cause, begun, attempt))
    return events


class TestReclaiming:
    @pytest.mark.parametrize("cause", ["worker_lost", "sandbox_died", "handed_back"])
    @pytest.mark.parametrize("begun", [True, False])
    def test_the_job_waits_again(self, cause: ReclaimCause, begun: bool) -> None:
        history = job(started(), *([progressed()] if begun else []))
        given(history).when(reclaim(cause)).then(reclaimed(cause, begun))

    @pytest.mark.parametrize("cause", ["worker_lost", "sandbox_died", "handed_back"])
    def test_a_job_that_was_to_stop_is_cancelled(self, cause: ReclaimCause) -> None:
        given(ASKED_TO_STOP).when(reclaim(cause)).then(CANCELLED)

    def test_a_job_that_kills_its_sandbox_three_times_fails_for_good(self) -> None:
        assert SANDBOX_DEATHS == 3
        twice = lost(2, "sandbox_died", begun=False)
        once = lost(1, "sandbox_died", begun=True)
        given(job(*once, started(2))).when(reclaim("sandbox_died", 2)).then(reclaimed("sandbox_died", False, 2))
        self.fails(given(job(*twice, started(3))).when(reclaim("sandbox_died", 3)), "sandbox-died", 3)

    def test_a_job_whose_workers_died_under_it_ten_times_fails(self) -> None:
        assert WORKERS_LOST == 10
        nine = [*lost(9, "worker_lost", begun=True), started(10), progressed(attempt=10)]
        self.fails(given(job(*nine)).when(reclaim("worker_lost", 10)), "workers-lost", 10)
        eight = [*lost(8, "worker_lost", begun=True), started(9), progressed(attempt=9)]
        given(job(*eight)).when(reclaim("worker_lost", 9)).then(reclaimed("worker_lost", True, 9))

    def test_workers_lost_before_the_work_had_begun_do_not_count(self) -> None:
        many = [*lost(30, "worker_lost", begun=False), started(31)]
        given(job(*many)).when(reclaim("worker_lost", 31)).then(reclaimed("worker_lost", False, 31))
        nine = [*lost(9, "worker_lost", begun=True), started(10)]
        given(job(*nine)).when(reclaim("worker_lost", 10)).then(reclaimed("worker_lost", False, 10))

    def test_what_was_begun_in_an_earlier_attempt_does_not_count_for_this_one(self) -> None:
        history = job(started(), progressed(), reclaimed("handed_back", begun=True), started(2))
        given(history).when(reclaim("worker_lost", 2)).then(reclaimed("worker_lost", False, 2))

    def test_one_count_is_not_the_other(self) -> None:
        history = job(*lost(2, "sandbox_died", begun=True), started(3), progressed(attempt=3))
        given(history).when(reclaim("worker_lost", 3)).then(reclaimed("worker_lost", True, 3))
        given(history).when(reclaim("handed_back", 3)).then(reclaimed("handed_back", True, 3))
        nine = job(*lost(9, "worker_lost", begun=True), started(10), progressed(attempt=10))
        given(nine).when(reclaim("sandbox_died", 10)).then(reclaimed("sandbox_died", True, 10))

    def test_retrying_begins_the_counts_anew(self) -> None:
        dead = [*lost(2, "sandbox_died", begun=True), started(3), failed(3), RETRIED]
        given(job(*dead, started(4))).when(reclaim("sandbox_died", 4)).then(reclaimed("sandbox_died", False, 4))
        gone = [*lost(9, "worker_lost", begun=True), started(10), failed(10), RETRIED, started(11)]
        given(job(*gone, progressed(attempt=11))).when(reclaim("worker_lost", 11)).then(
            reclaimed("worker_lost", True, 11)
        )

    @staticmethod
    def fails(case: Case, kind: str, attempt: int) -> None:
        ((stream, event),) = case.decided()
        assert stream == ID
        assert isinstance(event, JobFailed)
        assert (event.problem.type, event.attempt) == (kind, attempt)


class TestCancelling:
    @pytest.mark.parametrize("history", WAITING.values(), ids=WAITING)
    def test_a_job_that_waits_is_cancelled_at_once(self, history: History) -> None:
        given(history).when(CancelJob(id=ID)).then(CANCELLED)

    def test_one_that_runs_is_asked_once(self) -> None:
        given(RUNNING).when(CancelJob(id=ID)).then(REQUESTED)
        given(ASKED_TO_STOP).when(CancelJob(id=ID)).then()

    @pytest.mark.parametrize("history", ENDED.values(), ids=ENDED)
    def test_one_that_has_ended_is_left_as_it_is(self, history: History) -> None:
        given(history).when(CancelJob(id=ID)).then()

    def test_the_worker_confirms(self) -> None:
        given(ASKED_TO_STOP).when(stopped()).then(CANCELLED)

    def test_the_worker_does_not_cancel_by_itself(self) -> None:
        given(RUNNING).when(stopped()).refused(NotAllowed, "nobody asked")

    def test_having_been_asked_is_forgotten_with_a_retry(self) -> None:
        history = job(started(), REQUESTED, CANCELLED, RETRIED, started(2))
        given(history).when(complete(attempt=2)).then(model_trained(attempt=2))
        given(history).when(stopped(2)).refused(NotAllowed, "nobody asked")

    def test_progress_is_still_heard_while_it_is_being_stopped(self) -> None:
        given(ASKED_TO_STOP).when(progress(0.75)).then(progressed(0.75))


class TestRetrying:
    @pytest.mark.parametrize("history", [FAILED, STOPPED])
    def test_what_failed_or_was_cancelled_waits_again(self, history: History) -> None:
        given(history).when(RetryJob(id=ID)).then(RETRIED)

    @pytest.mark.parametrize(
        ("history", "status"),
        [(CREATED, "created"), (RUNNING, "running"), (SUCCEEDED, "succeeded"), (AGAIN, "created")],
    )
    def test_nothing_else_does(self, history: History, status: str) -> None:
        given(history).when(RetryJob(id=ID)).refused(NotAllowed, f"job-1 is {status}; only a failed or cancelled")


PACKAGED = {"onnx": "sha256:copy", "probe_rows": 30, "largest_difference": 1e-12}
EXPLAINED = {"explanation": "sha256:why", "metric": "brier", "rows": 20, "repeats": 5}


class TestFinishing:
    """What becomes known of a model after it was trained: each once, and of that model only."""

    def test_the_copy_is_recorded(self) -> None:
        given(SUCCEEDED).when(PackageModel(id=ID, attempt=1, **PACKAGED)).then(ModelPackaged(attempt=1, **PACKAGED))

    def test_so_is_why_there_is_none(self) -> None:
        why = {"onnx": None, "reason": "the step text_vectors has no counterpart in ONNX"}
        given(SUCCEEDED).when(PackageModel(id=ID, attempt=1, **why)).then(ModelPackaged(attempt=1, **why))

    def test_which_columns_matter_is_recorded(self) -> None:
        given(SUCCEEDED).when(ExplainModel(id=ID, attempt=1, **EXPLAINED)).then(ModelExplained(attempt=1, **EXPLAINED))

    @pytest.mark.parametrize("first", [ModelPackaged(attempt=1, onnx="sha256:a"), ModelPackaged(attempt=1, onnx=None)])
    def test_a_copy_is_settled_once(self, first: ModelPackaged) -> None:
        history = job(started(), model_trained(), first)
        given(history).when(PackageModel(id=ID, attempt=1, **PACKAGED)).refused(NotAllowed, "recorded for job-1 before")
        given(history).when(ExplainModel(id=ID, attempt=1, **EXPLAINED)).then(ModelExplained(attempt=1, **EXPLAINED))

    def test_what_matters_is_settled_once(self) -> None:
        history = job(started(), model_trained(), ModelExplained(attempt=1, explanation=None, reason="too slow"))
        given(history).when(ExplainModel(id=ID, attempt=1, **EXPLAINED)).refused(NotAllowed, "before")
        given(history).when(PackageModel(id=ID, attempt=1, **PACKAGED)).then(ModelPackaged(attempt=1, **PACKAGED))

    @pytest.mark.parametrize("history", [CREATED, RUNNING, FAILED, STOPPED])
    def test_without_a_model_there_is_nothing_to_finish(self, history: History) -> None:
        given(history).when(PackageModel(id=ID, attempt=1, **PACKAGED)).refused(NotAllowed, "job-1 is")
        given(history).when(ExplainModel(id=ID, attempt=1, **EXPLAINED)).refused(NotAllowed, "job-1 is")

    def test_it_is_of_the_attempt_that_trained(self) -> None:
        again = job(started(), reclaimed("worker_lost", begun=True), started(2), model_trained(2))
        given(again).when(PackageModel(id=ID, attempt=1, **PACKAGED)).refused(NotAllowed, "at attempt 2, not 1")

    def test_the_state_names_the_copy(self) -> None:
        case = given(job(started(), model_trained(), ModelPackaged(attempt=1, **PACKAGED))).when(fail())
        state = case.state(ID)
        assert (state.onnx, state.packaged, state.explained) == ("sha256:copy", True, False)


@pytest.mark.parametrize(
    "command", [start(), progress(), complete(), fail(), reclaim(), stopped(), CancelJob(id=ID), RetryJob(id=ID)]
)
def test_a_job_that_is_not_there(command: Command) -> None:
    given().when(command).refused(NotFound, "there is no job job-1")


DATA: History = {
    "dataset-1": [dataset_created(), version_added(1), version_added(2)],
    "pipeline-1": [PipelineCreated(name="flowers", spec=SPEC)],
}


def create(**changes: Any) -> CreateJob:
    values = {"dataset_id": "dataset-1", "spec": SPEC, "limits": LIMITS, "seed": 7, **changes}
    return CreateJob(id=ID, **values)


def created_by(command: CreateJob, history: History = DATA) -> JobCreated:
    ((stream, event),) = given(history).when(command).decided()
    assert stream == ID
    assert isinstance(event, JobCreated)
    return event


class TestCreating:
    @pytest.mark.parametrize("changes", [{"spec": None}, {"pipeline_id": "pipeline-1"}])
    def test_it_is_by_a_pipeline_or_by_a_spec(self, changes: dict[str, Any]) -> None:
        given(DATA).when(create(**changes)).refused(Invalid, "by a pipeline or by a spec")

    def test_everything_that_is_needed_to_run_it_again_is_recorded(self) -> None:
        event = created_by(create(dataset_version=1, model_name="irises"))
        expected = job_created(model_name="irises", candidates=event.candidates)
        assert event == expected
        assert [one["model"]["node"] for one in event.candidates] == ["logistic_regression"]

    def test_without_a_version_the_newest_is_taken(self) -> None:
        event = created_by(create())
        assert (event.dataset_version, event.dataset_digest) == (2, "sha256:digest-2")

    def test_a_pipelines_spec_is_taken_as_it_is_now(self) -> None:
        event = created_by(create(spec=None, pipeline_id="pipeline-1"))
        assert (event.pipeline_id, event.spec) == ("pipeline-1", SPEC)

    def test_with_task_and_target_alone_candidates_are_chosen_and_recorded(self) -> None:
        event = created_by(create(spec={"task": "classification", "target": "y"}))
        assert event.spec == {"task": "classification", "target": "y"}
        models = [one["model"]["node"] for one in event.candidates]
        assert models == ["logistic_regression", "hist_gradient_boosting"]
        assert all(one["steps"] is not None for one in event.candidates)

    def test_columns_that_are_set_aside_are_named_with_the_reason(self) -> None:
        constant = COLUMNS[0].model_copy(update={"name": "same", "distinct": 1, "nulls": 0})
        history = {"dataset-1": [dataset_created(), version_added(1, columns=(*COLUMNS, constant))]}
        event = created_by(create(spec={"task": "classification", "target": "y"}), history)
        assert [name for name, _ in event.set_aside] == ["same"]

    @pytest.mark.parametrize("number", [0, 3, -1])
    def test_a_dataset_version_that_is_not_there(self, number: int) -> None:
        given(DATA).when(create(dataset_version=number)).refused(NotFound, f"no version {number}; its newest is 2")

    def test_what_it_names_must_be_there(self) -> None:
        given(DATA).when(create(dataset_id="dataset-9")).refused(NotFound, "no dataset dataset-9")
        given(DATA).when(create(spec=None, pipeline_id="pipeline-9")).refused(NotFound, "no pipeline pipeline-9")

    def test_an_archived_pipeline_is_not_used(self) -> None:
        history = {**DATA, "pipeline-1": [*DATA["pipeline-1"], PipelineArchived()]}
        given(history).when(create(spec=None, pipeline_id="pipeline-1")).refused(NotAllowed, "archived")

    @pytest.mark.parametrize(
        ("spec", "place"),
        [
            ({**SPEC, "target": "z"}, "target"),
            ({**SPEC, "steps": [{"node": "impute", "columns": ["z"]}]}, "steps.0"),
            ({**SPEC, "steps": []}, "steps"),
            ({**SPEC, "task": "regression", "model": {"node": "ridge"}}, "target"),
        ],
    )
    def test_a_spec_that_does_not_fit_the_data_is_refused_before_anything_is_queued(
        self, spec: dict[str, Any], place: str
    ) -> None:
        error = given(DATA).when(create(spec=spec)).refused(Invalid, "does not fit")
        assert isinstance(error, Invalid)
        assert any(fault.place.startswith(place) for fault in error.faults), error.faults

    def test_a_spec_that_is_no_spec(self) -> None:
        given(DATA).when(create(spec={"task": "divination"})).refused(Invalid, "not valid")

    @pytest.mark.parametrize(("field", "value"), [("seed", -1), ("seed", 2**32), ("model_name", "a b")])
    def test_what_no_job_can_have(self, field: str, value: Any) -> None:
        with pytest.raises(ValidationError):
            create(**{field: value})

    def test_limits_that_we_fill_in_are_no_part_of_the_fingerprint(self) -> None:
        changed = create(limits=LIMITS.model_copy(update={"seconds": 5}))
        assert create().fingerprint(None) == changed.fingerprint(None)
        assert create().fingerprint(None) != create(seed=8).fingerprint(None)
