"""What was shown at a position of the log: one thing by folding its stream, lists from histories; and when that was."""

import re
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from skyulf.errors import Fault, Invalid, Unavailable
from skyulf.events.base import Recorded
from skyulf.events.log import EventLog
from skyulf.projections.base import Projection, Row
from skyulf.projections.folding import located, read
from skyulf.projections.past import MOMENTS, STRETCH, MomentRow, history_of, microseconds
from skyulf.projections.store import Found, NotBuilt, ReadStore, Selection

R = TypeVar("R", bound=Row)

PAGE = 1_000
"""Events of a stream that are read at once."""

MOST_READ = 20_000
"""Events that are looked through for a moment, where the rows that tell of moments lag behind; more take too long."""

POSITION = re.compile("[0-9]{1,100}")

EXPECTED = "a position of the log, or a time with its zone, such as 2026-03-03T09:00:00Z (in a URL, + is %2B)"


class Past:
    """What was shown once the log had got to ``position``, and nothing beyond."""

    def __init__(self, log: EventLog, store: ReadStore, position: int) -> None:
        self._log = log
        self._store = store
        self._folded: dict[tuple[str, str], dict[str, Row | None]] = {}
        self.position = position

    def find(self, projection: Projection[R], key: str) -> R | None:
        """The row of that key, or None; keys begin with their stream, which is folded once for all of its rows."""
        stream = key.partition("/")[0]
        rows = self._folded.get((projection.name, stream))
        if rows is None:
            rows = self._folded[projection.name, stream] = self._fold(projection, stream)
        row = rows.get(key)
        return None if row is None else msgspec.json.decode(msgspec.json.encode(row), type=projection.row)

    def _fold(self, projection: Projection[Any], stream: str) -> dict[str, Row | None]:
        """The rows of a stream; what cannot be read or folded ends them, as it parks rows that are shown."""
        rows: dict[str, Row | None] = {}
        ended: set[str] = set()
        after, full = 0, True
        while full:
            page = self._log.read(after, PAGE, types=projection.types, stream=stream, until=self.position)
            after, full = page.position, len(page.events) == PAGE
            for recorded in page.events:
                event, key = located(projection, recorded, read(recorded))
                if isinstance(event, Exception):
                    return rows
                if key in ended:
                    continue
                try:
                    rows[key] = projection.fold(rows.get(key), event, recorded)
                except Exception:  # noqa: BLE001 - a fold may fail in any way, and is logged where rows are built
                    ended.add(key)
        return rows

    def select(self, projection: Projection[Any], selection: Selection) -> Found[str]:
        """The rows of a list as their JSON texts; raises `Unavailable` while the history has not got there."""
        history = history_of(projection)
        try:
            found = self._store.select_at(history, selection, self.position)
        except NotBuilt as error:
            raise Unavailable(error.detail) from error
        if found.position < self.position:
            raise Unavailable(f"{history.name} has not got to position {self.position} yet; ask again")
        return found


class TimeTravel:
    """Finds positions of the log, as people and programs name them."""

    def __init__(self, log: EventLog, store: ReadStore) -> None:
        self._log = log
        self._store = store

    def to(self, position: int) -> Past:
        """What was shown at a position."""
        return Past(self._log, self._store, position)

    def position(self, text: str, place: str = "as_of") -> int:
        """The position that a text means, as a position or as a time; raises `Invalid` naming what was expected.

        A time means the last position before anything was recorded later; a time to come means the log's head.
        """
        head = self._log.head()
        if POSITION.fullmatch(text):
            if int(text) > head:
                raise Invalid(f"{place}: the log's last position is {head}", [Fault(place, f"at most {head}")])
            return int(text)
        try:
            moment = datetime.fromisoformat(text)
            latest = microseconds(moment)
        except (ValueError, TypeError, OverflowError) as error:
            raise Invalid(f"{place}: it is neither a position nor a time", [Fault(place, EXPECTED)]) from error
        return self._before(latest, head)

    def _before(self, latest: int, head: int) -> int:
        """The last position before the first event that was recorded later."""
        after = self._stretch(latest, head)
        while after < head:
            page = self._log.read(after, STRETCH, until=head)
            for recorded in page.events:
                if microseconds(recorded.metadata.recorded_at) > latest:
                    return self._unless_first(recorded, head)
            after = page.position
        if head == 0:
            raise Invalid("as_of: nothing is recorded yet", [Fault("as_of", "position 0, which is before everything")])
        return head

    def _stretch(self, latest: int, head: int) -> int:
        """The position before the first stretch of the log of which anything was recorded later than that.

        Where none is known of, how far stretches are known; raises `Unavailable` where that is far behind.
        """
        asked = Selection(order="first", filters={}, limit=1, above=("latest", latest))
        try:
            found = self._store.select(MOMENTS, asked)
        except NotBuilt as error:
            raise Unavailable(error.detail) from error
        if not found.rows:
            if head - found.position > MOST_READ:
                raise Unavailable(f"{MOMENTS.name} is {head - found.position} positions behind the log; ask again")
            return found.position
        return msgspec.json.decode(found.rows[0][1], type=MomentRow).first - 1

    def _unless_first(self, recorded: Recorded, head: int) -> int:
        """The position before an event; raises `Invalid` where the log begins with it."""
        position = recorded.position - 1
        if not self._log.read(0, 1, until=position).events:
            begun = recorded.metadata.recorded_at.astimezone(UTC).isoformat()
            raise Invalid(
                f"as_of: nothing was recorded before {begun}",
                [Fault("as_of", f"a time from {begun} on, or a position from 0 to {head}")],
            )
        return position


def is_position(text: str) -> bool:
    """Whether a text means a position, and not a time."""
    return POSITION.fullmatch(text) is not None
