"""What was erased ends, whatever breaks or is killed meanwhile: data, jobs under way, and what serves it."""

import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import (
    NOW,
    context,
    dataset_created,
    job_created,
    model_trained,
    registered,
    sequential_ids,
    target,
    version_added,
    written,
)

from skyulf.adapters.leases import MemoryLeases
from skyulf.adapters.memory_artifacts import MemoryArtifacts
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.commands import COMMANDS
from skyulf.commands.bus import CommandBus
from skyulf.commands.dataset import EraseDataset
from skyulf.errors import Erased, SkyulfError, Unavailable
from skyulf.events.dataset import DatasetErasureFinished
from skyulf.events.deployment import DeploymentCreated, DeploymentRolledOut
from skyulf.events.holdings import holdings
from skyulf.events.job import JobStarted
from skyulf.events.model import ModelAliasSet
from skyulf.events.registry import decode, replay
from skyulf.reactions.erasure import Eraser
from skyulf.reactions.leases import Work

ID, OTHER = "dataset-1", "dataset-2"


class Artifacts(MemoryArtifacts):
    """A store that is away for a while; ``kills`` are raised once what was asked is done."""

    def __init__(self) -> None:
        super().__init__()
        self.away = 0
        self.kills: list[BaseException] = []

    def erase(self, dataset: str, also: Collection[str] = ()) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("the artifact store is away")
        super().erase(dataset, also)
        if self.kills:
            raise self.kills.pop()


class Killed(BaseException):
    """The process is gone."""


class Site:
    """Two datasets; of the first one a model with an alias that is served, and a job that runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = MemoryEventLog(sequential_ids())
        self.bus = CommandBus(self.log, COMMANDS, lambda: NOW, sequential_ids())
        self.table: dict[Work, MemoryLeases] = {}
        self.leases = MemoryLeases(self.table)
        self.artifacts = Artifacts()
        self.gone: list[str] = []
        table, model, evaluation = (self.put(ID, name) for name in ("table", "model", "evaluation"))
        self.old = self.put(None, "kept before there were keys")
        self.both = self.put(None, "of both, before there were keys")
        self.others = self.put(OTHER, "table")
        for dataset, tables in ((ID, (table, self.old, self.both)), (OTHER, (self.others, self.both))):
            versions = [version_added(number, artifact=each) for number, each in enumerate(tables, start=1)]
            written(self.log, dataset, 0, dataset_created(), *versions)
        written(self.log, "job-1", 0, job_created(model_name="irises"), JobStarted(worker="w", attempt=1))
        written(self.log, "job-1", 2, model_trained(model=model, evaluation=evaluation))
        made = registered(1, job_id="job-1", model=model)
        written(self.log, "model-irises", 0, made, ModelAliasSet(alias="best", before=None, after=1))
        served = target(1).model_copy(update={"artifact": model})
        written(self.log, "deployment-shop", 0, DeploymentCreated(), DeploymentRolledOut(before=None, after=served))
        written(self.log, "job-2", 0, job_created(), JobStarted(worker="w", attempt=1))
        written(self.log, "job-3", 0, job_created())
        self.model = model

    def put(self, dataset: str | None, content: str) -> str:
        file = self.folder / "file"
        file.write_text(content)
        return self.artifacts.put(file) if dataset is None else self.artifacts.put_for(dataset, file)

    def eraser(self) -> Eraser:
        return Eraser(
            name="eraser-1",
            log=self.log,
            bus=self.bus,
            leases=self.leases,
            artifacts=self.artifacts,
            let_go=self.gone.extend,
        )

    def erase(self) -> None:
        held = holdings(self.log).of(ID)
        command = EraseDataset(id=ID, artifacts=held.artifacts, models=held.models, deployments=held.deployments)
        self.bus.send(command, context(reason="they asked")).result()

    def state(self, stream: str) -> Any:
        return replay(stream, None, self.log.load({stream: 0})[stream])

    def finished(self) -> list[DatasetErasureFinished]:
        events = [decode(recorded) for recorded in self.log.load({ID: 0})[ID]]
        return [event for event in events if isinstance(event, DatasetErasureFinished)]

    def assert_erased(self) -> None:
        (finished,) = self.finished()
        assert set(finished.artifacts) == {self.model, self.old, self.evaluation()}
        assert set(finished.shared) == {self.others, self.both}
        assert set(self.artifacts.digests()) == {self.others, self.both}
        for digest in finished.artifacts:
            with pytest.raises(Erased, match=ID):
                self.artifacts.read(digest)
        assert self.state("deployment-shop").retired
        model = self.state("model-irises")
        assert (model.aliases, model.retired) == ({}, {1})
        assert [self.state(job).status for job in ("job-1", "job-2", "job-3")] == ["succeeded", "failed", "created"]

    def evaluation(self) -> str:
        trained = decode(self.log.load({"job-1": 2})["job-1"][0])
        return str(trained.evaluation)  # type: ignore[attr-defined]


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.bus.close()


def test_everything_ends_that_was_made_of_it_and_nothing_else(it: Site) -> None:
    eraser = it.eraser()
    eraser.look()
    assert not it.finished()
    it.erase()
    eraser.look()
    it.assert_erased()
    assert {it.model, it.old} < set(it.gone)
    position = it.log.head()
    eraser.look()
    it.eraser().look()
    assert it.log.head() == position, "what is finished is not done again"


def test_why_it_was_erased_stands_in_what_follows(it: Site) -> None:
    it.erase()
    it.eraser().look()
    for stream in ("deployment-shop", "model-irises", "job-2"):
        metadata = it.log.load({stream: 0})[stream][-1].metadata
        assert metadata.reason == f"{ID} was erased: they asked"
        assert metadata.causation_id == it.log.load({ID: 0})[ID][-2].id


def test_it_is_tried_again_until_it_is_done(it: Site) -> None:
    it.artifacts.away = 2
    it.erase()
    eraser = it.eraser()
    for _ in range(2):
        eraser.look()
        assert not it.finished()
        assert it.state("deployment-shop").active is not None, "what cannot be erased yet is not taken for erased"
    eraser.look()
    it.assert_erased()


@pytest.mark.parametrize("sent", range(6))
def test_whatever_was_done_when_it_was_killed_another_process_finishes_it(
    it: Site, sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    it.erase()
    left = [sent]
    send = it.bus.send

    def killing(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return send(*arguments)

    if sent == 0:
        it.artifacts.kills.append(Killed())
    monkeypatch.setattr(it.bus, "send", killing)
    if sent < 5:
        with pytest.raises(Killed):
            it.eraser().look()
        assert not it.finished()
    monkeypatch.setattr(it.bus, "send", send)
    it.eraser().look()
    it.assert_erased()


def test_one_process_at_a_time_does_it_and_each_lets_go(it: Site) -> None:
    it.erase()
    work = Work(f"the erasure of {ID}", 0)
    other = MemoryLeases(it.table)
    other.take(work)
    eraser = it.eraser()
    eraser.look()
    assert not it.finished()
    assert it.model in it.gone
    other.release(work)
    eraser.look()
    it.assert_erased()


def test_what_cannot_be_retired_does_not_keep_the_data(it: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: Any) -> Any:
        raise SkyulfError("a fault")

    it.erase()
    monkeypatch.setattr(it.bus, "send", refusing)
    it.eraser().look()
    assert not it.finished()
    assert set(it.artifacts.digests()) == {it.others, it.both}


def test_it_looks_when_it_is_woken_and_after_a_start(it: Site) -> None:
    appended = threading.Event()
    end = it.log.subscribe(appended.set)
    eraser = it.eraser()
    eraser.start()
    it.erase()
    eraser.wake()
    while not it.finished():
        assert appended.wait(30)
        appended.clear()
    eraser.close()
    end()
    it.assert_erased()
