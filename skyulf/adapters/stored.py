"""How an event's envelope is stored beside its stream, version and name: one JSON text."""

from functools import lru_cache

import msgspec

from skyulf.errors import Damaged, WrongVersion
from skyulf.events.base import DomainEvent, Metadata, Recorded
from skyulf.events.examination import Examined, Unreadable
from skyulf.events.log import Write


class Stored(msgspec.Struct, frozen=True):
    """The part of the envelope that has no column of its own; ``data`` stays JSON text, inside the same text."""

    id: str
    ordinal: int
    metadata: Metadata
    data: msgspec.Raw


_decoder = msgspec.json.Decoder(Stored)


def state_of(event_id: str, ordinal: int, metadata: Metadata, data: bytes) -> bytes:
    """The stored text of an event."""
    return msgspec.json.encode(Stored(id=event_id, ordinal=ordinal, metadata=metadata, data=msgspec.Raw(data)))


def data_of(event: DomainEvent) -> bytes:
    """The event's own data as JSON text; non-finite numbers become null."""
    return event.model_dump_json().encode()


def recorded_from(position: int, stream: str, version: int, name: str, state: bytes | str) -> Recorded:
    """The event that was stored; raises `Damaged` when the text is not an envelope."""
    try:
        stored = _decoder.decode(state)
    except msgspec.DecodeError as error:
        raise Damaged(f"position {position}: the stored envelope does not decode: {error}") from error
    event_type, schema = _type_and_schema(name)
    metadata, ordinal, data = stored.metadata, stored.ordinal, bytes(stored.data)
    return Recorded(position, stream, version, stored.id, event_type, schema, metadata, ordinal, data)


NO_COLUMN = "a stored column holds what no event has"


def examined(
    position: int,
    stream: bytes | None,
    version: object,
    name: bytes | None,
    state: bytes | None,
    actor: bytes | None,
    command_id: bytes | None,
    ordinal: object,
) -> Examined:
    """The event of a row, if the row is to the byte what would be written for it; texts come as their bytes."""
    if stream is None or name is None or state is None or not isinstance(version, int):
        return Unreadable(position, NO_COLUMN)
    try:
        state.decode()  # data is passed on as it stands, and whoever reads an export could not read that
        recorded = recorded_from(position, stream.decode(), version, name.decode(), state)
    except UnicodeDecodeError:
        return Unreadable(position, "the stored text is not UTF-8")
    except Damaged:
        return Unreadable(position, "the stored envelope does not decode")
    except ValueError:
        return Unreadable(position, NO_COLUMN)
    metadata = recorded.metadata
    if state_of(recorded.id, recorded.ordinal, metadata, recorded.data) != state:
        return Unreadable(position, "the stored envelope is not written as the log writes it")
    command = (metadata.actor.id.encode(), metadata.command_id.encode(), recorded.ordinal)
    if name != recorded.name.encode() or (actor, command_id, ordinal) != command:
        return Unreadable(position, "a stored column contradicts the envelope")
    return recorded


@lru_cache(maxsize=1024)
def _type_and_schema(name: str) -> tuple[str, int]:
    event_type, _, schema = name.partition("@")
    return event_type, int(schema)


def wrong_version(writes: tuple[Write, ...], versions: dict[str, int]) -> WrongVersion | None:
    """The first of ``writes`` whose stream is not at the version that it expects, as an error."""
    for write in writes:
        actual = versions[write.stream]
        if actual != write.expected_version:
            return WrongVersion(write.stream, write.expected_version, actual)
    return None


def command_twice(recorded: Recorded) -> Damaged:
    """The error for a restored record whose command has written its ordinal before."""
    return Damaged(f"position {recorded.position}: the command of {recorded.metadata.actor.id} stands there twice")


class RestoreCheck:
    """Sees that restored records rise in position and are dense in version."""

    def __init__(self) -> None:
        self._position = 0
        self._versions: dict[str, int] = {}

    def see(self, recorded: Recorded) -> None:
        """Take the next record; raises `Damaged` naming its position when it cannot follow the last one."""
        if recorded.position <= self._position:
            raise Damaged(f"position {recorded.position} does not rise above {self._position}")
        expected = self._versions.get(recorded.stream, 0) + 1
        if recorded.version != expected:
            raise Damaged(
                f"position {recorded.position}: {recorded.stream} continues with version {recorded.version}, "
                f"not {expected}; the export is not whole"
            )
        self._position = recorded.position
        self._versions[recorded.stream] = recorded.version
