"""Models and deployments over HTTP."""

import hashlib

import pytest
from live import Client, assert_problem, places


def test_a_model_and_its_versions(client: Client, model: str) -> None:
    shown = client.get(f"/v1/models/{model}").json()
    assert (shown["id"], shown["name"], shown["model_version"]) == (f"model-{model}", model, 3)
    versions = client.get(f"/v1/models/{model}/versions").json()["items"]
    assert [version["model_version"] for version in versions] == [1, 2, 3]
    assert [version["estimator"] for version in versions] == [
        "logistic_regression",
        "random_forest",
        "hist_gradient_boosting",
    ]
    for version in versions:
        one = client.get(f"/v1/models/{model}/versions/{version['model_version']}")
        assert one.json() == version
        assert one.headers["etag"] == client.get(f"/v1/models/{model}").headers["etag"]
        assert client.get(f"/v1/jobs/{version['job_id']}").json()["metrics"] == version["metrics"]


def test_the_file_of_a_version(client: Client, model: str) -> None:
    version = client.get(f"/v1/models/{model}/versions/1").json()
    for headers in ({}, {"Range": "bytes=0-9"}, {"Range": "bytes=x"}, {"Range": "bytes=999999999-"}):
        response = client.get(f"/v1/models/{model}/versions/1/artifact", headers=headers)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["etag"] == f'"{version["artifact"]}"'
        assert f'filename="{model}-1.skops"' in response.headers["content-disposition"]
        assert version["artifact"] == "sha256:" + hashlib.sha256(response.content).hexdigest()


def test_aliases(client: Client, model: str) -> None:
    path = f"/v1/models/{model}/aliases/champion"
    made = client.put(path, json={"model_version": 1, "reason": "first"})
    assert made.status_code == 201
    assert made.headers["location"] == f"/v1/models/{model}"
    assert (made.json()["alias"], made.json()["model_version"]) == ("champion", 1)
    moved = client.put(path, json={"model_version": 2, "reason": "better"})
    assert moved.status_code == 200
    same = client.put(path, json={"model_version": 2, "reason": "again"})
    assert (same.status_code, same.json()["version"]) == (200, moved.json()["version"])
    shown = client.get(f"/v1/models/{model}", params={"min_position": moved.json()["position"]})
    assert shown.json()["aliases"]["champion"] == 2
    assert shown.headers["etag"] == moved.headers["etag"]
    stale = client.delete(path, headers={"If-Match": made.headers["etag"]})
    assert assert_problem(stale, 412)["current_version"] == moved.json()["version"]
    removed = client.delete(path, params={"reason": "gone"}, headers={"If-Match": moved.headers["etag"]})
    assert removed.status_code == 200
    assert_problem(client.delete(path), 404, "not-found")
    assert_problem(client.put(path, json={"model_version": 99, "reason": "r"}), 404, "not-found")
    reasons = [
        event.get("reason")
        for event in client.get("/v1/events", params={"stream": f"model-{model}", "limit": 1000}).json()
        if "Alias" in event["type"]
    ]
    assert reasons == ["first", "better", "gone"]


@pytest.mark.parametrize("reason", [None, "", "   ", 5, "x" * 1001])
def test_a_reason_is_needed(client: Client, model: str, reason: object) -> None:
    for path, body in (
        (f"/v1/models/{model}/aliases/a", {"model_version": 1}),
        ("/v1/deployments/unreasoned", {"model": model, "model_version": 1}),
    ):
        assert places(assert_problem(client.put(path, json={**body, "reason": reason}), 422)) == ["body.reason"]
        assert places(assert_problem(client.put(path, json=body), 422)) == ["body.reason"]


def test_retiring_a_version(client: Client, dataset: str) -> None:
    spec = {"task": "classification", "target": "kind", "model": {"node": "logistic_regression"}}
    for _ in range(2):
        assert client.trained(dataset, spec, "to-retire")["status"] == "succeeded"
    path = "/v1/models/to-retire/versions/1"
    assert places(assert_problem(client.delete(path), 422)) == ["reason"]
    alias = "/v1/models/to-retire/aliases/a"
    client.put(alias, json={"model_version": 1, "reason": "r"}).raise_for_status()
    assert_problem(client.delete(path, params={"reason": "old"}), 409, "not-allowed")
    client.delete(alias).raise_for_status()
    retired = client.request("DELETE", path, json={"reason": "old"})
    assert retired.status_code == 200
    assert client.get(path, params={"min_position": retired.json()["position"]}).json()["retired"] is True
    assert client.delete(path, params={"reason": "again"}).json() == retired.json()
    deploy = client.put("/v1/deployments/retired", json={"model": "to-retire", "model_version": 1, "reason": "r"})
    assert_problem(deploy, 409, "not-allowed")


def test_a_deployment_through_its_life(client: Client, model: str) -> None:
    path = "/v1/deployments/living"
    made = client.put(path, json={"model": model, "model_version": 1, "reason": "first"})
    assert made.status_code == 201
    assert made.headers["location"] == path
    assert made.json()["id"] == "deployment-living"
    assert (made.json()["model"], made.json()["model_version"]) == (model, 1)
    assert_problem(client.post(f"{path}/rollback"), 409, "not-allowed")

    client.put(f"/v1/models/{model}/aliases/live", json={"model_version": 3, "reason": "r"}).raise_for_status()
    out = client.put(path, json={"model": model, "alias": "live", "reason": "by alias"})
    assert (out.status_code, out.json()["model_version"]) == (200, 3)
    assert "location" not in out.headers
    client.put(f"/v1/models/{model}/aliases/live", json={"model_version": 2, "reason": "r"}).raise_for_status()
    shown = client.get(path, params={"min_position": out.json()["position"]}).json()
    assert (shown["status"], shown["model_version"]) == ("active", 3), "an alias is resolved then and not followed"

    back = client.post(f"{path}/rollback", json={"reason": "worse"})
    assert (back.status_code, back.json()["model_version"]) == (200, 1)
    retired = client.delete(path, params={"reason": "over"})
    assert (retired.status_code, retired.json()["model_version"]) == (200, None)
    assert client.delete(path).json() == retired.json()
    assert_problem(client.post(f"{path}/rollback"), 409, "not-allowed")

    shown = client.get(path, params={"min_position": retired.json()["position"]})
    assert shown.headers["etag"] == retired.headers["etag"]
    assert (shown.json()["status"], shown.json()["model_version"]) == ("retired", None)
    assert [change["reason"] for change in shown.json()["history"]] == ["first", "by alias", "worse", "over"]
    assert [change["model_version"] for change in shown.json()["history"]] == [1, 3, 1, None]
    again = client.put(path, json={"model": model, "model_version": 2, "reason": "once more"})
    assert again.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"model": "m", "reason": "r"},
        {"model": "m", "model_version": 1, "alias": "a", "reason": "r"},
        {"model": "m", "model_version": 0, "reason": "r"},
        {"model": "m", "model_version": "1", "reason": "r"},
        {"model": "m", "model_version": True, "reason": "r"},
        {"model": "m/n", "model_version": 1, "reason": "r"},
        {"model": "m", "model_version": 2**31, "reason": "r"},
        {"model": "m", "model_version": 1, "reason": "r", "colour": "red"},
    ],
)
def test_roll_outs_that_cannot_be(client: Client, body: dict[str, object]) -> None:
    assert_problem(client.put("/v1/deployments/impossible", json=body), 422, "invalid")


def test_lists_of_models_and_deployments_filter(client: Client, model: str, deployment: str) -> None:
    position = client.head_position()
    names = [item["name"] for item in client.everything("/v1/models", min_position=position)]
    assert names == sorted(names)
    assert model in names
    by_model = client.everything("/v1/deployments", model=model, status="active", min_position=position)
    assert deployment in [item["name"] for item in by_model]
    assert {item["model"] for item in by_model} == {model}
    assert client.everything("/v1/deployments", model="nobody") == []
