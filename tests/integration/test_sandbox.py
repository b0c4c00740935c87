import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import sandbox_tasks as tasks

from skyulf.errors import Fault, Invalid, Unavailable, WrongVersion
from skyulf.reactions.sandbox import (
    AsyncChild,
    Child,
    ChildCancelled,
    ChildDied,
    ChildFailed,
    ChildTimedOut,
    Limits,
    SandboxServer,
    fork_server,
)
from skyulf.reactions.sandbox.server import environment_without_secrets

MIB = 1 << 20
WAIT = Limits(seconds=30)


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer() as running:
        yield running


@pytest.fixture
def child(server: SandboxServer) -> Iterator[Child]:
    with server.fork() as forked:
        yield forked


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def gone_within(seconds: float, *pids: int) -> bool:
    deadline = time.monotonic() + seconds
    while not all(map(gone, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def in_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 -- the test looks at it
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


# --- results and failures


def test_answers_what_the_task_returns(child: Child) -> None:
    assert child.run(tasks.add, 1, 2, limits=WAIT) == 3


def test_runs_in_another_process_which_is_gone_afterwards(child: Child) -> None:
    assert child.run(tasks.pid, limits=WAIT) == child.pid != os.getpid()
    assert gone_within(1, child.pid)


def test_takes_and_gives_much(child: Child) -> None:
    value = {"rows": ["x" * 1000] * 20_000, "bytes": b"y" * (20 * MIB)}
    assert child.run(tasks.echo, value, limits=WAIT) == value


def test_reports_progress_in_order(child: Child) -> None:
    messages: list[Any] = []
    assert child.run(tasks.count_up, 2000, limits=WAIT, on_message=messages.append) == "done"
    assert messages == [{"number": number} for number in range(2000)]


def test_what_the_callback_raises_ends_the_child(child: Child) -> None:
    def stop(_: object) -> None:
        raise LookupError("lease lost")

    with pytest.raises(LookupError, match="lease lost"):
        child.run(tasks.sleep, 60, limits=WAIT, on_message=stop)
    assert gone_within(0.2, child.pid)


def test_domain_errors_come_back_as_themselves(server: SandboxServer) -> None:
    with pytest.raises(ChildFailed) as failed:
        server.fork().run(tasks.refuse, limits=WAIT)
    assert failed.value.kind == "domain"
    assert type(failed.value.error) is Invalid
    assert failed.value.error.faults == (Fault("steps[0]", "is unknown"),)
    assert failed.value.error.detail == str(failed.value.error) == "the spec is wrong"
    assert failed.value.last_message == "checking"

    with pytest.raises(ChildFailed) as failed:
        server.fork().run(tasks.conflict, limits=WAIT)
    assert isinstance(failed.value.error, WrongVersion)
    assert (failed.value.error.expected, failed.value.error.actual) == (3, 4)


def test_other_exceptions_come_back_described(child: Child) -> None:
    with pytest.raises(ChildFailed) as failed:
        child.run(tasks.blunder, limits=WAIT)
    assert (failed.value.kind, failed.value.type_name, failed.value.detail) == (
        "error",
        "ZeroDivisionError",
        "by zero",
    )
    assert failed.value.error is None
    assert "in blunder" in failed.value.traceback


@pytest.mark.parametrize("task", [tasks.answer_foreign, tasks.answer_function, tasks.answer_unpicklable])
def test_answers_are_plain_values(child: Child, task: Callable[..., Any]) -> None:
    with pytest.raises(ChildFailed) as failed:
        child.run(task, limits=WAIT)
    assert failed.value.kind == "error"


@pytest.mark.parametrize(
    ("task", "args", "exitcode", "killed_by"),
    [(tasks.leave, (7,), 7, None), (tasks.leave, (0,), 0, None), (tasks.crash, (), -11, 11)],
)
def test_a_death_is_told(
    child: Child, task: Callable[..., Any], args: tuple[int, ...], exitcode: int, killed_by: int | None
) -> None:
    with pytest.raises(ChildDied) as died:
        child.run(task, *args, limits=WAIT)
    assert (died.value.exitcode, died.value.signal) == (exitcode, killed_by)


def test_a_child_takes_one_task(child: Child) -> None:
    child.run(tasks.add, 1, 2, limits=WAIT)
    with pytest.raises(RuntimeError, match="fork another"):
        child.run(tasks.add, 1, 2)


def test_a_child_is_prepared_before_its_task_and_a_preparation_that_fails_does_no_harm(child: Child) -> None:
    for word in ("one", "wrong", "two"):
        child.prepare(tasks.note, word)
    assert child.run(tasks.noted, limits=WAIT) == ["one", "wrong", "two"]


def test_a_dead_child_cannot_be_prepared_and_nobody_minds(server: SandboxServer) -> None:
    with server.fork() as child:
        os.kill(child.pid, signal.SIGKILL)
        while child.alive:
            time.sleep(0.005)
        child.prepare(tasks.note, "late")
        with pytest.raises(ChildDied):
            child.run(tasks.noted, limits=WAIT)


def test_a_rehearsal_trains_from_end_to_end(server: SandboxServer) -> None:
    with server.fork() as child:
        assert child.run(tasks.rehearsed, limits=WAIT) == []


def test_tasks_stand_at_the_top_of_a_module(child: Child) -> None:
    with pytest.raises(ValueError, match="cannot import"):
        child.run(lambda send: None)


# --- limits


def test_time_is_limited(child: Child) -> None:
    begun = time.monotonic()
    with pytest.raises(ChildTimedOut) as timed_out:
        child.run(tasks.hog_interpreter, limits=Limits(seconds=0.3))
    assert timed_out.value.seconds == 0.3
    assert 0.3 <= time.monotonic() - begun < 1
    assert gone_within(0.1, child.pid)


def test_memory_is_limited_to_what_was_asked_and_the_reserve(server: SandboxServer) -> None:
    limits = Limits(seconds=60, memory_bytes=64 * MIB, threads=2)
    assert server.fork().run(tasks.allocate, 64 * MIB, limits=limits) == 4
    with pytest.raises(ChildFailed) as failed:
        server.fork().run(tasks.allocate, 1536 * MIB, limits=limits)
    assert failed.value.kind == "memory"
    assert server.fork().run(tasks.allocate, 1536 * MIB, limits=WAIT) == 96


def test_small_limits_are_enough_to_fit_with_threads(child: Child) -> None:
    limits = Limits(seconds=60, memory_bytes=64 * MIB)
    assert child.run(tasks.fit_forest, limits=limits) > 0.8


@pytest.mark.parametrize(("task", "args"), [(tasks.start_threads, (1000,)), (tasks.wrapped_memory_error, ())])
def test_other_signs_of_too_little_memory(child: Child, task: Callable[..., Any], args: tuple[int]) -> None:
    with pytest.raises(ChildFailed) as failed:
        child.run(task, *args, limits=Limits(seconds=60, memory_bytes=64 * MIB))
    assert failed.value.kind == "memory"


def test_threads_are_limited(server: SandboxServer) -> None:
    assert set(server.fork().run(tasks.pool_threads, limits=Limits(seconds=30, threads=1))) == {1}
    environment = server.fork().run(tasks.environment, limits=Limits(seconds=30, threads=1))
    assert environment["OMP_NUM_THREADS"] == "1"


def test_fits_and_process_pools_work_in_a_child(server: SandboxServer) -> None:
    assert server.fork().run(tasks.fit_forest, limits=WAIT) > 0.8
    assert server.fork().run(tasks.cross_validate_in_processes, limits=WAIT) == 45


# --- killing


def test_kill_ends_the_whole_group_while_another_thread_waits(child: Child) -> None:
    told: list[Any] = []
    thread, raised = in_thread(lambda: child.run(tasks.with_grandchild, 60, on_message=told.append))
    while not told:
        time.sleep(0.01)
    begun = time.monotonic()
    child.kill()
    took = time.monotonic() - begun
    assert not psutil.pid_exists(told[0][0]), "the child is reaped when kill returns"
    assert gone_within(0.2, told[0][1])
    thread.join(1)
    assert [type(error) for error in raised] == [ChildCancelled]
    assert took < 0.5


def test_kill_needs_no_cooperation(child: Child) -> None:
    told: list[Any] = []
    thread, raised = in_thread(lambda: child.run(tasks.hog_interpreter, on_message=told.append))
    while not told:
        time.sleep(0.01)
    child.kill()
    assert not psutil.pid_exists(child.pid)
    thread.join(1)
    assert [type(error) for error in raised] == [ChildCancelled]


def test_an_idle_child_can_be_killed_twice_and_then_runs_nothing(child: Child) -> None:
    child.kill()
    child.kill()
    assert not child.alive
    with pytest.raises(ChildCancelled):
        child.run(tasks.add, 1, 2)


def test_what_a_task_leaves_running_is_killed(child: Child) -> None:
    grandchild = child.run(tasks.leaving_grandchild, 60, limits=WAIT)
    assert gone_within(0.5, child.pid, grandchild)


def test_a_dead_child_is_noticed_though_a_forked_grandchild_holds_its_socket(child: Child) -> None:
    told: list[int] = []
    with pytest.raises(ChildDied) as died:
        child.run(tasks.forked_grandchild_then_crash, limits=WAIT, on_message=told.append)
    assert died.value.signal == signal.SIGKILL
    assert gone_within(0.5, *told)


def test_no_zombies_and_no_descriptors_are_left(server: SandboxServer) -> None:
    before = psutil.Process().num_fds()
    assert server.pid is not None
    fork_server_before = psutil.Process(server.pid).num_fds()
    for _ in range(5):
        server.fork().run(tasks.add, 1, 2, limits=WAIT)
        server.fork().kill()
        server.fork().close()
    time.sleep(0.2)
    assert psutil.Process().num_fds() <= before
    assert psutil.Process(server.pid).num_fds() == fork_server_before
    assert psutil.Process(server.pid).children() == []
    assert psutil.Process(server.pid).cpu_percent(0.2) < 10


# --- isolation


def test_a_child_has_nothing_open_of_ours(server: SandboxServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, server.fork(), server.fork():
        listening.set_inheritable(True)
        opened = server.fork().run(tasks.descriptors, limits=WAIT)
    assert opened[0] == "/dev/null"
    kinds = sorted(name.split(":")[0] for number, name in opened.items() if number > 2)
    assert [kind for kind in kinds if not kind.startswith("/proc/")] == ["pipe", "pipe", "socket"]


def test_secrets_stay_with_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = {
        "SKYULF_DATABASE_URL": "x",
        "AWS_REGION": "x",
        "PGPASSWORD": "x",
        "my_secret": "x",
        "GH_TOKEN": "x",
        "SSH_KEYFILE": "x",
        "BROKER": "amqp://user:pass@host/",
    }
    for name, value in hidden.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HARMLESS", "kept")
    with SandboxServer(preload=()) as light:
        seen = light.fork().run(tasks.environment, limits=WAIT)
        read = Path(f"/proc/{light.pid}/environ").read_bytes()
    assert not hidden.keys() & seen.keys()
    assert not any(name.encode() in read for name in hidden)
    assert seen["HARMLESS"] == "kept"
    assert "PATH" in environment_without_secrets(os.environ)


def test_surroundings_of_a_child(server: SandboxServer) -> None:
    child = server.fork()
    found = child.run(tasks.surroundings, limits=WAIT)
    assert found["nice"] == fork_server.NICENESS
    assert found["session"] == found["group"] == child.pid
    assert found["core"] == (0, 0)
    assert found["main"] is None, "the main script is not imported"
    assert found["threads"] == 1


def test_children_hold_nothing_that_they_have_no_use_for(server: SandboxServer) -> None:
    found = server.fork().run(tasks.held, limits=WAIT)
    assert found["imported"] == []
    assert found["documented"] == {"sklearn": False, "scipy": False, "pandas": False, "numpy": True}
    assert found["asserts"]
    assert found["can be imported"] == list(fork_server.UNUSED)


LIBRARIES = frozenset(
    {
        *("annotated_types", "cloudpickle", "dateutil", "joblib", "msgspec", "narwhals", "numpy", "orjson", "pandas"),
        *("pyarrow", "pydantic", "pydantic_core", "scipy", "six", "sklearn", "skops", "skyulf", "threadpoolctl"),
        *("typing_extensions", "typing_inspection"),
    }
)
"""What children may hold beside Python itself: each weighs on a server at rest."""

UNWANTED = frozenset(
    {
        *("numpy.distutils", "scipy.io", "scipy.signal", "sklearn.datasets", "sklearn.gaussian_process"),
        *("sklearn.inspection", "sklearn.neural_network", "pyarrow.dataset", "pyarrow.flight"),
    }
)
"""Large parts of those libraries that not every job has a use for."""


def test_children_that_wait_hold_the_libraries_of_any_job_and_no_others(server: SandboxServer) -> None:
    found = set(server.fork().run(tasks.modules, limits=WAIT))
    roots = {name.partition(".")[0] for name in found} - sys.stdlib_module_names
    assert roots - {"cython_runtime", "sandbox_tasks"} <= LIBRARIES
    assert {"pandas", "pyarrow", "skops", "sklearn"} <= roots
    assert not found & UNWANTED


def test_children_do_not_share_a_random_state(server: SandboxServer) -> None:
    drawn = [server.fork().run(tasks.random_numbers, limits=WAIT) for _ in range(2)]
    assert drawn[0] != drawn[1]


def test_scratch_files_are_removed(child: Child) -> None:
    scratch = Path(child.run(tasks.write_scratch, limits=WAIT))
    deadline = time.monotonic() + 1
    while scratch.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not scratch.exists()
    assert scratch.is_relative_to(tempfile.gettempdir())


def test_output_of_a_task_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with SandboxServer(preload=()) as light:
        light.fork().run(tasks.say, limits=WAIT)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == "said by the task\nwarned by the task\n"


# --- the server's life


def test_start_returns_at_once_and_children_come_later() -> None:
    begun = time.monotonic()
    with SandboxServer() as fresh:
        assert time.monotonic() - begun < 0.5
        assert fresh.fork().run(tasks.add, 1, 2, limits=WAIT) == 3


def test_closing_ends_everything_even_while_warming_or_running() -> None:
    fresh = SandboxServer()
    fresh.start()
    pid = fresh.pid
    begun = time.monotonic()
    fresh.close()
    assert pid is not None
    assert gone(pid)
    assert time.monotonic() - begun < 1

    light = SandboxServer(preload=())
    child, idle = light.fork(), light.fork()
    told: list[Any] = []
    thread, raised = in_thread(lambda: child.run(tasks.with_grandchild, 60, on_message=told.append))
    while not told:
        time.sleep(0.01)
    light.close()
    light.close()
    thread.join(2)
    assert [type(error) for error in raised] == [ChildCancelled]
    assert gone_within(0.5, *told[0], idle.pid)
    with pytest.raises(Unavailable):
        light.fork()


def test_a_killed_fork_server_takes_its_children_along_and_is_replaced() -> None:
    with SandboxServer(preload=()) as light:
        child, idle = light.fork(), light.fork()
        told: list[Any] = []
        thread, raised = in_thread(lambda: child.run(tasks.with_grandchild, 60, on_message=told.append))
        while not told:
            time.sleep(0.01)
        assert light.pid is not None
        os.kill(light.pid, signal.SIGKILL)
        thread.join(2)
        assert [type(error) for error in raised] == [ChildDied]
        assert gone_within(1, *told[0], idle.pid)
        assert light.fork().run(tasks.add, 1, 2, limits=WAIT) == 3


OWNER = """
import sys, threading
import sandbox_tasks as tasks
from skyulf.reactions.sandbox import SandboxServer
from skyulf.reactions.sandbox import fork_server
server = SandboxServer(preload=())
children = [server.fork() for _ in range(3)]
told = []
def tell(pids):
    told.append(pids)
    if len(told) == 2:
        print(server.pid, *(child.pid for child in children), *(pids[1] for pids in told), flush=True)
for child in children[:2]:
    threading.Thread(target=child.run, args=(tasks.with_grandchild, 60), kwargs={"on_message": tell}).start()
threading.Event().wait()
"""


@pytest.mark.parametrize("doomed", [("owner",), ("owner", "fork server")])
def test_everything_ends_with_a_killed_owner(tmp_path: Path, doomed: tuple[str, ...]) -> None:
    scratch = str(tmp_path)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": scratch}
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, env=environment, text=True) as owner:
        assert owner.stdout is not None
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert len(pids) == 6
        assert not any(map(gone, pids))
        if "fork server" in doomed:
            os.kill(pids[0], signal.SIGSTOP)  # so that it cannot help
        owner.kill()
        owner.wait()
        assert gone_within(1, *pids[1:]) if "fork server" in doomed else gone_within(1, *pids)
        os.kill(pids[0], signal.SIGKILL) if "fork server" in doomed else None
    if "fork server" not in doomed:
        assert list(tmp_path.iterdir()) == []


def test_a_fork_server_that_is_still_warming_ends_with_its_owner() -> None:
    script = (
        "from skyulf.reactions.sandbox import SandboxServer; import time\n"
        "server = SandboxServer(preload=('sandbox_slow_import',)); server.start()\n"
        "print(server.pid, flush=True); time.sleep(60)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        time.sleep(1)
        assert not gone(pid)
        owner.kill()
    assert gone_within(1, pid)


def test_an_interrupt_in_the_terminal_does_not_reach_children() -> None:
    script = (
        "import os, signal, sandbox_tasks\n"
        "from skyulf.reactions.sandbox import SandboxServer\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "with SandboxServer(preload=()) as server:\n"
        "    child = server.fork()\n"
        "    signal.signal(signal.SIGINT, lambda *_: None)\n"
        "    os.killpg(0, signal.SIGINT)\n"
        "    print(child.run(sandbox_tasks.sleep, 0.1), server.fork().run(sandbox_tasks.add, 1, 2))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, timeout=60, start_new_session=True
    )
    assert done.stdout == b"None 3\n", done.stderr


def test_where_the_kernel_does_not_watch_a_thread_does(monkeypatch: pytest.MonkeyPatch) -> None:
    lifeline, held = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(held)
        os.setsid()
        monkeypatch.delattr(fork_server.fcntl, "F_SETSIG")
        if not fork_server.die_with(lifeline, -os.getpid()):
            threading.Thread(target=fork_server._watch, args=(lifeline,), daemon=True).start()
        time.sleep(20)
        os._exit(0)
    os.close(lifeline)
    time.sleep(0.1)
    os.close(held)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


# --- serving


def serving(scenario: Callable[[AsyncChild], Awaitable[None]], server: SandboxServer, delay: float = 0.0) -> None:
    async def run() -> None:
        child = await asyncio.to_thread(server.fork)
        handler = await AsyncChild.start(child, tasks.doubler, delay, limits=WAIT)
        try:
            await scenario(handler)
        finally:
            handler.kill()
        assert await asyncio.to_thread(gone_within, 1, child.pid)

    asyncio.run(run())


def test_serves_many_requests_in_flight(server: SandboxServer) -> None:
    async def scenario(handler: AsyncChild) -> None:
        payloads = [str(number).encode() * 1000 for number in range(200)]
        answers = await asyncio.gather(*(handler.request(payload, 10) for payload in payloads))
        assert answers == [payload * 2 for payload in payloads]
        big = b"z" * (8 * MIB)
        assert await handler.request(big, 10) == big * 2

    serving(scenario, server)


def test_a_slow_answer_does_not_block_the_event_loop(server: SandboxServer) -> None:
    async def scenario(handler: AsyncChild) -> None:
        answer = asyncio.create_task(handler.request(b"x", 10))
        ticks = 0
        while not answer.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert ticks > 10

    serving(scenario, server, delay=0.4)


def test_a_refused_request_leaves_the_others_alone(server: SandboxServer) -> None:
    async def scenario(handler: AsyncChild) -> None:
        refused, answered = await asyncio.gather(
            handler.request(b"refuse", 10), handler.request(b"x", 10), return_exceptions=True
        )
        assert isinstance(refused, ChildFailed)
        assert isinstance(refused.error, Invalid)
        assert answered == b"xx"
        assert handler.alive

    serving(scenario, server)


def test_a_cancelled_request_leaves_the_others_alone(server: SandboxServer) -> None:
    async def scenario(handler: AsyncChild) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(handler.request(b"x"), 0.05)
        assert await handler.request(b"y", 10) == b"yy"

    serving(scenario, server, delay=0.2)


def test_a_request_out_of_time_kills_the_child_and_fails_the_others(server: SandboxServer) -> None:
    async def scenario(handler: AsyncChild) -> None:
        outcomes = await asyncio.gather(
            handler.request(b"hang", 0.2), handler.request(b"x", 30), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [ChildTimedOut, ChildDied]
        assert not handler.alive
        with pytest.raises(ChildDied):
            await handler.request(b"x")

    serving(scenario, server)


def test_the_death_of_the_child_fails_all_in_flight(server: SandboxServer) -> None:
    async def scenario(handler: AsyncChild) -> None:
        outcomes = await asyncio.gather(
            handler.request(b"x"), handler.request(b"die"), handler.request(b"y"), return_exceptions=True
        )
        assert outcomes[0] == b"xx"
        assert [getattr(outcome, "exitcode", None) for outcome in outcomes[1:]] == [7, 7]

    serving(scenario, server)


def test_killing_a_serving_child_cancels_what_is_in_flight(server: SandboxServer) -> None:
    async def scenario(handler: AsyncChild) -> None:
        asyncio.get_running_loop().call_later(0.05, handler.kill)
        with pytest.raises(ChildCancelled):
            await handler.request(b"hang")

    serving(scenario, server)


@pytest.mark.parametrize(
    ("factory", "failure"), [(tasks.no_handler, ChildFailed), (tasks.die_making_handler, ChildDied)]
)
def test_a_handler_that_cannot_be_made(
    server: SandboxServer, factory: Callable[..., Any], failure: type[Exception]
) -> None:
    async def run() -> None:
        child = await asyncio.to_thread(server.fork)
        with pytest.raises(failure):
            await AsyncChild.start(child, factory, limits=WAIT)
        assert await asyncio.to_thread(gone_within, 1, child.pid)

    asyncio.run(run())


def test_serves_under_uvloop(server: SandboxServer) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def run() -> None:
        handler = await AsyncChild.start(await asyncio.to_thread(server.fork), tasks.doubler, 0.0)
        assert await asyncio.gather(*(handler.request(b"x", 10) for _ in range(20))) == [b"xx"] * 20
        with pytest.raises(ChildDied) as died:
            await handler.request(b"die", 10)
        assert died.value.exitcode == 7

    uvloop.run(run())


def test_a_request_after_the_death_of_the_child_says_so_at_every_moment_under_uvloop(server: SandboxServer) -> None:
    """Its end of the socket closes some milliseconds before the report of its death arrives."""
    uvloop = pytest.importorskip("uvloop")

    async def run() -> None:
        handler = await AsyncChild.start(await asyncio.to_thread(server.fork), tasks.doubler, 0.0)
        os.kill(handler.child.pid, signal.SIGKILL)
        asked = []
        for _ in range(200):
            asked.append(asyncio.create_task(handler.request(b"x", 10)))
            await asyncio.sleep(0.001)
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {ChildDied}
        assert not handler.alive

    uvloop.run(run())
