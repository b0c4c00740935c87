"""The process that children are forked from: it imports the libraries, then forks on request and reaps.

It stays single-threaded and never computes: a child forked after one fit or one BLAS product would hang in its
own. Its owner asks on a control socket by sending three descriptors: the child's end of the task socket, the
read end of the owner's lifeline, and the write end of a pipe that tells the child's pid and, later, its end.
"""

import contextlib
import ctypes
import fcntl
import gc
import importlib
import io
import os
import pkgutil
import resource
import select
import selectors
import shutil
import signal
import socket
import struct
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

from skyulf.reactions.sandbox.inside import attend
from skyulf.reactions.sandbox.lean import import_without_docstrings

REPORT = struct.Struct("!q")

UNUSED = ("charset_normalizer", "psutil", "pytest", "rich")
"""What libraries import only if it is there, and children have no use for: 10 MB, and half a second of warming."""

NICENESS = 5
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Run the fork server: arguments: control socket, lifeline, scratch directory, modules to import."""
    control = socket.socket(fileno=int(sys.argv[1]))
    lifeline = int(sys.argv[2])
    os.dup2(2, 1)  # what a task prints must not mix with the answers that the owner prints
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a killed child flushes nothing
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    bound = die_with(lifeline, os.getpid())
    _import_ahead(sys.argv[4:])
    if bound:
        fcntl.fcntl(lifeline, fcntl.F_SETFL, 0)  # from here on the owner's end is seen on the control socket
    os.close(lifeline)
    ForkServer(control, Path(sys.argv[3])).run()


def _import_ahead(modules: list[str]) -> None:
    import_without_docstrings()
    with _hidden(UNUSED):
        for module in modules:
            try:
                _import(module)
            except ModuleNotFoundError:
                continue  # an extra that is not installed
            except Exception:  # noqa: BLE001 -- the task that needs it will fail and say so
                traceback.print_exc()
    gc.collect()
    gc.freeze()  # collections in a child must not touch, and so copy, the shared pages


@contextlib.contextmanager
def _hidden(names: Iterable[str]) -> Iterator[None]:
    """Have modules look as if they were not installed; who asks for one afterwards gets it."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # which means that it cannot be imported
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _import(name: str) -> None:
    package = importlib.import_module(name.removesuffix(".*"))
    if name.endswith(".*"):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


class ForkServer:
    """Forks a child per request, kills what a dead child left running, and reports its end."""

    def __init__(self, control: socket.socket, scratch: Path) -> None:
        self._control = control
        self._scratch = scratch
        scratch.mkdir(mode=0o700)
        self._children: dict[int, tuple[int, int]] = {}
        self._pid = os.getpid()
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)

    def run(self) -> None:
        """Serve until the owner's end of the control socket closes; then end every child."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            try:
                while self._serve_once(selector):
                    pass
            finally:
                self._end_all()

    def _serve_once(self, selector: selectors.BaseSelector) -> bool:
        ready = [key.fileobj for key, _ in selector.select()]
        if self._woken in ready:
            self._woken.recv(4096)
            self._reap()
        if self._control not in ready:
            return True
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, 1, 3)
        except ConnectionResetError:
            return False
        if data:
            self._fork(*descriptors)
        return bool(data)

    def _fork(self, task: int, lifeline: int, report: int) -> None:
        server_lifeline, held = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            traceback.print_exc()
            for descriptor in (task, lifeline, report, server_lifeline, held):
                os.close(descriptor)
            return
        if pid == 0:
            code = 1
            try:
                self._become_child(task, [lifeline, server_lifeline])
                code = 0
            except BaseException:  # noqa: BLE001 -- nothing may return into the server's loop
                traceback.print_exc()
            finally:
                os._exit(code)
        self._children[pid] = (report, held)
        _report(report, pid)
        for descriptor in (task, lifeline, server_lifeline):
            os.close(descriptor)

    def _become_child(self, task: int, lifelines: list[int]) -> None:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # Copies of the siblings' lifelines, above all: one kept open here would keep the siblings alive.
        _close_all_but([0, 1, 2, task, *lifelines])
        for lifeline in lifelines:
            if not die_with(lifeline, -os.getpid()):
                threading.Thread(target=_watch, args=(lifeline,), daemon=True).start()
        _die_with_parent(self._pid)
        _be_nice()
        _own_randomness()
        scratch = self._scratch / str(os.getpid())
        scratch.mkdir(mode=0o700)
        os.environ["TMPDIR"] = os.environ["JOBLIB_TEMP_FOLDER"] = tempfile.tempdir = str(scratch)
        with socket.socket(fileno=task) as connection, contextlib.suppress(BrokenPipeError):
            attend(connection)

    def _reap(self) -> None:
        while self._children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._settle(pid, status)

    def _settle(self, pid: int, status: int) -> None:
        _kill_group(pid)  # what the child started; while anything is left in the group, its number is not reused
        report, held = self._children.pop(pid)
        _report(report, os.waitstatus_to_exitcode(status))
        os.close(report)
        os.close(held)
        shutil.rmtree(self._scratch / str(pid), ignore_errors=True)

    def _end_all(self) -> None:
        for pid in list(self._children):
            _kill_group(pid)
            self._settle(*os.waitpid(pid, 0))
        shutil.rmtree(self._scratch, ignore_errors=True)


def die_with(lifeline: int, owner: int) -> bool:
    """Have the kernel SIGKILL process ``owner`` (group ``-owner``) when the other end of a pipe closes.

    Needs no thread and no cooperation of a task that holds the interpreter's lock. False where the system
    has no such signal (it is Linux's F_SETSIG); ends this process when the other end is closed already.
    """
    try:
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, owner)
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)
    except (AttributeError, OSError):
        return False
    os.set_inheritable(lifeline, False)
    poller = select.poll()
    poller.register(lifeline, select.POLLIN)
    if poller.poll(0):
        os._exit(1)
    return True


def _watch(lifeline: int) -> None:
    os.read(lifeline, 1)  # nothing is ever written: it returns when the other end closes
    os.killpg(0, signal.SIGKILL)


def _die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _be_nice() -> None:
    os.nice(NICENESS)
    # A session of its own is, with autogrouping, scheduled as one: there niceness counts for the whole group.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICENESS), "ascii")


def _own_randomness() -> None:
    """Children forked from one image would draw the same numbers; ``random`` reseeds itself, numpy does not."""
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


def _close_all_but(kept: list[int]) -> None:
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 -- names only, no paths
        if int(name) not in kept:
            with contextlib.suppress(OSError):  # the listing's own descriptor is closed by now
                os.close(int(name))


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _report(descriptor: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, REPORT.pack(number))
