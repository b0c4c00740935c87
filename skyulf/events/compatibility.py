"""Holds today's events against those of the last release, and says which change would break what is there.

    python -m skyulf.events.compatibility                  compares; ends with 1 where a change is breaking
    python -m skyulf.events.compatibility --release 0.2.0  at a release: describes today's events, to be compared with

What was released stands in logs and in programs that follow them, for ever: each stored name (``JobCreated@2``) means
one shape. The last release's names and schemas stand in ``released.json`` beside this file (docs/evolution.md).
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from skyulf.events import registry
from skyulf.events.base import DomainEvent
from skyulf.events.registry import NoUpcaster
from skyulf.events.schemas import Schema, differences, examples, schema_of

RELEASED = Path(__file__).with_name("released.json")


class Release(msgspec.Struct, frozen=True):
    """The events of a release: the schema of each stored name that was ever written, None where it is not known."""

    release: str
    events: dict[str, Schema | None]


@dataclass(frozen=True, slots=True)
class Change:
    """What is not as it was released: of a stored name, at a field (empty: of the whole), and what to do about it."""

    event: str
    field: str
    what: str
    breaking: bool
    way_out: str = ""


def described(release: str, before: Release) -> Release:
    """Today's events for a release; what was released ``before`` and is written no longer keeps its schema."""
    written = {cls.stored_name(): schema_of(cls) for cls in registry.EVENTS.values()}
    older = dict.fromkeys([*registry.UPCASTERS, *registry.SUCCESSIONS])
    return Release(release, dict(sorted({**older, **before.events, **written}.items())))


def compared(release: Release) -> tuple[Change, ...]:
    """Every change since a release, in the order of names."""
    written = {cls.stored_name(): cls for cls in registry.EVENTS.values()}
    changes: list[Change] = []
    for name, schema in release.events.items():
        if name in written:
            changes += _under_the_same_name(name, schema, written[name])
        else:
            changes += _under_another_name(name, schema)
    known = {registry.type_of(name) for name in release.events}
    changes += [
        Change(name, "", "it is new", breaking=False) for name, cls in written.items() if cls.__name__ not in known
    ]
    return tuple(changes)


def _under_the_same_name(name: str, released: Schema | None, cls: type[DomainEvent]) -> Iterator[Change]:
    """What is read under a name is what was written under it: there is no change that does not break."""
    way_out = (
        f"give {cls.__name__} SCHEMA = {cls.SCHEMA + 1} and write an upcaster for {name!r} in "
        "skyulf/events/registry.py, or take the change back"
    )
    for found in differences(released, schema_of(cls)) if released is not None else ():
        said = f"{found.what}, under the same schema number"
        yield Change(name, found.place, said, breaking=True, way_out=way_out)


def _under_another_name(name: str, released: Schema | None) -> Iterator[Change]:
    """A name that is written no longer must lead to one that is, by what was written under it."""
    type_ = registry.type_of(name)
    known = type_ in registry.EVENTS or any(registry.type_of(each) == type_ for each in registry.SUCCESSIONS)
    if not known:
        way_out = (
            f"keep the class {type_} and its evolve, though nothing writes it any more; or say in SUCCESSIONS of "
            "skyulf/events/registry.py what its events are read as"
        )
        yield Change(name, "", "the stored name is gone: logs hold such events", breaking=True, way_out=way_out)
        return
    try:
        names = registry.readable_as(name)
    except NoUpcaster as error:
        yield Change(name, "", error.detail, breaking=True, way_out=f"write the upcaster for {error.name!r}")
        return
    yield Change(name, "", f"it is read as {' or '.join(names)}", breaking=False)
    if released is None:
        return
    if len(names) == 1:
        today = schema_of(registry.EVENTS[registry.type_of(names[0])])
        for found in differences(released, today):
            yield Change(name, found.place, f"{found.what}, in {names[0]}", breaking=False)
    yield from _not_led_on(name, released)


def _not_led_on(name: str, released: Schema) -> Iterator[Change]:
    """What may stand under a name, and is not read any more in spite of its upcasters; told once for each fault."""
    told: set[str] = set()
    for data in examples(released):
        for fault in _faults(name, data):
            if fault not in told:
                told.add(fault)
                way_out = f"change what leads on from {name!r} in skyulf/events/registry.py; the data may be {data}"
                yield Change(name, "", f"its upcasters make what is not read: {fault}", breaking=True, way_out=way_out)


def _faults(name: str, data: dict[str, Any]) -> list[str]:
    try:
        end, made = registry.upcast(name, data)
        registry.EVENTS[registry.type_of(end)].model_validate_json(msgspec.json.encode(made))
    except ValidationError as error:
        return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    except Exception as error:  # noqa: BLE001 - an upcaster may fail in any way, and that is what is told
        return [f"{type(error).__name__}: {error}"]
    return []


def lines(release: Release, changes: tuple[Change, ...]) -> Iterator[str]:
    """What a person reads: what breaks first, each with the way out."""
    for change in sorted(changes, key=lambda each: not each.breaking):
        place = f" {change.field}" if change.field else ""
        yield f"{'BREAKING' if change.breaking else 'fine    '}  {change.event}{place}: {change.what}"
        if change.way_out:
            yield f"          {change.way_out}"
    breaking = sum(change.breaking for change in changes)
    yield f"{len(release.events)} stored names of release {release.release}: {breaking} breaking changes"


def read_release(path: Path) -> Release:
    """What was released."""
    return msgspec.json.decode(path.read_bytes(), type=Release)


def main(arguments: list[str] | None = None) -> int:
    """Compare, or describe; what the program ends with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", metavar="VERSION", help="describe today's events as those of this release")
    release: str | None = parser.parse_args(arguments).release
    before = read_release(RELEASED) if RELEASED.exists() else Release("none", {})
    changes = compared(before)
    breaking = any(change.breaking for change in changes)
    if release is not None and not breaking:
        made = msgspec.json.format(msgspec.json.encode(described(release, before)), indent=1)
        RELEASED.write_bytes(made + b"\n")
        return 0
    sys.stdout.write("\n".join(lines(before, changes)) + "\n")
    return int(breaking)


if __name__ == "__main__":
    sys.exit(main())
