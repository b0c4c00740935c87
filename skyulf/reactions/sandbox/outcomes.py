"""What a task may use, and the ways in which it can end other than with a result."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from skyulf.errors import SkyulfError

Send = Callable[[Any], None]
"""What a task calls to report progress: any plain value, from any of its threads."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one task may use; ``None`` means without limit.

    ``seconds`` is wall time from the hand-over of the task. ``memory_bytes`` is on top of what the warm child
    holds already. ``threads`` is the number of threads of each OpenMP and BLAS pool.
    """

    seconds: float | None = None
    memory_bytes: int | None = None
    threads: int | None = None


class SandboxError(Exception):
    """Base of the ways in which a task can end without a result."""


class ChildFailed(SandboxError):
    """The task raised an exception, and the child lived to tell it.

    ``kind`` is ``"domain"`` (one of skyulf.errors: ``error`` is that error again, with its fields), ``"memory"``
    (the memory limit was met) or ``"error"`` (anything else). ``type_name`` and ``detail`` describe the
    exception; unless it is a domain error, ``detail`` and ``traceback`` may hold data values and belong into an
    artifact, never into an event. ``last_message`` is the last progress message before the failure, or None.
    """

    def __init__(
        self,
        kind: Literal["domain", "error", "memory"],
        type_name: str,
        detail: str,
        traceback: str,
        error: SkyulfError | None = None,
    ) -> None:
        super().__init__(f"{type_name}: {detail}")
        self.kind = kind
        self.type_name = type_name
        self.detail = detail
        self.traceback = traceback
        self.error = error
        self.last_message: Any = None


class ChildDied(SandboxError):
    """The child ended without an answer: killed, crashed or left by ``os._exit``.

    ``exitcode`` is that of the process, or ``-n`` when signal n killed it, or None when nobody saw it end (the
    fork server was gone too).
    """

    def __init__(self, exitcode: int | None) -> None:
        super().__init__(f"the child process {_describe_end(exitcode)} without an answer")
        self.exitcode = exitcode

    @property
    def signal(self) -> int | None:
        """The number of the signal that killed the child, or None."""
        return -self.exitcode if self.exitcode is not None and self.exitcode < 0 else None


class ChildTimedOut(SandboxError):
    """The task was still running at the end of its time and was killed; ``seconds`` is the limit."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the task was stopped after its limit of {seconds:g} s")
        self.seconds = seconds


class ChildCancelled(SandboxError):
    """The child was killed by its owner's ``kill()`` or by the sandbox closing."""

    def __init__(self) -> None:
        super().__init__("the child process was killed by its owner")


def _describe_end(exitcode: int | None) -> str:
    if exitcode is None:
        return "vanished"
    if exitcode >= 0:
        return f"exited with code {exitcode}"
    try:
        return f"was killed by {signal.Signals(-exitcode).name}"
    except ValueError:
        return f"was killed by signal {-exitcode}"
