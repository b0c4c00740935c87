"""Workers claim, train and report; whatever happens to them and around them, a job gets one result."""

import errno
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from builders import context, everything, job_created, written
from installation import DATASET, Act, Child, Installation, Process

from skyulf.commands.job import CancelJob, ReclaimJob, RetryJob, StartJob
from skyulf.errors import Unavailable
from skyulf.events.job import JobFailed
from skyulf.events.registry import decode
from skyulf.reactions import attempt, patience, trainer, training
from skyulf.reactions.sandbox import ChildDied, wire
from skyulf.reactions.sandbox.wire import FrameReader

TRAINED = ["JobCreated", "JobStarted", "JobProgressed", "ModelTrained"]

SOON = 10.0


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(patience, "LAST_PAUSE", 0.002)
    made = Installation(tmp_path)
    yield made
    made.close()


def eventually(look: Callable[[], Any]) -> None:
    until = time.monotonic() + SOON
    while not look():
        assert time.monotonic() < until
        time.sleep(0.005)


def wait_for(begun: threading.Event, end: threading.Event, *_: Any) -> None:
    begun.set()
    assert end.wait(SOON)


def until_killed(begun: threading.Event) -> Act:
    """What trains until it is killed."""
    return lambda child, _: wait_for(begun, child.ended)


def sent(process: Process, command: Any) -> None:
    process.bus.send(command, context()).result()


def test_a_job_is_claimed_and_trained_once_and_nothing_is_left(site: Installation) -> None:
    job, one, another = site.create(), site.process(), site.process()
    assert one.works(job)
    assert not another.works(job)
    assert site.kinds() == TRAINED
    assert (site.leases, one.worker.at_work_on(), list(site.scratch.iterdir())) == ({}, (), [])


def test_what_comes_of_a_job_belongs_to_the_request_that_asked_for_it(site: Installation) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    created = job_created(dataset_id=DATASET, dataset_artifact=site.table)
    (asked,) = written(site.log, "job-1", 0, created, correlation_id="request-7", traceparent=trace)
    one, another = site.process(), site.process()
    sent(one, StartJob(id="job-1", attempt=1, worker="lost"))
    another.looks()  # nobody holds the first attempt: it is reclaimed
    assert another.works("job-1")
    followed = [event for event in everything(site.log) if event.stream == "job-1"][2:]
    assert [event.type for event in followed] == ["JobReclaimed", *TRAINED[1:]]
    told = {(e.metadata.correlation_id, e.metadata.causation_id, e.metadata.traceparent) for e in followed}
    assert told == {("request-7", asked.id, trace)}


class TestClaiming:
    def test_a_look_while_a_job_is_being_claimed_leaves_it_alone(self, site: Installation) -> None:
        job, one = site.create(), site.process()
        one.bus.before = lambda command: one.looks() if isinstance(command, StartJob) else None
        assert one.works(job)
        assert site.kinds() == TRAINED

    def test_while_one_claims_a_job_nobody_else_tries_to(self, site: Installation) -> None:
        job, one, another = site.create(), site.process(), site.process()
        tries: list[bool] = []

        def meanwhile(command: Any) -> None:
            if isinstance(command, StartJob):
                tries.extend((another.works(job), one.works(job)))

        one.bus.before = meanwhile
        assert one.works(job)
        assert tries == [False, False]
        assert (another.bus.refused, one.bus.refused, site.kinds()) == ([], [], TRAINED)

    def test_who_loses_the_race_all_the_same_takes_nothing_from_the_winner(self, site: Installation) -> None:
        """The lease of the one has lapsed before its claim is decided: decided it is by the attempt."""
        job, one, another = site.create(), site.process(), site.process()
        lost: list[bool] = []

        def slow(command: Any) -> None:
            if isinstance(command, StartJob):
                one.bus.before = lambda _: None
                one.dies()
                another.sandbox.acts.append(lambda *_: lost.append(one.worker._reports.claim(held(one))))
                assert another.works(job)

        def held(process: Process) -> Any:
            return process.worker._held.get(job)

        one.bus.before = slow
        assert not one.works(job)
        assert lost == [False]
        assert site.kinds() == TRAINED

    def test_many_slots_of_many_processes_share_the_jobs_and_hardly_ever_meet(self, site: Installation) -> None:
        jobs = [site.create(f"job-{number}") for number in range(200)]
        with site.working(4, slots=2) as processes:
            eventually(lambda: all(site.kinds(job)[-1:] == ["ModelTrained"] for job in jobs[-1:]) and settled(site))
        assert all(site.kinds(job) == TRAINED for job in jobs)
        refused = [command for each in processes for command in each.bus.refused]
        assert len(refused) <= 20, f"{len(refused)} of 200 claims were made in vain"
        assert {type(command) for command in refused} <= {StartJob, ReclaimJob}

    def test_a_job_that_cannot_be_read_holds_up_no_other(self, site: Installation) -> None:
        site.create("job-1")
        with pytest.warns(UserWarning, match="Expected `int`"):
            written(site.log, "job-1", 1, JobFailed.model_construct(attempt="what?"), command_id="of the future")
        site.queue._jobs["job-1"] = ("created", 0)
        job = site.create("job-2")
        with site.working(1):
            eventually(lambda: site.kinds(job) == TRAINED)


def settled(site: Installation) -> bool:
    return not site.queue.waiting(1) and not site.queue.running(1)


class TestCancelling:
    def test_a_cancel_that_woke_somebody_else_is_seen_at_the_next_look(self, site: Installation) -> None:
        job, one, elsewhere = site.create(), site.process(), site.process()

        def asked(_: Child, __: Any) -> None:
            eventually(lambda: site.job().begun)
            sent(elsewhere, CancelJob(id=job))
            one.looks()

        assert one.works(job, asked)
        assert site.kinds()[-2:] == ["JobCancelRequested", "JobCancelled"]

    def test_it_takes_little_more_than_a_second_though_nobody_is_woken(self, site: Installation) -> None:
        begun = threading.Event()
        with site.working(1) as (one,):
            one.sandbox.acts.append(until_killed(begun))
            job = site.create()
            assert begun.wait(SOON)
            asked = time.monotonic()
            sent(one, CancelJob(id=job))
            eventually(lambda: site.job().status == "cancelled")
            assert time.monotonic() - asked < 3.0

    def test_a_wake_up_that_speaks_of_an_earlier_attempt_harms_no_later_one(self, site: Installation) -> None:
        job, one = site.create(), site.process()

        def cancelled(_: Child, __: Any) -> None:
            sent(one, CancelJob(id=job))
            one.looks()

        one.works(job, cancelled)
        sent(one, RetryJob(id=job))
        late = site.newest("JobCancelRequested")
        assert one.works(job, lambda *_: one.worker._take(late))
        assert site.kinds()[-1] == "ModelTrained"
        assert site.job().attempt == 2


class TestLosing:
    def test_the_job_of_a_worker_that_is_gone_is_taken_up_by_another(self, site: Installation) -> None:
        job, lost, other = site.create(), site.process(), site.process()

        def died(_: Child, __: Any) -> None:
            eventually(lambda: site.job().begun)
            other.looks()
            assert site.job().status == "running", "its worker lives"
            lost.dies()
            other.looks()
            assert other.works(job)

        assert lost.works(job, died)
        assert site.kinds() == [*TRAINED[:3], "JobReclaimed", *TRAINED[1:]]
        assert site.job().attempt == 2
        (refused,) = lost.bus.refused
        assert type(refused).__name__ == "CompleteJob", "what it brings comes too late"

    def test_a_worker_that_sees_that_others_have_its_job_kills_its_child_and_says_nothing(
        self, site: Installation
    ) -> None:
        job, stopped, other = site.create(), site.process(), site.process()

        def stopped_for_long(child: Child, _: Any) -> None:
            eventually(lambda: site.job().begun)
            stopped.dies()
            other.looks()
            stopped.looks()
            assert child.ended.wait(SOON)

        assert stopped.works(job, stopped_for_long)
        assert stopped.bus.refused == []
        assert site.kinds() == [*TRAINED[:3], "JobReclaimed"]

    def test_three_deaths_of_the_sandbox_fail_a_job_for_good_wherever_they_happen(self, site: Installation) -> None:
        job = site.create()

        def dies(_: Child, __: Any) -> None:
            raise ChildDied(-9)

        for _ in range(3):
            assert site.process().works(job, dies)
        assert decode(site.newest("JobFailed")).problem.type == "sandbox-died"  # type: ignore[attr-defined]
        assert not site.process().works(job)
        sent(site.process(), RetryJob(id=job))
        assert site.process().works(job)
        assert site.kinds()[-1] == "ModelTrained"

    def test_ten_workers_lost_fail_a_job_for_good_and_only_those_count_that_had_begun(self, site: Installation) -> None:
        job, watcher = site.create(), site.process()

        def lost(begun: bool) -> None:
            process = site.process()
            process.worker._reports.heard = (lambda *_: None) if not begun else process.worker._reports.heard  # type: ignore[method-assign]

            def died(_: Child, __: Any) -> None:
                eventually(lambda: site.job().begun == begun)
                process.dies()
                watcher.looks()

            assert process.works(job, died)

        for _ in range(12):
            lost(begun=False)
        for _ in range(9):
            lost(begun=True)
        assert site.job().status == "created"
        lost(begun=True)
        assert decode(site.newest("JobFailed")).problem.type == "workers-lost"  # type: ignore[attr-defined]


class TestOutages:
    @pytest.mark.parametrize("calls", [1, 50])
    def test_a_store_that_is_away_is_waited_for_at_the_start_and_at_the_end(
        self, site: Installation, calls: int
    ) -> None:
        job, one = site.create(), site.process()
        site.artifacts.away = calls

        def away(_: Child, __: Any) -> None:
            assert site.artifacts.away == 0
            site.artifacts.away = calls

        assert one.works(job, away)
        assert site.artifacts.away == 0
        assert site.kinds() == TRAINED

    def test_one_that_stays_away_has_the_job_handed_back_and_not_failed(
        self, site: Installation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(attempt, "patiently", partial(patience.patiently, seconds=0.05))
        job, one = site.create(), site.process()
        site.artifacts.away = 10_000
        assert one.works(job)
        assert decode(site.newest("JobReclaimed")).cause == "handed_back"  # type: ignore[attr-defined]
        site.artifacts.away = 0
        assert one.works(job)
        assert site.kinds()[-1] == "ModelTrained"

    @pytest.mark.parametrize("where", ["start", "end"])
    def test_who_waits_for_it_lets_go_at_once_when_asked_to(self, site: Installation, where: str) -> None:
        site.artifacts.asked.clear()
        if where == "start":
            site.artifacts.away = 10_000_000
        with site.working(1) as (one,):
            one.sandbox.acts.append(lambda *_: setattr(site.artifacts, "away", 10_000_000))
            job = site.create()
            eventually(lambda: site.artifacts.asked.is_set() and site.artifacts.away < 10_000_000 > 0)
            eventually(lambda: site.artifacts.away > 0)
            sent(one, CancelJob(id=job))
            eventually(lambda: site.job().status == "cancelled")

    def test_a_log_that_is_away_when_the_result_is_there_gets_it_when_it_is_back(self, site: Installation) -> None:
        job, one = site.create(), site.process()
        assert one.works(job, lambda *_: setattr(one.bus, "away", 100))
        assert one.bus.away == 0
        assert site.kinds() == TRAINED

    def test_a_log_that_is_away_at_the_claim_costs_nothing_but_time(self, site: Installation) -> None:
        job = site.create()
        process = site.process()
        process.bus.away = 1
        process.worker.start()
        eventually(lambda: site.kinds(job) == TRAINED)
        process.worker.close()


class TestDraining:
    def test_what_runs_may_end_and_what_waits_is_left_to_others(self, site: Installation) -> None:
        begun, go_on = threading.Event(), threading.Event()
        with site.working(1) as (one,):
            one.sandbox.acts.append(partial(wait_for, begun, go_on))
            job = site.create()
            assert begun.wait(SOON)
            waits = site.create("job-2")
            ending = threading.Thread(target=one.worker.drain, args=[SOON])
            ending.start()
            assert one.worker.at_work_on() == (job,)
            go_on.set()
            ending.join()
            assert one.worker.at_work_on() == ()
        assert site.kinds(job) == TRAINED
        assert site.kinds(waits) == ["JobCreated"]
        assert site.leases == {}

    @pytest.mark.parametrize("hurried", [False, True])
    def test_what_takes_too_long_is_handed_back_at_the_end_of_the_time_or_when_somebody_hurries(
        self, site: Installation, hurried: bool
    ) -> None:
        begun = threading.Event()
        with site.working(1) as (one,):
            one.sandbox.acts.append(until_killed(begun))
            site.create()
            assert begun.wait(SOON)
            started = time.monotonic()
            one.worker.drain(100.0 if hurried else 0.1, lambda: hurried)
            assert time.monotonic() - started < SOON
            assert one.worker.at_work_on() == ("job-1",)
        assert decode(site.newest("JobReclaimed")).cause == "handed_back"  # type: ignore[attr-defined]
        assert site.kinds()[-1] == "JobReclaimed"
        assert site.leases == {}

    def test_a_cancel_is_heard_while_it_waits(self, site: Installation) -> None:
        begun = threading.Event()
        with site.working(1) as (one,):
            one.sandbox.acts.append(until_killed(begun))
            job = site.create()
            assert begun.wait(SOON)
            one.worker.claim_no_more()
            sent(one, CancelJob(id=job))
            one.worker.drain(SOON)
            assert site.job().status == "cancelled"


class TestAFullDisk:
    """It is the worker that has no room, and not the job that is to blame."""

    def test_one_whose_disk_is_full_claims_nothing_and_says_where_to_make_room(
        self, site: Installation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job, one = site.create(), site.process()
        monkeypatch.setattr(training, "ROOM", shutil.disk_usage(site.scratch).total + 1)
        with pytest.raises(Unavailable, match=f"make room in {site.scratch}: less than"):
            one.works(job)
        assert (site.kinds(), site.leases, one.worker.at_work_on()) == (["JobCreated"], {}, ())
        monkeypatch.undo()
        assert one.works(job)
        assert site.kinds() == TRAINED

    def test_one_that_can_make_no_folder_claims_nothing(
        self, site: Installation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job, one = site.create(), site.process()
        monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: full_disk())
        with pytest.raises(Unavailable, match="No space left on device"):
            one.works(job)
        assert site.kinds() == ["JobCreated"]

    def test_a_job_that_finds_it_full_is_handed_back_and_trained_by_another(
        self, site: Installation, tmp_path: Path
    ) -> None:
        job, one, another = site.create(), site.process(), site.process()

        def meets_it(child: Child, _: Any) -> None:
            child.ended.set()
            raise told_by_child(lambda: trainer.train(lambda _: full_disk(), task_in(tmp_path)))

        with pytest.raises(Unavailable, match="disk is full") as told:
            one.works(job, meets_it)
        assert told.value.retry_after == trainer.ROOM_SECONDS, "so long it leaves jobs to others"
        assert (site.kinds()[-1], site.job().status, site.leases) == ("JobReclaimed", "created", {})
        assert another.works(job)
        assert site.kinds()[-1] == "ModelTrained"

    def test_what_a_library_said_is_left_out_where_there_is_no_room_for_it(
        self, site: Installation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job, one = site.create(), site.process()
        monkeypatch.setattr(Path, "write_text", lambda *_, **__: full_disk())

        def fails(child: Child, _: Any) -> None:
            child.ended.set()
            raise told_by_child(lambda: [][1])

        assert one.works(job, fails)
        failed = decode(site.newest("JobFailed"))
        assert isinstance(failed, JobFailed)
        assert (failed.problem.type, failed.traceback) == ("training-error", None)


def full_disk() -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def task_in(folder: Path) -> Any:
    return trainer.Task(str(folder / "table"), str(folder), (), (), 0, 1, 10)


def told_by_child(work: Callable[[], object]) -> Exception:
    """What the owner of a child is told of what it raises."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - whatever it is
        frame = next(FrameReader().feed(wire.pack_failure(0, error)))
        return wire.unpack_failure(frame.payload)
    raise AssertionError("it was to fail")
