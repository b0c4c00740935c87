"""Follow the log from an event loop: many readers, one read for all that stand at the same place."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable

from skyulf.events.base import Recorded
from skyulf.events.log import EventLog, Page

PAGE = 200

LOOK = 1.0
"""Seconds after which a reader looks again without a wake-up: another process may have appended."""

PAGES_KEPT = 64
"""Pages that are kept for readers who come to the same place; one who reads all of the past shares with nobody."""

Place = tuple[int, tuple[str, ...], str | None]

Read = asyncio.Task[tuple[Page, bytes]]


class EventTail:
    """Feeds of events; belongs to the event loop that opens it.

    ``render`` makes an event what readers are sent; that is done once for all readers of a page.
    """

    def __init__(self, log: EventLog, render: Callable[[Recorded], bytes]) -> None:
        self._log = log
        self._render = render
        self._news = asyncio.Event()
        self._reads: OrderedDict[Place, Read] = OrderedDict()
        self._closed = False
        self._unsubscribe: Callable[[], None] = lambda: None
        self._woken = False
        self._readers = 0

    def open(self) -> None:
        """Begin to hear of appends, in the running event loop."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            # Many appends before the loop comes to it are one piece of news. Where nobody follows it is not told: a
            # wake-up costs it as much as the answer to the command, and who comes later reads later.
            if self._readers and not self._woken:
                self._woken = True
                loop.call_soon_threadsafe(self._wake)

        self._unsubscribe = self._log.subscribe(wake)

    def close(self) -> None:
        """End every feed."""
        self._unsubscribe()
        self._closed = True
        self._wake()

    async def follow(self, after: int, types: tuple[str, ...], stream: str | None) -> AsyncIterator[bytes]:
        """Every event above ``after`` that is asked for, page by page as it comes; ends only with `close`."""
        self._readers += 1
        try:
            while not self._closed:
                news = self._news
                place = (after, types, stream)
                read = self._read(place)
                try:
                    page, rendered = await asyncio.shield(read)
                except Exception:
                    self._forget(place, read)
                    raise
                after = page.position
                if rendered:
                    yield rendered
                else:
                    try:
                        await asyncio.wait_for(news.wait(), LOOK)
                    except TimeoutError:
                        self._forget(place, read)
        finally:
            self._readers -= 1
            if not self._readers:
                self._reads.clear()  # nobody will say when they are out of date

    def _read(self, place: Place) -> Read:
        """The read at a place that is under way or done, or a new one."""
        read = self._reads.get(place)
        if read is None:
            read = self._reads[place] = asyncio.create_task(asyncio.to_thread(self._page, place))
            if len(self._reads) > PAGES_KEPT:
                self._reads.popitem(last=False)
        return read

    def _forget(self, place: Place, read: Read) -> None:
        """Have the place read anew, unless another reader has seen to that."""
        if self._reads.get(place) is read:
            del self._reads[place]

    def _page(self, place: Place) -> tuple[Page, bytes]:
        after, types, stream = place
        page = self._log.read(after, PAGE, types, stream)
        return page, b"".join(map(self._render, page.events))

    def _wake(self) -> None:
        self._woken = False
        self._reads.clear()
        self._news.set()
        self._news = asyncio.Event()
