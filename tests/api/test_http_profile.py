"""Profiles of dataset versions, and drift between two of them."""

import threading

from live import Client, Server, assert_problem

from skyulf.events.registry import decode


def csv(shift: float = 0.0, rows: int = 200) -> bytes:
    lines = ["amount,copy,key,kind,gone,when,label"]
    for n in range(rows):
        amount = (n * 37 % rows) / 4 + shift
        kind = "new" if shift and n % 2 else "abc"[n % 3]
        lines.append(f"{amount},{amount},id{n:04d},{kind},,2024-01-{1 + n % 28:02d},{amount > rows / 8}")
    return "\n".join(lines).encode()


def test_a_profile_is_made_when_it_is_asked_for_and_recorded_once(client: Client, server: Server) -> None:
    answer = client.upload(csv(), name="profiled").json()
    path = f"/v1/datasets/{answer['id']}/profile"
    shown = client.get(path, params={"min_position": answer["position"]})
    assert shown.status_code == 200, shown.text
    profile = shown.json()
    assert (profile["dataset_version"], profile["rows"], profile["sample"]) == (1, 200, {"rows": 200, "rank_error": 0})
    columns = {column["name"]: column for column in profile["columns"]}
    amount = columns["amount"]
    assert (amount["minimum"], amount["maximum"], amount["mean"]) == (0, 49.75, 24.875)
    assert sum(amount["histogram"]["counts"]) == 200
    assert columns["when"]["maximum"] == "2024-01-28"
    assert columns["kind"]["top"][0] == {"value": "a", "count": 67}
    assert columns["gone"]["nulls"] == 200
    warned = {(warning["rule"], *warning["columns"]) for warning in profile["warnings"]}
    assert {("duplicate", "amount", "copy"), ("identifier", "key"), ("all_missing", "gone")} <= warned
    again = client.get(path, headers={"If-None-Match": shown.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(path).json() == profile
    events = server.runtime.log.load({answer["id"]: 0})[answer["id"]]
    assert [event.type for event in events] == ["DatasetCreated", "DatasetVersionAdded", "DatasetProfiled"]
    told = decode(events[-1])
    assert (told.dataset_version, told.sampled) == (1, 200)
    assert {(warning.rule, *warning.columns) for warning in told.warnings} == warned
    assert client.get(f"/v1/datasets/{answer['id']}").json()["version"] == 3


def test_many_who_ask_at_once_are_told_the_same(client: Client, server: Server) -> None:
    answer = client.upload(csv(rows=300), name="asked at once").json()
    said: list[str] = []
    path = f"/v1/datasets/{answer['id']}/profile?min_position={answer['position']}"
    threads = [threading.Thread(target=lambda: said.append(client.get(path).text)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 6
    assert len(set(said)) == 1
    events = server.runtime.log.load({answer["id"]: 0})[answer["id"]]
    assert [event.type for event in events].count("DatasetProfiled") == 1


def test_columns_that_tell_a_target_are_suspects(client: Client) -> None:
    answer = client.upload(csv(), name="leaky").json()
    path = f"/v1/datasets/{answer['id']}/profile"
    told = client.get(path, params={"target": "amount", "min_position": answer["position"]}).json()["warnings"]
    assert {"rule": "leakage", "columns": ["copy"]} in told
    problem = assert_problem(client.get(path, params={"target": "nope"}), 422, "invalid")
    assert problem["errors"][0]["place"] == "target"


def test_each_version_has_its_own_profile(client: Client) -> None:
    answer = client.upload(csv(), name="versions profiled").json()
    path = f"/v1/datasets/{answer['id']}"
    answer = client.upload(csv(rows=50), path=f"{path}/versions").json()
    newest = client.get(f"{path}/profile", params={"min_position": answer["position"]}).json()
    first = client.get(f"{path}/profile", params={"dataset_version": 1}).json()
    assert [(one["dataset_version"], one["rows"]) for one in (newest, first)] == [(2, 50), (1, 200)]
    assert_problem(client.get(f"{path}/profile", params={"dataset_version": 3}), 404, "not-found")
    assert_problem(client.get("/v1/datasets/dataset-none/profile"), 404, "not-found")


def test_drift_between_versions(client: Client) -> None:
    answer = client.upload(csv(), name="drifting").json()
    path = f"/v1/datasets/{answer['id']}"
    answer = client.upload(csv(shift=40.0).replace(b"gone", b"come"), path=f"{path}/versions").json()
    shown = client.get(f"{path}/drift", params={"from": 1, "min_position": answer["position"]})
    assert shown.status_code == 200, shown.text
    drift = shown.json()
    assert (drift["from"], drift["to"], drift["level"]) == (1, 2, "major")
    assert (drift["added"], drift["removed"], drift["retyped"]) == (["come"], ["gone"], [])
    levels = {column["name"]: column["level"] for column in drift["columns"]}
    assert {name for name, level in levels.items() if level == "major"} >= {"amount", "copy", "kind"}
    assert levels["when"] == "none"
    again = client.get(f"{path}/drift", params={"from": 1, "to": 2}, headers={"If-None-Match": shown.headers["etag"]})
    assert again.status_code == 304
    same = client.get(f"{path}/drift", params={"from": 2, "to": 2}).json()
    assert (same["level"], same["drifted"]) == ("none", 0)
    assert_problem(client.get(f"{path}/drift"), 422, "invalid")
    assert_problem(client.get(f"{path}/drift", params={"from": 9}), 404, "not-found")
