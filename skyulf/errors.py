"""Domain errors: what each one means stands in its docstring; ``api/problems.py`` maps them to HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass


class SkyulfError(Exception):
    """Base of everything that Skyulf refuses or fails at on purpose; ``detail`` is fit for a person to read."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFound(SkyulfError):
    """The thing that was named does not exist."""


class NotAllowed(SkyulfError):
    """The state of the thing forbids what was asked of it."""


class Erased(SkyulfError):
    """What is asked for was destroyed with the data of its dataset; nothing brings it back."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with what a caller sent: where it is and what would be right. Never holds a data value."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class Invalid(SkyulfError):
    """What the caller sent is not valid; ``faults`` name each place and what would be right."""

    def __init__(self, detail: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.faults = tuple(faults)


class WrongVersion(SkyulfError):
    """A stream is not at the version that the writer expected."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(f"{stream} is at version {actual}, not at {expected} as was expected")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class PreconditionFailed(SkyulfError):
    """The thing has changed since the version that the caller named in If-Match."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        asked = f"{expected} as" if expected >= 0 else "what"
        super().__init__(f"{stream} is at version {actual}, not at {asked} If-Match asked; read it again")
        self.current_version = actual


class CommandReused(SkyulfError):
    """The command id was used before, by the same caller, for another request."""


class Unavailable(SkyulfError):
    """The system cannot answer now and will soon; ``retry_after`` is in seconds."""

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class TrainingFailed(SkyulfError):
    """A job cannot be trained for a reason that lies in its data or spec; the detail holds no data value."""


class ScoringFailed(SkyulfError):
    """A dataset cannot be scored with a model for a reason that lies in the two; the detail holds no data value."""


class Damaged(SkyulfError):
    """Stored bytes are not what their digest, signature or format says; they were not used."""


class AnotherContent(Damaged):
    """An artifact's content is not the one that it is kept under: it has the digest ``found``."""

    def __init__(self, digest: str, found: str) -> None:
        super().__init__(f"the artifact {digest} is damaged: its content has the digest {found}")
        self.found = found


class Outdated(SkyulfError):
    """Newer code wrote what this process cannot read: another process may answer, and this one when it is upgraded."""


class Misconfigured(SkyulfError):
    """A setting is wrong; the detail names the setting and the way out."""
