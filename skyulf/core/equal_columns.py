"""Which columns of a table are equal in every row, found while it is read."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from skyulf.core.columns import ColumnFacts


class EqualColumns:
    """Groups of columns that have been equal so far; only those whose facts are alike are ever compared."""

    def __init__(self, facts: Sequence[ColumnFacts]) -> None:
        alike: dict[Any, list[int]] = defaultdict(list)
        for at, one in enumerate(facts):
            if one.distinct > 1:
                alike[one.model_copy(update={"name": "", "unfit": 0})].append(at)
        self._names = [one.name for one in facts]
        self._groups = [group for group in alike.values() if len(group) > 1]

    def add(self, batch: Any) -> None:
        """Part the columns that differ in this batch."""
        if self._groups:
            self._groups = [part for group in self._groups for part in _parted(group, batch) if len(part) > 1]

    def groups(self) -> list[list[str]]:
        """The names of equal columns, each group in the table's order."""
        return [[self._names[at] for at in group] for group in self._groups]


def _parted(group: list[int], batch: Any) -> list[list[int]]:
    parts: list[list[int]] = []
    for at in group:
        values = _plain(batch.column(at))
        for part in parts:
            if _plain(batch.column(part[0])).equals(values):
                part.append(at)
                break
        else:
            parts.append([at])
    return parts


def _plain(values: Any) -> Any:
    return values.cast(pa.string()) if pa.types.is_dictionary(values.type) else values
