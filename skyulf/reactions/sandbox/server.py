"""The owner's side of the fork server: starting it, asking it for children, ending it."""

import contextlib
import os
import re
import secrets
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

from skyulf.errors import Unavailable
from skyulf.reactions.sandbox.child import Child
from skyulf.reactions.sandbox.fork_server import REPORT

PRELOAD = (
    "msgspec",
    "narwhals._pandas_like.dataframe",
    "narwhals._pandas_like.namespace",
    "numpy",
    "orjson",
    "pandas",
    "pyarrow",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "skyulf.reactions.sandbox.lean_skops",
    "threadpoolctl",
    "skyulf.core.*",
    "skyulf.core.models.*",
    "skyulf.core.nodes.*",
    "skyulf.ingest.csv",
    "skyulf.ingest.parquet",
    "skyulf.ingest.writing",
    "skyulf.reactions.trainer",
    "skyulf.serving.*",
)
"""What children find imported, ``.*`` being every module of a package; what is not there is passed over."""

_SECRET_NAME = re.compile(r"^(SKYULF_|AWS_)|PASSWORD|PASSWD|SECRET|TOKEN|KEY|CREDENTIAL", re.IGNORECASE)
_ADDRESS_WITH_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]*@")
_BOOT = "from skyulf.reactions.sandbox.fork_server import main; main()"
_WARM_WITHIN = 60.0


class SandboxServer:
    """Owns the fork server and every child; ``close`` (or leaving ``with``) ends all of them.

    Its methods may be called from any thread. ``fork`` blocks, for 20 ms once warm: from asyncio call it through
    ``asyncio.to_thread``.
    """

    def __init__(self, preload: Sequence[str] = PRELOAD) -> None:
        self._preload = tuple(preload)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._lifeline = -1
        self._scratch: str | None = None
        self._children: weakref.WeakSet[Child] = weakref.WeakSet()
        self._closed = False
        self.warm = False
        """Whether the fork server has imported what it should: it has given a child since it was started."""

    def __enter__(self) -> "SandboxServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the fork server, or None when it does not run."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start the fork server and return at once; it imports its libraries in the background."""
        with self._lock:
            self._ensure_running()

    def fork(self, seconds: float = _WARM_WITHIN) -> Child:
        """Start a child that waits, warm, for its task; starts the fork server where it is not running.

        Raises Unavailable when no child came within ``seconds`` or the sandbox was closed.
        """
        ours, theirs = socket.socketpair()
        lifeline, held = os.pipe()
        reports, report = os.pipe()
        try:
            try:
                self._ask([theirs.fileno(), lifeline, report])
            finally:
                theirs.close()
                os.close(lifeline)
                os.close(report)
            pid = _read_pid(reports, seconds)
            self.warm = True
        except BaseException:
            ours.close()
            os.close(held)
            os.close(reports)
            raise
        child = Child(pid, ours, held, reports)
        with self._lock:
            self._children.add(child)
            closed = self._closed
        if closed:
            child.kill()
            raise Unavailable("the sandbox is closed")
        return child

    def close(self) -> None:
        """End every child and the fork server, and wait for it; idempotent."""
        with self._lock:
            self._closed = True
            for child in list(self._children):
                child.mark_killed()
            self._end_process()
        for child in list(self._children):
            child.close()

    def _ask(self, descriptors: list[int]) -> None:
        with self._lock:
            for last in (False, True):
                control = self._ensure_running()
                try:
                    socket.send_fds(control, [b"F"], descriptors)
                except OSError:  # it died since we looked: a new one is started, once
                    if last:
                        raise Unavailable("the sandbox's fork server does not stay up") from None
                    self._end_process()
                else:
                    return

    def _ensure_running(self) -> socket.socket:
        if self._closed:
            raise Unavailable("the sandbox is closed")
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        self._end_process()
        self.warm = False
        self._scratch = str(Path(tempfile.gettempdir()) / f"skyulf-sandbox-{secrets.token_hex(8)}")
        ours, theirs = socket.socketpair()
        lifeline, held = os.pipe()
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter and module
                    [
                        *(sys.executable, "-P", "-c", _BOOT),
                        *(str(theirs.fileno()), str(lifeline), self._scratch),
                        *self._preload,
                    ],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), lifeline),
                    env=environment_without_secrets(os.environ),
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                os.close(held)
                raise
            finally:
                os.close(lifeline)
        self._control, self._lifeline = ours, held
        return ours

    def _end_process(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._lifeline >= 0:
            os.close(self._lifeline)  # kills it where it is still importing
            self._lifeline = -1
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._scratch is not None:  # what a killed fork server could not remove
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None


def environment_without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Copy ``environment`` without settings of ours, and what looks like a secret; modules are found as here."""
    kept = {
        name: value
        for name, value in environment.items()
        if not _SECRET_NAME.search(name) and not _ADDRESS_WITH_PASSWORD.search(value)
    }
    # Threads that wait must not spin for long: beside other work they would take the time of those they wait for. Not
    # at all is too short on idle cores (docs/performance.md, Threads of boosted trees); GNU's OpenMP counts rounds.
    kept.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    kept.setdefault("GOMP_SPINCOUNT", "3000")
    kept["PYTHONPATH"] = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    return kept


def _read_pid(reports: int, seconds: float) -> int:
    poller = select.poll()
    poller.register(reports, select.POLLIN)
    if not poller.poll(seconds * 1000):
        raise Unavailable(f"the sandbox gave no child within {seconds:g} s")
    data = os.read(reports, REPORT.size)
    if not data:
        raise Unavailable("the sandbox could not start a child process")
    pid: int = REPORT.unpack(data)[0]
    return pid
