"""Each role in a process of its own: how soon it is ready and what it holds; and two API processes on one port."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import psutil

from bench.measure import Line, Report, Target, compared, interleaved, scratch
from bench.postgres import migrated
from bench.servers import Server, free_port, latencies, request_of, serving, wait_for
from tests.services.kafka import Unfit, start_broker
from tests.services.postgres import databases

IDLE = 2.0
"""Seconds of rest before memory is read."""

ROUNDS = 6
REQUESTS = 400
LIVE = "/health/live"


def run() -> Report:
    """Start one of each role, and then another API process beside one."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        settings = {
            "SKYULF_DATABASE_URL": migrated(stack.enter_context(databases())),
            "SKYULF_DATA_DIR": str(folder / "data"),
        }
        roles = ["projector", "api", "worker"]
        try:
            broker = stack.enter_context(start_broker())
        except Unfit:
            pass
        else:
            roles.append("relay")
            settings |= {"SKYULF_KAFKA_BOOTSTRAP": broker.bootstrap, "SKYULF_KAFKA_PREFIX": "bench"}
        servers = {role: stack.enter_context(serve(role, folder, settings)) for role in roles}
        time.sleep(IDLE)
        held = [
            line
            for role, server in servers.items()
            for line in (
                Line(f"{role}: start → /health/ready", server.ready_after, "s"),
                Line(f"{role}: idle, {1 + len(server.children())} processes", server.memory(), "MB"),
            )
        ]
        port = free_port()
        for _ in range(2):
            pair = stack.enter_context(serve("api", folder, settings, port))
            wait_for(lambda pid=pair.pid: listens(pid, port))  # type: ignore[misc]
        two, one = interleaved([lambda: live(port), lambda: live(servers["api"].port)], ROUNDS)
    return Report(
        "Roles in processes of their own, on one Postgres",
        [
            *held,
            compared(
                "keep-alive request, two API processes on a port",
                two,
                "ms",
                "one API process",
                one,
                Target("at most", 1.1),
            ),
        ],
        [
            "Memory is the proportional set size of a role's processes, while the others run.",
            f"A request is GET {LIVE} on a connection that is kept; a new one for each of {ROUNDS} rounds, so that "
            "both processes are asked.",
        ],
    )


@contextmanager
def serve(role: str, folder: Path, settings: dict[str, str], port: int | None = None) -> Iterator[Server]:
    """A role in a process of its own, once it is ready."""
    port = port or free_port()
    command = [sys.executable, "-m", "skyulf", "serve", "--role", role, "--port", str(port)]
    with serving(command, "/health/ready", folder / f"{role}-{port}.log", port, settings) as server:
        yield server


def listens(pid: int, port: int) -> bool:
    """Whether a process listens on a port."""
    found = psutil.Process(pid).net_connections(kind="tcp4")
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in found)


def live(port: int) -> float:
    """Milliseconds of the median request on a new connection."""
    return median(latencies(port, request_of(port, "GET", LIVE), REQUESTS))
