"""ONNX copies in the server: what could not be had for a while is asked for again."""

import asyncio
from pathlib import Path

import pytest
from builders import target

from skyulf.adapters.memory_artifacts import MemoryArtifacts
from skyulf.errors import Unavailable
from skyulf.reactions.sandbox import SandboxServer
from skyulf.serving.copies import LoadedCopies

ABSENT = "sha256:" + "0" * 64


class Away(MemoryArtifacts):
    """A store that cannot be reached, until it is."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.away = True

    def path(self, digest: str) -> Path:
        self.asked += 1
        if self.away:
            raise Unavailable("not now")
        return super().path(digest)


def test_a_copy_that_could_not_be_fetched_is_asked_for_again(caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> None:
        store = Away()
        copies = LoadedCopies(store, SandboxServer())
        for times in (1, 2):
            assert await copies.get(ABSENT, target(1)) is None
            assert store.asked == times
        store.away = False
        for _ in range(3):
            assert await copies.get(ABSENT, target(1)) is None
        assert store.asked == 3  # that it is not there is final, and was said once

    asyncio.run(ask())
    assert len(caplog.records) == 1
