import json

import pytest
from typer.testing import CliRunner

from skyulf.cli.app import app
from skyulf.cli.check import after, differences

runner = CliRunner()


def column(name=None, kind="numeric", nullable=False, **more):
    return {"name": name, "kind": kind, "nullable": nullable, "description": None, "count": 1, "most": 1, **more}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ([], "0 columns"),
        ([column("a"), column("b", nullable=True)], "2 numeric (1 may lack cells)"),
        ([column("a"), column("c", "text")], "1 numeric; 1 text"),
        ([column(description="words of c, at most 9", count=None, most=9)], "words of c, at most 9"),
        ([column(description="powers of a", count=3, most=3)], "3 columns: powers of a"),
        ([column(description="some of a", count=None, most=4)], "some of a, at most 4"),
    ],
)
def test_columns_are_summed_up(columns, words):
    assert after(columns) == words


def test_a_spec_is_checked_without_a_dataset_or_any_data(tmp_path):
    file = tmp_path / "spec.json"
    steps = [{"node": "imputee"}, {"node": "impute", "columns": 7}]
    file.write_text(json.dumps({"task": "regression", "target": "y", "steps": steps}))
    outcome = runner.invoke(app, ["pipelines", "check", str(file), "--data-dir", str(tmp_path / "none")])
    assert outcome.exit_code == 1
    assert "steps.0.node" in outcome.output
    assert "steps.1.columns" in outcome.output
    assert not (tmp_path / "none").exists()
    file.write_text(json.dumps({"task": "regression", "target": "y"}))
    good = runner.invoke(app, ["pipelines", "check", str(file), "--json"])
    assert (good.exit_code, json.loads(good.output)) == (0, {"problems": []})


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_file_that_holds_no_spec_is_refused(tmp_path, content):
    file = tmp_path / "spec.json"
    file.write_text(content)
    assert runner.invoke(app, ["pipelines", "check", str(file)]).exit_code == 1


def test_candidates_of_one_model_are_told_apart_by_their_parameters():
    one, two, tree = (
        {"model": {"node": node, "params": params}}
        for node, params in (("lr", {"C": 1.0, "tol": 0.1}), ("lr", {"C": 0.1, "tol": 0.1}), ("tree", {"depth": 3}))
    )
    assert [differences(each, [one, two, tree]) for each in (one, two, tree)] == ["  C 1.0", "  C 0.1", ""]
