"""From the start of ``skyulf serve`` to ready and to a warm sandbox, and what it holds when idle."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import numpy as np

from bench.measure import Line, Report, Target, scratch
from bench.servers import constant, skyulf, wait_for

RUNS = 3
IDLE = 2.0
"""Seconds of rest before memory is read."""

PAGE = os.sysconf("SC_PAGE_SIZE")
FRAME = (1 << 55) - 1
PRESENT = 1 << 63
"""Of an entry of ``/proc/PID/pagemap``: the number of the page's frame, and whether there is one (proc(5))."""


def run() -> Report:
    """Start each side so often, in turn."""
    ready, warm, memory, alone, processes, bare, bare_memory = [], [], [], [], [], [], []
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
                alone.append(memory_alone([server.pid, *(child.pid for child in server.children())]))
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
            *([Line("  the same, were they alone on the machine", median(alone), "MB")] if all(alone) else []),
        ],
        [
            "The processes: the server, the fork server, a child that waits for a job. One that serves models is there "
            "once something is deployed.",
            "Alone on the machine: each page of memory that any of them holds counts in full, and once. Other programs "
            "that use the same libraries make the proportional size smaller; root alone can tell which they are.",
        ],
    )


def memory_alone(pids: Iterable[int]) -> float:
    """MB of all pages that any of the processes holds; 0 where the system does not tell which they are."""
    pages = np.unique(np.concatenate([pages_of(pid) for pid in pids]))
    return float(len(pages) * PAGE / 1e6) if pages.all() else 0.0


def pages_of(pid: int) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """The frames of a process's pages in memory."""
    found = []
    with Path(f"/proc/{pid}/pagemap").open("rb") as pages:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end = (int(number, 16) // PAGE for number in line.split()[0].split("-"))
            pages.seek(8 * begin)
            entries = np.frombuffer(pages.read(8 * (end - begin)), dtype=np.uint64)  # none of what is the kernel's
            found.append(entries[entries & np.uint64(PRESENT) != 0] & np.uint64(FRAME))
    return np.concatenate(found)
