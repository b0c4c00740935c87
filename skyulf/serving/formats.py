"""Bodies of predictions: rows as JSON, CSV or an Arrow stream → arrays; predictions → the same three."""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from skyulf.core.predictions import BOUNDS, Predictions, names_by_class
from skyulf.core.rows import Cells, Columns, RowReader
from skyulf.errors import Fault, Invalid
from skyulf.serving.cells import typed
from skyulf.serving.media import Format

MOST_FAULTS = 20


def read(form: Format, body: bytes, reader: RowReader) -> Columns:
    """Read the rows in a body. Raises `Invalid`, naming row and column where it is a cell."""
    return _READ[form](body, reader)


def write(form: Format, predictions: Predictions, model: str, model_version: int, intervals: bool = False) -> bytes:
    """The answer that says ``predictions``, and which version of which model made them (CSV has no place for that).

    With ``intervals`` it says those around the predictions; raises `Invalid` for a model that has none.
    """
    if intervals and predictions.intervals is None:
        message = "this model has none; intervals in the spec of a regression measure them (docs/evaluation.md)"
        raise Invalid("there are no intervals", [Fault("intervals", message)])
    said = predictions if intervals or predictions.intervals is None else replace(predictions, intervals=None)
    return _WRITE[form](said, model, model_version)


def _read_json(body: bytes, reader: RowReader) -> Columns:
    return reader(rows_of(body))


def rows_of(body: bytes) -> list[dict[str, Any]]:
    """The rows in a JSON body; raises `Invalid`. Non-finite numbers are not JSON and are refused."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid("the body is not JSON", [Fault("body", f"{error.msg} at character {error.pos}")]) from error
    if not isinstance(document, dict) or set(document) != {"rows"} or not isinstance(document["rows"], list):
        raise Invalid("the body does not hold rows", [Fault("body", 'an object {"rows": [{column: value, …}, …]}')])
    rows = document["rows"]
    if not rows:
        raise no_rows()
    if set(map(type, rows)) != {dict}:
        wrong = [
            Fault(f"rows.{n}", "an object of columns and values") for n, row in enumerate(rows) if type(row) is not dict
        ]
        raise Invalid("some rows are not objects", wrong[:MOST_FAULTS])
    return rows


def no_rows() -> Invalid:
    """The error for a body that holds none."""
    return Invalid("there are no rows", [Fault("rows", "at least one row")])


def _read_csv(body: bytes, reader: RowReader) -> Columns:
    """Cells are typed by the model's columns, as in a file that is taken in; blank lines are no rows."""
    try:
        lines = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        header = next(lines, [])
        rows = [fields for fields in lines if fields]
    except UnicodeDecodeError as error:
        raise Invalid("the body is not UTF-8 text", [Fault("body", f"no UTF-8 at byte {error.start}")]) from error
    except csv.Error as error:
        raise Invalid("the body is not CSV", [Fault("body", f"line {lines.line_num}: {error}")]) from error
    if len(set(header)) < len(header):
        raise Invalid("the header names a column twice", [Fault("body", "line 1: names must differ")])
    if not rows:
        raise no_rows()
    uneven = [
        Fault(f"rows.{at}", f"{len(row)} fields, and the header has {len(header)}")
        for at, row in enumerate(rows)
        if len(row) != len(header)
    ]
    if uneven:
        raise Invalid("some rows have not the fields of the header", uneven[:MOST_FAULTS])
    texts = dict(zip(header, zip(*rows, strict=True), strict=True))
    cells: dict[str, Cells] = {
        column.name: typed(texts[column.name], column.type) for column in reader.schema if column.name in texts
    }
    return reader.of_cells(cells, len(rows))


def _read_arrow(body: bytes, reader: RowReader) -> Columns:
    from skyulf.serving import arrow  # pyarrow is loaded where it is asked for

    return arrow.read(body, reader)


def _write_json(predictions: Predictions, model: str, model_version: int) -> bytes:
    answer = {
        "model": model,
        "model_version": model_version,
        "predictions": predictions.predictions,
        "probabilities": predictions.probabilities,
    }
    if predictions.distances is not None:
        answer["distances"] = predictions.distances
    if predictions.intervals is not None and predictions.bounds is not None:
        ends = zip(*predictions.bounds, strict=True)
        answer["coverage"] = predictions.intervals.coverage
        answer["intervals"] = [{"lower": lower, "upper": upper} for lower, upper in ends]
    return orjson.dumps(answer)


def _write_csv(predictions: Predictions, _model: str, _model_version: int) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    bounds = predictions.bounds
    writer.writerow(["prediction", *names_by_class(predictions), *(BOUNDS if bounds else ())])
    said = [_plain(value) for value in predictions.predictions]
    if bounds is not None:
        writer.writerows(zip(said, *bounds, strict=True))
    elif predictions.by_class is None:
        writer.writerows([cell] for cell in said)
    else:
        writer.writerows([cell, *row] for cell, row in zip(said, predictions.by_class.tolist(), strict=True))
    return text.getvalue().encode()


def _write_arrow(predictions: Predictions, model: str, model_version: int) -> bytes:
    from skyulf.serving import arrow

    return arrow.write(predictions, model, model_version)


def _plain(value: Any) -> Any:
    """A prediction as a CSV cell, in the way in which it would be read again."""
    return str(value).lower() if isinstance(value, bool) else value


_READ: Mapping[Format, Callable[[bytes, RowReader], Columns]] = {
    "json": _read_json,
    "csv": _read_csv,
    "arrow": _read_arrow,
}
_WRITE: Mapping[Format, Callable[[Predictions, str, int], bytes]] = {
    "json": _write_json,
    "csv": _write_csv,
    "arrow": _write_arrow,
}
