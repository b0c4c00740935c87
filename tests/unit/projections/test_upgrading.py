"""Processes of older and newer code on one store: neither takes the other's rows, and nobody waits for nothing."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from builders import named, record, renamed, written

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.errors import Unavailable
from skyulf.events.base import Recorded
from skyulf.events.pipeline import PipelineCreated, PipelineRevised
from skyulf.events.registry import EVENTS
from skyulf.projections import folding, parking
from skyulf.projections.base import Projection, Row, by_stream
from skyulf.projections.pipeline import PIPELINES
from skyulf.projections.projector import Projector
from skyulf.projections.store import ReadStore
from skyulf.queries.freshness import Freshness

SOON = 20.0


class Named(Row, frozen=True, kw_only=True):
    """The names that a pipeline had, and the version of the code that kept them."""

    id: str
    names: list[str]
    by: int


def names_by(version: int) -> Projection[Named]:
    """A projection as the code of a version has it."""

    def fold(row: Named | None, event: Any, recorded: Recorded) -> Named:
        return Named(id=recorded.stream, names=[*(row.names if row else []), event.name], by=version)

    return Projection(
        name="names",
        version=version,
        row=Named,
        folds=(PipelineCreated, PipelineRevised),
        key=by_stream,
        fold=fold,
        columns={"id": "text"},
        indexes=(("id",),),
    )


OLD, NEW = [names_by(1), PIPELINES], [names_by(2), PIPELINES]


@contextmanager
def running(log: MemoryEventLog, store: ReadStore, code: list[Projection[Any]]) -> Iterator[Projector]:
    """A process that projects."""
    made = Projector(log, store, code)
    made.start()
    try:
        yield made
    finally:
        made.close()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def shown(store: ReadStore, code: list[Projection[Any]]) -> list[tuple[list[str], int]]:
    """What a reader of that code is shown of the first pipeline."""
    return [(row.names, row.by) for _, row in store.get(code[0], ["pipeline-1"]).rows]


def at_head(log: MemoryEventLog, store: ReadStore, code: list[Projection[Any]]) -> bool:
    """Whether everything that this code reads is there."""
    live = {(build.projection, build.version): build.position for build in store.live()}
    return all(live.get((one.name, one.version)) == log.head() for one in code)


def test_both_are_kept_up_while_both_run_and_what_remains_is_taken_over(
    memory_log: MemoryEventLog, twins: list[ReadStore]
) -> None:
    theirs, ours = twins
    written(memory_log, "pipeline-1", 0, named("a"))
    with running(memory_log, ours, NEW) as upgraded, running(memory_log, theirs, OLD):
        until(lambda: not upgraded.building())
        written(memory_log, "pipeline-1", 1, renamed("b"))
        until(lambda: at_head(memory_log, ours, NEW) and at_head(memory_log, theirs, OLD))
        assert shown(ours, NEW) == [(["a", "b"], 2)]
        assert shown(theirs, OLD) == [(["a", "b"], 1)], "who was not upgraded yet reads on"
    with running(memory_log, theirs, OLD):
        written(memory_log, "pipeline-1", 2, renamed("c"))
        until(lambda: at_head(memory_log, theirs, OLD))
        late = Projector(memory_log, ours, NEW)
        late.start()
    try:
        written(memory_log, "pipeline-1", 3, renamed("d"))
        until(lambda: at_head(memory_log, ours, NEW))
        assert shown(ours, NEW) == [(["a", "b", "c", "d"], 2)]
        assert shown(theirs, OLD) == [(["a", "b", "c"], 1)], "nobody has that code any more: the rows stand still"
    finally:
        late.close()


def test_who_goes_back_finds_the_rows_and_takes_none_of_the_newer_code(
    memory_log: MemoryEventLog, twins: list[ReadStore]
) -> None:
    theirs, ours = twins
    written(memory_log, "pipeline-1", 0, named("a"))
    for store, code in ((theirs, OLD), (ours, NEW)):
        with running(memory_log, store, code):
            until(lambda code=code: at_head(memory_log, ours, code))  # type: ignore[misc]
    builds = {build.version: build.number for build in ours.builds("names")}
    written(memory_log, "pipeline-1", 1, renamed("b"))
    with running(memory_log, theirs, OLD):
        until(lambda: at_head(memory_log, theirs, OLD))
    assert shown(theirs, OLD) == [(["a", "b"], 1)]
    assert shown(ours, NEW) == [(["a"], 2)]
    assert {build.version: build.number for build in ours.builds("names")} == builds, "nothing was built anew"


def test_old_code_on_newer_rows_makes_its_own_beside_them(memory_log: MemoryEventLog, store: ReadStore) -> None:
    written(memory_log, "pipeline-1", 0, named("a"))
    for code in (NEW, OLD, OLD):
        with running(memory_log, store, code):
            until(lambda code=code: at_head(memory_log, store, code))  # type: ignore[misc]
    assert (shown(store, NEW), shown(store, OLD)) == ([(["a"], 2)], [(["a"], 1)])


def test_the_rows_of_the_code_before_the_last_are_dropped(memory_log: MemoryEventLog, store: ReadStore) -> None:
    written(memory_log, "pipeline-1", 0, named("a"))
    for code in (OLD, NEW, [names_by(3), PIPELINES]):
        with running(memory_log, store, code):
            until(lambda code=code: at_head(memory_log, store, code))  # type: ignore[misc]
    assert sorted(build.version for build in store.builds("names")) == [2, 3]


def test_what_old_code_could_not_read_is_folded_once_newer_code_projects(
    memory_log: MemoryEventLog, store: ReadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The projection is the same in both; only the event's schema is newer, written by a process that was upgraded."""
    memory_log.restore(
        [
            record(named("a"), 1, "pipeline-1", 1),
            record(renamed("b"), 2, "pipeline-1", 2, schema=99),
            record(renamed("c"), 3, "pipeline-1", 3),
        ]
    )
    with running(memory_log, store, OLD):
        until(lambda: at_head(memory_log, store, OLD))
    assert shown(store, OLD) == [(["a"], 1)]
    for module in (folding, parking):
        monkeypatch.setattr(module, "decode", lambda each: EVENTS[each.type].model_validate_json(each.data))
    with running(memory_log, store, OLD):
        until(lambda: not store.parked(OLD[0]) and not store.parked(PIPELINES))
    assert shown(store, OLD) == [(["a", "b", "c"], 1)]


def test_how_far_older_rows_are_tells_nothing_of_newer_ones(memory_log: MemoryEventLog) -> None:
    written(memory_log, "pipeline-1", 0, named("a"))
    store = MemoryReadStore()
    store.create_build(NEW[0])
    waiting = Freshness(memory_log, store, seconds=0.1)
    waiting.moved(OLD[0].code, memory_log.head())
    asyncio.run(waiting.reach(OLD[0], memory_log.head()))
    with pytest.raises(Unavailable, match="has not got to position 1 yet"):
        asyncio.run(waiting.reach(replace(NEW[0]), memory_log.head()))
