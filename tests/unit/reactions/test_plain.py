"""What passes between a server and its children comes back as it was, and what is forged makes nothing."""

import contextlib
import math
import sys
from collections import OrderedDict
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyulf.reactions.sandbox import plain
from skyulf.reactions.trainer import Progress, Task

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.just(UTC))
)
KEYS = st.none() | st.booleans() | st.integers() | st.text() | st.tuples(st.text(), st.integers())
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(KEYS, inner)
        | st.builds(Progress, st.text(), st.floats(0, 1), st.dictionaries(st.text(), inner))
    ),
    max_leaves=30,
)


def typed(value: Any) -> Any:
    """A value with the types of all its parts, since True is 1 and a list is not a tuple."""
    if isinstance(value, dict):
        return (dict, [(typed(key), typed(item)) for key, item in value.items()])
    if isinstance(value, list | tuple):
        return (type(value), [typed(item) for item in value])
    return (type(value), value)


@given(VALUES)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    assert typed(plain.decode(plain.encode(value))) == typed(value)


def test_what_is_no_number_and_what_has_no_end_come_back() -> None:
    numbers = plain.decode(plain.encode((math.nan, math.inf, -math.inf, 1 << 64, -(1 << 200))))
    assert math.isnan(numbers[0])
    assert numbers[1:] == (math.inf, -math.inf, 1 << 64, -(1 << 200))


def test_data_classes_come_back_as_themselves() -> None:
    task = Task("table", "folder", ({"model": "ridge"},), ({"name": "ä"},), 0, 2, 100)
    again = plain.decode(plain.encode([task]))
    assert again == [task]
    assert type(again[0]) is Task


class Foreign:
    """Neither plain nor Skyulf's."""


@pytest.mark.parametrize(
    "value",
    [Foreign(), [Foreign()], {"a": Foreign}, {1}, len, OrderedDict(), Path("/"), memoryview(b"")],
    ids=["object", "list of it", "dict of a class", "set", "function", "ordered dict", "path", "view"],
)
def test_what_is_not_plain_is_refused_by_who_sends_it(value: object) -> None:
    with pytest.raises(TypeError, match="is not a plain value"):
        plain.encode(value)


def test_half_a_pair_of_surrogates_is_refused_by_who_sends_it() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        plain.encode(["a", "\ud800"])


RECORD = 5


@pytest.mark.parametrize(
    "forged",
    [
        [RECORD, "subprocess:Popen", [["touch"]]],
        [RECORD, "builtins:dict", []],
        [RECORD, "skyulf.reactions.trainer:os.system", ["true"]],
        [RECORD, "skyulf.reactions.trainer:Path", []],
        [RECORD, "skyulf.reactions.sandbox.child:Child", [1, 2, 3, 4]],
        [RECORD, "skyulf.reactions.trainer:Progress", ["too few"]],
        [RECORD, "skyulf.reactions.trainer:Progress", ["one", 0.5, {}, "too many"]],
        [RECORD, "skyulf.reactions.trainer:train", []],
        [RECORD, "skyulf.nowhere:Progress", ["a", 0.5, {}]],
        [RECORD],
        [99],
        ["a"],
        [],
    ],
    ids=str,
)
def test_what_is_forged_makes_nothing(forged: list[Any]) -> None:
    with pytest.raises(ValueError, match="no plain values"):
        plain.decode(msgspec.msgpack.encode(forged))


def test_a_module_that_is_not_loaded_stays_so() -> None:
    name = "skyulf.reactions.rehearsal"
    loaded = sys.modules.pop(name, None)
    try:
        with pytest.raises(ValueError, match="no plain values"):
            plain.decode(msgspec.msgpack.encode([RECORD, f"{name}:Anything", []]))
        assert name not in sys.modules
    finally:
        if loaded is not None:
            sys.modules[name] = loaded


@given(st.binary(max_size=200))
def test_bytes_at_random_are_refused_or_read(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        plain.decode(data)


SHAPES = st.none() | st.integers(0, 9) | st.text(max_size=5)


@given(st.recursive(SHAPES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20))
def test_messages_of_any_shape_are_refused_or_read(message: object) -> None:
    with contextlib.suppress(ValueError):
        plain.decode(msgspec.msgpack.encode(message))
