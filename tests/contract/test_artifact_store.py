"""The `ArtifactStore` port, over every adapter: what is kept is given back as it was, or an error says why not."""

import hashlib
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from services.s3 import Bucket

from skyulf.adapters import s3_artifacts
from skyulf.adapters.cached_artifacts import CachedArtifacts
from skyulf.adapters.local_artifacts import LocalArtifacts
from skyulf.adapters.memory_artifacts import MemoryArtifacts
from skyulf.adapters.s3_artifacts import open_s3
from skyulf.artifacts import ArtifactStore
from skyulf.errors import AnotherContent, Invalid, NotFound

ADAPTERS = ("memory", "local", "s3", "cached s3")

PART = 5 << 20
"""Bytes of a part of an upload; the smallest that S3 takes."""

ABSENT = "sha256:" + "0" * 64


@dataclass
class Opened:
    """A store, and what a test needs beside it: ``again`` opens it as another process would, ``harm`` changes what is
    kept under a digest behind the store's back."""

    store: ArtifactStore
    again: Callable[[], ArtifactStore]
    harm: Callable[[str, bytes], None]


@pytest.fixture(params=ADAPTERS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    match request.param:
        case "memory":
            memory = MemoryArtifacts()

            def forge(digest: str, content: bytes) -> None:
                memory._contents[digest] = content

            yield Opened(memory, lambda: memory, forge)
        case "local":
            root = tmp_path / "artifacts"

            def overwrite(digest: str, content: bytes) -> None:
                next(root.glob(f"*/{digest.removeprefix('sha256:')}")).write_bytes(content)

            yield Opened(LocalArtifacts(root), lambda: LocalArtifacts(root), overwrite)
        case kind:
            bucket: Bucket = request.getfixturevalue("s3")
            url = bucket.url()
            numbers = iter(range(100))

            def put(digest: str, content: bytes) -> None:
                digits = digest.removeprefix("sha256:")
                bucket.put(f"{url}/{digits[:2]}/{digits}", content)

            def make() -> ArtifactStore:
                store = open_s3(url, writing=True)
                return store if kind == "s3" else CachedArtifacts(store, tmp_path / f"cache-{next(numbers)}", 1 << 30)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(s3_artifacts, "PART", PART)
                for name, value in bucket.environment.items():
                    patch.setenv(name, value)
                yield Opened(make(), make, put)


@pytest.fixture
def store(opened: Opened) -> ArtifactStore:
    return opened.store


@pytest.fixture
def file_of(tmp_path: Path) -> Callable[[bytes], Path]:
    folder = tmp_path / "sources"
    folder.mkdir()

    def write(content: bytes) -> Path:
        path = folder / f"{len(list(folder.iterdir()))}.bin"
        path.write_bytes(content)
        return path

    return write


FileOf = Callable[[bytes], Path]

SIZES = {"nothing": 0, "a byte": 1, "a whole part": PART, "parts": PART + 4_321}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_what_is_kept_is_given_back(opened: Opened, file_of: FileOf, tmp_path: Path, size: int) -> None:
    content = random.Random(size).randbytes(size)
    digest = opened.store.put(file_of(content))
    assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    for store in (opened.store, opened.again()):
        assert store.path(digest).read_bytes() == content
        assert store.read(digest) == content
        target = tmp_path / "copy"
        store.copy(digest, target)
        assert target.read_bytes() == content
        target.unlink()


def test_a_copy_takes_no_file_that_is_there(store: ArtifactStore, file_of: FileOf, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"something else")
    with pytest.raises(FileExistsError):
        store.copy(store.put(file_of(b"content")), target)


def test_the_source_is_left_alone_and_may_go(store: ArtifactStore, file_of: FileOf) -> None:
    source = file_of(b"content")
    digest = store.put(source)
    assert source.read_bytes() == b"content"
    source.write_bytes(b"other content")
    source.unlink()
    assert store.read(digest) == b"content"


def test_the_same_content_is_kept_once(store: ArtifactStore, file_of: FileOf) -> None:
    contents = [b"one", b"two", b"one", b"x" * (PART + 1), b"x" * (PART + 1)]
    digests = [store.put(file_of(content)) for content in contents]
    assert digests[0] == digests[2]
    assert list(store.digests()) == sorted(set(digests))


def test_the_same_content_from_many_at_once(opened: Opened, file_of: FileOf) -> None:
    sources = [file_of(b"x" * size) for size in (1_000, 1_000, 1_000, 1_000, PART + 5, PART + 5)]
    stores = [opened.store, opened.again()]
    with ThreadPoolExecutor(8) as threads:
        digests = list(threads.map(lambda at: stores[at % 2].put(sources[at]), range(len(sources))))
        assert len(set(digests)) == 2
        found = list(threads.map(lambda at: stores[at % 2].path(digests[at]).stat().st_size, range(len(digests))))
    assert found == [1_000] * 4 + [PART + 5] * 2
    assert list(opened.store.digests()) == sorted(set(digests))


def test_what_is_removed_is_there_no_more_until_it_is_put_again(
    opened: Opened, file_of: FileOf, tmp_path: Path
) -> None:
    kept, removed = opened.store.put(file_of(b"kept")), opened.store.put(file_of(b"removed"))
    for digest in (removed, removed, ABSENT):
        opened.store.remove(digest)
    assert list(opened.store.digests()) == [kept]
    with pytest.raises(NotFound, match=removed):
        opened.again().copy(removed, tmp_path / "target")
    assert opened.again().put(file_of(b"removed")) == removed
    assert opened.store.read(removed) == b"removed"


def test_an_empty_store_holds_nothing(opened: Opened) -> None:
    assert list(opened.store.digests()) == []


def test_what_is_not_there_is_not_found(store: ArtifactStore, tmp_path: Path) -> None:
    target = tmp_path / "target"
    for ask in (store.path, store.read, lambda digest: store.copy(digest, target)):
        with pytest.raises(NotFound, match=ABSENT):
            ask(ABSENT)
    assert not target.exists()


@pytest.mark.parametrize(
    "digest", ["", "sha256:", "sha256:" + "0" * 63, "sha256:../../../etc/passwd", "0" * 64, "md5:x"]
)
def test_what_is_no_digest_is_refused(store: ArtifactStore, digest: str, tmp_path: Path) -> None:
    for ask in (store.path, store.read, store.remove, lambda it: store.copy(it, tmp_path / "target")):
        with pytest.raises(Invalid):
            ask(digest)


@pytest.mark.parametrize("other", [b"contenT", b"", b"content and more", b"x" * 2_000_000], ids=len)
def test_damage_is_seen_and_nothing_of_it_given(opened: Opened, file_of: FileOf, tmp_path: Path, other: bytes) -> None:
    digest = opened.store.put(file_of(b"content"))
    opened.harm(digest, other)
    target = tmp_path / "target"
    store = opened.again()
    for ask in (store.path, store.read, lambda it: store.copy(it, target)):
        with pytest.raises(AnotherContent, match=digest) as raised:
            ask(digest)
        assert raised.value.found == f"sha256:{hashlib.sha256(other).hexdigest()}"
    assert not target.exists()


def test_putting_it_again_heals_what_was_cut_short(opened: Opened, file_of: FileOf) -> None:
    for content in (b"content", b"x" * (PART + 1)):
        digest = opened.store.put(file_of(content))
        opened.harm(digest, content[:-1])
        assert opened.again().put(file_of(content)) == digest
        assert opened.again().read(digest) == content
