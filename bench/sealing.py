"""The seal: what a sealer costs those who append, how fast it seals, and how fast a log and an export are verified."""

import asyncio
import threading
from base64 import b64encode
from pathlib import Path

import msgspec
import uvloop

from bench.append import NOTE, Note, many, per_second
from bench.measure import Line, Report, Target, collecting_as_served, compared, interleaved, scratch, seconds_of
from skyulf import verifier
from skyulf.adapters.ledger_store import SqlLedgerStore
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.system import new_id, new_seed, now
from skyulf.commands.bus import CommandBus
from skyulf.events.keys import SigningKey
from skyulf.events.ledger import canonical
from skyulf.events.log import EventLog
from skyulf.queries.audit import AuditService
from skyulf.reactions.sealing import Sealer

ROUNDS = 5
TOGETHER = 25_000
"""Appends in a round: some seconds of them, so that the sealer, which looks once a second, is at work meanwhile."""

PAGE = 10_000

WAIT = 60.0
"""Seconds that a sealer may take to have sealed what a round has left."""

KEY = SigningKey("bench", new_seed())


class Side:
    """A bus over a log of its own, with a sealer beside it or without."""

    def __init__(self, folder: Path, name: str, *, sealing: bool) -> None:
        self.log = SqliteEventLog(folder / f"{name}.db", new_id)
        self.bus = CommandBus(self.log, {Note: NOTE}, now, new_id)
        self.ledger = SqlLedgerStore(f"sqlite:///{folder / f'{name}-ledger.db'}")
        self.sealer = sealer_of(self.log, self.ledger, 1.0) if sealing else None
        if self.sealer is not None:
            self.sealer.start()

    def rate(self, runner: asyncio.Runner) -> float:
        """Appends a second of one round, and nothing left to be sealed when it ends."""
        rate = per_second(lambda: runner.run(many(self.bus, Note, TOGETHER)), TOGETHER)
        if self.sealer is not None:
            head, waiting = self.log.head(), threading.Event()
            for _ in range(int(WAIT / 0.05)):
                if self.sealer.status().position == head:
                    break
                waiting.wait(0.05)
        return rate

    def close(self) -> None:
        """End."""
        self.bus.close()
        if self.sealer is not None:
            self.sealer.close()
        self.ledger.close()
        self.log.close()


def sealer_of(log: EventLog, ledger: SqlLedgerStore, interval: float) -> Sealer:
    """A sealer that publishes nowhere."""
    return Sealer(log, ledger, None, lambda: KEY, lambda: True, now, interval)


def run() -> Report:
    """Measure appends on both sides in the same rounds, then everything else over the log that came of it."""
    with scratch() as folder, collecting_as_served():
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            plain, sealed = Side(folder, "plain", sealing=False), Side(folder, "sealed", sealing=True)
            without, with_sealer = interleaved([lambda: plain.rate(runner), lambda: sealed.rate(runner)], ROUNDS)
            sealed.close()
        count = plain.log.head()
        sealing = per_second(lambda: sealer_of(plain.log, plain.ledger, 1.0).seal(sign=True), count)
        audit = AuditService(plain.log, plain.ledger)
        live = per_second(lambda: need(audit.verify(KEY.public).fine), count)
        export = exported(folder / "export.jsonl", plain.log, audit)
        offline = per_second(lambda: need(verifier.verify(str(export), str(KEY.public), [], [])["verified"]), count)
        reading = count / seconds_of(lambda: read_all(plain.log))
        plain.close()
    unit = "events/s"
    return Report(
        f"The seal over a log on SQLite, {count:,} events",
        [
            compared(
                "appends by 64 callers, a sealer at work", with_sealer, unit, "the same without one", without,
                target=Target("at least", 0.9),
            ),
            Line("sealing, from the log to the tree, with its pauses", sealing, unit, "reading the log", reading),
            Line("skyulf audit verify", live, unit, "reading the log", reading),
            Line("verifier.py, over an export", offline, unit, "reading the log", reading),
        ],
        ["The sealer works in the process that appends, and signs every second here; by default it does every minute."],
    )  # fmt: skip


def need(fine: bool) -> None:
    """See that a verdict was as it should be."""
    assert fine


def read_all(log: EventLog) -> None:
    """Read the log from end to end, page by page."""
    after = 0
    while (page := log.read(after, PAGE)).events:
        after = page.position


def exported(file: Path, log: EventLog, audit: AuditService) -> Path:
    """The log and its ledger as ``skyulf events export`` writes them."""
    with file.open("wb") as out:
        after = 0
        while (page := log.read(after, PAGE)).events:
            after = page.position
            out.writelines(canonical(recorded) + b"\n" for recorded in page.events)
    evidence = audit.evidence()
    with file.with_name(f"{file.name}.ledger").open("wb") as out:
        for position, leaf in evidence.leaves:
            out.write(msgspec.json.encode({"position": position, "leaf": b64encode(leaf).decode()}) + b"\n")
        for kept in evidence.checkpoints.values():
            out.write(msgspec.json.encode({"checkpoint": kept.note}) + b"\n")
    return file
