"""Versions of models in other forms: ONNX copies, code, and model cards."""

import ast
import hashlib
import json
from concurrent.futures import Future
from pathlib import Path

import pytest
from live import Client, Server, assert_problem, csv_of, packaged, spec_for

from skyulf.errors import NotAllowed


def test_code_is_sent_as_a_file_and_follows_from_the_log(client: Client, model: str) -> None:
    for form, media, ending in (("script", "text/x-python", "py"), ("notebook", "application/x-ipynb+json", "ipynb")):
        path = f"/v1/models/{model}/versions/1/{form}"
        sent = client.get(path)
        assert sent.status_code == 200, sent.text
        assert sent.headers["content-type"].startswith(media)
        assert sent.headers["content-disposition"] == f'attachment; filename="{model}-1.{ending}"'
        assert client.get(path, headers={"If-None-Match": sent.headers["etag"]}).status_code == 304
        assert client.get(path).text == sent.text
    script = client.get(f"/v1/models/{model}/versions/2/script").text
    assert "RandomForestClassifier(n_estimators=10" in script
    assert not [node for node in ast.walk(ast.parse(script)) if getattr(node, "module", "") == "skyulf"]
    assert_problem(client.get(f"/v1/models/{model}/versions/99/script"), 404, "not-found")
    assert_problem(client.get("/v1/models/nobody/versions/1/notebook"), 404, "not-found")


def test_steps_that_cannot_be_written_are_named(
    client: Client, server: Server, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: Future[str] = Future()
    refused.set_exception(NotAllowed("no script can be written of 2_gaze (there is no expression for a Gaze)"))
    monkeypatch.setattr(server.runtime.exports, "code", lambda *_: refused)
    problem = assert_problem(client.get(f"/v1/models/{model}/versions/1/script"), 409, "not-allowed")
    assert "2_gaze" in problem["detail"]


def test_the_onnx_copy_is_sent_once_there_is_one(client: Client, server: Server, dataset: str, tmp_path: Path) -> None:
    job = client.trained(dataset, spec_for(), "copied")
    path = "/v1/models/copied/versions/1/onnx"
    waiting = client.get(path)
    assert_problem(waiting, 503, "unavailable")
    assert waiting.headers["retry-after"]
    (tmp_path / "model.onnx").write_bytes(b"what a copy holds")
    digest = server.runtime.artifacts.put(tmp_path / "model.onnx")
    sent = client.get(path, params=packaged(server, client, job["id"], digest, None))
    assert (sent.status_code, sent.content) == (200, b"what a copy holds")
    assert hashlib.sha256(sent.content).hexdigest() in sent.headers["etag"]
    assert sent.headers["content-disposition"] == 'attachment; filename="copied-1.onnx"'
    assert client.get(path, headers={"If-None-Match": sent.headers["etag"]}).status_code == 304


def test_a_model_without_a_copy_says_why(client: Client, server: Server, dataset: str) -> None:
    job = client.trained(dataset, spec_for(node="k_neighbors"), "no-copy")
    known = packaged(server, client, job["id"], None, "the model k_neighbors has no counterpart in ONNX")
    problem = assert_problem(client.get("/v1/models/no-copy/versions/1/onnx", params=known), 409, "not-allowed")
    assert "k_neighbors has no counterpart" in problem["detail"]


def test_a_card_tells_what_the_log_knows(client: Client, server: Server) -> None:
    uploaded = client.upload(csv_of(), filename="col|ours <b>.csv", name="colours *for* cards").json()
    spec = {**spec_for(), "split": {"test_size": 0.25}}
    job = client.trained(uploaded["id"], spec, "carded")
    why = "serve <script>alert(1)</script> | the # of people"
    client.put("/v1/models/carded/aliases/champion", json={"model_version": 1, "reason": why}).raise_for_status()
    position = client.head_position()
    sent = client.get("/v1/models/carded/versions/1/card", params={"min_position": position})
    assert sent.status_code == 200, sent.text
    assert sent.headers["content-type"] == "text/markdown; charset=utf-8"
    card = sent.text
    sections = [line.removeprefix("## ") for line in card.splitlines() if line.startswith("## ")]
    assert sections == [
        "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data",
        "Quantitative analyses", "Pipeline", "Ethical considerations", "Caveats and recommendations", "Environment",
        "Provenance",
    ]  # fmt: skip
    version = client.get("/v1/models/carded/versions/1").json()
    for told in (job["id"], uploaded["id"], uploaded["digest"], version["artifact"], version["fingerprint"], "seed 0"):
        assert told in card, told
    assert f"| `accuracy` | {version['metrics']['accuracy']:.4g} |" in card
    assert "serve \\<script\\>alert(1)\\</script\\> \\| the \\# of people" in card
    assert "gave it the alias `champion`" in card
    assert "col\\|ours \\<b\\>.csv" in card
    (document,) = card.split("```json\n")[1:]
    assert json.loads(document.split("\n```")[0]) == client.get(f"/v1/jobs/{job['id']}").json()["spec"]
    created = next(event for event in server.runtime.log.load({job["id"]: 0})[job["id"]])
    assert f"position {created.position} of the log" in card
    assert (
        client.get("/v1/models/carded/versions/1/card", headers={"If-None-Match": sent.headers["etag"]}).status_code
        == 304
    )


def test_a_card_of_a_regression_and_of_a_model_that_was_retired(client: Client, dataset: str) -> None:
    spec = {"task": "regression", "target": "count", "model": {"node": "ridge"}}
    assert client.trained(dataset, spec, "amounts")["status"] == "succeeded"
    client.delete("/v1/models/amounts/versions/1", params={"reason": "it was wrong"}).raise_for_status()
    card = client.get("/v1/models/amounts/versions/1/card", params={"min_position": client.head_position()}).text
    assert "retired it: it was wrong" in card
    assert "| `r2` |" in card
    assert "Confusion matrix" not in card
