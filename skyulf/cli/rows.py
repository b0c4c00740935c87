"""Rows of a person's file as JSON values that fit the columns of the dataset a model was trained on."""

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyulf.errors import Fault, Invalid

Row = dict[str, Any]

FORMATS = ".csv, .tsv, .json, .jsonl or .ndjson"

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")

MANY_DIGITS = 400
"""Whole numbers with more digits are left as text: Python refuses to read very long ones."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a file and its columns; ``cells`` are the texts of a CSV file, as they stand there."""

    columns: list[str]
    values: list[Row]
    cells: list[Sequence[str]] | None = None


def read_rows(path: Path, types: Mapping[str, str], missing: Sequence[str]) -> Rows:
    """Read a file by its name.

    ``types`` are of the dataset's columns; ``missing`` are the texts that stand for a missing value in CSV. A cell
    that does not fit its column stays text, for the model to refuse by row and column. Raises `Invalid`.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in (".csv", ".tsv"):
            return _from_csv(path, "\t" if suffix == ".tsv" else ",", types, frozenset(missing))
        if suffix in (".jsonl", ".ndjson"):
            return _from_objects(list(_json_lines(path)))
        if suffix == ".json":
            return _from_objects(_json_document(path))
    except UnicodeDecodeError as error:
        raise Invalid(f"{path.name} is not UTF-8 text") from error
    raise Invalid(f"{path.name} is not a format that rows are read from; they are {FORMATS}")


def _from_csv(path: Path, delimiter: str, types: Mapping[str, str], missing: frozenset[str]) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            header = next(reader, [])
            if not header:
                raise Invalid(f"{path.name} is empty", [Fault("line 1", "the names of the columns")])
            if twice := sorted({name for name in header if header.count(name) > 1}):
                raise Invalid(f"{path.name} names a column twice", [Fault("line 1", ", ".join(twice))])
            cells: list[Sequence[str]] = []
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(header):
                    message = f"{len(fields)} fields, and the header has {len(header)}"
                    raise Invalid(f"{path.name} is not a table", [Fault(f"line {reader.line_num}", message)])
                cells.append(fields)
        except csv.Error as error:
            raise Invalid(f"{path.name} is not CSV", [Fault(f"line {reader.line_num}", str(error))]) from error
    kinds = [types.get(name, "string") for name in header]
    values = [
        {name: fitted(cell, kind, missing) for name, cell, kind in zip(header, fields, kinds, strict=True)}
        for fields in cells
    ]
    return Rows(header, values, cells)


def fitted(text: str, kind: str, missing: frozenset[str]) -> Any:
    """A CSV cell as its column's type has it: null where it is missing, and text where it does not fit."""
    if text in missing:
        return None
    if kind == "string":
        return text
    tidy = text.strip()
    if tidy in missing:
        return None
    if kind == "boolean":
        return {"true": True, "false": False}.get(tidy.lower(), text)
    if kind in ("integer", "number"):
        return _number(tidy, text)
    return tidy


def _number(tidy: str, text: str) -> Any:
    if not NUMBER.fullmatch(tidy) or len(tidy) > MANY_DIGITS:
        return text
    try:
        return int(tidy)
    except ValueError:
        value = float(tidy)
        return value if math.isfinite(value) else text


def _json_lines(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield json.loads(line)
            except ValueError as error:
                raise Invalid(f"{path.name} is not JSON lines", [Fault(f"line {number}", "not JSON")]) from error


def _json_document(path: Path) -> list[Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise Invalid(f"{path.name} is not JSON", [Fault("", str(error))]) from error
    if isinstance(document, dict) and isinstance(document.get("rows"), list):
        document = document["rows"]
    if not isinstance(document, list):
        raise Invalid(f"{path.name} does not hold rows; a list of objects does, or an object with such a list as rows")
    return document


def _from_objects(found: list[Any]) -> Rows:
    if wrong := [at for at, row in enumerate(found, start=1) if not isinstance(row, dict)]:
        raise Invalid("some rows are not objects", [Fault(f"row {at}", "an object of columns") for at in wrong[:20]])
    return Rows(list(dict.fromkeys(name for row in found for name in row)), found)
