"""The server process stays light: what learning needs is loaded in child processes only."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json, sys
from pathlib import Path
from live import csv_of, serving, settings_for, spec_for

with serving(settings_for(Path(sys.argv[1]))) as server, server.client() as client:
    dataset = client.upload(csv_of()).json()["id"]
    job = client.trained(dataset, spec_for(), "light")
    assert job["status"] == "succeeded", job["error"]
    client.put("/v1/deployments/light", json={"model": "light", "model_version": 1, "reason": "r"}).raise_for_status()
    rows = [{"size": 1, "colour": "red", "heavy": None}]
    client.post("/v1/deployments/light/predict", json={"rows": rows}).raise_for_status()
    for path in ("/v1/nodes", "/v1/jobs", f"/v1/jobs/{job['id']}/evaluation", "/v1/events", "/openapi.json"):
        client.get(path).raise_for_status()
    assert client.post("/v1/jobs", json={"dataset_id": dataset, "spec": {"task": "x"}}).status_code == 422
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_the_server_imports_no_library_of_learning(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    imported = set(json.loads(done.stdout.splitlines()[-1]))
    assert "fastapi" in imported
    assert imported.isdisjoint(
        {"pandas", "sklearn", "skops", "scipy", "joblib", "pickletools", "boto3", "botocore", "kafka"}
    )


def test_a_server_at_rest_holds_nothing_that_only_predictions_need() -> None:
    """Numpy and ONNX Runtime come with the first ONNX copy, pyarrow with the first Arrow body."""
    script = "import json, sys, skyulf.cli.serve; print(json.dumps(sorted({n.partition('.')[0] for n in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    imported = set(json.loads(done.stdout))
    assert "fastapi" in imported
    assert imported.isdisjoint({"numpy", "onnxruntime", "onnx", "pyarrow", "httpx", "pandas", "sklearn", "kafka"})
