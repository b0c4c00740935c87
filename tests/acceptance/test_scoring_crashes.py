"""A dataset is scored once, whatever is killed meanwhile, and as the deployment would have predicted its rows."""

import csv
import io

import psutil
from system import ROWS, System, eventually, forest, kinds

MANY = 34_000
"""Rows that the forest takes a while for."""

LIKE_LIVE = 17_000
"""So many, more than are predicted together, are compared with what the deployment says."""

TREES = 150


def many_rows() -> bytes:
    lines = (f"{n % 97},{n * 7 % 13},{('red', 'green', '', 'mauve')[n % 4]}" for n in range(MANY))
    return ("x,y,colour\n" + "\n".join(lines) + "\n").encode()


def asked(system: System, dataset: str) -> str:
    body = {"dataset_id": dataset, "deployment": "live", "format": "csv", "keep": ["x"]}
    return str(system.send("POST", "/v1/scorings", body)["id"])


def held_in_the_middle(system: System, job: str, attempt: int = 1) -> psutil.Process:
    """The child that scores, stopped once it has written some of the predictions."""
    child = system.begun(job, attempt)
    eventually(lambda: [*system.data_dir.glob("scratch/*/job-*/predictions")], every=0.005)
    child.suspend()
    return child


def output(system: System, job: str) -> list[dict[str, str]]:
    answer = system.ask("GET", f"/v1/jobs/{job}/output")
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def predicted(system: System, body: bytes, rows: int) -> list[dict[str, str]]:
    """What the deployment says of the first rows, over HTTP."""
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    header, *lines = body.splitlines(keepends=True)
    found: list[dict[str, str]] = []
    for begin in range(0, rows, LIKE_LIVE // 4):
        part = header + b"".join(lines[begin : begin + LIKE_LIVE // 4])
        answer = system.ask("POST", "/v1/deployments/live/predict", content=part, headers=headers)
        assert answer.status_code == 200, answer.text
        found += csv.DictReader(io.StringIO(answer.text))
    return found


def happened_to(system: System, job: str) -> list[str]:
    return [kind for kind in kinds(system.stream(job)) if kind != "JobProgressed"]


def test_a_scoring_is_done_once_whatever_dies_and_says_what_the_deployment_says(served: System) -> None:
    served.serve(spec=forest(TREES))
    dataset = served.upload(many_rows(), "many")
    job = asked(served, dataset)
    held_in_the_middle(served, job)
    served.server.kill()
    served.start()
    ended = served.wait(job)
    assert (ended["status"], ended["attempt"], ended["error"]) == ("succeeded", 2, None)
    assert happened_to(served, job) == [
        "ScoringCreated", "JobStarted", "JobReclaimed", "JobStarted", "DatasetScored",
    ]  # fmt: skip
    found = output(served, job)
    assert [row["x"] for row in found] == [str(n % 97) for n in range(MANY)]
    live = predicted(served, many_rows(), LIKE_LIVE)
    assert [row["prediction"] for row in found[:LIKE_LIVE]] == [row["prediction"] for row in live]
    for name in ("probability_no", "probability_yes"):
        differences = (abs(float(a[name]) - float(b[name])) for a, b in zip(found[:LIKE_LIVE], live, strict=True))
        assert max(differences) <= 1e-5, "the deployment may have its ONNX copy by now"

    again = asked(served, dataset)
    held_in_the_middle(served, again).kill()
    held_in_the_middle(served, again, attempt=2)
    assert served.predict(ROWS).status_code == 200, "predictions go on meanwhile"
    served.cancel(again)
    assert served.wait(again)["status"] == "cancelled"
    assert served.ask("GET", f"/v1/jobs/{again}/output").status_code == 404
    served.send("POST", f"/v1/jobs/{again}/retry")
    retried = served.wait(again, attempt=3)
    assert retried["status"] == "succeeded"
    assert happened_to(served, again) == [
        "ScoringCreated", "JobStarted", "JobReclaimed", "JobStarted", "JobCancelRequested", "JobCancelled",
        "JobRetried", "JobStarted", "DatasetScored",
    ]  # fmt: skip
    assert retried["scoring"]["output"] == ended["scoring"]["output"], "done again it is the same, byte for byte"
