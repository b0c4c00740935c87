"""Profiles dataset versions and compares them when somebody asks; what came of a profile is reported by a command.

A profile is made once: what is under way is joined by who asks meanwhile, what was made is found by its version, and
made twice by two processes it is the same, byte for byte, and recorded once. One that a kill cut off is made when it is
asked for again. Comparisons are not kept: they follow from two tables that never change.
"""

import logging
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from skyulf.artifacts import ArtifactStore
from skyulf.commands.base import Context
from skyulf.commands.bus import CommandBus
from skyulf.commands.dataset import ProfileDataset
from skyulf.errors import NotAllowed, Unavailable
from skyulf.events.base import Actor
from skyulf.events.dataset import Suspicion
from skyulf.events.log import EventLog
from skyulf.reactions.profiler import Table, compare_served, compare_tables, profile_table
from skyulf.reactions.sandbox import ChildCancelled, ChildDied, ChildFailed, ChildTimedOut, Limits, SandboxServer

SECONDS = 900.0
"""The longest that a profile or a comparison may take."""

MEMORY = 2 << 30
"""Bytes of memory that it may take, whatever the table's size."""

AT_ONCE = 2
"""At most so many are made at once; others wait."""

KEPT = 32
"""Results, the newest, that are kept at hand: rows may lag behind, and a comparison is often asked for again."""

R = TypeVar("R")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a dataset: its typed table's digest, its rows, and the facts of its columns as plain values."""

    dataset_id: str
    number: int
    artifact: str
    rows: int
    columns: tuple[dict[str, Any], ...]


class ProfileService:
    """Makes profiles and comparisons in a sandbox, each once at a time; ``name`` is how events call it."""

    def __init__(
        self,
        *,
        name: str,
        log: EventLog,
        bus: CommandBus,
        sandbox: SandboxServer,
        artifacts: ArtifactStore,
        scratch: Path,
    ) -> None:
        self._actor = Actor(id=name, kind="service")
        self._log = log
        self._bus = bus
        self._sandbox = sandbox
        self._artifacts = artifacts
        self._scratch = scratch
        self._lock = threading.Lock()
        self._asked: OrderedDict[tuple[str | int, ...], Future[Any]] = OrderedDict()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="profiles")

    def close(self) -> None:
        """Begin no more, and wait for what is under way; the sandbox ends it first."""
        self._threads.shutdown(cancel_futures=True)

    def profile(self, version: Version) -> Future[str]:
        """The digest of the profile of a version that has none yet; fails with `NotAllowed` or `Unavailable`."""
        return self._once(("profile", version.dataset_id, version.number), lambda: self._profile(version))

    def drift(self, reference: Version, current: Version) -> Future[bytes]:
        """How far a version has moved from another, as JSON; what fails, fails like `profile`."""
        return self._once(("drift", reference.artifact, current.artifact), lambda: self._drift(reference, current))

    def served(self, reference: Version, parts: Sequence[str], target: str) -> Future[bytes]:
        """How far logged predictions have moved from a version that has the column ``target``; fails like `profile`."""
        key = ("served", reference.artifact, target, *parts)
        return self._once(key, lambda: self._served(reference, parts, target))

    def _once(self, key: tuple[str | int, ...], make: Callable[[], R]) -> Future[R]:
        """What was made, is under way, or begins now; what failed begins anew."""
        with self._lock:
            found = self._asked.get(key)
            if found is not None and not (found.done() and (found.cancelled() or found.exception())):
                self._asked.move_to_end(key)
                return found
            begun = self._asked[key] = self._threads.submit(make)
            for old in [key for key, future in self._asked.items() if future.done()][: max(0, len(self._asked) - KEPT)]:
                del self._asked[old]
            return begun

    def _profile(self, version: Version) -> str:
        with tempfile.TemporaryDirectory(prefix="profile-", dir=self._scratch) as folder:
            target = Path(folder) / "profile.json"
            profiled = self._in_sandbox(profile_table, self._table(version), str(target))
            digest = self._artifacts.put(target)
        self._record(version, digest, profiled.sampled, profiled.warnings)
        return digest

    def _record(self, version: Version, digest: str, sampled: int, warnings: Sequence[dict[str, Any]]) -> None:
        events = self._log.load({version.dataset_id: 0})[version.dataset_id]
        # Every version is an event of its own, after the one that named the dataset.
        cause = [event for event in events if event.type == "DatasetVersionAdded"][version.number - 1]
        command = ProfileDataset(
            id=version.dataset_id,
            dataset_version=version.number,
            profile=digest,
            sampled=sampled,
            warnings=tuple(Suspicion.model_validate(warning) for warning in warnings),
        )
        self._bus.send(command, Context.following(self._actor, cause)).result()

    def _drift(self, reference: Version, current: Version) -> bytes:
        return self._in_sandbox(compare_tables, self._table(reference), self._table(current))

    def _served(self, reference: Version, parts: Sequence[str], target: str) -> bytes:
        paths = tuple(str(self._artifacts.path(part)) for part in parts)
        return self._in_sandbox(compare_served, self._table(reference), paths, target)

    def _table(self, version: Version) -> Table:
        return Table(str(self._artifacts.path(version.artifact)), version.rows, version.columns)

    def _in_sandbox(self, function: Callable[..., R], *task: Any) -> R:
        child = self._sandbox.fork()
        try:
            return child.run(function, *task, limits=Limits(SECONDS, MEMORY, threads=1))
        except ChildTimedOut as error:
            raise NotAllowed(f"it takes longer than {SECONDS:g} s, and is not made") from error
        except ChildFailed as failure:
            if failure.kind == "memory":
                raise NotAllowed(f"it needs more than {MEMORY >> 20} MiB of memory, and is not made") from failure
            if failure.error is not None:
                raise failure.error from failure
            # What a library says may quote the data.
            logger.warning("%s failed with %s", function.__name__, failure.type_name)
            raise NotAllowed(f"it cannot be made: a library failed ({failure.type_name})") from failure
        except (ChildDied, ChildCancelled) as error:
            raise Unavailable("the process that made it died; ask again") from error
