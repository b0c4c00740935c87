"""Columns on their way through a spec's steps: side by side in tables, and where each of them stands. Pure."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from skyulf.core.columns import Kind
from skyulf.core.made import Made

DATASET_STAGE = -1
"""Stands for the dataset among the stages, which are counted from 0."""

MadeBy = tuple[tuple[Made, int], ...]
"""Columns that steps made, each with the stage that made them."""

Clashes = Mapping[tuple[str, str], Sequence[str]]
"""What comes twice, by the two inputs that it comes by."""


@dataclass(frozen=True, slots=True)
class Flowing:
    """A column on its way through the steps: its name, its kind by now, and whether cells may be missing by now."""

    name: str
    kind: Kind
    nullable: bool


@dataclass(frozen=True, slots=True)
class Intake:
    """Where the columns stand that a stage or the model reads: in what earlier stages leave, or in the dataset.

    ``columns`` has the stage and the position there of each known column. ``tails`` are the stages of which all
    generated columns are read, too, behind those; in what a stage leaves they stand behind the known ones.
    """

    columns: tuple[tuple[int, int], ...]
    tails: tuple[int, ...]
    plain: bool
    """Whether all of them are numbers."""

    @property
    def stages(self) -> frozenset[int]:
        """The stages of which anything is read."""
        return frozenset(stage for stage, _ in self.columns).union(self.tails)


@dataclass(frozen=True, slots=True)
class Table:
    """Columns that are read or left together: those that are known, then those that steps made."""

    columns: tuple[Flowing, ...]
    places: tuple[tuple[int, int], ...]
    """The stage and position of each column."""
    made: MadeBy
    tails: tuple[int, ...]
    """The stages whose generated columns are in it; any of ``made`` are among these."""
    by_position: bool
    """Whether columns have lost their names."""

    @classmethod
    def of(
        cls, stage: int, columns: tuple[Flowing, ...], made: MadeBy = (), generated: bool = False,
        by_position: bool = False,
    ) -> "Table":  # fmt: skip
        """Return what a stage leaves."""
        places = tuple((stage, at) for at in range(len(columns)))
        return cls(columns, places, made, (stage,) if generated else (), by_position)

    @property
    def intake(self) -> Intake:
        """Where its columns stand."""
        return Intake(self.places, self.tails, all(column.kind == "numeric" for column in self.columns))

    @property
    def made_here(self) -> tuple[Made, ...]:
        """What steps made, whoever it was."""
        return tuple(made for made, _ in self.made)

    def only(self, names: AbstractSet[str], with_made: bool) -> "Table":
        """Return these of the known columns, and what steps made or not."""
        kept = [at for at, column in enumerate(self.columns) if column.name in names]
        columns, places = tuple(self.columns[at] for at in kept), tuple(self.places[at] for at in kept)
        if with_made:
            return Table(columns, places, self.made, self.tails, self.by_position)
        return Table(columns, places, (), (), self.by_position)


def joined(parts: Sequence[tuple[str, Table]]) -> tuple[Table, Clashes]:
    """Put tables, each with the name that it is read by, side by side.

    Of what comes twice, the same name or the same columns that a step made, the first is taken.
    """
    if len(parts) == 1:
        return parts[0][1], {}
    seen: dict[object, str] = {}
    clashes: dict[tuple[str, str], list[str]] = {}

    def is_new(key: object, words: str, by: str) -> bool:
        first = seen.setdefault(key, by)
        if first != by:
            clashes.setdefault((first, by), []).append(words)
        return first == by

    columns, places, made = [], [], []
    for by, table in parts:
        kept = [at for at, column in enumerate(table.columns) if is_new(column.name, column.name, by)]
        columns += [table.columns[at] for at in kept]
        places += [table.places[at] for at in kept]
        made += [
            (each, maker)
            for each, maker in table.made
            if is_new(each.name or (each.of, each.description, maker), each.name or each.description, by)
        ]
    tails = dict.fromkeys(tail for _, table in parts for tail in table.tails)
    by_position = any(table.by_position for _, table in parts)
    return Table(tuple(columns), tuple(places), tuple(made), tuple(tails), by_position), clashes
