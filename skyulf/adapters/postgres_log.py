"""The event log in Postgres: any number of processes append at once, and every reader sees one order."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

import psycopg
from eventsourcing.persistence import IntegrityError, StoredEvent
from psycopg import Connection, Cursor, errors, sql
from psycopg.rows import tuple_row
from psycopg_pool import PoolClosed, PoolTimeout

from skyulf.adapters.postgres import connect, conninfo, lost, refused, warn_of_loss
from skyulf.adapters.postgres_batch import Facts, Plan, Prepared, prepared
from skyulf.adapters.postgres_order import StableHead
from skyulf.adapters.postgres_recorder import EnvelopeDatastore, EnvelopeRecorder, Outcome
from skyulf.adapters.postgres_schema import check
from skyulf.adapters.postgres_selects import Selects
from skyulf.adapters.postgres_wakeups import Listener, Notifier
from skyulf.adapters.stored import RestoreCheck, command_twice, examined, recorded_from, state_of
from skyulf.adapters.wakeups import Wakeups
from skyulf.errors import NotAllowed, Unavailable
from skyulf.events.base import Recorded
from skyulf.events.examination import Examined
from skyulf.events.log import Append, AppendResult, Page

SETTLED_WITHIN = 10.0
"""Seconds in which a connection is to be had again after one was lost during an append, so that its fate is known."""

AGAIN = 0.05
"""Seconds between two tries to be connected."""

RESTORED_AT_ONCE = 1_000

HIGHEST = 2**63 - 1
"""The highest position that there can be."""

Tuples = Cursor[tuple[Any, ...]]

T = TypeVar("T")


class PostgresEventLog:
    """`EventLog` in the database that ``url`` names, which `postgres_schema.migrate` has made ready.

    Raises `Misconfigured` when it cannot be reached, or is not ready.
    """

    def __init__(self, url: str, new_id: Callable[[], str]) -> None:
        self._url = url
        self._new_id = new_id
        with connect(url) as connection:
            schema = check(connection)
            warn_of_loss(connection)
            table = connection.execute("SELECT 'events'::regclass::oid").fetchone()
        channel = f"skyulf_{table[0]}" if table else ""
        self._datastore = EnvelopeDatastore(conninfo(url), schema)
        self._datastore.pool.open()
        self._recorder = EnvelopeRecorder(self._datastore)
        self._order = StableHead(self._reading, schema)
        self._wakeups = Wakeups()
        self._notifier = Notifier(url, channel)
        table_name = sql.SQL("{}.events").format(sql.Identifier(schema))
        self._listener = Listener(url, channel, table_name, self._wakeups, self._notifier.name)
        self._selects = Selects(schema)

    def append(self, appends: Sequence[Append]) -> list[AppendResult]:
        """See `EventLog.append`. In one statement, so that nobody can leave the transaction open."""
        if not appends:
            return []
        results = self._append([prepared(append, self._new_id) for append in appends])
        if any(isinstance(result, tuple) and result for result in results):
            self._notifier.tell()
        self._wakeups.wake_all()
        return results

    def _append(self, batch: Sequence[Prepared], before: Sequence[AppendResult] = ()) -> list[AppendResult]:
        """What becomes of a batch; ``before`` is what became of those before it in the same call."""
        try:
            return self._settled(batch, [not isinstance(result, tuple) for result in before])
        except errors.OutOfMemory as error:  # of the server's memory for locks, which the whole batch wants too many of
            if len(batch) == 1:
                raise refused(error) from error
            middle = len(batch) // 2
            first = self._append(batch[:middle], before)
            return first + self._append(batch[middle:], [*before, *first])

    def _settled(self, batch: Sequence[Prepared], refused: Sequence[bool]) -> list[AppendResult]:
        """Write what can be written together; where the database says otherwise, judge anew by what it says.

        Each time it does, an append is refused for good: versions only rise, and commands stay.
        """
        facts = Facts()
        while True:
            plan = Plan(facts, refused)
            verdicts = [plan.judge(candidate) for candidate in batch]
            written = [] if plan.settled else self._written(plan)
            if written is not None:
                rest = iter(written)
                return [next(rest) if verdict is None else verdict for verdict in verdicts]

    def _written(self, plan: Plan) -> list[tuple[Recorded, ...]] | None:
        """What each accepted append wrote; None when the plan rests on what is not so, and has been told what is."""
        outcome, doubtful = self._sent(plan)
        if outcome.refused:
            if doubtful and outcome.recorded and (ours := self._ours(plan)) is not None:
                return ours
            plan.learn(outcome.versions, outcome.recorded)
            return None
        positions = iter(outcome.positions or ())
        return [accepted.at([next(positions) for _ in accepted.events]) for accepted in plan.accepted]

    def _sent(self, plan: Plan) -> tuple[Outcome, bool]:
        """Send a plan until there is an answer; whether it may have been written before, by a try without one.

        A try that is still under way holds the locks on its commands: the next one waits for its end.
        """
        guards, events, keys = plan.guards(), plan.events(), plan.keys()
        give_up: float | None = None
        while True:
            try:
                with self._lent() as connection:
                    return self._recorder.append(connection, guards, events, keys), give_up is not None
            except errors.OutOfMemory:
                raise
            except (PoolTimeout, PoolClosed) as error:
                if give_up is None or time.monotonic() > give_up:
                    raise unsettled(error, give_up) from error
            except psycopg.Error as error:
                if not lost(error):
                    raise refused(error) from error
                give_up = give_up or time.monotonic() + SETTLED_WITHIN
                if time.monotonic() > give_up:
                    raise unsettled(error, give_up) from error
                time.sleep(AGAIN)

    @contextmanager
    def _lent(self) -> Iterator[Connection[Any]]:
        """A connection whose statements commit each by itself; the pool's own way ends a transaction that is none."""
        pool = self._datastore.pool
        connection = pool.getconn()
        try:
            yield connection
        finally:
            pool.putconn(connection)

    def _ours(self, plan: Plan) -> list[tuple[Recorded, ...]] | None:
        """What the plan wrote in a try whose answer was lost; None when the commands there are of someone else."""
        found = [self.command(*accepted.command) if accepted.events else () for accepted in plan.accepted]
        ids = [tuple(event.id for event in events) for events in found]
        return found if ids == [tuple(e.id for e in accepted.events) for accepted in plan.accepted] else None

    @contextmanager
    def _reading(self) -> Iterator[Tuples]:
        """A cursor whose statements commit each by itself; errors of Postgres as ours."""
        try:
            with self._datastore.pool.connection() as connection, connection.cursor(row_factory=tuple_row) as cursor:
                yield cursor
        except psycopg.Error as error:
            raise refused(error) from error

    def _asked(self, question: Callable[[], T]) -> T:
        """The answer to something that changes nothing; asked once more when the connection was found to be gone."""
        try:
            return question()
        except Unavailable as error:
            if error.__cause__ is None or not lost(error.__cause__) or isinstance(error.__cause__, PoolTimeout):
                raise
        self._datastore.pool.check()  # the others are gone too, as a rule
        return question()

    def _found(self, statement: bytes, parameters: Sequence[Any], *, keep: bool = True) -> tuple[Recorded, ...]:
        """The events that a statement selects; ``keep`` lets the server keep its plan."""

        def select() -> list[tuple[Any, ...]]:
            with self._reading() as cursor:
                return cursor.execute(statement, parameters, prepare=keep).fetchall()

        return tuple(recorded_from(*row) for row in self._asked(select))

    def load(self, after: Mapping[str, int]) -> dict[str, tuple[Recorded, ...]]:
        """See `EventLog.load`."""
        loaded: dict[str, list[Recorded]] = {stream: [] for stream in after}
        if after:
            for recorded in self._found(self._selects.load, (list(after), list(after.values()))):
                loaded[recorded.stream].append(recorded)
        return {stream: tuple(events) for stream, events in loaded.items()}

    def read(
        self, after: int, limit: int, types: Sequence[str] = (), stream: str | None = None, until: int | None = None
    ) -> Page:
        """See `EventLog.read`."""
        if until is not None and until <= self._order.settled:
            stop = until
        else:
            stop = self._asked(lambda: self._order.beyond(after))
            stop = stop if until is None else min(stop, until)
        if stop <= after:
            return Page((), after)
        page = self._selects.page(after, stop, limit, tuple(dict.fromkeys(types)), stream)
        found = self._found(*page, keep=not types or stream is not None)
        return Page(found, found[-1].position if len(found) == limit else stop)

    def examine(self, after: int, limit: int, until: int | None = None) -> tuple[Examined, ...]:
        """See `EventLog.examine`."""

        def select() -> list[tuple[Any, ...]]:
            with self._reading() as cursor:
                parameters = [after, HIGHEST if until is None else until, limit]
                return cursor.execute(self._selects.examine, parameters, prepare=True).fetchall()

        return tuple([examined(*row) for row in self._asked(select)])

    def command(self, actor: str, command_id: str) -> tuple[Recorded, ...]:
        """See `EventLog.command`."""
        return self._found(self._selects.command, (actor, command_id))

    def head(self) -> int:
        """See `EventLog.head`. It covers every append that has returned, to whomever."""
        return self._asked(self._order.whole)

    def mark(self) -> object:
        """See `EventLog.mark`. Other processes append too."""
        return object()

    def restore(self, records: Iterable[Recorded]) -> int:
        """See `EventLog.restore`. Whoever appends meanwhile waits; the owner of the tables alone may do this."""
        check_order, count, last = RestoreCheck(), 0, 0
        rest = iter(records)
        with connect(self._url) as connection:
            try:
                with connection.transaction(), connection.cursor() as cursor:
                    cursor.execute("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE")
                    if cursor.execute("SELECT EXISTS (SELECT FROM events)").fetchone() == (True,):
                        raise NotAllowed("the log is not empty: replay into a new database")
                    while some := list(islice(rest, RESTORED_AT_ONCE)):
                        for recorded in some:
                            check_order.see(recorded)
                        self._restore_some(connection, some)
                        count, last = count + len(some), some[-1].position
                    if count:
                        cursor.execute("SELECT setval(pg_get_serial_sequence('events', 'notification_id'), %s)", [last])
                        cursor.execute("ANALYZE events")
            except psycopg.Error as error:
                raise refused(error) from error
        self._notifier.tell()
        self._wakeups.wake_all()
        return count

    def _restore_some(self, connection: Connection[Any], some: Sequence[Recorded]) -> None:
        """Insert records; a command that stands there twice is found by inserting them one by one."""
        try:
            with connection.transaction(), connection.cursor() as cursor:
                self._recorder.insert_at(
                    cursor,
                    [recorded.position for recorded in some],
                    [
                        StoredEvent(r.stream, r.version, r.name, state_of(r.id, r.ordinal, r.metadata, r.data))
                        for r in some
                    ],
                    [(r.metadata.actor.id, r.metadata.command_id, r.ordinal) for r in some],
                )
        except IntegrityError as error:
            if len(some) == 1:
                raise command_twice(some[0]) from error
            for recorded in some:
                self._restore_some(connection, [recorded])

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """See `EventLog.subscribe`."""
        self._listener.begin()
        return self._wakeups.subscribe(wake)

    def close(self) -> None:
        """See `EventLog.close`."""
        self._listener.close()
        self._notifier.close()
        self._datastore.close()


def unsettled(error: psycopg.Error, give_up: float | None) -> Unavailable:
    """The error for an append that found no database; ``give_up`` is set once it may have been written all the same."""
    if give_up is None:
        return Unavailable("the database does not answer: nothing was recorded")
    return Unavailable(
        f"the database went away ({type(error).__name__}) and it is not known whether this was recorded: "
        "send it again under the same Idempotency-Key"
    )
