"""Predictions over HTTP beside a constant FastAPI route, both in real server processes, in one run."""

import contextlib
import io
import time
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench.data import MODELS, direct, make, rows_of, spec_of
from bench.measure import Line, Report, Target, compared, interleaved, scratch
from bench.servers import Kept, Server, constant, latencies, rate, request_of, skyulf
from skyulf.core.scorer import Scorer
from skyulf.runtime import reading
from skyulf.serving.media import MEDIA_TYPES
from skyulf.settings import Settings

WITHOUT_A_COPY: dict[str, dict[str, Any]] = {"k_neighbors": {}}
"""Shown beside them: a model that has none is asked in the child."""

ROUNDS = 5
CLIENTS = 8
MANY = 1_000
AT_MOST = Target("at most", 1.5)
PER_SECOND = Target("at least", 1_000, of="ours")


def run() -> Report:
    """Measure each model in turn with the constant route."""
    lines: list[Line] = []
    with scratch() as folder:
        frame = make(folder, 10_000)
        with constant(folder / "constant") as peer, skyulf(folder / "data") as server, direct(frame) as learner:
            dataset = server.upload(frame)["id"]
            asked = MODELS | WITHOUT_A_COPY
            jobs = {model: deploy(server, dataset, model, params) for model, params in asked.items()}
            copies = {model: copy_of(server, job, folder / "data") for model, job in jobs.items()}
            for model, params in asked.items():
                order = {"frame": str(frame), "model": model, "params": params, "threads": 1, "rows": MANY}
                directly = 1e3 * learner.seconds(**order) if model in MODELS else None
                lines += measure(server, peer, model, frame, copies[model], directly)
    return Report(
        "Predict over HTTP, 20 numbers a row",
        lines,
        [
            "k_neighbors has no ONNX copy and is asked in the child; the others' copies are asked in the server.",
            "The constant route takes the same body without reading it, and answers a document (JSON) or bytes (Arrow) "
            "of the same size; uvicorn with uvloop and httptools, no access log, on both sides.",
            "One client: p50 of a kept connection. In-process call: on arrays that are ready, of the ONNX copy or of "
            "scikit-learn's predict_proba.",
        ],
    )


def deploy(server: Server, dataset: str, model: str, params: dict[str, Any]) -> str:
    """Train a model and serve it; the job's id."""
    name = model.replace("_", "-")
    _, job = server.train(dataset, spec_of(model, params), model_name=name)
    server.call("PUT", f"/v1/deployments/{name}", {"model": name, "model_version": 1, "reason": "to be measured"})
    return job


def copy_of(server: Server, job: str, data: Path) -> Scorer | None:
    """The model's ONNX copy, if it has one, once all that follows a training is done: it would be measured, too."""
    server.finished(job)
    (packaged,) = server.call("GET", f"/v1/events?after=0&stream={job}&type=ModelPackaged")
    digest = packaged["data"]["onnx"]
    with reading(Settings(data_dir=data)) as (_, artifacts):
        return Scorer(artifacts().read(digest)) if digest else None


def measure(
    server: Server, peer: Server, model: str, frame: Path, copy: Scorer | None, directly: float | None
) -> list[Line]:
    """One model's lines; ``directly`` is what scikit-learn takes for many rows, in ms."""
    path = f"/v1/deployments/{model.replace('_', '-')}/predict"
    bodies = {rows: rows_of(frame, rows) for rows in (1, MANY)}
    ours = {rows: request_of(server.port, "POST", path, body) for rows, body in bodies.items()}
    theirs = {
        rows: request_of(peer.port, "POST", "/one" if rows == 1 else "/many", body) for rows, body in bodies.items()
    }
    stream, media = stream_of(frame, MANY), MEDIA_TYPES["arrow"]
    our_stream = request_of(server.port, "POST", path, stream, media, media)
    with contextlib.closing(Kept(server.port)) as kept:
        size = len(kept.ask(our_stream))
    their_stream = request_of(peer.port, "POST", f"/bytes/{size}", stream, media, media)
    reading_stream = request_of(peer.port, "POST", f"/read/{size}", stream, media, media)
    one, bare, burst, bare_burst, many, bare_many, arrow, bare_arrow, reading, called = interleaved(
        [
            lambda: median(latencies(server.port, ours[1], 300)),
            lambda: median(latencies(peer.port, theirs[1], 300)),
            lambda: rate(server.port, ours[1], CLIENTS, 800),
            lambda: rate(peer.port, theirs[1], CLIENTS, 800),
            lambda: median(latencies(server.port, ours[MANY], 15)),
            lambda: median(latencies(peer.port, theirs[MANY], 15)),
            lambda: median(latencies(server.port, our_stream, 50)),
            lambda: median(latencies(peer.port, their_stream, 50)),
            lambda: median(latencies(peer.port, reading_stream, 50)),
            lambda: in_process(copy, frame) if copy else 0.0,
        ],
        ROUNDS,
    )
    lines = [
        compared(f"{model}: 1 row, 1 client", one, "ms", "constant route", bare, AT_MOST if copy else None),
        compared(
            f"{model}: 1 row, {CLIENTS} clients",
            burst,
            "/s",
            "constant route",
            bare_burst,
            PER_SECOND if copy else None,
        ),
        compared(f"{model}: {MANY:,} rows, JSON", many, "ms", "constant route", bare_many),
        compared(f"{model}: {MANY:,} rows, Arrow", arrow, "ms", "constant route", bare_arrow),
    ]
    if copy:
        both = [route + call for route, call in zip(bare_arrow, called, strict=True)]
        lines.append(
            compared(f"{model}: {MANY:,} rows, Arrow", arrow, "ms", "constant route + ONNX in process", both, AT_MOST)
        )
        both = [route + call for route, call in zip(reading, called, strict=True)]
        peers = "constant route that reads the body + ONNX in process"
        lines.append(compared(f"{model}: {MANY:,} rows, Arrow", arrow, "ms", peers, both))
    if directly:
        both = [route + directly for route in bare_arrow]
        lines.append(
            compared(f"{model}: {MANY:,} rows, Arrow", arrow, "ms", "constant route + scikit-learn in process", both)
        )
    return lines


def stream_of(frame: Path, rows: int) -> bytes:
    """The first rows as an Arrow stream."""
    table = pq.read_table(frame).drop_columns("target").slice(0, rows).combine_chunks()
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def in_process(copy: Scorer, frame: Path) -> float:
    """Milliseconds of one prediction of many rows by an ONNX copy in this process, from arrays that are ready."""
    table = pd.read_parquet(frame).drop(columns="target").head(MANY)
    columns = {str(name): table[name].to_numpy() for name in table}
    copy.predict(columns)
    taken = []
    for _ in range(50):
        begun = time.perf_counter()
        copy.predict(columns)
        taken.append(1e3 * (time.perf_counter() - begun))
    return median(taken)
