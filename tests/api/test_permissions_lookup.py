"""The operation of a request: one pattern a method names what the table, read from the top, names."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from api.permissions import PERMISSIONS, UNKNOWN, methods_of, operation_of

TABLE = [tuple(operation.split(" ", 1)) for operation in PERMISSIONS]
FIXED = sorted({part for _, path in TABLE for part in path.split("/") if part and "{" not in part})
METHODS = [*sorted({method for method, _ in TABLE}), "PATCH", "HEAD", "post", ""]

segments = st.one_of(
    st.sampled_from(FIXED),
    st.sampled_from(["", " ", ".", "..", "x", "é", "\n", "a\nb", "{name}", "check\n", "%2F", "(x)", "openapixjson"]),
    st.text(max_size=5),
)
paths = st.one_of(
    st.lists(segments, max_size=9).map("/".join),
    st.lists(segments, max_size=9).map(lambda parts: "/v1/" + "/".join(parts)),
)


@st.composite
def nearly(draw: st.DrawFn) -> str:
    """A path of the table, with something in the place of its names, and often one segment too many or too few."""
    _, template = draw(st.sampled_from(TABLE))
    parts = [draw(segments) if "{" in part or draw(st.integers(0, 9)) == 0 else part for part in template.split("/")]
    return "/".join(parts[: len(parts) - draw(st.integers(0, 1))] + draw(st.lists(segments, max_size=1)))


def takes(template: str, path: str) -> bool:
    """Whether a path fits a template, part by part: a name is anything without a slash, a path anything on one line."""
    own, _, others = template.partition("/")
    if own.endswith(":path}"):
        if "/" not in template:
            return bool(path) and "\n" not in path
        return any(
            takes(others, path[end + 1 :]) for end in range(1, len(path)) if path[end] == "/" and "\n" not in path[:end]
        )
    have, _, rest = path.partition("/")
    fits = bool(have) if own.startswith("{") else have == own
    if "/" not in template or "/" not in path:
        return fits and ("/" in template) == ("/" in path)
    return fits and takes(others, rest)


@settings(max_examples=1_500, deadline=None)
@given(st.sampled_from(METHODS), st.one_of(paths, nearly()))
def test_the_operation_is_the_first_of_the_table_that_fits(method: str, path: str) -> None:
    fitting = [(verb, template) for verb, template in TABLE if takes(template, path)]
    named = next((f"{verb} {template}" for verb, template in fitting if verb == method), UNKNOWN)
    assert operation_of(method, path) == named
    assert methods_of(path) == {verb for verb, _ in fitting}


def test_the_examples_reach_operations_and_miss_them() -> None:
    assert takes("/v1/projections/{name}/parked/{key:path}/retry", "/v1/projections/jobs/parked/a/b/retry")
    assert not takes("/v1/projections/{name}/parked/{key:path}/retry", "/v1/projections/jobs/parked//retry")
    assert not takes("/openapi.json", "/openapixjson")
    assert takes("/v1/audit/tile/{path:path}", "/v1/audit/tile/0/x001/067")
    assert not takes("/v1/audit/tile/{path:path}", "/v1/audit/tile/")
    assert all(takes(template, re.sub(r"\{[^}]*\}", "x", template)) for _, template in TABLE)
