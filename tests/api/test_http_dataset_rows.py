"""What was taken in can be looked at: versions of datasets, and their first rows."""

from live import Client, assert_problem, csv_of, places

CONTENT = "größe,when,at,good,note\n1.5,2024-01-02,2024-01-02T03:04:05Z,true,x\n,,,,\n".encode()


def test_versions_are_listed_and_shown(client: Client) -> None:
    answer = client.upload(csv_of(20), name="versions").json()
    path = f"/v1/datasets/{answer['id']}"
    for rows in (21, 22):
        answer = client.upload(csv_of(rows), path=f"{path}/versions").json()
    listed = client.everything(f"{path}/versions", limit=2, min_position=answer["position"])
    assert [(item["dataset_version"], item["rows"]) for item in listed] == [(1, 20), (2, 21), (3, 22)]
    newest = client.get(f"{path}/versions", params={"order": "-dataset_version", "limit": 1}).json()
    assert [item["dataset_version"] for item in newest["items"]] == [3]
    shown = client.get(f"{path}/versions/2")
    assert shown.json() == listed[1]
    again = client.get(f"{path}/versions/2", headers={"If-None-Match": shown.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_version_shows_how_its_file_was_read(client: Client) -> None:
    files = {"file": ("t.csv", b"a;b\n007;2,5\n")}
    answer = client.post("/v1/datasets", files=files, data={"types": '{"a": "integer"}'}).json()
    shown = client.get(f"/v1/datasets/{answer['id']}/versions/1").json()
    assert shown["source"] == {
        "encoding": "utf-8",
        "delimiter": ";",
        "decimal": ",",
        "header": True,
        "types": {"a": "integer"},
        "uri": None,
        "unfit": "refuse",
    }


def test_versions_that_are_not_there(client: Client, dataset: str) -> None:
    for path in ("dataset-none/versions", "dataset-none/versions/1", "dataset-none/rows", f"{dataset}/versions/9"):
        assert_problem(client.get(f"/v1/datasets/{path}"), 404, "not-found")
    assert_problem(client.get(f"/v1/datasets/{dataset}/rows", params={"dataset_version": 9}), 404, "not-found")
    for number in ("0", "-1", "x", "1.0"):
        assert_problem(client.get(f"/v1/datasets/{dataset}/versions/{number}"), 422, "invalid")


def test_the_first_rows(client: Client) -> None:
    answer = client.upload(CONTENT, name="rows").json()
    response = client.get(f"/v1/datasets/{answer['id']}/rows", params={"min_position": answer["position"]})
    assert response.json() == {
        "dataset_version": 1,
        "rows": 2,
        "items": [
            {"größe": 1.5, "when": "2024-01-02", "at": "2024-01-02T03:04:05+00:00", "good": True, "note": "x"},
            {"größe": None, "when": None, "at": None, "good": None, "note": None},
        ],
    }
    assert response.headers["content-type"] == "application/json"
    headers = {"If-None-Match": response.headers["etag"]}
    assert client.get(f"/v1/datasets/{answer['id']}/rows", headers=headers).status_code == 304


def test_rows_are_limited_and_of_any_version(client: Client) -> None:
    first = client.upload(csv_of(300), name="many rows").json()
    path = f"/v1/datasets/{first['id']}"
    client.upload(csv_of(30, shift=7), path=f"{path}/versions")
    rows = client.get(f"{path}/rows", params={"min_position": client.head_position()}).json()
    assert (rows["dataset_version"], rows["rows"], len(rows["items"])) == (2, 30, 20)
    for limit, given in ((1, 1), (150, 150), (1000, 300)):
        rows = client.get(f"{path}/rows", params={"dataset_version": 1, "limit": limit}).json()
        assert (rows["rows"], len(rows["items"])) == (300, given)
    for limit in (0, 1001):
        problem = assert_problem(client.get(f"{path}/rows", params={"limit": limit}), 422, "invalid")
        assert places(problem) == ["query.limit"]


def test_very_long_values_make_fewer_rows(client: Client) -> None:
    answer = client.upload(b"text\n" + (b"x" * (1 << 20) + b"\n") * 12, name="long values").json()
    rows = client.get(f"/v1/datasets/{answer['id']}/rows", params={"limit": 12}).json()
    assert rows["rows"] == 12
    assert 1 <= len(rows["items"]) < 12
