"""Takes small files in, and says what became of them."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skyulf.errors import Fault, Invalid
from skyulf.ingest import Asked, Ingested, ingest_file


class Taken:
    def __init__(self, ingested: Ingested, table: Any) -> None:
        self.ingested = ingested
        self.values = table.to_pydict()
        self.schema = table.schema
        self.facts = {column.name: column for column in ingested.columns}
        self.types = {column.name: column.type for column in ingested.columns}


class Taker:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.messages: list[Any] = []

    def __call__(self, content: bytes | str, filename: str = "data.csv", **asked: Any) -> Taken:
        source = self.folder / "uploaded"
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        target = self.folder / "out.parquet"
        ingested = ingest_file(self.messages.append, str(source), filename, str(target), Asked(**asked))
        assert {path.name for path in self.folder.iterdir()} <= {"uploaded", "out.parquet", "given.parquet"}
        return Taken(ingested, pq.read_table(target))

    def column(self, *values: str) -> Taken:
        return self("a,other\n" + "".join(f"{value},x\n" for value in values))

    def table(self, **columns: Any) -> Taken:
        path = self.folder / "given.parquet"
        pq.write_table(pa.table(columns), path)
        return self(path.read_bytes(), "data.parquet")


def faults_of(
    take: Taker, content: bytes | str, filename: str = "data.csv", **asked: Any
) -> tuple[str, tuple[Fault, ...]]:
    (take.folder / "out.parquet").unlink(missing_ok=True)
    with pytest.raises(Invalid) as refused:
        take(content, filename, **asked)
    assert {path.name for path in take.folder.iterdir()} <= {"uploaded", "given.parquet"}
    return refused.value.detail, refused.value.faults
