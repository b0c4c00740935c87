"""A file of a person's → a typed table in a Parquet file, and facts about its columns that hold no data value.

Formats, by the file's name: CSV (``.csv``), tab-separated (``.tsv``), Parquet (``.parquet``, ``.pq``), JSON lines
(``.jsonl``, ``.ndjson``), Excel (``.xlsx``: its first sheet). Meant to run in a sandbox child; memory is bounded by the
size of a block, not of the file (of a workbook, the texts that its cells share are held too). pyarrow is imported on
use, so that a server may import this module.

Of CSV: comma, semicolon, tab and pipe are told apart by the first rows; UTF-8, UTF-16 with a byte order mark and
Windows-1252 by the bytes. The whole file decides a column's type, not its first rows. ``true``/``false`` in any
case are boolean, yes/no stay text, 0/1 are integers. Missing are the empty field and ``text_types.MISSING``. Numbers
with a leading zero (007), and whole numbers beyond 64 bits, are codes and stay text, digit for digit. ISO dates are
dates, ISO timestamps are taken to UTC (as UTC where they name no zone). Blanks around numbers, booleans and dates
are passed over; text is kept as it is. A column with no value at all is text. Empty lines are passed over.

Numbers with a decimal comma or grouped thousands (1.234,56 and 1,234.56) are numbers where the whole column is
written so. Where every value of a column has two readings (1,234 alone), the file's other columns decide, if they
show one decimal mark and not both (a decimal comma settles nothing between fields that commas part); else 1.234 is a
number and 1,234 text. So are dates: 31.12.2024 and 2024/12/31,
and with strokes 31/12/2024 or 12/31/2024 where only one of the two fits the whole column; else they stay text.
What the caller asks for (`Asked`) goes before all of this.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyulf.errors import Fault, Invalid
from skyulf.ingest.disk import telling_full_disk

if TYPE_CHECKING:
    from skyulf.ingest.table import TypedTable

FORMATS = (".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson", ".xlsx")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller says of a file, in place of what would be inferred.

    ``types`` are by column's name. ``delimiter`` and ``decimal`` (a comma or a point) are None where they are to be
    found; without a ``header``, which only CSV can lack, the columns are called column_1 and on. ``unfit`` tells what
    becomes of cells that are not of the type asked for: ``refuse`` the file, or take them as ``missing``.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    decimal: str | None = None
    header: bool = True
    unfit: str = "refuse"

    @property
    def lenient(self) -> bool:
        """Whether cells that are not of the type asked for are missing."""
        return self.unfit == "missing"


NOTHING_ASKED = Asked()


@dataclass(frozen=True, slots=True)
class Found:
    """How a file was read: ``encoding``, ``delimiter`` and ``decimal`` mark, None where nothing shows it."""

    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What is known of a column; counts are of rows, and no field ever holds a data value but the column's name.

    ``type`` is one of integer, number, boolean, string, date, datetime. ``distinct`` counts the different
    values that are not null, ``commonest`` and ``rarest`` the rows of the value that has most and fewest (0
    without any value). All three are exact up to ``counting.limit_for`` different values; beyond, ``distinct``
    is an estimate (within 1 % for tables of up to 20 columns), ``commonest`` may be too low and ``rarest`` too
    high. ``skewness`` is the third standardised moment of an integer or number column (of the population;
    None where it has no spread or is not finite). ``mean_words`` is the mean number of words, parted by blanks, of
    a text column's cells that are not null (None without any). ``unfit`` counts, of a text column of which more than
    half of the cells are numbers (and a quarter are from its beginning on), the cells that are none; of a column whose
    type was asked for, the cells that are not of it and were taken as missing, where that was asked for, too. Of any
    other column it is 0.
    """

    name: str
    type: str
    nulls: int
    distinct: int
    commonest: int
    rarest: int
    skewness: float | None
    mean_words: float | None = None
    unfit: int = 0


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a file: ``digest`` is ``sha256:`` and the hexadecimal SHA-256 of its bytes."""

    digest: str
    rows: int
    columns: list[ColumnFacts]
    found: Found = Found()


def ingest_file(
    send: Callable[[Any], None], source: str, filename: str, target: str, asked: Asked = NOTHING_ASKED
) -> Ingested:
    """Read the file at ``source``, called ``filename`` by its sender, and write it as Parquet to ``target``.

    Sends ``{"stage": "checking" | "typing" | "writing", "fraction": 0…1}`` as it goes. Raises Invalid, with a
    fault for each place, for what cannot be taken; no partial ``target`` is left then. The same input
    gives the same bytes.
    """
    suffix = Path(filename).suffix.lower()
    if asked.lenient and not asked.types:
        raise Invalid("nothing was asked for", [Fault("unfit", "is about cells that are not of the types asked for")])
    if suffix not in FORMATS:
        raise Invalid(
            f"{suffix or 'a file without an ending'} is not a format that is read; it is CSV (.csv, .tsv), "
            "Parquet (.parquet, .pq), JSON lines (.jsonl, .ndjson) or Excel (.xlsx), and the file's name decides"
        )
    if Path(source).stat().st_size == 0:
        raise Invalid("the file is empty")
    from skyulf.ingest import writing

    scratch = Path(f"{target}.text")
    with telling_full_disk(), ExitStack() as cleaning:
        cleaning.callback(scratch.unlink, missing_ok=True)
        digest, table, found = _open(Path(source), suffix, scratch, asked, send)
        rows, columns = writing.write(table, Path(target), send)
    return Ingested(digest, rows, columns, found)


def _open(
    source: Path, suffix: str, scratch: Path, asked: Asked, send: Callable[[Any], None]
) -> "tuple[str, TypedTable, Found]":
    """The digest of the file's bytes, its table, and how it was read."""
    if suffix in (".csv", ".tsv"):
        from skyulf.ingest import csv

        return csv.open_csv(source, scratch, "\t" if suffix == ".tsv" else ",", asked, send)
    _refuse_text_options(asked)
    if suffix in (".jsonl", ".ndjson"):
        from skyulf.ingest import jsonl

        return jsonl.open_jsonl(source, scratch, asked, send)
    from skyulf.ingest.encoding import digest_of

    digest = digest_of(source, send)
    if suffix == ".xlsx":
        from skyulf.ingest import excel

        return digest, excel.open_excel(source, asked, send), Found()
    from skyulf.ingest import asked_types, parquet

    return digest, asked_types.retyped(lambda: parquet.open_parquet(source), asked), Found()


def _refuse_text_options(asked: Asked) -> None:
    """Raise Invalid for what only a CSV file can be told."""
    given = {"delimiter": asked.delimiter, "decimal": asked.decimal, "header": None if asked.header else "false"}
    faults = [Fault(name, "is for CSV files; leave it out") for name, value in given.items() if value is not None]
    if faults:
        raise Invalid("the file's format has no such choice", faults)
