"""The one way in which commands reach the system: HTTP, to the server that owns the data directory or in process."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from skyulf.cli.owner import Owner, owner_of
from skyulf.cli.screen import Occupied, Refused, Screen
from skyulf.errors import SkyulfError, Unavailable
from skyulf.settings import Settings

if TYPE_CHECKING:
    from skyulf.runtime import Runtime

PATIENCE = 15.0
"""Seconds during which a request that is answered 503 is sent again."""

ANNOUNCED_WITHIN = 5.0
"""Seconds that a server which has just taken the data directory is given to say where it answers."""

TIMEOUT = httpx.Timeout(120, connect=5)

NO_TIMEOUT = httpx.Timeout(None, connect=5)
"""For uploads: how long one takes is up to its size."""


class NoAnswer(SkyulfError):
    """The server that owns the data directory could not be reached."""


class Client:
    """Asks the system over HTTP; problems are raised as `Refused`."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def get(self, path: str, **params: str | int) -> dict[str, Any]:
        """Read something."""
        return self._ask(lambda: self._http.get(path, params=params))

    def download(
        self, path: str, target: Path, accept: str = "*/*", patience: float = PATIENCE, **params: str | int
    ) -> None:
        """Write what stands there into a file, which is there whole or not at all.

        ``patience`` is for how many seconds it is asked for again while it is not ready.
        """
        part = target.with_name(f"{target.name}.part")
        headers = {"Accept": accept}

        def fetch() -> httpx.Response:
            with self._http.stream("GET", path, params=params, headers=headers, timeout=NO_TIMEOUT) as response:
                if response.is_success:
                    with part.open("wb") as file:
                        file.writelines(response.iter_bytes())
                else:
                    response.read()
            return response

        try:
            response = self._patiently(fetch, patience)
            if not response.is_success:
                _content(response)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def find(self, path: str) -> dict[str, Any] | None:
        """Read something that may not be there."""
        try:
            return self.get(path)
        except Refused as refusal:
            if refusal.problem.get("status") == httpx.codes.NOT_FOUND:
                return None
            raise

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a command, under a key that lets it be repeated without being done twice."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return self._ask(lambda: self._http.request(method, path, json=body, headers=headers))

    def upload(self, path: str, file: Path, **fields: str) -> dict[str, Any]:
        """Send a file, under a key like `send`'s."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}

        def post() -> httpx.Response:
            with file.open("rb") as content:
                files = {"file": (file.name, content)}
                return self._http.post(path, data=fields, files=files, headers=headers, timeout=NO_TIMEOUT)

        return self._ask(post)

    def predict(self, name: str, body: bytes, intervals: bool = False) -> dict[str, Any]:
        """Ask a deployment; ``body`` is the JSON of the rows."""
        headers = {"Content-Type": "application/json"}
        path = f"/v1/deployments/{name}/predict" + ("?intervals=true" if intervals else "")
        return self._ask(lambda: self._http.post(path, content=body, headers=headers))

    def _ask(self, request: Callable[[], httpx.Response]) -> dict[str, Any]:
        return _content(self._patiently(request))

    def _patiently(self, request: Callable[[], httpx.Response], patience: float = PATIENCE) -> httpx.Response:
        until = time.monotonic() + patience
        while True:
            try:
                response = request()
            except httpx.HTTPError as error:
                raise NoAnswer(
                    f"{self._http.base_url} does not answer ({type(error).__name__}); the server may be stopping"
                ) from error
            busy = response.status_code == httpx.codes.SERVICE_UNAVAILABLE and "Retry-After" in response.headers
            if not busy or time.monotonic() > until:
                return response
            time.sleep(min(float(response.headers["Retry-After"]), 1.0))


def _content(response: httpx.Response) -> dict[str, Any]:
    """What a response says; raises `Refused` for a problem."""
    try:
        content = response.json()
    except ValueError:
        content = {"title": response.reason_phrase, "status": response.status_code, "detail": "not an answer of Skyulf"}
    if not response.is_success:
        raise Refused(content if isinstance(content, dict) else {"title": response.reason_phrase})
    assert isinstance(content, dict)
    return content


@contextmanager
def connected(screen: Screen, settings: Settings, begin: Callable[["Runtime"], None]) -> Iterator[Client]:
    """A client of the server that owns the data directory, or of a system in this process.

    ``begin`` starts those roles of the latter that are needed. Raises `Occupied` when another process has the
    directory and serves nothing.
    """
    owner = _announced(screen, settings)
    if owner is None:
        with _in_process(settings, begin) as client:
            yield client
        return
    assert owner.url is not None
    key = settings.api_key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=owner.url, timeout=TIMEOUT, trust_env=False, headers=headers) as http:
        yield Client(http)


def _announced(screen: Screen, settings: Settings) -> Owner | None:
    """The owner once it has said where it answers, or None when there is none."""
    owner = owner_of(settings)
    if owner is None or owner.url is not None:
        return owner
    until = time.monotonic() + ANNOUNCED_WITHIN
    with screen.busy("waiting for the process that has the data directory"):
        while owner is not None and owner.url is None and time.monotonic() < until:
            time.sleep(0.1)
            owner = owner_of(settings)
    if owner is not None and owner.url is None:
        raise Occupied(
            f"{settings.data_dir} is in use by process {owner.pid}, which is not a server; "
            "wait until it ends, or name another --data-dir"
        )
    return owner


@contextmanager
def _in_process(settings: Settings, begin: Callable[["Runtime"], None]) -> Iterator[Client]:
    from api.app import create_app
    from skyulf.cli.in_process import InProcessTransport
    from skyulf.runtime import Runtime

    try:
        runtime = Runtime(settings)
    except Unavailable as error:
        raise Occupied(error.detail) from error
    try:
        begin(runtime)
        transport = InProcessTransport(create_app(runtime, guarded=False), runtime.predictions.close)
        with httpx.Client(transport=transport, base_url="http://localhost", timeout=TIMEOUT) as http:
            yield Client(http)
    finally:
        runtime.close()
