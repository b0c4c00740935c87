"""The whole system with its artifacts in S3: nothing of them is needed on the machine but the log's files."""

import hashlib
import shutil
from pathlib import Path

import pytest
from command_line import answered
from services.s3 import Bucket
from system import System


@pytest.fixture
def url(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place for artifacts, which every process started from here finds the credentials for."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return s3.url()


def test_train_serve_kill_and_export(url: str, s3: Bucket, tmp_path: Path) -> None:
    with System(tmp_path / "one", artifacts_url=url) as system:
        system.start()
        system.serve()
        version = system.get("/v1/models/tiny/versions/1")
        predictions = system.predict().json()
        assert len(predictions["predictions"]) == 3
        cache = system.data_dir / "cache"
        assert not (system.data_dir / "artifacts").exists()

        system.server.kill()
        shutil.rmtree(cache)
        system.start()
        assert system.predict().json() == predictions
        file = system.ask("GET", "/v1/models/tiny/versions/1/artifact").content
        assert f"sha256:{hashlib.sha256(file).hexdigest()}" == version["artifact"]
        uri = s3.put(f"{url}-data/tiny.csv", b"a,b\n1,2\n3,4\n")
        assert system.send("POST", "/v1/datasets", {"name": "from S3", "uri": uri})["rows"] == 2

        export = tmp_path / "history.jsonl"
        at = {"SKYULF_ARTIFACTS_URL": url}
        told = answered("events", "export", export, "--with-artifacts", "--data-dir", system.data_dir, **at)
        assert told["artifacts"] >= 3
        assert told["missing"] == []
        for secret in (s3.secret_key, s3.access_key):
            assert secret not in export.read_text()
            assert secret not in system.server.said() + system.server.told()
            for child in system.server.children():
                assert secret not in child.environ().values()
