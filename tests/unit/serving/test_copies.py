"""An ONNX copy is loaded into the server only once a child process has found nothing wrong with it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import helper

from skyulf.adapters.memory_artifacts import MemoryArtifacts
from skyulf.core.calculator import fit
from skyulf.core.columns import ColumnFacts
from skyulf.core.packaging import converted
from skyulf.core.spec import parse_spec
from skyulf.events.deployment import Target
from skyulf.reactions.sandbox import ChildDied
from skyulf.serving.copies import LoadedCopies, LoadedCopy

MODEL = "sha256:" + "a" * 64
TARGET = Target(model="m", model_version=1, artifact=MODEL)


class Sandbox:
    """Children that do at once, here, what they are asked; or die."""

    def __init__(self, dies: bool = False) -> None:
        self.dies = dies

    def fork(self) -> "Sandbox":
        return self

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, function: Callable[..., Any], *args: object, limits: Any) -> Any:
        if self.dies:
            raise ChildDied(-11)
        return function(None, *args)


@pytest.fixture(scope="module")
def content() -> bytes:
    frame = pd.DataFrame({"x": np.arange(20.0), "y": np.arange(20.0) * 2})
    facts = [ColumnFacts(name="x", type="number", distinct=20), ColumnFacts(name="y", type="number", distinct=20)]
    asked = parse_spec({"task": "regression", "target": "y", "steps": [], "model": {"node": "ridge"}})
    return converted(fit([asked], frame, facts, 0, lambda *_: None, threads=1), MODEL)


def loaded(content: bytes, tmp_path: Path, target: Target = TARGET, dies: bool = False) -> LoadedCopy | None:
    file = tmp_path / "copy"
    file.write_bytes(content)
    artifacts, sandbox = MemoryArtifacts(), Sandbox(dies)
    copies: Any = LoadedCopies(artifacts, sandbox)  # type: ignore[arg-type]
    found: LoadedCopy | None = asyncio.run(copies.get(artifacts.put(file), target))
    return found


def test_our_own_is_loaded(content: bytes, tmp_path: Path) -> None:
    assert loaded(content, tmp_path) is not None


def test_one_that_does_what_no_copy_does_is_not(content: bytes, tmp_path: Path) -> None:
    forged = onnx.ModelProto.FromString(content)
    forged.graph.node.append(helper.make_node("RandomNormal", [], ["noise"], shape=[1 << 20, 1 << 20]))
    assert loaded(forged.SerializeToString(), tmp_path) is None


def test_nor_is_one_of_another_model(content: bytes, tmp_path: Path) -> None:
    assert loaded(content, tmp_path, Target(model="m", model_version=1, artifact="sha256:" + "b" * 64)) is None


def test_nor_one_that_the_child_died_of(content: bytes, tmp_path: Path) -> None:
    assert loaded(content, tmp_path, dies=True) is None
