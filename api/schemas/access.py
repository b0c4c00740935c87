"""Access keys over HTTP."""

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from api.schemas.base import CommandAnswer, Request, Response
from skyulf.events.access import Role


class KeyIn(Request):
    """Whom a key is for, and what it is good for."""

    name: str = Field(min_length=1, max_length=200)
    roles: list[Role] = Field(min_length=1, max_length=10)
    kind: Literal["human", "service", "worker"] = "human"
    actor: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    expires_at: AwareDatetime | None = Field(default=None, strict=False)


class KeyAnswer(CommandAnswer):
    """What became of issuing a key.

    ``key`` is shown this once; it is null where the same command had been sent before.
    """

    key: str | None


class KeyOut(Response):
    """A key, without what it opens with."""

    id: str
    version: int
    name: str
    actor: str
    kind: str
    roles: list[Role]
    created_at: datetime
    expires_at: datetime | None
    revoked: bool
