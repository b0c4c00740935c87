"""Failures on their way from a child to its owner: told as they were, and harmless where they are forged."""

from typing import Any

import pytest

from skyulf.errors import Fault, Invalid
from skyulf.reactions.sandbox import plain, wire
from skyulf.reactions.sandbox.outcomes import ChildFailed
from skyulf.reactions.sandbox.wire import FrameReader

GENUINE = {"kind": "domain", "type": "Invalid", "detail": "no", "traceback": "", "domain": "Invalid", "fields": {}}


def told(error: BaseException) -> ChildFailed:
    (frame,) = FrameReader().feed(wire.pack_failure(3, error))
    assert frame.request == 3
    return wire.unpack_failure(frame.payload)


def test_a_domain_error_keeps_its_fields():
    failure = told(Invalid("it does not fit", [Fault("target", "there is none")]))
    assert failure.kind == "domain"
    assert isinstance(failure.error, Invalid)
    assert (failure.error.detail, failure.error.faults) == ("it does not fit", (Fault("target", "there is none"),))


def test_words_that_cannot_be_encoded_are_told_all_the_same():
    failure = told(OSError("no file \udcff"))
    assert (failure.kind, failure.type_name, failure.detail) == ("error", "OSError", r"no file \udcff")


@pytest.mark.parametrize(
    "forged",
    [
        GENUINE | {"domain": "Any"},
        GENUINE | {"domain": "dataclass"},
        GENUINE | {"domain": "__builtins__"},
        GENUINE | {"domain": ["Invalid"]},
        GENUINE | {"fields": 7},
        {"kind": "domain"},
        [],
        7,
        None,
    ],
    ids=repr,
)
def test_a_forged_failure_is_a_failure_and_nothing_else(forged: Any):
    failure = wire.unpack_failure(plain.encode(forged))
    assert (failure.kind, failure.error) == ("error", None)


def test_bytes_that_are_no_failure_are_one():
    assert wire.unpack_failure(b"\xc1").kind == "error"
