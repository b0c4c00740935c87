"""Predictions over HTTP: raw rows in, the target's own type out, faults by row and column."""

import json
from typing import Any

import pytest
from live import COLOURS, Client, assert_problem, csv_of, places, spec_for

ROW = {"size": 1.5, "colour": "red", "heavy": True, "count": 1, "good": False}


def predict(client: Client, name: str, *rows: Any, **options: Any) -> Any:
    return client.post(f"/v1/deployments/{name}/predict", json={"rows": list(rows)}, **options)


def test_one_row(client: Client, deployment: str, model: str) -> None:
    response = predict(client, deployment, ROW)
    assert response.status_code == 200
    answer = response.json()
    assert set(answer) == {"model", "model_version", "predictions", "probabilities"}
    assert (answer["model"], answer["model_version"]) == (model, 1)
    assert answer["predictions"][0] in ("big", "small")
    assert set(answer["probabilities"][0]) == {"big", "small"}
    assert sum(answer["probabilities"][0].values()) == pytest.approx(1)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_raw_rows_with_gaps_and_unseen_categories(client: Client, deployment: str, model: str, version: int) -> None:
    body = {"model": model, "model_version": version, "reason": "a test"}
    client.put(f"/v1/deployments/{deployment}", json=body).raise_for_status()
    rows = [
        ROW,
        {**ROW, "size": None},
        {**ROW, "colour": None},
        {**ROW, "heavy": None},
        {**ROW, "colour": "never seen", "size": 3},
        {**ROW, "size": -1e300, "colour": "", "unknown column": [1, {"a": None}]},
        {**ROW, "size": None, "colour": None, "heavy": None},
    ]
    answer = predict(client, deployment, *rows).json()
    assert answer["model_version"] == version
    assert len(answer["predictions"]) == len(answer["probabilities"]) == len(rows)
    assert set(answer["predictions"]) <= {"big", "small"}


def test_the_rows_that_were_trained_on_are_predicted_well(client: Client, deployment: str) -> None:
    lines = csv_of().decode().splitlines()
    names = lines[0].split(",")
    rows, kinds = [], []
    for line in lines[1:]:
        row: dict[str, Any] = dict(zip(names, line.split(","), strict=True))
        kinds.append(row.pop("kind"))
        row["size"] = float(row["size"]) if row["size"] else None
        row["colour"] = row["colour"] or None
        row["heavy"] = {"true": True, "false": False}.get(row["heavy"])
        rows.append({**row, "count": int(row["count"]), "good": row["good"] == "true"})
    predictions = predict(client, deployment, *rows).json()["predictions"]
    assert sum(map(str.__eq__, predictions, kinds)) > 0.85 * len(rows)


def test_integers_for_number_columns_and_numbers_for_integer_ones(client: Client, deployment: str) -> None:
    one, two = predict(client, deployment, {**ROW, "size": 2}, {**ROW, "size": 2.0}).json()["probabilities"]
    assert one == two
    assert predict(client, deployment, {**ROW, "size": 2**70}).status_code == 200


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("size", "1.5"),
        ("size", True),
        ("size", [1]),
        ("size", {}),
        ("colour", 1),
        ("colour", False),
        ("colour", ["red"]),
        ("heavy", 1),
        ("heavy", "true"),
        ("heavy", 0.0),
    ],
)
def test_wrong_types_name_row_and_column(client: Client, deployment: str, column: str, value: Any) -> None:
    problem = assert_problem(predict(client, deployment, ROW, ROW, {**ROW, column: value}), 422, "invalid")
    assert places(problem) == [f"rows.2.{column}"]


def test_an_absent_column_is_named(client: Client, deployment: str) -> None:
    row = {name: value for name, value in ROW.items() if name != "colour"}
    assert places(assert_problem(predict(client, deployment, ROW, row), 422)) == ["rows.1.colour"]


def test_faults_of_many_rows_are_cut(client: Client, deployment: str) -> None:
    problem = assert_problem(predict(client, deployment, *[{**ROW, "size": "secret"}] * 2_000), 422)
    assert len(problem["errors"]) == 20
    assert "secret" not in json.dumps(problem)


def test_null_where_the_model_takes_none(client: Client) -> None:
    lines = ["size,colour,kind"] + [f"{n % 7},{COLOURS[n % 3]},{'big' if n % 7 > 3 else 'small'}" for n in range(60)]
    dataset = client.upload("\n".join(lines).encode()).json()["id"]
    steps = [{"node": "one_hot", "columns": "categorical"}]
    spec = {"task": "classification", "target": "kind", "steps": steps, "model": {"node": "logistic_regression"}}
    job = client.trained(dataset, spec, "no-gaps")
    assert job["status"] == "succeeded", job["error"]
    body = {"model": "no-gaps", "model_version": 1, "reason": "r"}
    client.put("/v1/deployments/no-gaps", json=body).raise_for_status()
    assert predict(client, "no-gaps", {"size": 1, "colour": "red"}).status_code == 200
    problem = assert_problem(predict(client, "no-gaps", {"size": None, "colour": "red"}), 422, "invalid")
    assert places(problem) == ["rows.0.size"]


@pytest.mark.parametrize(
    ("target", "task", "kind", "classes"),
    [
        ("good", "classification", bool, {"true", "false"}),
        ("count", "classification", int, {"1", "2", "3"}),
        ("size", "regression", float, None),
        ("count", "regression", float, None),
    ],
)
def test_predictions_have_the_type_of_the_target(
    client: Client, dataset: str, target: str, task: str, kind: type, classes: set[str] | None
) -> None:
    leave_out = tuple({"kind", "count", "good"} - {target})
    node = "logistic_regression" if task == "classification" else "ridge"
    name = f"type-{task}-{target}"
    job = client.trained(dataset, {**spec_for(target, leave_out, node=node), "task": task}, name)
    assert job["status"] == "succeeded", job["error"]
    body = {"model": name, "model_version": 1, "reason": "r"}
    client.put(f"/v1/deployments/{name}", json=body).raise_for_status()
    row = {"size": 2.5, "colour": "red", "heavy": False, "kind": "big", "count": 1, "good": True}
    answer = predict(client, name, row, {**row, "colour": None}).json()
    assert [type(prediction) for prediction in answer["predictions"]] == [kind] * 2
    if classes is None:
        assert answer["probabilities"] is None
    else:
        assert set(answer["probabilities"][0]) == classes


@pytest.mark.parametrize("rows", [1_000, 5_000])
def test_many_rows(client: Client, deployment: str, rows: int) -> None:
    sent = [{**ROW, "size": n / 100, "colour": COLOURS[n % 3]} for n in range(rows)]
    answer = predict(client, deployment, *sent).json()
    assert len(answer["predictions"]) == len(answer["probabilities"]) == rows
    assert predict(client, deployment, sent[7]).json()["predictions"][0] == answer["predictions"][7]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"rows": {}}',
        b'{"rows": []}',
        b'{"rows": null}',
        b'{"rows": [1]}',
        b'{"rows": [[]]}',
        b'{"rows": [{}], "more": 1}',
        b'{"rows": [{"size": NaN}]}',
        b'{"rows": [{"size": Infinity}]}',
        b'{"rows": [{"size": 1e999}]}',
        b'{"rows": [{"\xff": 1}]}',
        b'{"rows": [{"colour": "\\ud800"}]}',
        b'{"rows": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"rows": [{"a":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}]}",
        b'{"rows": [' + b"{}," * 5_000 + b"{}]}",
    ],
)
def test_bodies_that_hold_no_rows(client: Client, deployment: str, body: bytes) -> None:
    path = f"/v1/deployments/{deployment}/predict"
    problem = assert_problem(client.post(path, content=body, headers={"Content-Type": "application/json"}), 422)
    assert problem["errors"]


def test_a_deployment_that_does_not_exist(client: Client) -> None:
    assert_problem(predict(client, "nobody", ROW), 404, "not-found")


def test_a_roll_out_holds_for_the_next_prediction(client: Client, deployment: str, model: str) -> None:
    path = f"/v1/deployments/{deployment}"
    for turn in range(12):
        version = turn % 3 + 1
        body = {"model": model, "model_version": version, "reason": "a test"}
        client.put(path, json=body).raise_for_status()
        assert predict(client, deployment, ROW).json()["model_version"] == version
    client.post(f"{path}/rollback").raise_for_status()
    assert predict(client, deployment, ROW).json()["model_version"] == 2
    client.delete(path).raise_for_status()
    assert_problem(predict(client, deployment, ROW), 409, "not-allowed")
    client.put(path, json={"model": model, "model_version": 1, "reason": "back"}).raise_for_status()
    assert predict(client, deployment, ROW).json()["model_version"] == 1
