"""What can happen to a dataset, and the state that follows from it."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from skyulf.events.base import DomainEvent, Value
from skyulf.events.deployment import Target

ColumnType = Literal["integer", "number", "boolean", "string", "date", "datetime"]
Unfit = Literal["refuse", "missing"]


class Column(Value):
    """Facts about one column of a dataset version: counts and shape, never a value of it.

    ``unfit`` counts, of a text column of which most cells are numbers, those that are none; of one whose type was asked
    for, those that were taken as missing because they are not of it.
    """

    name: str
    type: ColumnType
    nulls: int
    distinct: int
    commonest: int
    rarest: int
    skewness: float | None = None
    mean_words: float | None = None
    unfit: int = 0


class Source(Value):
    """Where a dataset version came from, and how it was read: the file's name, and its size in bytes.

    ``uri`` is where the file lay, None when it was uploaded; it holds no secret and no query.
    ``encoding``, ``delimiter`` and ``decimal`` mark are as they were found or asked for, None where the format has
    none or nothing showed it; ``header`` tells that the first row held the names, and ``types`` are those that the
    caller asked for. ``unfit`` is what was to become of cells that are not of those types.
    """

    filename: str
    size: int
    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    header: bool = True
    types: dict[str, ColumnType] = {}
    unfit: Unfit = "refuse"
    uri: str | None = None


class DatasetCreated(DomainEvent):
    """A dataset was given a name."""

    name: str


class DatasetVersionAdded(DomainEvent):
    """A version of a dataset was ingested.

    ``digest`` is of the bytes as they were sent; ``artifact`` is the digest of the typed table made from them.
    """

    SCHEMA: ClassVar[int] = 5

    dataset_version: int
    digest: str
    artifact: str
    rows: int
    source: Source
    columns: tuple[Column, ...]


class Suspicion(Value):
    """What a profile warns of: the rule (`skyulf.core.suspicions`), and the columns that fall under it."""

    rule: str
    columns: tuple[str, ...]


class DatasetProfiled(DomainEvent):
    """A version of a dataset was profiled; ``profile`` is the digest of what came of it, which holds values.

    ``sampled`` is how many of its rows were drawn for what is not told of all.
    """

    dataset_version: int
    profile: str
    sampled: int
    warnings: tuple[Suspicion, ...] = ()


class DatasetErased(DomainEvent):
    """The data of a dataset is given up: nothing is made of it from here on, and its end has begun.

    ``artifacts`` are the digests of all that held some of it by then: tables, profiles, models, evaluations, outputs.
    ``models`` are the versions that were trained on it, ``deployments`` the names under which one of them was served.
    """

    artifacts: tuple[str, ...]
    models: tuple[Target, ...]
    deployments: tuple[str, ...]


class DatasetErasureFinished(DomainEvent):
    """Nothing can read the data of an erased dataset any more: its key is destroyed, and ``artifacts`` are removed.

    ``shared`` are those that another dataset holds as well, and that stay for that one.
    """

    artifacts: tuple[str, ...]
    shared: tuple[str, ...]


class DatasetErasureListed(DomainEvent):
    """More of what `DatasetErased`, or `DatasetErasureFinished`, names: it follows right behind, from the same command.

    So that no event outgrows what passes it on, however many there are; where one event holds them all, this is not
    written.
    """

    artifacts: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    models: tuple[Target, ...] = ()
    deployments: tuple[str, ...] = ()


DatasetEvent = (
    DatasetCreated
    | DatasetVersionAdded
    | DatasetProfiled
    | DatasetErased
    | DatasetErasureFinished
    | DatasetErasureListed
)


@dataclass(frozen=True, slots=True)
class DatasetState:
    """What commands need to know of a dataset; ``finished`` tells that its data is gone, once it is ``erased``."""

    name: str
    versions: tuple[DatasetVersionAdded, ...] = ()
    profiled: frozenset[int] = frozenset()
    erased: bool = False
    finished: bool = False


def evolve(state: DatasetState | None, event: DatasetEvent) -> DatasetState:
    """The state after ``event``."""
    match event:
        case DatasetCreated():
            return DatasetState(name=event.name)
        case DatasetVersionAdded():
            assert state is not None
            return replace(state, versions=(*state.versions, event))
        case DatasetProfiled():
            assert state is not None
            return replace(state, profiled=state.profiled | {event.dataset_version})
        case DatasetErased():
            assert state is not None
            return replace(state, erased=True)
        case DatasetErasureFinished():
            assert state is not None
            return replace(state, finished=True)
        case DatasetErasureListed():
            assert state is not None
            return state
