"""W3C Trace Context: a trace that others have begun is continued, and kept in what we record."""

import re
from collections.abc import Callable, Sequence

PARENT = re.compile(
    rb"(?P<version>(?!ff)[0-9a-f]{2})-(?P<ids>(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(?P<more>-.*)?"
)


def continued(header: bytes) -> str | None:
    """A ``traceparent`` as version 00 writes it; None when it is not valid (W3C Trace Context, 3.2).

    Of a version above 00 what we know of it counts, and more may follow.
    """
    match = PARENT.fullmatch(header.strip())
    if match is None or (match["version"] == b"00" and match["more"]):
        return None
    return f"00-{match['ids'].decode()}"


def traceparent_of(headers: Sequence[bytes], new_id: Callable[[], str]) -> str | None:
    """The trace that a request belongs to, by its ``traceparent`` headers; None where nobody traces it.

    A valid one is continued as it is: we make no spans of our own, and what follows is a child of the caller's. One
    that is not valid, or comes twice, begins a trace anew, with ids from ``new_id``, a source of UUIDv7.
    """
    if not headers:
        return None
    known = continued(headers[0]) if len(headers) == 1 else None
    return known or f"00-{new_id().replace('-', '')}-{new_id().replace('-', '')[16:]}-00"
