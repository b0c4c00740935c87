"""Files that no event names are found and removed once they are old; what any event names stays, whatever it is."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders import (
    PROBLEM,
    dataset_created,
    job_created,
    model_trained,
    predictions_logged,
    registered,
    sequential_ids,
    target,
    version_added,
    written,
)

from skyulf.adapters.artifact_keys import ArtifactKeys
from skyulf.adapters.encrypted_artifacts import EncryptedArtifacts
from skyulf.adapters.local_artifacts import LocalArtifacts
from skyulf.adapters.memory_artifacts import MemoryArtifacts
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.artifacts import DataStore, Stored
from skyulf.errors import NotFound
from skyulf.events.dataset import DatasetErased
from skyulf.events.deployment import DeploymentCreated, DeploymentRolledOut, PredictionsForgotten
from skyulf.events.job import JobFailed
from skyulf.reactions.collecting import Collector

HOUR = 3600.0


class Site:
    """A store of which some files are named by events, and others by none."""

    def __init__(self, folder: Path, store: DataStore) -> None:
        self.folder = folder
        self.store = store
        self.log = MemoryEventLog(sequential_ids())
        self.later = timedelta()
        self.collector = Collector(self.log, store, lambda: datetime.now(UTC) + self.later)
        contents = ("table", "model", "trace", "part", "old")
        table, model, trace, part, old = (self.put("dataset-1", content) for content in contents)
        self.named = {table, model, trace, part}
        self.forgotten = old
        self.plain = self.put(None, "kept before there were keys")
        left = [("dataset-1", "never reported"), ("dataset-9", "refused"), (None, "of nobody")]
        self.left = {self.put(*each) for each in left}
        added = [version_added(1, artifact=table), version_added(2, artifact=self.plain)]
        written(self.log, "dataset-1", 0, dataset_created(), *added)
        written(self.log, "job-1", 0, job_created(dataset_id="dataset-1"), model_trained(model=model))
        written(self.log, "job-2", 0, job_created(dataset_id="dataset-1"))
        written(self.log, "job-2", 1, JobFailed(attempt=1, problem=PROBLEM, traceback=trace))
        written(self.log, "model-irises", 0, registered(1, job_id="job-1", model=model))
        written(self.log, "deployment-shop", 0, DeploymentCreated(), DeploymentRolledOut(before=None, after=target(1)))
        parts = [predictions_logged(1, artifact=old), predictions_logged(2, artifact=part)]
        written(self.log, "deployment-shop", 2, *parts, PredictionsForgotten(artifact=old))

    def put(self, dataset: str | None, content: str) -> str:
        file = self.folder / "file"
        file.write_text(content)
        return self.store.put(file) if dataset is None else self.store.put_for(dataset, file)


@pytest.fixture(params=["memory", "encrypted"])
def it(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param == "memory":
        yield Site(tmp_path, MemoryArtifacts())
        return
    keys = ArtifactKeys(f"sqlite:///{tmp_path / 'keys.db'}")
    with closing(EncryptedArtifacts(LocalArtifacts(tmp_path / "a"), keys, lambda: tmp_path / "decrypted")) as store:
        yield Site(tmp_path, store)


def test_what_is_young_is_left_alone(it: Site) -> None:
    found = it.collector.collect(HOUR)
    assert (found.unnamed, found.young) == ((), 4)
    assert set(it.store.digests()) == {*it.named, *it.left, it.plain, it.forgotten}


def test_what_no_event_names_goes_and_nothing_else(it: Site) -> None:
    it.later = timedelta(hours=2)
    before = set(it.store.digests())
    found = it.collector.find(HOUR)
    assert {file.digest for file in found.unnamed} == {*it.left, it.forgotten}
    assert (found.young, found.kept) == (0, {"dataset": 2, "job": 2, "deployment": 1})
    assert set(it.store.digests()) == before, "looking removes nothing"
    assert it.collector.collect(HOUR) == found
    assert set(it.store.digests()) == {*it.named, it.plain}
    assert it.collector.collect(HOUR).unnamed == ()


def test_what_is_named_between_the_look_at_files_and_at_events_stays(it: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    it.later = timedelta(hours=2)
    late = next(iter(it.left))
    stored = it.store.stored

    def naming() -> Iterator[Stored]:
        files = list(stored())
        written(it.log, "dataset-2", 0, dataset_created(), version_added(1, artifact=late))
        return iter(files)

    monkeypatch.setattr(it.store, "stored", naming)
    it.collector.collect(HOUR)
    monkeypatch.undo()
    assert late in set(it.store.digests())


def test_what_was_erased_is_not_kept_for_its_name(it: Site) -> None:
    it.later = timedelta(hours=2)
    written(it.log, "dataset-1", 3, DatasetErased(artifacts=(), models=(), deployments=()))
    it.collector.collect(HOUR)
    assert set(it.store.digests()) == set()
    with pytest.raises(NotFound):
        it.store.read(it.plain)


def test_two_that_put_the_same_at_once_leave_a_file_that_is_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("the same")
    objects, keys = LocalArtifacts(tmp_path / "artifacts"), ArtifactKeys(f"sqlite:///{tmp_path / 'keys.db'}")
    with closing(EncryptedArtifacts(objects, keys, lambda: tmp_path / "decrypted")) as store:
        digest = store.put_for("dataset-1", file)
        add = keys.add
        monkeypatch.setattr(keys, "add", lambda *named: add(*named) and None)
        assert store.put_for("dataset-1", file) == digest
        assert len(list(objects.digests())) == 2
        log = MemoryEventLog(sequential_ids())
        written(log, "dataset-1", 0, dataset_created(), version_added(1, artifact=digest))
        Collector(log, store, lambda: datetime.now(UTC) + timedelta(hours=2)).collect(HOUR)
        assert len(list(objects.digests())) == 1
        assert store.read(digest) == b"the same"
