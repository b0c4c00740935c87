"""``skyulf serve``: a listener of our own, a role behind it, and an end that leaves nothing behind."""

import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

import typer
import uvicorn

from api.security import LOOPBACK, is_loopback
from skyulf import logs
from skyulf.cli.owner import owner_of
from skyulf.cli.screen import Occupied, Screen
from skyulf.errors import Misconfigured, NotFound, Unavailable
from skyulf.runtime import ROLES, Role, Runtime, in_postgres, places, reading
from skyulf.settings import Settings

DRAIN = 5
"""Seconds that requests are given to end once the server is asked to stop."""

BACKLOG = 2048

SIGNALS = (signal.SIGINT, signal.SIGTERM)

ECHO = 0.5
"""Seconds for which further signals are the same request: a terminal and a program around us may both pass it on."""

KILLED = 128
"""Added to a signal's number, the exit code of who ends by it."""


class Server(uvicorn.Server):
    """Tells when it answers and when it no longer does; how it is stopped is for `Signals` to say."""

    def __init__(self, config: uvicorn.Config, opened: Callable[[], None], closing: Callable[[], None]) -> None:
        super().__init__(config)
        self._opened = opened
        self._closing = closing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self.started:
            self._opened()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more requests, and wait for those that are being answered."""
        self._closing()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals as they are."""
        yield


class Signals:
    """The first signal asks for an end in order; the second ends the process at once, whatever it is at.

    While jobs are given time to end, the second takes that time from them, and a third ends the process.

    What was acknowledged is in the log, and child processes end with their owner: nothing is lost by it but time.
    """

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._hurried: bool | None = None
        self._server: uvicorn.Server | None = None

    def take(self) -> None:
        """Begin to take signals."""
        for number in SIGNALS:
            signal.signal(number, self._signalled)

    def stop(self, server: uvicorn.Server) -> None:
        """Have the server stopped by a signal; before, there is nothing yet that would have to be awaited."""
        self._server = server

    def give_time(self) -> None:
        """Let the next signal take the time that jobs are given."""
        self._hurried = False

    def hurried(self) -> bool:
        """Whether one came since."""
        return self._hurried is True

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        before, self._asked_at = self._asked_at, time.monotonic()
        if before is not None:
            if self._asked_at - before < ECHO:
                return
            if self._hurried is False:
                self._hurried = True
                return
            os._exit(KILLED + number)
        if self._server is None:
            sys.exit(0)
        self._server.should_exit = True


def run(screen: Screen, settings: Settings) -> None:
    """Serve until a signal."""
    role = ROLES[settings.role]
    _refuse_strangers(settings)
    _refuse_second(settings)
    logs.configure(settings.log_format, settings.log_level, role.name)
    signals = Signals()
    signals.take()
    with closing(listen(settings.host, settings.port, shared=role.name == "api")) as listener:
        url = url_of(listener)
        runtime = _made(settings, role)
        try:
            with _database_at_start(settings):
                runtime.start()
            config = uvicorn.Config(
                _app(runtime),
                log_config=None,
                proxy_headers=False,  # who calls is known by key alone, and no address is built from what was asked
                access_log=False,
                lifespan="on",
                ws="none",
                loop="uvloop",
                http="httptools",
                backlog=BACKLOG,
                timeout_graceful_shutdown=DRAIN,
            )

            def opened() -> None:
                if role.answers:
                    runtime.directory.announce(url)
                _tell(screen, settings, url)

            seconds = role.drain_seconds if settings.drain_seconds is None else settings.drain_seconds

            def closed() -> None:
                if runtime.claim_no_more() and seconds:
                    signals.give_time()
                if role.answers:
                    runtime.directory.announce(None)

            server = Server(config, opened, closed)
            signals.stop(server)
            server.run(sockets=[listener])
            _drain(screen, runtime, seconds, signals.hurried)
        finally:
            runtime.close()
    if not server.started:
        raise Unavailable("the server could not start; its warnings say why")
    screen.note("stopped")


def _drain(screen: Screen, runtime: Runtime, seconds: float, hurried: Callable[[], bool]) -> None:
    """Let jobs that run here end, for as long as they may."""
    jobs = runtime.claim_no_more()
    if jobs and seconds:
        screen.note(f"waiting up to {seconds:g} s for {', '.join(jobs)} to end; another signal hands back what runs")
        runtime.drain(seconds, hurried)


def _app(runtime: Runtime) -> Any:
    """What answers: the API, whose modules are read only where it is served, or what every role answers."""
    if runtime.role.answers:
        from api.app import create_app

        return create_app(runtime)
    from api.probes import create_probes

    return create_probes(runtime)


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket whose connections send what they have at once (TCP_NODELAY is inherited from it).

    A ``shared`` port may be listened on by other processes of this user that share it too: the kernel deals
    connections out among them. It is only bound here, as who listens is dealt connections at once.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        if not shared:
            listener.listen(BACKLOG)
        listener.set_inheritable(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Misconfigured(
                f"SKYULF_PORT: port {port} of {host} is in use; name another with --port, or a free one with --port 0"
            ) from None
        raise Misconfigured(
            f"SKYULF_PORT: port {port} of {host} cannot be listened on ({error.strerror}); name another with --port"
        ) from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Where a listening socket answers."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _refuse_strangers(settings: Settings) -> None:
    if not is_loopback(settings.host) and not _keys_issued(settings):
        raise Misconfigured(
            f"SKYULF_HOST: {settings.host} can be reached from other machines, and without keys anyone there could do "
            "anything: issue one first (skyulf keys issue NAME --role admin), or use one of "
            f"{', '.join(sorted(LOOPBACK))}"
        )


def _keys_issued(settings: Settings) -> bool:
    try:
        with reading(settings) as (log, _):
            return bool(log.read(0, 1, ("KeyIssued",)).events)
    except NotFound:
        return False


def _refuse_second(settings: Settings) -> None:
    owner = None if in_postgres(settings) else owner_of(settings)
    if owner is not None and owner.url is not None:
        raise Occupied(
            f"SKYULF_DATA_DIR: {settings.data_dir} is served at {owner.url} by process {owner.pid} already; "
            "use that server, or name another --data-dir"
        )


def _made(settings: Settings, role: Role) -> Runtime:
    try:
        with _database_at_start(settings):
            return Runtime(settings, role)
    except Unavailable as error:
        raise Occupied(f"SKYULF_DATA_DIR: {error.detail}") from error


@contextmanager
def _database_at_start(settings: Settings) -> Iterator[None]:
    """Name the setting where the database does not answer: who starts is told, and who supervises starts it again."""
    try:
        yield
    except Unavailable as error:
        if not in_postgres(settings):
            raise
        raise Misconfigured(f"SKYULF_DATABASE_URL: {error.detail}") from error


def _tell(screen: Screen, settings: Settings, url: str) -> None:
    place = settings.data_dir.absolute()
    if screen.as_json:
        screen.document({"role": settings.role, "url": url, "data_dir": str(place), "pid": os.getpid()})
        return
    stop = ("stop", f"Ctrl-C, or kill {os.getpid()}")
    if settings.role == "all":
        option = "" if settings.data_dir == Settings.model_fields["data_dir"].default else f" --data-dir {place}"
        title = "Skyulf is ready at "
        lines = [
            ("data", str(place)),
            ("try", f"skyulf train FILE.csv --target COLUMN{option}"),
            ("watch", f"skyulf events tail{option}"),
            stop,
        ]
    else:
        title = f"Skyulf's {settings.role} is at work at "
        lines = [*_places(settings), ("health", f"{url}/health/ready"), stop]
    color = False if os.environ.get("NO_COLOR") else None
    typer.echo(typer.style(title, bold=True) + typer.style(url, fg="green", bold=True), color=color)
    width = max(len(label) for label, _ in lines) + 1
    for label, text in lines:
        typer.echo(typer.style(f"  {label:<{width}}", dim=True) + text, color=color)


def _places(settings: Settings) -> Iterator[tuple[str, str]]:
    """Where the role finds what it shares with others."""
    found = places(settings)
    yield "log", found["log"]
    if settings.role == "relay" or (settings.role == "worker" and settings.kafka_bootstrap):
        yield "kafka", settings.kafka_bootstrap
    if ROLES[settings.role].files:
        yield "artifacts", found["artifacts"]
