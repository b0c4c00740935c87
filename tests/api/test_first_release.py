"""A log that the first release wrote: today's code restores, shows, verifies and serves it, and leaves it as it is."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import Client, Server, serving, until

from skyulf import verifier
from skyulf.cli.screen import Screen
from skyulf.cli.transfer import export, replay
from skyulf.events import cloudevents
from skyulf.events.keys import PublicKey
from skyulf.events.registry import EVENTS, decode
from skyulf.runtime import log_key
from skyulf.settings import Settings

WRITTEN = Path(__file__).parents[1] / "first_release"
LOG = WRITTEN / "log.jsonl"
EVENTS_WRITTEN = 67

PENGUIN = {
    "island": "Biscoe",
    "bill_length_mm": 46.1,
    "bill_depth_mm": 13.2,
    "flipper_length_mm": 211,
    "body_mass_g": None,
    "sex": "female",
    "year": 2007,
}
GENTOO = 0.9749221353915251
"""What the first release said of it."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The data directory into which the export was replayed by today's ``skyulf events replay``."""
    folder = tmp_path_factory.mktemp("first-release")
    log = folder / LOG.name
    log.write_bytes(LOG.read_bytes())
    artifacts = folder / f"{LOG.name}.artifacts"
    artifacts.mkdir()
    for packed in (WRITTEN / "artifacts").iterdir():
        (artifacts / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    settings = Settings(data_dir=folder / "data", training_threads=1)
    replay(Screen(as_json=True), settings, log)
    return settings


@pytest.fixture(scope="module")
def old(settings: Settings) -> Iterator[Server]:
    with serving(settings) as server:
        yield server


@pytest.fixture(scope="module")
def asked(old: Server) -> Iterator[Client]:
    with old.client() as client:
        until(lambda: client.get("/health/ready").is_success)  # every projection is at the head
        yield client


def test_every_event_is_read_and_exported_to_the_byte() -> None:
    lines = LOG.read_bytes().splitlines()
    assert len(lines) == EVENTS_WRITTEN
    recorded = [cloudevents.from_json(line) for line in lines]
    assert [cloudevents.to_json(each) for each in recorded] == lines
    assert all(type(decode(each)) is EVENTS[each.type] for each in recorded)
    assert {each.name for each in recorded} >= {"JobCreated@1", "DatasetVersionAdded@1", "JobFailed@1"}


def test_it_is_shown_as_it_was(asked: Client) -> None:
    projections = asked.get("/v1/projections").json()["items"]
    assert all(each["parked"] == [] for each in projections)
    jobs = asked.everything("/v1/jobs")
    assert sorted(job["status"] for job in jobs) == ["cancelled"] * 2 + ["failed"] + ["succeeded"] * 5
    assert [job["attempt"] for job in jobs if job["status"] == "failed"] == [2], "reclaimed after a crash"
    model = asked.get("/v1/models/penguins").json()
    assert (model["model_version"], model["aliases"], model["retired"]) == (3, {"champion": 2}, [3])
    served = asked.get("/v1/deployments/shop").json()
    assert (served["model"], served["model_version"]) == ("penguins", 1)
    assert [each["reason"] for each in served["history"]] == ["the first one", "promoted", "it was slower"]
    assert asked.get("/v1/deployments/trial").json()["status"] == "retired"
    versions = [each["rows"] for each in asked.everything("/v1/datasets")]
    assert versions == [8, 300]


def test_its_histories_hold_no_event_that_cannot_be_told(asked: Client) -> None:
    with_names = {"datasets": "id", "pipelines": "id", "jobs": "id", "models": "name", "deployments": "name"}
    told = 0
    for nouns, field in with_names.items():
        for item in asked.everything(f"/v1/{nouns}"):
            path = f"/v1/audit/{nouns.removesuffix('s')}/{item[field]}"
            changes = asked.get(path, params={"limit": 1000}).json()["items"]
            assert [change["problem"] for change in changes] == [None] * len(changes)
            told += len(changes)
    assert told == EVENTS_WRITTEN


def test_its_model_is_served_and_says_what_it_said(asked: Client) -> None:
    answer = asked.post("/v1/deployments/shop/predict", json={"rows": [PENGUIN]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == ["Gentoo"]
    assert answer.json()["probabilities"][0]["Gentoo"] == pytest.approx(GENTOO, abs=1e-5)


def test_it_is_sealed_and_verified(old: Server, settings: Settings, tmp_path: Path) -> None:
    assert old.runtime.sealer is not None
    old.runtime.sealer.seal(sign=True)
    key: PublicKey = log_key(settings).first
    verdict = old.runtime.audit.verify(key)
    assert verdict.fine
    assert verdict.examination.covered >= EVENTS_WRITTEN
    file = tmp_path / "again.jsonl"
    export(Screen(as_json=True), settings, file, with_artifacts=False)
    assert file.read_bytes().splitlines()[:EVENTS_WRITTEN] == LOG.read_bytes().splitlines()
    told = verifier.verify(str(file), str(key), [], [])
    assert told["verified"], json.dumps(told)
