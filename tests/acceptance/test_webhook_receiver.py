"""A receiver that fails at random gets every event of each stream, in order, though the server is killed at random."""

from pathlib import Path

from hooked import harass


def test_a_receiver_that_fails_at_random_misses_nothing(tmp_path: Path) -> None:
    """For twenty seconds; ``python tests/acceptance/hooked.py`` does the same for ten minutes."""
    tally = harass(tmp_path, seconds=20, lives=(2, 8))
    assert not tally.wrong, str(tally)
    assert tally.kills >= 2
    assert tally.failed > 10
    assert tally.events > 40
