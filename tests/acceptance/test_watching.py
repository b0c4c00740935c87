"""Who watches over a real system sees the truth: its metrics, its log, and what could not be read."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from builders import job_created, named, record
from command_line import answered
from kafka import KafkaProducer
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from services.kafka import Broker
from services.postgres import CannotRun, Postgres
from system import QUICK, Server, System, eventually, kinds
from topics import some_prefix

from skyulf.adapters.kafka_client import Kafka
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.system import new_id
from skyulf.events.cloudevents import to_headers

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Scrape:
    """What Prometheus would take from a server."""

    def __init__(self, url: str | None) -> None:
        accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
        answer = httpx.get(f"{url}/metrics", headers=accept, timeout=10).raise_for_status()
        self.samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]

    def of(self, name: str, **labels: str) -> float | None:
        """The value of a sample of ours."""
        return next(
            (each.value for each in self.samples if each.name == f"skyulf_{name}" and each.labels == labels), None
        )


def log_lines(server: Server) -> list[dict[str, Any]]:
    """The log of a server, every line of which is an object."""
    return [json.loads(line) for line in server.said().splitlines() if line.startswith("{")]


def test_metrics_and_log_tell_of_a_training_a_parked_key_and_a_refused_request(tmp_path: Path) -> None:
    with System(tmp_path, log_format="json", log_level="info") as system:
        system.data_dir.mkdir()
        with closing(SqliteEventLog(system.data_dir / "events.db", new_id)) as log:
            log.restore([record(named(), 1, "pipeline-of-the-future", 1, schema=99)])
        system.start()
        dataset = system.upload()
        asked = {"dataset_id": dataset, "spec": QUICK}
        headers = {"X-Correlation-ID": "request-7", "traceparent": TRACE}
        job = system.ask("POST", "/v1/jobs", json=asked, headers=headers).json()["id"]
        assert system.wait(job)["status"] == "succeeded"
        assert system.ask("POST", "/v1/jobs", json={**asked, "dataset_id": "nothing"}).status_code == 404

        def told() -> Scrape | None:
            scrape = Scrape(system.server.url)
            return scrape if scrape.of("jobs", status="succeeded") == 1 else None

        scrape = eventually(told)
        assert scrape.of("parked_keys", projection="pipelines") == 1
        assert scrape.of("parked_keys", projection="jobs") == 0
        assert (scrape.of("parked_oldest_seconds", projection="pipelines") or 0) > 3600
        assert scrape.of("commands_total", command="CreateJob", outcome="refused") == 1
        assert scrape.of("http_requests_total", operation="POST /v1/jobs", status="404") == 1
        assert scrape.of("events_appended_total", type="ModelTrained") == 1
        assert scrape.of("queue_seconds_count") == 1
        assert scrape.of("up", what="database") == 1
        assert any(each.name == "process_resident_memory_bytes" and each.value > 0 for each in scrape.samples)
        parked = answered("projections", "parked", "--data-dir", system.data_dir)
        assert {event["key"] for event in parked["items"]} == {"pipeline-of-the-future"}
        assert "pipelines" in {event["projection"] for event in parked["items"]}
        assert parked["messages"] == []

        events = system.stream(job)
        assert {(event["correlationid"], event.get("traceparent")) for event in events} == {("request-7", TRACE)}
        system.server.stop()
        lines = [line for line in log_lines(system.server) if line.get("correlation_id") == "request-7"]
        said = [line["message"] for line in lines]
        assert {"POST /v1/jobs 202", "CreateJob recorded", "StartJob recorded", "CompleteJob recorded"} <= set(said)
        assert said.index("an attempt has begun") < said.index("the attempt has ended")
        assert {line["trace_id"] for line in lines} == {TRACE[3:35]}
        assert {line["role"] for line in lines} == {"all"}


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A server that the test may kill."""
    try:
        server = Postgres()
        server.start()
    except CannotRun as error:
        pytest.skip(str(error))
    yield server
    server.stop()


@pytest.fixture
def roles(tmp_path: Path, postgres: Postgres, broker: Broker) -> Iterator[Mapping[str, Server]]:
    """A process for each role."""
    settings = {"database_url": postgres.dsn, "kafka_bootstrap": broker.bootstrap, "kafka_prefix": some_prefix()}
    settings |= {"kafka_partitions": 1, "log_format": "json", "log_level": "debug"}
    answered("migrate", SKYULF_DATABASE_URL=postgres.dsn, SKYULF_DATA_DIR=str(tmp_path / "none"))
    found = {
        role: Server(tmp_path / "data", tmp_path / role, {**settings, "role": role})
        for role in ("api", "projector", "relay", "worker")
    }
    for server in found.values():
        server.settings = settings  # type: ignore[attr-defined]
    yield found
    for server in found.values():
        server.process.kill()
        server.process.wait()


def ready(server: Server) -> bool:
    assert server.alive, server.said()
    try:
        return bool(server.url) and httpx.get(f"{server.url}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_poison_is_parked_and_told_by_another_process_and_each_role_is_measured(
    roles: Mapping[str, Server], postgres: Postgres, tmp_path: Path
) -> None:
    api, settings = roles["api"], roles["api"].settings  # type: ignore[attr-defined]
    for server in roles.values():
        eventually(lambda server=server: ready(server))  # type: ignore[misc]
    with System(tmp_path / "asked") as system:
        system.adopt(api)
        dataset = system.upload()
        assert system.trained(dataset)["attempt"] == 1  # the worker follows the topic from now on, or soon

        future = record(job_created(), 10_000, "job-of-the-future", 1, schema=99)
        poison = [(to_headers(future), future.data), ([], b"\xff\x00 garbage")]
        reasons: dict[str, str] = defaultdict(str)
        with closing(Kafka(settings["kafka_bootstrap"]).connect(KafkaProducer)) as producer:

            def parked() -> dict[str, str] | None:
                for headers, value in poison if not reasons else ():
                    producer.send(f"{settings['kafka_prefix']}.job", value, headers=headers).get(10)
                (training,) = system.get("/v1/reactions")["items"]
                reasons.update({message["place"]: message["error"] for message in training["parked"]})
                return reasons if len(reasons) >= 2 else None

            found = eventually(parked, every=0.5)
        assert any("JobCreated@99 is unknown" in error for error in found.values())
        assert any("not an event of Skyulf" in error for error in found.values())
        assert all(f"{settings['kafka_prefix']}.job" in place for place in found)
        assert any("cannot be read" in line["message"] for line in log_lines(roles["worker"]))
        assert system.trained(dataset)["attempt"] == 1  # the consumer goes on
        assert kinds(system.events(type="JobFailed")) == []

        def all_told() -> bool:
            scrape = Scrape(api.url)
            return (scrape.of("parked_messages", reaction="training") or 0) >= 2 and scrape.of(
                "jobs", status="succeeded"
            ) == 2

        eventually(all_told)
        worker, relay, projector = (Scrape(roles[role].url) for role in ("worker", "relay", "projector"))
        assert (worker.of("worker_slots"), worker.of("worker_running")) == (1, 0)
        assert worker.of("queue_seconds_count") == 2
        assert worker.of("working", part="projector") is None
        assert projector.of("working", part="projector") == 1
        assert relay.of("working", part="relay") == 1
        assert relay.of("relay_failing") == 0
        eventually(lambda: Scrape(roles["relay"].url).of("relay_lag_events") == 0)

        with psycopg.connect(postgres.dsn) as idle:
            idle.execute("SELECT 1")  # and the transaction stays open

            def seen() -> bool:
                return (Scrape(api.url).of("database_oldest_transaction_seconds") or 0) > 1

            eventually(seen)

        postgres.kill()
        assert Scrape(api.url).of("worker_slots") is None  # which is answered, database or not
        eventually(lambda: Scrape(api.url).of("up", what="database") == 0)
        said = "".join(server.said() for server in roles.values())
        assert postgres.password not in said
        postgres.start()
        eventually(lambda: Scrape(api.url).of("up", what="database") == 1)


@pytest.mark.parametrize("which", ["postgres", "s3", "kafka"])
def test_lines_of_a_server_have_no_password(
    which: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = f"wrong-{uuid4().hex}"
    settings = {"log_format": "json", "log_level": "debug"}
    if which == "postgres":
        there = request.getfixturevalue("postgres")
        settings["database_url"] = there.dsn.replace(there.password, secret)
    elif which == "s3":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
        settings["artifacts_url"] = "s3://bucket/prefix"
    else:
        settings |= {"kafka_bootstrap": "127.0.0.1:1", "kafka_security_protocol": "SASL_PLAINTEXT"}
        settings |= {"kafka_sasl_mechanism": "PLAIN", "kafka_sasl_username": "somebody", "kafka_sasl_password": secret}
    server = Server(tmp_path / "data", tmp_path / "run", settings)
    try:
        if which == "kafka":  # which may come later; the server says that it is not there
            eventually(lambda: any("events are not published" in line["message"] for line in log_lines(server)))
        else:
            assert server.process.wait(60) == 2
    finally:
        server.process.kill()
        server.process.wait()
    said = server.said() + server.told()
    assert said
    assert secret not in said
