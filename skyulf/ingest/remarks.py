"""What a person should know of a file that was taken in: by counts and rules, never by values."""

import json
from collections.abc import Iterable, Mapping

from skyulf.events.dataset import Column


def warnings(columns: Iterable[Column], rows: int, asked: Mapping[str, str]) -> list[str]:
    """Say which columns of a version were perhaps not meant to be what they are, by counts and rules alone.

    ``asked`` are the types that the caller asked for.
    """
    told = []
    for column in columns:
        of = f"column {column.name}: {column.unfit:,} of {rows - column.nulls:,} cells"
        if not column.unfit or asked.get(column.name) == "string":
            continue
        if column.type == "string":
            wanted = json.dumps({column.name: "number"}, ensure_ascii=False)
            way = f"correct them, or send types {wanted} with unfit missing to take them as missing"
            odd = "is no number" if column.unfit == 1 else "are no numbers"
            told.append(f"{of} {odd}, so that all are read as text; {way}")
        else:
            lost = f"column {column.name}: {column.unfit:,} of {rows:,} cells"
            verb = "is" if column.unfit == 1 else "are"
            told.append(f"{lost} {verb} not of the type {column.type} that was asked for, and missing therefore")
    return told
