"""ONNX copies of models, loaded in the server when they are asked for."""

import asyncio
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

from skyulf.artifacts import ArtifactStore
from skyulf.errors import Damaged, SkyulfError, Unavailable
from skyulf.events.deployment import Target
from skyulf.reactions.finisher import audit_copy
from skyulf.reactions.sandbox import Limits, SandboxError, SandboxServer

if TYPE_CHECKING:
    from skyulf.serving.loaded import LoadedCopy

COPIES_KEPT = 16
"""Loaded copies that are kept, those used last."""

AUDIT = Limits(seconds=60.0, memory_bytes=1 << 30, threads=1)

logger = logging.getLogger(__name__)


class LoadedCopies:
    """Loads copies by digest and keeps those used last; belongs to one event loop.

    A file may have come with a log from elsewhere: it is judged in a child process before anything of it is run here.
    """

    def __init__(self, artifacts: ArtifactStore, sandbox: SandboxServer) -> None:
        self._artifacts = artifacts
        self._sandbox = sandbox
        self._loads: OrderedDict[str, asyncio.Task[LoadedCopy | None]] = OrderedDict()

    def loaded(self, digest: str) -> "LoadedCopy | None":
        """The copy, where it is loaded."""
        load = self._loads.get(digest)
        if load is None or not load.done() or load.cancelled() or load.exception() is not None:
            return None
        self._loads.move_to_end(digest)
        return load.result()

    def let_go(self, digest: str) -> None:
        """Forget a loaded copy."""
        self._loads.pop(digest, None)

    async def get(self, digest: str, target: Target) -> "LoadedCopy | None":
        """The copy of what a deployment serves, loaded in a thread if it is not yet; None where it cannot be."""
        load = self._loads.get(digest)
        if load is None:
            load = self._loads[digest] = asyncio.create_task(asyncio.to_thread(self._load, digest, target))
            if len(self._loads) > COPIES_KEPT:
                self._loads.popitem(last=False)
        self._loads.move_to_end(digest)
        try:
            return load.result() if load.done() else await asyncio.shield(load)
        except Unavailable:
            if self._loads.get(digest) is load:
                del self._loads[digest]  # the next request tries again
            return None

    def _load(self, digest: str, target: Target) -> "LoadedCopy | None":
        """Load a copy; what is wrong with it is said once, as the outcome is kept. Raises `Unavailable`."""
        try:
            from skyulf.core.scorer import Scorer  # these bring numpy and ONNX Runtime into the process
            from skyulf.serving.loaded import LoadedCopy

            self._audit(str(self._artifacts.path(digest)))
            scorer = Scorer(self._artifacts.read(digest))
            if scorer.model != target.artifact:
                raise Damaged("it was made from another model")
            return LoadedCopy(scorer)
        except Unavailable:
            raise
        except (SkyulfError, SandboxError, ImportError, OSError) as error:
            logger.warning(
                "the ONNX copy of %s version %d cannot be used, and the model itself is asked instead: %s",
                target.model,
                target.model_version,
                error,
            )
            return None

    def _audit(self, path: str) -> None:
        with self._sandbox.fork() as child:
            child.run(audit_copy, path, limits=AUDIT)
