"""``skyulf webhooks`` where no server runs: what is asked for is recorded, and a server does it once there is one."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from skyulf.cli.app import app
from skyulf.events.delivery_store import Progress, Waiting
from skyulf.runtime import Runtime
from skyulf.settings import Settings

URL = "https://example.org/hook"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SKYULF_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["webhooks", *map(str, words)], env={"COLUMNS": "160"})


def answered(*words: object) -> dict[str, Any]:
    done = run(*words, "--json")
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_from_the_first_to_the_last(data: Path) -> None:
    added = run("add", URL, "--noun", "job", "--type", "JobFailed")
    assert added.exit_code == 0, added.output
    secret = next(word for word in added.stdout.split() if word.startswith("whsec_"))
    (item,) = answered("list")["items"]
    assert (item["url"], item["types"], item["nouns"], item["has_secret"]) == (URL, ["JobFailed"], ["job"], True)
    end = item["id"][-8:]

    with_progress(data, item["id"])
    shown = run("show", end).stdout
    assert "job-1" in shown
    assert "answered 500" in shown
    assert secret not in shown
    assert "parked" in run("list").stdout
    assert answered("show", end)["streams_waiting"][0]["parked"]

    assert answered("retry", end, "job-1")["version"] == 2
    assert answered("skip", end, "job-1", "--position", 1, "--reason", "it cannot be read")["version"] == 3
    assert answered("replay", end, "--after", 0)["version"] == 4
    assert answered("pause", end, "--reason", "a move")["version"] == 5
    assert "paused" in run("list").stdout
    assert answered("resume", end)["version"] == 6
    assert answered("secret", end)["secret"] != secret
    assert answered("remove", end, "--reason", "it is over")["version"] == 8
    assert "removed" in run("show", end).stdout
    assert "active" in run("show", end, "--as-of", 1).stdout


def with_progress(data: Path, webhook: str) -> None:
    """Have it stand as after a server that could not deliver one stream."""
    runtime = Runtime(Settings(data_dir=data))
    try:
        now = runtime.now()
        parked = Waiting("job-1", 1, 12, "answered 500", now, now, parked=True)
        runtime.deliveries.save(webhook, Progress(1, 1, (parked,)))
    finally:
        runtime.close()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("add", "ftp://example.org"), "https or http"),
        (("add", "http://127.0.0.1:8000/"), "SKYULF_WEBHOOK_HOSTS"),
        (("add", URL, "--type", "JobMade"), "JobCreated"),
        (("add", URL, "--after", 100), "up to the log's head"),
    ],
)
def test_what_cannot_be_says_what_was_expected(data: Path, words: tuple[object, ...], told: str) -> None:
    refused = run(*words)
    assert refused.exit_code != 0
    assert told in refused.output
