"""What every DeliveryStore does."""

import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from builders import NOW
from services.postgres import Databases

from skyulf.adapters.delivery_store import SqlDeliveryStore
from skyulf.adapters.memory_deliveries import MemoryDeliveryStore
from skyulf.adapters.postgres_schema import migrate_database
from skyulf.errors import Damaged, Misconfigured
from skyulf.events.delivery_store import DeliveryStore, Progress, Waiting

Request = pytest.FixtureRequest


def in_postgres(request: Request) -> DeliveryStore:
    url = request.getfixturevalue("postgres").schema()
    migrate_database(url)
    return SqlDeliveryStore(url)


STORES: dict[str, Callable[[Request, Path], DeliveryStore]] = {
    "memory": lambda _, __: MemoryDeliveryStore(),
    "sqlite": lambda _, path: SqlDeliveryStore(path),
    "postgres": lambda request, _: in_postgres(request),
}

WAITING = (
    Waiting("job-1", 7, 3, "answered 500", NOW, NOW, parked=True),
    Waiting("job-2", 9),
)


@pytest.fixture(params=STORES)
def deliveries(request: Request, tmp_path: Path) -> Iterator[DeliveryStore]:
    with closing(STORES[request.param](request, tmp_path / "webhooks.db")) as made:
        yield made


def test_progress_is_found_as_it_was_kept_last(deliveries: DeliveryStore) -> None:
    assert deliveries.load("webhook-1") is None
    assert deliveries.load_all() == {}
    deliveries.save("webhook-1", Progress(1, 5, WAITING))
    deliveries.save("webhook-2", Progress(1, 2**40))
    assert deliveries.load("webhook-1") == Progress(1, 5, WAITING)
    deliveries.save("webhook-1", Progress(4, 3))
    assert deliveries.load_all() == {"webhook-1": Progress(4, 3), "webhook-2": Progress(1, 2**40)}


def test_secrets_are_found_by_their_hashes_until_they_are_forgotten(deliveries: DeliveryStore) -> None:
    for name in ("one", "two"):
        deliveries.keep_secret(f"hash-{name}", f"whsec_{name}")
    assert deliveries.secret("hash-one") == "whsec_one"
    assert deliveries.known(["hash-one", "hash-two", "hash-three"]) == {"hash-one", "hash-two"}
    deliveries.save("webhook-1", Progress(1, 5))
    deliveries.forget("webhook-1", ["hash-one"])
    assert deliveries.secret("hash-one") is None
    assert (deliveries.known(["hash-one", "hash-two"]), deliveries.load_all()) == ({"hash-two"}, {})


def test_the_file_is_its_owners_alone_and_so_are_those_beside_it(tmp_path: Path) -> None:
    with closing(SqlDeliveryStore(tmp_path / "webhooks.db")) as store:
        store.keep_secret("hash", "whsec_secret")
        found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert found == dict.fromkeys(("webhooks.db", "webhooks.db-wal", "webhooks.db-shm"), 0o600)
    with closing(SqlDeliveryStore(tmp_path / "webhooks.db")) as store:
        assert store.secret("hash") == "whsec_secret"


def test_a_file_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "webhooks.db"
    file.write_bytes(b"something else, and longer than a header of SQLite is" * 20)
    with pytest.raises(Damaged, match="cannot be opened"):
        SqlDeliveryStore(file)
    assert file.read_bytes().startswith(b"something else")


def test_tables_that_are_missing_are_told(postgres: Databases) -> None:
    with closing(SqlDeliveryStore(postgres.schema())) as store, pytest.raises(Misconfigured, match="skyulf migrate"):
        store.load("webhook-1")
