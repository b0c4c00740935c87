"""An append of one event, resting on another stream or not: statements of their own, which judge as all do."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import msgspec
import psycopg
import pytest
from builders import ANN, everything, named, renamed, writing, written
from eventsourcing.persistence import StoredEvent
from psycopg import Connection
from services.postgres_logs import PostgresLogs

from skyulf.adapters.postgres import connect
from skyulf.adapters.postgres_log import PostgresEventLog
from skyulf.adapters.postgres_prepared import BOOLEAN, BYTES, INTEGER, Statement, array, bigints, numbers_in, texts
from skyulf.adapters.postgres_recorder import Guards
from skyulf.errors import Unavailable, WrongVersion
from skyulf.events.log import Append, CommandRecorded, Write

A, B, C = "pipeline-a", "pipeline-b", "pipeline-c"

RESTING = [(), (Write(C, 1, ()),)]
"""What an append rests on besides its own stream: nothing, or a stream that stands still."""


@pytest.fixture
def log(postgres_logs: PostgresLogs) -> Iterator[PostgresEventLog]:
    with closing(postgres_logs()) as log:
        yield log


@contextmanager
def undecided(log: PostgresEventLog, stream: str, version: int, command: str) -> Iterator[Connection[Any]]:
    """An append by another process that is not yet committed."""
    with closing(connect(log._url)) as connection:
        connection.execute("BEGIN")
        stored = StoredEvent(stream, version, "PipelineRevised@1", b"{}")
        asked = Guards([stream], [version - 1], [True], [(ANN.id, command)])
        assert log._recorder.append(connection, asked, [stored], [(ANN.id, command, 0)]).positions
        yield connection


def resting(append: Append, on: tuple[Write, ...]) -> Append:
    """The append as one that rests on other streams, too."""
    return msgspec.structs.replace(append, writes=(*append.writes, *on))


def blocked(log: PostgresEventLog, future: Future[Any]) -> None:
    """Return once somebody waits for somebody else in the database."""
    with connect(log._url) as connection:
        while not connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
            assert not future.done(), future.result()


@pytest.mark.parametrize("on", RESTING, ids=["alone", "resting on another stream"])
class TestWhileAnotherIsNotYetCommitted:
    @pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
    def test_the_second_to_move_a_stream_on_waits_and_loses_if_the_first_did(
        self, log: PostgresEventLog, ending: str, on: tuple[Write, ...]
    ) -> None:
        written(log, C, 0, named())
        written(log, A, 0, named())
        with undecided(log, A, 2, "theirs") as first, ThreadPoolExecutor() as pool:
            second = pool.submit(log.append, [resting(writing(A, 1, renamed()), on)])
            blocked(log, second)
            first.execute(ending)
            (result,) = second.result()
        if ending == "COMMIT":
            assert isinstance(result, WrongVersion)
            assert (result.stream, result.expected, result.actual) == (A, 1, 2)
        else:
            assert isinstance(result, tuple)
            assert [recorded.version for recorded in everything(log)] == [1, 1, 2]

    @pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
    def test_a_command_sent_twice_to_different_streams_is_recorded_once(
        self, log: PostgresEventLog, ending: str, on: tuple[Write, ...]
    ) -> None:
        written(log, C, 0, named())
        with undecided(log, A, 1, "same") as first, ThreadPoolExecutor() as pool:
            second = pool.submit(log.append, [resting(writing(B, 0, named(), command_id="same"), on)])
            blocked(log, second)
            first.execute(ending)
            (result,) = second.result()
        assert isinstance(result, CommandRecorded if ending == "COMMIT" else tuple)


@pytest.mark.parametrize("on", RESTING, ids=["alone", "resting on another stream"])
def test_what_is_refused_takes_no_position_so_that_no_reader_meets_a_gap(
    log: PostgresEventLog, on: tuple[Write, ...]
) -> None:
    written(log, C, 0, named())
    written(log, A, 0, named(), command_id="first")
    refusals = [
        log.append([resting(writing(A, 0, named()), on)])[0],
        log.append([resting(writing(A, 2, renamed()), on)])[0],
        log.append([resting(writing(B, 1, renamed()), on)])[0],
        log.append([resting(writing(B, 0, named(), command_id="first"), on)])[0],
    ]
    assert [type(refusal) for refusal in refusals] == [WrongVersion, WrongVersion, WrongVersion, CommandRecorded]
    assert [(r.expected, r.actual) for r in refusals if isinstance(r, WrongVersion)] == [(0, 1), (2, 1), (1, 0)]
    (result,) = log.append([resting(writing(A, 1, renamed()), on)])
    assert isinstance(result, tuple)
    assert [recorded.position for recorded in everything(log)] == [1, 2, 3]


@pytest.mark.parametrize(("version", "actual"), [(0, 1), (2, 1), (1, 0)], ids=["too low", "too high", "not there"])
def test_what_rests_on_a_stream_that_stands_elsewhere_is_refused_and_takes_no_position(
    log: PostgresEventLog, version: int, actual: int
) -> None:
    if actual:
        written(log, C, 0, named())
    (refusal,) = log.append([resting(writing(A, 0, named()), (Write(C, version),))])
    assert isinstance(refusal, WrongVersion)
    assert (refusal.stream, refusal.expected, refusal.actual) == (C, version, actual)
    written(log, B, 0, named())
    assert [recorded.position for recorded in everything(log)] == [1, 2][: 1 + actual]


def test_who_rests_on_a_stream_that_was_never_written_may_write(log: PostgresEventLog) -> None:
    (result,) = log.append([resting(writing(A, 0, named()), (Write(C, 0),))])
    assert isinstance(result, tuple)


def test_an_append_that_rests_on_one_stream_does_without_the_function_for_many(log: PostgresEventLog) -> None:
    written(log, C, 0, named())
    asked = Guards([C, A], [1, 0], [False, True], [(ANN.id, "few")])
    stored = StoredEvent(A, 1, "PipelineRevised@1", b"{}")
    with closing(connect(log._url)) as connection:
        connection.execute("BEGIN")
        connection.execute("DROP FUNCTION append_events")
        assert log._recorder.append(connection, asked, [stored], [(ANN.id, "few", 0)]).positions


def test_a_command_id_that_postgres_cannot_hold_is_refused_whole_and_not_cut_short(log: PostgresEventLog) -> None:
    with pytest.raises(Unavailable):
        log.append([writing(A, 0, named(), command_id="cut\0short")])
    assert everything(log) == []


def test_a_url_that_asks_for_another_encoding_does_not_get_it(log: PostgresEventLog) -> None:
    with closing(PostgresEventLog(f"{log._url}&client_encoding=latin1", iter(["0", "1"]).__next__)) as other:
        written(other, A, 0, named("žluťoučký kůň"))
    (recorded,) = everything(log)
    assert "žluťoučký kůň".encode() in recorded.data


def test_arrays_arrive_as_they_were_sent(log: PostgresEventLog) -> None:
    words = ["", 'a "quoted" \\ word', "{braces, NULL}", None, "žluť 🐎", " "]
    ask = Statement(
        "arrays",
        b"SELECT $1::text[], $2::bigint[], $3::bytea[], $4::boolean[], $5::integer[], $6::text[]",
        6,
    )
    parameters = (
        texts(words),
        bigints([0, -1, 2**62]),
        array(BYTES, [b"\0\xff", b""]),
        array(BOOLEAN, [b"\1", b"\0"]),
        array(INTEGER, [None, (7).to_bytes(4, "big")]),
        texts([]),
    )
    with connect(log._url) as connection:
        for _ in range(2):  # prepared, and as prepared before
            found = [ask.execute(connection, parameters).get_value(0, column) for column in range(6)]
        shown = connection.execute(
            "SELECT %s::text[]::text, %s::bigint[]::text, %s::bytea[]::text", [words, [0, -1, 2**62], [b"\0\xff", b""]]
        ).fetchone()
    assert shown is not None
    assert [value and value.decode() for value in found] == [*shown, "{t,f}", "{NULL,7}", "{}"]
    assert [numbers_in(found[1]), numbers_in(found[5]), numbers_in(None)] == [[0, -1, 2**62], [], None]


def test_appends_go_on_after_the_driver_has_deallocated_every_statement(log: PostgresEventLog) -> None:
    """It does so after a rollback, if it has prepared a statement of its own on the connection."""
    written(log, A, 0, named())
    log.append([writing(A, 1, renamed(), command_id="1"), writing(B, 0, named(), command_id="2")])
    with log._datastore.get_connection() as connection:
        connection.execute("SELECT 1", prepare=True)
        with connection.transaction():
            raise psycopg.Rollback
        connection.execute("SELECT 1")
        assert connection.execute("SELECT name FROM pg_prepared_statements").fetchall() == []
    written(log, A, 2, renamed())
    log.append([writing(A, 3, renamed(), command_id="3"), writing(B, 1, renamed(), command_id="4")])
    assert [recorded.version for recorded in everything(log)] == [1, 2, 1, 3, 4, 2]


def test_an_append_within_a_transaction_needs_nothing_prepared_before(log: PostgresEventLog) -> None:
    stored = StoredEvent(A, 1, "PipelineRevised@1", b"{}")
    with closing(connect(log._url)) as connection:
        for _ in range(2):
            connection.execute("BEGIN")
            asked = Guards([A], [0], [True], [(ANN.id, "1")])
            assert log._recorder.append(connection, asked, [stored], [(ANN.id, "1", 0)]).positions
            connection.execute("ROLLBACK")
            connection.execute("DEALLOCATE ALL")
    assert everything(log) == []


FULL = """
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON events EXECUTE FUNCTION refuse();
"""


@pytest.mark.parametrize("guarded", [(), (Write(B, 0, ()),)])
def test_on_a_full_disk_nothing_is_recorded_and_that_is_said_at_once(
    log: PostgresEventLog, guarded: tuple[Write, ...]
) -> None:
    """It is known what became of the append: to try for long to learn it would keep everybody waiting."""
    written(log, A, 0, named())
    with closing(connect(log._url)) as connection:
        connection.execute(FULL)
        one = writing(A, 1, renamed())
        with pytest.raises(Unavailable, match=r"disk is full, make room there .*could not extend file") as told:
            log.append([msgspec.structs.replace(one, writes=(*one.writes, *guarded))])
        assert "not known" not in told.value.detail
        connection.execute("DROP TRIGGER full_disk ON events")
    written(log, A, 1, renamed())
    assert [event.version for event in everything(log)] == [1, 2]
