"""Datasets from URIs over HTTP: what the settings allow is read, and nothing else."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import Client, Server, assert_problem, csv_of, places, serving, settings_for
from services.s3 import Bucket

TABLE = csv_of()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is allowed, with a table in it; beside it a secret one."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "data" / "deep").mkdir(parents=True)
    (folder / "data" / "colours.csv").write_bytes(TABLE)
    (folder / "data" / "deep" / "two words.csv").write_bytes(TABLE)
    (folder / "data-secret.csv").write_bytes(TABLE)
    (folder / "data" / "way-out.csv").symlink_to(folder / "data-secret.csv")
    (folder / "data" / "inside.csv").symlink_to(folder / "data" / "colours.csv")
    (folder / "data" / "door").symlink_to(folder)
    os.mkfifo(folder / "data" / "pipe.csv")
    return folder / "data"


@pytest.fixture(scope="module")
def s3_root(s3: Bucket) -> str:
    """A place in a bucket that is allowed."""
    return s3.url()


@pytest.fixture(scope="module")
def reading_uris(tmp_path_factory: pytest.TempPathFactory, root: Path, s3: Bucket, s3_root: str) -> Iterator[Server]:
    """A server that may read below the folder and below the place in the bucket; files of up to 100,000 bytes."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3.environment.items():
            patch.setenv(name, value)
        roots = f"{root.as_uri()} {s3_root}/data/"
        settings = settings_for(tmp_path_factory.mktemp("uris"), uri_roots=roots, upload_bytes=100_000)
        with serving(settings, started=False) as server:
            yield server


@pytest.fixture
def reader(reading_uris: Server) -> Iterator[Client]:
    with reading_uris.client() as client:
        yield client


def source_of(client: Client, dataset: str, position: int) -> dict[str, object]:
    """What the log says of where the dataset came from."""
    events = client.get("/v1/events", params={"stream": dataset}).json()
    assert events[-1]["position"] == position
    found: dict[str, object] = events[-1]["data"]["source"]
    return found


def test_a_file_below_a_root(reader: Client, root: Path) -> None:
    for name in ("colours.csv", "deep/two words.csv", "inside.csv"):
        uri = (root / name).as_uri()
        answer = reader.post("/v1/datasets", json={"name": "colours", "uri": uri})
        assert answer.status_code == 201, answer.text
        taken = answer.json()
        assert taken["digest"] == reader.upload(TABLE).json()["digest"]
        source = source_of(reader, taken["id"], taken["position"])
        assert (source["uri"], source["filename"], source["size"]) == (uri, Path(name).name, len(TABLE))


def test_an_object_below_a_root_and_another_version_of_it(reader: Client, s3: Bucket, s3_root: str) -> None:
    uri = s3.put(f"{s3_root}/data/a b+c%20d/colours.csv", TABLE)
    first = reader.post("/v1/datasets", json={"name": " colours ", "uri": uri})
    assert first.status_code == 201, first.text
    dataset = first.json()["id"]
    assert first.headers["location"] == f"/v1/datasets/{dataset}"
    s3.put(uri, csv_of(20))
    body = {"uri": uri, "types": {"count": "string"}}
    second = reader.post(f"/v1/datasets/{dataset}/versions", json=body).json()
    assert (second["dataset_version"], second["rows"]) == (2, 20)
    assert {column["name"]: column["type"] for column in second["columns"]}["count"] == "string"
    assert source_of(reader, dataset, second["position"])["uri"] == uri


def test_the_same_request_again_gets_the_first_answer_whatever_lies_there_now(
    reader: Client, s3: Bucket, s3_root: str
) -> None:
    uri = s3.put(f"{s3_root}/data/changing.csv", TABLE)
    body, key = {"name": "changing", "uri": uri}, {"Idempotency-Key": "from a uri"}
    first = reader.post("/v1/datasets", json=body, headers=key)
    s3.put(uri, csv_of(10))
    assert reader.post("/v1/datasets", json=body, headers=key).json() == first.json()
    bucket, _, name = uri.removeprefix("s3://").partition("/")
    s3.client().delete_object(Bucket=bucket, Key=name)
    assert reader.post("/v1/datasets", json=body, headers=key).json() == first.json()
    other = reader.post("/v1/datasets", json={**body, "header": False}, headers=key)
    assert_problem(other, 422, "idempotency-key-reused")


def refused(client: Client, uri: str) -> dict[str, object]:
    before = client.head_position()
    problem = assert_problem(client.post("/v1/datasets", json={"name": "a", "uri": uri}), 422, "invalid")
    assert places(problem) == ["uri"]
    assert client.head_position() == before
    return problem


@pytest.mark.parametrize(
    "uri",
    [
        "{root}/../data-secret.csv",
        "{root}/deep/%2e%2e/%2e%2e/data-secret.csv",
        "{root}-secret.csv",
        "{root}/way-out.csv",
        "{root}/door/data-secret.csv",
        "{root}",
        "{root}/",
        "{root}/deep",
        "{root}/pipe.csv",
        "{root}/none.csv",
        "{root}/colours.csv/x.csv",
        "{root}/colours.csv?x=1",
        "{root}/colours.csv#x",
        "{root}/col%00ours.csv",
        "file:///etc/passwd",
        "file://elsewhere/etc/passwd",
        "/etc/passwd",
        "colours.csv",
        "http://localhost/x.csv",
        "http://169.254.169.254/latest/meta-data/x.csv",
        "s3:///x.csv",
        "s3://another-bucket/x.csv",
        "{s3}/none.csv",
        "{s3}/data/none.csv",
        "{s3}/data",
        "{s3}/data/",
        "{s3}/data/../secret.csv",
        "{s3}/data-secret.csv",
        "{s3}/data/secret.csv?versionId=1",
        "s3://user:password@bucket/x.csv",
        "s3://[/x.csv",
        "://",
        " ",
    ],
)
def test_what_is_not_allowed_or_not_there(reader: Client, root: Path, s3: Bucket, s3_root: str, uri: str) -> None:
    s3.put(f"{s3_root}/secret.csv", TABLE)
    s3.put(f"{s3_root}/data-secret.csv", TABLE)
    refused(reader, uri.format(root=root.as_uri(), s3=s3_root))


def test_a_refusal_repeats_no_password(reader: Client) -> None:
    assert "hunter2" not in str(refused(reader, "s3://user:hunter2@bucket/x.csv"))


def test_a_file_that_is_too_large_is_not_fetched(reading_uris: Server, root: Path, s3: Bucket, s3_root: str) -> None:
    content = TABLE + b"x" * 100_000
    (root / "large.csv").write_bytes(content)
    with reading_uris.client() as client:
        for uri in ((root / "large.csv").as_uri(), s3.put(f"{s3_root}/data/large.csv", content)):
            assert "100000 bytes" in str(refused(client, uri))
    assert list(reading_uris.runtime.directory.scratch.iterdir()) == []


def test_a_file_that_cannot_be_read_is_a_fault_of_the_uri(reader: Client, root: Path) -> None:
    (root / "ragged.csv").write_bytes(b"a,b\n1\n")
    body = {"name": "a", "uri": (root / "ragged.csv").as_uri()}
    assert places(assert_problem(reader.post("/v1/datasets", json=body), 422, "invalid"))
    (root / "table.txt").write_bytes(TABLE)
    refused(reader, (root / "table.txt").as_uri())


def test_nothing_is_allowed_by_default(client: Client, root: Path, s3_root: str) -> None:
    for uri in ((root / "colours.csv").as_uri(), "file:///etc/passwd", f"{s3_root}/data/colours.csv"):
        assert "SKYULF_URI_ROOTS" in str(refused(client, uri))


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "body"),
        (b"nonsense", "body"),
        (b"[]", "body"),
        (b'{"name": "a"}', "uri"),
        (b'{"uri": "s3://bucket/x.csv"}', "name"),
        (b'{"name": "a", "uri": 1}', "uri"),
        (b'{"name": "a", "uri": ""}', "uri"),
        (b'{"name": " ", "uri": "s3://bucket/x.csv"}', "name"),
        (b'{"name": "a", "uri": "s3://bucket/x.csv", "x": 1}', "x"),
        (b'{"name": "a", "uri": "s3://bucket/x.csv", "types": {"a": "b"}}', "types.a"),
    ],
)
def test_bodies_that_are_not_understood(client: Client, body: bytes, place: str) -> None:
    response = client.post("/v1/datasets", content=body, headers={"Content-Type": "application/json"})
    assert places(assert_problem(response, 422, "invalid")) == [place]


def test_a_version_needs_its_dataset(reader: Client, root: Path) -> None:
    body = {"uri": (root / "colours.csv").as_uri()}
    assert_problem(reader.post("/v1/datasets/dataset-none/versions", json=body), 404)
