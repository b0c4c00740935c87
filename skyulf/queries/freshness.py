"""Wait until a position is projected, without blocking the event loop."""

import asyncio
from collections.abc import Callable
from typing import Any

from skyulf.errors import Fault, Invalid, Unavailable
from skyulf.events.log import EventLog
from skyulf.projections.base import Projection
from skyulf.projections.store import NotBuilt, ReadStore

LOOK = 0.05
"""Seconds without a word of the projector after which a waiter looks for itself: the word may have been lost."""


class Freshness:
    """Lets queries wait for what a command has written; ``seconds`` is the longest wait."""

    def __init__(self, log: EventLog, store: ReadStore, seconds: float) -> None:
        self._log = log
        self._store = store
        self._seconds = seconds
        self._positions: dict[str, int] = {}
        self._waiting: set[Callable[[], None]] = set()

    def moved(self, projection: str, position: int) -> None:
        """Tell waiters that the live rows of a projection's code have got to a position; from any thread."""
        self._positions[projection] = position
        for wake in tuple(self._waiting):
            wake()

    @property
    def known(self) -> int:
        """A position that the log has got to at least, as a projector has told; it costs nothing to ask."""
        return max(self._positions.values(), default=0)

    async def reach(self, projection: Projection[Any], position: int) -> None:
        """Return once the projection has got to ``position``.

        Raises `Invalid` at once when the log has no such position, and `Unavailable` when it takes too long.
        """
        if self._told(projection, position) or await self._looked(projection, position):
            return
        await self.need_recorded(position)
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        self._waiting.add(wake)
        try:
            async with asyncio.timeout(self._seconds):
                while not self._told(projection, position):
                    try:
                        await asyncio.wait_for(woken.wait(), LOOK)
                    except TimeoutError:
                        if await self._looked(projection, position):
                            return
                    woken.clear()
        except TimeoutError:
            raise Unavailable(f"{projection.name} has not got to position {position} yet; ask again") from None
        finally:
            self._waiting.discard(wake)

    async def need_recorded(self, position: int) -> None:
        """Raise `Invalid` when the log has no such position."""
        head = await asyncio.to_thread(self._log.head)
        if position > head:
            raise Invalid(
                "the log has not got there", [Fault("min_position", f"at most {head}, the position of the last event")]
            )

    def _told(self, projection: Projection[Any], position: int) -> bool:
        """Whether a projector has said that it has got there; it costs nothing to ask."""
        return self._positions.get(projection.code, 0) >= position

    async def _looked(self, projection: Projection[Any], position: int) -> bool:
        """Whether the store says so: the projector may be in another process, and what it says may be lost."""
        stored = await asyncio.to_thread(self._stored, projection)
        self._positions[projection.code] = max(stored, self._positions.get(projection.code, 0))
        return stored >= position

    def _stored(self, projection: Projection[Any]) -> int:
        try:
            return self._store.position(projection)
        except NotBuilt:
            return -1
