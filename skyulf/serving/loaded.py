"""An ONNX copy that is loaded, and answers: what imports numpy, and so only once there is one."""

import logging
import time

from skyulf.core.rows import RowReader
from skyulf.core.scorer import Scorer
from skyulf.events.deployment import Target
from skyulf.serving.formats import read, write
from skyulf.serving.media import Format

LONGEST_ON_THE_LOOP = 0.001
"""Seconds on the CPU for which an answer may hold the event loop; what takes longer is made in a thread."""

UNKNOWN = 1.0
"""Seconds that a body is expected to cost when none like it was seen."""

TIMED = 16
"""Of answers that are quick one of so many is timed: it costs microseconds."""

logger = logging.getLogger(__name__)


class LoadedCopy:
    """A copy that is ready to answer on any thread, and what its answers have cost so far."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._reader = RowReader(scorer.input_schema)
        self._answers = 0
        self._seconds: dict[tuple[Format, int], float] = {}

    def is_quick(self, sent: Format, body: bytes) -> bool:
        """Whether a body is likely to cost little enough for the event loop, by others of its format and size."""
        return self._seconds.get((sent, len(body).bit_length()), UNKNOWN) <= LONGEST_ON_THE_LOOP

    def answer(
        self, target: Target, body: bytes, sent: Format, wanted: Format, intervals: bool = False
    ) -> bytes | None:
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
        answer = write(wanted, predictions, target.model, target.model_version, intervals)
        if timed:
            spent = time.thread_time() - begun
            # The first of a kind imports and allocates what the others find; one that is slow is not the rule yet.
            self._seconds[like] = min(spent, (expected + spent) / 2)
        return answer
