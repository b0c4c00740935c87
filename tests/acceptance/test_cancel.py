"""A job can be stopped at any moment: it ends at once, and stays ended."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from system import System, cpu_seconds, eventually, forest, gone, kinds

BIG = b"a,b,c,d,e,f,label\n" + b"".join(
    b"%d,%d,%d,%d,%d,%d,%s\n" % (*(n * k % 9973 for k in (7, 11, 13, 17, 19, 23)), (b"yes", b"no")[n * 31 % 101 % 2])
    for n in range(20_000)
)

HUGE = {
    "task": "classification",
    "target": "label",
    "steps": [],
    "model": {"node": "random_forest", "params": {"n_estimators": 10_000}},
}
"""On `BIG`, the work of many minutes."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("cancel")) as running:
        yield running.start()


@pytest.fixture(scope="module")
def tiny(system: System) -> str:
    return system.upload()


@pytest.fixture(scope="module")
def big(system: System) -> str:
    return system.upload(BIG, "big")


def at(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["time"])


def test_a_job_cancelled_before_its_start_is_never_begun(system: System, tiny: str, big: str) -> None:
    first = system.submit(big, HUGE)
    system.begun(first)
    behind = system.submit(tiny)
    system.cancel(behind)
    assert system.wait(behind)["status"] == "cancelled"
    system.cancel(first)
    assert system.wait(first)["status"] == "cancelled"
    # A job that is submitted after them is trained before anyone could still begin what was cancelled.
    system.trained(tiny)
    assert kinds(system.stream(behind)) == ["JobCreated", "JobCancelled"]


def test_six_jobs_cancelled_right_after_the_submit_all_end_cancelled(system: System, big: str) -> None:
    jobs = []
    for _ in range(6):
        job = system.submit(big, HUGE)
        system.cancel(job)
        jobs.append(job)
    assert [system.wait(job)["status"] for job in jobs] == ["cancelled"] * 6
    for job in jobs:
        assert kinds(system.stream(job)).count("JobCancelled") == 1


def test_a_running_job_ends_within_a_second_and_burns_no_cpu_after_another(system: System, big: str) -> None:
    job = system.submit(big, HUGE)
    child = system.begun(job)
    eventually(lambda: system.job(job)["progress"]["stage"] in ("choose", "fit"))
    system.cancel(job)
    assert system.wait(job)["status"] == "cancelled"
    ended = time.monotonic()
    asked, cancelled = (
        next(event for event in system.stream(job) if event["type"] == f"skyulf.{kind}")
        for kind in ("JobCancelRequested", "JobCancelled")
    )
    assert (at(cancelled) - at(asked)).total_seconds() <= 1.0
    eventually(lambda: gone(child), seconds=1.0)
    eventually(lambda: time.monotonic() > ended + 1.0)
    watched = system.server.processes()
    before = sum(cpu_seconds(watched))
    eventually(lambda: time.monotonic() > ended + 2.0)
    assert sum(cpu_seconds(watched)) - before < 0.1
    assert kinds(system.stream(job))[-2:] == ["JobCancelRequested", "JobCancelled"]


def test_cancelling_twice_is_harmless(system: System, big: str) -> None:
    job = system.submit(big, HUGE)
    system.begun(job)
    system.cancel(job)
    system.cancel(job)
    assert system.wait(job)["status"] == "cancelled"
    system.cancel(job)
    happened = kinds(system.stream(job))
    assert happened.count("JobCancelRequested") == 1
    assert happened.count("JobCancelled") == 1
    assert happened[-1] == "JobCancelled"


def test_a_finished_job_is_left_as_it_is(system: System, tiny: str) -> None:
    job = system.finished(system.trained(tiny)["id"])
    before = system.stream(job["id"])
    answer = system.ask("POST", f"/v1/jobs/{job['id']}/cancel")
    assert answer.status_code == 202
    assert answer.json()["version"] == before[-1]["streamversion"]
    assert system.stream(job["id"]) == before
    assert system.job(job["id"]) == job


def test_a_cancelled_job_that_is_retried_runs_again_and_ends(system: System, tiny: str) -> None:
    job = system.submit(tiny, forest(20_000))
    system.begun(job)
    system.cancel(job)
    system.wait(job, "cancelled")
    refused = system.submit(tiny)
    system.wait(refused, "succeeded")
    assert system.ask("POST", f"/v1/jobs/{refused}/retry").status_code == 409

    waiting = system.submit(tiny)
    system.cancel(waiting)
    if system.wait(waiting)["status"] == "cancelled":  # it may have been quicker
        system.send("POST", f"/v1/jobs/{waiting}/retry")
    assert system.wait(waiting, "succeeded")["finished_at"] is not None
    assert kinds(system.stream(waiting)).count("ModelTrained") == 1


def test_a_retry_can_be_cancelled_too(system: System, big: str) -> None:
    job = system.submit(big, HUGE)
    system.begun(job)
    system.cancel(job)
    system.wait(job, "cancelled")
    system.send("POST", f"/v1/jobs/{job}/retry")
    system.begun(job, attempt=2)
    system.cancel(job)
    assert system.wait(job, "cancelled", attempt=2)["cancel_requested"] is False
    assert kinds(system.stream(job)).count("JobCancelled") == 2
    assert not [event for event in kinds(system.stream(job)) if event in ("ModelTrained", "JobFailed")]
