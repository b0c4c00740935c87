"""Profiles dataset versions, compares them, and attributes what models say, when somebody asks.

What came of a profile is reported by a command.

A profile is made once: what is under way is joined by who asks meanwhile, what was made is found by its version, and
made twice by two processes it is the same, byte for byte, and recorded once. One that a kill cut off is made when it is
asked for again. Comparisons and attributions are not kept: they follow from tables and models that never change.
"""

import tempfile
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyulf.artifacts import DataStore
from skyulf.commands.base import Context
from skyulf.commands.bus import CommandBus
from skyulf.commands.dataset import ProfileDataset
from skyulf.events.base import Actor
from skyulf.events.dataset import Suspicion
from skyulf.events.log import EventLog
from skyulf.reactions.finisher import Finish, attribute_model
from skyulf.reactions.on_request import OnRequest
from skyulf.reactions.profiler import Table, compare_served, compare_tables, profile_table
from skyulf.reactions.sandbox import SandboxServer

SECONDS = 900.0
"""The longest that a profile or a comparison may take."""

MEMORY = 2 << 30
"""Bytes of memory that it may take, whatever the table's size."""

AT_ONCE = 2
"""At most so many are made at once; others wait."""


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
        artifacts: DataStore,
        scratch: Path,
    ) -> None:
        self._actor = Actor(id=name, kind="service")
        self._log = log
        self._bus = bus
        self._artifacts = artifacts
        self._scratch = scratch
        self._asked = OnRequest(sandbox, "profiles", AT_ONCE, SECONDS, MEMORY)

    def close(self) -> None:
        """Begin no more, and wait for what is under way; the sandbox ends it first."""
        self._asked.close()

    def profile(self, version: Version) -> Future[str]:
        """The digest of the profile of a version that has none yet; fails with `NotAllowed` or `Unavailable`."""
        return self._asked.once(("profile", version.dataset_id, version.number), lambda: self._profile(version))

    def drift(self, reference: Version, current: Version) -> Future[bytes]:
        """How far a version has moved from another, as JSON; what fails, fails like `profile`."""
        return self._asked.once(
            ("drift", reference.artifact, current.artifact), lambda: self._drift(reference, current)
        )

    def served(self, reference: Version, parts: Sequence[str], target: str) -> Future[bytes]:
        """How far logged predictions have moved from a version that has the column ``target``; fails like `profile`."""
        key = ("served", reference.artifact, target, *parts)
        return self._asked.once(key, lambda: self._served(reference, parts, target))

    def attribution(self, model: str, version: Version, seed: int, sampled: int | None = None) -> Future[bytes]:
        """How much each column moves what a model of a version says, as JSON; what fails, fails like `profile`.

        ``sampled`` of the version's rows were trained on, where not all were.
        """
        key = ("attribution", model, version.artifact, seed)
        return self._asked.once(key, lambda: self._attribution(model, version, seed, sampled))

    def _profile(self, version: Version) -> str:
        with tempfile.TemporaryDirectory(prefix="profile-", dir=self._scratch) as folder:
            target = Path(folder) / "profile.json"
            profiled = self._asked.in_sandbox(profile_table, self._table(version), str(target))
            digest = self._artifacts.put_for(version.dataset_id, target)
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
        return self._asked.in_sandbox(compare_tables, self._table(reference), self._table(current))

    def _attribution(self, model: str, version: Version, seed: int, sampled: int | None) -> bytes:
        file, table = (str(self._artifacts.path(digest)) for digest in (model, version.artifact))
        task = Finish(file, model, table, "", version.columns, seed, version.rows, sampled)
        return self._asked.in_sandbox(attribute_model, task)

    def _served(self, reference: Version, parts: Sequence[str], target: str) -> bytes:
        paths = tuple(str(self._artifacts.path(part)) for part in parts)
        return self._asked.in_sandbox(compare_served, self._table(reference), paths, target)

    def _table(self, version: Version) -> Table:
        return Table(str(self._artifacts.path(version.artifact)), version.rows, version.columns)
