"""The bytes of a text file: their digest, the encoding they are in, and the same text as UTF-8.

UTF-8, with a byte order mark or without, is read where it lies; UTF-16 (told by its byte order mark) and
Windows-1252 (told by not being UTF-8, and by holding none of the bytes that it leaves open) are rewritten as UTF-8.
"""

import codecs
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyulf.errors import Fault, Invalid

PIECE = 1 << 20

_BINARY = {
    b"PK\x03\x04": "a ZIP or Excel file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "gzip-compressed",
    b"%PDF": "a PDF document",
}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_1252 = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f\x81\x8d\x8f\x90\x9d]")
"""Control characters, and the bytes that Windows-1252 has no character for."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text file as UTF-8: ``path`` is where, ``start`` the offset after a byte order mark and empty lines.

    ``digest`` is of the bytes as they were sent; ``quotes_pair`` tells that there is an even number of them.
    """

    path: Path
    digest: str
    encoding: str
    size: int
    start: int
    quotes_pair: bool


def digest_of(path: Path, send: Callable[[Any], None]) -> str:
    """The digest of the file's bytes."""
    digest, size, read = hashlib.sha256(), path.stat().st_size, 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            read += len(piece)
            send({"stage": "checking", "fraction": read / size})
    return f"sha256:{digest.hexdigest()}"


def open_text(path: Path, scratch: Path, what: str, send: Callable[[Any], None]) -> Text:
    """Check the file, said to be ``what``, and rewrite it to ``scratch`` unless it is UTF-8. Raises Invalid."""
    with path.open("rb") as file:
        head = file.read(4)
    for magic, found in _BINARY.items():
        if head.startswith(magic):
            raise Invalid(f"the file is {found}, not {what} as its name says; send {what} as UTF-8 text")
    seen = _Seen()
    utf16 = head.startswith(_UTF16)
    size, read, digest = path.stat().st_size, 0, hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            if not utf16:
                seen.add(piece)
            read += len(piece)
            send({"stage": "checking", "fraction": read / size})
    encoding = "utf-16" if utf16 else seen.encoding(what)
    if encoding != "utf-8":
        _rewrite(path, encoding, scratch)
        path = scratch
    start, quotes = _start(path), _quotes(path)
    if start == path.stat().st_size:
        raise Invalid("the file is empty")
    return Text(path, f"sha256:{digest.hexdigest()}", encoding, path.stat().st_size, start, quotes % 2 == 0)


class _Seen:
    """What the bytes so far say of their encoding."""

    def __init__(self) -> None:
        self._strict = codecs.getincrementaldecoder("utf-8")()
        self._lenient: codecs.IncrementalDecoder | None = None
        self._lines = 1
        self._broken = ""
        self._unlike_1252 = ""
        self._proper = self._improper = 0

    def add(self, piece: bytes) -> None:
        """Take the next bytes into account."""
        if b"\0" in piece:
            raise Invalid("the file is not text (it holds zero bytes), though its name says so")
        if not self._unlike_1252 and (open_byte := _NOT_1252.search(piece)):
            self._unlike_1252 = self._line(piece, open_byte.start())
        if self._lenient is None:
            waiting = self._strict.getstate()[0]
            try:
                self._proper += len(waiting) + len(piece) - len(self._strict.decode(piece))
            except UnicodeDecodeError as error:
                self._broken = self._line(piece, max(0, error.start - len(waiting)))
                self._lenient = codecs.getincrementaldecoder("utf-8")(errors="replace")
                piece_text = self._lenient.decode(waiting + piece)
                self._count(piece_text)
        else:
            self._count(self._lenient.decode(piece))
        self._lines += piece.count(b"\n")

    def encoding(self, what: str) -> str:
        """The encoding of all that was added; raises Invalid naming the line where none fits."""
        if self._lenient is None:
            try:
                self._strict.decode(b"", final=True)
            except UnicodeDecodeError:
                self._broken = f"line {self._lines}"
                self._improper += 1
            else:
                return "utf-8"
        if self._proper > self._improper or self._unlike_1252:
            place = self._broken if self._proper > self._improper else self._unlike_1252
            fault = Fault(place, "is not UTF-8; save the file as UTF-8")
            raise Invalid(f"the file is not UTF-8 text, nor {what} in another encoding that is known", [fault])
        return "windows-1252"

    def _count(self, text: str) -> None:
        bad = text.count("\ufffd")
        self._improper += bad
        self._proper += len(text.encode()) - len(text) - 2 * bad

    def _line(self, piece: bytes, at: int) -> str:
        return f"line {self._lines + piece[:at].count(bytes([10]))}"


def _rewrite(path: Path, encoding: str, target: Path) -> None:
    lines = 1
    with path.open("rb") as source, target.open("wb") as file:
        decoder = codecs.getincrementaldecoder({"windows-1252": "cp1252"}.get(encoding, encoding))()
        while True:
            piece = source.read(PIECE)
            try:
                text = decoder.decode(piece, final=not piece)
            except UnicodeDecodeError:
                fault = Fault(f"after line {lines}", "is not UTF-16 as the file begins; save the file as UTF-8")
                raise Invalid("the file is damaged, or cut short", [fault]) from None
            if "\0" in text:
                raise Invalid("the file is not text (it holds zero characters), though its name says so")
            lines += text.count("\n")
            file.write(text.encode())
            if not piece:
                return


def _start(path: Path) -> int:
    with path.open("rb") as file:
        head = file.read(PIECE)
    return len(head) - len(head.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n"))


def _quotes(path: Path) -> int:
    quotes = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            quotes += piece.count(b'"')
    return quotes
