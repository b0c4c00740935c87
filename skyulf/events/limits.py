"""What one attempt at a job may use."""

from skyulf.events.base import Value


class Limits(Value):
    """What one attempt at a job may use: wall-clock seconds, and bytes of memory."""

    seconds: int
    memory_bytes: int
