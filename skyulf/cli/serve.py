"""``skyulf serve``: a listener of our own, a system behind it, and an end that leaves nothing behind."""

import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import NoReturn

import uvicorn
from rich.text import Text

from api.app import create_app
from api.security import LOOPBACK, is_loopback
from skyulf.cli.owner import owner_of
from skyulf.cli.screen import Occupied, Screen
from skyulf.errors import Misconfigured, NotFound, Unavailable
from skyulf.runtime import Runtime, reading
from skyulf.settings import Settings

DRAIN = 5
"""Seconds that requests are given to end once the server is asked to stop."""

BACKLOG = 2048

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """Tells when it answers and when it no longer does; stopping it by a signal is an ordinary end."""

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
        """Take signals as requests to stop; unlike the base class, do not die of them afterwards."""
        for number in SIGNALS:
            signal.signal(number, self.handle_exit)
        try:
            yield
        finally:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)  # what follows is short, and must not be cut off


def run(screen: Screen, settings: Settings) -> None:
    """Serve until a signal."""
    _refuse_strangers(settings)
    _refuse_second(settings)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for number in SIGNALS:
        signal.signal(number, _stopped_early)
    with closing(listen(settings.host, settings.port)) as listener:
        url = url_of(listener)
        runtime = _own(settings)
        try:
            runtime.start()
            config = uvicorn.Config(
                create_app(runtime),
                log_config=None,
                log_level="warning",
                access_log=False,
                lifespan="on",
                ws="none",
                loop="uvloop",
                http="httptools",
                backlog=BACKLOG,
                timeout_graceful_shutdown=DRAIN,
            )

            def opened() -> None:
                runtime.directory.announce(url)
                _tell(screen, settings, url)

            server = Server(config, opened, lambda: runtime.directory.announce(None))
            server.run(sockets=[listener])
        finally:
            runtime.close()
    if not server.started:
        raise Unavailable("the server could not start; its warnings say why")
    screen.note("stopped")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections send what they have at once (TCP_NODELAY is inherited from it)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
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
    owner = owner_of(settings)
    if owner is not None and owner.url is not None:
        raise Occupied(
            f"SKYULF_DATA_DIR: {settings.data_dir} is served at {owner.url} by process {owner.pid} already; "
            "use that server, or name another --data-dir"
        )


def _own(settings: Settings) -> Runtime:
    try:
        return Runtime(settings)
    except Unavailable as error:
        raise Occupied(f"SKYULF_DATA_DIR: {error.detail}") from error


def _stopped_early(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


def _tell(screen: Screen, settings: Settings, url: str) -> None:
    place = settings.data_dir.absolute()
    if screen.as_json:
        screen.document({"url": url, "data_dir": str(place), "pid": os.getpid()})
        return
    option = "" if settings.data_dir == Settings.model_fields["data_dir"].default else f" --data-dir {place}"
    screen.out.print(Text.assemble(("Skyulf is ready at ", "bold"), (url, "bold green")))
    for label, text in (
        ("data", str(place)),
        ("try", f"skyulf train FILE.csv --target COLUMN{option}"),
        ("watch", f"skyulf events tail{option}"),
        ("stop", f"Ctrl-C, or kill {os.getpid()}"),
    ):
        screen.out.print(Text.assemble((f"  {label:<6}", "dim"), text), soft_wrap=True)
