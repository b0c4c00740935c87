"""What was asked and answered becomes one table, in whatever formats it came and went."""

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import NOW, target
from helpers import SMALL, spec, table, trained

from skyulf.core.applier import Applier
from skyulf.core.formats import save_model
from skyulf.core.rows import RowReader
from skyulf.serving import sampling
from skyulf.serving.formats import read, write
from skyulf.serving.logged import Part, Written, write_part
from skyulf.serving.media import Format
from skyulf.serving.sampling import Sampler

SEASON = "été \"x'"
ROWS: list[dict[str, Any]] = [
    {"age": 30, "fare paid": 8.5, SEASON: "a", "deck": "x", "member": True},
    {"age": None, "fare paid": 1e-3, SEASON: "new", "deck": None, "member": None},
]
STEPS = [
    {"node": "impute", "columns": "all", "params": {"strategy": "most_frequent"}},
    {"node": "ordinal", "columns": "categorical"},
]


@pytest.fixture(autouse=True)
def _as_urgent_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written here is written in the process of all tests, and not in a sandbox."""
    monkeypatch.setattr("skyulf.serving.logged.os.nice", lambda _: 0)


@cache
def state_of(node: str, task: str, kind: Any) -> Any:
    frame, facts = table(target=kind)
    return trained(spec(STEPS, {"node": node, "params": SMALL.get(node, {})}, task), frame=frame, facts=facts)


def body_of(form: Format, rows: list[dict[str, Any]]) -> bytes:
    if form == "json":
        return orjson.dumps({"rows": rows})
    if form == "csv":
        lines = [",".join('"été ""x\'"' if name == SEASON else name for name in rows[0])]
        lines += [",".join("" if cell is None else str(cell) for cell in row.values()) for row in rows]
        return "\n".join(lines).encode()
    sink = pa.BufferOutputStream()
    found = pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(sink, found.schema) as stream:
        stream.write_table(found)
    return sink.getvalue().to_pybytes()


def sampler(draw: float = 0.0) -> Sampler:
    return Sampler(lambda: draw, lambda: NOW)


FORMS: tuple[Format, ...] = ("json", "csv", "arrow")


@pytest.mark.parametrize(
    ("node", "task", "kind"),
    [
        ("logistic_regression", "classification", "string"),
        ("logistic_regression", "classification", "boolean"),
        ("decision_tree", "classification", "integer"),
        ("ridge", "regression", "number"),
    ],
)
def test_every_format_gives_the_same_rows(node: str, task: str, kind: Any, tmp_path: Path) -> None:
    state = state_of(node, task, kind)
    save_model(state, tmp_path / "model")
    applier, reader = Applier(state), RowReader(state.input_schema)
    samples, said = [], []
    for at, (sent, wanted) in enumerate((sent, wanted) for sent in FORMS for wanted in FORMS):
        body = body_of(sent, ROWS)
        predictions = applier.predict(read(sent, body, reader))
        answer = write(wanted, predictions, "m", 1)
        samples.append((NOW + timedelta(seconds=at), sent, body, wanted, answer))
        said += [
            {"prediction": label, **{f"probability_{name}": chance for name, chance in (chances or {}).items()}}
            for label, chances in zip(
                predictions.predictions, predictions.probabilities or [None] * len(ROWS), strict=True
            )
        ]
    samples.append((NOW, "json", b"not rows", "json", b"nor an answer"))
    part = Part(str(tmp_path / "model"), tuple(samples), str(tmp_path / "out"))
    assert write_part(lambda _: None, part) == Written(9, 18, 1)
    found = pq.read_table(tmp_path / "out")
    inputs = [column.name for column in state.input_schema]
    assert found.column_names[: len(inputs) + 1] == [*inputs, "served_at"]
    assert found["served_at"].to_pylist() == [NOW + timedelta(seconds=at) for at in range(9) for _ in ROWS]
    assert found.select(inputs).to_pylist() == [{name: row[name] for name in inputs} for row in ROWS] * 9
    assert found.drop_columns([*inputs, "served_at"]).to_pylist() == said


def test_a_deployment_that_nobody_reads_leaves_no_table(tmp_path: Path) -> None:
    save_model(state_of("ridge", "regression", "number"), tmp_path / "model")
    part = Part(str(tmp_path / "model"), ((NOW, "json", b"{}", "json", b"{}"),), str(tmp_path / "out"))
    assert write_part(lambda _: None, part) == Written(0, 0, 1)
    assert not (tmp_path / "out").exists()


def offered(to: Sampler, share: float, body: bytes = b"rows", name: str = "shop", number: int = 1) -> None:
    to.offer(share, name, target(number), "json", body, "csv", b"answer")


class TestDrawing:
    def test_a_request_is_drawn_with_the_share_as_its_probability(self) -> None:
        numbers = iter([0.0, 0.24, 0.25, 0.9])
        drawing = Sampler(lambda: next(numbers), lambda: NOW)
        for _ in range(4):
            offered(drawing, 0.25)
        ((sample, _),) = [batch.samples for batch in drawing.take()]
        assert sample == (datetime(2026, 3, 3, 12, 30, 15, 123456, UTC), "json", b"rows", "csv", b"answer")

    def test_what_was_drawn_is_told_apart_by_deployment_and_version_and_taken_once(self) -> None:
        drawing = sampler()
        for name, number in (("shop", 1), ("shop", 2), ("bank", 1), ("shop", 1)):
            offered(drawing, 1.0, name=name, number=number)
        counts = {(batch.name, batch.target.model_version): len(batch.samples) for batch in drawing.take()}
        assert counts == {("shop", 1): 2, ("shop", 2): 1, ("bank", 1): 1}
        assert drawing.take() == []

    def test_what_does_not_fit_is_counted_and_what_is_much_is_to_be_taken_soon(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sampling, "BYTES", 40)
        drawing = sampler()
        offered(drawing, 1.0)
        assert not drawing.full.is_set()
        offered(drawing, 1.0, b"rows and rows")
        assert drawing.full.is_set()
        offered(drawing, 1.0, b"rows that are too many")
        (batch,) = drawing.take()
        assert (len(batch.samples), batch.lost) == (2, 1)
        assert not drawing.full.is_set()
