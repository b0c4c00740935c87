"""A table that needs more memory than a job may use: a sample of it is trained on, or the job is refused before."""

import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from live import Client, assert_problem, places, serving, settings_for

MEMORY = 256 << 20
ROWS, COLUMNS = 60_000, 100
SPEC = {
    "task": "classification",
    "target": "y",
    "steps": [{"node": "scale", "columns": "numeric"}],
    "model": {"node": "naive_bayes"},
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server whose jobs may use the least memory that can be set."""
    settings = settings_for(tmp_path_factory.mktemp("small"), job_memory_bytes=MEMORY)
    with serving(settings) as server, server.client() as client:
        yield client


@pytest.fixture(scope="module")
def large(small: Client) -> str:
    """The id of a dataset that does not fit into that."""
    draw = np.random.default_rng(0)
    columns = {f"x{at}": draw.integers(0, 50, ROWS).astype(np.float64) for at in range(COLUMNS)}
    columns["y"] = (columns["x0"] + columns["x1"] > 50).astype(np.int64)
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    answer = small.upload(file.getvalue(), filename="large.parquet", name="large", timeout=120).raise_for_status()
    return str(answer.json()["id"])


def test_a_sample_that_fits_is_trained_on_and_recorded(small: Client, large: str) -> None:
    job = small.trained(large, SPEC, "sampled")
    assert (job["status"], job["error"]) == ("succeeded", None)
    sample = job["sample"]
    checked = small.post("/v1/pipelines/check", json={"dataset_id": large, "spec": SPEC}).json()
    assert (checked["problems"], checked["sample"]) == ([], sample), "it was told before"
    assert 10_000 < sample["rows"] < ROWS
    assert (sample["of"], sample["needed_bytes"] > MEMORY) == (ROWS, True)
    assert (job["rows"]["total"], job["rows"]["sampled_of"]) == (sample["rows"], ROWS)
    assert job["warnings"][0].startswith(f"trained on a sample of {sample['rows']:,} of {ROWS:,} rows")
    assert job["metrics"]["accuracy"] > 0.8
    (created,) = small.get("/v1/events", params={"stream": job["id"], "type": "JobCreated"}).json()
    assert created["data"]["sample"] == sample
    again = small.trained(large, SPEC)
    assert (again["sample"], again["fingerprint"]) == (sample, job["fingerprint"]), "the same rows were drawn"
    script = small.get("/v1/models/sampled/versions/1/script").text
    assert f"table.iloc[drawn_rows({ROWS}, {sample['rows']}, 0)]" in script
    card = small.get("/v1/models/sampled/versions/1/card").text
    assert f"**Sample:** {sample['rows']:,} rows" in card


def test_where_sampling_is_forbidden_nothing_begins(small: Client, large: str) -> None:
    before = small.head_position()
    asked = small.post("/v1/jobs", json={"dataset_id": large, "spec": {**SPEC, "allow_sampling": False}})
    problem = assert_problem(asked, 422, "invalid")
    assert places(problem) == ["allow_sampling"]
    assert "needs about" in problem["errors"][0]["message"]
    checked = small.post("/v1/pipelines/check", json={"dataset_id": large, "spec": {**SPEC, "allow_sampling": False}})
    assert checked.json()["problems"] == problem["errors"]
    assert small.head_position() == before


def test_in_pieces_all_rows_are_trained_on(small: Client, large: str) -> None:
    spec = {**SPEC, "allow_sampling": False, "streaming": {}}
    job = small.trained(large, spec, "whole")
    assert (job["status"], job["error"], job["sample"]) == ("succeeded", None, None)
    assert (job["rows"]["total"], job["rows"]["passes"]) == (ROWS, 5), "scale and model, twice, and the rows held out"
    assert 1_000 < job["rows"]["piece"] < ROWS / 2
    assert job["spec"]["streaming"] == {"epochs": 5}
    assert small.trained(large, spec)["fingerprint"] == job["fingerprint"]
    script = assert_problem(small.get("/v1/models/whole/versions/1/script"), 409)
    assert "in pieces" in script["detail"]
    card = small.get("/v1/models/whole/versions/1/card").text
    assert f"**In pieces:** of {job['rows']['piece']:,} rows, in 5 passes over the table" in card
    forest = {**spec, "model": {"node": "random_forest"}}
    problem = assert_problem(small.post("/v1/jobs", json={"dataset_id": large, "spec": forest}), 422, "invalid")
    assert places(problem) == ["model.node"]
    checked = small.post("/v1/pipelines/check", json={"dataset_id": large, "spec": forest}).json()
    assert checked["problems"] == problem["errors"]


def test_a_small_table_is_trained_on_whole_beside_it(small: Client) -> None:
    csv = "\n".join(["a,y", *(f"{n},{'yes' if n % 40 > 19 else 'no'}" for n in range(200))])
    dataset = small.upload(csv.encode(), name="little").json()["id"]
    job = small.trained(dataset, {**SPEC, "allow_sampling": False})
    assert (job["status"], job["sample"], "sampled_of" in job["rows"]) == ("succeeded", None, False)
