"""Reproductions over HTTP: a recorded model trained again by a job, and told to be the same, or why not."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from live import Client, Server, assert_problem, csv_of, serving, settings_for, spec_for

FOREST = {"node": "random_forest", "params": {"n_estimators": 10}}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server whose artifacts are files, and where they are: some of them will be spoilt."""
    folder = tmp_path_factory.mktemp("own")
    with serving(settings_for(folder, artifacts_url="")) as server:
        yield server, folder / "artifacts"


@pytest.fixture(scope="module")
def here(own: tuple[Server, Path]) -> Iterator[Client]:
    with own[0].client() as client:
        yield client


@pytest.fixture(scope="module")
def trained(here: Client) -> Callable[..., dict[str, Any]]:
    """Trains a forest under a name, on a table of its own."""

    def train(name: str, **more: Any) -> dict[str, Any]:
        dataset = here.upload(csv_of(80, sum(map(ord, name))), name=name).raise_for_status().json()["id"]
        body = {"dataset_id": dataset, "spec": spec_for(**FOREST), "model_name": name, "seed": 5, **more}
        job = here.ended(here.post("/v1/jobs", json=body).raise_for_status().json()["id"])
        assert job["status"] == "succeeded", job["error"]
        return job

    return train


def asked(client: Client, **named: Any) -> Any:
    return client.post("/v1/reproductions", json=named)


def reproduced(client: Client, **named: Any) -> dict[str, Any]:
    answer = asked(client, **named)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    return client.ended(answer.json()["id"])


def file_of(own: tuple[Server, Path], client: Client, stream: str, kind: str, field: str) -> tuple[str, Path]:
    """An artifact that an event names: its digest, and the file."""
    events = client.get("/v1/events", params={"stream": stream, "type": kind, "limit": 1000}).json()
    digest = events[0]["data"][field]
    files = {each.digest: each.name for each in own[0].runtime.artifacts.stored()}
    digits = files[digest].removeprefix("sha256:")
    return digest, own[1] / digits[:2] / digits


def test_a_model_is_reproduced_whatever_came_after_it(here: Client, trained: Callable[..., dict[str, Any]]) -> None:
    training = trained("apples")
    dataset = training["dataset_id"]
    here.upload(csv_of(40), path=f"/v1/datasets/{dataset}/versions").raise_for_status()
    alias = here.put("/v1/models/apples/aliases/best", json={"model_version": 1, "reason": "the first"})
    alias.raise_for_status()
    job = reproduced(here, model="apples", alias="best")
    assert (job["kind"], job["status"], job["error"]) == ("reproduction", "succeeded", None)
    assert (job["model_name"], job["spec"], job["seed"]) == (None, None, None), "it leaves no model"
    of = job["reproduction"]
    assert (of["job_id"], of["model"], of["model_version"], of["seed"]) == (training["id"], "apples", 1, None)
    result = of["result"]
    assert (result["verdict"], result["causes"], result["fingerprint"]) == ("identical", [], training["fingerprint"])
    facts = {(fact["aspect"], fact["name"]): (fact["recorded"], fact["now"]) for fact in result["facts"]}
    assert all(recorded == now for recorded, now in facts.values())
    assert {"data", "seed", "code", "package", "threads", "cpu"} == {aspect for aspect, _ in facts}
    assert facts["seed", "seed"] == ("5", "5")
    assert "sha256:" not in str(facts), "an export would look for artifacts that were never there"
    assert job["metrics"] == training["metrics"]
    assert here.get("/v1/models/apples").json()["model_version"] == 1, "no version was added"

    here.delete("/v1/models/apples/aliases/best").raise_for_status()
    retired = here.request("DELETE", "/v1/models/apples/versions/1", json={"reason": "old"})
    retired.raise_for_status()
    again = reproduced(here, model="apples", model_version=1)
    assert again["reproduction"]["result"]["verdict"] == "identical", "an auditor asks for what is retired, too"

    events = here.get(f"/v1/jobs/{job['id']}/events").json()
    kinds = [event["type"].removeprefix("skyulf.") for event in events]
    assert (kinds[:2], kinds[-1]) == (["ReproductionCreated", "JobStarted"], "ModelReproduced")
    assert "green" not in str(events), "an event holds no value of the data"
    counted = [line for line in here.get("/metrics").text.splitlines() if "skyulf_reproductions_total" in line]
    assert any('verdict="identical"' in line for line in counted)


def test_another_seed_is_told(here: Client, trained: Callable[..., dict[str, Any]]) -> None:
    training = trained("pears", model_name=None)
    job = reproduced(here, job_id=training["id"], seed=6)
    of = job["reproduction"]
    assert (of["job_id"], of["model"], of["model_version"], of["seed"]) == (training["id"], None, None, 6)
    result = of["result"]
    assert (result["verdict"], result["causes"]) == ("different", ["seed"])
    assert [fact for fact in result["facts"] if fact["recorded"] != fact["now"]] == [
        {"aspect": "seed", "name": "seed", "recorded": "5", "now": "6"},
    ]  # fmt: skip
    assert result["comparison"]["largest_difference"] > 1e-5
    found = here.get(f"/v1/lineage/job/{job['id']}", params={"min_position": here.head_position()}).json()
    ids = [node["id"] for node in found["nodes"]]
    edges = {(ids[edge["source"]], edge["relation"], ids[edge["target"]]) for edge in found["edges"]}
    assert (training["id"], "reproduced by", job["id"]) in edges


def test_a_changed_byte_of_the_data_is_told_before_anything_is_trained(
    own: tuple[Server, Path], here: Client, trained: Callable[..., dict[str, Any]]
) -> None:
    training = trained("plums")
    digest, file = file_of(own, here, training["id"], "JobCreated", "dataset_artifact")
    whole = file.read_bytes()
    file.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    job = reproduced(here, model="plums", model_version=1)
    result = job["reproduction"]["result"]
    assert (result["verdict"], result["causes"], result["fingerprint"]) == ("different", ["data"], None)
    (fact,) = result["facts"]
    assert (fact["aspect"], fact["recorded"]) == ("data", digest.removeprefix("sha256:"))
    assert fact["now"] == hashlib.sha256(file.read_bytes()).hexdigest()
    kinds = [event["type"] for event in here.get(f"/v1/jobs/{job['id']}/events").json()]
    assert kinds == ["skyulf.ReproductionCreated", "skyulf.JobStarted", "skyulf.ModelReproduced"]

    file.unlink()
    lacking = reproduced(here, model="plums", model_version=1)
    assert (lacking["status"], lacking["error"]["type"]) == ("failed", "urn:skyulf:problem:not-reproduced")
    for words in (f"version 1 of {training['dataset_id']}", "missing from the artifact store", digest):
        assert words in lacking["error"]["detail"]
    file.write_bytes(whole)
    here.post(f"/v1/jobs/{lacking['id']}/retry").raise_for_status()
    restored = here.ended(lacking["id"])
    assert (restored["attempt"], restored["reproduction"]["result"]["verdict"]) == (2, "identical")


def test_a_model_whose_file_is_lost_is_known_by_its_fingerprint_alone(
    own: tuple[Server, Path], here: Client, trained: Callable[..., dict[str, Any]]
) -> None:
    training = trained("quinces")
    digest, file = file_of(own, here, training["id"], "ModelTrained", "model")
    file.unlink()
    result = reproduced(here, model="quinces", model_version=1)["reproduction"]["result"]
    assert (result["verdict"], result["not_compared"]) == ("identical", None)
    other = reproduced(here, model="quinces", model_version=1, seed=9)["reproduction"]["result"]
    assert (other["verdict"], other["comparison"]) == ("different", None)
    assert "model's file is missing" in other["not_compared"]
    assert digest in other["not_compared"]


def test_they_are_listed_by_kind_and_made_once_for_each_request(
    here: Client, trained: Callable[..., dict[str, Any]]
) -> None:
    trained("grapes")
    headers = {"Idempotency-Key": "reproduce grapes once"}
    body = {"model": "grapes", "model_version": 1}
    answers = [here.post("/v1/reproductions", json=body, headers=headers) for _ in range(2)]
    assert answers[0].raise_for_status().json() == answers[1].raise_for_status().json()
    job = here.ended(answers[0].json()["id"])
    listed = here.everything("/v1/jobs", kind="reproduction")
    assert {one["kind"] for one in listed} == {"reproduction"}
    assert [one["id"] for one in listed if one["reproduction"]["model"] == "grapes"] == [job["id"]]
    assert job["id"] not in [one["id"] for one in here.everything("/v1/jobs", model_name="grapes")]
    assert_problem(here.get(f"/v1/jobs/{job['id']}/evaluation"), 404, "not-found")
    refused = asked(here, job_id=job["id"])
    assert "reproduces one" in assert_problem(refused, 409, "not-allowed")["detail"]


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"model": "colours"},
        {"model": "colours", "model_version": 1, "alias": "best"},
        {"job_id": "job-1", "model": "colours", "model_version": 1},
        {"job_id": "job-1", "alias": "best"},
        {"model": "colours", "model_version": 1, "seed": -1},
        {"model": "colours", "model_version": 0},
    ],
)
def test_what_is_not_clear_is_refused(client: Client, named: dict[str, Any]) -> None:
    assert_problem(asked(client, **named), 422, "invalid")


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"model": "nobody", "model_version": 1}, "there is no model nobody"),
        ({"model": "colours", "model_version": 99}, "colours has no version 99; its newest is "),
        ({"model": "colours", "alias": "worst"}, "colours has no alias worst"),
        ({"job_id": "job-of-nobody"}, "there is no job job-of-nobody"),
        ({"job_id": "dataset-1"}, "there is no job dataset-1"),
    ],
)
def test_what_is_not_there_is_named(client: Client, model: str, named: dict[str, Any], said: str) -> None:
    assert model == "colours"
    assert said in assert_problem(asked(client, **named), 404, "not-found")["detail"]
