"""Servers in processes of their own on free loopback ports, a client that costs little, and what processes use."""

import contextlib
import http.client
import json
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from bench.measure import process

READY_WITHIN = 60.0
FINISHED_WITHIN = 300.0
LOOK = 0.004
"""Seconds between two looks at a server that is starting."""

REST, RESTED = 0.03, 4
"""A server is at rest once its processes have used no CPU in so many looks, so many seconds apart."""

REST_WITHIN = 1.8

KIB = 1024


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Server:
    """A running server process and what can be asked of it."""

    def __init__(self, pid: int, port: int, ready_after: float) -> None:
        self.pid = pid
        self.port = port
        self.ready_after = ready_after

    def children(self) -> list[psutil.Process]:
        """Every process below the server."""
        return psutil.Process(self.pid).children(recursive=True)

    def memory(self) -> float:
        """The proportional set size of the server and all below it, in MB."""
        return sum(proportional_bytes(pid) for pid in (self.pid, *(child.pid for child in self.children()))) / 1e6

    def call(self, method: str, path: str, document: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """Send JSON and answer what comes back; raises on a status of 400 or more."""
        body = None if document is None else json.dumps(document).encode()
        return self.send(method, path, body, {"Content-Type": "application/json", **(headers or {})})

    def send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Any:
        """Send bytes and answer the JSON that comes back; raises on a status of 400 or more."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            text = response.read()
            if response.status >= 400:
                raise RuntimeError(f"{method} {path}: {response.status} {text[:500].decode()}")
            return json.loads(text)

    def text(self, path: str) -> str:
        """What is answered to a GET, as text; raises on a status of 400 or more."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            text = response.read().decode()
            if response.status >= 400:
                raise RuntimeError(f"GET {path}: {response.status} {text[:500]}")
            return text

    def upload(self, path: Path) -> dict[str, Any]:
        """Send a file as a new dataset."""
        boundary = "skyulf-bench-boundary"
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
            "Content-Type: text/csv\r\n\r\n"
        )
        body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        answer: dict[str, Any] = self.send("POST", "/v1/datasets", body, headers)
        return answer

    def train(self, dataset: str, spec: Mapping[str, Any], **members: Any) -> tuple[float, str]:
        """Send a job and wait until it is shown as succeeded; the seconds from the first to the last, and its id.

        The wait listens to the feed of the job's own events and asks for the job once, after the last of them.
        """
        begun = time.perf_counter()
        asked = self.call("POST", "/v1/jobs", {"dataset_id": dataset, "spec": spec, **members})
        position = self.ended(asked["id"])
        job = self.call("GET", f"/v1/jobs/{asked['id']}?min_position={position}")
        spent = time.perf_counter() - begun
        if job["status"] != "succeeded":
            raise RuntimeError(f"the job {job['status']}: {job['error']}")
        return spent, asked["id"]

    def finished(self, job_id: str) -> None:
        """Wait until all that follows a training is done; it would be measured with what comes next."""
        path = f"/v1/events?after=0&stream={job_id}&type=ModelPackaged&type=ModelExplained"
        wait_for(lambda: len(self.call("GET", path)) == 2, FINISHED_WITHIN)

    def ended(self, job_id: str) -> int:
        """Follow the job's events until one says how it ended; that one's position."""
        types = "&".join(f"type={name}" for name in ("ModelTrained", "JobFailed", "JobCancelled"))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        with contextlib.closing(connection):
            connection.request(
                "GET", f"/v1/events?after=0&stream={job_id}&{types}", headers={"Accept": "text/event-stream"}
            )
            response = connection.getresponse()
            while line := response.readline():
                if line.startswith(b"id:"):
                    return int(line.removeprefix(b"id:"))
        raise RuntimeError("the feed ended before the job did")

    def sandbox_warm(self) -> bool:
        """Whether the fork server has a child that waits for a job."""
        return any(child.children() for child in self.children())

    def rested(self) -> None:
        """Wait until no process below the server computes: the next child is forked, and has rehearsed.

        For `REST_WITHIN` seconds at most: beside much other work it would begin to finish models meanwhile.
        """
        before: Mapping[int, float] = {}
        looks = 0
        until = time.monotonic() + REST_WITHIN
        while looks < RESTED and time.monotonic() < until:
            time.sleep(REST)
            now = self._spent()
            looks = looks + 1 if now == before else 0
            before = now

    def _spent(self) -> Mapping[int, float]:
        """Seconds of CPU of each process below the server; less than none of one that is waiting for a core."""
        spent: dict[int, float] = {}
        for child in self.children():
            with contextlib.suppress(psutil.Error):
                times = child.cpu_times()
                spent[child.pid] = -time.monotonic() if child.status() == "running" else times.user + times.system
        return spent


def proportional_bytes(pid: int) -> int:
    """A process's memory, with its share of what it has in common with others; 0 when it is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * KIB
    return 0


@contextlib.contextmanager
def serving(
    command: list[str],
    path: str,
    log: Path,
    port: int,
    environment: Mapping[str, str],
    within: float = READY_WITHIN,
) -> Iterator[Server]:
    """A server that is started, waited for until ``path`` answers 200, and stopped at the end."""
    begun = time.perf_counter()
    with (
        log.open("wb") as output,
        process(command, stdout=output, stderr=output, env={**os.environ, **environment}) as child,
    ):
        while not answers(port, path):
            if child.poll() is not None:
                raise RuntimeError(f"the server ended by itself: {log.read_text()[-2000:]}")
            if time.perf_counter() - begun > within:
                raise RuntimeError(f"the server was not ready within {within:g} s: {log.read_text()[-2000:]}")
            time.sleep(LOOK)
        yield Server(child.pid, port, time.perf_counter() - begun)


def answers(port: int, path: str) -> bool:
    """Whether a GET is answered with 200 now."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status == 200
    except OSError:
        return False


@contextlib.contextmanager
def skyulf(data_dir: Path, **settings: object) -> Iterator[Server]:
    """``skyulf serve`` on a data directory; ``settings`` as ``SKYULF_<NAME>``."""
    port = free_port()
    data_dir.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "skyulf", "serve", "--data-dir", str(data_dir), "--port", str(port)]
    environment = {f"SKYULF_{name.upper()}": str(value) for name, value in settings.items()}
    with serving(command, "/health/ready", data_dir / "server.log", port, environment) as server:
        yield server


@contextlib.contextmanager
def constant(folder: Path) -> Iterator[Server]:
    """The constant routes of ``bench/constant.py``."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "bench.constant", str(port)]
    with serving(command, "/live", folder / "constant.log", port, {}) as server:
        yield server


def wait_for(condition: Callable[[], bool], seconds: float = READY_WITHIN) -> None:
    """Return once ``condition`` holds; raises when it takes too long."""
    until = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > until:
            raise RuntimeError("what was waited for did not come")
        time.sleep(LOOK)


# A client of prepared requests: what it costs is small beside what it measures


def request_of(
    port: int, method: str, path: str, body: bytes = b"", sent: str = "application/json", wanted: str = "*/*"
) -> bytes:
    """The bytes of a request on a connection that is kept; ``sent`` and ``wanted`` are media types."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {sent}\r\nAccept: {wanted}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Kept:
    """A connection that is kept, and one prepared request at a time on it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer = bytearray()

    def ask(self, request: bytes) -> bytes:
        """Send and wait; the body that came back."""
        self.socket.sendall(request)
        while (body := self.receive()) is None:
            pass
        return body

    def receive(self) -> bytes | None:
        """Take what has come; the body once it is whole. Raises on any status but 2xx."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise RuntimeError("the server closed the connection")
        self._answer += data
        end = self._answer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self._answer[:end]).lower()
        if not head.startswith(b"http/1.1 2"):
            raise RuntimeError(f"not answered: {bytes(self._answer[:500]).decode(errors='replace')}")
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        if len(self._answer) < end + 4 + length:
            return None
        body = bytes(self._answer[end + 4 :])
        self._answer.clear()
        return body

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


def latencies(port: int, request: bytes, count: int) -> list[float]:
    """Milliseconds of each of ``count`` requests of one client, after a few that are not counted."""
    with contextlib.closing(Kept(port)) as kept:
        for _ in range(5):
            kept.ask(request)
        taken = []
        for _ in range(count):
            begun = time.perf_counter()
            kept.ask(request)
            taken.append((time.perf_counter() - begun) * 1e3)
    return taken


def concurrent_latencies(port: int, request: bytes, clients: int, count: int) -> list[float]:
    """Milliseconds of each of ``count`` requests of clients that each send the next when the last is answered."""
    with selectors.DefaultSelector() as selector:
        every = [Kept(port) for _ in range(clients)]
        sent: dict[int, float] = {}
        for kept in every:
            kept.ask(request)
            selector.register(kept.socket, selectors.EVENT_READ, kept)
        for kept in every:
            sent[kept.socket.fileno()] = time.perf_counter()
            kept.socket.sendall(request)
        taken: list[float] = []
        while sent:
            for key, _ in selector.select():
                if key.data.receive() is None:
                    continue
                taken.append((time.perf_counter() - sent.pop(key.fd)) * 1e3)
                if len(taken) + len(sent) < count:
                    sent[key.fd] = time.perf_counter()
                    key.data.socket.sendall(request)
        for kept in every:
            kept.close()
    return taken


def rate(port: int, request: bytes, clients: int, count: int) -> float:
    """Requests per second of clients that each send the next request when the last is answered."""
    with selectors.DefaultSelector() as selector:
        every = [Kept(port) for _ in range(clients)]
        for kept in every:
            kept.ask(request)
            selector.register(kept.socket, selectors.EVENT_READ, kept)
        begun = time.perf_counter()
        for kept in every:
            kept.socket.sendall(request)
        answered = 0
        while answered < count:
            for key, _ in selector.select():
                if key.data.receive() is not None:
                    answered += 1
                    key.data.socket.sendall(request)
        spent = time.perf_counter() - begun
        for kept in every:
            kept.close()
    return answered / spent
