"""Takes a file in: typed and counted in a sandbox, its table kept as an artifact."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from skyulf.artifacts import DataStore
from skyulf.errors import Invalid, Unavailable
from skyulf.events.dataset import Column, Source
from skyulf.ingest import NOTHING_ASKED, Asked, Ingested, ingest_file
from skyulf.ingest.disk import telling_full_disk
from skyulf.ingest.preview import first_rows
from skyulf.ingest.uris import Place, UriFiles
from skyulf.reactions.sandbox import ChildCancelled, ChildDied, ChildFailed, ChildTimedOut, Limits, SandboxServer

SECONDS = 900.0
"""The longest that reading one file may take."""

PREVIEW_SECONDS = 30.0
"""The longest that reading a table's first rows may take."""

MEMORY = 2 << 30
"""Bytes of memory that reading one file may take, whatever its size."""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """A file that was taken in: the digest of its bytes, the digest of its typed table, and facts of its columns."""

    digest: str
    artifact: str
    rows: int
    source: Source
    columns: tuple[Column, ...]


AT_ONCE = 4
"""At most so many files are read at once; others wait."""


class IngestService:
    """Takes files in, each in a sandbox of its own.

    It blocks for as long as a file takes: call it in ``threads``, which are its own, so that many large uploads do
    not take those that queries are answered in.
    """

    def __init__(self, sandbox: SandboxServer, artifacts: DataStore, uris: UriFiles, scratch: Path) -> None:
        self._sandbox = sandbox
        self._artifacts = artifacts
        self._scratch = scratch
        self.uris = uris
        self.threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ingest")

    def close(self) -> None:
        """Take no more files in, and wait for those under way; the sandbox ends them first."""
        self.threads.shutdown(cancel_futures=True)

    def take_in_from(self, place: Place, dataset_id: str, asked: Asked = NOTHING_ASKED) -> TakenIn:
        """`take_in` of the file at a place that ``uris`` allowed."""
        with telling_full_disk(), tempfile.TemporaryDirectory(prefix="fetched-", dir=self._scratch) as folder:
            path = Path(folder) / "file"
            self.uris.fetch(place, path)
            return self.take_in(path, place.filename, dataset_id, asked, place.uri)

    def take_in(
        self, path: Path, filename: str, dataset_id: str, asked: Asked = NOTHING_ASKED, uri: str | None = None
    ) -> TakenIn:
        """Take in the file at ``path``, which its sender calls ``filename``, for a dataset.

        ``uri`` is where it was fetched from, if it was not sent. Raises `Invalid`, `Unavailable`, and `Erased`.
        """
        with tempfile.TemporaryDirectory(prefix="ingest-", dir=self._scratch) as folder:
            table = Path(folder) / "table.parquet"
            ingested = self._read(path, filename, table, asked)
            artifact = self._artifacts.put_for(dataset_id, table)
        return TakenIn(
            digest=ingested.digest,
            artifact=artifact,
            rows=ingested.rows,
            source=Source(
                filename=filename,
                size=path.stat().st_size,
                **asdict(ingested.found),
                header=asked.header,
                types=dict(asked.types),
                unfit=asked.unfit,
                uri=uri,
            ),
            columns=tuple(Column.model_validate(asdict(facts)) for facts in ingested.columns),
        )

    def first_rows(self, artifact: str, limit: int) -> bytes:
        """A JSON list of up to ``limit`` rows of the table that is kept under that digest; raises `Unavailable`."""
        child = self._sandbox.fork()
        limits = Limits(seconds=PREVIEW_SECONDS, memory_bytes=MEMORY, threads=1)
        try:
            return child.run(first_rows, str(self._artifacts.path(artifact)), limit, limits=limits)
        except (ChildFailed, ChildTimedOut, ChildDied, ChildCancelled) as error:
            raise Unavailable("the rows could not be read now; ask again, or for fewer") from error

    def _read(self, path: Path, filename: str, table: Path, asked: Asked) -> Ingested:
        child = self._sandbox.fork()
        limits = Limits(seconds=SECONDS, memory_bytes=MEMORY, threads=1)
        try:
            return child.run(ingest_file, str(path), filename, str(table), asked, limits=limits)
        except ChildFailed as failure:
            if failure.error is not None:
                raise failure.error from failure
            if failure.kind == "memory":
                raise Invalid("the file needs more memory than reading one may take; split it") from failure
            raise Invalid(f"the file could not be read ({failure.type_name})") from failure
        except ChildTimedOut as error:
            raise Invalid(f"reading the file took longer than {SECONDS:g} s; split it") from error
        except (ChildDied, ChildCancelled) as error:
            raise Unavailable("the process that read the file died; send it again") from error
