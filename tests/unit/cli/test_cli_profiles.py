"""Histograms in a line, and tables of profiles and drift, as a person sees them."""

import pytest

from skyulf.cli.profiles import WIDTH, bars


@pytest.mark.parametrize(
    ("counts", "line"),
    [([], ""), ([0], " "), ([5], "█"), ([0, 7, 14, 0, 1], " ▅█ ▂"), ([1] * 3, "███"), ([1_000_000, 1], "█▂")],
)
def test_a_histogram_in_a_line(counts: list[int], line: str) -> None:
    assert bars(counts) == line


@pytest.mark.parametrize("many", [16, 17, 33, 64])
def test_many_bins_are_put_together(many: int) -> None:
    assert len(bars([1] * many)) <= WIDTH
    assert bars([1] * many).strip()
