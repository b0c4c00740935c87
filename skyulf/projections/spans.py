"""Spans of positions under few nodes, so that those that hold a position are found by looking under few nodes.

A segment tree over the log (de Berg et al., "Computational Geometry", 10.3): a node of level n stands for 2^n blocks of
`BLOCK` positions, and a span is kept under the fewest nodes that make up its blocks. All that holds at a position is
found under the nodes above its block, one a level. Under each, rows are in the order of a list, so that a page of the
list is merged from as many ordered pieces as there are levels, however many rows ever were.

Where a block begins or ends a span in its middle, the span's own bounds tell; a block is few positions.
"""

from collections.abc import Iterator

BLOCK = 256
"""Positions of a block: what begins and ends within one, as most does, is kept under one node."""

OPEN = 0
"""The node of spans that have no end yet."""

FOR_EVER = 2**63 - 1
"""Where spans end that have no end yet."""

LEVEL_BITS = 6
"""Bits of a node's number that tell its level."""


def nodes_over(begin: int, end: int) -> Iterator[int]:
    """The nodes under which a span is kept that holds from ``begin`` to before ``end``."""
    first, beyond = begin // BLOCK, (end - 1) // BLOCK + 1
    level = 0
    while first < beyond:
        if first & 1:
            yield _node(level, first)
            first += 1
        if beyond & 1:
            beyond -= 1
            yield _node(level, beyond)
        first, beyond, level = first >> 1, beyond >> 1, level + 1


def nodes_at(position: int, head: int) -> tuple[int, ...]:
    """The nodes under which all is kept that holds at ``position``, where no span has ended beyond ``head``."""
    block, levels = position // BLOCK, (head // BLOCK).bit_length() + 1
    return (OPEN, *(_node(level, block >> level) for level in range(levels)))


def _node(level: int, place: int) -> int:
    return (place << LEVEL_BITS | level) + 1
