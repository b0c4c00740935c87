"""ONNX copies of models, loaded in the server when they are asked for."""

import asyncio
import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from skyulf.artifacts import ArtifactStore
from skyulf.core.rows import RowReader
from skyulf.errors import Damaged, SkyulfError
from skyulf.events.deployment import Target
from skyulf.reactions.finisher import audit_copy
from skyulf.reactions.sandbox import Limits, SandboxError, SandboxServer
from skyulf.serving.formats import Format, read, write

if TYPE_CHECKING:
    from skyulf.core.scorer import Scorer

COPIES_KEPT = 16
"""Loaded copies that are kept, those used last."""

LONGEST_ON_THE_LOOP = 0.001
"""Seconds on the CPU for which an answer may hold the event loop; what takes longer is made in a thread."""

UNKNOWN = 1.0
"""Seconds that a body is expected to cost when none like it was seen."""

AUDIT = Limits(seconds=60.0, memory_bytes=1 << 30, threads=1)

TIMED = 16
"""Of answers that are quick one of so many is timed: it costs microseconds."""

logger = logging.getLogger(__name__)


class LoadedCopy:
    """A copy that is ready to answer on any thread, and what its answers have cost so far."""

    def __init__(self, scorer: "Scorer") -> None:
        self._scorer = scorer
        self._reader = RowReader(scorer.input_schema)
        self._answers = 0
        self._seconds: dict[tuple[Format, int], float] = {}

    def is_quick(self, sent: Format, body: bytes) -> bool:
        """Whether a body is likely to cost little enough for the event loop, by others of its format and size."""
        return self._seconds.get((sent, len(body).bit_length()), UNKNOWN) <= LONGEST_ON_THE_LOOP

    def answer(self, target: Target, body: bytes, sent: Format, wanted: Format) -> bytes | None:
        """Predict the rows in a body; the answer's bytes, or None where the copy fails at them.

        Raises `Invalid`, naming row and column.
        """
        like = (sent, len(body).bit_length())
        self._answers += 1
        expected = self._seconds.get(like, UNKNOWN)
        timed = self._answers % TIMED == 0 or expected > LONGEST_ON_THE_LOOP
        begun = time.thread_time() if timed else 0.0  # of other threads' work nothing counts
        columns = read(sent, body, self._reader)
        try:
            predictions = self._scorer.predict(columns)
        except Exception as error:  # noqa: BLE001 -- ONNX Runtime's own exceptions have no common class but this
            logger.warning(
                "the ONNX copy of %s version %d failed at some rows, and the model itself was asked instead: %s",
                target.model,
                target.model_version,
                type(error).__name__,
            )
            return None
        answer = write(wanted, predictions, target.model, target.model_version)
        if timed:
            spent = time.thread_time() - begun
            # The first of a kind imports and allocates what the others find; one that is slow is not the rule yet.
            self._seconds[like] = min(spent, (expected + spent) / 2)
        return answer


class LoadedCopies:
    """Loads copies by digest and keeps those used last; belongs to one event loop.

    A file may have come with a log from elsewhere: it is judged in a child process before anything of it is run here.
    """

    def __init__(self, artifacts: ArtifactStore, sandbox: SandboxServer) -> None:
        self._artifacts = artifacts
        self._sandbox = sandbox
        self._loads: OrderedDict[str, asyncio.Task[LoadedCopy | None]] = OrderedDict()

    async def get(self, digest: str, target: Target) -> LoadedCopy | None:
        """The copy of what a deployment serves, loaded in a thread if it is not yet; None where it cannot be."""
        load = self._loads.get(digest)
        if load is None:
            load = self._loads[digest] = asyncio.create_task(asyncio.to_thread(self._load, digest, target))
            if len(self._loads) > COPIES_KEPT:
                self._loads.popitem(last=False)
        self._loads.move_to_end(digest)
        return load.result() if load.done() else await asyncio.shield(load)

    def _load(self, digest: str, target: Target) -> LoadedCopy | None:
        """Load a copy; what is wrong with it is said once, as the outcome is kept."""
        try:
            from skyulf.core.scorer import Scorer  # brings ONNX Runtime into the process

            self._audit(str(self._artifacts.path(digest)))
            scorer = Scorer(self._artifacts.read(digest))
            if scorer.model != target.artifact:
                raise Damaged("it was made from another model")
            return LoadedCopy(scorer)
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
