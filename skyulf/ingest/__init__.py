"""A file of a person's → a typed table in a Parquet file, and facts about its columns that hold no data value.

Formats, by the file's name: CSV (``.csv``), tab-separated (``.tsv``), Parquet (``.parquet``, ``.pq``). Meant to run
in a sandbox child; memory is bounded by the size of a block, not of the file. pyarrow is imported on use, so
that a server may import this module.

Of CSV: the whole file decides a column's type, not its first rows. ``true``/``false`` in any case are boolean,
yes/no stay text, 0/1 are integers. Missing are the empty field and ``text_types.MISSING``. Numbers with a leading zero
(007), and whole numbers beyond 64 bits, are codes and stay text, digit for digit. ISO dates are dates, ISO
timestamps are taken to UTC (as UTC where they name no zone). Blanks around numbers, booleans and dates are
passed over; text is kept as it is. A column with no value at all is text. Empty lines are passed over.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyulf.errors import Invalid

FORMATS = (".csv", ".tsv", ".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What is known of a column; counts are of rows, and no field ever holds a data value but the column's name.

    ``type`` is one of integer, number, boolean, string, date, datetime. ``distinct`` counts the different
    values that are not null, ``commonest`` and ``rarest`` the rows of the value that has most and fewest (0
    without any value). All three are exact up to ``counting.limit_for`` different values; beyond, ``distinct``
    is an estimate (within 1 % for tables of up to 20 columns), ``commonest`` may be too low and ``rarest`` too
    high. ``skewness`` is the third standardised moment of an integer or number column (of the population;
    None where it has no spread or is not finite).
    """

    name: str
    type: str
    nulls: int
    distinct: int
    commonest: int
    rarest: int
    skewness: float | None


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a file: ``digest`` is ``sha256:`` and the hexadecimal SHA-256 of its bytes."""

    digest: str
    rows: int
    columns: list[ColumnFacts]


def ingest_file(send: Callable[[Any], None], source: str, filename: str, target: str) -> Ingested:
    """Read the file at ``source``, called ``filename`` by its sender, and write it as Parquet to ``target``.

    Sends ``{"stage": "checking" | "typing" | "writing", "fraction": 0…1}`` as it goes. Raises Invalid, with a
    fault for each place, for what cannot be taken; no partial ``target`` is left then. The same input
    gives the same bytes.
    """
    suffix = Path(filename).suffix.lower()
    if suffix not in FORMATS:
        raise Invalid(
            f"{suffix or 'a file without an ending'} is not a format that is read; it is CSV (.csv, .tsv) or "
            "Parquet (.parquet, .pq), and the file's name decides"
        )
    if Path(source).stat().st_size == 0:
        raise Invalid("the file is empty")
    from skyulf.ingest import csv, parquet, writing

    if suffix in (".csv", ".tsv"):
        digest, table = csv.open_csv(Path(source), "\t" if suffix == ".tsv" else ",", send)
    else:
        digest, table = parquet.open_parquet(Path(source), send)
    rows, columns = writing.write(table, Path(target), send)
    return Ingested(digest, rows, columns)
