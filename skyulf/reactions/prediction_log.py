"""Puts away what was drawn of predictions, at intervals: a table in a sandbox, an artifact, and an event by a command.

Nobody waits for it. What could not be put away is counted as lost; a sample that is killed with its process is lost
without being counted, since what is promised is a sample.
"""

import logging
import tempfile
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from skyulf.artifacts import DataStore
from skyulf.commands.answers import Answer
from skyulf.commands.base import Context
from skyulf.commands.bus import CommandBus
from skyulf.commands.prediction_log import RecordPredictions
from skyulf.errors import SkyulfError
from skyulf.events.base import Actor
from skyulf.events.deployment import DeploymentState, PredictionsForgotten, Target
from skyulf.events.holdings import trained_on
from skyulf.events.log import EventLog
from skyulf.events.registry import decode, replay
from skyulf.reactions.sandbox import Limits, SandboxError, SandboxServer

LIMITS = Limits(seconds=120, memory_bytes=1 << 30, threads=1)

LAST_SECONDS = 4.0
"""Seconds that a process which ends gives the last part to be written."""

logger = logging.getLogger(__name__)


class Batch(Protocol):
    """What was drawn of one deployment while it served one version."""

    @property
    def name(self) -> str:
        """The deployment's name."""
        ...

    @property
    def target(self) -> Target:
        """What it served."""
        ...

    @property
    def samples(self) -> Sequence[tuple[Any, ...]]:
        """Requests and their answers; the time comes first."""
        ...

    @property
    def lost(self) -> int:
        """How many more did not fit."""
        ...


class Samples(Protocol):
    """Where it is drawn: ``full`` is set once there is much of it."""

    full: threading.Event

    def take(self) -> Sequence[Batch]:
        """All since the last call."""
        ...


class Written(Protocol):
    """What came of a table."""

    @property
    def requests(self) -> int:
        """Requests in it."""
        ...

    @property
    def rows(self) -> int:
        """Rows in it."""
        ...

    @property
    def lost(self) -> int:
        """Requests that could not be read."""
        ...


class PredictionLogger:
    """Writes parts of logs every ``seconds``; ``name`` is how events call it.

    ``write`` is the function of the sandbox; ``part`` makes what it is given: of a model's path, samples and a target.
    ``added`` is told the name of a deployment whose log has grown.
    """

    def __init__(
        self,
        *,
        name: str,
        samples: Samples,
        part: Callable[[str, tuple[tuple[Any, ...], ...], str], Any],
        write: Callable[..., Written],
        seconds: float,
        log: EventLog,
        bus: CommandBus,
        sandbox: SandboxServer,
        artifacts: DataStore,
        scratch: Path,
        added: Callable[[str], None],
    ) -> None:
        self._actor = Actor(id=name, kind="service")
        self._samples = samples
        self._part = part
        self._write = write
        self._seconds = seconds
        self._log = log
        self._bus = bus
        self._sandbox = sandbox
        self._artifacts = artifacts
        self._scratch = scratch
        self._added = added
        self._lost: dict[tuple[str, Target], int] = {}
        self._tidied: set[str] = set()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what there is, within some seconds, and end; it is written though this was never started."""
        self._stopping = True
        self._samples.full.set()
        if self._thread.ident is None:
            self.flush()
        else:
            self._thread.join(2 * LAST_SECONDS)

    def _run(self) -> None:
        while not self._stopping:
            self._samples.full.wait(self._seconds)
            self.flush()

    def flush(self) -> None:
        """Put away what was drawn until now."""
        for batch in self._samples.take():
            name, target = batch.name, batch.target
            lost = batch.lost + self._lost.pop((name, target), 0)
            try:
                lost = self._put_away(name, target, batch, lost)
            except (SkyulfError, SandboxError, OSError) as error:
                logger.warning("predictions of %s could not be logged: %s", name, error)
                lost += len(batch.samples)
            except Exception:
                logger.exception("predictions of %s could not be logged", name)
                lost += len(batch.samples)
            if lost:
                self._lost[name, target] = lost  # told with the next part

    def _put_away(self, name: str, target: Target, batch: Batch, lost: int) -> int:
        """Make a part of the log; requests that were lost, where there is no part that can tell of them."""
        moments: list[datetime] = [sample[0] for sample in batch.samples]
        if not moments:
            return lost
        with tempfile.TemporaryDirectory(prefix="log-", dir=self._scratch) as folder:
            file = Path(folder) / "predictions.parquet"
            model = str(self._artifacts.path(target.artifact))
            part = self._part(model, tuple(tuple(sample) for sample in batch.samples), str(file))
            with self._sandbox.fork() as child:
                limits = Limits(LAST_SECONDS, LIMITS.memory_bytes, 1) if self._stopping else LIMITS
                written: Written = child.run(self._write, part, limits=limits)
            lost += written.lost
            if not written.rows:
                return lost
            artifact = self._keep(target, file)
        command = RecordPredictions(
            id=f"deployment-{name}",
            target=target,
            artifact=artifact,
            requests=written.requests,
            rows=written.rows,
            lost=lost,
            since=min(moments),
            until=max(moments),
        )
        answer = self._bus.send(command, Context(actor=self._actor, command_id=artifact)).result()
        self._tidy(command.id, answer)
        if not self._stopping:
            self._added(name)
        return 0

    def _keep(self, target: Target, file: Path) -> str:
        """Keep a part under the key of what the model was trained on: what callers send belongs to no dataset."""
        dataset = trained_on(self._log, target)
        return self._artifacts.put(file) if dataset is None else self._artifacts.put_for(dataset, file)

    def _tidy(self, stream: str, answer: Answer) -> None:
        """Remove what the log has forgotten; once in a process also what another may have been killed over."""
        forgotten = [
            event.artifact for each in answer.events if isinstance(event := decode(each), PredictionsForgotten)
        ]
        if stream not in self._tidied:
            state: DeploymentState | None = replay(stream, None, self._log.load({stream: 0})[stream])
            forgotten += state.forgotten if state else ()
            self._tidied.add(stream)
        for artifact in forgotten:
            self._artifacts.remove(artifact)
