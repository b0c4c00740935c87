"""The event log in memory, for tests of every layer above it and for throw-away systems.

Not on the library's in-memory recorder: that one numbers events by their place in a list, so that a restored log
could not keep its gaps (docs/decisions/0002-recorders.md).
"""

import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from skyulf.adapters.stored import RestoreCheck, command_twice, data_of, wrong_version
from skyulf.adapters.wakeups import Wakeups
from skyulf.errors import NotAllowed
from skyulf.events.base import Recorded
from skyulf.events.examination import Examined
from skyulf.events.log import Append, AppendResult, CommandRecorded, Page, unfounded


class MemoryEventLog:
    """`EventLog` in memory; ``new_id`` makes the ids of events (UUIDv7)."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._lock = threading.RLock()
        self._events: list[Recorded] = []
        self._positions: list[int] = []
        self._streams: dict[str, list[Recorded]] = defaultdict(list)
        self._commands: dict[tuple[str, str], list[Recorded]] = defaultdict(list)
        self._wakeups = Wakeups()
        self._mark = object()

    def append(self, appends: Sequence[Append]) -> list[AppendResult]:
        """See `EventLog.append`."""
        with self._lock:
            results: list[AppendResult] = []
            for append in appends:
                refused = unfounded(append, lambda number: not isinstance(results[number], tuple))
                results.append(refused or self._append_one(append))
        self._mark = object()
        self._wakeups.wake_all()
        return results

    def _append_one(self, append: Append) -> AppendResult:
        metadata = append.metadata
        if (metadata.actor.id, metadata.command_id) in self._commands:
            return CommandRecorded(metadata.command_id)
        versions = {write.stream: self._version(write.stream) for write in append.writes}
        if (wrong := wrong_version(append.writes, versions)) is not None:
            return wrong
        written: list[Recorded] = []
        for write in append.writes:
            for event in write.events:
                written.append(
                    Recorded(
                        position=self.head() + 1,
                        stream=write.stream,
                        version=self._version(write.stream) + 1,
                        id=self._new_id(),
                        type=type(event).__name__,
                        schema=event.SCHEMA,
                        metadata=metadata,
                        ordinal=len(written),
                        data=data_of(event),
                    )
                )
                self._keep(written[-1])
        return tuple(written)

    def _keep(self, recorded: Recorded) -> None:
        self._events.append(recorded)
        self._positions.append(recorded.position)
        self._streams[recorded.stream].append(recorded)
        self._commands[recorded.metadata.actor.id, recorded.metadata.command_id].append(recorded)

    def _version(self, stream: str) -> int:
        return len(self._streams.get(stream, ()))

    def load(self, after: Mapping[str, int]) -> dict[str, tuple[Recorded, ...]]:
        """See `EventLog.load`."""
        with self._lock:
            return {stream: tuple(self._streams.get(stream, ())[version:]) for stream, version in after.items()}

    def read(
        self, after: int, limit: int, types: Sequence[str] = (), stream: str | None = None, until: int | None = None
    ) -> Page:
        """See `EventLog.read`."""
        with self._lock:
            stop = self.head() if until is None else min(until, self.head())
            found: list[Recorded] = []
            for recorded in self._events[bisect_right(self._positions, after) : bisect_right(self._positions, stop)]:
                if (types and recorded.type not in types) or (stream is not None and recorded.stream != stream):
                    continue
                found.append(recorded)
                if len(found) == limit:
                    return Page(tuple(found), recorded.position)
            return Page(tuple(found), max(stop, after))

    def examine(self, after: int, limit: int, until: int | None = None) -> tuple[Examined, ...]:
        """See `EventLog.examine`."""
        return self.read(after, limit, until=until).events

    def command(self, actor: str, command_id: str) -> tuple[Recorded, ...]:
        """See `EventLog.command`."""
        with self._lock:
            return tuple(self._commands.get((actor, command_id), ()))

    def head(self) -> int:
        """See `EventLog.head`."""
        return self._positions[-1] if self._positions else 0

    def mark(self) -> object:
        """See `EventLog.mark`."""
        return self._mark

    def restore(self, records: Iterable[Recorded]) -> int:
        """See `EventLog.restore`."""
        check = RestoreCheck()
        with self._lock:
            if self._events:
                raise NotAllowed("the log is not empty: replay into a new data directory")
            checked: list[Recorded] = []
            commands: set[tuple[str, str, int]] = set()
            for recorded in records:
                check.see(recorded)
                key = (recorded.metadata.actor.id, recorded.metadata.command_id, recorded.ordinal)
                if key in commands:
                    raise command_twice(recorded)
                commands.add(key)
                checked.append(recorded)
            for recorded in checked:
                self._keep(recorded)
        self._mark = object()
        self._wakeups.wake_all()
        return len(checked)

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """See `EventLog.subscribe`."""
        return self._wakeups.subscribe(wake)

    def close(self) -> None:
        """See `EventLog.close`."""
