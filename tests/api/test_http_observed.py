"""What is told of requests: in answers, in events, in the log of the server, and at /metrics."""

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from live import Client, assert_problem, csv_of, serving, settings_for, spec_for, until
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_format

from api.security import LOCAL_ACTOR
from skyulf import logs
from skyulf.commands.access import IssueKey
from skyulf.commands.base import Context
from skyulf.queries.access import hash_of, key_of

OPEN_METRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(client: httpx.Client) -> Samples:
    """Every sample by its name and labels."""
    answer = client.get("/metrics", headers=OPEN_METRICS).raise_for_status()
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in open_metrics(answer.text)
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((f"skyulf_{name}", tuple(sorted(labels.items()))), 0.0)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a server that nobody else asks."""
    with serving(settings_for(tmp_path_factory.mktemp("alone"))) as server, server.client() as client:
        yield client


class TestMetrics:
    def test_prometheus_older_than_openmetrics_is_answered_in_text(self, client: Client) -> None:
        answer = client.get("/metrics", headers={"Accept": "text/plain"})
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert {"skyulf_up", "skyulf_jobs", "process_cpu_seconds"} <= {each.name for each in text_format(answer.text)}

    def test_the_numbers_tell_of_a_training_and_of_what_was_refused(self, alone: Client) -> None:
        dataset = alone.upload(csv_of(), name="colours").raise_for_status().json()["id"]
        assert alone.trained(dataset, spec_for(), "colours")["status"] == "succeeded"
        put = {"model": "colours", "model_version": 1, "reason": "r"}
        alone.put("/v1/deployments/live", json=put).raise_for_status()
        rows = {"rows": [{"size": 1.0, "colour": "red", "heavy": True}]}
        for _ in range(3):
            alone.post("/v1/deployments/live/predict", json=rows).raise_for_status()
        assert alone.post("/v1/deployments/live/predict", json={"rows": [{}]}).status_code == 422
        assert alone.post("/v1/deployments/nobody/predict", json=rows).status_code == 404
        assert alone.put("/v1/deployments/live", json={**put, "model_version": 9}).status_code == 404
        assert alone.get("/v1/jobs/nobody").status_code == 404
        head = alone.head_position()
        alone.get("/v1/projections", params={"min_position": head}).raise_for_status()

        def settled() -> Samples | None:
            samples = scraped(alone)
            return samples if of(samples, "jobs", status="succeeded") == 1 else None

        samples = until(settled)
        assert of(samples, "log_head_position") == head
        assert of(samples, "events_appended_total", type="ModelTrained") == 1
        assert of(samples, "events_appended_total", type="JobStarted") == 1
        assert of(samples, "queue_seconds_count") == 1
        assert of(samples, "queue_oldest_seconds") == 0
        assert of(samples, "commands_total", command="CreateJob", outcome="recorded") == 1
        assert of(samples, "commands_total", command="Deploy", outcome="recorded") == 1
        assert of(samples, "commands_total", command="Deploy", outcome="refused") == 1
        assert of(samples, "command_seconds_count", command="Deploy") == 2
        predict = "POST /v1/deployments/{name}/predict"
        assert of(samples, "prediction_seconds_count", deployment="live") == 3
        assert of(samples, "http_requests_total", operation=predict, status="200") == 3
        assert of(samples, "http_requests_total", operation=predict, status="422") == 1
        assert of(samples, "http_requests_total", operation=predict, status="404") == 1
        assert of(samples, "http_requests_total", operation="GET /v1/jobs/{job_id}", status="404") == 1
        assert of(samples, "http_request_seconds_count", operation="POST /v1/jobs") == 1
        assert of(samples, "projection_lag_events", projection="jobs") == 0
        assert of(samples, "up", what="database") == 1
        assert of(samples, "working", part="projector") == 1
        assert of(samples, "worker_slots") == 1
        assert of(samples, "worker_running") == 0

    def test_the_same_command_again_is_counted_apart(self, alone: Client) -> None:
        def counted(outcome: str) -> float:
            return of(scraped(alone), "commands_total", command="CreatePipeline", outcome=outcome)

        before = counted("recorded"), counted("repeated")
        for _ in range(2):
            body = {"name": "p", "spec": spec_for()}
            alone.post("/v1/pipelines", json=body, headers={"Idempotency-Key": "twice"}).raise_for_status()
        assert (counted("recorded"), counted("repeated")) == (before[0] + 1, before[1] + 1)


class TestCorrelation:
    def test_answer_and_event_have_one_name(self, client: Client) -> None:
        answer = client.post("/v1/pipelines", json={"name": "p", "spec": spec_for()})
        (event,) = client.get("/v1/events", params={"stream": answer.json()["id"]}).json()
        assert answer.headers["X-Correlation-ID"] == event["correlationid"]

    @pytest.mark.parametrize("header", ["X-Correlation-ID", "X-Request-ID"])
    def test_the_callers_name_is_taken(self, client: Client, header: str) -> None:
        answer = client.post("/v1/pipelines", json={"name": "p", "spec": spec_for()}, headers={header: "gateway:7.a"})
        (event,) = client.get("/v1/events", params={"stream": answer.json()["id"]}).json()
        assert answer.headers["X-Correlation-ID"] == event["correlationid"] == "gateway:7.a"

    @pytest.mark.parametrize("name", ["with blanks", "x" * 101, 'quo"te', ""])
    def test_a_name_that_is_none_is_not(self, client: Client, name: str) -> None:
        answer = client.get("/v1/jobs", headers={"X-Correlation-ID": name})
        assert answer.status_code == 200
        assert len(answer.headers["X-Correlation-ID"]) == 36

    @pytest.mark.parametrize("path", ["/v1/jobs/nobody", "/nowhere", "/v1/jobs?limit=0"])
    def test_problems_tell_it(self, client: Client, path: str) -> None:
        answer = client.get(path)
        assert answer.json()["correlation_id"] == answer.headers["X-Correlation-ID"]

    def test_of_predictions_those_that_fail_are_named(self, client: Client, deployment: str) -> None:
        rows = {"rows": [{"size": 1.0, "colour": "red", "heavy": True}]}
        path = f"/v1/deployments/{deployment}/predict"
        assert "X-Correlation-ID" not in client.post(path, json=rows).raise_for_status().headers
        failed = client.post(path, json={"rows": [{}]}, headers={"X-Correlation-ID": "mine"})
        assert_problem(failed, 422)
        assert failed.headers["X-Correlation-ID"] == "mine"


class TestLines:
    def test_a_request_and_its_command_are_told_without_what_they_hold(
        self, client: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "skyulf")
        caplog.set_level(logging.DEBUG, "api")
        made = client.post("/v1/pipelines", json={"name": "a secret name", "spec": spec_for()})
        name = made.headers["X-Correlation-ID"]
        until(lambda: sum("/v1/pipelines" in each.getMessage() for each in caplog.records))
        http = next(each for each in caplog.records if each.name == "skyulf.http")
        assert http.getMessage() == "POST /v1/pipelines 201"
        fields = logs.fields_of(http)
        assert (fields["status"], fields["correlation_id"], fields["actor"]) == (201, name, "local")
        command = next(each for each in caplog.records if each.name == "skyulf.commands")
        fields = logs.fields_of(command)
        assert command.getMessage() == "CreatePipeline recorded"
        assert fields["stream"] == made.json()["id"]
        assert (fields["position"], fields["outcome"]) == (made.json()["position"], "recorded")
        assert fields["correlation_id"] == name
        assert "a secret name" not in caplog.text + str([logs.fields_of(each) for each in caplog.records])

    def test_a_key_is_never_written(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        for name in logs.OURS:
            caplog.set_level(logging.DEBUG, name)
        with serving(settings_for(tmp_path)) as server, server.client() as client:
            issue = IssueKey(name="admin", roles=("admin",), hash=hash_of("first"))
            key = key_of(server.runtime.bus.send(issue, Context(actor=LOCAL_ACTOR)).result().id, "first")
            server.runtime.keyring.refresh()
            client.headers["Authorization"] = f"Bearer {key}"
            client.get("/v1/jobs").raise_for_status()
            issued = client.post("/v1/keys", json={"name": "n", "roles": ["viewer"]}).json()["key"]
            assert client.get("/v1/jobs", headers={"Authorization": "Bearer sk_wrong.wrong"}).status_code == 401
            assert client.get("/metrics", headers={"Authorization": f"Bearer {issued}"}).status_code == 200
            assert client.get("/metrics", headers={"Authorization": ""}).status_code == 401
        told = caplog.text + str([each.__dict__ for each in caplog.records])
        assert "GET /v1/jobs 401" in told
        for secret in (key, issued):
            assert secret.rpartition(".")[2] not in told
