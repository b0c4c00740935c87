"""What became of a command: a line in the log of the process, and what its counts are made of."""

import logging
from typing import Literal

import msgspec

from skyulf.commands.answers import Answer
from skyulf.commands.base import Command, Context
from skyulf.errors import SkyulfError, Unavailable
from skyulf.events.base import Recorded

Outcome = Literal["recorded", "repeated", "unchanged", "refused", "unavailable", "failed"]
"""Events were written; the same command wrote them before; there was nothing to do; the state or the request forbids
it; it may be sent again; a fault of ours."""

logger = logging.getLogger("skyulf.commands")


class Settled(msgspec.Struct, frozen=True):
    """A command that has its answer: the events that it has just written, and the seconds since it was handed in."""

    command: Command
    context: Context
    answer: Answer | Exception
    written: tuple[Recorded, ...]
    seconds: float

    @property
    def name(self) -> str:
        """What was asked for."""
        return type(self.command).__name__

    @property
    def outcome(self) -> Outcome:
        """What became of it, in a word."""
        if self.written:
            return "recorded"
        match self.answer:
            case Unavailable():
                return "unavailable"
            case SkyulfError():
                return "refused"
            case Exception():
                return "failed"
        return "repeated" if self.answer.events else "unchanged"


def tell(settled: Settled) -> None:
    """Write a line about a command, without anything that it holds; faults of ours are told by who sent it."""
    if not logger.isEnabledFor(logging.INFO):
        return
    context, answer = settled.context, settled.answer
    fields: dict[str, object] = {
        "command": settled.name,
        "outcome": settled.outcome,
        "stream": settled.command.id,
        "ms": round(settled.seconds * 1000, 3),
        "actor": context.actor.id,
        "correlation_id": context.correlation_id,
        "command_id": context.command_id,
        "traceparent": context.traceparent,
    }
    if isinstance(answer, Exception):
        fields["error"] = type(answer).__name__
    else:
        fields["stream"], fields["position"] = answer.id, answer.position
    if settled.written:
        metadata = settled.written[0].metadata
        fields["correlation_id"], fields["command_id"] = metadata.correlation_id, metadata.command_id
    logger.info("%s %s", settled.name, settled.outcome, extra={"fields": fields})
