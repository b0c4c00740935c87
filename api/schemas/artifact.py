"""Files of artifacts over HTTP."""

from api.schemas.base import Response
from skyulf.reactions.collecting import Found

MOST_SHOWN = 1_000


class UnnamedOut(Response):
    """Files that no event names: ``digests`` of the first thousand that are old enough to go, and ``files`` in all.

    ``young`` are too new, as an event may be about to name them. ``kept`` counts files that are named, by the noun of
    the event that did so: these stay.
    """

    older_than: int
    files: int
    bytes: int
    digests: list[str]
    young: int
    kept: dict[str, int]


def shown(found: Found, older_than: int) -> UnnamedOut:
    """What was found, as it is answered."""
    return UnnamedOut(
        older_than=older_than,
        files=len(found.unnamed),
        bytes=found.size,
        digests=[file.digest for file in found.unnamed[:MOST_SHOWN]],
        young=found.young,
        kept=found.kept,
    )
