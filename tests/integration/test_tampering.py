"""A thousand ways to tamper with a log of 10,000 events, each found and named; and a hundred honest logs.

Every second ten of them are with a log whose key was rotated between its checkpoints. ``PYTHONPATH=.:tests python
tests/integration/test_tampering.py`` takes longer: a thousand with each log, all shown to both verifiers.
"""

import random
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from json import loads
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sealed import KEY, SECOND, THIRD, audit_of, exported, history, sealed, write_export, write_ledger

from skyulf import verifier
from skyulf.adapters.sqlite_log import EXAMINE, HIGHEST, SqliteEventLog
from skyulf.adapters.stored import examined
from skyulf.events import examination, ledger
from skyulf.events.base import Recorded
from skyulf.events.checkpoints import Checkpoint, opened, parse_note
from skyulf.events.examination import LOWEST, Examination, Unreadable, examine
from skyulf.events.keys import SigningKey
from skyulf.events.ledger import Peaks, canonical, leaf_of
from skyulf.events.ledger_store import leaves_of

EVENTS = 10_000
TAMPERINGS = 1_000

ALSO_OFFLINE = 10
"""One tampering in so many is also shown to the verifier that stands alone."""

PUBLIC = str(KEY.public)

Row = tuple[Any, ...]
POSITION, STREAM, VERSION, NAME, STATE, ACTOR, COMMAND, ORDINAL = range(8)


@contextmanager
def memory_of_pure_functions() -> Iterator[None]:
    """What is computed of the same bytes again and again is remembered: pure functions, and no code is left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "node", lru_cache(None)(ledger.node))
        patch.setattr(verifier, "sha256", lru_cache(None)(sha256))
        patch.setattr(verifier, "json", SimpleNamespace(loads=lru_cache(None)(loads)))
        yield


@pytest.fixture(scope="module")
def memoised() -> Iterator[None]:
    with memory_of_pure_functions():
        yield


@dataclass
class Original:
    """The log before anyone touched it: its rows as they are stored, its ledger, its free positions."""

    rows: list[Row]
    leaves: list[tuple[int, bytes]]
    checkpoints: list[Checkpoint]
    free: list[int]
    export: Path

    @property
    def positions(self) -> list[int]:
        return [row[POSITION] for row in self.rows]


def sealed_in(folder: Path, keys: Sequence[SigningKey]) -> Original:
    """The log, sealed three times, by each of the keys in turn."""
    folder.mkdir()
    events = history(EVENTS)
    _, store = sealed(events, 3_000, 4_000, 3_000, keys=keys)
    with closing(SqliteEventLog(folder / "events.db", lambda: "")) as log:
        assert log.restore(events) == EVENTS
    with closing(sqlite3.connect(folder / "events.db")) as connection:
        rows = connection.execute(EXAMINE, (LOWEST, HIGHEST, EVENTS + 1)).fetchall()
    taken = {row[POSITION] for row in rows}
    write_ledger(folder / "export.jsonl", store)
    kept = store.checkpoints(10)
    assert len({parse_note(each.note).signatures[0].key_id for each in kept}) == len(keys)
    return Original(
        rows,
        list(leaves_of(store)),
        [opened(each.note, KEY.public).checkpoint for each in kept],
        [position for position in range(1, max(taken)) if position not in taken],
        folder / "export.jsonl",
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, memoised: None) -> Original:
    return sealed_in(tmp_path_factory.mktemp("tampering") / "log", [KEY])


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory, original: Original) -> Original:
    """The same log, of which each part is signed by another key; what is remembered of its rows is."""
    made = sealed_in(tmp_path_factory.mktemp("tampering") / "rotated", [KEY, SECOND, THIRD])
    assert made.rows == original.rows
    return replace(made, rows=original.rows)


class Memo:
    """What a pure function makes of an object, remembered for as long as the object is kept here."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self._known: dict[int, tuple[Any, Any]] = {}

    def __call__(self, given: Any) -> Any:
        known = self._known.get(id(given))
        if known is None:
            known = self._known[id(given)] = (given, self._function(given))
        return known[1]


read = Memo(lambda row: examined(*row))
leaf = Memo(leaf_of)
line = Memo(canonical)


def live(original: Original, rows: list[Row]) -> Examination:
    """What the live verifier says of a log of these rows."""
    return examine(map(read, rows), original.leaves, original.checkpoints, leaf=leaf)


def named_live(result: Examination) -> set[int]:
    return {at for each in result.findings for at in range(each.position, each.until + 1)}


def offline(original: Original, rows: list[Row]) -> dict[str, Any]:
    """What the verifier that stands alone says of an export of these rows."""
    write_export(original.export, [line(read(row)) for row in rows])
    return verifier.verify(str(original.export), PUBLIC, [], [])


def named_offline(told: dict[str, Any]) -> set[int]:
    return {at for each in told["faults"] for at in range(each["position"], each["until"] + 1)}


class KnownPeaks:
    """Stands for `Peaks` over the ledger that nobody has touched: each root that is asked for is computed once."""

    roots: dict[int, bytes] = {}

    def __init__(self) -> None:
        self.size = 0

    def add(self, _: bytes) -> None:
        self.size += 1

    def root(self) -> bytes:
        return self.roots[self.size]


# The ways to tamper. Each takes the rows and gives the changed ones, with the positions that must be named.

Tampered = tuple[list[Row], set[int]]


def with_value(row: Row, column: int, value: Any) -> Row:
    return (*row[:column], value, *row[column + 1 :])


def in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row[POSITION])


def another_byte(dice: random.Random, text: bytes) -> bytes:
    at = dice.randrange(len(text))
    return text[:at] + bytes([text[at] ^ dice.randint(1, 255)]) + text[at + 1 :]


def change_a_byte(dice: random.Random, original: Original) -> Tampered:
    rows = list(original.rows)
    at = dice.randrange(len(rows))
    column = dice.choice((STREAM, VERSION, NAME, STATE, STATE, STATE, ACTOR, COMMAND, ORDINAL))
    old = rows[at][column]
    new = another_byte(dice, old) if isinstance(old, bytes) else old + dice.choice((-1, 1, 256))
    rows[at] = with_value(rows[at], column, new)
    return rows, {rows[at][POSITION]}


def delete_a_row(dice: random.Random, original: Original) -> Tampered:
    rows = list(original.rows)
    return rows, {rows.pop(dice.randrange(len(rows)))[POSITION]}


def swap_two_rows(dice: random.Random, original: Original) -> Tampered:
    rows = list(original.rows)
    one, two = dice.sample(range(len(rows)), 2)
    first, second = rows[one], rows[two]
    rows[one] = with_value(second, POSITION, first[POSITION])
    rows[two] = with_value(first, POSITION, second[POSITION])
    return rows, {first[POSITION], second[POSITION]}


def forged(dice: random.Random, row: Row, position: int, stream: str, version: int) -> Row:
    """A row that is in itself as the log writes one."""
    return (
        position,
        stream.encode(),
        version,
        row[NAME],
        row[STATE]
        .replace(row[COMMAND], b"forged-%d" % dice.randrange(10**9))
        .replace(b"01900000", b"%08d" % dice.randrange(10**8)),
        row[ACTOR],
        row[COMMAND],
        row[ORDINAL],
    )


def whole(row: Row) -> Row:
    """The row with the columns that its envelope says."""
    recorded = examined(*with_value(row, COMMAND, None))
    assert isinstance(recorded, Unreadable)
    command = loads(row[STATE])["metadata"]["command_id"].encode()
    return with_value(row, COMMAND, command)


def insert_a_row(dice: random.Random, original: Original) -> Tampered:
    position = dice.choice(original.free)
    row = whole(forged(dice, dice.choice(original.rows), position, f"pipeline-forged-{dice.random()}", 1))
    assert isinstance(read(row), Recorded)
    return in_order([*original.rows, row]), {position}


def insert_and_shift(dice: random.Random, original: Original) -> Tampered:
    """A row between two others, all later ones moved up by one."""
    at = dice.randrange(len(original.rows) - 100, len(original.rows))
    position = original.rows[at][POSITION]
    later = [with_value(row, POSITION, row[POSITION] + 1) for row in original.rows[at:]]
    row = whole(forged(dice, original.rows[at], position, f"pipeline-forged-{dice.random()}", 1))
    return [*original.rows[:at], row, *later], {position}


def renumber_a_row(dice: random.Random, original: Original) -> Tampered:
    rows = list(original.rows)
    at = dice.randrange(len(rows))
    old = rows[at][POSITION]
    new = dice.choice((dice.choice(original.free), -dice.randrange(10**6), rows[-1][POSITION] + dice.randint(1, 99)))
    rows[at] = with_value(rows[at], POSITION, new)
    return in_order(rows), {old}


def fork_a_stream(dice: random.Random, original: Original) -> Tampered:
    """A second event of a version that is there: between the others, or behind them all."""
    at = dice.randrange(len(original.rows))
    victim = original.rows[at]
    position = dice.choice((dice.choice(original.free), original.rows[-1][POSITION] + 1))
    row = whole(forged(dice, victim, position, victim[STREAM].decode(), victim[VERSION]))
    return in_order([*original.rows, row]), {position}


def cut_the_tail(dice: random.Random, original: Original) -> Tampered:
    kept = dice.randrange(len(original.rows))
    return original.rows[:kept], {row[POSITION] for row in original.rows[kept:]}


WAYS = (
    change_a_byte,
    change_a_byte,
    change_a_byte,
    delete_a_row,
    swap_two_rows,
    insert_a_row,
    insert_and_shift,
    renumber_a_row,
    fork_a_stream,
    cut_the_tail,
)


@dataclass
class Shown:
    """How many tamperings were found by both verifiers, and how many cannot even be exported."""

    offline: int = 0
    refused: int = 0


def tampered_with(logs: Sequence[Original], times: int, seed: int, also_offline: int = 1) -> Shown:
    """Tamper with the logs in turn; each must be found and named, and one in so many by both verifiers alike."""
    peaks = Peaks()
    for _, each in logs[0].leaves:
        peaks.add(each)
        if any(checkpoint.size == peaks.size for checkpoint in logs[0].checkpoints):
            KnownPeaks.roots[peaks.size] = peaks.root()
    dice, shown = random.Random(seed), Shown()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examination, "Peaks", KnownPeaks)
        for number in range(times):
            way, log = WAYS[number % len(WAYS)], logs[number // len(WAYS) % len(logs)]
            rows, expected = way(dice, log)
            assert rows != log.rows, way.__name__
            named = named_live(live(log, rows))
            assert expected <= named, (number, way.__name__, expected - named)
            if number % also_offline != number // also_offline % also_offline:  # every way, one after the other
                continue
            if any(isinstance(read(row), Unreadable) for row in rows):
                shown.refused += 1
                continue
            told = offline(log, rows)
            assert not told["verified"]
            assert named_offline(told) == named, (number, way.__name__)
            shown.offline += 1
    return shown


def test_each_of_a_thousand_tamperings_is_found_and_named(original: Original, rotated: Original) -> None:
    """The verifier that stands alone agrees on where; of what cannot be an event, there is no export to show it."""
    assert rotated.leaves == original.leaves
    shown = tampered_with([original, rotated], TAMPERINGS, 7, ALSO_OFFLINE)
    assert shown.offline + shown.refused == TAMPERINGS // ALSO_OFFLINE
    assert shown.offline > TAMPERINGS // ALSO_OFFLINE // 2


def test_the_same_is_found_in_the_file_itself(original: Original, tmp_path: Path) -> None:
    """Rows are changed in a SQLite file, as someone would who has the file, and it is read as a log."""
    dice = random.Random(11)
    path = tmp_path / "events.db"
    with closing(SqliteEventLog(path, lambda: "")) as log, closing(sqlite3.connect(path)) as connection:
        connection.executescript(  # without the keys that would keep some of it out
            "DROP VIEW events_readable; DROP TABLE events; CREATE TABLE events (rowid INTEGER PRIMARY KEY, "
            "originator_id TEXT, originator_version INTEGER, topic TEXT, state TEXT, actor TEXT, command_id TEXT, "
            "ordinal INTEGER)"
        )
        for way in WAYS:
            rows, expected = way(dice, original)
            with connection:
                connection.execute("DELETE FROM events")
                connection.executemany(
                    "INSERT INTO events VALUES (?, CAST(? AS TEXT), ?, CAST(? AS TEXT), ?, CAST(? AS TEXT), "
                    "CAST(? AS TEXT), ?)",
                    rows,
                )
            items = log.examine(LOWEST, EVENTS + 1)
            result = examine(items, original.leaves, original.checkpoints)
            assert expected <= named_live(result), way.__name__
            assert named_live(result) == named_live(live(original, rows)), way.__name__


def test_the_originals_are_not_accused(original: Original, rotated: Original) -> None:
    for each in (original, rotated):
        result = live(each, each.rows)
        assert (result.findings, result.covered, result.unsealed) == ([], EVENTS, 0)
        told = offline(each, each.rows)
        assert (told["verified"], told["faults"], told["covered"]) == (True, [], EVENTS)


def test_text_that_is_not_utf_8_is_no_event_to_either_verifier(original: Original) -> None:
    """JSON's reader passes over the data as it stands: it must not be exported as if it could be read."""
    at = next(at for at, row in enumerate(original.rows) if b'"name":"' in row[STATE])
    row = original.rows[at]
    found = read(with_value(row, STATE, row[STATE].replace(b'"name":"', b'"name":"\xff', 1)))
    assert found == Unreadable(row[POSITION], "the stored text is not UTF-8")


def test_a_hundred_honest_logs_are_not_accused(tmp_path: Path) -> None:
    dice = random.Random(3)
    for number in range(100):
        count = dice.choice((1, 2, 255, 256, 257, 511, 512, 513, dice.randint(1, 600)))
        events = history(count, seed=number, gaps=dice.choice((0.0, 0.1, 0.6)))
        steps = [dice.randint(1, count)]
        while sum(steps) < count and dice.random() < 0.7:
            steps.append(dice.randint(1, count - sum(steps)))
        log, store = sealed(events, *steps, keys=dice.choice(([KEY], [KEY, SECOND], [KEY, SECOND, THIRD])))
        verdict = audit_of(log, store).verify(KEY.public)
        assert verdict.fine, (number, verdict.examination.findings)
        assert verdict.examination.covered == sum(steps)
        assert verdict.examination.position == events[sum(steps) - 1].position
        assert verdict.examination.unsealed == count - sum(steps)
        told = verifier.verify(str(exported(tmp_path / f"{number}.jsonl", events, store)), PUBLIC, [], [])
        assert told["verified"], (number, told["faults"])
        assert (told["covered"], told["unsealed"]) == (sum(steps), count - sum(steps))


def main() -> None:
    """Tamper a thousand times with a log of one key, and a thousand times with one of three."""
    with tempfile.TemporaryDirectory() as folder, memory_of_pure_functions():
        for name, keys in (("one key", [KEY]), ("three keys", [KEY, SECOND, THIRD])):
            shown = tampered_with([sealed_in(Path(folder) / name, keys)], TAMPERINGS, len(keys))
            sys.stdout.write(
                f"{name}: {TAMPERINGS} of {TAMPERINGS} tamperings found and named, {shown.offline} by both verifiers "
                f"alike; {shown.refused} leave rows of which no export is made\n"
            )


if __name__ == "__main__":
    main()
