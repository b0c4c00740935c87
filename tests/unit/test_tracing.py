"""W3C Trace Context: what is valid is continued, what is not begins anew, and nobody is traced who did not ask."""

from itertools import count

import pytest

from skyulf.adapters.system import new_id
from skyulf.tracing import continued, traceparent_of

IDS = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (f"00-{IDS}", f"00-{IDS}"),
        (f" 00-{IDS} ", f"00-{IDS}"),
        (f"cc-{IDS}", f"00-{IDS}"),
        (f"cc-{IDS}-what-the-future-will-be-like", f"00-{IDS}"),
        (f"00-{IDS}-more", None),
        (f"cc-{IDS}more", None),
        (f"ff-{IDS}", None),
        (f"00-{IDS.upper()}", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01", None),
        (f"00-{IDS[:-1]}", None),
        (f"00-{IDS}\n", f"00-{IDS}"),
        (f"00-{IDS}\nX: y", None),
        ("", None),
        ("nonsense", None),
    ],
)
def test_what_is_valid_is_continued(sent: str, kept: str | None) -> None:
    assert continued(sent.encode()) == kept


def test_nobody_is_traced_who_did_not_ask() -> None:
    numbers = count()
    assert traceparent_of([], lambda: str(next(numbers))) is None
    assert next(numbers) == 0


@pytest.mark.parametrize("headers", [[b"nonsense"], [f"00-{IDS}".encode()] * 2])
def test_what_is_not_valid_begins_a_trace_of_its_own(headers: list[bytes]) -> None:
    first, second = traceparent_of(headers, new_id), traceparent_of(headers, new_id)
    assert first is not None
    assert second is not None
    assert continued(first.encode()) == first
    assert first != second
    assert IDS[:32] not in first
