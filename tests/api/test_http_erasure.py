"""Erasing a dataset: afterwards no route and no file gives its data, what others have stays, and what happened is told.

A server of its own, with everything in files, as what is in none of them is what is asked.
"""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from live import Client, Server, assert_problem, serving, settings_for, until

from skyulf.commands import dataset as commands
from skyulf.runtime import log_key

PEOPLE = [f"Zebulon-{n:03d}-Quill" for n in range(60)]
"""Values that stand nowhere else."""

PATIENTS = "name,dose,weight,outcome\n" + "".join(
    f"{name},{n % 7 + 0.4242 + n},{50 + n % 13},{'zq-good' if n % 3 else 'zq-bad'}\n" for n, name in enumerate(PEOPLE)
)

SPEC: dict[str, Any] = {
    "task": "classification",
    "target": "outcome",
    "steps": [{"node": "one_hot", "columns": ["name"]}],
    "model": {"node": "k_neighbors", "params": {"n_neighbors": 1}},
}

ROW = {"name": PEOPLE[0], "dose": 0.4242, "weight": 50}

VALUES = [name.encode() for name in (*PEOPLE[::20], "zq-bad", "zq-good")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    changes = {"database_url": "", "artifacts_url": "", "prediction_log_seconds": 0.1}
    with serving(settings_for(tmp_path_factory.mktemp("erasing"), **changes)) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    with server.client() as client:
        yield client


def upload(client: Client, name: str) -> str:
    dataset_id: str = client.upload(PATIENTS.encode(), f"{name}.csv", name=name).raise_for_status().json()["id"]
    return dataset_id


def erase(client: Client, dataset_id: str, reason: str = "they asked to be forgotten") -> dict[str, Any]:
    """Erase a dataset, and wait until that is done; what the command was answered."""
    answer: dict[str, Any] = (
        client.delete(f"/v1/datasets/{dataset_id}", params={"reason": reason}).raise_for_status().json()
    )
    path, wanted = f"/v1/datasets/{dataset_id}", {"min_position": answer["position"]}
    until(lambda: client.get(path, params=wanted).raise_for_status().json()["erased"]["finished_at"])
    return answer


def holding(folder: Path, values: list[bytes]) -> dict[str, bytes]:
    """The files that hold one of some values."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            found |= {str(path.relative_to(folder)): value for value in values if value in content}
    return found


@pytest.fixture(scope="module")
def erased(client: Client, server: Server) -> dict[str, Any]:
    """An erased dataset, of which everything had been made that can be, and what stands beside it."""
    dataset_id, twin = upload(client, "patients"), upload(client, "twin")
    job = client.trained(dataset_id, SPEC, "patients")
    assert job["status"] == "succeeded", job
    other = client.trained(twin, SPEC, "twin")
    client.put("/v1/models/patients/aliases/best", json={"model_version": 1, "reason": "it is"}).raise_for_status()
    for name in ("patients", "twin"):
        body = {"model": name, "model_version": 1, "reason": "to be asked"}
        client.put(f"/v1/deployments/{name}", json=body).raise_for_status()
    log = {"share": 1.0, "reason": "to see"}
    client.put("/v1/deployments/patients/log", json=log).raise_for_status()
    asked = client.post("/v1/deployments/patients/predict", json={"rows": [ROW]}).raise_for_status().json()
    assert asked["predictions"] == ["zq-bad"]
    (part,) = until(lambda: client.get("/v1/deployments/patients/log").raise_for_status().json()["items"])
    scoring = client.post("/v1/scorings", json={"dataset_id": dataset_id, "deployment": "patients", "keep": ["name"]})
    scored = client.ended(scoring.raise_for_status().json()["id"])
    assert scored["status"] == "succeeded", scored
    routes = {
        "rows": f"/v1/datasets/{dataset_id}/rows",
        "profile": f"/v1/datasets/{dataset_id}/profile",
        "evaluation": f"/v1/jobs/{job['id']}/evaluation",
        "output": f"/v1/jobs/{scored['id']}/output",
        "model": "/v1/models/patients/versions/1/artifact",
        "log": f"/v1/deployments/patients/log/{part['artifact']}",
    }
    for route in routes.values():
        until(lambda route=route: client.get(route).status_code == 200)
    folder = server.runtime.directory.root
    assert not holding(folder / "artifacts", VALUES)
    assert holding(folder / "scratch", VALUES)
    before = client.get(f"/v1/lineage/dataset/{dataset_id}").raise_for_status().json()["impact"]
    answer = erase(client, dataset_id)
    return {
        "id": dataset_id, "twin": twin, "job": job, "other": other, "scored": scored, "routes": routes,
        "before": before, "answer": answer,
    }  # fmt: skip


def test_its_impact_is_known_before_and_named_by_the_answer_and_the_event(
    client: Client, erased: dict[str, Any]
) -> None:
    answer = erased["answer"]
    assert erased["before"] == {"jobs": 2, "model_versions": 1, "serving": ["patients"]}
    assert answer["models"] == [{"model": "patients", "model_version": 1}]
    assert answer["deployments"] == ["patients"]
    (told,) = client.get("/v1/events", params={"type": "DatasetErased", "stream": erased["id"]}).json()
    assert told["reason"] == "they asked to be forgotten"
    artifacts = told["data"]["artifacts"]
    assert len(artifacts) == answer["artifacts"] == 6
    version = client.get("/v1/models/patients/versions/1").json()
    assert {version["artifact"], erased["scored"]["scoring"]["output"]["digest"]} < set(artifacts)
    (finished,) = client.get("/v1/events", params={"type": "DatasetErasureFinished", "stream": erased["id"]}).json()
    table = client.get(f"/v1/datasets/{erased['id']}/versions/1").json()["artifact"]
    assert table in finished["data"]["shared"]
    assert {*finished["data"]["shared"], *finished["data"]["artifacts"]} == set(artifacts)


def test_no_route_gives_what_was_erased(client: Client, erased: dict[str, Any]) -> None:
    for name, route in erased["routes"].items():
        problem = assert_problem(client.get(route), 410, "erased")
        assert "was erased" in problem["detail"], name


def test_no_file_holds_what_was_erased(tmp_path: Path) -> None:
    with serving(settings_for(tmp_path, database_url="", artifacts_url="")) as server, server.client() as client:
        dataset_id = upload(client, "patients")
        job = client.trained(dataset_id, SPEC, "patients")
        assert job["status"] == "succeeded", job
        assert client.get(f"/v1/datasets/{dataset_id}/rows").json()["items"][0]["name"] == PEOPLE[0]
        key = _key(server, dataset_id)
        assert key
        erase(client, dataset_id)
        assert holding(tmp_path, [*VALUES, key]) == {}
        assert not [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]


def _key(server: Server, dataset_id: str) -> bytes:
    with sqlite3.connect(server.runtime.directory.keys) as keys:
        (key,) = keys.execute("SELECT key FROM skyulf_dataset_keys WHERE dataset = ?", [dataset_id]).fetchone()
    keys.close()
    return bytes(key or b"")


def test_what_another_dataset_holds_as_well_is_there_as_before(client: Client, erased: dict[str, Any]) -> None:
    items = client.get(f"/v1/datasets/{erased['twin']}/rows").raise_for_status().json()["items"]
    assert items[0]["name"] == PEOPLE[0]
    asked = client.post("/v1/deployments/twin/predict", json={"rows": [ROW]}).raise_for_status().json()
    assert asked["predictions"] == ["zq-bad"]
    assert client.get(f"/v1/jobs/{erased['other']['id']}/evaluation").status_code == 200


def test_its_models_are_retired_and_serve_no_more(client: Client, erased: dict[str, Any]) -> None:
    assert client.get("/v1/models/patients/versions/1").json()["retired"]
    assert client.get("/v1/deployments/patients").json()["status"] == "retired"
    assert_problem(client.post("/v1/deployments/patients/predict", json={"rows": [ROW]}), 409, "not-allowed")
    body = {"model": "patients", "model_version": 1, "reason": "again"}
    assert_problem(client.put("/v1/deployments/again", json=body), 409, "not-allowed")
    history = client.get("/v1/deployments/patients").json()["history"]
    assert history[-1]["reason"] == f"{erased['id']} was erased: they asked to be forgotten"


def test_nothing_can_be_made_of_it_any_more(client: Client, erased: dict[str, Any]) -> None:
    dataset_id = erased["id"]
    refused = [
        client.post("/v1/jobs", json={"dataset_id": dataset_id, "spec": SPEC}),
        client.post("/v1/scorings", json={"dataset_id": dataset_id, "deployment": "twin"}),
        client.upload(PATIENTS.encode(), path=f"/v1/datasets/{dataset_id}/versions"),
        client.get(f"/v1/datasets/{dataset_id}/drift", params={"from": 1}),
        client.post("/v1/reproductions", json={"model": "patients", "model_version": 1}),
        client.post("/v1/reproductions", json={"job_id": erased["job"]["id"]}),
    ]
    for response in refused:
        assert_problem(response, 410, "erased")


def test_what_no_one_event_names_is_named_by_several(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset_id = upload(client, "large")
    for more in ("a,1,2,x\n", "b,1,2,x\n", "c,1,2,x\n"):
        client.upload((PATIENTS + more).encode(), path=f"/v1/datasets/{dataset_id}/versions").raise_for_status()
    monkeypatch.setattr(commands, "NAMED_AT_ONCE", 2)
    answer = erase(client, dataset_id)
    found = client.get("/v1/events", params={"stream": dataset_id, "after": answer["position"] - 2}).json()
    types = ["DatasetErased", "DatasetErasureListed", "DatasetErasureFinished", "DatasetErasureListed"]
    assert [event["type"].removeprefix("skyulf.") for event in found] == types
    assert [len(event["data"]["artifacts"]) for event in found] == [2, 2, 2, 1]  # the first table is the twin's as well
    assert answer["artifacts"] == 4
    path, wanted = f"/v1/datasets/{dataset_id}", {"min_position": found[-1]["position"]}
    assert client.get(path, params=wanted).json()["erased"]["artifacts"] == 3


def test_what_happened_stays_known_and_proven(client: Client, server: Server, erased: dict[str, Any]) -> None:
    shown = client.get(f"/v1/datasets/{erased['id']}").raise_for_status().json()
    assert shown["name"] == "patients"
    assert shown["erased"]["reason"] == "they asked to be forgotten"
    assert shown["erased"]["models"] == [{"model": "patients", "model_version": 1}]
    listed = {item["id"]: item["erased"] for item in client.everything("/v1/datasets")}
    assert listed[erased["id"]] == shown["erased"]
    assert listed[erased["twin"]] is None
    assert client.get(f"/v1/jobs/{erased['job']['id']}").json()["metrics"] == erased["job"]["metrics"]
    changes = client.get(f"/v1/audit/dataset/{erased['id']}").raise_for_status().json()["items"]
    assert "DatasetErased" in [change["type"] for change in changes]
    assert server.runtime.sealer is not None
    server.runtime.sealer.seal(sign=True)
    verdict = server.runtime.audit.verify(log_key(server.runtime.settings).first)
    assert verdict.fine, verdict


def test_no_event_ever_held_a_value(server: Server, erased: dict[str, Any]) -> None:
    page = server.runtime.log.read(0, 1_000)
    assert {event.type for event in page.events} >= {
        "DatasetErased",
        "ModelTrained",
        "DatasetScored",
        "PredictionsLogged",
    }
    for event in page.events:
        assert not [value for value in VALUES if value in event.data], event.type
    assert erased["id"] in {event.stream for event in page.events}


def test_erasing_twice_leaves_it_as_it_was(client: Client, erased: dict[str, Any]) -> None:
    before = client.get(f"/v1/datasets/{erased['id']}").json()
    again = client.delete(f"/v1/datasets/{erased['id']}", params={"reason": "another"}).raise_for_status().json()
    assert again["version"] == before["version"]
    assert client.get(f"/v1/datasets/{erased['id']}").json() == before


def test_it_needs_a_reason_and_a_dataset(client: Client, erased: dict[str, Any]) -> None:
    twin = f"/v1/datasets/{erased['twin']}"
    for options in ({}, {"params": {"reason": " "}}):
        assert_problem(client.delete(twin, **options), 422, "invalid")
    nowhere = "/v1/datasets/dataset-01900000-0000-7000-8000-000000000000"
    assert_problem(client.delete(nowhere, params={"reason": "why not"}), 404, "not-found")
    assert_problem(client.delete("/v1/datasets/model-patients", params={"reason": "why not"}), 404, "not-found")
    assert client.get(twin).json()["erased"] is None


def test_a_job_that_runs_on_it_fails_and_leaves_nothing(client: Client, server: Server) -> None:
    dataset_id = upload(client, "under way")
    space = {"model.n_estimators": {"low": 400, "high": 900}}
    slow = {
        **SPEC,
        "model": {"node": "random_forest", "params": {"n_estimators": 5000}},
        "tuning": {"strategy": "random", "trials": 50, "cv": 5, "metric": "accuracy", "space": space},
    }
    asked = client.post("/v1/jobs", json={"dataset_id": dataset_id, "spec": slow, "model_name": "never"})
    job_id = asked.raise_for_status().json()["id"]
    until(lambda: client.get(f"/v1/jobs/{job_id}").json()["status"] == "running")
    waiting = client.post("/v1/jobs", json={"dataset_id": dataset_id, "spec": SPEC}).raise_for_status().json()["id"]
    erase(client, dataset_id)
    for job in (client.ended(job_id), client.ended(waiting)):
        assert job["status"] == "failed"
        assert job["error"]["type"].endswith("dataset-erased")
    assert_problem(client.get("/v1/models/never"), 404)
    until(lambda: server.runtime.worker.at_work_on() == ())
    retried = client.post(f"/v1/jobs/{waiting}/retry").raise_for_status().json()
    assert client.ended(retried["id"])["error"]["type"].endswith("dataset-erased")


def test_files_that_no_event_names_are_shown_and_removed_once_they_are_old(
    client: Client, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "left over"
    file.write_bytes(b"of an upload that was refused")
    digest = server.runtime.artifacts.put_for("dataset-01900000-0000-7000-8000-000000000009", file)
    path = "/v1/artifacts/unnamed"
    now = client.get(path).raise_for_status().json()
    assert (now["files"], now["older_than"]) == (0, 86_400)
    assert now["young"] >= 1
    kept = now["kept"]
    assert kept["dataset"] >= 1
    clock = server.runtime.now
    monkeypatch.setattr(server.runtime.collector, "_now", lambda: clock() + timedelta(hours=3))
    assert client.delete(path).raise_for_status().json()["files"] == 0
    found = client.get(path, params={"older_than": 3_600}).raise_for_status().json()
    assert digest in found["digests"]
    assert client.delete(path, params={"older_than": 3_600}).raise_for_status().json() == found
    assert digest not in set(server.runtime.artifacts.digests())
    assert client.get(path).raise_for_status().json()["kept"] == kept
    for wrong in ("60", "-1", "soon"):
        assert_problem(client.delete(path, params={"older_than": wrong}), 422, "invalid")
