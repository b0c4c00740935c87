"""``make dev-up`` starts real servers, says how to use them, and leaves nothing behind."""

import os
import shlex
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from services.kafka import Unfit, kafka_jars
from services.postgres import postgres_binaries
from system import eventually

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dev") / "settings.sh"


@pytest.fixture(scope="module")
def servers(file: Path) -> Iterator[subprocess.Popen[str]]:
    if not postgres_binaries():
        pytest.skip("no Postgres on this machine")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SKYULF_")}
    started = subprocess.Popen(
        [sys.executable, "-m", "services", "--file", file],
        stdout=subprocess.PIPE, text=True, env={**environment, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    try:
        yield started
    finally:
        started.terminate()
        started.communicate(timeout=60)


def exported(file: Path) -> dict[str, str]:
    """What a shell would have after ``source FILE``."""
    lines = [shlex.split(line) for line in file.read_text().splitlines()]
    assert all(words[0] == "export" for words in lines)
    return dict(words[1].split("=", 1) for words in lines)


def test_it_names_servers_that_answer_and_takes_them_away_again(servers: subprocess.Popen[str], file: Path) -> None:
    assert servers.stdout is not None
    for line in servers.stdout:  # the process that it is to be ended by stands in the last line
        if f"kill {servers.pid}" in line:
            break
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "it holds passwords"
    settings = exported(file)
    with psycopg.connect(settings["SKYULF_DATABASE_URL"]) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
    places = [urlsplit(settings["AWS_ENDPOINT_URL_S3"]).netloc]
    try:
        kafka_jars()
    except Unfit:
        assert "SKYULF_KAFKA_BOOTSTRAP" not in settings
    else:
        places.append(settings["SKYULF_KAFKA_BOOTSTRAP"])
    for host, port in (place.split(":") for place in places):
        assert host == "127.0.0.1"
        socket.create_connection((host, int(port)), timeout=5).close()
    started = psutil.Process(servers.pid).children(recursive=True)
    servers.terminate()
    assert servers.wait(timeout=60) == 0
    assert not file.exists()
    eventually(lambda: not any(process.is_running() for process in started))
