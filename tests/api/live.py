"""A whole system behind a real port: the app as it is served, reached over HTTP as clients reach it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn

from api.app import create_app
from skyulf.commands.base import Context
from skyulf.commands.job import PackageModel
from skyulf.events.base import Actor
from skyulf.runtime import Runtime, running
from skyulf.settings import Settings

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds after which what was waited for will not come any more."""

ROWS = 90
COLOURS = ("red", "green", "blue")


def until(look: Callable[[], T], patience: float = PATIENCE) -> T:
    """What ``look`` gives once it is true; fails when it takes too long."""
    deadline = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def settings_for(data_dir: Path, **changes: Any) -> Settings:
    """Everything in memory, but for the folder that uploads pass through."""
    values: dict[str, Any] = {"database_url": "memory://", "artifacts_url": "memory://", "training_threads": 1}
    values["webhook_hosts"] = "127.0.0.0/8"
    return Settings(data_dir=data_dir, **{**values, **changes})


class Server:
    """A runtime, and the address that it answers at."""

    def __init__(self, runtime: Runtime, port: int, uvicorn_server: uvicorn.Server) -> None:
        self.runtime = runtime
        self.port = port
        self.url = f"http://localhost:{port}"
        self.uvicorn = uvicorn_server

    def client(self, **options: Any) -> "Client":
        """A client of this server."""
        return Client(base_url=self.url, timeout=PATIENCE, **options)

    def talk(self, *pieces: bytes, then_close: bool = False) -> bytes:
        """Send bytes as they are, and read what comes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            for piece in pieces:
                connection.sendall(piece)
            if then_close:
                connection.shutdown(socket.SHUT_WR)
            received = b""
            while chunk := connection.recv(1 << 16):
                received += chunk
            return received


@contextmanager
def serving(settings: Settings, started: bool = True) -> Iterator[Server]:
    """A server on a free port of this machine; with ``started`` false its roles (projector, worker) do not run.

    Models are not finished on it in any case: tests here count the events that they cause themselves.
    """
    with running(settings) if started else _halted(settings) as runtime:
        runtime.finisher.stop()
        config = uvicorn.Config(create_app(runtime), log_level="warning", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        listener = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="http")
        thread.start()
        try:
            until(lambda: server.started or not thread.is_alive())
            assert thread.is_alive()
            yield Server(runtime, listener.getsockname()[1], server)
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            listener.close()
            assert not thread.is_alive()


@contextmanager
def _halted(settings: Settings) -> Iterator[Runtime]:
    """A system that takes commands, and projects and trains nothing."""
    runtime = Runtime(settings)
    runtime.sandbox.start()
    runtime.projector.prepare()
    try:
        yield runtime
    finally:
        runtime.close()


class Client(httpx.Client):
    """An HTTP client that knows the words of this API."""

    def upload(self, content: bytes, filename: str = "colours.csv", **options: Any) -> httpx.Response:
        """Post a file as a dataset."""
        data = {"name": options.pop("name")} if "name" in options else None
        path = options.pop("path", "/v1/datasets")
        return self.post(path, files={"file": (filename, content)}, data=data, **options)

    def trained(self, dataset_id: str, spec: dict[str, Any], model_name: str | None = None) -> dict[str, Any]:
        """The job that trained the spec on the dataset, once it has."""
        asked = self.post("/v1/jobs", json={"dataset_id": dataset_id, "spec": spec, "model_name": model_name})
        assert asked.status_code == 202, asked.text
        return self.ended(asked.json()["id"])

    def ended(self, job_id: str) -> dict[str, Any]:
        """The job, once it has come to an end."""

        def look() -> dict[str, Any] | None:
            job: dict[str, Any] = self.get(f"/v1/jobs/{job_id}").raise_for_status().json()
            return job if job["status"] in ("succeeded", "failed", "cancelled") else None

        return until(look)

    def everything(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Every item of a list, page by page."""
        items: list[dict[str, Any]] = []
        while True:
            page = self.get(path, params=params).raise_for_status().json()
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            params["cursor"] = page["next_cursor"]

    def head_position(self) -> int:
        """The position of the log's last event."""
        position = 0
        while page := self.get("/v1/events", params={"after": position, "limit": 1000}).json():
            position = page[-1]["position"]
        return int(position)


def csv_of(rows: int = ROWS, shift: int = 0) -> bytes:
    """A small table with a number, a category, a truth, gaps in each, and targets of several types."""
    lines = ["size,colour,heavy,kind,count,good"]
    for n in range(rows):
        k = n + shift
        size = "" if k % 13 == 5 else f"{(k % 9) + k / 100:.2f}"
        colour = "" if k % 17 == 3 else COLOURS[k % 3]
        heavy = "" if k % 19 == 7 else ("true" if k % 2 else "false")
        kind = "big" if k % 9 > 4 else "small"
        lines.append(f"{size},{colour},{heavy},{kind},{k % 3 + 1},{'true' if k % 9 > 3 else 'false'}")
    return "\n".join(lines).encode() + b"\n"


def spec_for(target: str = "kind", leave_out: tuple[str, ...] = ("count", "good"), **model: Any) -> dict[str, Any]:
    """A small pipeline that imputes and encodes; ``leave_out`` are columns that would give the target away."""
    return {
        "task": "classification",
        "target": target,
        "steps": [
            {"node": "drop_columns", "columns": list(leave_out)},
            {"node": "impute", "columns": "numeric", "params": {"strategy": "median"}},
            {"node": "impute", "columns": "categorical", "params": {"strategy": "most_frequent"}},
            {"node": "one_hot", "columns": "categorical"},
        ],
        "model": model or {"node": "logistic_regression"},
    }


def assert_problem(response: httpx.Response, status: int, slug: str | None = None) -> dict[str, Any]:
    """See that the response is a problem (RFC 9457) of that status; the problem."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:skyulf:problem:")
    assert problem["title"]
    assert problem["detail"]
    if slug is not None:
        assert problem["type"] == f"urn:skyulf:problem:{slug}"
    return problem


def places(problem: dict[str, Any]) -> list[str]:
    """Where the faults of a problem are."""
    return [fault["place"] for fault in problem["errors"]]


def packaged(server: Server, client: Client, job_id: str, onnx: str | None, reason: str | None) -> dict[str, int]:
    """Say what became of a model's ONNX copy, as the finisher does; parameters that wait until that is known."""
    command = PackageModel(id=job_id, attempt=1, onnx=onnx, reason=reason)
    actor = Actor(id="finisher", kind="service")
    (cause, *_) = server.runtime.log.load({job_id: 0})[job_id]
    server.runtime.bus.send(command, Context.following(actor, cause)).result()
    return {"min_position": client.head_position()}
