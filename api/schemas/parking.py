"""Over HTTP: what could not be taken, and what became of it."""

from datetime import datetime
from typing import Any

from pydantic import Field

from api.schemas.base import CommandAnswer, Response
from api.schemas.projection import ParkedOut


class ParkedEventOut(ParkedOut):
    """A parked event: as it stands in the log, how many wait behind it, and for which one it waits itself."""

    behind_it: int
    waits_for: int | None
    event: dict[str, Any] = Field(description="The event as a CloudEvent.")


class ReleaseAnswer(Response):
    """How many parked events of a key were folded."""

    name: str
    key: str
    released: int


class ReleaseAllAnswer(Response):
    """How many parked events were folded, and the first of each key that still fails."""

    name: str
    released: int
    failing: list[ParkedOut]


class PurgeAnswer(CommandAnswer):
    """A purge as it was recorded: of which projection, and the position of the event that it goes without."""

    name: str
    purged: int


class PurgedOut(Response):
    """An event that a projection goes without; ``left_out`` says whether the rows that are read now are without it."""

    position: int
    key: str
    left_out: bool
    purged_at: datetime
    actor: str
    reason: str | None
    purge_position: int


class ParkedMessageOut(Response):
    """A message that could not be read and was passed over: where it is, why not, and since when that is known."""

    place: str
    error: str
    since: datetime


class ReactionOut(Response):
    """A reaction, and what was meant to wake it and could not be read."""

    name: str
    parked: list[ParkedMessageOut]


class ForgetAnswer(Response):
    """How many parked messages of a reaction are no longer shown."""

    name: str
    released: int
