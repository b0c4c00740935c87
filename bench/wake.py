"""From a job's creation to the beginning of its training on an idle worker: woken through Kafka, and by the log."""

import time
from datetime import datetime
from typing import Any, NamedTuple

from bench.data import make, spec_of
from bench.measure import Line, Report, Target, quantile, scratch
from bench.servers import Server, skyulf, wait_for
from tests.services.kafka import start_broker

JOBS = 60
ROWS = 500


def run() -> Report:
    """Send jobs to two servers in turn, one of them with a real broker between its log and its worker."""
    taken: tuple[list[Waited], list[Waited]] = ([], [])
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
            for server, dataset, waits in zip(sides, datasets, taken, strict=True):
                found = one(server, dataset, spec)
                if number >= 5:  # the first ones find the group being formed, and code that has not run yet
                    waits.append(found)
                server.rested()  # the next one is to find an idle worker, and not one whose sandbox rehearses
        begun = [[waited.begun for waited in side] for side in taken]
        claimed = [[waited.claimed for waited in side] for side in taken]
        lines = [
            line("p50", *begun, 0.5, Target("at most", 30, of="ours")),
            line("p99", *begun, 0.99, Target("at most", 100, of="ours")),
            line("  until it was claimed, p50", *claimed, 0.5),
            line("  until it was claimed, p99", *claimed, 0.99),
        ]
        return Report(
            "JobCreated → training begun on an idle worker",
            lines,
            [
                "From the time that JobCreated carries, taken before it is committed, to the time of the first "
                "JobProgressed, taken when the sandbox has said that it begins: commit, relay, broker, consumer, claim "
                "and its commit, and handing the task over are included.",
                f"{JOBS} jobs on each side in turn, one server and one worker slot each, SQLite. A job that nobody was "
                "woken for is found within a second.",
                "Each is sent once the server's processes are at rest: the next sandbox is forked, and has rehearsed.",
            ],
        )


class Waited(NamedTuple):
    """Milliseconds from a job's creation to its claim, and to the beginning of its training."""

    claimed: float
    begun: float


def line(name: str, ours: list[float], theirs: list[float], share: float, target: Target | None = None) -> Line:
    """A quantile of both sides."""
    return Line(
        f"{name}, through Kafka", quantile(ours, share), "ms", "followed in process", quantile(theirs, share),
        target=target,
    )  # fmt: skip


def one(server: Server, dataset: str, spec: dict[str, Any]) -> Waited:
    """Send a job and wait for its end; how long it had to wait."""
    job = server.call("POST", "/v1/jobs", {"dataset_id": dataset, "spec": spec})["id"]
    server.ended(job)
    events = server.call("GET", f"/v1/events?stream={job}&after=0&limit=100")
    times = {event["type"]: datetime.fromisoformat(event["time"]) for event in reversed(events)}
    created, claimed, begun = (times[f"skyulf.{name}"] for name in ("JobCreated", "JobStarted", "JobProgressed"))
    return Waited(*((moment - created).total_seconds() * 1e3 for moment in (claimed, begun)))
