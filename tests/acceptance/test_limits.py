"""What a job may do to the server: nothing. It is stopped at its limits, and its death is its own."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from system import QUICK, System, eventually, forest, gone, kinds

LONG = forest(100_000)

WIDE = b"name,other,label\n" + b"".join(
    b"n%d,o%d,%s\n" % (n % 9_000, n % 8_999, (b"yes", b"no")[n * 31 % 101 % 2]) for n in range(18_000)
)

BLOATED = {
    **QUICK,
    "steps": [{"node": "one_hot", "columns": ["name", "other"], "params": {"max_categories": None}}],
}
"""On `WIDE`, one table of 2.6 GB, which is foreseen."""

BRANCHING = b"at,class\n" + b"".join(b"%d,c%d\n" % (n * 7_919 % 18_013, n % 1_000) for n in range(18_000))

GROWN = {
    **QUICK,
    "target": "class",
    "steps": [],
    "model": {"node": "random_forest", "params": {"n_estimators": 300}},
}
"""On `BRANCHING`, trees of a thousand shares in each of their many leaves: how large they grow nobody can foresee."""


def failure(system: System, job: str) -> dict[str, Any]:
    """Why the job failed, as it is recorded."""
    assert system.wait(job)["status"] == "failed"
    happened = system.stream(job)
    assert kinds(happened)[-1] == "JobFailed"
    return dict(happened[-1]["data"]["problem"])


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("limits")) as running:
        yield running.start()


@pytest.fixture(scope="module")
def tiny(system: System) -> str:
    return system.serve()


@pytest.fixture
def served(system: System, tiny: str) -> Iterator[str]:
    """A dataset to train on; afterwards it is still the same server, which trains and predicts as before."""
    system.settled()
    pid, before = system.server.pid, system.predict().json()
    yield tiny
    assert (system.server.alive, system.server.pid) == (True, pid)
    system.trained(tiny)
    eventually(lambda: system.predict().status_code == 200)
    assert system.predict().json() == before


@pytest.mark.parametrize(
    ("limit", "table", "spec", "problem", "says"),
    [
        ({"job_seconds": 2}, None, LONG, "time-limit", "2 s"),
        ({"job_memory_bytes": 256 << 20}, BRANCHING, GROWN, "memory-limit", "256 MiB"),
    ],
    ids=["time", "memory"],
)
def test_a_job_over_its_limits_fails_with_a_problem_and_the_server_goes_on(
    tmp_path: Path, limit: dict[str, int], table: bytes | None, spec: dict[str, Any], problem: str, says: str
) -> None:
    with System(tmp_path, **limit) as system:
        system.start()
        dataset = system.serve()
        system.settled()
        pid, before = system.server.pid, system.predict().json()
        over = failure(system, system.submit(dataset if table is None else system.upload(table, "large"), spec))
        assert over["type"] == problem
        assert says in over["detail"]
        assert (system.server.alive, system.server.pid) == (True, pid)
        system.trained(dataset)
        assert system.predict().json() == before


def test_what_can_be_foreseen_not_to_fit_is_refused_before_it_begins(tmp_path: Path) -> None:
    with System(tmp_path, job_memory_bytes=256 << 20) as system:
        system.start()
        asked = {"dataset_id": system.upload(WIDE, "wide"), "spec": BLOATED}
        refused = system.ask("POST", "/v1/jobs", json=asked)
        assert refused.status_code == 422
        assert "256 MiB" in refused.text


def test_a_job_that_kills_its_sandbox_three_times_fails_for_good(system: System, served: str) -> None:
    job = system.submit(served, LONG)
    for attempt in (1, 2, 3):
        system.begun(job, attempt).kill()
        eventually(lambda: system.job(job)["status"] != "running" or system.job(job)["attempt"] != attempt)  # noqa: B023
    assert failure(system, job)["type"] == "sandbox-died"
    assert [kind for kind in kinds(system.stream(job)) if kind != "JobProgressed"] == [
        "JobCreated", "JobStarted", "JobReclaimed", "JobStarted", "JobReclaimed", "JobStarted", "JobFailed",
    ]  # fmt: skip


def test_a_job_whose_sandbox_is_killed_once_is_reclaimed_and_succeeds(system: System, served: str) -> None:
    job = system.submit(served, forest(1_500))
    system.begun(job).kill()
    ended = system.wait(job)
    assert (ended["status"], ended["attempt"]) == ("succeeded", 2)
    reclaimed = next(event for event in system.stream(job) if event["type"] == "skyulf.JobReclaimed")
    assert reclaimed["data"]["cause"] == "sandbox_died"
    assert math.isfinite(ended["metrics"]["accuracy"])


def test_the_system_recovers_from_the_death_of_its_fork_server(system: System, served: str) -> None:
    job = system.submit(served, forest(1_500))
    system.begun(job)
    before = eventually(system.server.fork_server)
    orphans = system.server.children()
    before.kill()
    eventually(lambda: all(map(gone, orphans)), seconds=2.0)
    assert system.wait(job)["status"] == "succeeded"
    after = eventually(system.server.fork_server)
    assert after.pid != before.pid
    assert psutil.pid_exists(system.server.pid)
