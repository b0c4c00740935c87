"""Columns that steps make: what can be known of them before anything is fitted."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """What a step makes columns of: a column, or columns that an earlier step made.

    ``count`` is how many columns it is, ``most`` how many at most; None is unknown. ``distinct`` is how many different
    values a column has at most, missing as one of them; None for columns that were made.
    """

    name: str
    nullable: bool
    distinct: int | None = None
    count: int | None = 1
    most: int | None = 1


@dataclass(frozen=True, slots=True)
class Made:
    """Columns that a step makes, all numeric.

    ``name`` is there where it is one column; else ``description`` says what they are. ``of`` are the columns that
    they are made of; ``count`` and ``most`` as in `Source`.
    """

    of: tuple[str, ...]
    description: str
    name: str | None = None
    count: int | None = None
    most: int | None = None
    nullable: bool = False

    def as_source(self) -> Source:
        """What a later step is told of them."""
        return Source(self.name or self.description, self.nullable, None, self.count, self.most)


def one(source: Source, suffix: str, nullable: bool = False) -> Made:
    """One column that is made of each column of a source."""
    name = f"{source.name} {suffix}"
    single = source.count == 1
    return Made((source.name,), name, name if single else None, source.count, source.most, nullable)


def one_for_each_class(source: Source, suffix: str, classes: int | None) -> Made:
    """One column of each column of a source, or, beyond two classes, one for each class."""
    if classes is None or classes <= 2:
        return one(source, suffix)
    return repeated(source, classes, f"one of {source.name} for each of {classes} classes")


def repeated(source: Source, times: int, description: str) -> Made:
    """So many columns of each column of a source."""
    return Made(
        (source.name,),
        description,
        count=source.count and source.count * times,
        most=source.most and source.most * times,
    )


def one_for_each(source: Source, things: str, most: int | None) -> Made:
    """As many columns as a source has ``things``, which only fitting tells."""
    cap = f", at most {most}" if most is not None else ""
    return Made((source.name,), f"one for each {things} of {source.name}{cap}", most=most)


def counted(sources: Sequence[Source]) -> tuple[int | None, int | None]:
    """How many columns the sources are together, and how many at most."""
    counts, mosts = [source.count for source in sources], [source.most for source in sources]
    return _sum(counts), _sum(mosts)


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def names_of(sources: Sequence[Source]) -> tuple[str, ...]:
    """The names of sources."""
    return tuple(source.name for source in sources)


def some(names: Sequence[str], most: int = 5) -> str:
    """List names, the first few if they are many."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
