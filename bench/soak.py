"""Four processes of each role together for ten minutes, under load and in peace."""

from bench.chaos import report
from bench.measure import Report

SECONDS = 600.0


def run() -> Report:
    """Let an installation work, and count what went wrong; no lease may be lost, so that nothing is reclaimed."""
    return report("Four processes of each role for ten minutes", rounds=0, twins=4, calm=SECONDS)
