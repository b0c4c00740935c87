"""A data directory: of one process where the log is in it, of any number where that is in a database."""

import os
from pathlib import Path

import pytest

from skyulf.adapters.data_dir import DataDirectory
from skyulf.errors import Misconfigured, Unavailable


def test_one_that_holds_the_log_is_of_one_process(tmp_path: Path) -> None:
    first = DataDirectory(tmp_path)
    first.own()
    first.announce("http://127.0.0.1:1")
    second = DataDirectory(tmp_path)
    with pytest.raises(Unavailable, match=f"in use by process {os.getpid()}"):
        second.own()
    owner = second.owner()
    assert owner is not None
    assert owner.url == "http://127.0.0.1:1"
    first.release()
    assert second.owner() is None
    second.own()
    second.release()


def test_one_without_is_shared_and_each_process_has_a_folder_of_its_own(tmp_path: Path) -> None:
    first, second = DataDirectory(tmp_path, shared=True), DataDirectory(tmp_path, shared=True)
    first.own()
    (first.scratch / "upload").touch()
    second.own()
    assert first.scratch != second.scratch
    assert (first.scratch / "upload").exists(), "whoever comes leaves alone what is another's"
    assert list(second.scratch.iterdir()) == []
    first.release()
    second.release()
    assert [path.name for path in tmp_path.iterdir()] == ["scratch"]
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("shared", [False, True])
def test_what_a_dead_process_left_is_removed(tmp_path: Path, shared: bool) -> None:
    dead = DataDirectory(tmp_path, shared=shared)
    dead.own()
    (dead.scratch / "job").mkdir()
    (dead.scratch / "job" / "table").write_bytes(b"rows")
    for number in range(3, 1024):  # as the kernel does at the end of a process
        if os.path.realpath(f"/proc/self/fd/{number}").startswith(str(tmp_path)):
            os.close(number)
    (tmp_path / "scratch" / "of-an-older-version").mkdir()
    living = DataDirectory(tmp_path, shared=shared)
    living.own()
    left = {path.name for path in (tmp_path / "scratch").iterdir()}
    assert left == {living.scratch.name, f"{living.scratch.name}.lock"}
    living.release()


def test_of_those_who_share_one_any_that_answers_is_found(tmp_path: Path) -> None:
    workers = [DataDirectory(tmp_path, shared=True) for _ in range(3)]
    for worker in workers:
        worker.own()
    looking = DataDirectory(tmp_path, shared=True)
    assert looking.owner() is None, "none of them answers"
    workers[1].announce("http://127.0.0.1:2")
    owner = looking.owner()
    assert owner is not None
    assert owner.url == "http://127.0.0.1:2"
    workers[1].release()
    assert looking.owner() is None
    workers[0].release()
    workers[2].release()


def test_one_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for shared in (False, True):
        with pytest.raises(Misconfigured, match=r"^SKYULF_DATA_DIR: "):
            DataDirectory(file, shared=shared).own()
