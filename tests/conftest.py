"""Every adapter of the ports; a suite that takes ``open_log`` or ``open_store`` runs over all of them.

Real servers are started by the first test that asks for one, and stopped at the end of all.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from builders import sequential_ids
from hypothesis import HealthCheck, settings
from services.kafka import ApacheKafka, Broker, Unfit, start_broker
from services.postgres import CannotRun, Databases, databases
from services.postgres_logs import PostgresLogs

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.adapters.read_store import SqlReadStore
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.events.log import EventLog
from skyulf.projections.store import ReadStore

pytest_plugins = ["services.s3"]

settings.register_profile(
    "skyulf", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("skyulf")


@pytest.fixture(autouse=True, scope="module")
def _no_less_urgent() -> Iterator[None]:
    """What a sandbox does to itself is not done to the process of the tests, whose servers would be as slow."""
    before = os.nice(0)
    yield
    assert os.nice(0) == before


@pytest.fixture(scope="session")
def postgres() -> Iterator[Databases]:
    """A real Postgres, where each test gets what is empty."""
    with ExitStack() as stack:
        try:
            made = stack.enter_context(databases())
        except CannotRun as error:
            pytest.skip(f"no Postgres on this machine: {error}")
        yield made


@pytest.fixture(scope="session")
def postgres_logs(postgres: Databases) -> PostgresLogs:
    return PostgresLogs(postgres)


Request = pytest.FixtureRequest

LOGS: dict[str, Callable[[Request, Path], EventLog]] = {
    "memory": lambda _, __: MemoryEventLog(sequential_ids()),
    "sqlite": lambda _, path: SqliteEventLog(path, sequential_ids()),
    "postgres": lambda request, _: request.getfixturevalue("postgres_logs")(),
}

OWNED = ("memory", "sqlite")
"""Logs that one process alone appends to."""

STORES: dict[str, Callable[[Request, Path], ReadStore]] = {
    "memory": lambda _, __: MemoryReadStore(),
    "sqlite": lambda _, path: SqlReadStore(f"sqlite:///{path}"),
    "postgres": lambda request, _: SqlReadStore(request.getfixturevalue("postgres").schema()),
}


@pytest.fixture(params=LOGS)
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], EventLog]]:
    """Makes new, empty logs of the adapter under test, and closes them in the end."""
    numbers = itertools.count(1)
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(LOGS[request.param](request, tmp_path / f"log-{next(numbers)}.db")))


@pytest.fixture(params=OWNED)
def owned_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventLog]:
    """An empty log that nobody else appends to."""
    with closing(LOGS[request.param](request, tmp_path / "log.db")) as log:
        yield log


@pytest.fixture
def log(open_log: Callable[[], EventLog]) -> EventLog:
    """An empty log of the adapter under test."""
    return open_log()


@pytest.fixture
def memory_log() -> MemoryEventLog:
    return MemoryEventLog(sequential_ids())


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], ReadStore]]:
    """Makes new, empty read stores of the adapter under test, and closes them in the end."""
    numbers = itertools.count(1)
    with ExitStack() as stack:
        yield lambda: stack.enter_context(
            closing(STORES[request.param](request, tmp_path / f"views-{next(numbers)}.db"))
        )


@pytest.fixture
def store(open_store: Callable[[], ReadStore]) -> ReadStore:
    """An empty read store of the adapter under test."""
    return open_store()


@pytest.fixture(params=STORES)
def twins(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[ReadStore]]:
    """Two processes' views of one database of rows; in memory they share the store."""
    path = tmp_path / "views.db"
    with ExitStack() as stack:
        first = stack.enter_context(closing(STORES[request.param](request, path)))
        match request.param:
            case "memory":
                yield [first, first]
            case "sqlite":
                yield [first, stack.enter_context(closing(SqlReadStore(f"sqlite:///{path}")))]
            case "postgres":
                url = request.getfixturevalue("postgres").newest
                yield [first, stack.enter_context(closing(SqlReadStore(url)))]


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A Kafka broker."""
    with ExitStack() as stack:
        try:
            found = stack.enter_context(start_broker())
        except Unfit as lack:
            pytest.skip(f"this machine cannot run Kafka: {lack}")
        yield found


@pytest.fixture
def own_broker(broker: Broker) -> Iterator[ApacheKafka]:
    """The broker, to be killed and started again; it runs when the test is over."""
    if not isinstance(broker, ApacheKafka):
        pytest.skip("the broker of SKYULF_TEST_KAFKA is not ours to kill or to set up")
    yield broker
    broker.revive()
