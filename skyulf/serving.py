"""Deployments → loaded models → predictions.

Models are loaded and asked in a child process, so that none can block the server or take it down. What a deployment
serves is read from the log's head: a roll-out holds for the request that follows it.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from skyulf.artifacts import PATH_SECONDS, ArtifactStore
from skyulf.errors import Fault, Invalid, NotAllowed, NotFound, Unavailable
from skyulf.events.deployment import DeploymentState, Target
from skyulf.events.log import EventLog
from skyulf.events.registry import replay
from skyulf.reactions.sandbox import (
    AsyncChild,
    Child,
    ChildCancelled,
    ChildDied,
    ChildFailed,
    ChildTimedOut,
    Limits,
    SandboxServer,
)

MODELS_KEPT = 16
"""The child keeps so many loaded models, those used last."""

DEPLOYMENTS_KEPT = 1_000

SLOWEST_LOAD = 60.0
"""Seconds that a child may take to be ready."""

MOST_FAULTS = 20


class Ask(msgspec.Struct, frozen=True):
    """A request for predictions: what is served, where its file is; the rows follow as JSON text after a newline."""

    model: str
    model_version: int
    artifact: str
    path: str


def model_host() -> Callable[[bytes], bytes]:
    """Make the handler that answers in the child; it keeps the models it has loaded."""
    from skyulf.core.applier import Applier  # the libraries of learning are loaded in the sandbox only
    from skyulf.core.formats import load_model

    loaded: OrderedDict[str, Applier] = OrderedDict()

    def applier(ask: Ask) -> Applier:
        found = loaded.get(ask.artifact)
        if found is None:
            found = loaded[ask.artifact] = Applier(load_model(ask.path))
            if len(loaded) > MODELS_KEPT:
                loaded.popitem(last=False)
        loaded.move_to_end(ask.artifact)
        return found

    def answer(request: bytes) -> bytes:
        head, _, body = request.partition(b"\n")
        ask = msgspec.json.decode(head, type=Ask)
        rows = rows_of(body)
        model = applier(ask)
        predictions = model.predict(model.validate(rows))
        return orjson.dumps(
            {
                "model": ask.model,
                "model_version": ask.model_version,
                "predictions": predictions.predictions,
                "probabilities": predictions.probabilities,
            },
            option=orjson.OPT_SERIALIZE_NUMPY,
        )

    return answer


def rows_of(body: bytes) -> list[dict[str, Any]]:
    """The rows in a JSON body; raises `Invalid`. Non-finite numbers are not JSON and are refused."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid("the body is not JSON", [Fault("body", f"{error.msg} at character {error.pos}")]) from error
    if not isinstance(document, dict) or set(document) != {"rows"} or not isinstance(document["rows"], list):
        raise Invalid("the body does not hold rows", [Fault("body", 'an object {"rows": [{column: value, …}, …]}')])
    rows = document["rows"]
    if not rows:
        raise Invalid("there are no rows", [Fault("rows", "at least one row")])
    wrong = [
        Fault(f"rows.{n}", "an object of columns and values") for n, row in enumerate(rows) if type(row) is not dict
    ]
    if wrong:
        raise Invalid("some rows are not objects", wrong[:MOST_FAULTS])
    return rows


class PredictionService:
    """Answers predictions for deployments; belongs to the server's event loop.

    ``seconds`` is the longest that one prediction may take; a child that takes longer is killed.
    """

    def __init__(self, log: EventLog, artifacts: ArtifactStore, sandbox: SandboxServer, seconds: float) -> None:
        self._log = log
        self._artifacts = artifacts
        self._sandbox = sandbox
        self._seconds = seconds
        self._served: OrderedDict[str, tuple[int, DeploymentState | None]] = OrderedDict()
        self._paths: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._child: AsyncChild | None = None
        self._starting = asyncio.Lock()

    async def predict(self, name: str, body: bytes) -> bytes:
        """Predict the rows in a JSON ``body`` with what is deployed as ``name``; the answer as JSON.

        Raises `NotFound`, `NotAllowed` (retired), `Invalid` naming row and column, and `Unavailable`.
        """
        target = await asyncio.to_thread(self._target, name)
        ask = Ask(target.model, target.model_version, target.artifact, await self._path(target.artifact))
        request = msgspec.json.encode(ask) + b"\n" + body
        try:
            return await self._asked(request)
        except (ChildDied, ChildCancelled):
            # Another request's rows may have killed the child that this one waited in: once more, with a new one.
            try:
                return await self._asked(request)
            except (ChildDied, ChildCancelled) as error:
                raise Unavailable("the process that serves models died; try again") from error

    async def warm(self) -> None:
        """Have a child ready before the first prediction is asked for."""
        await self._living()

    async def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()

    async def _asked(self, request: bytes) -> bytes:
        child = await self._living()
        try:
            return await child.request(request, self._seconds)
        except ChildTimedOut as error:
            raise Unavailable(f"the prediction took longer than {self._seconds:g} s; send fewer rows") from error
        except ChildFailed as failure:
            if failure.error is not None:
                raise failure.error from failure
            raise Invalid(f"the model could not predict these rows ({failure.type_name})") from failure

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

    async def _path(self, artifact: str) -> str:
        """Where the model's file is, asked for again while the last answer holds for as long as a child may take."""
        path, until = self._paths.get(artifact, ("", 0.0))
        if until <= time.monotonic():
            path = str(await asyncio.to_thread(self._artifacts.path, artifact))
            self._paths[artifact] = (path, time.monotonic() + PATH_SECONDS / 2)
            if len(self._paths) > DEPLOYMENTS_KEPT:
                self._paths.popitem(last=False)
        return path

    def active(self, stream: str, version: int) -> Target | None:
        """What a deployment served when its stream was at ``version``; None when retired."""
        events = self._log.load({stream: 0})[stream][:version]
        state: DeploymentState | None = replay(stream, None, events)
        return state.active if state else None

    def _target(self, name: str) -> Target:
        """What is served now under the name, by the log."""
        stream = f"deployment-{name}"
        version, state = self._served.get(stream, (0, None))
        events = self._log.load({stream: version})[stream]
        if events:
            state = replay(stream, state, events)
            self._served[stream] = (events[-1].version, state)
            if len(self._served) > DEPLOYMENTS_KEPT:
                self._served.popitem(last=False)
        if state is None:
            raise NotFound(f"there is no deployment {name}")
        if state.active is None:
            raise NotAllowed(f"the deployment {name} is retired; deploy a version to serve it again")
        return state.active
