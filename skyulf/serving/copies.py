"""ONNX copies of models, loaded in the server when they are asked for."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from skyulf.artifacts import ArtifactStore
from skyulf.core.rows import RowReader
from skyulf.errors import Damaged, SkyulfError
from skyulf.events.deployment import Target
from skyulf.serving.formats import Format, read, write

if TYPE_CHECKING:
    from skyulf.core.scorer import Scorer

COPIES_KEPT = 16
"""Loaded copies that are kept, those used last."""

UNKNOWN = 1.0
"""Seconds that a body is expected to cost when none like it was seen."""

logger = logging.getLogger(__name__)


class LoadedCopy:
    """A copy that is ready to answer on any thread, and what its answers have cost so far."""

    def __init__(self, scorer: "Scorer", clock: Callable[[], float] = time.thread_time) -> None:
        self._scorer = scorer
        self._reader = RowReader(scorer.input_schema)
        self._clock = clock
        self._seconds: dict[tuple[Format, int], float] = {}

    def expected_seconds(self, sent: Format, body: bytes) -> float:
        """What a body is likely to cost on the CPU, by others of its format and about its size."""
        return self._seconds.get((sent, len(body).bit_length()), UNKNOWN)

    def answer(self, target: Target, body: bytes, sent: Format, wanted: Format) -> bytes | None:
        """Predict the rows in a body; the answer's bytes, or None where the copy fails at them.

        Raises `Invalid`, naming row and column.
        """
        begun = self._clock()
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
        spent = self._clock() - begun
        like = (sent, len(body).bit_length())
        self._seconds[like] = (self._seconds.get(like, spent) + spent) / 2
        return answer


class LoadedCopies:
    """Loads copies by digest and keeps those used last; belongs to one event loop."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts
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

            scorer = Scorer(self._artifacts.read(digest))
            if scorer.model != target.artifact:
                raise Damaged("it was made from another model")
            return LoadedCopy(scorer)
        except (SkyulfError, ImportError, OSError) as error:
            logger.warning(
                "the ONNX copy of %s version %d cannot be used, and the model itself is asked instead: %s",
                target.model,
                target.model_version,
                error,
            )
            return None
