"""What a process writes about itself on stderr: for people, or one JSON object a line for machines.

A line tells what it is about where that is known: each part of the system says so for its thread or task (`within`,
`about`), and whatever is logged there carries it. Only our own loggers are ever made more talkative: what libraries say
at that level may hold what must not be written down.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson

OURS = ("skyulf", "api", "uvicorn")
"""The loggers that the level is for; those of libraries stay at warnings."""

Circumstances = Callable[[], Mapping[str, object]]
"""Gives what is known of that which is being done, such as ``correlation_id``; asked only when a line is written."""

_circumstances: ContextVar[Circumstances | None] = ContextVar("circumstances", default=None)


def about(circumstances: Circumstances) -> None:
    """Have whatever is logged from now on in this task or thread carry these circumstances."""
    _circumstances.set(circumstances)


@contextmanager
def within(**fields: object) -> Iterator[None]:
    """Have whatever is logged in the block carry ``fields``, beside what it carries already; None is left out."""
    around = circumstances()
    known = {**around, **{name: value for name, value in fields.items() if value is not None}}
    token = _circumstances.set(lambda: known)
    try:
        yield
    finally:
        _circumstances.reset(token)


def circumstances() -> Mapping[str, object]:
    """What is known of that which is being done here."""
    known = _circumstances.get()
    return known() if known is not None else {}


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What a line tells beside its text: the circumstances, and what was given to it as ``extra={"fields": …}``."""
    given: Mapping[str, object] = getattr(record, "fields", {})
    found = {**circumstances(), **given}
    if (traceparent := found.get("traceparent")) is not None:
        found["trace_id"] = str(traceparent)[3:35]
    return {name: value for name, value in found.items() if value is not None and value != ""}


class JsonLines(logging.Formatter):
    """One object a line: time (UTC, RFC 3339), level, logger, message, role and pid, and what the line is about."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "role": self._role,
            "pid": os.getpid(),
        }
        line |= {name: value for name, value in fields_of(record).items() if name not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class TextLines(logging.Formatter):
    """A line for people, with what it is about at its end."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """The line, without the traceback that may follow."""
        told = " ".join(f"{name}={plain(value)}" for name, value in fields_of(record).items() if name != "traceparent")
        return f"{super().formatMessage(record)} [{told}]" if told else super().formatMessage(record)


def plain(value: object) -> str:
    """A value in a line of text: as it is where it is one word, else quoted, so that it cannot look like more lines."""
    text = str(value)
    return text if text.isprintable() and " " not in text else orjson.dumps(text).decode()


def configure(log_format: str, level: str, role: str) -> None:
    """Have this process write its log on stderr from now on, ``text`` or ``json``, from a level on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(role) if log_format == "json" else TextLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
