"""Roles in processes of their own, on one real Postgres: together they are the system, and each can be missed."""

import signal
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from command_line import answered, skyulf
from services.kafka import Broker
from services.postgres import CannotRun, Databases, Postgres
from system import INSISTS, PATIENCE, QUICK, ROWS, Server, System, eventually, kinds
from topics import cluster, published

from skyulf.errors import Misconfigured
from skyulf.events.keys import SigningKey
from skyulf.runtime import ROLES, Runtime
from skyulf.settings import Settings

TAKEOVER = 5.0
"""Seconds after which another projector must have taken the place of one that was killed."""


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that the test may kill."""
    try:
        server = Postgres()
        server.start()
    except CannotRun as error:
        pytest.skip(str(error))
    yield server
    server.stop()


class Installation:
    """Processes on one database; they share a data directory unless they are given one of their own."""

    def __init__(self, root: Path, **settings: object) -> None:
        self.root = root
        key = root / "signing.key"
        key.touch(mode=0o600)
        key.write_text(SigningKey("example.org/roles", bytes(range(32))).secret_text())
        self.settings: Mapping[str, object] = {"signing_key": key, "checkpoint_seconds": 0.2, **settings}
        self.servers: list[Server] = []
        answered("migrate", SKYULF_DATABASE_URL=str(settings["database_url"]), SKYULF_DATA_DIR=str(root / "none"))

    def __enter__(self) -> "Installation":
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.process.kill()
            server.process.wait()

    def start(self, role: str, port: int = 0, data: str = "data", **settings: object) -> Server:
        """Start a process, without waiting for it."""
        work = self.root / f"{role}-{len(self.servers)}"
        server = Server(self.root / data, work, {**self.settings, "role": role, **settings}, port)
        self.servers.append(server)
        return server

    def system(self, server: Server) -> System:
        """How a server that serves the API is asked."""
        system = System(self.root / "asked", **self.settings)
        system.adopt(server)
        return system


def health(server: Server) -> httpx.Response:
    """What a process says of itself, once it says anything."""

    def asked() -> httpx.Response | None:
        assert server.alive, server.said()
        try:
            return httpx.get(f"{server.url}/health/ready", timeout=PATIENCE) if server.url else None
        except httpx.TransportError:
            return None

    return eventually(asked)


def ready(server: Server) -> dict[str, Any]:
    """What a process says of itself once it is ready."""

    def answer() -> dict[str, Any] | None:
        found = health(server)
        assert found.status_code in (200, 503), found.text
        return dict(found.json()) if found.status_code == 200 else None

    return eventually(answer)


def ended(server: Server) -> None:
    """Ask a process to end: it does so in order, and has nothing to complain about."""
    assert server.stop() == 0
    assert server.said() == ""


def projecting(one: Server, other: Server) -> tuple[Server, Server]:
    """Of two projectors the one that works, and the one that stands by."""

    def settled() -> tuple[Server, Server] | None:
        told = [ready(server)["projector"] for server in (one, other)]
        if sorted(told) != ["standing by", "working"]:
            return None
        return (one, other) if told[0] == "working" else (other, one)

    return eventually(settled)


def test_the_roles_together_are_the_system(tmp_path: Path, postgres: Databases, broker: Broker) -> None:
    kafka = cluster(broker.bootstrap)
    settings = {
        "database_url": postgres.database(),
        "kafka_bootstrap": kafka.bootstrap,
        "kafka_prefix": kafka.prefix,
        "kafka_partitions": kafka.partitions,
    }
    with Installation(tmp_path, **settings) as all_of_them:
        one = all_of_them.start("api")
        projector, worker, relay = (all_of_them.start(role) for role in ("projector", "worker", "relay"))
        assert ready(one) == {"status": "ready", "role": "api"}
        port = urlsplit(str(one.url)).port
        assert port is not None
        other = all_of_them.start("api", port)
        assert ready(projector) == {"status": "ready", "role": "projector", "projector": "working"}
        assert ready(worker) == {"status": "ready", "role": "worker"}
        assert ready(relay) == {"status": "ready", "role": "relay", "relay": "working"}
        eventually(lambda: other.url)
        assert other.url == one.url

        with all_of_them.system(one) as system:
            dataset = system.serve()
            answer = system.predict().json()
            events = system.events()
            assert kinds(events).count("ModelTrained") == 1
            one.kill()
            system.adopt(other)  # at the same address
            for _ in range(3):  # each on a connection of its own
                found = httpx.post(f"{other.url}/v1/deployments/live/predict", json={"rows": ROWS})
                assert found.json() == answer
            system.trained(dataset)
            newest = system.newest()
        eventually(lambda: published(kafka)[-1:] and published(kafka)[-1].position >= newest, every=0.2)

        for server in (projector, worker, relay):
            url = f"{server.url}/v1/jobs"
            assert httpx.get(url).status_code == 404, "only an API process serves the API"
        for server in (other, worker, projector, relay):
            ended(server)


def test_a_projector_is_killed_and_the_other_takes_over(tmp_path: Path, postgres: Databases) -> None:
    with Installation(tmp_path, database_url=postgres.database()) as some:
        api, one, other = some.start("api"), some.start("projector"), some.start("projector")
        works, stands_by = projecting(one, other)
        ready(api)
        with some.system(api) as system:
            works.kill()
            killed = time.monotonic()
            position = system.send("POST", "/v1/pipelines", {"name": "p", "spec": QUICK})["position"]

            def shown() -> bool:
                return system.ask("GET", "/v1/pipelines", params={"min_position": position}).status_code == 200

            eventually(shown)
            seconds = time.monotonic() - killed
            print(f"taken over within {seconds:.2f} s")
            assert seconds < TAKEOVER
            assert [item["name"] for item in system.listed("/v1/pipelines")] == ["p"]
            assert ready(stands_by)["projector"] == "working"

            def sealed() -> bool:
                answer = system.ask("GET", "/v1/audit/checkpoint")
                return answer.status_code == 200 and answer.json()["position"] >= position

            eventually(sealed)  # by the one that has taken over
            at = {"SKYULF_DATABASE_URL": str(some.settings["database_url"]), "SKYULF_DATA_DIR": str(tmp_path / "none")}
            verdict = answered(
                "audit", "verify", "--key", SigningKey("example.org/roles", bytes(range(32))).public, **at
            )
            assert (verdict["verified"], verdict["position"] >= position) == (True, True)

            build = system.send("POST", "/v1/projections/pipelines/rebuild")["build"]
            eventually(lambda: system.get("/v1/projections/pipelines")["build"] == build)
        ended(stands_by)
        assert ready(api)["role"] == "api"
        ended(api)


def test_each_says_that_the_database_is_away_and_comes_back(tmp_path: Path, own_postgres: Postgres) -> None:
    with Installation(tmp_path, database_url=own_postgres.dsn) as some:
        servers = [some.start(role) for role in ("api", "projector", "worker")]
        for server in servers:
            ready(server)
        own_postgres.kill()
        with ThreadPoolExecutor(len(servers)) as asking:  # each waits for a connection before it says so
            answers = list(asking.map(health, servers))
        for server, answer in zip(servers, answers, strict=True):
            assert answer.status_code == 503, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["Retry-After"]) >= 1
            assert "database" in answer.json()["detail"]
            assert own_postgres.password not in answer.text
            assert httpx.get(f"{server.url}/health/live").status_code == 200
        own_postgres.start()
        for server in servers:
            ready(server)
        for server in servers:
            assert server.stop() == 0
            assert own_postgres.password not in server.said()
            assert "Traceback" not in server.said()


def test_two_whole_servers_share_a_database(tmp_path: Path, postgres: Databases) -> None:
    """Each with a data directory of its own, and artifacts where both find them."""
    artifacts = tmp_path / "artifacts"
    with Installation(tmp_path, database_url=postgres.database(), artifacts_url=artifacts.as_uri()) as two:
        one, other = two.start("all", data="one"), two.start("all", data="other")
        assert ready(one) == ready(other) == {"status": "ready", "role": "all"}
        with two.system(one) as first, two.system(other) as second:
            dataset = first.upload()
            jobs = [system.submit(dataset) for system in (first, second) * 3]
            for job in jobs:
                assert second.wait(job)["status"] == "succeeded"
            events = first.events()
        for job in jobs:
            of_job = kinds([event for event in events if event["subject"] == job])
            assert of_job.count("JobStarted") == of_job.count("ModelTrained") == 1, of_job
        for server in (one, other):
            ended(server)


def test_a_second_signal_ends_a_process_at_once(tmp_path: Path, postgres: Databases) -> None:
    with Installation(tmp_path, database_url=postgres.database()) as some:
        server = some.start("api")
        address = urlsplit(str(eventually(lambda: server.url)))
        assert address.hostname
        assert address.port
        with closing(socket.create_connection((address.hostname, address.port))) as slow:
            slow.sendall(b"POST /v1/pipelines HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
            slow.sendall(b"Content-Length: 100\r\n\r\n{")
            httpx.get(f"{server.url}/health/live")
            server.process.send_signal(signal.SIGTERM)

            def listens_no_more() -> bool:
                try:
                    httpx.get(f"{server.url}/health/live")
                except httpx.TransportError:
                    return True
                return False

            eventually(listens_no_more)
            time.sleep(INSISTS)
            assert server.alive, "it waits for the request that is being sent"
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(1.0) == 128 + signal.SIGTERM
        assert eventually(lambda: not server.processes(), seconds=2.0)


POSTGRES = "postgresql://nobody@127.0.0.1:1/none"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"role": "api"}, "SKYULF_DATABASE_URL"),
        ({"role": "projector", "database_url": "memory://"}, "SKYULF_DATABASE_URL"),
        ({"role": "worker", "database_url": POSTGRES, "artifacts_url": "memory://"}, "SKYULF_ARTIFACTS_URL"),
        ({"role": "api", "database_url": POSTGRES, "artifacts_url": "memory://"}, "SKYULF_ARTIFACTS_URL"),
        ({"role": "relay", "database_url": POSTGRES}, "SKYULF_KAFKA_BOOTSTRAP"),
        ({"role": "projector", "database_url": POSTGRES}, "SKYULF_DATABASE_URL"),
    ],
)
def test_what_a_role_cannot_do_without_is_named(tmp_path: Path, settings: dict[str, Any], named: str) -> None:
    with pytest.raises(Misconfigured, match=f"^{named}: "):
        Runtime(Settings(data_dir=tmp_path / "data", **settings), ROLES[settings["role"]])
    left = tmp_path / "data" / "scratch"
    assert not left.exists() or not list(left.iterdir()), "nothing is left of what was begun"


def test_a_role_without_a_database_to_share_is_refused_at_once(tmp_path: Path) -> None:
    refused = skyulf("serve", "--role", "worker", "--port", "0", SKYULF_DATA_DIR=str(tmp_path / "data"))
    assert refused.returncode == 2
    said = " ".join(refused.stderr.split())
    assert "SKYULF_DATABASE_URL: the role worker works beside other processes" in said
    assert not (tmp_path / "data").exists()
