"""A tuning whose server is killed goes on from the trials that were recorded, and ends as if nothing had been."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from system import QUICK, System, eventually, gone

LAST_SECOND = 2.0
"""Seconds before the kill that may be lost: the one between two reports, and what a commit takes on a busy machine."""


def tuned(trials: int) -> dict[str, Any]:
    space = {"model.C": {"low": 0.001, "high": 100, "log": True}, "steps.0.strategy": ["mean", "median"]}
    tuning = {"strategy": "tpe", "trials": trials, "cv": 3, "prune": False, "space": space}
    steps = [{"node": "impute", "columns": "numeric", "params": {}}, {"node": "drop_columns", "columns": ["colour"]}]
    return {**QUICK, "steps": steps, "tuning": tuning}


def told(system: System, job: str) -> list[dict[str, Any]]:
    return [event for event in system.stream(job) if event["type"] == "skyulf.TrialsFinished"]


def trials_of(system: System, job: str) -> list[dict[str, Any]]:
    return [trial for event in told(system, job) for trial in event["data"]["trials"]]


def known(trials: list[dict[str, Any]]) -> list[Any]:
    return [
        (one["number"], one["parameters"], one["scores"]) for one in sorted(trials, key=lambda trial: trial["number"])
    ]


def moment(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["time"])


def test_a_killed_tuning_repeats_at_most_its_last_second(served: System) -> None:
    trials = 24
    dataset = served.upload()
    job = served.submit(dataset, tuned(trials), seed=5)
    eventually(lambda: told(served, job))
    killed = datetime.now(UTC)
    served.server.kill()
    served.start()
    ended = served.wait(job)
    assert (ended["status"], ended["attempt"]) == ("succeeded", 2)
    assert ended["progress"]["trials"] == {"over": trials, "planned": trials}

    events = told(served, job)
    by_attempt = [
        [one["number"] for event in events if event["data"]["attempt"] == at for one in event["data"]["trials"]]
        for at in (1, 2)
    ]
    assert sorted(by_attempt[0] + by_attempt[1]) == list(range(trials)), "each trial is recorded once"
    assert by_attempt[0]
    last = [moment(event) for event in events if event["data"]["attempt"] == 1][-1]
    assert (killed - last).total_seconds() < LAST_SECOND
    assert all((later - earlier).total_seconds() >= 1.0 for earlier, later in pairwise(map(moment, events)))

    listed = served.listed(f"/v1/jobs/{job}/trials", order="best")
    assert len(listed) == trials
    assert listed[0]["number"] == served.get(f"/v1/jobs/{job}/evaluation")["tuning"]["trial"]
    undisturbed = served.trained(dataset, tuned(trials), seed=5)
    assert known(trials_of(served, undisturbed["id"])) == known(trials_of(served, job))
    assert undisturbed["fingerprint"] == ended["fingerprint"]


def test_the_processes_of_a_long_tuning_end_with_their_server(served: System) -> None:
    job = served.submit(served.upload(), tuned(10_000))
    child = served.begun(job)
    helpers = eventually(lambda: child.children(recursive=True))
    served.server.kill()
    eventually(lambda: all(gone(helper) for helper in helpers), seconds=2.0)
    served.start()
    child = served.begun(job, attempt=2)
    helpers = eventually(lambda: child.children(recursive=True))
    served.cancel(job)
    assert served.wait(job)["status"] == "cancelled"
    eventually(lambda: all(gone(helper) for helper in helpers), seconds=2.0)
