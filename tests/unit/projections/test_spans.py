"""Spans under nodes: what holds at a position is found there, once, and there are few places to look."""

from hypothesis import given
from hypothesis import strategies as st

from skyulf.projections.spans import BLOCK, OPEN, nodes_at, nodes_over

POSITIONS = st.integers(1, 2**40)


@given(begin=POSITIONS, length=st.integers(1, 2**40), at=POSITIONS)
def test_a_span_is_found_at_each_position_of_its_blocks_once_and_nowhere_else(begin: int, length: int, at: int) -> None:
    end = begin + length
    head = max(end, at)
    found = set(nodes_over(begin, end)) & set(nodes_at(at, head))
    in_its_blocks = begin // BLOCK <= at // BLOCK <= (end - 1) // BLOCK
    assert len(found) == in_its_blocks


@given(begin=POSITIONS, length=st.integers(1, 2**40))
def test_a_span_is_found_at_both_its_ends(begin: int, length: int) -> None:
    end = begin + length
    for at in (begin, end - 1):
        assert len(set(nodes_over(begin, end)) & set(nodes_at(at, end))) == 1


@given(begin=POSITIONS, length=st.integers(1, 2**40))
def test_a_span_has_at_most_two_nodes_of_a_level(begin: int, length: int) -> None:
    nodes = list(nodes_over(begin, begin + length))
    assert len(nodes) == len(set(nodes)) <= 2 * (length // BLOCK + 2).bit_length()
    assert OPEN not in nodes
    assert all(0 < node < 2**63 for node in nodes)


def test_what_ends_in_the_block_that_it_began_in_has_one_node() -> None:
    assert len(list(nodes_over(BLOCK, BLOCK + 3))) == len(list(nodes_over(3 * BLOCK - 1, 3 * BLOCK))) == 1


def test_few_nodes_are_looked_at_in_a_long_log() -> None:
    assert len(nodes_at(500_000, 1_000_000)) == 14
    assert nodes_at(5, 100)[0] == OPEN
