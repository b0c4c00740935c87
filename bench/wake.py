"""From a job's creation to the beginning of its training on an idle worker: woken through Kafka, and by the log."""

import time
from datetime import datetime
from statistics import median
from typing import Any

from bench.data import make, spec_of
from bench.measure import Line, Report, Target, quantile, scratch
from bench.servers import Server, skyulf, wait_for
from tests.services.kafka import start_broker

JOBS = 60
ROWS = 500
REST = 0.15
"""Seconds after a job, in which the next sandbox is forked: the worker is to be idle when the next one comes."""


def run() -> Report:
    """Send jobs to two servers in turn, one of them with a real broker between its log and its worker."""
    taken: tuple[list[float], list[float]] = ([], [])
    with (
        scratch() as folder,
        start_broker() as broker,
        skyulf(folder / "kafka", kafka_bootstrap=broker.bootstrap, kafka_prefix=f"bench-{time.time_ns()}") as woken,
        skyulf(folder / "log") as following,
    ):
        spec = spec_of("logistic_regression", {})
        table = make(folder, ROWS)
        sides = (woken, following)
        datasets = [server.upload(table)["id"] for server in sides]
        for server in sides:
            wait_for(server.sandbox_warm)
        for number in range(JOBS + 5):
            for server, dataset, milliseconds in zip(sides, datasets, taken, strict=True):
                found = one(server, dataset, spec)
                if number >= 5:  # the first ones find the group being formed, and code that has not run yet
                    milliseconds.append(found)
                time.sleep(REST)
        lines = [line(name, *taken, share) for name, share in (("p50", 0.5), ("p99", 0.99))]
        by_queue = sum(found > 200 for found in taken[0])
        return Report(
            "JobCreated → training begun on an idle worker",
            lines,
            [
                "From the time that JobCreated carries, taken before it is committed, to the time of the first "
                "JobProgressed, taken when the sandbox has said that it begins: commit, relay, broker, consumer, claim "
                "and its commit, and handing the task over are included.",
                f"{JOBS} jobs on each side in turn, one server and one worker slot each, SQLite; {by_queue} of those "
                "through Kafka took more than 200 ms.",
            ],
        )


def line(name: str, ours: list[float], theirs: list[float], share: float) -> Line:
    """A quantile of both sides."""
    target = Target("at most", 30 if share == 0.5 else 100, of="ours")
    value = median if share == 0.5 else lambda values: quantile(values, share)
    return Line(f"{name}, through Kafka", value(ours), "ms", "followed in process", value(theirs), target=target)


def one(server: Server, dataset: str, spec: dict[str, Any]) -> float:
    """Milliseconds from one job's creation to its beginning; waits for its end."""
    job = server.call("POST", "/v1/jobs", {"dataset_id": dataset, "spec": spec})["id"]
    server.ended(job)
    events = server.call("GET", f"/v1/events?stream={job}&after=0&limit=100")
    times = {event["type"]: datetime.fromisoformat(event["time"]) for event in reversed(events)}
    return (times["skyulf.JobProgressed"] - times["skyulf.JobCreated"]).total_seconds() * 1e3
