"""Every adapter of the ports that need no server; a suite that takes ``open_log`` or ``open_store`` runs over all.

Real servers are started by the first test that asks for one, and stopped at the end of all.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from builders import sequential_ids
from hypothesis import HealthCheck, settings
from services.kafka import ApacheKafka, Broker, Unfit, start_broker

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.adapters.read_store import SqlReadStore
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.events.log import EventLog
from skyulf.projections.store import ReadStore

settings.register_profile(
    "skyulf", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("skyulf")

LOGS: dict[str, Callable[[Path], EventLog]] = {
    "memory": lambda _: MemoryEventLog(sequential_ids()),
    "sqlite": lambda path: SqliteEventLog(path, sequential_ids()),
}

STORES: dict[str, Callable[[Path], ReadStore]] = {
    "memory": lambda _: MemoryReadStore(),
    "sqlite": lambda path: SqlReadStore(f"sqlite:///{path}"),
}


@pytest.fixture(params=LOGS)
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], EventLog]]:
    """Makes new, empty logs of the adapter under test, and closes them in the end."""
    numbers = itertools.count(1)
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(LOGS[request.param](tmp_path / f"log-{next(numbers)}.db")))


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
        yield lambda: stack.enter_context(closing(STORES[request.param](tmp_path / f"views-{next(numbers)}.db")))


@pytest.fixture
def store(open_store: Callable[[], ReadStore]) -> ReadStore:
    """An empty read store of the adapter under test."""
    return open_store()


@pytest.fixture(params=STORES)
def twins(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[ReadStore]]:
    """Two processes' views of one database of rows; in memory they share the store."""
    path = tmp_path / "views.db"
    with ExitStack() as stack:
        first = stack.enter_context(closing(STORES[request.param](path)))
        yield [first, first if request.param == "memory" else stack.enter_context(closing(STORES[request.param](path)))]


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
