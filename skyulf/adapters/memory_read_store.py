"""Read models in memory, for tests of the layers above and for throw-away systems."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, TypeVar

import msgspec

from skyulf.projections.base import Projection, Row
from skyulf.projections.store import (
    Build,
    Change,
    CheckpointMoved,
    Found,
    NotBuilt,
    Parked,
    ParkedMessage,
    Plain,
    Selection,
)

R = TypeVar("R", bound=Row)


@dataclass(slots=True)
class Contents:
    """What a build holds."""

    build: Build
    rows: dict[str, Row] = field(default_factory=dict)
    parked: dict[int, Parked] = field(default_factory=dict)
    skipped: frozenset[int] = frozenset()
    changes: dict[str, tuple[Change, ...]] = field(default_factory=dict)
    """Of a history, every change of each key, in order of position."""


class MemoryBatch:
    """`BuildBatch` on a copy of a build, which takes its place at the end."""

    def __init__(self, contents: Contents) -> None:
        self.contents = Contents(
            contents.build, dict(contents.rows), dict(contents.parked), contents.skipped, dict(contents.changes)
        )

    @property
    def position(self) -> int:
        """See `BuildBatch.position`."""
        return self.contents.build.position

    def rows(self, keys: Sequence[str]) -> dict[str, Row]:
        """See `BuildBatch.rows`."""
        return {key: self.contents.rows[key] for key in keys if key in self.contents.rows}

    def parked(self) -> tuple[Parked, ...]:
        """See `BuildBatch.parked`."""
        return tuple(self.contents.parked[position] for position in sorted(self.contents.parked))

    def save(self, rows: Mapping[str, Row | None], changes: Sequence[Change] = ()) -> None:
        """See `BuildBatch.save`."""
        for key, row in rows.items():
            if row is None:
                self.contents.rows.pop(key, None)
            else:
                self.contents.rows[key] = as_stored(row)
        for change in changes:
            kept = change._replace(row=change.row and as_stored(change.row))
            self.contents.changes[change.key] = (*self.contents.changes.get(change.key, ()), kept)

    def park(self, events: Iterable[Parked]) -> None:
        """See `BuildBatch.park`."""
        self.contents.parked.update({event.position: event for event in events})

    def unpark(self, positions: Iterable[int]) -> None:
        """See `BuildBatch.unpark`."""
        for position in positions:
            self.contents.parked.pop(position, None)

    def skip(self, events: Mapping[int, str]) -> None:
        """See `BuildBatch.skip`."""
        self.contents.skipped |= events.keys()

    def skipped(self) -> frozenset[int]:
        """See `BuildBatch.skipped`."""
        return self.contents.skipped

    def advance(self, position: int) -> None:
        """See `BuildBatch.advance`; the lock is held, so the checkpoint is where it was."""
        self.contents.build = replace(self.contents.build, position=position)


def as_stored(row: R) -> R:
    """The row as it would be read from a database: documents that were passed on are text until then."""
    return msgspec.json.decode(msgspec.json.encode(row), type=type(row))


class MemoryTransaction:
    """`ReadTransaction` on copies of builds, made while the store is locked."""

    def __init__(self, builds: Mapping[str, Mapping[int, Contents]]) -> None:
        self._builds = builds
        self.batches: list[MemoryBatch] = []

    def batch(self, projection: Projection[Any], number: int) -> MemoryBatch:
        """See `ReadTransaction.batch`."""
        try:
            batch = MemoryBatch(self._builds[projection.name][number])
        except KeyError:
            raise CheckpointMoved(f"build {number} of {projection.name} is gone") from None
        self.batches.append(batch)
        return batch


class MemoryReadStore:
    """`ReadStore` in memory."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._builds: dict[str, dict[int, Contents]] = {}
        self._messages: dict[str, dict[str, ParkedMessage]] = {}

    def builds(self, projection: str) -> tuple[Build, ...]:
        """See `ReadStore.builds`."""
        with self._lock:
            return tuple(contents.build for _, contents in sorted(self._builds.get(projection, {}).items()))

    def create_build(self, projection: Projection[Any]) -> Build:
        """See `ReadStore.create_build`."""
        with self._lock:
            builds = self._builds.setdefault(projection.name, {})
            build = Build(projection.name, max(builds, default=0) + 1, projection.version, 0, live=not builds)
            builds[build.number] = Contents(build)
            return build

    def promote(self, projection: Projection[Any], build: Build) -> bool:
        """See `ReadStore.promote`."""
        with self._lock:
            builds = self._builds[projection.name]
            if build.number not in builds:
                raise CheckpointMoved(f"build {build.number} of {projection.name} is gone")
            contents = builds[build.number]
            others = [other for other in builds.values() if other.build.version == contents.build.version]
            if any(other.build.live and other.build.position > contents.build.position for other in others):
                return False
            contents.build = replace(contents.build, live=True)
            for other in others:
                if other is not contents:
                    del builds[other.build.number]
            return True

    def drop_build(self, projection: Projection[Any], number: int) -> None:
        """See `ReadStore.drop_build`."""
        with self._lock:
            self._builds[projection.name].pop(number, None)

    def hold(self, build: Build, *, held: bool) -> None:
        """See `ReadStore.hold`."""
        with self._lock:
            if (contents := self._builds[build.projection].get(build.number)) is not None:
                contents.build = replace(contents.build, held=held)

    def unfinished(self) -> tuple[Build, ...]:
        """See `ReadStore.unfinished`."""
        return self._every(live=False)

    def live(self) -> tuple[Build, ...]:
        """See `ReadStore.live`."""
        return self._every(live=True)

    def _every(self, *, live: bool) -> tuple[Build, ...]:
        with self._lock:
            found = (contents.build for builds in self._builds.values() for contents in builds.values())
            wanted = (build for build in found if build.live is live)
            return tuple(sorted(wanted, key=lambda build: (build.projection, build.version, build.number)))

    def leads(self, projections: Sequence[Projection[Any]]) -> frozenset[str]:
        """See `ReadStore.leads`. Nobody else has this store."""
        return frozenset(projection.name for projection in projections)

    def resign(self) -> None:
        """See `ReadStore.resign`."""

    @contextmanager
    def transaction(self, *, apart: bool = False) -> Iterator[MemoryTransaction]:  # noqa: ARG002 - one lock is for all
        """See `ReadStore.transaction`."""
        with self._lock:
            transaction = MemoryTransaction(self._builds)
            yield transaction
            for batch in transaction.batches:
                build = batch.contents.build
                self._builds[build.projection][build.number] = batch.contents

    def _live(self, projection: Projection[Any]) -> Contents:
        for contents in self._builds.get(projection.name, {}).values():
            if contents.build.live and contents.build.version == projection.version:
                return contents
        raise NotBuilt(f"{projection.name} is being built")

    def position(self, projection: Projection[Any]) -> int:
        """See `ReadStore.position`."""
        with self._lock:
            return self._live(projection).build.position

    def get(self, projection: Projection[R], keys: Sequence[str]) -> Found[R]:
        """See `ReadStore.get`."""
        with self._lock:
            contents = self._live(projection)
            rows = tuple((key, contents.rows[key]) for key in keys if key in contents.rows)
            return Found(rows, contents.build.position, projection.version)  # type: ignore[arg-type]

    def select(self, projection: Projection[Any], selection: Selection) -> Found[str]:
        """See `ReadStore.select`."""
        with self._lock:
            contents = self._live(projection)
            return Found(selected(contents.rows, selection), contents.build.position, projection.version)

    def select_at(self, history: Projection[Any], selection: Selection, position: int) -> Found[str]:
        """See `ReadStore.select_at`."""
        with self._lock:
            contents = self._live(history)
            held: dict[str, Row] = {}
            for key, changes in contents.changes.items():
                before = [change.row for change in changes if change.position <= position]
                if before and (row := before[-1]) is not None:
                    held[key] = row
            return Found(selected(held, selection), contents.build.position, history.version)

    def parked(self, projection: Projection[Any]) -> tuple[Parked, ...]:
        """See `ReadStore.parked`."""
        with self._lock:
            contents = self._live(projection)
            return tuple(contents.parked[position] for position in sorted(contents.parked))

    def skipped(self, projection: Projection[Any]) -> tuple[int, ...]:
        """See `ReadStore.skipped`."""
        with self._lock:
            return tuple(sorted(self._live(projection).skipped))

    def count(self, projection: Projection[Any], filters: Mapping[str, Plain], most: int) -> int:
        """See `ReadStore.count`."""
        with self._lock:
            rows = self._live(projection).rows.values()
            found = (row for row in rows if all(getattr(row, column) == value for column, value in filters.items()))
            return sum(1 for _ in islice(found, most))

    def shares(self, projection: Projection[Any], column: str) -> dict[Plain, int]:
        """See `ReadStore.shares`."""
        with self._lock:
            return dict(Counter(getattr(row, column) for row in self._live(projection).rows.values()))

    def park_messages(self, messages: Sequence[ParkedMessage], most: int) -> None:
        """See `ReadStore.park_messages`."""
        with self._lock:
            for message in messages:
                kept = self._messages.setdefault(message.feed, {})
                kept.setdefault(message.place, message)
                for gone in sorted(kept.values(), key=lambda other: other.since)[:-most]:
                    del kept[gone.place]

    def parked_messages(self, feed: str) -> tuple[ParkedMessage, ...]:
        """See `ReadStore.parked_messages`."""
        with self._lock:
            return tuple(sorted(self._messages.get(feed, {}).values(), key=lambda message: message.since))

    def forget_messages(self, feed: str, places: Sequence[str] | None = None) -> int:
        """See `ReadStore.forget_messages`."""
        with self._lock:
            kept = self._messages.get(feed, {})
            gone = [place for place in kept if places is None or place in places]
            for place in gone:
                del kept[place]
            return len(gone)

    def close(self) -> None:
        """See `ReadStore.close`."""


def selected(rows: Mapping[str, Row], selection: Selection) -> tuple[tuple[str, str], ...]:
    """The keys and texts of the rows that are selected, in order."""
    column, least = selection.above or (selection.order, None)
    places = [
        ((getattr(row, selection.order), key), row)
        for key, row in rows.items()
        if all(getattr(row, name) == value for name, value in selection.filters.items())
        and (least is None or getattr(row, column) > least)
    ]
    places.sort(key=lambda pair: pair[0], reverse=selection.descending)
    if (after := selection.after) is not None:
        places = [pair for pair in places if (pair[0] < after if selection.descending else pair[0] > after)]
    return tuple((place[1], msgspec.json.encode(row).decode()) for place, row in places[: selection.limit])
