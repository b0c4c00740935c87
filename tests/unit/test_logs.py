"""Lines of the log: one object or one line each, with what they are about, and nothing of libraries' details."""

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from skyulf import logs

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def record_of(message: str, *arguments: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("skyulf.commands", logging.INFO, __file__, 1, message, arguments, None)
    made.created = datetime(2026, 3, 3, 12, 30, 15, 123456, UTC).timestamp()
    if fields:
        made.fields = fields
    return made


def as_json(record: logging.LogRecord) -> dict[str, object]:
    line = logs.JsonLines("worker").format(record)
    assert "\n" not in line
    found: dict[str, object] = json.loads(line)
    return found


class TestJson:
    def test_a_line_tells_when_where_who_and_what(self) -> None:
        assert as_json(record_of("%s recorded", "CreateJob", stream="job-1", position=7, ms=1.5)) == {
            "time": "2026-03-03T12:30:15.123456Z",
            "level": "info",
            "logger": "skyulf.commands",
            "message": "CreateJob recorded",
            "role": "worker",
            "pid": os.getpid(),
            "stream": "job-1",
            "position": 7,
            "ms": 1.5,
        }

    def test_whatever_is_logged_within_carries_what_it_is_about(self) -> None:
        with logs.within(correlation_id="c", job="job-1", command_id=None), logs.within(attempt=2, traceparent=TRACE):
            line = as_json(record_of("begun", job="job-2"))
        found = {name: line.get(name) for name in ("correlation_id", "job", "attempt", "trace_id", "command_id")}
        assert found == {
            "correlation_id": "c",
            "job": "job-2",
            "attempt": 2,
            "trace_id": TRACE[3:35],
            "command_id": None,
        }
        assert "correlation_id" not in as_json(record_of("after"))

    def test_threads_are_about_their_own_things(self) -> None:
        found: list[dict[str, object]] = []
        with logs.within(job="job-1"):
            thread = threading.Thread(target=lambda: found.append(as_json(record_of("elsewhere"))))
            thread.start()
            thread.join()
        assert "job" not in found[0]

    def test_a_traceback_stands_in_its_line(self) -> None:
        try:
            raise ValueError("two\nlines")
        except ValueError:
            record = record_of("failed")
            record.exc_info = sys.exc_info()
        assert "ValueError: two\nlines" in str(as_json(record)["exception"])


def test_text_cannot_be_made_to_look_like_more_lines() -> None:
    with logs.within(path="/x\n2026 ERROR skyulf: forged", job="job-1"):
        line = logs.TextLines().format(record_of("GET 200"))
    assert line.endswith('INFO skyulf.commands: GET 200 [path="/x\\n2026 ERROR skyulf: forged" job=job-1]')
    assert "\n" not in line


@pytest.fixture
def restored() -> Iterator[None]:
    """The loggers as they were."""
    loggers = [logging.getLogger(name) for name in ("", *logs.OURS)]
    before = [(logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, (level, handlers) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.mark.usefixtures("restored")
def test_details_are_our_own_alone(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "debug", "api")
    logging.getLogger("skyulf.x").debug("ours")
    logging.getLogger("botocore.auth").debug("Authorization: AWS4-HMAC-SHA256 …")
    logging.getLogger("kafka.conn").info("SASL password …")
    logging.getLogger("botocore").warning("a warning of theirs")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["logger"], line["role"]) for line in lines] == [("skyulf.x", "api"), ("botocore", "api")]
