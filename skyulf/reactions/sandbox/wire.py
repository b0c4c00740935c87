"""The frames between a child and its owner, and the tasks, answers and failures inside them.

A frame is a length, a kind and a request number, then the payload. What passes is plain values and Skyulf's own
data classes, as bytes that run nothing when they are read (`sandbox/plain.py`): a child that went astray over a
foreign model cannot reach its owner.
"""

import enum
import errno
import socket
import struct
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from skyulf import errors
from skyulf.reactions.sandbox import plain
from skyulf.reactions.sandbox.outcomes import ChildFailed

_HEADER = struct.Struct("!IBI")
MAX_PAYLOAD = 2**32 - 1


class Kind(enum.IntEnum):
    """What a frame carries."""

    TASK = 1
    MESSAGE = 2
    REQUEST = 3
    RESULT = 4
    FAILURE = 5


class Frame(NamedTuple):
    """One message; ``request`` tells apart several in flight and is 0 where there is one only."""

    kind: Kind
    request: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Task:
    """What a child is to do: call ``module``.``name``, once or to get the handler of many requests.

    One that ``prepares`` is not the child's task: nothing comes back from it, and the task is still to come.
    """

    module: str
    name: str
    args: bytes
    serves: bool
    memory_bytes: int | None
    threads: int | None
    prepares: bool = False


def pack(kind: Kind, request: int, payload: bytes) -> bytes:
    """Put a payload into a frame; ValueError when it is 4 GiB or more."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError("what passes between a child and its owner must be under 4 GiB; use a file")
    return _HEADER.pack(len(payload), kind, request) + payload


class FrameReader:
    """Cuts a stream of bytes, fed in pieces of any size, into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that ``data`` completes."""
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            length, kind, request = _HEADER.unpack_from(self._buffer)
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(memoryview(self._buffer)[_HEADER.size : end])
            del self._buffer[:end]
            yield Frame(Kind(kind), request, payload)


def read_frame(connection: socket.socket) -> Frame | None:
    """Wait for the next frame of a blocking socket; None at its end."""
    header = _read_exactly(connection, _HEADER.size)
    if header is None:
        return None
    length, kind, request = _HEADER.unpack(header)
    payload = _read_exactly(connection, length)
    return None if payload is None else Frame(Kind(kind), request, payload)


def _read_exactly(connection: socket.socket, size: int) -> bytes | None:
    data = bytearray(size)
    view, filled = memoryview(data), 0
    while filled < size:
        received = connection.recv_into(view[filled:])
        if not received:
            return None
        filled += received
    return bytes(data)


def name_of(function: Callable[..., Any]) -> tuple[str, str]:
    """Tell the module and name by which a child imports ``function``; ValueError when it cannot."""
    module, name = function.__module__, function.__qualname__
    if module == "__main__":
        raise ValueError(f"{name} stands in the main script, which children never import; move it to a module")
    if "<" in name:
        raise ValueError(f"{name} is not at the top of its module, so a child cannot import it by name")
    return module, name


def pack_task(task: Task) -> bytes:
    """Frame a task for a child."""
    return pack(Kind.TASK, 0, plain.encode(task))


def pack_plain(kind: Kind, request: int, value: Any) -> bytes:
    """Frame a value that a child answers or reports."""
    return pack(kind, request, plain.encode(value))


def unpack_plain(payload: bytes) -> Any:
    """Read a value that a child sent; ``ChildFailed`` when it is not made of plain values and data classes."""
    try:
        return plain.decode(payload)
    except ValueError as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> ChildFailed:
    return ChildFailed("error", type(error).__name__, str(error), "".join(traceback.format_exception(error)))


def pack_failure(request: int, error: BaseException) -> bytes:
    """Frame an exception that a task raised; a domain error keeps its class of skyulf.errors and its fields."""
    described: dict[str, Any] = {
        "kind": _kind_of(error),
        "type": type(error).__name__,
        "detail": _encodable(str(error)),
        "traceback": _encodable("".join(traceback.format_exception(error))),
    }
    if isinstance(error, errors.SkyulfError):
        known = next(base for base in type(error).__mro__ if base.__module__ == errors.__name__)
        described |= {"domain": known.__name__, "fields": vars(error)}
    try:
        return pack_plain(Kind.FAILURE, request, described)
    except (TypeError, ValueError):
        return pack_plain(Kind.FAILURE, request, described | {"fields": {"detail": described["detail"]}})


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def unpack_failure(payload: bytes) -> ChildFailed:
    """Read a failure that a child sent; one that cannot be read is a failure, too."""
    try:
        described = plain.decode(payload)
        kind, name, detail = described["kind"], described["type"], described["detail"]
        error = _domain_error(described, detail) if kind == "domain" else None
        return ChildFailed(kind, name, detail, described["traceback"], error)
    except (ValueError, LookupError, TypeError) as error:
        return _unreadable(error)


def _domain_error(described: dict[str, Any], detail: str) -> errors.SkyulfError:
    known = vars(errors)[described["domain"]]
    if not (isinstance(known, type) and issubclass(known, errors.SkyulfError)):
        raise TypeError(f"{described['domain']} is no domain error")
    # Not through __init__, whose arguments differ from class to class: the fields are what they made.
    error = known.__new__(known, detail)
    vars(error).update(described["fields"])
    return error


def _kind_of(error: BaseException) -> str:
    if isinstance(error, errors.SkyulfError):
        return "domain"
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if _is_memory(cause):
            return "memory"
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return "error"


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or "can't start new thread" in str(error)
