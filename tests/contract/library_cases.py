"""The library's own test cases for recorders, of which each adapter's suite takes those that apply."""

import sys
import threading
from types import ModuleType
from typing import Any

import pytest


def library_cases() -> ModuleType:
    """The library's module of cases, which imports a cipher that only other cases use, and that we do not install."""
    cipher: Any = ModuleType("eventsourcing.cipher")
    cipher.AESCipher = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "eventsourcing.cipher", cipher)
        import eventsourcing.tests.persistence as cases
    return cases


def join_all_but(threads: list[threading.Thread]) -> None:
    """Wait for the readers that the library's cases leave running: a connection must not be closed under them."""
    for thread in set(threading.enumerate()) - set(threads):
        thread.join()
