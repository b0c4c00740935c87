"""Files of the data directory that something else has written over: what follows from the log is made anew."""

from pathlib import Path

import pytest

from skyulf.adapters.data_dir import DataDirectory
from skyulf.adapters.read_store import SqlReadStore
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.errors import Damaged
from skyulf.projections.job import JOBS
from skyulf.runtime import make_read_store
from skyulf.settings import Settings

GARBAGE = b"this is no database" * 400


def test_read_models_that_are_no_database_are_made_anew(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.rows.write_bytes(GARBAGE)
    store = make_read_store(Settings(data_dir=tmp_path), directory)
    try:
        assert store.create_build(JOBS).live
    finally:
        store.close()


def test_a_log_that_is_no_database_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.write_bytes(GARBAGE)
    with pytest.raises(Damaged, match=r"events\.db cannot be opened as an event log"):
        SqliteEventLog(path, lambda: "id")
    assert path.read_bytes() == GARBAGE


def test_a_store_says_that_it_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "rows.db"
    path.write_bytes(GARBAGE)
    with pytest.raises(Damaged, match="the read models cannot be opened"):
        SqlReadStore(f"sqlite:///{path}")
