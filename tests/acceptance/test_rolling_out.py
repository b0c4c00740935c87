"""A deployment is rolled out and back under load: no request fails, and none is answered by what it should not."""

import io
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from system import QUICK, ROWS, System

CLIENTS = 4
PER_SECOND = 50.0
CHANGES = 20

OTHER = {**QUICK, "model": {"node": "decision_tree", "params": {"max_depth": 3}}}
WITHOUT_ONNX = {**QUICK, "model": {"node": "k_neighbors"}}


@dataclass(frozen=True)
class Asked:
    """A prediction: when it was asked for and answered, and how."""

    begun: float
    ended: float
    answer: httpx.Response


@dataclass(frozen=True)
class Changed:
    """A roll-out or a roll-back: when it was sent and acknowledged, and to which version."""

    begun: float
    ended: float
    version: int


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A system with three versions of a model: the first two have an ONNX copy, the third has none."""
    with System(tmp_path_factory.mktemp("rolling")) as running:
        dataset = running.start().serve()
        for spec in (OTHER, WITHOUT_ONNX):
            running.trained(dataset, spec, model_name="tiny")
        running.settled()
        copies = [running.job(event["subject"])["onnx"]["digest"] for event in running.events(type="ModelTrained")]
        assert [bool(digest) for digest in copies] == [True, True, False]
        yield running


@pytest.mark.parametrize("other", [2, 3], ids=["both with an ONNX copy", "one without"])
def test_rolling_out_and_back_under_load(system: System, tmp_path: Path, other: int) -> None:
    name = f"rolled-{other}"
    right = {version: expected(system, version) for version in (1, other)}
    assert right[1]["probabilities"] != right[other]["probabilities"]
    changed = [deploy(system, name, 1)]
    asked: list[Asked] = []
    over, enough = threading.Event(), threading.Semaphore(0)
    clients = [threading.Thread(target=ask, args=(system, name, asked, over, enough)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        for turn in range(CHANGES):
            for _ in range(CLIENTS * 2):
                assert enough.acquire(timeout=60)  # each client has been answered meanwhile
            changed.append(roll_back(system, name, 1) if turn % 4 == 3 else deploy(system, name, (other, 1)[turn % 2]))
    finally:
        over.set()
        for client in clients:
            client.join()

    assert len(asked) > CHANGES * CLIENTS
    for one in asked:
        assert one.answer.status_code == 200, one.answer.text
        said = one.answer.json()
        assert said == right[said["model_version"]]
        assert one.answer.headers["Skyulf-Model-Version"] == str(said["model_version"])
        assert said["model_version"] in allowed(one, changed)
    assert {one.answer.json()["model_version"] for one in asked} == {1, other}


@pytest.mark.parametrize("version", [1, 2, 3], ids=["linear", "tree", "by the child"])
def test_every_format_says_the_same(system: System, version: int) -> None:
    right = expected(system, version)
    batch = pa.RecordBatch.from_pylist(ROWS)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    path, arrow = f"/v1/deployments/only-{version}/predict", "application/vnd.apache.arrow.stream"
    answer = system.ask("POST", path, content=sink.getvalue(), headers={"Content-Type": arrow, "Accept": arrow})
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.column("prediction").to_pylist() == right["predictions"]
    assert table.column("probability_yes").to_pylist() == [row["yes"] for row in right["probabilities"]]
    text = "x,y,colour\n3,4,red\n,11.5,\n8,1,mauve\n"
    assert system.ask("POST", path, content=text, headers={"Content-Type": "text/csv"}).json() == right
    wrong = system.ask("POST", path, content="x,y,colour\n3,4,red\n3,four,red\n", headers={"Content-Type": "text/csv"})
    assert [fault["place"] for fault in wrong.json()["errors"]] == ["rows.1.y"]


def expected(system: System, version: int) -> Any:
    """What a version predicts, by a deployment of its own."""
    name = f"only-{version}"
    deploy(system, name, version)
    return system.predict(deployment=name).json()


def deploy(system: System, name: str, version: int) -> Changed:
    body = {"model": "tiny", "model_version": version, "reason": "a test"}
    return change(version, lambda: system.send("PUT", f"/v1/deployments/{name}", body))


def roll_back(system: System, name: str, version: int) -> Changed:
    return change(version, lambda: system.send("POST", f"/v1/deployments/{name}/rollback", {"reason": "a test"}))


def change(version: int, send: Any) -> Changed:
    begun = time.monotonic()
    answer = send()
    assert answer["model_version"] == version
    return Changed(begun, time.monotonic(), version)


def ask(system: System, name: str, asked: list[Asked], over: threading.Event, enough: threading.Semaphore) -> None:
    """Ask for predictions, so many a second among all clients, until it is over."""
    while not over.wait(CLIENTS / PER_SECOND):
        begun = time.monotonic()
        answer = system.predict(ROWS, name)
        asked.append(Asked(begun, time.monotonic(), answer))
        enough.release()


def allowed(one: Asked, changed: list[Changed]) -> set[int]:
    """The versions that may have answered: what was served when it was asked, and what became so before its answer."""
    before = [change for change in changed if change.ended <= one.begun]
    meanwhile = {change.version for change in changed if change.ended > one.begun and change.begun < one.ended}
    return meanwhile | {before[-1].version}
