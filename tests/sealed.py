"""Logs that are sealed, to be tampered with: many streams, gaps between positions, and the ledger."""

import random
from base64 import b64encode
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from builders import ANN, BOB, NOW, Clock, metadata, named, record, renamed, sequential_ids

from skyulf.adapters.memory_ledger import MemoryLedgerStore
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.events.base import Recorded
from skyulf.events.keys import SigningKey
from skyulf.events.ledger import canonical
from skyulf.events.ledger_store import LedgerStore
from skyulf.events.log import EventLog
from skyulf.queries.audit import AuditService
from skyulf.reactions.sealing import Sealer

KEY = SigningKey("example.org/log", bytes(range(32)))
OTHER_KEY = SigningKey("example.org/log", bytes(range(1, 33)))
"""Another key that goes by the same name."""

SECOND = KEY.successor(bytes(range(3, 35)))
"""The key that takes the place of the log's."""

THIRD = SECOND.successor(bytes(range(4, 36)))

WITNESS = SigningKey("witness.example.org", bytes(range(2, 34)))


def history(count: int, seed: int = 0, gaps: float = 0.1) -> list[Recorded]:
    """``count`` events in streams of their own lengths; a share of positions is left out."""
    dice = random.Random(seed)
    versions: dict[str, int] = {}
    events: list[Recorded] = []
    position = 0
    for number in range(count):
        position += 1 if dice.random() >= gaps else dice.randint(2, 5)
        stream = f"pipeline-{dice.randrange(1 + count // 8)}"
        version = versions[stream] = versions.get(stream, 0) + 1
        event = named(f"näme {number}\x1f") if version == 1 else renamed(f'"{number}"')
        circumstances = metadata(
            f"command-{number}",
            actor=dice.choice((ANN, BOB)),
            recorded_at=NOW.replace(microsecond=dice.randrange(10**6)),
            reason=dice.choice((None, "weil es größer ist")),
            causation_id=dice.choice((None, f"command-{number - 1}")),
        )
        events.append(record(event, position, stream, version, metadata=circumstances))
    return events


def sealer_of(log: EventLog, store: LedgerStore, key: SigningKey = KEY, clock: Clock | None = None) -> Sealer:
    """A sealer to be driven by hand: `Sealer.seal`."""
    return Sealer(log, store, None, lambda: key, lambda: True, clock or Clock(), interval=60)


def sealed(
    events: Iterable[Recorded], *steps: int, keys: Sequence[SigningKey] = (KEY,)
) -> tuple[MemoryEventLog, MemoryLedgerStore]:
    """A log of ``events``, sealed: after the first so many, after so many more, and so on; else all at once.

    Each of ``keys`` signs a step, and the last one all that are left: so the key is rotated between them.
    """
    log, store = MemoryEventLog(sequential_ids()), MemoryLedgerStore()
    rest = list(events)
    for number, step in enumerate(steps or (len(rest),)):
        now, rest = rest[:step], rest[step:]
        for event in now:
            log._keep(event)
        sealer_of(log, store, keys[min(number, len(keys) - 1)]).seal(sign=True)
    for event in rest:
        log._keep(event)
    return log, store


def audit_of(log: EventLog, store: LedgerStore) -> AuditService:
    return AuditService(log, store)


def write_export(file: Path, lines: Iterable[bytes]) -> Path:
    """An export of these lines."""
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    return file


def write_ledger(file: Path, store: LedgerStore) -> None:
    """What stands beside an export, as ``skyulf events export`` writes it."""
    evidence = AuditService(MemoryEventLog(sequential_ids()), store).evidence()
    with file.with_name(f"{file.name}.ledger").open("wb") as out:
        for number, (position, leaf) in enumerate(evidence.leaves, start=1):
            out.write(msgspec.json.encode({"position": position, "leaf": b64encode(leaf).decode()}) + b"\n")
            if number in evidence.checkpoints:
                out.write(msgspec.json.encode({"checkpoint": evidence.checkpoints[number].note}) + b"\n")


def exported(file: Path, events: Sequence[Recorded], store: LedgerStore) -> Path:
    """An export of events with its ledger."""
    write_ledger(file, store)
    return write_export(file, map(canonical, events))
