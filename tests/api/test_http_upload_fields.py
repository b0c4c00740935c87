"""What an upload may say besides its file; and a disk that is full."""

import errno
import io
import json
import shutil
from typing import Any

import openpyxl
import pytest
from live import Client, Server, assert_problem, places, spec_for
from starlette.datastructures import UploadFile

from skyulf.ingest import service

CONTENT = b"id,price\n007,1\n010,2\n"


def post(client: Client, content: bytes = CONTENT, filename: str = "t.csv", **options: Any) -> Any:
    headers = options.pop("headers", None)
    data = {name: value if isinstance(value, str) else json.dumps(value) for name, value in options.items()}
    return client.post("/v1/datasets", files={"file": (filename, content)}, data=data, headers=headers)


def source_of(client: Client, dataset_id: str) -> dict[str, Any]:
    events = client.get("/v1/events", params={"stream": dataset_id, "type": "DatasetVersionAdded"}).json()
    source: dict[str, Any] = events[-1]["data"]["source"]
    return source


def test_how_a_file_was_read_is_recorded(client: Client) -> None:
    answer = post(client, "a;b\n1,5;Zürich\n".encode("cp1252")).json()
    assert source_of(client, answer["id"]) == {
        "filename": "t.csv",
        "size": 15,
        "encoding": "windows-1252",
        "delimiter": ";",
        "decimal": ",",
        "header": True,
        "types": {},
        "unfit": "refuse",
        "uri": None,
    }


def test_the_caller_says_how_the_file_is_read(client: Client) -> None:
    assert [column["type"] for column in post(client).json()["columns"]] == ["string", "integer"]
    answer = post(client, types={"id": "integer", "price": "number"}).json()
    assert [column["type"] for column in answer["columns"]] == ["integer", "number"]
    assert source_of(client, answer["id"])["types"] == {"id": "integer", "price": "number"}
    answer = post(client, b"1\t2,5\n", header="false", delimiter="\\t", decimal=",").json()
    assert [(column["name"], column["type"]) for column in answer["columns"]] == [
        ("column_1", "integer"),
        ("column_2", "number"),
    ]


def test_cells_that_are_no_numbers_are_told_of_and_can_be_missing(client: Client) -> None:
    content = b"age,y\n" + b"".join(b"%d,a\n" % age for age in range(997)) + b"hidden-word,a\n" * 3
    answer = post(client, content).json()
    (told,) = answer["warnings"]
    assert told.startswith("column age: 3 of 1,000 cells are no numbers")
    shown = client.get(f"/v1/datasets/{answer['id']}").json()
    assert (shown["warnings"], shown["columns"][0]["unfit"]) == ([told], 3)
    corrected = post(client, content, types={"age": "number"}, unfit="missing")
    assert corrected.status_code == 201
    assert [column["type"] for column in corrected.json()["columns"]] == ["number", "string"]
    assert corrected.json()["columns"][0]["nulls"] == 3
    assert "not of the type number" in corrected.json()["warnings"][0]
    versions = client.get(f"/v1/datasets/{corrected.json()['id']}/versions").json()["items"]
    assert versions[0]["source"]["unfit"] == "missing"
    for made in (answer, corrected.json()):
        assert "hidden-word" not in client.get("/v1/events", params={"stream": made["id"]}).text


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"unfit": "missing"}, "unfit"),
        ({"unfit": "drop", "types": {"price": "number"}}, "unfit"),
        ({"types": {"id": "boolean"}}, "id"),
        ({"types": {"id": "date"}, "unfit": "missing"}, "id"),
    ],
)
def test_what_cannot_be_taken_as_missing(client: Client, options: dict[str, Any], place: str) -> None:
    assert places(assert_problem(post(client, **options), 422, "invalid")) == [place]


def test_a_good_file_has_no_warnings(client: Client) -> None:
    answer = post(client, b"a,b\n1,x\n2,y\n").json()
    assert answer["warnings"] == []


def test_json_lines_and_excel(client: Client) -> None:
    book, sink = openpyxl.Workbook(), io.BytesIO()
    for row in (["size", "kind"], [1.5, "big"], [2, "small"]):
        book.worksheets[0].append(row)
    book.save(sink)
    lines = b'{"size": 1.5, "kind": "big"}\n{"size": 2, "kind": "small"}\n'
    for content, filename in ((sink.getvalue(), "t.xlsx"), (lines, "t.jsonl"), (lines, "t.ndjson")):
        answer = post(client, content, filename).json()
        shown = [(column["name"], column["type"]) for column in answer["columns"]]
        assert (answer["rows"], shown) == (2, [("size", "number"), ("kind", "string")])
    for content, filename in ((lines, "t.xlsx"), (sink.getvalue(), "t.jsonl"), (b'{"a": [1]}\n', "t.jsonl")):
        assert places(assert_problem(post(client, content, filename), 422, "invalid"))


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"types": "nonsense"}, "types"),
        ({"types": ["id"]}, "types"),
        ({"types": {"id": "float"}}, "types.id"),
        ({"types": {"nowhere": "number"}}, "nowhere"),
        ({"types": {"id": "boolean"}}, "id"),
        ({"delimiter": "::"}, "delimiter"),
        ({"decimal": ";"}, "decimal"),
        ({"header": "perhaps"}, "header"),
        ({"header": "1"}, "header"),
    ],
)
def test_fields_that_cannot_be_followed(client: Client, fields: dict[str, Any], place: str) -> None:
    before = client.head_position()
    problem = assert_problem(post(client, **fields), 422, "invalid")
    assert places(problem) == [place]
    del problem["correlation_id"]  # whose random digits may be these
    assert "007" not in str(problem)
    assert client.head_position() == before


def test_what_was_asked_counts_when_requests_are_compared(client: Client) -> None:
    key = {"Idempotency-Key": "types of columns"}
    first = post(client, types={"id": "integer"}, headers=key)
    assert first.status_code == 201
    assert post(client, types={"id": "integer"}, headers=key).json() == first.json()
    assert_problem(post(client, types={"id": "number"}, headers=key), 422, "idempotency-key-reused")
    assert_problem(post(client, headers=key), 422, "idempotency-key-reused")


def test_one_row_is_a_dataset_and_no_ground_for_a_job(client: Client) -> None:
    answer = post(client, b"size,kind\n1,big\n").json()
    assert answer["rows"] == 1
    spec = {**spec_for(), "steps": []}
    assert_problem(client.post("/v1/jobs", json={"dataset_id": answer["id"], "spec": spec}), 422)


@pytest.mark.parametrize("place", ["the body", "the copy", "the table"])
def test_a_full_disk_is_503(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = client.head_position()
    if place == "the body":
        monkeypatch.setattr(UploadFile, "write", fail)
    elif place == "the copy":
        monkeypatch.setattr(shutil, "copyfileobj", fail)
    else:
        monkeypatch.setattr(service.tempfile, "TemporaryDirectory", fail)
    response = post(client)
    problem = assert_problem(response, 503, "unavailable")
    assert "disk is full" in problem["detail"]
    assert int(response.headers["Retry-After"]) > 0
    assert client.head_position() == before
    assert not list(server.runtime.directory.scratch.iterdir())
    monkeypatch.undo()
    assert post(client).status_code == 201
