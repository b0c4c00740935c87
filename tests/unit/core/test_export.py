"""Pipelines as code: every step and model gives what it gave in training, from code that does not know Skyulf."""

import ast
import json
import sys
import warnings
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import LOGISTIC, SMALL, USES, spec, table, trained, wide

from skyulf.core.applier import Applier
from skyulf.core.calculator import check, split
from skyulf.core.columns import ColumnFacts
from skyulf.core.drawing import drawn_rows
from skyulf.core.export import Trained, standalone
from skyulf.core.export.definitions import Definitions
from skyulf.core.export.expressions import Expressions, Unwritable
from skyulf.core.export.script import cells, notebook, script
from skyulf.core.formats import allowed_types
from skyulf.core.frame import Sample, read_frame
from skyulf.core.memory import scaled
from skyulf.core.registry import models
from skyulf.errors import NotAllowed
from skyulf.ingest import Asked, ingest_file

ONE_OF_EACH = [*{use.split()[0]: use for use in reversed(USES)}.values(), "target_encode branches"]
BASE = [
    {"node": "impute", "columns": "numeric"},
    {"node": "scale", "columns": "numeric"},
    {"node": "one_hot", "columns": "categorical"},
]


def told(state, facts, rows, seed=1):
    columns = [column.model_dump() for column in facts]
    source = {"filename": "rows.csv", "digest": "sha256:0"}
    document = state.spec.model_dump(mode="json")
    return Trained("m, version 1", document, seed, rows, columns, source, state.metrics, state.environment)


def run(trained_, monkeypatch):
    """The names that a notebook's definitions leave behind, run where skyulf cannot be imported."""
    code = [cell.text for cell in cells(trained_, "''") if cell.kind == "code"]
    defining = [text for text in code if not text.startswith(("table =", "train, test", "with ", "recorded ="))]
    names = {"__name__": "written"}
    with monkeypatch.context() as patch:
        for module in [name for name in sys.modules if name.split(".")[0] == "skyulf"]:
            patch.setitem(sys.modules, module, None)
        exec(compile("\n".join(defining), "written", "exec"), names)
    return names


def same(state, facts, frame, monkeypatch):
    """The names, once the pipeline that is written has been seen to predict what was trained predicts."""
    names = run(told(state, facts, len(frame)), monkeypatch)
    table = check([state.spec], frame, facts)
    train, test = split(state.spec, table, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what libraries say of such small tables, they say in training, too
        pipeline = names["make_pipeline"]().fit(table.features.iloc[train], table.target[train])
    ask = "predict" if table.classes is None else "predict_proba"
    ours, theirs = (getattr(each, ask)(table.features.iloc[test]) for each in (state.pipeline, pipeline))
    np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-12)
    return names


@pytest.mark.parametrize("use", [*ONE_OF_EACH, "target_encode branches"])
def test_every_step_as_code(use, monkeypatch):
    frame, facts = wide()
    state = trained(spec(USES[use], LOGISTIC, refit=False), frame=frame, facts=facts)
    same(state, facts, frame, monkeypatch)


@pytest.mark.parametrize(
    ("use", "libraries"),
    [
        ("h3_cells", {"h3"}),
        ("smote", {"imbalanced-learn"}),
        ("sentence_embedding", {"tokenizers", "wordllama"}),
        ("scale", set()),
    ],
)
def test_the_head_names_the_libraries_that_the_steps_need(use, libraries):
    frame, facts = wide()
    state = trained(spec(USES[use], LOGISTIC, refit=False), frame=frame, facts=facts)
    (install,) = (line for line in script(told(state, facts, len(frame))).splitlines() if "pip install" in line[:20])
    pinned = dict(pin.split("==") for pin in install.split()[3:])
    assert set(pinned) == {"scikit-learn", "numpy", "scipy", "pandas"} | libraries
    assert pinned == {name: state.environment[name] for name in pinned}


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_model_as_code(task, monkeypatch):
    frame, facts = table(target="string" if task == "classification" else "number")
    for name in models(task):
        model = {"node": name, "params": SMALL.get(name, {})}
        state = trained(spec(BASE, model, task, refit=False), frame=frame, facts=facts)
        same(state, facts, frame, monkeypatch)


@pytest.mark.parametrize("turn", ["log1p", "yeo_johnson"])
def test_a_target_that_is_turned(turn, monkeypatch):
    frame, facts = table(target="number")
    state = trained(
        spec(BASE, {"node": "ridge"}, "regression", target_transform=turn, refit=False), frame=frame, facts=facts
    )
    names = same(state, facts, frame, monkeypatch)
    assert not hasattr(names["TargetTransform"], "onnx")


@pytest.mark.parametrize(
    ("target", "model", "more"),
    [
        ("string", LOGISTIC, {"thresholds": {"criterion": "cost", "false_negative_cost": 6, "cv": 3}}),
        ("integer", LOGISTIC, {"thresholds": {"criterion": "youden", "cv": 3}}),
        ("number", {"node": "ridge"}, {"intervals": {"coverage": 0.8, "cv": 3}}),
        ("number", {"node": "ridge"}, {"intervals": {"method": "split"}}),
        ("number", {"node": "ridge"}, {"intervals": {"method": "split"}, "split": {"shuffle": False}}),
    ],
)
def test_a_script_decides_as_the_model_does(target, model, more, monkeypatch):
    frame, facts = table(240, target=target)
    task = "regression" if target == "number" else "classification"
    state = trained(spec(BASE, model, task, refit=False, **more), frame=frame, facts=facts)
    told_of = replace(
        told(state, facts, len(frame)),
        thresholds=state.evaluation["thresholds"]["classes"] if state.thresholds else None,
        half_width=state.intervals and state.intervals.half_width,
        measuring=state.rows.get("measuring", 0),
    )
    checked = check([state.spec], frame, facts)
    names = run(told_of, monkeypatch) | {"features": checked.features, "target": checked.target, "table": frame}
    for cell in cells(told_of, "''"):
        if cell.text.startswith(("train, test", "with ")):
            exec(cell.text, names)
    applier = Applier(state)
    said = applier.predict(applier.columns_of_frame(frame.iloc[names["test"]]))
    if said.bounds is None:
        assert names["held_out"]["prediction"].tolist() == said.predictions
        return
    for name, wanted in zip(("prediction", "lower", "upper"), (said.predictions, *said.bounds), strict=True):
        np.testing.assert_allclose(names["held_out"][name], wanted, rtol=1e-9)


def test_all_our_classes_stand_together_in_one_script():
    definitions = Definitions()
    ours = [name.rpartition(".") for name in allowed_types() if name.startswith("skyulf.")]
    assert len(ours) > 20
    named = {}
    for module, _, name in sorted(ours):
        __import__(module)
        named[definitions.name_of(getattr(sys.modules[module], name))] = f"{module}.{name}"
    assert len(named) == len(ours)
    code = "\n".join([*sorted(definitions.imports), *definitions.texts])
    assert "skyulf" not in {
        (node.module or "").split(".")[0] for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)
    }
    written = {"__name__": "written"}
    exec(compile(code, "written", "exec"), written)
    for name, ours_ in named.items():
        module, _, plain = ours_.rpartition(".")
        assert vars(written[name]).keys() - {"onnx"} <= vars(getattr(sys.modules[module], plain)).keys()


def test_steps_that_cannot_be_written_are_named(monkeypatch):
    frame, facts = table()
    state = trained(spec(BASE, LOGISTIC), frame=frame, facts=facts)

    def unwritable(self, thing, depth=0):
        if type(thing).__name__ == "ColumnTransformer":
            raise Unwritable("there is no expression for a thing")
        return "None"

    monkeypatch.setattr(Expressions, "of", unwritable)
    with pytest.raises(NotAllowed, match=r"1_impute \(there is no expression for a thing\), 2_scale"):
        script(told(state, facts, len(frame)))


def test_what_has_no_expression_is_refused():
    for thing in (object(), open, lambda: 1, np.random.default_rng(0)):
        with pytest.raises(Unwritable):
            Expressions(Definitions()).of(thing)
    nan = Expressions(Definitions()).of({"a": [float("nan"), float("-inf")], "b": (1,), "c": np.float64(2.5)})
    assert nan == """{'a': [float("nan"), float("-inf")], 'b': (1,), 'c': 2.5}"""


def test_names_of_columns_are_only_data():
    frame, facts = table()
    evil = '"); raise SystemExit("x\n'
    frame = frame.rename(columns={"age": evil})
    facts = [column.model_copy(update={"name": evil}) if column.name == "age" else column for column in facts]
    state = trained(spec(BASE, LOGISTIC), frame=frame, facts=facts)
    asked = told(state, facts, len(frame))
    asked = Trained(**{**asdict(asked), "source": {"filename": f"{evil}.csv", "digest": "sha256:0"}})
    strings = [node.value for node in ast.walk(ast.parse(script(asked))) if isinstance(node, ast.Constant)]
    assert evil in strings
    assert f"{evil}.csv" in strings


def test_a_notebook_is_the_script_in_cells():
    frame, facts = table()
    state = trained(spec(BASE, LOGISTIC), frame=frame, facts=facts)
    asked = told(state, facts, len(frame))
    document = json.loads(notebook(asked))
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    assert document.keys() == {"nbformat", "nbformat_minor", "metadata", "cells"}
    ids = [cell["id"] for cell in document["cells"]]
    assert len(set(ids)) == len(ids) > 10
    for cell in document["cells"]:
        wanted = {"id", "cell_type", "metadata", "source"}
        code = cell["cell_type"] == "code"
        assert cell.keys() == (wanted | {"execution_count", "outputs"} if code else wanted)
        if code:
            ast.parse("".join(cell["source"]))
    in_script = script(asked)
    for cell in document["cells"][-6:]:
        if cell["cell_type"] == "code":
            assert "".join(cell["source"]) in in_script


def test_a_script_draws_the_sample_that_was_trained_on(tmp_path, monkeypatch, capsys):
    frame, _ = table(1_200)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    ingested = ingest_file(lambda _: None, str(tmp_path / "rows.csv"), "rows.csv", str(tmp_path / "t.parquet"))
    whole = [ColumnFacts(**asdict(column)) for column in ingested.columns]
    facts = scaled(whole, 1_200, 700)
    part = read_frame(tmp_path / "t.parquet", "y", Sample(700, 1))
    state = trained(spec(BASE, LOGISTIC, refit=False), frame=part, facts=facts)
    source = {"filename": "rows.csv", "digest": ingested.digest, **asdict(ingested.found)}
    written = Trained(**{**asdict(told(state, whole, 1_200)), "source": source, "sampled": 700})
    monkeypatch.setattr(sys, "argv", ["rows.py", str(tmp_path / "rows.csv"), str(tmp_path / "out.csv")])
    exec(compile(script(written), "written", "exec"), {"__name__": "written"})
    said = capsys.readouterr()
    assert (said.err, f"accuracy {state.metrics['accuracy']}" in said.out) == ("", True)
    held_out = pd.read_csv(tmp_path / "out.csv", index_col="row", keep_default_na=False)
    places = drawn_rows(1_200, 700, 1)
    rows = part.set_index(places).loc[held_out.index]
    np.testing.assert_allclose(
        held_out.filter(like="probability_"), state.pipeline.predict_proba(rows.drop(columns="y")), rtol=1e-9
    )


TABLES = {
    "plain.csv": 'a,b,c,y\n1,2.5,x,yes\n,NaN,,no\n3,1e3,N/A,yes\n-7,.5," z",no\n',
    "comma.csv": "a;b;c;y\n1;2,5;x;1\n2;1.234,5;ü;0\n;;y;1\n",
    "grouped.csv": 'a,b,y\n1,"1,234.5",1\n2,"12,000",0\n3,7,1\n',
    "tab.tsv": "a\tb\ty\n1\ttrue\t1\n2\tFALSE\t0\n3\t\t1\n",
    "dates.csv": "iso,at,german,us,y\n2024-01-05,2024-01-05T10:00:00+02:00,5.1.2024,01/25/2024,1\n"
    "1969-12-31,2024-01-05 10:00:00.1234567,31.12.2023,12/31/2023,0\n,,,,1\n",
    "codes.csv": "code,long,y\n007,12345678901234567890,1\n010,2,0\n",
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_file_is_read_as_it_was_for_training(name, encoding, tmp_path, capsys):
    (tmp_path / name).write_text(TABLES[name], encoding=encoding)
    compare(tmp_path / name, Asked(), capsys)


def test_a_file_is_read_with_the_types_that_were_asked_for(tmp_path, capsys):
    (tmp_path / "asked.csv").write_text("007,yes,4,x\n010,n,oops,y\n3,,5,x\n")
    types = {"column_1": "integer", "column_2": "boolean", "column_3": "number"}
    compare(tmp_path / "asked.csv", Asked(types=types, header=False, unfit="missing"), capsys)


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "xlsx"])
def test_files_that_have_types_are_read_alike(ending, tmp_path, capsys):
    at = pd.to_datetime(["2024-01-05 10:00:00", None, "1960-02-29 23:59:59"])
    frame = pd.DataFrame({"n": [1, 2, 3], "x": [0.1, None, 2.5], "t": ["a", None, "b"], "f": [True, False, True]})
    if ending == "parquet":
        frame.assign(at=at).to_parquet(tmp_path / "rows.parquet")
    elif ending == "xlsx":
        frame.assign(at=at).to_excel(tmp_path / "rows.xlsx", index=False)
    else:
        frame.assign(at=at.strftime("%Y-%m-%dT%H:%M:%S")).to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    compare(tmp_path / f"rows.{ending}", Asked(), capsys)


def compare(path: Path, asked: Asked, capsys):
    """Read a file in both ways."""
    ingested = ingest_file(lambda _: None, str(path), path.name, str(path.with_suffix(".typed")), asked)
    ours = read_frame(path.with_suffix(".typed"))
    facts = [ColumnFacts(**asdict(column)) for column in ingested.columns]
    frame, other = table()
    state = trained(spec(BASE, LOGISTIC), frame=frame, facts=other)
    found = {**asdict(ingested.found), "header": asked.header, "unfit": asked.unfit}
    source = {"filename": path.name, "digest": ingested.digest, **found}
    written = Trained(**{**asdict(told(state, other, len(frame))), "source": source})
    names: dict[str, object] = {}
    (data,) = [cell.text for cell in cells(written, "''") if cell.text.startswith("DATA = ")]
    exec(data, names)
    data = {
        **names["DATA"],
        "types": {column.name: column.type for column in facts},
        "facts": {column.name: (column.nulls, column.distinct) for column in facts},
    }
    theirs = standalone.read_table(str(path), data)
    pd.testing.assert_frame_equal(theirs, ours, check_dtype=False, check_exact=True)
    assert capsys.readouterr().err == ""
    path.write_bytes(path.read_bytes() + b"\n")
    if path.suffix in (".csv", ".tsv") and found["encoding"] != "utf-16":
        standalone.read_table(str(path), data)
        assert "its digest is another" in capsys.readouterr().err
