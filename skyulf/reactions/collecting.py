"""Collects files that no event names: of uploads that were refused, of attempts that were killed as they reported.

What an event names is kept, whatever noun it is about, but for what was erased, and parts of logs of predictions that
were forgotten. A file is put before the event that names it is recorded, so that a young one is left alone.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from skyulf.artifacts import DataStore, Stored
from skyulf.events.base import noun_of
from skyulf.events.holdings import PAGE, READ, Holdings
from skyulf.events.log import EventLog

DIGESTS = re.compile(rb"sha256:[0-9a-f]{64}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """The files of a store: those that no event names and that are old enough to go, and how many others there are.

    ``young`` are those that no event names yet; ``kept`` counts what is named, by the noun of the event that did first.
    """

    unnamed: tuple[Stored, ...]
    young: int
    kept: dict[str, int]

    @property
    def size(self) -> int:
        """Bytes of the files that may go."""
        return sum(file.size for file in self.unnamed)


class Collector:
    """Finds and removes files that no event names; ``now`` is the clock."""

    def __init__(self, log: EventLog, artifacts: DataStore, now: Callable[[], datetime]) -> None:
        self._log = log
        self._artifacts = artifacts
        self._now = now

    def find(self, older_than: float) -> Found:
        """What may go of all that was put more than ``older_than`` seconds ago. It reads the whole log."""
        before = self._now().timestamp() - older_than
        files = tuple(self._artifacts.stored())  # before the log is read: what is named by then is seen to be
        nouns = self._named()
        unnamed = [file for file in files if file.digest not in nouns]
        old = tuple(file for file in unnamed if file.at < before)
        return Found(old, len(unnamed) - len(old), dict(Counter(nouns[f.digest] for f in files if f.digest in nouns)))

    def collect(self, older_than: float) -> Found:
        """Remove what `find` finds; what was removed."""
        found = self.find(older_than)
        for file in found.unnamed:
            self._artifacts.discard(file)
        if found.unnamed:
            logger.info("%d files that no event names were removed, %d bytes", len(found.unnamed), found.size)
        return found

    def _named(self) -> dict[str, str]:
        """By digest, the noun of the event that first named what is kept."""
        holdings, after = Holdings(), 0
        named: dict[str, str] = {}
        forgotten: set[str] = set()
        while True:
            page = self._log.read(after, PAGE)
            for recorded in page.events:
                for digest in DIGESTS.findall(recorded.data):
                    named.setdefault(digest.decode(), noun_of(recorded.stream))
                if recorded.type in READ:
                    holdings.take(recorded)
                if recorded.type == "PredictionsForgotten":
                    forgotten.add(msgspec.json.decode(recorded.data)["artifact"])
            if page.position == after or len(page.events) < PAGE:
                break
            after = page.position
        erased = {digest for digest, datasets in holdings.datasets.items() if datasets <= holdings.erased}
        gone = erased | (forgotten - holdings.datasets.keys())
        return {digest: noun for digest, noun in named.items() if digest not in gone}
