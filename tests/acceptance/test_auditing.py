"""Proof of a log by real processes: sealed while it is served, verified beside the server, after kills, and offline."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from builders import named, renamed, written
from command_line import answered, skyulf
from system import System, eventually

from skyulf import verifier
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.system import new_id


@pytest.fixture
def unsealed(tmp_path: Path) -> Path:
    """A data directory with events, which no server has ever sealed."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    with closing(SqliteEventLog(data_dir / "events.db", new_id)) as log:
        for number in range(150):
            written(log, f"pipeline-{number}", 0, named(), renamed())
    return data_dir


def changed(data_dir: Path, statement: str) -> None:
    """Do something to the log's file that no part of the system would."""
    with closing(sqlite3.connect(data_dir / "events.db")) as connection, connection:
        connection.execute(statement)


def verdict(data_dir: Path, *arguments: object) -> tuple[int, dict[str, Any]]:
    done = skyulf("audit", "verify", "--data-dir", data_dir, "--json", *arguments)
    return done.returncode, json.loads(done.stdout)


def test_what_was_done_to_a_log_is_found_from_outside(unsealed: Path, tmp_path: Path) -> None:
    code, told = verdict(unsealed)
    assert (code, told["title"]) == (2, "Unverifiable")
    assert "no checkpoint has been signed" in told["detail"]

    kept, export = tmp_path / "kept", tmp_path / "events.jsonl"
    signed = answered("audit", "checkpoint", "--output", kept, "--data-dir", unsealed)
    assert (signed["size"], kept.read_text()) == (300, signed["note"])
    key = answered("audit", "key", "--data-dir", unsealed)["key"]
    assert key == signed["key"]
    assert (unsealed / "signing.key").stat().st_mode & 0o777 == 0o600

    code, told = verdict(unsealed, "--key", key, "--checkpoint", kept)
    assert (code, told["verified"], told["covered"], told["unsealed"], told["faults"]) == (0, True, 300, 0, [])
    proof = answered("audit", "proof", "17", "--data-dir", unsealed)
    assert (proof["index"], proof["size"]) == (16, 300)
    assert answered("audit", "proof", "--from", "100", "--data-dir", unsealed)["to_size"] == 300
    beyond = skyulf("audit", "proof", "301", "--data-dir", unsealed)
    assert beyond.returncode == 1
    assert "position 301 is beyond the log's head, 300" in beyond.stderr

    # The verifier alone, as a file that an auditor has, with nothing else of ours to be found.
    assert answered("events", "export", export, "--data-dir", unsealed)["covered"] == 300
    alone = shutil.copy(verifier.__file__, tmp_path / "verifier.py")
    command = [sys.executable, "-I", alone, export, "--key", key, "--checkpoint", kept]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0

    changed(unsealed, "UPDATE events SET state = replace(CAST(state AS TEXT), '\"a\"', '\"z\"') WHERE rowid = 41")
    changed(unsealed, "DELETE FROM events WHERE rowid BETWEEN 90 AND 92")
    code, told = verdict(unsealed, "--key", key)
    assert (code, told["verified"]) == (1, False)
    named_ = [(fault["kind"], fault["position"], fault["until"]) for fault in told["faults"]]
    assert named_[:2] == [("changed", 41, 41), ("missing", 90, 92)]
    answered("events", "export", export, "--data-dir", unsealed)
    offline = subprocess.run(command, capture_output=True, check=False)
    assert offline.returncode == 1
    assert skyulf("audit", "verify", "--export", export, "--key", key).returncode == 1

    # Nothing more is signed over it, and a row that is no event is not made to look like one by an export.
    assert skyulf("audit", "checkpoint", "--data-dir", unsealed).returncode == 0  # nothing new
    changed(unsealed, "UPDATE events SET actor = 'eve' WHERE rowid = 5")
    refused = skyulf("events", "export", export, "--data-dir", unsealed)
    assert refused.returncode == 1
    assert "position 5: a stored column contradicts the envelope" in refused.stderr


def test_a_server_seals_as_it_serves_and_after_a_kill(tmp_path: Path) -> None:
    with System(tmp_path, checkpoint_seconds=0.2) as system:
        system.start()
        first = system.send("POST", "/v1/pipelines", {"name": "one", "spec": {"task": "regression", "target": "y"}})
        sealed = eventually(lambda: covering(system, first["position"]))
        assert sealed["unsealed"]["events"] == 0
        code, told = verdict(system.data_dir, "--key", sealed["key"])
        assert (code, told["covered"]) == (0, sealed["size"])
        system.server.kill()
        system.start()
        second = system.send("POST", "/v1/pipelines", {"name": "two", "spec": {"task": "regression", "target": "y"}})
        later = eventually(lambda: covering(system, second["position"]))
        assert (later["origin"], later["key"]) == (sealed["origin"], sealed["key"])
        (tmp_path / "kept").write_text(sealed["note"])
        code, told = verdict(system.data_dir, "--key", sealed["key"], "--checkpoint", tmp_path / "kept")
        assert (code, told["verified"], told["covered"]) == (0, True, later["size"])
        third = system.send("POST", "/v1/pipelines", {"name": "three", "spec": {"task": "regression", "target": "y"}})
        assert system.server.stop() == 0
        latest = (system.data_dir / "checkpoints" / "latest").read_text()
        assert latest.split("\n")[1] == str(third["position"])  # the end of the process has sealed the rest
        secret = (system.data_dir / "signing.key").read_text().strip().split("+", 4)[4]
        assert len(secret) > 40
        assert secret not in system.server.said() + system.server.told()


def covering(system: System, position: int) -> dict[str, Any] | None:
    """The newest checkpoint, once it covers a position."""
    answer = system.ask("GET", "/v1/audit/checkpoint")
    if answer.status_code != 200:
        return None
    found: dict[str, Any] = answer.json()
    return found if found["position"] >= position else None


def test_a_log_that_was_cut_while_nobody_served_it_is_not_sealed_on(tmp_path: Path) -> None:
    with System(tmp_path, checkpoint_seconds=0.2) as system:
        system.start()
        spec = {"task": "regression", "target": "y"}
        taken = [system.send("POST", "/v1/pipelines", {"name": str(n), "spec": spec}) for n in range(5)]
        eventually(lambda: covering(system, taken[-1]["position"]))
        assert system.server.stop() == 0
        changed(system.data_dir, f"DELETE FROM events WHERE rowid >= {taken[-2]['position']}")
        system.start()
        said = eventually(lambda: "nothing more is signed" in system.server.said() and system.server.said())
        assert "the last that was sealed, is gone or changed" in said
        code, told = verdict(system.data_dir)
        assert code == 1
        assert told["faults"][0]["kind"] == "missing"
        assert told["faults"][0]["position"] == taken[-2]["position"]


def test_a_key_takes_the_place_of_another_and_the_first_goes_on_verifying(unsealed: Path, tmp_path: Path) -> None:
    at = ("--data-dir", unsealed)
    first = answered("audit", "key", *at)
    kept, later = tmp_path / "kept.checkpoint", tmp_path / "later.checkpoint"
    answered("audit", "checkpoint", "--output", kept, *at)
    following = answered("audit", "rotate-key", *at)
    assert (following["key"], following["signs"] != first["signs"]) == (first["key"], True)
    refused = skyulf("audit", "rotate-key", "--output", unsealed / "signing.key", *at)
    assert (refused.returncode, "is there already" in refused.stderr) == (2, True)
    with closing(SqliteEventLog(unsealed / "events.db", new_id)) as log:
        written(log, "pipeline-new", 0, named())
    answered("audit", "checkpoint", "--output", later, *at)
    assert f"key {following['signs']} " in later.read_text()
    code, told = verdict(unsealed, "--key", first["key"], "--checkpoint", kept, "--checkpoint", later)
    assert (code, told["verified"], told["size"]) == (0, True, 301)
