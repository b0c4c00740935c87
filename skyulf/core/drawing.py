"""Rows drawn at random of a table too large to hold, in its own order; which ones follows from their number and a seed.

Without anything of ours: scripts that are exported draw the same rows with this code.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

PIECE = 65_536
"""Rows that are drawn from together. It rules which rows are drawn, so it stays what it is."""


def drawn_pieces(rows: int, wanted: int, seed: int) -> Iterator[Any]:
    """Yield, for each piece of the table, the positions in it of the rows drawn from it, sorted.

    Every sample of ``wanted`` of ``rows`` is as likely as any other: how many fall into a piece is drawn from the
    hypergeometric distribution. Memory does not grow with the table.
    """
    random = np.random.default_rng(seed)
    for begin in range(0, rows, PIECE):
        size, rest = min(PIECE, rows - begin), rows - begin
        count = int(random.hypergeometric(size, rest - size, wanted)) if wanted else 0
        yield np.sort(random.choice(size, count, replace=False))
        wanted -= count


def drawn_rows(rows: int, wanted: int, seed: int) -> Any:
    """The positions in the table of all rows drawn, sorted."""
    pieces = drawn_pieces(rows, wanted, seed)
    return np.concatenate([begin + piece for begin, piece in zip(range(0, rows, PIECE), pieces, strict=True)])
