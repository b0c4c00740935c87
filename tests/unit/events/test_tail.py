"""Feeds of events: whoever follows hears at once, and where nobody does, appends cost the event loop nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import cast

import pytest
from builders import registered, sequential_ids, written
from loops import CountingLoop

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.events import tail
from skyulf.events.tail import EventTail

SOON = 20
"""Seconds within which something must come; never reached unless it does not."""

MODEL = "model-irises"


@pytest.fixture(autouse=True)
def no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not told is never found out."""
    monkeypatch.setattr(tail, "LOOK", 10 * SOON)


@pytest.fixture
def log() -> MemoryEventLog:
    return MemoryEventLog(sequential_ids())


def opened(log: MemoryEventLog) -> EventTail:
    made = EventTail(log, lambda recorded: f"{recorded.position} ".encode())
    made.open()
    return made


async def first(feed: AsyncIterator[bytes]) -> bytes:
    return await asyncio.wait_for(anext(feed), SOON)


async def at_the_head(feeds: EventTail) -> None:
    """Until those who follow have read all there is, and wait for news."""
    await asyncio.sleep(0)
    await asyncio.gather(*feeds._reads.values())
    await asyncio.sleep(0)


def test_an_append_is_heard_of_by_whoever_follows(log: MemoryEventLog) -> None:
    async def follow() -> list[bytes]:
        feeds = opened(log)
        waiting = [asyncio.create_task(first(feeds.follow(0, (), None))) for _ in range(3)]
        await at_the_head(feeds)
        written(log, MODEL, 0, registered(1))
        return await asyncio.gather(*waiting)

    assert asyncio.run(follow()) == [b"1 "] * 3


def test_who_comes_to_the_place_of_one_that_has_left_hears_what_came_between(log: MemoryEventLog) -> None:
    """The page that the first one had read there is not the second one's."""

    async def follow() -> bytes:
        feeds = opened(log)
        leaving = asyncio.create_task(first(feeds.follow(0, (), None)))
        await at_the_head(feeds)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        written(log, MODEL, 0, registered(1))
        async with aclosing(feeds.follow(0, (), None)) as feed:  # type: ignore[type-var]
            return await first(feed)

    assert asyncio.run(follow()) == b"1 "


def test_appends_that_nobody_follows_do_not_wake_the_loop(log: MemoryEventLog) -> None:
    async def append() -> int:
        opened(log)
        for version in range(3):
            written(log, MODEL, version, registered(version + 1))
        return cast("CountingLoop", asyncio.get_running_loop()).woken

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        assert runner.run(append()) == 0
