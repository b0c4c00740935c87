"""A trained pipeline as a script of pandas and scikit-learn, or as a notebook of the same cells.

Run on the file that the model was trained on, it splits the same rows, fits the same pipeline and gives the same
predictions of the rows held out. The pipeline is written down as it is assembled for training, so whatever a spec can
say, a script can; steps whose transformers are ours come with their source.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyulf.core.assemble import assemble
from skyulf.core.columns import ColumnFacts
from skyulf.core.drawing import drawn_rows
from skyulf.core.environment import WHERE_USED
from skyulf.core.export import Trained, standalone
from skyulf.core.export.definitions import Definitions
from skyulf.core.export.expressions import Expressions, Unwritable
from skyulf.core.flow import follow
from skyulf.core.memory import scaled
from skyulf.core.predictions import BOUNDS
from skyulf.core.registry import BuildContext
from skyulf.core.sampling import CountRows
from skyulf.core.spec import PipelineSpec
from skyulf.errors import NotAllowed

LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas")

FORMATS = {".parquet": "pyarrow", ".pq": "pyarrow", ".xlsx": "openpyxl"}
"""Libraries that reading a file takes besides, by the end of its name."""

MARKDOWN, CODE = "markdown", "code"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a notebook, which is a passage of a script."""

    kind: str
    text: str


def script(trained: Trained) -> str:
    """Write the script; raises `NotAllowed` naming the steps that cannot be written."""
    parts = []
    for cell in cells(trained, 'sys.argv[1] if len(sys.argv) > 1 else DATA["filename"]'):
        text = cell.text
        if cell.kind == MARKDOWN:
            text = "\n".join(f"# {line}".rstrip() for line in text.splitlines())
        parts.append(text)
    return "\n\n".join(parts) + SAVING


def notebook(trained: Trained) -> str:
    """Write the notebook (nbformat 4.5); raises as `script` does."""
    made: list[dict[str, Any]] = [
        {
            "id": f"cell-{number}",
            "cell_type": cell.kind,
            "metadata": {},
            "source": cell.text.splitlines(keepends=True),
            **({"execution_count": None, "outputs": []} if cell.kind == CODE else {}),
        }
        for number, cell in enumerate(cells(trained, 'DATA["filename"]'), start=1)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": made}, indent=1) + "\n"


def cells(trained: Trained, path: str) -> list[Cell]:
    """Everything, in order; ``path`` is the expression for where the file lies."""
    columns = [ColumnFacts(**column) for column in trained.columns]
    spec = PipelineSpec.model_validate(trained.spec)
    if spec.streaming is not None:
        raise NotAllowed("no script can be written of a training in pieces; the other forms hold the whole model")
    definitions = Definitions()
    drawing = () if trained.sampled is None else (drawn_rows,)
    clusters = spec.task == "clustering"
    judging = (standalone.score_clusters,) if clusters else (standalone.target_of, standalone.score)
    for function in (standalone.read_table, *judging, *drawing):
        definitions.name_of(function)
    readers = len(definitions.texts)
    pipeline = _pipeline(spec, columns, trained, definitions)
    steps = definitions.texts[readers:]
    imports = definitions.imports | IMPORTS
    loading = LOADING_ROWS if clusters else LOADING
    withheld = repr(spec.withheld) if spec.withheld is not None else "[]"
    made = [
        Cell(MARKDOWN, _heading(trained, [*imports, *definitions.texts])),
        Cell(CODE, "\n".join(sorted(imports, key=lambda line: (line.startswith("from"), line)))),
        Cell(MARKDOWN, "The data, as it was recorded, and how its file was read."),
        Cell(CODE, _data(columns, trained)),
        Cell(CODE, "\n\n\n".join(definitions.texts[:readers])),
        Cell(CODE, loading.format(path=path, drawn=_drawn(trained), target=withheld, task=spec.task)),
        Cell(MARKDOWN, "Rows that are held out, and those that are learnt from."),
        Cell(CODE, _split(spec, trained)),
    ]
    if steps:
        made += [Cell(MARKDOWN, "What scikit-learn has not."), Cell(CODE, "\n\n\n".join(steps))]
    made += [
        Cell(MARKDOWN, "The pipeline. It is fitted on the training rows alone."),
        Cell(CODE, f"def make_pipeline():\n    return {pipeline}"),
        Cell(CODE, _fitting(spec, trained)),
        Cell(MARKDOWN, "How good it is on the rows held out, beside what was recorded."),
        Cell(
            CODE, (JUDGING_CLUSTERS if clusters else JUDGING).format(recorded=_known(trained.metrics), task=spec.task)
        ),
    ]
    if spec.refit:
        refit = f"{_limits(spec)}\n    served = make_pipeline().fit(features, target)"
        made += [Cell(MARKDOWN, "What is served is fitted on all rows."), Cell(CODE, refit)]
    return made


IMPORTS = {
    "import numpy as np",
    "import pandas as pd",
    "import sys",
    "from sklearn.model_selection import train_test_split",
    "from threadpoolctl import threadpool_limits",
}

LOADING = """\
table = read_table({path}, DATA)
{drawn}table = table[table[{target}].notna()]  # rows without a target teach nothing
features = table.drop(columns={target})
target = target_of(table[{target}], DATA["types"][{target}], {task!r})"""

LOADING_ROWS = """\
table = read_table({path}, DATA)
{drawn}features = table.drop(columns={target})
target = np.zeros(len(table))  # there is none; fit and split only ask how long it is"""

LIMITS = 'with threadpool_limits(1, "blas"):  # sums come out the same on any number of cores'
LIMITS_OF_CLUSTERS = "with threadpool_limits(1):  # sums come out the same on any number of cores"

JUDGING = """\
recorded = {recorded!r}
for name, value in score({task!r}, target[test], held_out["prediction"].to_numpy()).items():
    print(name, value, "recorded:", recorded.get(name))"""

JUDGING_CLUSTERS = """\
recorded = {recorded!r}
for name, value in score_clusters(pipeline, features.iloc[test], held_out["prediction"].to_numpy()).items():
    print(name, value, "recorded:", recorded.get(name))"""

SAVING = """

if len(sys.argv) > 2:  # predictions of the rows held out, by their places in the file (the first is 0)
    held_out.to_csv(sys.argv[2])
"""


def _pipeline(spec: PipelineSpec, columns: Sequence[ColumnFacts], trained: Trained, definitions: Definitions) -> str:
    """The expression of the unfitted pipeline; raises `NotAllowed` naming the steps that have none."""
    rows = trained.rows if trained.sampled is None else trained.sampled
    facts = columns if trained.sampled is None else scaled(columns, trained.rows, rows)
    flow = follow(spec, facts, rows)
    pipeline = assemble(spec, flow, BuildContext(trained.seed % 2**32, spec.task, threads=1))
    pipeline.steps = [(name, step) for name, step in pipeline.steps if not isinstance(step, CountRows)]
    expressions = Expressions(definitions)
    unwritable = []
    for name, step in pipeline.steps:
        try:
            expressions.of(step)
        except Unwritable as reason:
            unwritable.append(f"{name} ({reason.detail})")
    if unwritable:
        raise NotAllowed(f"no script can be written of {', '.join(unwritable)}; the other forms hold the whole model")
    return expressions.of(pipeline, depth=1)


def _heading(trained: Trained, code: Iterable[str]) -> str:
    """What the script does and needs: of libraries that not every model uses, those that its code names."""
    words = {word for text in code for word in re.findall(r"\w+", text)}
    extra = ("imbalanced-learn", "h3", "lightgbm", "xgboost", "tokenizers", "wordllama")
    named = (library for library in extra if {library, WHERE_USED[library]} & words)
    wanted = [library for library in (*LIBRARIES, *named) if library in trained.environment]
    pins = " ".join(f"{name}=={trained.environment[name]}" for name in wanted)
    reader = FORMATS.get(Path(str(trained.source["filename"])).suffix.lower())
    return (
        f"{trained.title}\n\n"
        "Reads the file that the model was trained on, splits the same rows, fits the same pipeline, and gives the\n"
        "same predictions of the rows held out. It needs pandas and scikit-learn, and was made with these versions:\n\n"
        f"    pip install {pins}{f' {reader}' if reader else ''}"
    )


def _data(columns: Sequence[ColumnFacts], trained: Trained) -> str:
    source = trained.source
    data = {
        "filename": source["filename"],
        "suffix": Path(str(source["filename"])).suffix.lower(),
        "digest": source["digest"],
        "encoding": source.get("encoding") or "utf-8",
        "delimiter": source.get("delimiter") or ",",
        "decimal": source.get("decimal"),
        "header": source.get("header", True),
        "lenient": source.get("unfit") == "missing",
        "types": {column.name: column.type for column in columns},
        "facts": {column.name: (column.nulls, column.distinct) for column in columns},
    }
    return f"DATA = {Expressions(Definitions()).of(data)}"


def _drawn(trained: Trained) -> str:
    if trained.sampled is None:
        return ""
    return f"table = table.iloc[drawn_rows({trained.rows}, {trained.sampled}, {trained.seed})]  # all were too many\n"


def _split(spec: PipelineSpec, trained: Trained) -> str:
    options = [f"test_size={spec.split.test_size!r}"]
    if spec.split.shuffle:
        options.append(f"random_state={trained.seed % 2**32 if spec.split.seed is None else spec.split.seed!r}")
    else:
        options.append("shuffle=False")
    if spec.split.stratifies(spec.task):
        options.append("stratify=target")
    lines = [f"train, test = train_test_split(np.arange(len(target)), {', '.join(options)})"]
    if trained.measuring and spec.split.shuffle:
        order = f"np.random.default_rng({trained.seed % 2**32}).permutation(len(train))"
        lines.append(f"train = np.sort(train[{order}[:-{trained.measuring}]])  # the others measured intervals")
    elif trained.measuring:
        lines.append(f"train = train[:-{trained.measuring}]  # the others measured intervals")
    return "\n".join(lines)


def _fitting(spec: PipelineSpec, trained: Trained) -> str:
    lines = [_limits(spec), "    pipeline = make_pipeline().fit(features.iloc[train], target[train])"]
    if spec.task == "classification":
        lines += [
            "probabilities = pipeline.predict_proba(features.iloc[test])",
            "held_out = pd.DataFrame(",
            f'    {{"prediction": pipeline.classes_[{_decided(trained)}]}}, index=table.index[test]',
            ").join(",
            "    pd.DataFrame(",
            '        probabilities, columns=[f"probability_{name}" for name in pipeline.classes_],',
            "        index=table.index[test],",
            "    )",
            ")",
        ]
    else:
        lines.append(
            'held_out = pd.DataFrame({"prediction": pipeline.predict(features.iloc[test])}, index=table.index[test])'
        )
    if trained.half_width is not None:
        lines += [
            f'held_out["{name}"] = held_out["prediction"] {sign} {trained.half_width!r}'
            for name, sign in zip(BOUNDS, "-+", strict=True)
        ]
    return "\n".join([*lines, 'held_out.index.name = "row"'])


def _limits(spec: PipelineSpec) -> str:
    return LIMITS_OF_CLUSTERS if spec.task == "clustering" else LIMITS


def _decided(trained: Trained) -> str:
    """The expression of classes' positions, by probabilities: the likeliest, or as `predictions.decided` says."""
    if trained.thresholds is None:
        return "probabilities.argmax(axis=1)"
    if len(trained.thresholds) == 1:
        return f"(probabilities[:, 1] >= {trained.thresholds[0]['threshold']!r}).astype(int)"
    by_label = {one["label"]: one["threshold"] for one in trained.thresholds}
    return f"(probabilities / [{by_label!r}[label] for label in pipeline.classes_]).argmax(axis=1)"


def _known(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if value is not None}
