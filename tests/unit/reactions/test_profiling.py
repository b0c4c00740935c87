"""Profiles are made once, whoever asks and whatever ends them; what fails is made anew when it is asked for again."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import NOW, dataset_created, sequential_ids, version_added, written

from skyulf.adapters.memory_artifacts import MemoryArtifacts
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.commands import COMMANDS
from skyulf.commands.bus import CommandBus
from skyulf.errors import NotAllowed, Unavailable
from skyulf.events.dataset import DatasetProfiled
from skyulf.events.registry import decode
from skyulf.reactions import on_request
from skyulf.reactions.profiler import Profiled, profile_table
from skyulf.reactions.profiling import ProfileService, Version
from skyulf.reactions.sandbox import ChildCancelled, ChildDied, ChildFailed, ChildTimedOut

DATASET = "dataset-1"


class Sandbox:
    """Children that write a profile at once, or end as they are told to."""

    def __init__(self) -> None:
        self.ends: list[BaseException] = []
        self.asked: list[str] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def fork(self) -> "Sandbox":
        return self

    def run(self, function: Callable[..., Any], *task: Any, limits: Any) -> Any:
        self.asked.append(function.__name__)
        assert self.go_on.wait(30)
        if self.ends:
            raise self.ends.pop(0)
        if function is profile_table:
            Path(task[1]).write_text("{}")
            return Profiled(100, [{"rule": "constant", "columns": ["x"]}])
        return b'{"level":"none"}'


class Installation:
    def __init__(self, folder: Path) -> None:
        self.log = MemoryEventLog(sequential_ids())
        written(self.log, DATASET, 0, dataset_created(), version_added(1), version_added(2))
        self.sandbox = Sandbox()
        self.artifacts = MemoryArtifacts()
        table = folder / "table"
        table.write_text("a table")
        self.table = self.artifacts.put(table)
        self.bus = CommandBus(self.log, COMMANDS, lambda: NOW, sequential_ids())
        self.folder = folder
        self.service = self.another()

    def another(self) -> ProfileService:
        return ProfileService(
            name="profiler-1",
            log=self.log,
            bus=self.bus,
            sandbox=self.sandbox,  # type: ignore[arg-type]
            artifacts=self.artifacts,
            scratch=self.folder,
        )

    def version(self, number: int) -> Version:
        return Version(DATASET, number, self.table, 100, ())

    def profiled(self) -> list[DatasetProfiled]:
        events = [decode(event) for event in self.log.load({DATASET: 0})[DATASET]]
        return [event for event in events if isinstance(event, DatasetProfiled)]


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path)
    yield made
    made.sandbox.go_on.set()
    made.service.close()
    made.bus.close()


def test_who_asks_meanwhile_and_who_asks_later_gets_what_was_made(it: Installation) -> None:
    it.sandbox.go_on.clear()
    asked = [it.service.profile(it.version(1)) for _ in range(5)]
    it.sandbox.go_on.set()
    digests = {future.result(30) for future in asked}
    assert digests == {it.service.profile(it.version(1)).result(30)}
    assert it.sandbox.asked == ["profile_table"]
    (told,) = it.profiled()
    assert (told.dataset_version, told.profile, told.warnings[0].rule) == (1, digests.pop(), "constant")


def test_two_versions_of_one_table_are_both_recorded(it: Installation) -> None:
    for number in (1, 2):
        it.service.profile(it.version(number)).result(30)
    assert [told.dataset_version for told in it.profiled()] == [1, 2]


def test_two_processes_record_it_once(it: Installation) -> None:
    other = it.another()
    assert it.service.profile(it.version(1)).result(30) == other.profile(it.version(1)).result(30)
    assert len(it.profiled()) == 1
    other.close()


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (ChildDied(-9), Unavailable),
        (ChildCancelled(), Unavailable),
        (ChildTimedOut(900.0), NotAllowed),
        (ChildFailed("memory", "MemoryError", "", ""), NotAllowed),
        (ChildFailed("error", "ValueError", "could not read SECRET", "SECRET"), NotAllowed),
    ],
)
def test_what_fails_is_told_without_values_and_made_anew(
    it: Installation, end: BaseException, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    it.sandbox.ends = [end]
    with pytest.raises(error) as raised:
        it.service.profile(it.version(1)).result(30)
    assert "SECRET" not in str(raised.value) + caplog.text
    assert it.profiled() == []
    it.service.profile(it.version(1)).result(30)
    assert len(it.profiled()) == 1


def test_comparisons_are_kept_at_hand_and_not_recorded(it: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_request, "KEPT", 1)
    for _ in range(3):
        assert it.service.drift(it.version(1), it.version(2)).result(30) == b'{"level":"none"}'
    assert it.sandbox.asked == ["compare_tables"]
    it.service.profile(it.version(1)).result(30)
    it.service.drift(it.version(1), it.version(2)).result(30)
    assert it.sandbox.asked == ["compare_tables", "profile_table", "compare_tables"], "the older one was let go"
    assert len(it.log.load({DATASET: 0})[DATASET]) == 4
