"""``skyulf events export`` and ``replay``: the whole log, and the artifacts it names, out and in again."""

import os
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from skyulf.artifacts import DIGEST, ArtifactStore, DataStore, digest_of, hexadecimal
from skyulf.cli.screen import Move, Occupied, Screen, UsageError, counted
from skyulf.errors import Damaged, Erased, NotAllowed, NotFound, SkyulfError, Unavailable
from skyulf.events.base import Recorded
from skyulf.events.cloudevents import from_json
from skyulf.events.examination import LOWEST, Unreadable
from skyulf.events.holdings import READ, Holdings
from skyulf.events.ledger import canonical
from skyulf.events.log import EventLog
from skyulf.queries.audit import Evidence
from skyulf.runtime import auditing, restoring
from skyulf.settings import Settings

PAGE = 1_000

NOT_ARTIFACTS = ("digest", "dataset_digest", "fingerprint")
"""Members that hold a digest of something that is not kept as an artifact."""

SHOWN_MISSING = 5


def artifacts_folder(file: Path) -> Path:
    """Where the artifacts of an export lie."""
    return file.with_name(f"{file.name}.artifacts")


def ledger_file(file: Path) -> Path:
    """Where the checkpoints and leaves lie that an export is verified by."""
    return file.with_name(f"{file.name}.ledger")


def named_in(recorded: Recorded) -> Iterator[str]:
    """The digests of the artifacts that an event names."""
    if b"sha256:" in recorded.data:
        yield from _digests(msgspec.json.decode(recorded.data))


def _digests(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if DIGEST.match(value):
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _digests(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in NOT_ARTIFACTS:
                yield from _digests(item)


# Out


def export(screen: Screen, settings: Settings, file: Path, with_artifacts: bool) -> None:
    """Write every event up to the head; the file appears under its name only once it is complete."""
    with auditing(settings) as (log, open_artifacts, audit):
        evidence = audit.evidence()  # before the head: what is sealed by now is written
        head = log.head()
        named: dict[str, None] = {}
        try:
            ledger_file(file).unlink(missing_ok=True)
            with _complete(file) as out:
                count = _write(screen, log, head, out, named if with_artifacts else None)
                missing = _copy_out(screen, open_artifacts(), list(named), artifacts_folder(file)) if named else []
            _write_ledger(screen, evidence, ledger_file(file))
        except OSError as error:
            raise UsageError(f"{error.filename or file} cannot be written ({error.strerror})") from error
    copied = len(named) - len(missing)
    told = {"file": str(file), "events": count, "position": head, "covered": evidence.covered}
    screen.document({**told, "artifacts": copied, "missing": missing} if with_artifacts else told)
    screen.show(f"{file}: {counted(count, 'event')}, complete up to position {head:,}")
    if evidence.covered:
        screen.show(f"{ledger_file(file)}: {counted(evidence.covered, 'event')} are sealed by a checkpoint")
    else:
        screen.note("no event is sealed by a checkpoint: skyulf audit checkpoint signs one", style="yellow")
    if with_artifacts:
        screen.show(f"{artifacts_folder(file)}: {counted(copied, 'artifact')}")
    _tell_missing(screen, missing, "not in the store, or damaged there")


@contextmanager
def _complete(file: Path) -> Iterator[IO[bytes]]:
    with _beside(file) as beside, beside.open("wb") as out:
        yield out


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A name for what takes the file's place once it is on the disk."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)  # of a process that was killed
    try:
        yield beside
        with beside.open("rb") as whole:
            os.fsync(whole.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def _write(screen: Screen, log: EventLog, head: int, out: IO[bytes], named: dict[str, None] | None) -> int:
    """Write what is stored, to the byte; raises `Damaged` where that is not what the log wrote."""
    count, after, more = 0, LOWEST, True
    with screen.bar("exporting events", head) as move:
        while more:
            found = log.examine(after, PAGE, head)
            for recorded in found:
                if isinstance(recorded, Unreadable):
                    raise Damaged(f"position {recorded.position}: {recorded.why}; skyulf audit verify says more")
                out.write(canonical(recorded) + b"\n")
                if named is not None:
                    named.update(dict.fromkeys(named_in(recorded)))
            count += len(found)
            more = len(found) == PAGE
            after = found[-1].position if found else after
            move(max(0, after))
    return count


def _write_ledger(screen: Screen, evidence: Evidence, file: Path) -> None:
    """Write each leaf with its position, and each checkpoint behind the leaves that it covers; no file without one."""
    if not evidence.covered:
        return
    with _complete(file) as out, screen.bar("exporting the ledger", evidence.covered) as move:
        for number, (position, leaf) in enumerate(evidence.leaves, start=1):
            entry: dict[str, object] = {"position": position, "leaf": b64encode(leaf).decode()}
            out.write(msgspec.json.encode(entry) + b"\n")
            if (kept := evidence.checkpoints.get(number)) is not None:
                out.write(msgspec.json.encode({"checkpoint": kept.note}) + b"\n")
                move(number)


def _copy_out(screen: Screen, artifacts: ArtifactStore, named: list[str], folder: Path) -> list[str]:
    """Copy artifacts into a folder; the digests of those that could not be had."""
    missing: list[str] = []
    folder.mkdir(parents=True, exist_ok=True)
    with screen.bar("copying artifacts", len(named)) as move:
        for done, digest in enumerate(named, start=1):
            target = folder / hexadecimal(digest)
            if not (target.is_file() and digest_of(target) == digest):
                try:
                    with _beside(target) as beside:
                        artifacts.copy(digest, beside)
                except (NotFound, Damaged, Erased):
                    missing.append(digest)
            move(done)
    return missing


# In


def replay(screen: Screen, settings: Settings, file: Path) -> None:
    """Restore an export; everything is looked at before anything is recorded."""
    folder = artifacts_folder(file)
    count, position, named, holdings = _check(screen, file)
    with _filled(settings) as (log, artifacts):
        if log.head():
            raise NotAllowed(f"{settings.data_dir} holds events already; replay into another --data-dir")
        copied = _copy_in(screen, artifacts, folder, holdings)
        _restore(screen, log, file, count)
        missing = sorted(named - set(artifacts.digests()))
    told = {"file": str(file), "events": count, "position": position, "artifacts": copied, "missing": missing}
    screen.document(told)
    screen.show(f"{settings.data_dir}: {counted(count, 'event')}, up to position {position:,}")
    screen.show(f"{counted(copied, 'artifact')} from {folder}" if folder.is_dir() else f"no artifacts: no {folder}")
    _tell_missing(screen, missing, "named by events, and not beside the export")


@contextmanager
def _filled(settings: Settings) -> Iterator[tuple[EventLog, DataStore]]:
    """Own a data directory that is to be filled; raises `Occupied` when another process has it."""
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(restoring(settings))
        except Unavailable as error:
            raise Occupied(error.detail) from error
        yield opened


def records(file: Path) -> Iterator[Recorded]:
    """The events of an export; raises `Damaged` naming the line."""
    with file.open("rb") as lines:
        for at, line in enumerate(lines, start=1):
            try:
                yield from_json(line)
            except SkyulfError as error:
                raise Damaged(f"{file}, line {at}: {error.detail}; nothing was recorded") from error


def _check(screen: Screen, file: Path) -> tuple[int, int, set[str], Holdings]:
    """Read an export through: how many events, up to which position, the artifacts that they name, whose those are."""
    count = position = 0
    holdings = Holdings()
    named: set[str] = set()
    size = file.stat().st_size
    read = 0
    with screen.bar("checking the export", size) as move:
        for recorded in records(file):
            count += 1
            position = recorded.position
            named.update(named_in(recorded))
            if recorded.type in READ:
                holdings.take(recorded)
            read += len(recorded.data)
            if count % PAGE == 0:
                move(read)
    if not count:
        raise Damaged(f"{file} holds no events; nothing was recorded")
    return count, position, named, holdings


def _copy_in(screen: Screen, artifacts: DataStore, folder: Path, holdings: Holdings) -> int:
    """Take artifacts into the store, once all of them are what their names say; none that was erased."""
    found = sorted(path for path in folder.glob("*") if DIGEST.match(f"sha256:{path.name}"))
    with screen.bar("checking artifacts", len(found)) as move:
        for done, path in enumerate(found, start=1):
            if digest_of(path) != f"sha256:{path.name}":
                raise Damaged(f"{path}: its content is not what its name says; nothing was recorded")
            move(done)
    copied = 0
    with screen.bar("copying artifacts", len(found)) as move:
        for done, path in enumerate(found, start=1):
            datasets = holdings.datasets.get(f"sha256:{path.name}", set())
            for dataset in datasets - holdings.erased:
                artifacts.put_for(dataset, path)
            if not datasets:
                artifacts.put(path)
            copied += not datasets or bool(datasets - holdings.erased)
            move(done)
    return copied


def _restore(screen: Screen, log: EventLog, file: Path, total: int) -> None:
    at = 0

    def numbered(move: Move) -> Iterator[Recorded]:
        nonlocal at
        for recorded in records(file):
            at += 1
            if at % PAGE == 0:
                move(at)
            yield recorded

    with screen.bar("restoring events", total) as move:
        try:
            log.restore(numbered(move))
        except (Damaged, Unavailable) as error:
            raise Damaged(f"{file}, line {at}: {error.detail}; nothing was recorded") from error


def _tell_missing(screen: Screen, missing: list[str], why: str) -> None:
    if missing:
        screen.note(f"{counted(len(missing), 'artifact')} {why}:", style="yellow")
        for digest in missing[:SHOWN_MISSING]:
            screen.note(f"  {digest}")
        if len(missing) > SHOWN_MISSING:
            screen.note(f"  and {len(missing) - SHOWN_MISSING} more")
