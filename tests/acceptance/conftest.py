"""A running system, and a trained model to look at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import PENGUINS, answered
from system import System


@pytest.fixture
def served(tmp_path: Path) -> Iterator[System]:
    """A server with an empty data directory; it ends with the test."""
    with System(tmp_path / "served") as system:
        yield system.start()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory in which a model of penguins was trained and deployed by the command line; only to be read."""
    data_dir = tmp_path_factory.mktemp("trained") / "data"
    answered("train", PENGUINS, "--target", "species", "--data-dir", data_dir)
    return data_dir
