"""A projection that keeps a tally, and pages that are small."""

import pytest
from tallies import Folding, Tally, tallying

from skyulf.projections import projector
from skyulf.projections.base import Projection


@pytest.fixture
def folding() -> Folding:
    return Folding()


@pytest.fixture
def tallies(folding: Folding) -> Projection[Tally]:
    return tallying(folding)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector, "PAGE", 3)
