"""Predictions as JSON, CSV and Arrow streams: what is sent says its type, what is answered is asked for."""

import io
import json
from typing import Any

import httpx
import pyarrow as pa
import pytest
from live import Client, assert_problem, places

from api.formats import wanted_format
from skyulf.serving.formats import MEDIA_TYPES

JSON, CSV, ARROW = MEDIA_TYPES["json"], MEDIA_TYPES["csv"], MEDIA_TYPES["arrow"]
ROWS = [
    {"size": 1.5, "colour": "red", "heavy": True},
    {"size": None, "colour": None, "heavy": False},
    {"size": -7.25, "colour": "never, seen", "heavy": None},
]
SENT = {
    JSON: json.dumps({"rows": ROWS}).encode(),
    CSV: b'size,colour,heavy\n1.5,red,true\n,,false\n-7.25,"never, seen",\n',
}


def stream_of(columns: dict[str, Any]) -> bytes:
    batch = pa.RecordBatch.from_pydict(columns)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue()


SENT[ARROW] = stream_of({name: [row[name] for row in ROWS] for name in ROWS[0]})


def ask(client: Client, name: str, body: bytes, sent: str, wanted: str | None = None) -> httpx.Response:
    headers = {"Content-Type": sent, "Accept": wanted or "*/*"}
    return client.post(f"/v1/deployments/{name}/predict", content=body, headers=headers)


@pytest.fixture(params=[1, 2], ids=["linear", "trees"])
def served(request: pytest.FixtureRequest, client: Client, deployment: str, model: str) -> str:
    body = {"model": model, "model_version": request.param, "reason": "a test"}
    client.put(f"/v1/deployments/{deployment}", json=body).raise_for_status()
    return deployment


@pytest.mark.parametrize("sent", SENT)
def test_every_format_is_answered_in_every_format(client: Client, served: str, model: str, sent: str) -> None:
    expected = ask(client, served, SENT[JSON], JSON).json()
    as_json = ask(client, served, SENT[sent], sent, JSON)
    assert as_json.json() == expected
    as_csv = ask(client, served, SENT[sent], sent, CSV)
    assert as_csv.headers["Content-Type"] == "text/csv; charset=utf-8"
    lines = [line.split(",") for line in as_csv.text.splitlines()]
    assert lines[0] == ["prediction", "probability_big", "probability_small"]
    assert [line[0] for line in lines[1:]] == expected["predictions"]
    assert [float(line[1]) for line in lines[1:]] == [row["big"] for row in expected["probabilities"]]
    as_arrow = ask(client, served, SENT[sent], sent, ARROW)
    assert as_arrow.headers["Content-Type"] == ARROW
    table = pa.ipc.open_stream(as_arrow.content).read_all()
    assert table.column("prediction").to_pylist() == expected["predictions"]
    assert table.column("probability_small").to_pylist() == [row["small"] for row in expected["probabilities"]]
    version = str(expected["model_version"])
    assert table.schema.metadata == {b"model": model.encode(), b"model_version": version.encode()}
    for response in (as_json, as_csv, as_arrow):
        assert (response.headers["Skyulf-Model"], response.headers["Skyulf-Model-Version"]) == (model, version)


@pytest.mark.parametrize("sent", SENT)
def test_without_a_wish_the_answer_is_json(client: Client, deployment: str, sent: str) -> None:
    response = ask(client, deployment, SENT[sent], sent)
    assert response.headers["Content-Type"] == JSON
    assert len(response.json()["predictions"]) == len(ROWS)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("application/*", "json"),
        ("text/*", "csv"),
        ("Text/CSV;Q=0.5", "csv"),
        (f"{ARROW}, application/json;q=0.9", "arrow"),
        (f"{ARROW};q=0.5, application/json;q=0.9", "json"),
        ("application/json;q=0, */*", "csv"),
        ("*/*;q=0.1, text/csv;q=0.2", "csv"),
        ("text/html, application/xml;q=0.9, */*;q=0.8", "json"),
        ("text/csv;q=nonsense", "csv"),
        (", ,text/csv, ;", "csv"),
        ("x" * 2_000, "json"),
    ],
)
def test_what_accept_asks_for(accept: str, wanted: str) -> None:
    assert wanted_format(accept.encode()) == wanted


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "text/csv;q=0", "*/*;q=0", "image/*"])
def test_what_cannot_be_answered_is_406(client: Client, deployment: str, accept: str) -> None:
    problem = assert_problem(ask(client, deployment, SENT[JSON], JSON, accept), 406, "not-acceptable")
    assert ARROW in problem["detail"]


@pytest.mark.parametrize("sent", ["text/plain", "application/x-www-form-urlencoded", "text/csv; charset=latin-1", ""])
def test_what_cannot_be_read_is_415(client: Client, deployment: str, sent: str) -> None:
    problem = assert_problem(ask(client, deployment, SENT[JSON], sent), 415, "unsupported-media-type")
    assert "CSV" in problem["detail"] or ARROW in problem["detail"]


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (CSV, b"size,colour,heavy\n1,red,true\n2,red,1\n"),
        (ARROW, stream_of({"size": [1, 2], "colour": ["red"] * 2, "heavy": pa.array([None, 1], pa.int8())})),
    ],
)
def test_wrong_cells_name_row_and_column_as_in_json(client: Client, served: str, sent: str, body: bytes) -> None:
    for wanted in SENT:
        problem = assert_problem(ask(client, served, body, sent, wanted + ", application/problem+json;q=0.5"), 422)
        assert places(problem)[-1] == "rows.1.heavy"


@pytest.mark.parametrize("body", [b"", b"nonsense", SENT[ARROW][:-300], SENT[ARROW][:300] + SENT[JSON]])
def test_a_stream_that_is_none_is_a_problem(client: Client, served: str, body: bytes) -> None:
    assert places(assert_problem(ask(client, served, body, ARROW), 422, "invalid")) == ["body"]


def test_many_rows_in_arrow(client: Client, served: str) -> None:
    count = 50_000
    body = stream_of({"size": [n / 100 for n in range(count)], "colour": ["red"] * count, "heavy": [None] * count})
    table = pa.ipc.open_stream(ask(client, served, body, ARROW, ARROW).content).read_all()
    assert table.num_rows == count
    one = stream_of({"size": [77.7], "colour": ["red"], "heavy": pa.nulls(1)})
    assert ask(client, served, one, ARROW).json()["predictions"] == table.column("prediction").to_pylist()[7770:7771]


def test_a_name_that_none_can_have(client: Client) -> None:
    problem = assert_problem(ask(client, "no%20name", SENT[JSON], JSON), 422, "invalid")
    assert places(problem) == ["path.name"]


def test_another_method(client: Client, deployment: str) -> None:
    response = client.get(f"/v1/deployments/{deployment}/predict")
    assert_problem(response, 405)
    assert response.headers["Allow"] == "POST"
