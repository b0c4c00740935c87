"""Projections over HTTP."""

from typing import Annotated

from pydantic import BeforeValidator

from api.schemas.base import Response

SHOWN = 1_000
"""Parked events that are shown with their projection; there is a list of all."""


class ParkedOut(Response):
    """An event that waits: the first of its key failed (``error``), the others stand behind it."""

    position: int
    key: str
    stream: str
    error: str | None
    attempts: int


class RebuildOut(Response):
    """A build that is to take the live one's place: how far of the log, from 0 to 1, and whether it is stopped."""

    build: int
    position: int
    fraction: float
    stopped: bool


class ProjectionOut(Response):
    """How far a projection is, and what is parked.

    ``parked`` are the first of the ``parked_events`` that wait; ``purged`` are the positions of events that its rows
    leave out.
    """

    name: str
    version: int
    status: str
    position: int
    lag: int
    build: int
    rebuild_position: int | None
    rebuild: RebuildOut | None
    parked: Annotated[list[ParkedOut], BeforeValidator(lambda parked: parked[:SHOWN])]
    parked_events: int
    purged: list[int]


class RebuildAnswer(Response):
    """A rebuild that is under way: the number of its build."""

    name: str
    build: int
