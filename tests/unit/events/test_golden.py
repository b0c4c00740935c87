"""Databases outlive code: what was ever stored can be read, and nothing changes its shape under an old name."""

import importlib.util
import json
from pathlib import Path

import pytest

from skyulf.adapters.stored import data_of
from skyulf.events import cloudevents
from skyulf.events.base import DomainEvent
from skyulf.events.registry import EVENTS, decode

GOLDEN = Path(__file__).parents[2] / "golden"
EXAMPLES = sorted(path for path in GOLDEN.glob("*@*.json"))

_spec = importlib.util.spec_from_file_location("golden_store", GOLDEN / "store.py")
assert _spec is not None
assert _spec.loader is not None
store = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(store)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_name_ever_stored_is_read(path: Path) -> None:
    line = path.read_bytes().rstrip(b"\n")
    recorded = cloudevents.from_json(line)
    assert recorded.name == path.stem
    event = decode(recorded)
    assert type(event) is EVENTS[recorded.type]
    assert cloudevents.to_json(recorded) == line, "an export of the same event must not change"


@pytest.mark.parametrize("cls", EVENTS.values(), ids=lambda cls: cls.stored_name())
def test_every_event_has_an_example_that_reads_and_writes_alike(cls: type[DomainEvent]) -> None:
    path = GOLDEN / f"{cls.stored_name()}.json"
    assert path.exists(), f"{cls.stored_name()} has no example: add one to tests/golden/store.py and run it"
    recorded = cloudevents.from_json(path.read_bytes())
    assert data_of(decode(recorded)) == recorded.data


@pytest.mark.parametrize("cls", EVENTS.values(), ids=lambda cls: cls.stored_name())
def test_no_event_changes_its_shape_under_the_same_name(cls: type[DomainEvent]) -> None:
    shapes = json.loads((GOLDEN / "shapes.json").read_text())
    name = cls.stored_name()
    assert name in shapes, f"the shape of {name} is not stored: run python tests/golden/store.py"
    assert shapes[name] == store.shape(cls), (
        f"{name} has changed its shape, and databases hold events of the old one. Give {cls.__name__} "
        f"SCHEMA = {cls.SCHEMA + 1}, write an upcaster for {name} in skyulf/events/registry.py, and run "
        "python tests/golden/store.py; keep the files that are there"
    )


def test_a_changed_field_changes_the_shape_and_prose_does_not() -> None:
    class Before(DomainEvent):
        """One text."""

        title: str

    class Worded(DomainEvent):
        """Another text."""

        title: str

    class Widened(DomainEvent):
        title: str | None

    class Longer(DomainEvent):
        title: str
        description: str = ""

    shapes = [store.shape(cls) for cls in (Before, Worded, Widened, Longer)]
    assert shapes[0] == shapes[1]
    assert len(set(shapes)) == 3
