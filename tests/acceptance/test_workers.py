"""Worker processes on one Postgres: one of them is killed, stopped, woken, asked to end; each job gets one result."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line import answered
from services.postgres import CannotRun, Postgres
from system import INSISTS, QUICK, System, eventually, forest, gone, kinds

LEASE = 2.0
"""Seconds that a job stays with a worker that gives no sign."""

WORK = forest(500)
"""Takes a second or two."""

ENDLESS = forest(10_000)


class Production:
    """An API, a projector and two workers, each in processes of their own."""

    def __init__(self, root: Path, postgres: Postgres, stack: ExitStack) -> None:
        self.postgres = postgres
        self._root, self._stack = root, stack
        self.api, self.projector = self._process("api"), self._process("projector")
        self.workers = [self._process("worker"), self._process("worker")]
        processes = (self.api, self.projector, *self.workers)
        for process in processes:
            process.spawn()
        for process in processes:
            eventually(process.ready_or_over)
            assert process.server.alive, process.server.said()
        self.dataset = self.api.upload()

    def _process(self, role: str) -> System:
        number = len(list(self._root.iterdir()))
        settings = {
            "database_url": self.postgres.dsn,
            "artifacts_url": f"file://{self._root}/artifacts",
            "lease_seconds": LEASE,
            "training_threads": 1,
            "drain_seconds": 60,
            "role": role,
        }
        root = self._root / f"{number}-{role}"
        root.mkdir()
        return self._stack.enter_context(System(root, **settings))

    def submit(self, spec: dict[str, Any] = WORK) -> str:
        return self.api.submit(self.dataset, spec)

    def at_it(self, job: str, attempt: int = 1) -> tuple[System, System]:
        """The worker that trains the only job that runs, once it has begun, and the other."""
        self.api.wait(job, "running", attempt=attempt)

        def training() -> tuple[System, System] | None:
            eventually(lambda: "JobProgressed" in kinds(self.api.stream(job)))
            one, other = self.workers
            if one.server.training():
                return one, other
            return (other, one) if other.server.training() else None

        return eventually(training)

    def again(self, worker: System) -> None:
        """Another process in the place of one that has ended; nobody waits for it."""
        worker.spawn()

    def all_ready(self) -> None:
        for worker in self.workers:
            eventually(worker.ready_or_over)
            assert worker.server.alive, worker.server.said()


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    root = tmp_path_factory.mktemp("production")
    with ExitStack() as stack:
        try:
            postgres = Postgres()
        except CannotRun as error:
            pytest.skip(str(error))
        stack.callback(postgres.stop)
        postgres.start()
        answered("migrate", SKYULF_DATABASE_URL=postgres.dsn, SKYULF_DATA_DIR=str(root / "none"))
        yield Production(root, postgres, stack)


def between(events: list[dict[str, Any]], first: str, last: str) -> float:
    """Seconds from the first event of a type to the last of another."""
    times = [datetime.fromisoformat(event["time"]) for event in events]
    found = kinds(events)
    return (times[len(found) - 1 - found[::-1].index(last)] - times[found.index(first)]).total_seconds()


def check_trained_once(production: Production, job: str, attempts: int) -> list[dict[str, Any]]:
    """The events of a job that was trained, once, at that attempt."""
    assert production.api.wait(job)["status"] == "succeeded"
    events = production.api.stream(job)
    assert kinds(events).count("ModelTrained") == 1
    assert kinds(events).count("JobStarted") == attempts
    trained = next(event for event in events if event["type"] == "skyulf.ModelTrained")
    assert trained["data"]["attempt"] == attempts
    return events


def test_the_job_of_a_killed_worker_goes_to_another_once_its_lease_has_lapsed(production: Production) -> None:
    job = production.submit()
    killed, _ = production.at_it(job)
    killed.server.kill()
    production.again(killed)  # it must leave alone what lives elsewhere
    production.all_ready()
    events = check_trained_once(production, job, attempts=2)
    (reclaimed,) = (event for event in events if event["type"] == "skyulf.JobReclaimed")
    assert (reclaimed["data"]["cause"], reclaimed["data"]["begun"]) == ("worker_lost", True)
    assert between(events, "JobStarted", "JobReclaimed") > LEASE / 2


def test_a_worker_that_is_stopped_past_its_lease_and_woken_is_refused(production: Production) -> None:
    job = production.submit()
    stopped, heir = production.at_it(job)
    child = stopped.server.training()
    os.kill(stopped.server.pid, signal.SIGSTOP)
    try:
        assert child is not None
        events = check_trained_once(production, job, attempts=2)
        assert heir.server.alive
    finally:
        os.kill(stopped.server.pid, signal.SIGCONT)
    eventually(lambda: gone(child))
    both = [production.submit() for _ in range(2)]
    for other in both:
        production.api.wait(other, "succeeded")
    by = {production.api.stream(other)[1]["data"]["worker"] for other in both}
    assert len(by) == 2, "it works on"
    assert [event for event in production.api.stream(job) if "Model" not in event["type"]] == [
        event for event in events if "Model" not in event["type"]
    ]
    assert kinds(production.api.stream(job)).count("ModelTrained") == 1


def test_a_worker_that_is_asked_to_end_finishes_what_it_has_begun_and_nothing_else(production: Production) -> None:
    job = production.submit()
    ending, other = production.at_it(job)
    ending.server.process.send_signal(signal.SIGTERM)
    next_one = production.submit(QUICK)
    assert production.api.wait(next_one)["status"] == "succeeded"
    assert ending.server.process.wait(90) == 0
    eventually(lambda: not ending.server.processes(), seconds=2.0)
    check_trained_once(production, job, attempts=1)
    first, second = (production.api.stream(each)[1]["data"]["worker"] for each in (job, next_one))
    assert first != second
    assert other.server.alive
    production.again(ending)
    production.all_ready()


def test_a_second_signal_hands_the_job_back_at_once_and_a_cancel_reaches_whoever_has_it_then(
    production: Production,
) -> None:
    job = production.submit(ENDLESS)
    ending, _ = production.at_it(job)
    ending.server.process.send_signal(signal.SIGTERM)
    eventually(lambda: refuses(ending))
    time.sleep(INSISTS)
    ending.server.process.send_signal(signal.SIGTERM)
    assert ending.server.process.wait(30) == 0
    events = production.api.stream(job)
    assert next(e for e in events if e["type"] == "skyulf.JobReclaimed")["data"]["cause"] == "handed_back"
    production.again(ending)
    production.api.wait(job, "running", attempt=2)
    production.api.cancel(job)
    production.api.wait(job, "cancelled")
    assert between(production.api.stream(job), "JobCancelRequested", "JobCancelled") < 5.0
    production.all_ready()


def refuses(process: System) -> bool:
    try:
        process.ask("GET", "/health/live")
    except httpx.TransportError:
        return True
    return False


def test_an_outage_of_the_database_does_not_throw_away_what_was_trained_meanwhile(production: Production) -> None:
    job = production.submit()
    at_it, _ = production.at_it(job)
    child = at_it.server.training()
    assert child is not None
    production.postgres.kill()
    eventually(lambda: gone(child))
    back = time.monotonic() + 3 * LEASE
    eventually(lambda: time.monotonic() > back)
    production.postgres.start()
    eventually(lambda: production.api.ask("GET", f"/v1/jobs/{job}").status_code == 200)
    check_trained_once(production, job, attempts=1)
    assert all(worker.server.alive for worker in production.workers)
