"""What every LedgerStore does, and what every log shows to whoever examines it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from builders import everything, full_metadata, named, renamed, sequential_ids, written
from sealed import KEY, audit_of, history, sealer_of
from services.postgres import Databases
from services.postgres_logs import PostgresLogs

from skyulf.adapters.ledger_store import SqlLedgerStore
from skyulf.adapters.memory_ledger import MemoryLedgerStore
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.postgres_schema import migrate_database
from skyulf.errors import Damaged, Misconfigured, Unavailable
from skyulf.events.examination import LOWEST
from skyulf.events.ledger import root_at
from skyulf.events.ledger_store import Kept, LedgerMoved, LedgerStore, Sealed, leaves_of
from skyulf.events.log import EventLog

Request = pytest.FixtureRequest


def in_postgres(request: Request) -> LedgerStore:
    url = request.getfixturevalue("postgres").schema()
    migrate_database(url)
    return SqlLedgerStore(url)


LEDGERS: dict[str, Callable[[Request, Path], LedgerStore]] = {
    "memory": lambda _, __: MemoryLedgerStore(),
    "sqlite": lambda _, path: SqlLedgerStore(f"sqlite:///{path}"),
    "postgres": lambda request, _: in_postgres(request),
}


@pytest.fixture(params=LEDGERS)
def ledger(request: Request, tmp_path: Path) -> Iterator[LedgerStore]:
    with closing(LEDGERS[request.param](request, tmp_path / "ledger.db")) as made:
        yield made


class TestKeeping:
    def test_a_new_one_is_empty(self, ledger: LedgerStore) -> None:
        assert ledger.sealed() == Sealed(0, 0)
        assert (ledger.tile(0, 0), ledger.positions(0), ledger.index_of(1)) == (b"", (), None)
        assert (ledger.checkpoint(1), ledger.checkpoints(10)) == (None, ())

    def test_a_tree_is_read_as_it_was_sealed(self, ledger: LedgerStore) -> None:
        log = MemoryEventLog(sequential_ids())
        events = history(600)
        for event in events:
            log._keep(event)
        sealer_of(log, ledger).seal(sign=True)
        assert ledger.sealed() == Sealed(600, events[-1].position)
        assert [position for position, _ in leaves_of(ledger)] == [event.position for event in events]
        for index in (0, 255, 256, 599):
            assert ledger.index_of(events[index].position) == index
        free = next(p for p in range(1, events[-1].position) if p not in {event.position for event in events})
        assert (ledger.index_of(free), ledger.index_of(0), ledger.index_of(events[-1].position + 1)) == (None,) * 3
        verdict = audit_of(log, ledger).verify(KEY.public)
        assert verdict.fine
        assert verdict.newest.checkpoint.root == root_at(ledger, 600)

    def test_growing_is_compared_with_where_it_was(self, ledger: LedgerStore) -> None:
        first, second = Sealed(1, 5), Sealed(2, 9)
        ledger.extend(Sealed(), first, {(0, 0): b"a" * 32}, {0: [5]})
        with pytest.raises(LedgerMoved):
            ledger.extend(Sealed(), first, {(0, 0): b"b" * 32}, {0: [6]})
        ledger.extend(first, second, {(0, 0): b"a" * 32 + b"c" * 32}, {0: [5, 9]})
        with pytest.raises(LedgerMoved):
            ledger.extend(first, second, {(0, 0): b"d" * 64}, {0: [5, 8]})
        assert (ledger.sealed(), ledger.tile(0, 0)) == (second, b"a" * 32 + b"c" * 32)
        assert ledger.positions(0) == (5, 9)

    def test_a_checkpoint_stays_as_it_was_first_kept(self, ledger: LedgerStore) -> None:
        kept = [Kept(size, f"note {size} — ü", "key") for size in (3, 7, 5)]
        for each in kept:
            ledger.keep_checkpoint(each)
        ledger.keep_checkpoint(replace(kept[0], note="another"))
        three, seven, five = kept
        assert ledger.checkpoint(3) == three
        assert ledger.checkpoints(2) == (seven, five)
        assert ledger.checkpoints(10, below=7) == (five, three)


class TestFailing:
    def test_a_file_that_is_no_database_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "ledger.db").write_bytes(b"not a database at all" * 100)
        with pytest.raises(Damaged, match="the ledger cannot be opened"):
            SqlLedgerStore(f"sqlite:///{tmp_path / 'ledger.db'}")

    def test_a_database_without_the_tables_says_what_makes_them(self, postgres: Databases) -> None:
        with closing(SqlLedgerStore(postgres.schema())) as ledger, pytest.raises(Misconfigured, match="skyulf migrate"):
            ledger.sealed()

    def test_a_database_that_is_away_is_told_so(self) -> None:
        url = "postgresql://nobody:x@127.0.0.1:1/none"
        with closing(SqlLedgerStore(url)) as ledger, pytest.raises(Unavailable):
            ledger.sealed()


class TestExamining:
    def test_everything_that_is_stored_is_shown_in_order(self, log: EventLog) -> None:
        written(log, "pipeline-1", 0, named("näme \x00 \u2028"), renamed(), **vars_of_full_metadata())
        written(log, "pipeline-2", 0, named())
        found = everything(log)
        assert log.examine(LOWEST, 10) == tuple(found)
        assert log.examine(LOWEST, 2) == tuple(found[:2])
        assert log.examine(found[1].position, 10) == tuple(found[2:])
        assert log.examine(LOWEST, 10, until=found[1].position) == tuple(found[:2])

    def test_a_log_on_each_database_is_sealed_and_verified(self, log: EventLog) -> None:
        for number in range(30):
            written(log, f"pipeline-{number}", 0, named("\x7f"), renamed())
        store = MemoryLedgerStore()
        sealer_of(log, store).seal(sign=True)
        written(log, "pipeline-30", 0, named())
        verdict = audit_of(log, store).verify(KEY.public)
        assert verdict.fine
        assert (verdict.examination.covered, verdict.examination.unsealed) == (60, 1)


def vars_of_full_metadata() -> dict[str, object]:
    full = full_metadata()
    return {name: getattr(full, name) for name in ("correlation_id", "causation_id", "reason", "traceparent")}


def test_the_same_events_have_the_same_tree_in_every_database(
    tmp_path: Path, postgres_logs: PostgresLogs, request: Request
) -> None:
    """What is moved from a laptop to Postgres is verified by the checkpoints of the laptop."""
    from skyulf.adapters.sqlite_log import SqliteEventLog

    events = history(40)
    roots = set()
    with ExitStack() as stack:
        for log in (
            MemoryEventLog(sequential_ids()),
            SqliteEventLog(tmp_path / "log.db", sequential_ids()),
            postgres_logs(),
        ):
            stack.enter_context(closing(log))
            log.restore(events)
            store = MemoryLedgerStore()
            sealer_of(log, store).seal(sign=True)
            roots.add(root_at(store, 40))
    assert len(roots) == 1
