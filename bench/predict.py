"""Predictions over HTTP beside a constant FastAPI route, both in real server processes, in one run."""

from statistics import median
from typing import Any

from bench.data import direct, make, rows_of, spec_of
from bench.measure import Line, Report, Target, compared, interleaved, scratch
from bench.servers import Server, constant, latencies, rate, request_of, skyulf

MODELS: dict[str, dict[str, Any]] = {
    "logistic_regression": {},
    "random_forest": {"n_estimators": 50, "max_depth": 12},
    "hist_gradient_boosting": {},
}
ROUNDS = 5
CLIENTS = 8
MANY = 1_000


def run() -> Report:
    """Measure each model in turn with the constant route."""
    lines: list[Line] = []
    with scratch() as folder:
        frame = make(folder, 10_000)
        bodies = {1: rows_of(frame, 1), MANY: rows_of(frame, MANY)}
        with constant(folder / "constant") as peer, skyulf(folder / "data") as server, direct(frame) as learner:
            dataset = server.upload(frame)["id"]
            for model, params in MODELS.items():
                name = model.replace("_", "-")
                deploy(server, dataset, name, model, params)
                in_process = 1e3 * learner.seconds(frame=str(frame), model=model, params=params, threads=1, rows=MANY)
                lines += measure(server, peer, name, bodies, in_process)
    return Report(
        "Predict over HTTP, JSON, 20 numbers a row",
        lines,
        [
            "The constant route takes the same body without reading it and answers a document of the same size; "
            "uvicorn with uvloop and httptools, no access log, on both sides. Models by scikit-learn in a child "
            "process; there is no ONNX copy yet, which is what the target is set for.",
            "One client: p50 of a kept connection. In-process call: predict_proba on an array that is ready.",
        ],
    )


def deploy(server: Server, dataset: str, name: str, model: str, params: dict[str, Any]) -> None:
    """Train a model and serve it."""
    server.train(dataset, spec_of(model, params), model_name=name)
    server.call("PUT", f"/v1/deployments/{name}", {"model": name, "model_version": 1, "reason": "to be measured"})


def measure(server: Server, peer: Server, name: str, bodies: dict[int, bytes], in_process: float) -> list[Line]:
    """One model's lines."""
    path = f"/v1/deployments/{name}/predict"
    ours = {rows: request_of(server.port, "POST", path, body) for rows, body in bodies.items()}
    theirs = {
        rows: request_of(peer.port, "POST", "/one" if rows == 1 else "/many", body) for rows, body in bodies.items()
    }
    one, bare, burst, bare_burst, many, bare_many = interleaved(
        [
            lambda: median(latencies(server.port, ours[1], 200)),
            lambda: median(latencies(peer.port, theirs[1], 200)),
            lambda: rate(server.port, ours[1], CLIENTS, 400),
            lambda: rate(peer.port, theirs[1], CLIENTS, 400),
            lambda: median(latencies(server.port, ours[MANY], 15)),
            lambda: median(latencies(peer.port, theirs[MANY], 15)),
        ],
        ROUNDS,
    )
    called = [milliseconds + in_process for milliseconds in bare_many]
    return [
        compared(f"{name}: 1 row, 1 client", one, "ms", "constant route", bare, Target("at most", 1.5)),
        compared(f"{name}: 1 row, {CLIENTS} clients", burst, "/s", "constant route", bare_burst),
        compared(f"{name}: {MANY:,} rows, 1 client", many, "ms", "constant route", bare_many),
        compared(f"{name}: {MANY:,} rows, 1 client", many, "ms", "constant route + in-process call", called),
    ]
