"""Which format a body is in (Content-Type), and which one an answer is to be in (Accept; RFC 9110, 12.5.1)."""

from collections.abc import Mapping
from functools import lru_cache

from starlette.exceptions import HTTPException

from skyulf.serving.formats import MEDIA_TYPES, Format

FORMATS: Mapping[str, Format] = {media_type: form for form, media_type in MEDIA_TYPES.items()}

TAKEN = ", ".join(FORMATS)

LONGEST_ACCEPT = 1_000
"""Characters of an Accept header that are read; what is longer is taken for no wish at all."""


@lru_cache(256)
def sent_format(content_type: bytes) -> Format:
    """The format of a body; raises 415. CSV is UTF-8."""
    media_type, _, parameters = content_type.decode("latin-1").lower().partition(";")
    form = FORMATS.get(media_type.strip())
    if form is None:
        raise HTTPException(415, f"send one of {TAKEN}")
    charset = _parameters(parameters).get("charset", "utf-8").strip('"')
    if form == "csv" and charset not in ("utf-8", "utf8", "us-ascii"):
        raise HTTPException(415, "send CSV in UTF-8")
    return form


@lru_cache(256)
def wanted_format(accept: bytes) -> Format:
    """The format that an answer is to be in: JSON unless another is asked for; raises 406."""
    text = accept.decode("latin-1").lower()
    if not text.strip() or len(text) > LONGEST_ACCEPT:
        return "json"
    ranges = [_range(part) for part in text.split(",") if part.strip()]
    liked = {form: _quality(media_type, ranges) for media_type, form in FORMATS.items()}
    best = max(liked, key=lambda form: liked[form])  # the first of equals, and JSON is the first
    if liked[best] <= 0:
        raise HTTPException(406, f"the answer can be one of {TAKEN}")
    return best


Range = tuple[str, float]


def _range(part: str) -> Range:
    """A media range and how much it is liked, from 0 to 1; what cannot be read is liked like any other."""
    media_range, _, parameters = part.partition(";")
    try:
        quality = float(_parameters(parameters).get("q", "1"))
    except ValueError:
        quality = 1.0
    return media_range.strip(), quality if 0 <= quality <= 1 else 1.0


def _quality(media_type: str, ranges: list[Range]) -> float:
    """How much a media type is liked, by the most specific range that it is in."""
    for wanted in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        found = [quality for media_range, quality in ranges if media_range == wanted]
        if found:
            return max(found)
    return 0.0


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs}
