"""What the log in a SQLite file does beyond every log: it outlives its process, and other processes may look on."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from builders import everything, full_metadata, named, renamed, sequential_ids, written

from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.errors import Unavailable
from skyulf.events.base import Recorded
from skyulf.events.log import Append, Write

OTHER_PROCESS = """
import json, sys
from pathlib import Path
from builders import *
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.errors import WrongVersion
path = Path(sys.argv[1])
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


def start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    """Run Python in another process, with the builders at hand."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS + script, *map(str, arguments)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: "subprocess.Popen[str]", said: str = "") -> Any:
    out, err = process.communicate(said, timeout=60)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def opened(path: Path, **options: Any) -> SqliteEventLog:
    return SqliteEventLog(path, sequential_ids(), **options)


def test_what_was_written_is_there_when_the_file_is_opened_again(path: Path) -> None:
    first = opened(path)
    (result,) = first.append([Append((Write("pipeline-1", 0, (named(), renamed())),), full_metadata())])
    first.close()
    again = opened(path)
    assert tuple(everything(again)) == result
    assert again.command("ann", "command-1") == result
    written(again, "pipeline-1", 2, renamed())
    again.close()


def test_positions_are_not_used_twice_after_the_tail_was_deleted(path: Path) -> None:
    log = opened(path)
    written(log, "pipeline-1", 0, named())
    (last,) = written(log, "pipeline-2", 0, named())
    log.close()
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM events WHERE rowid = ?", (last.position,))
    connection.close()
    again = opened(path)
    (recorded,) = written(again, "pipeline-3", 0, named())
    again.close()
    assert recorded.position > last.position


def test_a_person_can_read_the_view(path: Path) -> None:
    log = opened(path)
    log.append([Append((Write("pipeline-1", 0, (named("irises"),)),), full_metadata())])
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        (row,) = connection.execute("SELECT * FROM events_readable").fetchall()
    connection.close()
    log.close()
    seen = dict(row)
    assert json.loads(seen.pop("data")) == {"name": "irises", "spec": {}}
    assert seen == {
        "position": 1,
        "stream": "pipeline-1",
        "version": 1,
        "type": "PipelineCreated@1",
        "recorded_at": "2026-03-03T12:30:15.123456Z",
        "actor": "ann",
        "reason": full_metadata().reason,
    }


def test_another_process_reads_beside_the_owner(path: Path) -> None:
    log = opened(path)
    written(log, "pipeline-1", 0, named("before"))
    reader = start(
        """
log = SqliteEventLog(path, sequential_ids(), read_only=True)
print(len(everything(log)), flush=True)
sys.stdin.readline()
found = everything(log)
try:
    log.append([writing("pipeline-2", 0, named("intruder"))])
    refused = "not refused"
except Exception as error:
    refused = type(error).__name__
print(json.dumps({"found": [json.loads(r.data)["name"] for r in found], "head": log.head(), "refused": refused}))
""",
        path,
    )
    assert reader.stdout is not None
    assert reader.stdout.readline().strip() == "1"
    written(log, "pipeline-1", 1, renamed("meanwhile"))
    assert answer(reader, "\n") == {"found": ["before", "meanwhile"], "head": 2, "refused": "Unavailable"}
    assert len(everything(log)) == 2
    log.close()


def test_reading_only_does_not_make_a_log_where_there_is_none(path: Path) -> None:
    with pytest.raises(Exception, match="unable to open"):
        opened(path, read_only=True).head()
    assert not path.exists()


def test_two_processes_append_at_once_without_loss(path: Path) -> None:
    """Each writes a stream of its own and fights for a common one; both make the tables, on a new file."""
    script = """
me = sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
log = SqliteEventLog(path, sequential_ids())
positions, lost = [], 0
for number in range(60):
    (mine,) = written(log, "pipeline-" + me, number, named(me), command_id=f"{me} {number}")
    positions.append(mine.position)
    while True:
        at = len(log.load({"pipeline-common": 0})["pipeline-common"])
        (result,) = log.append([writing("pipeline-common", at, named(me), command_id=f"{me} common {number}")])
        if not isinstance(result, WrongVersion):
            break
        lost += 1
    positions.append(result[0].position)
log.close()
print(json.dumps({"positions": positions, "lost": lost}))
"""
    processes = [start(script, path, me) for me in ("1", "2")]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [answer(process) for process in processes]
    log = opened(path)
    found = everything(log)
    log.close()
    assert sorted(recorded.position for recorded in found) == sorted(answers[0]["positions"] + answers[1]["positions"])
    for each in answers:
        assert each["positions"] == sorted(each["positions"])
    assert versions(found, "pipeline-1") == versions(found, "pipeline-2") == list(range(1, 61))
    assert versions(found, "pipeline-common") == list(range(1, 121))


def versions(events: list[Recorded], stream: str) -> list[int]:
    return [recorded.version for recorded in events if recorded.stream == stream]


def test_closing_waits_for_who_is_still_reading(path: Path) -> None:
    """SQLite takes the whole process down when a connection is closed under a running statement."""
    process = start(
        """
import threading
log = SqliteEventLog(path, sequential_ids())
written(log, "pipeline-1", 0, *[renamed("x" * 200)] * 2000)
reading = threading.Barrier(5)
ended = []
def read():
    reading.wait()
    while True:
        try:
            log.read(0, 2000)
        except Exception as error:
            ended.append(type(error).__name__)
            return
threads = [threading.Thread(target=read) for _ in range(4)]
for thread in threads:
    thread.start()
reading.wait()
log.close()
for thread in threads:
    thread.join()
print(json.dumps(ended))
""",
        path,
    )
    assert answer(process) == ["ConnectionPoolClosedError"] * 4


def test_a_log_that_cannot_be_written_says_so(path: Path) -> None:
    log = opened(path)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    connection.close()
    with pytest.raises(Unavailable, match="disk full"):
        written(log, "pipeline-1", 0, named())
    assert log.head() == 0
    log.close()
