"""Processes that append to one log in Postgres while some are killed: followers lose, repeat and reorder nothing."""

from pathlib import Path

from services.postgres import Databases
from stress import torment

from skyulf.adapters.postgres import connect
from skyulf.adapters.postgres_schema import migrate


def test_nothing_is_lost_repeated_or_reordered_while_writers_are_killed(postgres: Databases, tmp_path: Path) -> None:
    """The longer run of 16 writers is ``python -m bench following``."""
    url = postgres.database()
    with connect(url) as connection:
        migrate(connection)
    findings = torment(url, tmp_path, writers=6, seconds=8, kill_every=0.5)
    assert findings.faults == (0, 0, 0, [], 0), findings
    assert findings.events >= findings.acknowledged > 100
    assert findings.killed >= 8
    assert findings.gaps > 0
