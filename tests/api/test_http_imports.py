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


AT_REST = """
import json, sys
from pathlib import Path
import skyulf.cli.serve
from api.app import create_app
from skyulf.runtime import running
from skyulf.settings import Settings

settings = Settings(data_dir=Path(sys.argv[1]), dask_scheduler="tcp://127.0.0.1:1")
with running(settings) as runtime:
    create_app(runtime)
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""

LIBRARIES = frozenset(
    {
        *("annotated_doc", "annotated_types", "anyio", "api", "click", "dotenv", "eventsourcing", "fastapi", "msgspec"),
        "sniffio",  # anyio asks it who waits, where it is installed
        *("opentelemetry", "orjson", "prometheus_client", "pydantic", "pydantic_core", "pydantic_settings"),
        *("python_multipart", "shellingham", "skyulf", "sqlalchemy", "sse_starlette", "starlette", "typer"),
        *("typing_extensions", "typing_inspection", "uuid_utils", "uvicorn", "watchfiles"),
    }
)
"""What a server at rest may hold beside Python itself. OpenTelemetry comes with FastAPI, watchfiles with uvicorn."""


def test_a_server_at_rest_holds_what_every_request_needs_and_no_more(tmp_path: Path) -> None:
    """Numpy and ONNX Runtime come with the first ONNX copy, pyarrow with the first Arrow body, drivers by settings."""
    command = [sys.executable, "-c", AT_REST, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    imported = {name for name in json.loads(done.stdout) if not name.startswith("_")} - sys.stdlib_module_names
    assert {"fastapi", "sqlalchemy"} <= imported
    assert imported - {"cython_runtime"} <= LIBRARIES
