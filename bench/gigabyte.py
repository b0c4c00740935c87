"""The profile of a version made from a gigabyte of CSV: `bench.profile` at the size that its limit is about."""

from bench import profile
from bench.measure import Report


def run() -> Report:
    """Measure it; to take the gigabyte in first lasts minutes."""
    return profile.run(1.0)
