"""What is shown can be thrown away: the log and the artifacts it names give all of it back."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from system import (
    LISTS,
    QUICK,
    TINY,
    System,
    eventually,
    forest,
    invented_history,
    log_of,
    rebuilt_rows,
    stored_rows,
)

from skyulf.runtime import restoring
from skyulf.settings import Settings


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system in which everything has happened, after a long history."""
    with System(tmp_path_factory.mktemp("rebuilding")) as running:
        with restoring(Settings(data_dir=running.data_dir)) as (log, _):
            log.restore(invented_history(400))
        running.start()
        live_through(running)
        yield running


def live_through(system: System) -> None:
    """Do a little of everything."""
    dataset = system.serve()
    system.send("POST", f"/v1/datasets/{dataset}/versions", files={"file": ("more.csv", TINY + b"99,9,green,no\n")})
    pipeline = system.send("POST", "/v1/pipelines", {"name": "quick", "spec": QUICK})["id"]
    archived = system.send("POST", "/v1/pipelines", {"name": "gone", "spec": QUICK})["id"]
    system.send("PUT", f"/v1/pipelines/{pipeline}", {"name": "quicker", "spec": QUICK})
    job = {"dataset_id": dataset, "pipeline_id": pipeline, "model_name": "tiny"}
    assert system.wait(system.send("POST", "/v1/jobs", job)["id"])["status"] == "succeeded"
    system.send("DELETE", f"/v1/pipelines/{archived}")
    cancelled = system.submit(dataset, forest(100_000))
    system.begun(cancelled)
    system.cancel(cancelled)
    system.wait(cancelled)
    system.send("PUT", "/v1/models/tiny/aliases/best", {"model_version": 2, "reason": "newer"})
    system.send("PUT", "/v1/models/tiny/aliases/old", {"model_version": 1, "reason": "older"})
    system.send("DELETE", "/v1/models/tiny/aliases/old", params={"reason": "no longer"})
    system.send("PUT", "/v1/deployments/live", {"model": "tiny", "alias": "best", "reason": "better"})
    system.send("POST", "/v1/deployments/live/rollback", {"reason": "worse"})
    system.send("PUT", "/v1/deployments/other", {"model": "tiny", "model_version": 2, "reason": "a try"})
    system.send("DELETE", "/v1/deployments/other", params={"reason": "enough"})
    system.send("PUT", "/v1/models/tiny/aliases/best", {"model_version": 1, "reason": "better after all"})
    system.send("DELETE", "/v1/models/tiny/versions/2", params={"reason": "drifted"})
    system.settled()
    projected(system)


def projected(system: System) -> None:
    """Wait until every projection is at the head of the log."""
    assert system.get("/v1/projections", min_position=system.newest())["items"]


def test_rows_that_are_deleted_come_back_the_same(system: System) -> None:
    before = system.everything()
    assert system.server.stop() == 0
    rows = stored_rows(system.data_dir)
    assert rows == rebuilt_rows(system.data_dir)
    for file in system.data_dir.glob("rows.db*"):
        file.unlink()
    system.start()
    assert system.everything() == before
    assert system.server.stop() == 0
    assert stored_rows(system.data_dir) == rows
    system.start()


def test_a_rebuild_is_not_seen_by_those_who_read_all_the_while(system: System) -> None:
    before = system.everything()
    over = threading.Event()
    reads: dict[str, int] = dict.fromkeys(LISTS, 0)
    wrong: list[str] = []

    def read(noun: str) -> None:
        while not over.is_set():
            try:
                if system.listed(f"/v1/{noun}") != before[noun]:
                    wrong.append(f"the list of {noun} has changed")
            except (AssertionError, httpx.TransportError) as fault:
                wrong.append(f"{noun}: {fault}")
            reads[noun] += 1

    readers = [threading.Thread(target=read, args=(noun,)) for noun in LISTS]
    for reader in readers:
        reader.start()
    try:
        for projection in system.get("/v1/projections")["items"]:
            name = projection["name"]
            answer = system.ask("POST", f"/v1/projections/{name}/rebuild")
            assert answer.status_code == 202
            eventually(lambda: rebuilt(system, name, answer.json()["build"]))  # noqa: B023
        so_far = dict(reads)
        eventually(lambda: all(reads[noun] > so_far[noun] for noun in LISTS))
    finally:
        over.set()
        for reader in readers:
            reader.join()
    assert not wrong
    assert system.everything() == before


def rebuilt(system: System, name: str, build: int) -> bool:
    projection = system.get(f"/v1/projections/{name}")
    return bool(projection["build"] == build and projection["rebuild_position"] is None)


def skyulf(*arguments: object) -> None:
    """Run the command, which must end well."""
    command = [sys.executable, "-m", "skyulf", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr + ended.stdout


def test_what_was_exported_lives_on_in_another_directory(system: System, tmp_path: Path) -> None:
    before, predicted = system.everything(), system.predict().json()
    file = tmp_path / "events.jsonl"
    with System(tmp_path / "other") as other:
        skyulf("events", "export", file, "--with-artifacts", "--data-dir", system.data_dir)
        skyulf("events", "replay", file, "--data-dir", other.data_dir)
        assert log_of(other.data_dir) == log_of(system.data_dir)
        other.start()
        assert other.everything() == before
        assert other.predict().json() == predicted
        again = tmp_path / "again.jsonl"
        skyulf("events", "export", again, "--data-dir", other.data_dir)
        assert again.read_bytes() == file.read_bytes()
        dataset = other.get("/v1/datasets")["items"][0]["id"]
        other.trained(dataset, model_name="tiny")
        assert other.get("/v1/models/tiny/versions/3")["model_version"] == 3
        assert log_of(other.data_dir)[: len(log_of(system.data_dir))] == log_of(system.data_dir)
