"""What a command is, and how its handler is declared."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, cast

import msgspec
from pydantic import BaseModel, ConfigDict, StringConstraints

from skyulf.errors import NotFound
from skyulf.events.access import AccessState
from skyulf.events.base import Actor, DomainEvent, Recorded
from skyulf.events.dataset import DatasetState
from skyulf.events.deployment import DeploymentState
from skyulf.events.job import JobState
from skyulf.events.model import ModelState
from skyulf.events.pipeline import PipelineState
from skyulf.events.webhook import WebhookState

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,100}$")]
"""A name that people give to a model, a deployment or an alias; it becomes part of an id."""

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
"""A name that people give to a dataset or a pipeline; any text."""


class Command(BaseModel):
    """Something asked of the system, in the imperative; frozen.

    ``CREATES`` is the noun whose id the bus makes when ``id`` is empty. ``NOT_SENT`` names fields that the system
    filled in for the caller: they do not count when a repeated command is compared with the first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    CREATES: ClassVar[str | None] = None
    NOT_SENT: ClassVar[frozenset[str]] = frozenset()

    id: str = ""

    def not_sent(self) -> dict[str, Any]:
        """The fields of this command, and the parts of them, that do not count as sent: what pydantic excludes."""
        return dict.fromkeys(self.NOT_SENT, True)

    def fingerprint(self, reason: str | None) -> str:
        """SHA-256 over the command's name and what the caller sent, the reason included."""
        sent = self.model_dump(mode="json", exclude=self.not_sent())
        text = msgspec.json.encode([type(self).__name__, sent, reason], order="deterministic")
        return hashlib.sha256(text).hexdigest()


class Context(msgspec.Struct, frozen=True):
    """Who sends a command, and the circumstances.

    ``command_id`` is the caller's Idempotency-Key, or None when the caller gave none. ``if_match`` is the version
    that the stream in ``id`` must have.
    """

    actor: Actor
    command_id: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    reason: str | None = None
    traceparent: str | None = None
    if_match: int | None = None

    @classmethod
    def following(cls, actor: Actor, cause: Recorded) -> "Context":
        """The circumstances of what ``actor`` does because of an event: the same conversation, and the same trace."""
        told = cause.metadata
        return cls(actor=actor, correlation_id=told.correlation_id, causation_id=cause.id, traceparent=told.traceparent)


@dataclass(frozen=True, slots=True)
class Streams:
    """The states of the streams that a command reads; None where a stream has no events."""

    states: Mapping[str, Any]

    def dataset(self, stream: str) -> DatasetState:
        """The dataset; raises `NotFound`."""
        return cast("DatasetState", self._existing("dataset", stream))

    def pipeline(self, stream: str) -> PipelineState:
        """The pipeline; raises `NotFound`."""
        return cast("PipelineState", self._existing("pipeline", stream))

    def job(self, stream: str) -> JobState:
        """The job; raises `NotFound`."""
        return cast("JobState", self._existing("job", stream))

    def model(self, stream: str) -> ModelState:
        """The model; raises `NotFound`."""
        return cast("ModelState", self._existing("model", stream))

    def deployment(self, stream: str) -> DeploymentState:
        """The deployment; raises `NotFound`."""
        return cast("DeploymentState", self._existing("deployment", stream))

    def access(self, stream: str) -> AccessState:
        """The access key; raises `NotFound`."""
        return cast("AccessState", self._existing("access", stream))

    def webhook(self, stream: str) -> WebhookState:
        """The webhook; raises `NotFound`."""
        return cast("WebhookState", self._existing("webhook", stream))

    def find(self, stream: str) -> Any:
        """The state of the stream, or None."""
        return self.states[stream]

    def _existing(self, noun: str, stream: str) -> Any:
        state = self.states.get(stream) if stream.startswith(f"{noun}-") else None
        if state is None:
            raise NotFound(f"there is no {noun} {stream.removeprefix(f'{noun}-') if noun in NAMED else stream}")
        return state


NAMED = frozenset({"model", "deployment"})
"""The nouns that people name themselves; the others have ids that the system makes."""

Decided = Sequence[tuple[str, DomainEvent]]
"""Events, each with its stream, in the order in which they are written."""


@dataclass(frozen=True, slots=True)
class Handler:
    """How one kind of command is handled: which streams it reads, and what it decides from their states."""

    reads: Callable[[Any], Sequence[str]]
    decide: Callable[[Any, Streams], Decided]


def own_stream(command: Command) -> Sequence[str]:
    """The streams of a command that reads only the thing that it is about."""
    return (command.id,)
