"""The ``skyulf`` command: what it can be asked stands in ``app.py``, what each command does in the others.

What only some commands need is imported within them, so that ``skyulf --help`` answers at once.
"""

from skyulf.cli.app import main

__all__ = ["main"]
