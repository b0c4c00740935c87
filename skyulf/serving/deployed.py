"""What each deployment serves, by the log's head."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import cast

from skyulf.errors import NotAllowed, NotFound
from skyulf.events.deployment import DeploymentState, Target
from skyulf.events.job import JobState
from skyulf.events.log import EventLog
from skyulf.events.model import ModelVersionRegistered
from skyulf.events.registry import decode, replay

DEPLOYMENTS_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Trained:
    """The job that trained a version: its stream up to ``version``, and the state there."""

    job_id: str
    version: int
    state: JobState | None

    @property
    def settled(self) -> bool:
        """Whether it is known, for good, if there is an ONNX copy."""
        return self.state is not None and self.state.packaged


@dataclass(frozen=True, slots=True)
class Served:
    """What a deployment served when the log had the mark ``mark``: its stream up to ``version``, and the state there.

    ``trained`` is the job of the active version; None where nothing is active.
    """

    mark: object
    version: int = 0
    state: DeploymentState | None = None
    trained: Trained | None = None

    def target(self, name: str) -> Target:
        """What predicts; raises `NotFound`, and `NotAllowed` for a retired deployment."""
        if self.state is None:
            raise NotFound(f"there is no deployment {name}")
        if self.state.active is None:
            raise NotAllowed(f"the deployment {name} is retired; deploy a version to serve it again")
        return self.state.active

    @property
    def share(self) -> float:
        """Which share of the requests is logged."""
        return self.state.share if self.state else 0.0

    @property
    def onnx(self) -> str | None:
        """The digest of the active version's ONNX copy, where there is one by now."""
        return self.trained.state.onnx if self.trained and self.trained.state else None


class Deployments:
    """Knows what each name serves; belongs to one event loop.

    As long as the log's mark stays, what was read still holds, and asking costs next to nothing. Once it has moved,
    what is new in the few streams concerned is read in a thread.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._known: OrderedDict[str, Served] = OrderedDict()
        self._reads: dict[str, tuple[object, asyncio.Task[Served]]] = {}

    def known(self, name: str) -> Served | None:
        """What the deployment serves now, where nothing was appended since that was read."""
        known = self._known.get(name)
        return known if known is not None and known.mark is self._log.mark() else None

    async def current(self, name: str) -> Served:
        """What the deployment serves now: every append that has returned is taken into account."""
        mark = self._log.mark()
        known = self._known.get(name)
        if known is not None and known.mark is mark:
            return known
        read = self._reads.get(name)
        if read is None or read[0] is not mark:  # one that began before an append may not have seen it
            task = asyncio.create_task(self._read(name, mark, known or Served(mark)))
            read = self._reads[name] = (mark, task)
        return await asyncio.shield(read[1])

    async def _read(self, name: str, mark: object, known: Served) -> Served:
        try:
            served = await asyncio.to_thread(self._newer, f"deployment-{name}", mark, known)
        finally:
            if self._reads.get(name, (None,))[0] is mark:  # a later read may have taken its place, and be over
                del self._reads[name]
        self._known[name] = served
        self._known.move_to_end(name)
        if len(self._known) > DEPLOYMENTS_KEPT:
            self._known.popitem(last=False)
        return served

    def _newer(self, stream: str, mark: object, known: Served) -> Served:
        """What is known, with all that the log has beyond it."""
        trained = known.trained
        wanted = {stream: known.version}
        if trained is not None and not trained.settled:
            wanted[trained.job_id] = trained.version
        found = self._log.load(wanted)
        state: DeploymentState | None = replay(stream, known.state, found[stream])
        version = found[stream][-1].version if found[stream] else known.version
        before = known.state.active if known.state else None
        active = state.active if state else None
        if active is None:
            trained = None
        elif trained is None or active != before:
            trained = self._trained(active)
        elif events := found.get(trained.job_id):
            trained = Trained(trained.job_id, events[-1].version, replay(trained.job_id, trained.state, events))
        return Served(mark, version, state, trained)

    def _trained(self, target: Target) -> Trained | None:
        stream = f"model-{target.model}"
        registered = (
            cast("ModelVersionRegistered", decode(recorded))
            for recorded in self._log.load({stream: 0})[stream]
            if recorded.type == ModelVersionRegistered.__name__
        )
        job_id = next((event.job_id for event in registered if event.model_version == target.model_version), None)
        if job_id is None:
            return None
        events = self._log.load({job_id: 0})[job_id]
        return Trained(job_id, events[-1].version if events else 0, replay(job_id, None, events))

    def active_at(self, stream: str, version: int) -> Target | None:
        """What a deployment served when its stream was at ``version``; None when retired."""
        events = self._log.load({stream: 0})[stream][:version]
        state: DeploymentState | None = replay(stream, None, events)
        return state.active if state else None
