"""What was drawn of predictions is put away, told of once, and forgotten in time; what cannot be is counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from builders import NOW, everything, sequential_ids, target, written

from skyulf.adapters.memory_artifacts import MemoryArtifacts
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.commands import COMMANDS
from skyulf.commands.bus import CommandBus
from skyulf.events.deployment import (
    DeploymentCreated,
    DeploymentRolledOut,
    PredictionLogSet,
    PredictionsForgotten,
    PredictionsLogged,
)
from skyulf.events.registry import decode
from skyulf.reactions.prediction_log import PredictionLogger
from skyulf.reactions.sandbox import ChildDied
from skyulf.serving.logged import Part, Written
from skyulf.serving.sampling import Sampler

STREAM = "deployment-shop"


class Sandbox:
    """Writes how many samples it was given, or does what a test wants instead."""

    def __init__(self) -> None:
        self.instead: Any = None

    @contextmanager
    def fork(self) -> Iterator["Sandbox"]:
        yield self

    def run(self, _: Any, part: Part, limits: Any) -> Written:
        assert Path(part.model).read_text() == "the model"
        assert limits.seconds
        if self.instead is not None:
            raise self.instead
        Path(part.target).write_text(f"{[sample[2] for sample in part.samples]}")
        return Written(len(part.samples), 10 * len(part.samples), 0)


class Site:
    def __init__(self, scratch: Path, keep_rows: int) -> None:
        self.log = MemoryEventLog(sequential_ids())
        self.bus = CommandBus(self.log, COMMANDS, lambda: NOW, sequential_ids())
        self.artifacts, self.sandbox = MemoryArtifacts(), Sandbox()
        self.scratch = scratch
        self.grown: list[str] = []
        model = scratch / "model"
        model.write_text("the model")
        self.target = target().model_copy(update={"artifact": self.artifacts.put(model)})
        model.unlink()
        served = DeploymentRolledOut(before=None, after=self.target)
        written(
            self.log,
            STREAM,
            0,
            DeploymentCreated(),
            served,
            PredictionLogSet(share=1, keep_rows=keep_rows, alert="major"),
        )
        self.sampler = Sampler(lambda: 0.0, lambda: NOW)
        self.logger = self.another()

    def another(self) -> PredictionLogger:
        sandbox: Any = self.sandbox
        return PredictionLogger(
            name="predictions-1",
            samples=self.sampler,
            part=Part,
            write=lambda: None,
            seconds=1000,
            log=self.log,
            bus=self.bus,
            sandbox=sandbox,
            artifacts=self.artifacts,
            scratch=self.scratch,
            added=self.grown.append,
        )

    def predicted(self, *bodies: bytes) -> None:
        for body in bodies:
            self.sampler.offer(1.0, "shop", self.target, "json", body, "json", b"answer")

    def logged(self) -> list[PredictionsLogged]:
        return [event for each in everything(self.log) if isinstance(event := decode(each), PredictionsLogged)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, keep_rows=25)
    yield made
    made.bus.close()


def test_what_was_drawn_is_put_away_and_told_of(site: Site) -> None:
    site.predicted(b"a", b"b")
    site.logger.flush()
    site.logger.flush()
    (logged,) = site.logged()
    assert (logged.target, logged.requests, logged.rows, logged.lost) == (site.target, 2, 20, 0)
    assert site.artifacts.read(logged.artifact) == b"[b'a', b'b']"
    assert (logged.since, logged.until) == (NOW, NOW)
    assert everything(site.log)[-1].metadata.actor.kind == "service"
    assert (list(site.scratch.iterdir()), site.grown) == ([], ["shop"])


def test_parts_that_are_no_longer_needed_are_forgotten_and_removed(site: Site) -> None:
    for number in range(4):
        site.predicted(b"%d" % number)
        site.logger.flush()
    first, *newest = [part.artifact for part in site.logged()]
    assert {decode(each) for each in everything(site.log) if each.type == "PredictionsForgotten"} == {
        PredictionsForgotten(artifact=first)
    }
    kept = set(site.artifacts.digests())
    assert first not in kept
    assert set(newest) <= kept


def test_what_a_killed_process_has_not_removed_the_next_one_removes(site: Site) -> None:
    remove = site.artifacts.remove
    site.artifacts.remove = lambda _: None  # type: ignore[method-assign]
    for number in range(4):
        site.predicted(b"%d" % number)
        site.logger.flush()
    first = site.logged()[0].artifact
    assert first in set(site.artifacts.digests())
    site.artifacts.remove = remove  # type: ignore[method-assign]
    site.predicted(b"")
    site.another().flush()
    assert site.logged()[1].artifact not in set(site.artifacts.digests())


def test_what_could_not_be_put_away_is_counted_by_the_next_part(site: Site) -> None:
    site.predicted(b"a", b"b")
    site.sandbox.instead = ChildDied(None)
    site.logger.flush()
    assert site.logged() == []
    site.sandbox.instead = None
    site.predicted(b"c")
    site.logger.flush()
    (logged,) = site.logged()
    assert (logged.requests, logged.lost) == (1, 2)


def test_the_end_of_a_process_puts_away_what_there_is(site: Site) -> None:
    site.logger.start()
    site.predicted(b"a")
    site.logger.stop()
    assert [part.requests for part in site.logged()] == [1]
    never_started = site.another()
    site.predicted(b"b")
    never_started.stop()
    assert [part.requests for part in site.logged()] == [1, 1]
