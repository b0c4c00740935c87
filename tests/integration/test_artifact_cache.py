"""The cache of artifacts: held to its size, shared by processes, and never serving what is not whole."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from skyulf.adapters.cached_artifacts import ABANDONED, CachedArtifacts
from skyulf.adapters.local_artifacts import LocalArtifacts
from skyulf.adapters.memory_artifacts import MemoryArtifacts
from skyulf.errors import NotFound, Unavailable

LIMIT = 3_500
"""Three artifacts fit, and no fourth."""

SIZE = 1_000


class Counting(MemoryArtifacts):
    """Counts what is fetched, and may be told to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.failures: list[Exception] = []

    def copy(self, digest: str, target: Path) -> None:
        self.fetched.append(digest)
        if self.failures:
            raise self.failures.pop(0)
        super().copy(digest, target)


@pytest.fixture
def source() -> Counting:
    return Counting()


@pytest.fixture
def digests(source: Counting, tmp_path: Path) -> list[str]:
    """Five artifacts of one size."""
    return put(source, tmp_path, 5)


def put(source: MemoryArtifacts | LocalArtifacts, folder: Path, count: int) -> list[str]:
    found = []
    for number in range(count):
        path = folder / "source.bin"
        path.write_bytes(bytes([number]) * SIZE)
        found.append(source.put(path))
    return found


@pytest.fixture
def cache(source: Counting, tmp_path: Path) -> Callable[..., CachedArtifacts]:
    """Opens the cache as one more process would; nothing is held, unless a test asks for it."""
    return lambda hold=0.0, limit=LIMIT: CachedArtifacts(source, tmp_path / "cache", limit, hold)


def kept(tmp_path: Path) -> set[str]:
    return {f"sha256:{path.name}" for path in (tmp_path / "cache").iterdir()}


def age(path: Path, seconds: float) -> None:
    """Have the file look as if it had been used last so long ago."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns - int(seconds * 1e9), status.st_mtime_ns))


def test_what_was_used_is_not_fetched_again(
    cache: Callable[..., CachedArtifacts], source: Counting, digests: list[str]
) -> None:
    first, second = cache(), cache()
    for store in (first, first, second):
        assert store.path(digests[0]).read_bytes() == bytes(SIZE)
        assert store.read(digests[0]) == bytes(SIZE)
    assert source.fetched == digests[:1]


def test_what_was_used_longest_ago_makes_room(
    cache: Callable[..., CachedArtifacts], tmp_path: Path, digests: list[str]
) -> None:
    store = cache()
    for digest in (*digests[:3], digests[0], digests[3]):
        store.path(digest)
    assert kept(tmp_path) == {digests[0], digests[2], digests[3]}
    assert store.path(digests[1]).read_bytes() == bytes([1]) * SIZE


def test_what_was_given_is_held_even_above_the_limit(
    cache: Callable[..., CachedArtifacts], tmp_path: Path, digests: list[str]
) -> None:
    store = cache(hold=600.0)
    paths = [store.path(digest) for digest in digests]
    assert kept(tmp_path) == set(digests)
    for path in paths[:4]:
        age(path, 700.0)
    cache(hold=600.0).path(digests[0])  # another process uses this one now
    (tmp_path / "six.bin").write_bytes(b"six")
    store.path(store.put(tmp_path / "six.bin"))
    assert kept(tmp_path) >= {digests[0], digests[4]}
    assert len(kept(tmp_path)) == 4


def test_a_clock_that_was_set_back_holds_nothing_for_ever(
    cache: Callable[..., CachedArtifacts], tmp_path: Path, digests: list[str]
) -> None:
    store = cache(hold=600.0)
    for digest in digests[:3]:
        age(store.path(digest), -10_000.0)
    store.path(digests[3])
    assert len(kept(tmp_path)) == 3


def test_what_is_larger_than_the_cache_is_served(
    cache: Callable[..., CachedArtifacts], tmp_path: Path, digests: list[str]
) -> None:
    store = cache(hold=600.0, limit=10)
    assert store.path(digests[0]).read_bytes() == bytes(SIZE)
    assert store.read(digests[0]) == bytes(SIZE)


@pytest.mark.parametrize("torn", [b"", b"\x00" * SIZE, b"\x01" * (SIZE - 1)], ids=["empty", "zeros", "short"])
def test_a_file_that_a_crash_tore_is_fetched_anew(
    cache: Callable[..., CachedArtifacts], source: Counting, digests: list[str], torn: bytes
) -> None:
    path = cache().path(digests[1])
    path.chmod(0o644)
    path.write_bytes(torn)
    store = cache()
    assert store.path(digests[1]).read_bytes() == bytes([1]) * SIZE
    assert source.fetched == [digests[1]] * 2


def test_a_file_that_was_changed_since_it_was_verified_is_fetched_anew(
    cache: Callable[..., CachedArtifacts], digests: list[str]
) -> None:
    store = cache()
    path = store.path(digests[1])
    path.chmod(0o644)
    path.write_bytes(b"\x02" * SIZE)
    assert store.path(digests[1]).read_bytes() == bytes([1]) * SIZE


def test_a_cache_that_was_deleted_is_filled_again(
    cache: Callable[..., CachedArtifacts], tmp_path: Path, digests: list[str]
) -> None:
    store = cache()
    store.path(digests[0]).unlink()
    assert store.read(digests[0]) == bytes(SIZE)
    store.path(digests[0]).unlink()
    (tmp_path / "cache").rmdir()
    assert store.read(digests[0]) == bytes(SIZE)


def test_a_fetch_that_failed_leaves_nothing(
    cache: Callable[..., CachedArtifacts], source: Counting, tmp_path: Path, digests: list[str]
) -> None:
    store = cache()
    source.failures = [Unavailable("not now")]
    with pytest.raises(Unavailable, match="not now"):
        store.path(digests[0])
    with pytest.raises(NotFound):
        store.path("sha256:" + "0" * 64)
    assert kept(tmp_path) == set()
    assert store.read(digests[0]) == bytes(SIZE)


def test_on_a_full_disk_the_cache_gives_way_first(
    cache: Callable[..., CachedArtifacts], source: Counting, tmp_path: Path, digests: list[str]
) -> None:
    store = cache()
    store.path(digests[0])
    full = OSError(errno.ENOSPC, "No space left on device")
    source.failures = [full]
    assert store.read(digests[1]) == bytes([1]) * SIZE
    assert kept(tmp_path) == {digests[1]}
    source.failures = [full, full]
    with pytest.raises(Unavailable, match="No space left on device; make room in"):
        store.path(digests[2])
    assert kept(tmp_path) == set()


def test_what_a_killed_process_left_is_removed_and_what_is_under_way_is_not(
    cache: Callable[..., CachedArtifacts], tmp_path: Path, digests: list[str]
) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    left, under_way = folder / "aa.1.part", folder / "bb.2.part"
    left.write_bytes(bytes(SIZE))
    under_way.write_bytes(bytes(SIZE))
    old = time.time() - ABANDONED - 10
    os.utime(left, (old, old))
    os.utime(under_way, (old, time.time()))
    cache(limit=0).path(digests[0])
    assert not left.exists()
    assert under_way.exists()


def test_threads_that_want_the_same_fetch_it_once(
    cache: Callable[..., CachedArtifacts], source: Counting, digests: list[str]
) -> None:
    store, all_ask = cache(), threading.Barrier(9)
    fetch = source.copy

    def copy(digest: str, target: Path) -> None:
        if not source.fetched:
            all_ask.wait(60)
        fetch(digest, target)

    def ask(number: int) -> bytes:
        if number:
            all_ask.wait(60)  # once the first fetches, all others begin to ask
        return store.read(digests[0])

    source.copy = copy  # type: ignore[method-assign]
    with ThreadPoolExecutor(9) as threads:
        assert set(threads.map(ask, range(9))) == {bytes(SIZE)}
    assert source.fetched == digests[:1]


def test_processes_share_a_folder_and_may_be_killed(tmp_path: Path) -> None:
    """Four of them read twelve artifacts through room for three, each given its path for as long as it needs."""
    source = LocalArtifacts(tmp_path / "store")
    put(source, tmp_path, 12)
    reader = Path(__file__).with_name("artifact_reader.py")
    command = [sys.executable, reader, tmp_path / "store", tmp_path / "cache", str(LIMIT), "0.2"]

    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    running = [start() for _ in range(4)]
    try:
        for number in range(6):
            assert running[0].stdout is not None
            assert running[0].stdout.readline() == "0\n", running[0].communicate()[1]
            for _ in range(20 * (number % 3)):
                assert running[0].stdout.readline(), running[0].communicate()[1]
            running[0].send_signal(signal.SIGKILL)
            assert running.pop(0).communicate()[1] == ""
            running.append(start())
        for process in running:
            assert process.poll() is None, process.communicate()[1]
    finally:
        for process in running:
            process.kill()
            process.communicate()
    sizes = [path.stat().st_size for path in (tmp_path / "cache").iterdir() if path.suffix != ".part"]
    assert set(sizes) == {SIZE}
