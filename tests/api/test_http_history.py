"""What became of things, and what they belong to, over HTTP."""

from typing import Any

import pytest
from live import Client, assert_problem, spec_for


@pytest.fixture
def pipeline(client: Client) -> str:
    """A pipeline that was made, revised and archived."""
    made = client.post("/v1/pipelines", json={"name": "history", "spec": spec_for()}).raise_for_status().json()["id"]
    revised = {"name": "history", "spec": spec_for(node="logistic_regression", params={"C": 0.5})}
    headers = {"X-Correlation-ID": "the-review"}
    client.put(f"/v1/pipelines/{made}", json=revised, headers=headers).raise_for_status()
    client.delete(f"/v1/pipelines/{made}").raise_for_status()
    return str(made)


def told(item: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    return [(change["place"], change["before"], change["after"]) for change in item["changes"]]


class TestHistory:
    def test_each_event_says_what_it_changed_who_did_it_when_and_why(self, client: Client, pipeline: str) -> None:
        found = client.get(f"/v1/audit/pipeline/{pipeline}").raise_for_status().json()
        created, revised, archived = found["items"]
        assert ("name", None, "history") in told(created)
        assert ("spec.model.node", None, "logistic_regression") in told(created)
        assert told(revised) == [("spec.model.params.C", None, 0.5)]
        assert told(archived) == [("archived", False, True)]
        assert revised["correlation_id"] == "the-review"
        feed = client.get("/v1/events", params={"stream": pipeline}).json()
        for item, event in zip(found["items"], feed, strict=True):
            assert (item["position"], item["event_id"], item["actor"]) == (
                event["position"],
                event["id"],
                event["actor"],
            )
            assert f"skyulf.{item['type']}" == event["type"]

    def test_it_is_read_page_by_page(self, client: Client, pipeline: str) -> None:
        whole = client.get(f"/v1/audit/pipeline/{pipeline}").json()["items"]
        assert client.everything(f"/v1/audit/pipeline/{pipeline}", limit=2) == whole
        assert client.everything(f"/v1/audit/pipeline/{pipeline}", limit=1) == whole

    def test_models_and_deployments_are_asked_for_by_name(self, client: Client, deployment: str, model: str) -> None:
        again = {"model": model, "model_version": 2, "reason": "the second is better"}
        client.put(f"/v1/deployments/{deployment}", json=again).raise_for_status()
        last = client.get(f"/v1/audit/deployment/{deployment}").json()["items"][-1]
        assert ("model_version", 1, 2) in told(last)
        assert last["reason"] == "the second is better"
        registered = client.get(f"/v1/audit/model/{model}").json()["items"]
        assert [item["type"] for item in registered].count("ModelVersionRegistered") == 3

    @pytest.mark.parametrize(
        "path", ["pipeline/pipeline-0", "pipeline/job-0", "model/nobody", "deployment/nobody", "job/x"]
    )
    def test_what_is_not_there_has_none(self, client: Client, path: str) -> None:
        assert_problem(client.get(f"/v1/audit/{path}"), 404, "not-found")
        assert_problem(client.get(f"/v1/audit/{path}/diff?from=0"), 404, "not-found")

    def test_of_a_pipeline_nobody_learns_through_another_noun(self, client: Client, pipeline: str) -> None:
        assert_problem(client.get(f"/v1/audit/job/{pipeline}"), 404, "not-found")

    def test_there_are_five_nouns(self, client: Client, pipeline: str) -> None:
        assert_problem(client.get(f"/v1/audit/key/{pipeline}"), 422, "invalid")


class TestDifference:
    def test_it_is_what_the_events_between_changed_in_sum(self, client: Client, pipeline: str) -> None:
        created, revised, archived = (
            item["position"] for item in client.get(f"/v1/audit/pipeline/{pipeline}").json()["items"]
        )

        def difference(begin: int, end: int | None) -> list[tuple[str, Any, Any]]:
            asked = {"from": begin} if end is None else {"from": begin, "to": end}
            found = client.get(f"/v1/audit/pipeline/{pipeline}/diff", params=asked).raise_for_status().json()
            assert found["from"] == begin
            assert end is None or found["to"] == end
            return told(found)

        both = [("spec.model.params.C", None, 0.5), ("archived", False, True)]
        assert sorted(difference(created, archived)) == sorted(both)
        assert difference(created, revised) == both[:1]
        assert difference(revised, None) == both[1:]
        assert difference(revised, revised) == []
        assert ("spec.model.params.C", None, 0.5) in difference(created - 1, revised)
        assert ("name", None, "history") in difference(0, created)
        assert difference(0, created - 1) == []

    @pytest.mark.parametrize(
        ("asked", "place"),
        [({"from": 2**40}, "from"), ({"from": 1, "to": 2**40}, "to"), ({"from": 5, "to": 4}, "from")],
    )
    def test_positions_that_are_not_there_or_in_the_wrong_order_are_refused(
        self, client: Client, pipeline: str, asked: dict[str, int], place: str
    ) -> None:
        problem = assert_problem(client.get(f"/v1/audit/pipeline/{pipeline}/diff", params=asked), 422, "invalid")
        assert [fault["place"] for fault in problem["errors"]] == [place]


class TestLineage:
    def nodes(self, client: Client, path: str, **params: Any) -> dict[str, set[str]]:
        position = client.head_position()
        found = client.get(f"/v1/lineage/{path}", params={"min_position": position, **params}).raise_for_status().json()
        assert found["complete"]
        for edge in found["edges"]:
            assert 0 <= edge["source"] < len(found["nodes"]) > edge["target"] >= 0
        by_kind: dict[str, set[str]] = {}
        for node in found["nodes"]:
            by_kind.setdefault(node["kind"], set()).add(node["id"])
        return by_kind

    def edges(self, client: Client, path: str) -> set[tuple[str, str, str]]:
        found = client.get(f"/v1/lineage/{path}", params={"min_position": client.head_position()}).json()
        nodes = found["nodes"]
        return {(nodes[e["source"]]["id"], e["relation"], nodes[e["target"]]["id"]) for e in found["edges"]}

    def test_a_dataset_reaches_what_serves_and_what_served_its_models(
        self, client: Client, dataset: str, model: str, deployment: str
    ) -> None:
        again = {"model": model, "model_version": 2, "reason": "the second is better"}
        client.put(f"/v1/deployments/{deployment}", json=again).raise_for_status()
        found = self.nodes(client, f"dataset/{dataset}")
        assert found["dataset_version"] == {f"{dataset}:1"}
        assert {f"{model}:{number}" for number in (1, 2, 3)} <= found["model_version"]
        assert deployment in found["deployment"]
        edges = self.edges(client, f"dataset/{dataset}")
        assert {(f"{model}:1", "was served by", deployment), (f"{model}:2", "served by", deployment)} <= edges
        whole = client.get(f"/v1/lineage/dataset/{dataset}", params={"min_position": client.head_position()}).json()
        assert deployment in whole["impact"]["serving"]
        assert whole["impact"]["model_versions"] == len(found["model_version"])
        assert whole["impact"]["jobs"] == len(found["job"])

    def test_a_deployment_leads_back_to_its_data_and_to_no_other_deployment(
        self, client: Client, dataset: str, model: str, deployment: str
    ) -> None:
        found = self.nodes(client, f"deployment/{deployment}")
        assert found["deployment"] == {deployment}
        assert found["model_version"] == {f"{model}:1"}
        assert found["dataset_version"] == {f"{dataset}:1"}
        (job,) = found["job"]
        assert self.edges(client, f"deployment/{deployment}") == {
            (f"{dataset}:1", "data of", job),
            (job, "trained", f"{model}:1"),
            (f"{model}:1", "served by", deployment),
        }

    def test_a_pipeline_is_followed_to_the_jobs_that_ran_it(self, client: Client, dataset: str) -> None:
        made = client.post("/v1/pipelines", json={"name": "followed", "spec": spec_for()}).raise_for_status().json()
        job = client.post("/v1/jobs", json={"dataset_id": dataset, "pipeline_id": made["id"]}).raise_for_status().json()
        client.ended(job["id"])
        assert self.nodes(client, f"pipeline/{made['id']}")["job"] == {job["id"]}
        assert (made["id"], "pipeline of", job["id"]) in self.edges(client, f"job/{job['id']}")

    def test_one_version_of_a_model_comes_of_one_job(self, client: Client, model: str) -> None:
        found = self.nodes(client, f"model/{model}", version=2)
        assert found["model_version"] == {f"{model}:2"}
        assert len(found["job"]) == 1
        assert len(self.nodes(client, f"model/{model}")["model_version"]) == 3

    @pytest.mark.parametrize(
        ("path", "status", "kind"),
        [
            ("dataset/dataset-0", 404, "not-found"),
            ("model/nobody", 404, "not-found"),
            ("model/colours?version=99", 404, "not-found"),
            ("job/job-0?version=1", 422, "invalid"),
            ("artifact/x", 422, "invalid"),
        ],
    )
    def test_what_is_not_there_is_named(self, client: Client, model: str, path: str, status: int, kind: str) -> None:
        assert_problem(client.get(f"/v1/lineage/{path}"), status, kind)
