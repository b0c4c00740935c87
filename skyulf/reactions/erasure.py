"""Makes an end of the data of datasets that were erased: its key and artifacts, jobs under way, models, deployments.

The event is the truth: what is begun is found in the log, and done again from the start until `DatasetErasureFinished`
says that it is done. Every process that serves looks, to let go of what it has loaded; a lease has one do the rest.
"""

import logging
import threading
from collections.abc import Callable, Collection

import msgspec

from skyulf.artifacts import DataStore
from skyulf.commands.base import Command, Context
from skyulf.commands.bus import CommandBus
from skyulf.commands.dataset import FinishErasure
from skyulf.commands.deployment import RetireDeployment
from skyulf.commands.job import FailJob
from skyulf.commands.made import erased_problem
from skyulf.commands.model import RemoveModelAlias, RetireModelVersion
from skyulf.errors import NotAllowed, NotFound, SkyulfError
from skyulf.events.base import Actor, Recorded
from skyulf.events.dataset import DatasetErased, DatasetErasureListed
from skyulf.events.deployment import DeploymentState
from skyulf.events.holdings import PAGE, Held, holdings
from skyulf.events.log import EventLog
from skyulf.events.model import ModelState
from skyulf.events.registry import decode, replay
from skyulf.reactions.attempt import events_of, job_now
from skyulf.reactions.leases import Leases, Work

LOOK_SECONDS = 2.0
"""From one look at the log to the next, where nobody says that there is something."""

TYPES = ("DatasetErased", "DatasetErasureListed", "DatasetErasureFinished")

logger = logging.getLogger(__name__)


class Eraser:
    """Erases what the log says was erased; ``name`` is how events call it.

    ``let_go`` is told the artifacts of each erased dataset, for what this process has loaded of them.
    """

    def __init__(
        self,
        *,
        name: str,
        log: EventLog,
        bus: CommandBus,
        leases: Leases,
        artifacts: DataStore,
        let_go: Callable[[Collection[str]], None],
    ) -> None:
        self._actor = Actor(id=name, kind="service")
        self._log = log
        self._bus = bus
        self._leases = leases
        self._artifacts = artifacts
        self._let_go = let_go
        self._position = 0
        self._unfinished: dict[str, Recorded] = {}
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="eraser", daemon=True)

    def start(self) -> None:
        """Begin to look for what was erased."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once."""
        self._woken.set()

    def close(self) -> None:
        """End; what is not finished is after the next start."""
        self._stopping.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except SkyulfError as error:
                logger.warning("erased data is looked for again: %s", error.detail)
            except Exception:
                logger.exception("erased data could not be looked for; it is tried again")
            self._woken.wait(LOOK_SECONDS)
            self._woken.clear()

    def look(self) -> None:
        """Take in what the log has by now, and do what is not finished."""
        while True:
            page = self._log.read(self._position, PAGE, TYPES)
            for recorded in page.events:
                self._take(recorded)
            self._position = max(self._position, page.position)
            if len(page.events) < PAGE:
                break
        for dataset, cause in list(self._unfinished.items()):
            work = Work(f"the erasure of {dataset}", 0)
            if self._stopping.is_set() or not self._leases.take(work):
                continue
            try:
                self._erase(dataset, cause)
            except SkyulfError as error:
                logger.warning("%s is not erased yet, and is tried again: %s", dataset, error.detail)
            finally:
                self._leases.release(work)

    def _take(self, recorded: Recorded) -> None:
        if recorded.type == "DatasetErasureFinished":
            self._unfinished.pop(recorded.stream, None)
            return
        if recorded.type == "DatasetErased":
            self._unfinished[recorded.stream] = recorded
        event = decode(recorded)
        assert isinstance(event, DatasetErased | DatasetErasureListed)
        self._let_go(event.artifacts)

    def _erase(self, dataset: str, cause: Recorded) -> None:
        """The data first: whatever else fails, that is gone."""
        held = holdings(self._log).of(dataset)
        self._artifacts.erase(dataset, held.alone)
        self._let_go(held.artifacts)
        for job_id in held.jobs:
            self._fail(dataset, job_id, cause)
        self._retire(held, cause)
        self._send(FinishErasure(id=dataset, artifacts=held.alone, shared=held.shared), cause)
        self._unfinished.pop(dataset, None)

    def _fail(self, dataset: str, job_id: str, cause: Recorded) -> None:
        """End a job that runs; one that waits fails when a worker tries it."""
        job = job_now(self._log, job_id)
        if job is not None and job.status == "running":
            problem = erased_problem(dataset)
            self._send(FailJob(id=job_id, dataset_id=dataset, attempt=job.attempt, problem=problem), cause)

    def _retire(self, held: Held, cause: Recorded) -> None:
        """Let nothing serve, or be deployed, that has no file any more."""
        artifacts = {target.artifact for target in held.models}
        for name in held.deployments:
            stream = f"deployment-{name}"
            deployment: DeploymentState | None = replay(stream, None, events_of(self._log, stream))
            if deployment is not None and deployment.active is not None and deployment.active.artifact in artifacts:
                self._send(RetireDeployment(id=stream), cause)
        for target in held.models:
            stream = f"model-{target.model}"
            model: ModelState | None = replay(stream, None, events_of(self._log, stream))
            aliases = model.aliases if model is not None else {}
            for alias in (alias for alias, number in aliases.items() if number == target.model_version):
                self._send(RemoveModelAlias(id=stream, alias=alias), cause)
            self._send(RetireModelVersion(id=stream, model_version=target.model_version), cause)

    def _send(self, command: Command, cause: Recorded) -> None:
        """Send a command for the reason for which the data was erased; what is so already is left."""
        context = Context.following(self._actor, cause)
        reason = cause.metadata.reason
        context = msgspec.structs.replace(context, reason=f"{cause.stream} was erased: {reason}")
        try:
            self._bus.send(command, context).result()
        except (NotAllowed, NotFound) as refusal:
            logger.info("while %s is erased: %s", cause.stream, refusal.detail)
