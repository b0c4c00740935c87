"""What runs inside a child: it waits for its task, limits itself, does it and answers."""

import contextlib
import gc
import importlib
import operator
import os
import resource
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from skyulf.reactions.sandbox import plain, wire
from skyulf.reactions.sandbox.wire import Kind, Task

_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")

# Address space that a task takes without using it as memory: each thread reserves a stack (8 MiB) and a heap
# (64 to 128 MiB), allocators round up: with 2 threads fits of three kinds took 380 MiB. With too little, tasks
# that ask for little memory fail at "can't start new thread", or hang.
_RESERVED_AT_LEAST = 1 << 30
_RESERVED = 640 << 20
_RESERVED_PER_THREAD = 160 << 20


def attend(connection: socket.socket) -> None:
    """Wait for one task on ``connection``, do it and return; the owner's end closing ends it too."""
    task = _read_task(connection)
    while task is not None and task.prepares:
        _prepare(task)
        task = _read_task(connection)
    if task is None:
        return
    try:
        function, args = _call_of(task)
        _limit_threads(task.threads)
        _limit_memory(task.memory_bytes, task.threads or os.cpu_count() or 1)
        if task.serves:
            handler = function(*args)
        else:
            result = wire.pack_plain(Kind.RESULT, 0, function(_sender(connection), *args))
    except BaseException as error:  # noqa: BLE001 -- whatever a task raises is its answer
        _lift_memory_limit()
        connection.sendall(wire.pack_failure(0, error))
        return
    if task.serves:
        serve_requests(connection, handler)
    else:
        connection.sendall(result)


def _read_task(connection: socket.socket) -> Task | None:
    frame = wire.read_frame(connection)
    if frame is None:
        return None
    task: Task = plain.decode(frame.payload)
    return task


def _call_of(task: Task) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    function = operator.attrgetter(task.name)(importlib.import_module(task.module))
    return function, plain.decode(task.args)


def _prepare(task: Task) -> None:
    """Do what makes the task to come quicker; that it cannot be done is no reason to refuse the task."""
    with contextlib.suppress(Exception):
        function, args = _call_of(task)
        function(*args)


def serve_requests(connection: socket.socket, handler: Callable[[bytes], bytes]) -> None:
    """Answer requests one after the other, in the order of their arrival, until the owner's end closes."""
    connection.sendall(wire.pack(Kind.RESULT, 0, b""))
    while (frame := wire.read_frame(connection)) is not None:
        try:
            answer = wire.pack(Kind.RESULT, frame.request, handler(frame.payload))
        except BaseException as error:  # noqa: BLE001 -- whatever a handler raises is its answer
            answer = wire.pack_failure(frame.request, error)
        connection.sendall(answer)


def _sender(connection: socket.socket) -> Callable[[Any], None]:
    lock = threading.Lock()

    def send(message: Any) -> None:
        data = wire.pack_plain(Kind.MESSAGE, 0, message)
        with lock:
            connection.sendall(data)

    return send


def _limit_threads(threads: int | None) -> None:
    if threads is None:
        return
    for name in _POOLS:
        os.environ[name] = str(threads)  # for processes that the task starts
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=threads)


def _limit_memory(memory_bytes: int | None, threads: int) -> None:
    if memory_bytes is None or sys.platform != "linux":
        return
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    reserved = max(_RESERVED_AT_LEAST, _RESERVED + threads * _RESERVED_PER_THREAD)
    wanted = pages * resource.getpagesize() + memory_bytes + reserved
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _lift_memory_limit() -> None:
    """Let the failure be told: describing an exception takes memory."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    gc.collect()
