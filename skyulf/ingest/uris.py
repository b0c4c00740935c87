"""Datasets read from where they lie: which URIs the settings allow, and the port to what is behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from skyulf.errors import Fault, Invalid

LONGEST_NAME = 255
"""Characters of a file's name."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a URI names: ``s3://bucket/key`` (the key as it stands) or ``file:///path`` (percent-decoded)."""

    scheme: str
    host: str
    path: str

    @property
    def uri(self) -> str:
        """The URI, as it is recorded; it holds no secret, as `place_of` takes none."""
        return f"{self.scheme}://{self.host}/{quote(self.path) if self.scheme == 'file' else self.path}"

    @property
    def filename(self) -> str:
        """The last part of the path, which decides how the file is read."""
        return self.path.rpartition("/")[2]

    def is_below(self, root: "Place") -> bool:
        """Whether this place is in the folder ``root``."""
        folder = root.path.rstrip("/")
        inside = not folder or self.path.startswith(f"{folder}/")
        return (self.scheme, self.host) == (root.scheme, root.host) and inside


class UriSource(Protocol):
    """Where the files of a scheme come from."""

    def fetch(self, place: Place, root: Place, target: Path, most: int) -> None:
        """Write the file, of at most ``most`` bytes, to a new file at ``target``.

        ``root`` is the folder that was allowed, and out of which no link leads. Raises `Invalid`, with a fault at
        ``uri``, for what is not there, not a file, not to be read or too large, and `Unavailable`.
        """
        ...


class UriFiles:
    """Fetches files from below ``roots``, at most ``most`` bytes of each; what is not below one is refused."""

    def __init__(self, roots: Sequence[Place], sources: Mapping[str, UriSource], most: int) -> None:
        self._roots = tuple(roots)
        self._sources = sources
        self._most = most

    def allowed(self, uri: str) -> Place:
        """The place that the URI names; raises `Invalid` when the settings do not allow it."""
        place = place_of(uri)
        self._root_of(place)
        if len(place.filename) > LONGEST_NAME or not place.filename.isprintable() or not place.filename:
            raise unfit("the URI of a file, whose name has at most 255 printable characters")
        return place

    def fetch(self, place: Place, target: Path) -> None:
        """Write the file at an allowed place to a new file at ``target``; raises `Invalid` and `Unavailable`."""
        self._sources[place.scheme].fetch(place, self._root_of(place), target, self._most)

    def _root_of(self, place: Place) -> Place:
        for root in self._roots:
            if place.is_below(root):
                return root
        if not self._roots:
            raise unfit("the settings allow no URI; upload the file, or have SKYULF_URI_ROOTS name its folder")
        raise unfit("the settings do not allow this place; SKYULF_URI_ROOTS names those that they do")


def place_of(uri: str) -> Place:
    """The place that a URI names; raises `Invalid` for one that is not a plain ``s3://`` or ``file://``."""
    try:
        parts = urlsplit(uri)
        scheme, host = parts.scheme.lower(), parts.netloc
    except ValueError as error:
        raise unfit("a URI such as s3://bucket/table.csv") from error
    if scheme not in ("s3", "file"):
        raise unfit("s3://bucket/table.csv or file:///folder/table.csv; nothing else is read")
    if "@" in host or parts.query or parts.fragment or "?" in uri or "#" in uri:
        raise unfit("without a user, a query or a fragment: only what the server's own credentials may read is read")
    if scheme == "file" and host not in ("", "localhost"):
        raise unfit("file:///folder/table.csv, on the server itself")
    if scheme == "s3" and not host:
        raise unfit("s3://bucket/table.csv")
    path = unquote(parts.path) if scheme == "file" else parts.path
    if uri != uri.strip() or not path.isprintable() or any(part in (".", "..") for part in path.split("/")):
        raise unfit("a path of printable characters, without . and ..")
    return Place(scheme, "" if scheme == "file" else host, path.removeprefix("/"))


def unfit(wanted: str) -> Invalid:
    """The error for a URI that cannot be read, and what would be right."""
    return Invalid("the dataset cannot be read from this URI", [Fault("uri", wanted)])
