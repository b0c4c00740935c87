"""Erasing on real servers: killed in the middle, and with everything in Postgres and S3, nothing is left to be read."""

from pathlib import Path

import pytest
from command_line import answered
from services.postgres import Databases
from services.s3 import Bucket
from system import TINY, System, eventually

from skyulf.adapters.artifact_keys import ArtifactKeys
from skyulf.adapters.postgres_schema import migrate_database
from skyulf.adapters.s3_artifacts import open_s3

WORDS = sorted({word.encode() for line in TINY.decode().splitlines()[1:] for word in line.split(",") if word.isalpha()})
"""Values of the table, told from numbers, which stand in any file."""


def files_with_values(folder: Path) -> list[Path]:
    """Files that hold the values of the table beside each other, as Parquet and CSV do; ``folder`` may lose some."""
    found = []
    for path in folder.rglob("*"):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:
            continue
        if all(word in content for word in WORDS):
            found.append(path)
    return found


def erase(system: System, dataset: str) -> int:
    """Ask for the end of a dataset; the position."""
    return int(system.send("DELETE", f"/v1/datasets/{dataset}", {"reason": "asked for"})["position"])


def finished(system: System, dataset: str, position: int) -> bool:
    return bool(system.get(f"/v1/datasets/{dataset}", min_position=position)["erased"]["finished_at"])


def test_an_erasure_that_a_kill_cut_off_is_finished_after_the_restart(served: System) -> None:
    dataset = served.serve()
    assert served.get(f"/v1/datasets/{dataset}/rows")["items"]
    assert files_with_values(served.data_dir / "scratch")
    position = erase(served, dataset)
    served.server.kill()
    served.start()
    assert eventually(lambda: finished(served, dataset, position))
    assert files_with_values(served.data_dir) == []
    assert not [path for path in (served.data_dir / "artifacts").rglob("*") if path.is_file()]
    assert served.ask("GET", f"/v1/datasets/{dataset}/rows").status_code == 410
    assert served.predict().status_code == 409
    assert len(served.events(type="DatasetErasureFinished")) == 1
    answered("audit", "checkpoint", "--data-dir", served.data_dir)
    assert answered("audit", "verify", "--data-dir", served.data_dir)["verified"]


def test_in_postgres_and_s3_nothing_is_left_either(
    postgres: Databases, s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    database, bucket = postgres.schema(), s3.url()
    migrate_database(database)
    with System(tmp_path / "one", database_url=database, artifacts_url=bucket) as system:
        system.start()
        dataset = system.serve()
        assert system.predict().status_code == 200
        assert files_with_values(system.data_dir / "cache") == [], "what is cached is encrypted"
        keys = ArtifactKeys(database)
        assert keys.key(dataset)
        stored = set(open_s3(bucket, writing=False).digests())  # first: what follows a training may still come
        assert stored
        assert stored <= {kept.stored for kept in keys.of(dataset)}
        position = erase(system, dataset)
        assert eventually(lambda: finished(system, dataset, position))
        assert {kept.key for kept in keys.of(dataset)} == {None}
        keys.close()
        assert files_with_values(system.data_dir) == []
        assert system.ask("GET", "/v1/models/tiny/versions/1/artifact").status_code == 410
        assert list(open_s3(bucket, writing=False).digests()) == []
