"""A pipeline of branches from its check to raw rows predicted over HTTP, by scikit-learn and by the ONNX copy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import skyulf
from system import System

from skyulf.core.applier import Applier
from skyulf.core.formats import load_model

WORDS = ("late and broken", "quick and whole", "broken box again", "whole and well")
TABLE = "size,weight,colour,note,label\n" + "".join(
    f"{'' if n % 11 == 4 else n % 9 + n / 100},{n * 7 % 13},{('red', 'green', '')[n % 3]},"
    f"{WORDS[n % 4]} no {n},{'good' if n % 2 else 'bad'}\n"
    for n in range(120)
)
ROWS = [
    {"size": 3, "weight": 4, "colour": "red", "note": "quick and broken"},
    {"size": None, "weight": 11.5, "colour": None, "note": None},
    {"size": 8, "weight": 1, "colour": "mauve", "note": "whole"},
]


def branches(last: dict[str, Any]) -> dict[str, Any]:
    """A spec of three branches, of which ``last`` is what becomes of text."""
    return {
        "task": "classification",
        "target": "label",
        "steps": [
            last | {"id": "words", "inputs": [{"from": "dataset", "columns": "text"}]},
            {"id": "scaled", "node": "scale", "inputs": ["filled"]},
            {"id": "filled", "node": "impute", "inputs": [{"from": "dataset", "columns": "numeric"}]},
            {"id": "coded", "node": "target_encode", "inputs": [{"from": "dataset", "columns": "categorical"}]},
        ],
        "model": {"node": "logistic_regression", "inputs": ["scaled", "coded", "words"]},
    }


def test_branches_are_checked_trained_deployed_and_predicted(served: System, tmp_path: Path) -> None:
    dataset = served.upload(TABLE.encode(), "parcels")
    counted, coded = branches({"node": "text_vectors"}), branches({"node": "one_hot"})
    checked = served.send("POST", "/v1/pipelines/check", {"spec": counted, "dataset_id": dataset})
    assert checked["problems"] == []
    assert [step["reads"] for step in checked["steps"]] == [["dataset"], ["filled"], ["dataset"], ["dataset"]]
    reaching = checked["candidates"][0]["columns"]
    assert [column["name"] for column in reaching] == ["size", "weight", "colour by the target", None]

    pipeline = served.send("POST", "/v1/pipelines", {"name": "parcels", "spec": counted})["id"]
    jobs = [served.submit(dataset, pipeline_id=pipeline, spec=None, model_name="parcels")]
    served.send("PUT", f"/v1/pipelines/{pipeline}", {"name": "parcels", "spec": coded})
    jobs.append(served.submit(dataset, pipeline_id=pipeline, spec=None, model_name="parcels"))
    for job in jobs:
        assert served.wait(job)["error"] is None
    finished = [served.finished(job) for job in jobs]
    assert [job["spec"]["steps"][1]["inputs"] for job in finished] == [["filled"]] * 2
    assert "text_vectors" in finished[0]["onnx"]["reason"]
    assert finished[1]["onnx"]["digest"]

    for version, limit in ((1, 0.0), (2, 1e-9)):
        served.send("PUT", "/v1/deployments/live", {"model": "parcels", "model_version": version, "reason": "a test"})
        answer = served.predict(ROWS).json()
        assert answer["model_version"] == version
        file = tmp_path / f"{version}.skops"
        file.write_bytes(served.ask("GET", f"/v1/models/parcels/versions/{version}/artifact").content)
        record = Applier(load_model(file))
        alone = record.predict(record.validate(ROWS))
        assert answer["predictions"] == alone.predictions
        assert alone.probabilities is not None
        for one, other in zip(answer["probabilities"], alone.probabilities, strict=True):
            assert list(one.values()) == pytest.approx(list(other.values()), abs=limit)
    assert np.ptp([one["good"] for one in answer["probabilities"]]) > 0

    shown = skyulf("pipelines", "show", pipeline, "--data-dir", served.data_dir)
    assert "dataset: categorical" in shown.stdout, shown.stderr
    assert "scaled; coded; words" in shown.stdout
