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
from builders import NOW, named, renamed, written
from command_line import answered, skyulf
from system import System, eventually

from skyulf import verifier, witness
from skyulf.adapters.checkpoint_files import read_key
from skyulf.adapters.ledger_store import SqlLedgerStore
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.system import new_id
from skyulf.events.checkpoints import Checkpoint, signed
from skyulf.events.keys import SigningKey
from skyulf.events.ledger_store import Kept


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


def cosigned(folder: Path, size: int) -> str | None:
    """The newest checkpoint that a witness has cosigned, once it is of so many events."""
    latest = folder / "latest"
    note = latest.read_text() if latest.is_file() else None
    return note if note is not None and int(note.split("\n")[1]) >= size else None


def planted(data_dir: Path, size: int, key: SigningKey, *introductions: str) -> None:
    """Have the server show a checkpoint that is signed by a key, and say that these lines introduce it."""
    note = signed(Checkpoint(key.name, size, bytes(32), introductions), key, NOW)
    with closing(SqlLedgerStore(f"sqlite:///{data_dir / 'ledger.db'}")) as store:
        store.keep_checkpoint(Kept(size, note, str(key.public)))


def test_a_witness_follows_a_key_that_takes_another_s_place_and_no_other(tmp_path: Path) -> None:
    folder, spec = tmp_path / "witness", {"task": "regression", "target": "y"}
    program = [sys.executable, "-I", shutil.copy(witness.__file__, tmp_path / "witness.py"), folder]
    made = subprocess.run([*program, "--make-key", "witness.example.org"], capture_output=True, text=True, check=True)
    with System(tmp_path, checkpoint_seconds=0.2) as system:
        system.start()
        first = system.send("POST", "/v1/pipelines", {"name": "one", "spec": spec})
        before = eventually(lambda: covering(system, first["position"]))
        looking = [*program, "--log", system.server.url, "--key", before["key"]]
        with subprocess.Popen([*looking, "--every", "0.1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            try:
                eventually(lambda: cosigned(folder, before["size"]))
                following = answered("audit", "rotate-key", "--data-dir", system.data_dir)["signs"]
                second = system.send("POST", "/v1/pipelines", {"name": "two", "spec": spec})
                after = eventually(lambda: covering(system, second["position"]))
                latest = eventually(lambda: cosigned(folder, after["size"]))
                assert f"key {following} " in latest
                assert f"key {following} " not in (folder / f"{before['size']:012d}").read_text()
                code, told = verdict(
                    system.data_dir, "--key", before["key"], "--checkpoint", folder / "latest",
                    "--witness", made.stdout.strip(),
                )  # fmt: skip
                assert (code, told["verified"]) == (0, True)
                assert list(told["witnesses"]) == ["witness.example.org"]

                # Whoever has the database, and not the key, has another take its place.
                origin, known = before["origin"], read_key(system.data_dir / "signing.key").introductions
                thief = SigningKey(origin, bytes(range(32)))
                stranger = SigningKey(origin, bytes(range(1, 33))).successor(bytes(range(32)))
                planted(system.data_dir, after["size"] + 1, thief, *known, *stranger.introductions)
                assert running.wait(60) == 1
                assert running.stderr is not None
                assert f"is not signed by {origin}, whose key was given" in running.stderr.read().decode()
            finally:
                running.kill()
        assert thief.name in (folder / "refused").read_text()
        genuine = known[0].split(" ")[2]
        planted(system.data_dir, after["size"] + 2, thief, f"key {thief.public} {genuine}")
        done = subprocess.run(looking, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"the signature of {origin} does not hold" in done.stderr
        assert (folder / "latest").read_text() == latest
