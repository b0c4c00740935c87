"""From the start of ``skyulf serve`` to ready and to a warm sandbox, and what it holds when idle."""

import time
from statistics import median

from bench.measure import Line, Report, Target, scratch
from bench.servers import constant, skyulf, wait_for

RUNS = 3
IDLE = 2.0
"""Seconds of rest before memory is read."""


def run() -> Report:
    """Start each side so often, in turn."""
    ready, warm, memory, processes, bare, bare_memory = [], [], [], [], [], []
    with scratch() as folder:
        for turn in range(RUNS):
            with constant(folder / f"constant-{turn}") as peer:
                bare.append(peer.ready_after)
                time.sleep(0.2)
                bare_memory.append(peer.memory())
            begun = time.perf_counter()
            with skyulf(folder / f"data-{turn}") as server:
                ready.append(server.ready_after)
                wait_for(server.sandbox_warm)
                warm.append(time.perf_counter() - begun)
                time.sleep(IDLE)
                memory.append(server.memory())
                processes.append(1 + len(server.children()))
    beside = "a FastAPI app with one constant route"
    return Report(
        f"skyulf serve, a new data directory, median of {RUNS}",
        [
            Line(
                "start → /health/ready",
                median(ready),
                "s",
                beside,
                median(bare),
                target=Target("at most", 3, of="ours"),
            ),
            Line("start → sandbox warm", median(warm), "s"),
            Line(
                f"idle, {int(median(processes))} processes, proportional set size",
                median(memory),
                "MB",
                beside,
                median(bare_memory),
                target=Target("at most", 300, of="ours"),
            ),
        ],
        ["The processes: the server, the fork server, a child that waits for a job, a child that serves models."],
    )
