"""What is exported is of use without Skyulf: scripts run where it cannot be imported, and say what the model says."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import skops.io
from command_line import PENGUINS, answered, clean_environment, skyulf

from skyulf.core.formats import allowed_types

ALONE = (
    "import runpy, sys; sys.modules['skyulf'] = sys.modules['api'] = None; sys.argv.pop(0); runpy.run_path(sys.argv[0])"
)
"""Runs a script as Python does, but that nothing of Skyulf can be imported."""

SPEC = {
    "task": "classification",
    "target": "species",
    "refit": False,
    "split": {"test_size": 0.3},
    "steps": [
        {"node": "drop_duplicates"},
        {"node": "clip", "columns": "numeric", "params": {"method": "iqr"}},
        {"node": "impute", "columns": "numeric"},
        {"node": "power_transform", "columns": ["body_mass_g"]},
        {"node": "replace", "columns": ["sex"], "params": {"values": {"male": "m"}}},
        {"node": "one_hot", "columns": "categorical"},
        {"node": "select_univariate", "columns": "numeric", "params": {"keep": 7}},
    ],
    "model": {"node": "random_forest", "params": {"n_estimators": 30}},
}
"""Steps of scikit-learn's, and several that are ours."""


def run_alone(script: Path, *arguments: object, cwd: Path) -> str:
    """What a script prints; it must end well, and warn of nothing."""
    command = [sys.executable, "-W", "error", "-c", ALONE, str(script), *map(str, arguments)]
    environment = {name: value for name, value in clean_environment().items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, env=environment, cwd=cwd, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def recorded(said: str) -> dict[str, tuple[float, float]]:
    """The metrics that a script prints: its own value, and the one that was recorded."""
    lines = [line.split() for line in said.splitlines()]
    return {name: (float(own), float(known)) for name, own, _, known in lines}


def test_a_script_predicts_the_held_out_rows_as_the_model_does(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    answered(
        "train", PENGUINS, "--target", "species", "--spec", tmp_path / "spec.json", "--seed", 5, "--data-dir", data
    )
    script, notebook = tmp_path / "penguins.py", tmp_path / "penguins.ipynb"
    told = answered("export", "penguins", "--as", "script", "-o", script, "--data-dir", data)
    assert told == {"model": "penguins", "model_version": 1, "as": "script", "file": str(script)}
    answered("export", "penguins:1", "--as", "notebook", "-o", notebook, "--data-dir", data)

    said = run_alone(script, PENGUINS, tmp_path / "held-out.csv", cwd=tmp_path)
    assert {name: own == known for name, (own, known) in recorded(said).items()} == {"accuracy": True}
    held_out = rows_of(tmp_path / "held-out.csv")
    assert len(held_out) == -(-344 * 3 // 10)
    answered("predict", "penguins", PENGUINS, "-o", tmp_path / "all.csv", "--data-dir", data)
    served = rows_of(tmp_path / "all.csv")
    for row in held_out:
        ours = served[int(row["row"])]
        assert row["prediction"] == ours["prediction"]
        for name in ("Adelie", "Chinstrap", "Gentoo"):
            theirs = float(row[f"probability_{name}"])
            assert theirs == pytest.approx(float(ours[f"probability_{name}"]), abs=1e-6)  # those of the ONNX copy, too

    cells = json.loads(notebook.read_text())["cells"]
    code = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    (tmp_path / "cells.py").write_text(code)
    (tmp_path / "penguins.csv").write_bytes(PENGUINS.read_bytes())
    assert run_alone(tmp_path / "cells.py", cwd=tmp_path) == said


def test_a_default_training_is_exported_in_every_form(trained: Path, tmp_path: Path) -> None:
    for form, ending in (("skops", "skops"), ("script", "py"), ("card", "md")):
        file = tmp_path / f"it.{ending}"
        answered("export", "penguins", "--as", form, "-o", file, "--data-dir", trained)
    said = run_alone(tmp_path / "it.py", PENGUINS, cwd=tmp_path)
    assert {name: own == known for name, (own, known) in recorded(said).items()} == {"accuracy": True}
    pipeline = skops.io.load(tmp_path / "it.skops", trusted=sorted(allowed_types()))
    assert list(pipeline.classes_) == ["Adelie", "Chinstrap", "Gentoo"]
    card = (tmp_path / "it.md").read_text()
    assert card.startswith("---\nlibrary_name: sklearn\n")
    assert "## Intended use" in card
    refused = skyulf("export", "penguins:7", "--as", "card", "--data-dir", trained)
    assert (refused.returncode, "no version 7" in refused.stderr) == (1, True)
    assert not list(Path.cwd().glob("penguins-7*"))
