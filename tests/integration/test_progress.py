"""How far rows have got is told between processes, so that nobody has to look for it."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
from builders import named, written
from services.postgres_logs import PostgresLogs

from skyulf.adapters import postgres_progress
from skyulf.adapters.postgres_log import PostgresEventLog
from skyulf.adapters.postgres_progress import ProgressListener, ProgressTeller
from skyulf.adapters.read_store import SqlReadStore
from skyulf.adapters.system import new_id
from skyulf.projections import PROJECTIONS
from skyulf.projections.pipeline import PIPELINES
from skyulf.projections.projector import Projector
from skyulf.queries import freshness
from skyulf.queries.freshness import Freshness

PATIENCE = 30.0


class Heard:
    """What was heard, by projection."""

    def __init__(self) -> None:
        self.positions: dict[str, int] = {}
        self._changed = threading.Condition()

    def moved(self, projection: str, position: int) -> None:
        with self._changed:
            self.positions[projection] = position
            self._changed.notify_all()

    def wait(self, projection: str, position: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.positions.get(projection, 0) >= position, PATIENCE)


@contextmanager
def listening(url: str, heard: Heard) -> Iterator[None]:
    """A listener that is known to listen: it hears a word that is repeated until then."""
    with closing(ProgressListener(url, heard.moved)) as listener, closing(ProgressTeller(url)) as teller:
        listener.start()
        deadline = time.monotonic() + PATIENCE
        while "ready" not in heard.positions:
            assert time.monotonic() < deadline
            teller.moved("ready", 1)
            time.sleep(0.01)
        yield


def test_what_one_process_projects_is_heard_in_another(postgres_logs: PostgresLogs) -> None:
    url, heard = postgres_logs.url(), Heard()
    with listening(url, heard), closing(ProgressTeller(url)) as teller:
        teller.moved("jobs", 7)
        teller.moved("models", 8)
        assert heard.wait("jobs", 7)
        assert heard.wait("models", 8)


def test_other_schemas_are_not_heard(postgres_logs: PostgresLogs) -> None:
    url, heard = postgres_logs.url(), Heard()
    with closing(PostgresEventLog(url, new_id)), closing(ProgressTeller(postgres_logs.url())) as stranger:
        with listening(url, heard), closing(ProgressTeller(url)) as teller:
            stranger.moved("jobs", 100)
            stranger.close()
            teller.moved("jobs", 1)
            assert heard.wait("jobs", 1)
        assert heard.positions["jobs"] == 1


def test_both_come_back_when_their_connections_are_cut(
    postgres_logs: PostgresLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_progress, "AGAIN", 0.01)
    url, heard = postgres_logs.url(), Heard()
    with listening(url, heard), closing(ProgressTeller(url)) as teller:
        teller.moved("jobs", 1)
        assert heard.wait("jobs", 1)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND (query LIKE '%LISTEN%' OR query LIKE '%pg_notify%')"
            )
        deadline, position = time.monotonic() + PATIENCE, 1
        while heard.positions["jobs"] == 1:
            assert time.monotonic() < deadline
            position += 1
            teller.moved("jobs", position)
            time.sleep(0.01)


def test_what_the_connection_was_lost_with_is_told_on_the_next(postgres_logs: PostgresLogs) -> None:
    """What else moves meanwhile is told as far as it has got, and nothing goes back."""
    url, heard = postgres_logs.url(), Heard()
    with listening(url, heard), closing(ProgressTeller(url)) as teller:
        teller.moved("jobs", 1)
        assert heard.wait("jobs", 1)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND query LIKE '%pg_notify%'"
            )
        teller.moved("jobs", 2)
        assert heard.wait("jobs", 2)


def test_who_waits_for_a_position_is_woken_by_the_projector_of_another_process(
    postgres_logs: PostgresLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With looking turned off, a word of the projector is all that can end the wait."""
    monkeypatch.setattr(freshness, "LOOK", PATIENCE)
    url = postgres_logs.url()
    with (
        closing(PostgresEventLog(url, new_id)) as log,
        closing(SqlReadStore(url)) as store,
        closing(SqlReadStore(url)) as theirs,
        closing(ProgressTeller(url)) as teller,
    ):
        projector = Projector(log, theirs, PROJECTIONS)
        projector.on_advance(teller.moved)
        projector.prepare()
        waiting = Freshness(log, store, PATIENCE / 2)
        heard = Heard()

        def moved(projection: str, position: int) -> None:
            waiting.moved(projection, position)
            heard.moved(projection, position)

        async def run(position: int) -> None:
            reached = asyncio.create_task(waiting.reach(PIPELINES, position))
            while not waiting._waiting:
                await asyncio.sleep(0.001)
            await asyncio.to_thread(projector.catch_up)
            await reached

        with closing(ProgressListener(url, moved)) as listener:
            listener.start()
            while "ready" not in heard.positions:
                teller.moved("ready", 1)
                time.sleep(0.01)
            [recorded] = written(log, f"pipeline-{new_id()}", 0, named())
            asyncio.run(run(recorded.position))
