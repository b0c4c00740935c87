"""Datasets over HTTP: what is taken, what is refused and where the fault is; and nothing is unpickled."""

import gc
import hashlib
import http.client
import io
import pickle
import socket
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from live import PATIENCE, Client, Server, assert_problem, csv_of, places, serving, settings_for, until

BOUNDARY = "----a-boundary"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def part(disposition: str, content: bytes) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
    return head.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def parquet_of(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue()


def test_a_csv_file(client: Client) -> None:
    content = csv_of()
    response = client.upload(content, "Colours of things.csv")
    assert response.status_code == 201
    answer = response.json()
    assert response.headers["location"] == f"/v1/datasets/{answer['id']}"
    assert response.headers["etag"] == f'"{answer["version"]}"'
    assert set(answer) == {"id", "version", "position", "dataset_version", "digest", "rows", "columns", "warnings"}
    assert answer["warnings"] == []
    assert (answer["dataset_version"], answer["rows"]) == (1, 90)
    assert answer["digest"] == "sha256:" + hashlib.sha256(content).hexdigest()
    types = {column["name"]: column["type"] for column in answer["columns"]}
    assert types == {
        "size": "number",
        "colour": "string",
        "heavy": "boolean",
        "kind": "string",
        "count": "integer",
        "good": "boolean",
    }
    shown = client.get(response.headers["location"]).json()
    assert shown["name"] == "Colours of things"
    assert (shown["filename"], shown["size"]) == ("Colours of things.csv", len(content))
    assert shown["columns"] == answer["columns"]


def test_a_parquet_file_under_a_given_name(client: Client) -> None:
    content = parquet_of(pa.table({"a": [1, 2, None], "b": ["x", None, "y"]}))
    answer = client.upload(content, "t.parquet", name="  my table ").json()
    assert {column["name"]: column["nulls"] for column in answer["columns"]} == {"a": 1, "b": 1}
    assert client.get(f"/v1/datasets/{answer['id']}").json()["name"] == "my table"


def test_a_further_version(client: Client) -> None:
    first = client.upload(csv_of()).json()
    path = f"/v1/datasets/{first['id']}"
    second = client.upload(csv_of(100), path=f"{path}/versions", headers={"If-Match": f'"{first["version"]}"'})
    assert second.status_code == 201
    assert second.headers["location"] == path
    assert (second.json()["id"], second.json()["dataset_version"], second.json()["rows"]) == (first["id"], 2, 100)
    shown = client.get(path, params={"min_position": second.json()["position"]})
    assert (shown.json()["dataset_version"], shown.json()["rows"]) == (2, 100)
    assert shown.headers["etag"] == second.headers["etag"]
    stale = client.upload(csv_of(101), path=f"{path}/versions", headers={"If-Match": f'"{first["version"]}"'})
    assert assert_problem(stale, 412)["current_version"] == 3


def test_uploads_are_compared_by_their_content(client: Client) -> None:
    key = {"Idempotency-Key": "an upload"}
    first = client.upload(csv_of(50), headers=key)
    again = client.upload(csv_of(50), headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert_problem(client.upload(csv_of(50, shift=1), headers=key), 422, "idempotency-key-reused")
    assert_problem(client.upload(csv_of(50), headers=key, name="other"), 422, "idempotency-key-reused")


def test_one_upload_twelve_times_at_once(client: Client) -> None:
    def send(_: int) -> tuple[int, str]:
        response = client.upload(csv_of(40), headers={"Idempotency-Key": "twelve uploads"}, name="twelve")
        return response.status_code, response.text

    with ThreadPoolExecutor(12) as threads:
        assert len(set(threads.map(send, range(12)))) == 1
    assert len(client.everything("/v1/datasets", name="twelve", min_position=client.head_position())) == 1


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (b"", "empty.csv"),
        (b"a,b\n", "no-rows.csv"),
        (b"a,a\n1,2\n", "names-twice.csv"),
        (b"a,b\n1,2,3\n", "too-many-cells.csv"),
        (b"a,b\n1\n", "too-few-cells.csv"),
        (b'a,b\n"1,2\n', "open-quote.csv"),
        (b"a,b\n\x81\x8d,2\n", "not-utf8.csv"),
        (b"a,b\n1,2\n".decode().encode("utf-16")[:-1], "cut-utf16.csv"),
        (",".join(f"c{n}" for n in range(10_000)).encode() + b"\n" + b"1," * 9_999 + b"1\n", "wide.csv"),
        (b"a,b\n1,\x00\n", "nul.csv"),
        (csv_of(), "colours.parquet"),
        (csv_of(), "colours.exe"),
        (csv_of(), "colours"),
        (parquet_of(pa.table({"a": [1]})), "table.csv"),
        (parquet_of(pa.table({"a": [1]}))[:-9], "cut.parquet"),
        (parquet_of(pa.table({"a": [[1, 2]]})), "lists.parquet"),
        (b"PAR1" + b"\x00" * 40 + b"PAR1", "forged.parquet"),
    ],
)
def test_files_that_cannot_be_taken(client: Client, content: bytes, filename: str) -> None:
    before = client.head_position()
    assert places(assert_problem(client.upload(content, filename), 422, "invalid"))
    assert client.head_position() == before


def test_faults_of_a_file_say_where_they_are(client: Client) -> None:
    problem = assert_problem(client.upload(b"a,b\n1,2\n3,4,5\n", "f.csv"), 422)
    assert any("3" in place for place in places(problem)), problem
    problem = assert_problem(client.upload(b"a,a\n1,2\n", "f.csv"), 422)
    assert any("a" in f"{fault}" for fault in problem["errors"]), problem


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("filename", ["data.csv", "data.parquet", "data.pkl", "data.joblib", "data.skops", "data.npy"])
def test_no_upload_is_unpickled(client: Client, tmp_path: Path, filename: str) -> None:
    trap = tmp_path / "sprung"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("data.pkl", pickle.dumps(Trap(trap)))
    for content in (pickle.dumps(Trap(trap)), archive.getvalue()):
        assert_problem(client.upload(content, filename), 422, "invalid")
    client.upload(pickle.dumps(Trap(trap), 0), filename)  # this one is plain text, and a table of text is taken
    assert not trap.exists()


def test_no_request_body_is_unpickled(client: Client, tmp_path: Path, deployment: str) -> None:
    trap = tmp_path / "sprung"
    content = pickle.dumps(Trap(trap))
    for kind in ("application/octet-stream", "application/x-pickle", "application/python-pickle"):
        for path in ("/v1/datasets", "/v1/jobs", f"/v1/deployments/{deployment}/predict"):
            assert_problem(client.post(path, content=content, headers={"Content-Type": kind}), 415)
    assert not trap.exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not multipart at all",
        END,
        part('name="name"', b"no file") + END,
        part('name="file"', b"a,b\n1,2\n") + END,
        part('name="file"; filename=""', b"a,b\n1,2\n") + END,
        part('filename="a.csv"', b"a,b\n1,2\n") + END,
        part('name="data"; filename="a.csv"', b"a,b\n1,2\n") + END,
        part('name="file"; filename="a.csv"', b"a\n1\n") + part('name="file"; filename="b.csv"', b"a\n1\n") + END,
        part('name="file"; filename="a.csv"', b"a\n1\n") + part('name="name"', b" ") + END,
        part('name="file"; filename="a.csv"', b"a\n1\n") + part('name="name"', b"n" * 201) + END,
        part('name="file"; filename="a.csv"', b"a\n1\n") + part('name="name"', b"a\x00b") + END,
        part(f'name="file"; filename="{"n" * 300}.csv"', b"a\n1\n") + END,
        part('name="file"; filename=".csv"', b"") + END,
        b"".join(part(f'name="field{n}"', b"x") for n in range(30)) + END,
        part('name="field"', b"x" * (2 << 20)) + END,
        part('name="file"; filename="cut.csv"', b"a,b\n1,2\n" * 1000)[:-500],
    ],
)
def test_uploads_that_cannot_be_read(client: Client, body: bytes) -> None:
    problem = assert_problem(client.post("/v1/datasets", content=body, headers=MULTIPART), 422, "invalid")
    assert problem["errors"]
    gc.collect()  # of a part that is cut off, Starlette leaves the temporary file to the collector


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; x=y"])
def test_uploads_without_a_boundary(client: Client, kind: str) -> None:
    response = client.post("/v1/datasets", content=b"--\r\n\r\n", headers={"Content-Type": kind})
    assert_problem(response, 422, "invalid")


def test_an_upload_that_is_cut_off_leaves_nothing(server: Server, client: Client) -> None:
    before = client.head_position()
    body = part('name="file"; filename="cut.csv"', b"a,b\n1,2\n" * 1000) + END
    head = (
        f"POST /v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MULTIPART['Content-Type']}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + body[:-300])
    assert client.get("/health/live").status_code == 200
    assert client.head_position() == before
    scratch = server.runtime.directory.scratch
    until(lambda: not [path for path in scratch.iterdir() if path.name.startswith("upload-")])


def test_other_types_of_body_are_415(client: Client) -> None:
    for kind in ("text/csv", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x", ""):
        response = client.post("/v1/datasets", content=csv_of(), headers={"Content-Type": kind})
        assert_problem(response, 415, "unsupported-media-type")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes uploads up to 100,000 bytes and other bodies up to 2,000."""
    settings = settings_for(tmp_path_factory.mktemp("small"), upload_bytes=100_000, body_bytes=2_000)
    with serving(settings) as server:
        yield server


@pytest.mark.parametrize("times", [1, 50])
def test_uploads_over_the_limit_are_413(small: Server, times: int) -> None:
    with small.client() as client:
        content = csv_of() * 50 * times
        before = client.head_position()
        response = client.upload(content)
        assert_problem(response, 413, "too-large")
        assert response.headers["connection"] == "close"
        body = part('name="file"; filename="big.csv"', content) + END
        pieces = (body[at : at + 1000] for at in range(0, len(body), 1000))
        assert_problem(client.post("/v1/datasets", content=pieces, headers=MULTIPART), 413, "too-large")
        assert client.head_position() == before
        assert client.upload(csv_of()).status_code == 201


def test_other_bodies_over_the_limit_are_413(small: Server) -> None:
    json = {"Content-Type": "application/json"}
    with small.client() as client:
        for body in (b" " * 2_001, b'{"name": "' + b"x" * 3_000 + b'"}'):
            for path in ("/v1/jobs", "/v1/pipelines", "/v1/deployments/a/predict", "/v1/datasets"):
                assert_problem(client.post(path, content=body, headers=json), 413, "too-large")
                pieces = (body[at : at + 100] for at in range(0, len(body), 100))
                assert_problem(client.post(path, content=pieces, headers=json), 413, "too-large")


@pytest.mark.parametrize("size", [200_000, 20_000_000])
def test_clients_that_send_all_before_they_listen_hear_413(small: Server, size: int) -> None:
    for path, kind in (("/v1/jobs", "application/json"), ("/v1/datasets", MULTIPART["Content-Type"])):
        with closing(http.client.HTTPConnection("localhost", small.port, timeout=PATIENCE)) as connection:
            connection.request("POST", path, body=b" " * size, headers={"Content-Type": kind})
            response = connection.getresponse()
            assert response.status == 413
            assert response.read().startswith(b"{")


def test_a_body_is_not_taken_for_an_upload_by_its_type_alone(small: Server) -> None:
    with small.client() as client:
        assert_problem(client.post("/v1/jobs", content=b" " * 50_000, headers=MULTIPART), 415)
