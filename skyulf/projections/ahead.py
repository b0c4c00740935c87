"""Pages of the log, of which the next is read and decoded while the one before is folded and written."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple, Self

from skyulf.events.base import DomainEvent, Recorded
from skyulf.events.log import EventLog
from skyulf.projections.folding import read

Read = tuple[Recorded, DomainEvent | Exception]
"""An event as it was stored and decoded, or why it cannot be decoded."""


class Decoded(NamedTuple):
    """A page of the log, and how far it goes; ``full`` says that there may be more."""

    events: Sequence[Read]
    position: int
    full: bool


class Ahead:
    """Reads a log in pages of at most ``size`` events; what follows on a full one is read in a thread meanwhile.

    A context: what is read ahead is read within it, so that it holds what was there when the context began.
    """

    def __init__(self, log: EventLog, size: int) -> None:
        self._log = log
        self._size = size
        self._thread = ThreadPoolExecutor(1, "ahead")
        self._coming: dict[tuple[int, tuple[str, ...], int | None], Future[Decoded]] = {}

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Wait for what is being read; nobody asks for it any more."""
        self._thread.shutdown(cancel_futures=True)

    def page(self, after: int, types: tuple[str, ...], until: int | None = None) -> Decoded:
        """The page of events of ``types`` beyond a position, up to ``until``; raises what reading the log raises."""
        coming = self._coming.pop((after, types, until), None)
        page = self._read(after, types, until) if coming is None else coming.result()
        if page.full:
            following = (page.position, types, until)
            self._coming[following] = self._thread.submit(self._read, *following)
        return page

    def _read(self, after: int, types: tuple[str, ...], until: int | None) -> Decoded:
        page = self._log.read(after, self._size, types=types, until=until)
        events = [(recorded, read(recorded)) for recorded in page.events]
        return Decoded(events, page.position, len(events) == self._size)
