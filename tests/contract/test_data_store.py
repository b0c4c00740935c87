"""The `DataStore` port, over every adapter: what is kept for a dataset ends with it, and with nothing else."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from skyulf.adapters.artifact_keys import ArtifactKeys
from skyulf.adapters.cached_artifacts import CachedArtifacts
from skyulf.adapters.encrypted_artifacts import EncryptedArtifacts
from skyulf.adapters.encryption import MAGIC, SALT_BYTES, NotDecrypted, decrypted, encrypt
from skyulf.adapters.local_artifacts import LocalArtifacts
from skyulf.adapters.memory_artifacts import MemoryArtifacts
from skyulf.adapters.postgres_schema import migrate_database
from skyulf.artifacts import PIECE, ArtifactStore, DataStore, digest_of
from skyulf.errors import Damaged, Erased, Misconfigured, NotFound

ONE, OTHER = "dataset-1", "dataset-2"

SECRET = b"Ada Lovelace, 10 December 1815"

HEAD = len(MAGIC) + SALT_BYTES

Request = pytest.FixtureRequest


@dataclass
class Opened:
    """A store; ``again`` opens it as another process would, and ``files`` is where anything of it may lie."""

    store: DataStore
    again: Callable[[], DataStore]
    files: Path


def in_files(
    url: Callable[[], str], folder: Path, opened: ExitStack, wrap: Callable[[ArtifactStore], ArtifactStore]
) -> Opened:
    made = url()
    numbers = iter(range(100))

    def make() -> DataStore:
        store = wrap(LocalArtifacts(folder / "artifacts"))
        copies = folder / f"decrypted-{next(numbers)}"
        return opened.enter_context(closing(EncryptedArtifacts(store, ArtifactKeys(made), lambda: copies)))

    return Opened(make(), make, folder)


@pytest.fixture(params=["memory", "sqlite", "cached", "postgres"])
def opened(request: Request, tmp_path: Path) -> Iterator[Opened]:
    folder = tmp_path / "kept"
    folder.mkdir()
    with ExitStack() as stack:
        match request.param:
            case "memory":
                memory = MemoryArtifacts()
                yield Opened(memory, lambda: memory, folder)
            case "postgres":
                url = request.getfixturevalue("postgres").schema()
                migrate_database(url)
                yield in_files(lambda: url, folder, stack, lambda store: store)
            case kind:

                def cached(store: ArtifactStore) -> ArtifactStore:
                    return CachedArtifacts(store, folder / "cache", 1 << 30) if kind == "cached" else store

                yield in_files(lambda: f"sqlite:///{folder / 'keys.db'}", folder, stack, cached)


@pytest.fixture
def store(opened: Opened) -> DataStore:
    return opened.store


@pytest.fixture
def file_of(tmp_path: Path) -> Callable[[bytes], Path]:
    numbers = iter(range(100))

    def write(content: bytes) -> Path:
        path = tmp_path / f"{next(numbers)}.bin"
        path.write_bytes(content)
        return path

    return write


FileOf = Callable[[bytes], Path]


def asks(store: DataStore, target: Path) -> list[Callable[[str], object]]:
    return [store.path, store.read, lambda digest: store.copy(digest, target)]


def found_in(folder: Path, content: bytes) -> list[Path]:
    """The files in which some content can be read."""
    return [path for path in folder.rglob("*") if path.is_file() and content in path.read_bytes()]


@pytest.mark.parametrize("size", [0, 1, PIECE, 2 * PIECE + 5])
def test_what_is_kept_for_a_dataset_is_given_back_under_the_digest_of_its_content(
    opened: Opened, file_of: FileOf, tmp_path: Path, size: int
) -> None:
    content = secrets.token_bytes(size)
    source = file_of(content)
    digest = opened.store.put_for(ONE, source)
    assert (digest, source.read_bytes()) == (digest_of(source), content)
    for store in (opened.store, opened.again()):
        assert store.path(digest).read_bytes() == content
        assert store.read(digest) == content
        store.copy(digest, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == content
        (tmp_path / "copy").unlink()
        assert list(store.digests()) == [digest]


def test_it_lies_nowhere_as_it_is_until_somebody_reads_it(opened: Opened, file_of: FileOf) -> None:
    opened.store.put_for(ONE, file_of(SECRET))
    opened.store.put_for(ONE, file_of(SECRET))
    assert found_in(opened.files, SECRET) == []


def test_what_is_erased_is_nowhere_and_said_to_be_erased(opened: Opened, file_of: FileOf, tmp_path: Path) -> None:
    digest = opened.store.put_for(ONE, file_of(SECRET))
    kept = opened.store.put_for(OTHER, file_of(b"of another"))
    key = opened.files / "keys.db"
    opened.store.path(digest)
    for _ in range(2):
        opened.store.erase(ONE)
    assert found_in(opened.files, SECRET) == []
    assert list(opened.store.digests()) == [kept]
    for store in (opened.store, opened.again()):
        for ask in asks(store, tmp_path / "copy"):
            with pytest.raises(Erased, match=f"{digest} was erased with {ONE}"):
                ask(digest)
        assert store.read(kept) == b"of another"
        with pytest.raises(Erased, match=ONE):
            store.put_for(ONE, file_of(SECRET))
    assert not key.exists() or ONE.encode() in key.read_bytes()
    assert not (tmp_path / "copy").exists()


def test_the_same_content_stays_for_whom_else_it_was_kept(opened: Opened, file_of: FileOf) -> None:
    digest = opened.store.put_for(ONE, file_of(SECRET))
    assert opened.store.put_for(OTHER, file_of(SECRET)) == digest
    opened.store.erase(ONE)
    for store in (opened.store, opened.again()):
        assert store.read(digest) == SECRET
        assert store.path(digest).read_bytes() == SECRET
    opened.store.erase(OTHER)
    with pytest.raises(Erased):
        opened.again().read(digest)


def test_what_was_erased_can_be_kept_again_for_another(opened: Opened, file_of: FileOf) -> None:
    digest = opened.store.put_for(ONE, file_of(SECRET))
    opened.store.erase(ONE)
    assert opened.store.put_for(OTHER, file_of(SECRET)) == digest
    assert opened.again().read(digest) == SECRET


def test_what_was_kept_before_there_were_keys_is_read_and_goes_when_it_is_named(
    opened: Opened, file_of: FileOf, tmp_path: Path
) -> None:
    old, shared = opened.store.put(file_of(SECRET)), opened.store.put(file_of(b"of two"))
    opened.store.put_for(ONE, file_of(b"of two"))
    assert opened.again().read(old) == SECRET
    opened.store.erase(ONE, [old])
    for ask in asks(opened.again(), tmp_path / "copy"):
        with pytest.raises(Erased, match=old):
            ask(old)
    if not isinstance(opened.store, MemoryArtifacts):  # which keeps one content once, whoever it is of
        assert opened.again().read(shared) == b"of two"


def test_what_is_removed_is_not_there_and_not_erased(store: DataStore, file_of: FileOf) -> None:
    digest = store.put_for(ONE, file_of(SECRET))
    store.path(digest)
    store.remove(digest)
    with pytest.raises(NotFound, match=digest):
        store.read(digest)
    assert store.put_for(ONE, file_of(SECRET)) == digest
    assert store.read(digest) == SECRET


def test_every_file_is_told_with_whose_it_is_and_can_be_discarded(opened: Opened, file_of: FileOf) -> None:
    before = time.time() - 60
    plain = opened.store.put(file_of(b"of nobody"))
    own, others = (opened.store.put_for(each, file_of(each.encode())) for each in (ONE, OTHER))
    told = {file.digest: file for file in opened.again().stored()}
    assert {digest: file.dataset for digest, file in told.items()} == {plain: None, own: ONE, others: OTHER}
    assert all(file.size >= 9 and before < file.at < time.time() + 60 for file in told.values())
    for digest in (own, plain):
        opened.store.discard(told[digest])
        opened.store.discard(told[digest])
    assert list(opened.again().digests()) == [others]
    with pytest.raises(NotFound):
        opened.again().read(own)


def test_what_was_put_again_is_not_discarded_with_what_was_there_before(opened: Opened, file_of: FileOf) -> None:
    digest = opened.store.put_for(ONE, file_of(SECRET))
    (old,) = opened.store.stored()
    assert opened.again().put_for(ONE, file_of(SECRET)) == digest
    opened.store.discard(old)
    assert opened.again().read(digest) == SECRET
    (new,) = opened.store.stored()
    assert new != old


def encrypting(tmp_path: Path, content: bytes) -> tuple[Path, bytes, str]:
    source, target, key = tmp_path / "source", tmp_path / "target", secrets.token_bytes(32)
    source.write_bytes(content)
    encrypt(source, target, key, digest_of(source))
    return target, key, digest_of(source)


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole[:-1],
        lambda whole: whole[: HEAD + PIECE + 16],
        lambda whole: whole[:100] + bytes([whole[100] ^ 1]) + whole[101:],
        lambda whole: whole[:HEAD] + whole[HEAD + PIECE + 16 :],
        lambda whole: whole + b"more",
        lambda _: b"",
        lambda _: MAGIC,
    ],
    ids=["shorter", "without its end", "a bit", "without its beginning", "longer", "empty", "a head alone"],
)
def test_nothing_but_what_was_encrypted_decrypts(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    target, key, digest = encrypting(tmp_path, secrets.token_bytes(PIECE + 10))
    target.write_bytes(change(target.read_bytes()))
    with pytest.raises(NotDecrypted):
        list(decrypted(target, key, digest))


def test_a_key_opens_what_was_encrypted_with_it_alone(tmp_path: Path) -> None:
    target, key, digest = encrypting(tmp_path, SECRET)
    assert b"".join(decrypted(target, key, digest)) == SECRET
    for other_key, other_digest in ((secrets.token_bytes(32), digest), (key, f"sha256:{'0' * 64}")):
        with pytest.raises(NotDecrypted):
            list(decrypted(target, other_key, other_digest))


@pytest.fixture
def local(tmp_path: Path) -> Iterator[EncryptedArtifacts]:
    keys = ArtifactKeys(f"sqlite:///{tmp_path / 'keys.db'}")
    store = EncryptedArtifacts(LocalArtifacts(tmp_path / "artifacts"), keys, lambda: tmp_path / "decrypted")
    with closing(store):
        yield store


def test_damage_is_seen_under_the_name_of_the_content(
    local: EncryptedArtifacts, file_of: FileOf, tmp_path: Path
) -> None:
    digest = local.put_for(ONE, file_of(SECRET))
    (stored,) = (path for path in (tmp_path / "artifacts").rglob("*") if path.is_file())
    stored.write_bytes(stored.read_bytes()[:-1] + b"x")
    for ask in asks(local, tmp_path / "copy"):
        with pytest.raises(Damaged, match=digest):
            ask(digest)


def test_decrypted_copies_go_when_nobody_asks_for_them_and_at_the_end(
    local: EncryptedArtifacts, file_of: FileOf, tmp_path: Path
) -> None:
    digest = local.put_for(ONE, file_of(SECRET))
    local.path(digest)
    local.tidy()
    assert len(found_in(tmp_path / "decrypted", SECRET)) == 1
    assert local._opened is not None
    local._opened._hold = 0.0  # as if it had been asked for long ago
    local.tidy()
    assert found_in(tmp_path / "decrypted", SECRET) == []
    local.path(digest)
    local.close()
    assert found_in(tmp_path / "decrypted", SECRET) == []


def test_what_another_process_erased_lies_here_no_longer(tmp_path: Path, file_of: FileOf) -> None:
    def make(name: str) -> EncryptedArtifacts:
        keys = ArtifactKeys(f"sqlite:///{tmp_path / 'keys.db'}")
        return EncryptedArtifacts(LocalArtifacts(tmp_path / "artifacts"), keys, lambda: tmp_path / name)

    with closing(make("a")) as here, closing(make("b")) as there:
        digest = here.put_for(ONE, file_of(SECRET))
        here.path(digest)
        there.erase(ONE)
        here.tidy()
        assert found_in(tmp_path / "a", SECRET) == []


def test_a_destroyed_key_is_in_no_file(tmp_path: Path) -> None:
    with closing(ArtifactKeys(f"sqlite:///{tmp_path / 'keys.db'}")) as keys:
        made = {dataset: keys.key(dataset) for dataset in (f"dataset-{number}" for number in range(60))}
        gone, left = [f"dataset-{number}" for number in range(0, 60, 3)], made["dataset-1"]
        for dataset in gone:
            keys.destroy(dataset, ())
        parts = [made[dataset][at : at + 8] for dataset in gone for at in (0, 8, 16, 24)]
        assert not [part for part in parts if found_in(tmp_path, part)]
    assert not [part for part in parts if found_in(tmp_path, part)]
    assert found_in(tmp_path, left)


def test_a_database_without_the_tables_says_what_makes_them(request: Request) -> None:
    url = request.getfixturevalue("postgres").schema()
    with closing(ArtifactKeys(url)) as keys, pytest.raises(Misconfigured, match="skyulf migrate"):
        keys.key(ONE)
