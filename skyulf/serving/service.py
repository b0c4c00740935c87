"""The service that answers predictions."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

from skyulf.artifacts import PATH_SECONDS, ArtifactStore
from skyulf.errors import Invalid, SkyulfError, Unavailable
from skyulf.events.deployment import Target
from skyulf.events.log import EventLog
from skyulf.reactions.sandbox import (
    AsyncChild,
    Child,
    ChildCancelled,
    ChildDied,
    ChildFailed,
    ChildTimedOut,
    Limits,
    SandboxError,
    SandboxServer,
)
from skyulf.serving.copies import LoadedCopies
from skyulf.serving.deployed import Deployments, Served
from skyulf.serving.host import Ask, model_host, pack
from skyulf.serving.media import Format
from skyulf.serving.sampling import Sampler

SCORING_THREADS = 2

PATHS_KEPT = 1_000

SLOWEST_LOAD = 60.0
"""Seconds that a child may take to be ready."""


class Answer(NamedTuple):
    """Predictions in the format that was wanted, and which version of which model made all of them."""

    body: bytes
    model: str
    model_version: int


class PredictionService:
    """Answers predictions for deployments; belongs to the server's event loop, and never holds it.

    ``seconds`` is the longest that one prediction may take; a child that takes longer is killed. Of deployments that
    are logged, requests are offered to the ``sampler``.
    """

    def __init__(
        self, log: EventLog, artifacts: ArtifactStore, sandbox: SandboxServer, seconds: float, sampler: Sampler
    ) -> None:
        self._deployments = Deployments(log)
        self._copies = LoadedCopies(artifacts, sandbox)
        self._threads = ThreadPoolExecutor(SCORING_THREADS, thread_name_prefix="scoring")
        self._artifacts = artifacts
        self._sandbox = sandbox
        self._seconds = seconds
        self._sampler = sampler
        self._paths: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._child: AsyncChild | None = None
        self._starting = asyncio.Lock()
        self._warming: set[asyncio.Task[None]] = set()

    async def predict(
        self, name: str, body: bytes, sent: Format = "json", wanted: Format = "json", intervals: bool = False
    ) -> Answer:
        """Predict the rows in a ``body`` of the format ``sent`` with what is deployed as ``name``.

        With ``intervals`` the answer says those around the predictions. Raises `NotFound`, `NotAllowed` (retired),
        `Invalid` naming row and column, or where there are no intervals, and `Unavailable`.
        """
        served = self._deployments.known(name) or await self._deployments.current(name)
        target = served.target(name)
        answer = await self._by_copy(served, target, body, sent, wanted, intervals)
        if answer is None:
            answer = await self._by_child(target, body, sent, wanted, intervals)
        if share := served.share:
            self._sampler.offer(share, name, target, sent, body, wanted, answer)
        return Answer(answer, target.model, target.model_version)

    async def _by_copy(
        self, served: Served, target: Target, body: bytes, sent: Format, wanted: Format, intervals: bool
    ) -> bytes | None:
        """The answer of the ONNX copy; None where there is none that can answer."""
        digest = served.onnx
        if digest is None:
            return None
        copy = self._copies.loaded(digest) or await self._copies.get(digest, target)
        if copy is None:
            return None
        if copy.is_quick(sent, body):
            return copy.answer(target, body, sent, wanted, intervals)
        run = asyncio.get_running_loop().run_in_executor(
            self._threads, copy.answer, target, body, sent, wanted, intervals
        )
        try:
            return await asyncio.wait_for(run, self._seconds)
        except TimeoutError as error:
            raise self._too_slow() from error

    async def _by_child(self, target: Target, body: bytes, sent: Format, wanted: Format, intervals: bool) -> bytes:
        path = await self._path(target.artifact)
        request = pack(Ask(target.model, target.model_version, target.artifact, path, sent, wanted, intervals), body)
        try:
            return await self._asked(request)
        except (ChildDied, ChildCancelled):
            # Another request's rows may have killed the child that this one waited in: once more, with a new one.
            try:
                return await self._asked(request)
            except (ChildDied, ChildCancelled) as error:
                raise Unavailable("the process that serves models died; try again") from error

    async def _path(self, artifact: str) -> str:
        """Where the model's file is; asked for again while the last answer still holds for longer than a load takes."""
        path, until = self._paths.get(artifact, ("", 0.0))
        if until <= time.monotonic():
            path = str(await asyncio.to_thread(self._artifacts.path, artifact))
            self._paths[artifact] = (path, time.monotonic() + PATH_SECONDS / 2)
            if len(self._paths) > PATHS_KEPT:
                self._paths.popitem(last=False)
        return path

    def let_go(self, artifacts: Collection[str]) -> None:
        """Answer no more by what was loaded of these, whose data was erased; may be called from any thread."""
        for artifact in artifacts:
            self._copies.let_go(artifact)
            self._paths.pop(artifact, None)

    async def warm(self) -> None:
        """Have a child ready before the first prediction is asked for."""
        await self._living()

    def warm_soon(self, name: str) -> None:
        """Have what answers for the deployment ``name`` ready before it is asked: the ONNX copy, or else a child."""
        task = asyncio.create_task(self._warm(name))
        self._warming.add(task)
        task.add_done_callback(self._warming.discard)

    async def _warm(self, name: str) -> None:
        with suppress(SkyulfError, SandboxError):  # whoever asks for a prediction is told
            served = await self._deployments.current(name)
            target = served.target(name)
            if served.onnx is None or await self._copies.get(served.onnx, target) is None:
                await self._living()

    async def close(self) -> None:
        """End the child and the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._child is not None:
            self._child.kill()

    async def _asked(self, request: bytes) -> bytes:
        child = await self._living()
        try:
            return await child.request(request, self._seconds)
        except ChildTimedOut as error:
            raise self._too_slow() from error
        except ChildFailed as failure:
            if failure.error is not None:
                raise failure.error from failure
            raise Invalid(f"the model could not predict these rows ({failure.type_name})") from failure

    def _too_slow(self) -> Unavailable:
        return Unavailable(f"the prediction took longer than {self._seconds:g} s; send fewer rows")

    async def _living(self) -> AsyncChild:
        async with self._starting:
            if self._child is None or not self._child.alive:
                process = await self._forked()
                self._child = await AsyncChild.start(
                    process, model_host, limits=Limits(seconds=SLOWEST_LOAD, threads=1)
                )
            return self._child

    async def _forked(self) -> Child:
        fork = asyncio.ensure_future(asyncio.to_thread(self._sandbox.fork))
        try:
            return await asyncio.shield(fork)
        except asyncio.CancelledError:
            (await fork).release()  # the thread goes on, and nobody else knows of its child
            raise

    def active(self, stream: str, version: int) -> Target | None:
        """What a deployment served when its stream was at ``version``; None when retired. Reads the log."""
        return self._deployments.active_at(stream, version)
