"""Which process has the data directory; apart from the client, so that a server need not import one."""

from typing import Protocol

from skyulf.errors import Misconfigured
from skyulf.settings import Settings


class Owner(Protocol):
    """The process that owns a data directory, and where it answers, if it does."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def url(self) -> str | None:
        """Where it answers; None when it serves nothing, or not yet."""
        ...


def owner_of(settings: Settings) -> Owner | None:
    """The process that owns the data directory; raises `Misconfigured` when it cannot be looked into."""
    from skyulf import runtime

    try:
        return runtime.owner_of(settings)
    except OSError as error:
        raise Misconfigured(f"SKYULF_DATA_DIR: {settings.data_dir} cannot be used ({error.strerror})") from error
