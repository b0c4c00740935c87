"""Real servers as processes of their own: started on a data directory, asked over HTTP, killed, started again."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest
from builders import dataset_created, job_created, model_trained, records, rows_of, version_added

from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.adapters.read_store import SqlReadStore
from skyulf.events.base import Recorded
from skyulf.events.job import JobProgressed, JobStarted
from skyulf.projections import PROJECTIONS
from skyulf.projections.base import Row
from skyulf.projections.projector import Projector
from skyulf.projections.store import ReadStore
from skyulf.reactions.finisher import LEAST_URGENT
from skyulf.runtime import reading
from skyulf.settings import Settings

T = TypeVar("T")

PATIENCE = 90.0
"""Seconds to wait for what is bound to come, on a machine that is busy with other things."""

TINY = b"x,y,colour,label\n" + b"".join(
    b"%d,%d,%s,%s\n" % (n, n * 7 % 13, (b"red", b"green", b"")[n % 3], (b"yes", b"no")[n % 2]) for n in range(60)
)
"""A table that is trained on in no time."""

QUICK = {
    "task": "classification",
    "target": "label",
    "steps": [
        {"node": "impute", "columns": "numeric"},
        {"node": "one_hot", "columns": "categorical"},
    ],
    "model": {"node": "logistic_regression"},
}

ROWS = [{"x": 3, "y": 4, "colour": "red"}, {"x": None, "y": 11.5, "colour": None}, {"x": 8, "y": 1, "colour": "mauve"}]
"""Rows that a model of `QUICK` on `TINY` predicts: with gaps, and with a category that it never saw."""

INSISTS = 0.7
"""Seconds after which a person who wants a process to end sends it another signal; sooner, it would be an echo."""

ENDED = ("succeeded", "failed", "cancelled")

LISTS = ("datasets", "pipelines", "jobs", "models", "deployments")


def forest(trees: int) -> dict[str, Any]:
    """A spec for `TINY` whose training takes as long as one likes: some 700 trees a second."""
    return {
        **QUICK,
        "steps": [{"node": "ordinal", "columns": "categorical"}],
        "model": {"node": "random_forest", "params": {"n_estimators": trees}},
    }


def eventually(look: Callable[[], T | None], seconds: float = PATIENCE, every: float = 0.02) -> T:
    """What ``look`` finds, once it finds something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {look.__qualname__}")
        time.sleep(every)
    return found


class Server:
    """One server process. All that it starts has its ``TMPDIR``, by which nothing left behind can hide."""

    def __init__(self, data_dir: Path, work: Path, settings: Mapping[str, object], port: int = 0) -> None:
        work.mkdir(parents=True)
        self.temporary = work / "tmp"
        self.temporary.mkdir()
        self._told, self._said = work / "told.json", work / "said.txt"
        environment = {**os.environ, "TMPDIR": str(self.temporary)}
        environment |= {f"SKYULF_{name.upper()}": str(value) for name, value in settings.items()}
        command = [sys.executable, "-m", "skyulf", "serve", "--data-dir", str(data_dir), "--port", str(port), "--json"]
        with self._told.open("wb") as told, self._said.open("wb") as said:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=told, stderr=said, env=environment, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def url(self) -> str | None:
        """Where it answers, once it does."""
        told = self._told.read_text()
        return str(json.loads(told)["url"]) if told.endswith("\n") else None

    def told(self) -> str:
        """What it wrote for programs."""
        return self._told.read_text(errors="replace")

    def said(self) -> str:
        """What it wrote for people."""
        return self._said.read_text(errors="replace")

    def processes(self) -> list[psutil.Process]:
        """Every living process that this server started, whoever is its parent now."""
        mark = str(self.temporary)
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid != self.pid and process.environ().get("TMPDIR") == mark and not gone(process):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def fork_server(self) -> psutil.Process | None:
        """The process that the children are forked from."""
        return next((process for process in self.processes() if parent(process) == self.pid), None)

    def children(self) -> list[psutil.Process]:
        """The children that jobs, uploads and predictions run in, or wait for."""
        return [process for process in self.processes() if parent(process) not in (None, self.pid)]

    def training(self) -> psutil.Process | None:
        """The child that trains a job or reads a file.

        Of those that live only such a one has a memory limit, save what finishes a model, which yields to all others.
        """
        for process in self.children():
            try:
                limited = process.rlimit(psutil.RLIMIT_AS)[0] != psutil.RLIM_INFINITY
                if limited and process.nice() < LEAST_URGENT:
                    return process
            except psutil.NoSuchProcess:
                continue
        return None

    def kill(self) -> None:
        """``kill -9`` of the server alone; then nothing that it started may live for longer than two seconds."""
        self.process.kill()
        self.process.wait()
        eventually(lambda: not self.processes(), seconds=2.0)

    def stop(self, seconds: float = 10.0) -> int:
        """Ask the server to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        eventually(lambda: not self.processes(), seconds=2.0)
        return code


def gone(process: psutil.Process) -> bool:
    """Whether the process has ended, reaped or not."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


class System:
    """A data directory, and the server that is on it now, if any."""

    def __init__(self, root: Path, **settings: object) -> None:
        self.root = root
        self.data_dir = root / "data"
        self.settings = settings
        self._servers: list[Server] = []
        self._server: Server | None = None
        self._client = httpx.Client(timeout=PATIENCE, limits=httpx.Limits(max_connections=100))

    def __enter__(self) -> "System":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        for server in self._servers:
            server.process.kill()
            server.process.wait()

    @property
    def server(self) -> Server:
        assert self._server is not None
        return self._server

    def spawn(self) -> Server:
        """Start a server, without waiting for it."""
        self._server = Server(self.data_dir, self.root / f"run-{len(self._servers) + 1}", self.settings)
        self._servers.append(self._server)
        return self._server

    def adopt(self, server: Server) -> None:
        """Take a server that was started before as the one to be asked."""
        self._server = server

    def start(self) -> "System":
        """Start a server and wait until it is ready."""
        self.spawn()
        eventually(self.ready_or_over)
        assert self.server.alive, self.server.said()
        return self

    def ready_or_over(self) -> bool:
        """Whether the server is ready to be asked, or has ended."""
        if not self.server.alive:
            return True
        try:
            return self.server.url is not None and self.ask("GET", "/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def restart(self) -> None:
        """Stop the server in order, and start another."""
        assert self.server.stop() == 0
        self.start()

    # Over HTTP

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Any request; `httpx.ConnectError` while no server answers."""
        url = self.server.url
        if url is None:
            raise httpx.ConnectError("no server answers yet")
        return self._client.request(method, f"{url}{path}", **options)

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of a 200."""
        answer = self.ask("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        """A command that must be taken; its answer."""
        answer = self.ask(method, path, json=body, **options)
        assert answer.status_code in (200, 201, 202), answer.text
        taken: dict[str, Any] = answer.json()
        return taken

    def upload(self, content: bytes = TINY, name: str = "tiny") -> str:
        """Upload a CSV; the dataset's id."""
        taken = self.send("POST", "/v1/datasets", files={"file": (f"{name}.csv", io.BytesIO(content))})
        return str(taken["id"])

    def submit(self, dataset: str, spec: Mapping[str, Any] = QUICK, **more: Any) -> str:
        """Create a job; its id."""
        return str(self.send("POST", "/v1/jobs", {"dataset_id": dataset, "spec": spec, **more})["id"])

    def job(self, job_id: str, min_position: int | None = None) -> dict[str, Any]:
        answer = self.get(f"/v1/jobs/{job_id}", **({} if min_position is None else {"min_position": min_position}))
        assert isinstance(answer, dict)
        return answer

    def cancel(self, job_id: str) -> dict[str, Any]:
        return self.send("POST", f"/v1/jobs/{job_id}/cancel")

    def wait(self, job_id: str, *statuses: str, attempt: int | None = None) -> dict[str, Any]:
        """The job, once it has one of the statuses (by default: has ended), at that attempt."""
        wanted = statuses or ENDED

        def job_is_there() -> dict[str, Any] | None:
            job = self.job(job_id)
            there = job["status"] in wanted and attempt in (None, job["attempt"])
            return job if there else None

        return eventually(job_is_there)

    def begun(self, job_id: str, attempt: int = 1) -> psutil.Process:
        """The child that works on the job, once the attempt has begun."""
        self.wait(job_id, "running", attempt=attempt)
        return eventually(self.server.training)

    def trained(self, dataset: str, spec: Mapping[str, Any] = QUICK, **more: Any) -> dict[str, Any]:
        """A job that has succeeded."""
        job = self.wait(self.submit(dataset, spec, **more))
        assert job["status"] == "succeeded", job["error"]
        return job

    def finished(self, job_id: str) -> dict[str, Any]:
        """The job, once all is known of its model: it changes no more."""

        def both_are_settled() -> dict[str, Any] | None:
            # The job is read last: read first, it would be older than what the evaluation then says.
            explained = self.get(f"/v1/jobs/{job_id}/evaluation")["importance"]
            shown = self.job(job_id)
            return shown if explained and shown["onnx"] else None

        return eventually(both_are_settled)

    def settled(self) -> None:
        """Wait until all is known of every model that was trained here."""
        for event in self.events(type="ModelTrained"):
            if self.has_made(event["subject"]):
                self.finished(event["subject"])

    def has_made(self, job_id: str) -> bool:
        """Whether what a job left behind is there: a log may have come without its artifacts."""
        return self.ask("GET", f"/v1/jobs/{job_id}/evaluation").is_success

    def serve(self, deployment: str = "live", **more: Any) -> str:
        """Train a model on `TINY` and deploy it; the dataset's id."""
        dataset = self.upload()
        self.trained(dataset, model_name="tiny", **more)
        self.send("PUT", f"/v1/deployments/{deployment}", {"model": "tiny", "model_version": 1, "reason": "first"})
        return dataset

    def predict(self, rows: Any = ROWS, deployment: str = "live") -> httpx.Response:
        return self.ask("POST", f"/v1/deployments/{deployment}/predict", json={"rows": rows})

    def events(self, after: int = 0, **filters: Any) -> list[dict[str, Any]]:
        """Every event there is, in order."""
        found: list[dict[str, Any]] = []
        while page := self.get("/v1/events", after=after, limit=1000, **filters):
            found += page
            after = page[-1]["position"]
        return found

    @contextmanager
    def follow(self, after: int = 0) -> Iterator[Iterator[str]]:
        """The lines of the live feed."""
        headers = {"Accept": "text/event-stream"}
        url = f"{self.server.url}/v1/events"
        with self._client.stream("GET", url, params={"after": after}, headers=headers) as answer:
            assert answer.status_code == 200
            yield answer.iter_lines()

    def stream(self, stream: str) -> list[dict[str, Any]]:
        return self.events(stream=stream)

    def newest(self) -> int:
        """The position of the newest event."""
        return int(self.events()[-1]["position"])

    def listed(self, path: str, **filters: Any) -> list[dict[str, Any]]:
        """Every item of a list, page by page."""
        page = self.get(path, limit=1000, **filters)
        items: list[dict[str, Any]] = page["items"]
        while page["next_cursor"]:
            page = self.get(path, limit=1000, cursor=page["next_cursor"], **filters)
            items += page["items"]
        return items

    def everything(self) -> dict[str, Any]:
        """All lists and every single thing, as JSON."""
        found: dict[str, Any] = {noun: self.listed(f"/v1/{noun}") for noun in LISTS}
        for noun in LISTS:
            for item in found[noun]:
                path = f"/v1/{noun}/{item.get('id') if noun in ('datasets', 'pipelines', 'jobs') else item['name']}"
                found[path] = self.get(path)
        for model in found["models"]:
            path = f"/v1/models/{model['name']}/versions"
            found[path] = self.listed(path)
        return found


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """The types of events, without the prefix."""
    return [str(event["type"]).removeprefix("skyulf.") for event in events]


def cpu_seconds(processes: list[psutil.Process]) -> Iterator[float]:
    """What each process that lives has used."""
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        yield times.user + times.system


def log_of(data_dir: Path) -> list[Recorded]:
    """Every event in a data directory."""
    with reading(Settings(data_dir=data_dir)) as (log, _):
        return list(log.read(0, 1_000_000).events)


def stored_rows(data_dir: Path) -> dict[str, dict[str, Row]]:
    """The live rows of every projection, as they lie in a data directory that no server is on."""
    with closing(SqlReadStore(f"sqlite:///{data_dir / 'rows.db'}")) as store:
        return all_rows(store)


def rebuilt_rows(data_dir: Path) -> dict[str, dict[str, Row]]:
    """The rows of every projection, folded anew from the log of a data directory."""
    with reading(Settings(data_dir=data_dir)) as (log, _):
        store = MemoryReadStore()
        projector = Projector(log, store, PROJECTIONS)
        projector.prepare()
        projector.catch_up()
        return all_rows(store)


def all_rows(store: ReadStore) -> dict[str, dict[str, Row]]:
    found = {}
    for projection in PROJECTIONS:
        assert not store.parked(projection)
        found[projection.name] = rows_of(store, projection)
    return found


def invented_history(jobs: int, first: int = 1) -> Iterator[Recorded]:
    """The events of as many jobs on one dataset, five each, as if all of that had happened."""
    dataset = "dataset-01900000-0000-7000-8000-000000000000"
    history = [(dataset, [dataset_created(), version_added()])]
    for number in range(first, first + jobs):
        progressed = [JobProgressed(attempt=1, stage=stage, fraction=0.5) for stage in ("load", "fit")]
        created = job_created(dataset_id=dataset)
        happened = [created, JobStarted(worker="worker-1", attempt=1), *progressed, model_trained()]
        history.append((f"job-01900000-0000-7000-8000-{number:012d}", happened))
    position = 0
    for stream, events in history:
        yield from records(stream, events, after=position)
        position += len(events)
