"""Readers of the log in Postgres see one order, whatever order transactions commit in.

Stress does not find what is wrong with a rule (the unsound ones pass it); these schedules do, each time.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from builders import ANN, everything, metadata, named, written
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from services.postgres import Databases
from services.postgres_logs import PostgresLogs

from skyulf.adapters import postgres_order
from skyulf.adapters.postgres import connect
from skyulf.adapters.postgres_log import PostgresEventLog
from skyulf.adapters.postgres_recorder import Guards
from skyulf.adapters.stored import data_of, state_of
from skyulf.errors import Unavailable

Reads = Callable[[int], list[int]]
"""The positions that a follower sees next after a position."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_order, "PATIENCE", 0.05)
    monkeypatch.setattr(postgres_order, "HEAD_PATIENCE", 0.05)


@pytest.fixture
def log(postgres_logs: PostgresLogs) -> Iterator[PostgresEventLog]:
    with closing(postgres_logs()) as log:
        yield log


@contextmanager
def transaction(log: PostgresEventLog) -> Iterator[Connection[Any]]:
    """An appender's transaction, left open: the test ends it."""
    with closing(connect(log._url)) as connection:
        connection.execute("BEGIN")
        yield connection


def insert(log: PostgresEventLog, connection: Connection[Any], stream: str) -> int:
    """Append within the open transaction, as the log does; the position taken."""
    about = metadata(f"of {stream}")
    stored = StoredEvent(stream, 1, "PipelineCreated@1", state_of("id", 0, about, data_of(named(stream))))
    guards = Guards([stream], [0], [True], [(ANN.id, about.command_id)])
    positions = log._recorder.append(connection, guards, [stored], [(ANN.id, about.command_id, 0)]).positions
    assert positions is not None
    return positions[0]


class OfTheLog:
    """Appending and following as the log does."""

    def __init__(self, log: PostgresEventLog) -> None:
        self.log = log
        self.open = lambda: connect(log._url)

    def insert(self, connection: Connection[Any], stream: str) -> int:
        return insert(self.log, connection, stream)

    def read(self, after: int) -> list[int]:
        return [recorded.position for recorded in self.log.read(after, 100).events]


class Naive(OfTheLog):
    """A follower that asks for what is above the last position it saw."""

    def read(self, after: int) -> list[int]:
        with self.open() as connection:
            rows = connection.execute(
                "SELECT notification_id FROM events WHERE notification_id > %s ORDER BY 1", [after]
            )
            return [position for (position,) in rows]


class ByHorizon(Naive):
    """A follower that takes a gap for dead once every transaction older than the newest completed one is over."""

    def read(self, after: int) -> list[int]:
        found = super().read(after)
        with self.open() as connection:
            row = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
            assert row is not None
            horizon = row[0]
            row = connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint").fetchone()
            assert row is not None
            return found if row[0] >= horizon else []


class DbFunctions:
    """The library's own recorder in the mode that takes no lock on the table."""

    def __init__(self, url: str) -> None:
        parts = conninfo_to_dict(url)
        self.datastore = PostgresDatastore(
            *(str(parts[name]) for name in ("dbname", "host", "port", "user", "password")),
            originator_id_type="text",
            enable_db_functions=True,
        )
        self.recorder = PostgresApplicationRecorder(self.datastore, events_table_name="stored")
        self.recorder.create_table()
        self.open = lambda: psycopg.connect(url, autocommit=True)

    def insert(self, connection: Connection[Any], stream: str) -> int:
        for info in self.datastore.psycopg_type_adapters.values():
            psycopg.types.composite.register_composite(info, connection)
        event = self.recorder.construct_pg_stored_event(stream, 1, "topic", b"{}")
        row = connection.execute(self.recorder.sql_invoke_pg_function_insert_events, ([event],)).fetchone()
        assert row is not None
        return int(row[0])

    def read(self, after: int) -> list[int]:
        found = self.recorder.select_notifications(after, 100, inclusive_of_start=False)
        return [notification.id for notification in found]


def missed(side: OfTheLog | DbFunctions) -> set[int]:
    """Positions that were committed and that a follower never saw.

    R takes its transaction id. G takes a later one, and a position, and stays open. R inserts above it and commits.
    The follower looks. G commits. The follower looks again.
    """
    with side.open() as r, side.open() as g:
        r.execute("BEGIN")
        r.execute("SELECT pg_current_xact_id()")
        g.execute("BEGIN")
        g.execute("SELECT pg_current_xact_id()")
        lower = side.insert(g, "pipeline-g")
        higher = side.insert(r, "pipeline-r")
        assert lower < higher
        r.execute("COMMIT")
        seen = side.read(lower - 1)
        g.execute("COMMIT")
    seen += side.read(max(seen, default=lower - 1))
    assert seen == sorted(seen)
    return {lower, higher} - set(seen)


class TestATransactionThatCommitsLate:
    def test_is_not_missed(self, log: PostgresEventLog) -> None:
        assert missed(OfTheLog(log)) == set()

    @pytest.mark.parametrize("follower", [Naive, ByHorizon])
    def test_is_missed_by_followers_with_other_rules(self, log: PostgresEventLog, follower: type[OfTheLog]) -> None:
        """Else the schedule would show nothing."""
        assert len(missed(follower(log))) == 1

    def test_is_missed_in_the_librarys_mode_without_a_lock(self, postgres: Databases) -> None:
        side = DbFunctions(postgres.database())
        with closing(side.datastore):
            assert len(missed(side)) == 1

    def test_holds_every_reader_at_its_place(self, log: PostgresEventLog) -> None:
        (first,) = written(log, "pipeline-1", 0, named())
        with transaction(log) as late:
            lower = insert(log, late, "pipeline-late")
            (second,) = written(log, "pipeline-2", 0, named())
            assert log.read(0, 10).position == first.position
            assert log.read(first.position, 10) == type(log.read(0, 1))((), first.position)
            assert log.read(0, 10, types=["PipelineCreated"]).events == (first,)
            assert log.read(0, 10, stream="pipeline-2").events == ()
            assert log.read(0, 10, until=second.position).position == first.position
            with pytest.raises(Unavailable, match=f"between positions {first.position} and {second.position}"):
                log.head()
            late.execute("COMMIT")
        assert [recorded.position for recorded in everything(log)] == [first.position, lower, second.position]
        assert log.head() == second.position

    def test_is_waited_for_and_not_missed_when_it_ends_meanwhile(
        self, log: PostgresEventLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres_order, "PATIENCE", 60)
        monkeypatch.setattr(postgres_order, "HEAD_PATIENCE", 60)
        looked = threading.Semaphore(0)
        appending = log._order._appending

        def looking(cursor: Any) -> set[object]:
            looked.release()
            return appending(cursor)

        monkeypatch.setattr(log._order, "_appending", looking)
        with transaction(log) as late, ThreadPoolExecutor() as pool:
            lower = insert(log, late, "pipeline-late")
            (second,) = written(log, "pipeline-2", 0, named())
            reads = [pool.submit(log.read, 0, 10), pool.submit(log.read, 0, 10, ["PipelineCreated"])]
            head = pool.submit(log.head)
            for _ in range(9):
                looked.acquire()
            assert not any(future.done() for future in [*reads, head])
            late.execute("COMMIT")
            for read in reads:
                assert [recorded.position for recorded in read.result().events] == [lower, second.position]
            assert head.result() == second.position

    def test_leaves_a_gap_that_is_read_over_when_it_is_rolled_back(self, log: PostgresEventLog) -> None:
        with transaction(log) as late:
            lower = insert(log, late, "pipeline-late")
            (second,) = written(log, "pipeline-2", 0, named())
            assert log.read(0, 10).events == ()
            late.execute("ROLLBACK")
        assert lower < second.position
        assert everything(log) == [second]
        assert log.head() == second.position

    def test_leaves_a_gap_that_is_read_over_when_its_process_dies(self, log: PostgresEventLog) -> None:
        with transaction(log) as late:
            insert(log, late, "pipeline-late")
            (second,) = written(log, "pipeline-2", 0, named())
            with connect(log._url) as other:
                other.execute("SELECT pg_terminate_backend(%s, 10000)", [late.info.backend_pid])
        assert everything(log) == [second]

    def test_does_not_hold_readers_when_it_has_nothing_to_do_with_the_log(self, log: PostgresEventLog) -> None:
        with transaction(log) as dead, transaction(log) as other:
            other.execute("CREATE TABLE unrelated (x integer)")
            other.execute("SELECT count(*) FROM events")
            insert(log, dead, "pipeline-dead")
            dead.execute("ROLLBACK")
            (second,) = written(log, "pipeline-2", 0, named())
            assert log.read(0, 10).events == (second,)
            assert log.head() == second.position
            other.execute("ROLLBACK")

    def test_a_gap_that_is_waited_for_does_not_hide_a_later_one(self, log: PostgresEventLog) -> None:
        """Whoever comes after the first look may hold positions above what was seen then, and is waited for as well."""
        with transaction(log) as one, transaction(log) as two:
            first = insert(log, one, "pipeline-one")
            (second,) = written(log, "pipeline-2", 0, named())
            third = insert(log, two, "pipeline-two")
            (fourth,) = written(log, "pipeline-4", 0, named())
            one.execute("ROLLBACK")
            assert first < second.position < third < fourth.position
            assert log.read(0, 10).events == ()
            two.execute("COMMIT")
        assert [r.position for r in log.read(0, 10).events] == [second.position, third, fourth.position]
