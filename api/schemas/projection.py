"""Projections over HTTP."""

from datetime import datetime

from api.schemas.base import Response


class ParkedOut(Response):
    """An event that waits: the first of its key failed (``error``), the others stand behind it."""

    position: int
    key: str
    stream: str
    error: str | None
    attempts: int


class ProjectionOut(Response):
    """How far a projection is, and what is parked."""

    name: str
    version: int
    status: str
    position: int
    lag: int
    build: int
    rebuild_position: int | None
    parked: list[ParkedOut]


class RebuildAnswer(Response):
    """A rebuild that is under way: the number of its build."""

    name: str
    build: int


class ReleaseAnswer(Response):
    """How many parked events of a key were folded."""

    name: str
    key: str
    released: int


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
