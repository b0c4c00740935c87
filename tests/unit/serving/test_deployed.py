"""What a deployment serves is what the log says at the moment of asking, and is read only where it can have changed."""

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from typing import Any

import pytest
from builders import job_created, model_trained, written

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.errors import NotAllowed, NotFound
from skyulf.events.base import Recorded
from skyulf.events.deployment import DeploymentCreated, DeploymentRetired, DeploymentRolledOut, Target
from skyulf.events.job import JobStarted, ModelPackaged
from skyulf.events.model import ModelVersionRegistered
from skyulf.serving.deployed import Deployments, Served

NAME, STREAM, JOB = "live", "deployment-live", "job-01900000-0000-7000-8000-000000000001"
FIRST, SECOND = Target(model="m", model_version=1, artifact="sha256:a"), Target(
    model="m", model_version=2, artifact="sha256:b"
)  # fmt: skip


class CountedLog(MemoryEventLog):
    """Counts what is loaded; ``hold`` stops the next load after it has read, until it is set."""

    def __init__(self) -> None:
        numbers = iter(range(1_000))
        super().__init__(lambda: f"01900000-0000-7000-8000-{next(numbers):012d}")
        self.loads: list[dict[str, int]] = []
        self.hold: threading.Event | None = None
        self.held = threading.Event()

    def load(self, after: Mapping[str, int]) -> dict[str, tuple[Recorded, ...]]:
        self.loads.append(dict(after))
        found = super().load(after)
        if (hold := self.hold) is not None:
            self.hold = None
            self.held.set()
            assert hold.wait(30)
        return found


@pytest.fixture
def counted() -> CountedLog:
    return CountedLog()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def deployed(log: CountedLog, target: Target = FIRST) -> None:
    version = len(log.load({STREAM: 0})[STREAM])
    first = [] if version else [DeploymentCreated()]
    written(log, STREAM, version, *first, DeploymentRolledOut(before=None, after=target))
    log.loads.clear()


def trained(log: CountedLog, number: int = 1, job: str = JOB) -> None:
    registered = ModelVersionRegistered(
        model_version=number, job_id=job, model=f"sha256:{number}", fingerprint="f", metrics={}, task="classification",
        target="t", estimator="e",
    )  # fmt: skip
    written(log, "model-m", number - 1, registered)
    written(log, job, 0, job_created(), JobStarted(worker="w", attempt=1), model_trained())


def test_it_is_read_again_only_when_something_was_appended(counted: CountedLog) -> None:
    async def ask() -> None:
        deployments = Deployments(counted)
        for _ in range(5):
            assert (await deployments.current(NAME)).target(NAME) == FIRST
        assert [STREAM in load for load in counted.loads].count(True) == 1
        deployed(counted, SECOND)
        for _ in range(5):
            assert (await deployments.current(NAME)).target(NAME) == SECOND
        assert [load[STREAM] for load in counted.loads if STREAM in load] == [2]

    deployed(counted)
    run(ask())


def test_who_asks_after_an_append_is_not_answered_by_a_read_that_began_before_it(counted: CountedLog) -> None:
    async def ask() -> None:
        deployments = Deployments(counted)
        counted.hold = hold = threading.Event()
        early = asyncio.create_task(deployments.current(NAME))
        await asyncio.to_thread(counted.held.wait, 30)
        deployed(counted, SECOND)
        late = await asyncio.create_task(deployments.current(NAME))
        assert late.target(NAME) == SECOND
        hold.set()
        assert (await early).target(NAME) == FIRST
        assert (await deployments.current(NAME)).target(NAME) == SECOND

    deployed(counted)
    run(ask())


def test_many_who_ask_at_once_share_one_read(counted: CountedLog) -> None:
    async def ask() -> list[Served]:
        deployments = Deployments(counted)
        return await asyncio.gather(*(deployments.current(NAME) for _ in range(50)))

    deployed(counted)
    assert {served.target(NAME).model_version for served in run(ask())} == {1}
    assert [STREAM in load for load in counted.loads].count(True) == 1


def test_what_is_not_there_or_retired(counted: CountedLog) -> None:
    async def ask() -> None:
        deployments = Deployments(counted)
        with pytest.raises(NotFound):
            (await deployments.current(NAME)).target(NAME)
        deployed(counted)
        assert (await deployments.current(NAME)).target(NAME) == FIRST
        written(counted, STREAM, 2, DeploymentRetired())
        with pytest.raises(NotAllowed):
            (await deployments.current(NAME)).target(NAME)
        assert (await deployments.current(NAME)).onnx is None

    run(ask())


def test_the_copy_is_known_once_it_is_recorded_and_belongs_to_the_version(counted: CountedLog) -> None:
    other = JOB[:-1] + "2"

    async def ask() -> None:
        deployments = Deployments(counted)
        assert (await deployments.current(NAME)).onnx is None
        written(counted, JOB, 3, ModelPackaged(attempt=1, onnx="sha256:copy"))
        assert (await deployments.current(NAME)).onnx == "sha256:copy"
        deployed(counted, SECOND)
        assert (await deployments.current(NAME)).onnx is None
        written(counted, other, 3, ModelPackaged(attempt=1, onnx=None, reason="none"))
        served = await deployments.current(NAME)
        assert served.onnx is None
        assert served.trained is not None
        assert served.trained.settled
        deployed(counted, FIRST)
        assert (await deployments.current(NAME)).onnx == "sha256:copy"

    trained(counted)
    trained(counted, 2, other)
    deployed(counted)
    run(ask())
