"""Makes a model's ONNX copy, and keeps it only when it agrees with the model of record on a probe.

The fitted pipeline's steps are walked as `skyulf.core.walk` walks them, and each adds to the graph what it declares of
itself. Everything is computed in double precision, in the order in which the model of record computes it, so that the
two differ by rounding at most; trees do not differ at all.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from skyulf.core.agreement import TOLERANCE, difference, spread
from skyulf.core.applier import Applier
from skyulf.core.formats import LoadedModel
from skyulf.core.graph import (
    LEARNING,
    NUMBERS,
    OPERATORS,
    OUTPUT,
    STANDARD,
    TEXTS,
    Column,
    Graph,
    Named,
    NoOnnx,
    Numbers,
)
from skyulf.core.predictions import record_of
from skyulf.core.registry import models
from skyulf.core.rows import Columns
from skyulf.core.scorer import MOST_BYTES, RECORD, Scorer
from skyulf.core.state import FittedState, InputColumn, by_distance
from skyulf.core.walk import LIMIT, branches_of, nameless, parts_of, picked, step_of
from skyulf.errors import Damaged

Array = np.ndarray[Any, Any]

OPSETS = {STANDARD: 21, LEARNING: 5}
IR_VERSION = 10

ALONE = 25
"""So many rows of the probe are asked for one by one as well, as most callers will."""

EXTREMES = (0.0, -1.0, 2.0**24 + 1, -1e9, 1e12)


@dataclass(frozen=True, slots=True)
class Packaged:
    """An ONNX copy that agreed: its file, and how far it was off on how many rows."""

    content: bytes
    probe_rows: int
    largest_difference: float


@dataclass(frozen=True, slots=True)
class NotPackaged:
    """Why there is no copy, by steps and rules; how far one was off, if there was one to compare."""

    reason: str
    probe_rows: int = 0
    largest_difference: float | None = None


def package(model: LoadedModel | FittedState, digest: str, rows: Columns) -> Packaged | NotPackaged:
    """Make the ONNX copy of a model whose file has that digest, and compare the two on rows.

    ``rows`` are some rows as ``RowReader`` gives them; what is like them but missing, unseen or extreme is tried too.
    """
    try:
        content = converted(model, digest)
    except NoOnnx as reason:
        return NotPackaged(reason.detail)
    if len(content) > MOST_BYTES:
        return NotPackaged(f"the copy would be larger than {MOST_BYTES >> 20} MiB")
    audit(content)
    record = Applier(model)
    scale = spread(record.predict(rows))
    tried = probe(model.input_schema, rows)
    try:
        record.predict(tried)
    except ValueError:
        tried = rows  # the model of record itself cannot take what is extreme
    return _compared(record, Scorer(content), content, tried, scale)


def _compared(record: Applier, copy: Scorer, content: bytes, rows: Columns, scale: float) -> Packaged | NotPackaged:
    """Compare on all rows together, and on some one by one."""
    count = len(next(iter(rows.values())))
    places = range(0, count, max(1, count // ALONE))
    alone = [{name: cells[at : at + 1] for name, cells in rows.items()} for at in places]
    try:
        each = [difference(record.predict(part), copy.predict(part), scale) for part in (rows, *alone)]
    except ValueError:
        return NotPackaged("the copy gave no finite number where the model of record did", count)
    largest = float(np.max([off for _, off in each]))
    told = largest if np.isfinite(largest) else None
    if any(otherwise for otherwise, _ in each):
        return NotPackaged("the copy chose another class than the model of record on some rows", count, told)
    if not largest <= TOLERANCE:
        return NotPackaged("the copy differed from the model of record by more than it may", count, told)
    return Packaged(content, count, largest)


def probe(schema: Sequence[InputColumn], rows: Columns) -> Columns:
    """Add to rows, for each column, rows that differ from the first ones in it: missing, unseen, or extreme."""
    count = len(next(iter(rows.values())))
    changes: list[tuple[str, Any]] = []
    for column in schema:
        if column.nullable:
            changes.append((column.name, np.nan))
        changes += [(column.name, value) for value in _strange(column)]
    sources = np.arange(len(changes)) % count
    whole = {name: np.concatenate([column, column[sources]]) for name, column in rows.items()}
    for at, (name, value) in enumerate(changes, start=count):
        whole[name][at] = value
    return whole


def _strange(column: InputColumn) -> Sequence[Any]:
    if column.type == "string":
        return ("", "\0 unseen")
    return (0.0, 1.0) if column.type == "boolean" else EXTREMES


# Making the file


def converted(model: LoadedModel | FittedState, digest: str) -> bytes:
    """Return the file of the ONNX copy, compared with nothing yet; raises `NoOnnx` where there can be none."""
    graph = Graph()
    flowing = _inputs(model)
    for fitted_step in model.pipeline.steps[:-1]:
        flowing = _through(graph, fitted_step[1], flowing)
    columns = [column for column in flowing if column is not None]
    matrix = graph.add("Clip", graph.matrix(columns), -LIMIT, LIMIT)
    assert model.spec.model is not None
    declared = models()[model.spec.model.node]
    fitted = nameless(model.pipeline.steps[-1][1])
    answer = declared.onnx(getattr(fitted, "regressor_", fitted), graph, matrix)
    if hasattr(fitted, "regressor_"):
        answer = fitted.transformer_.onnx(graph, answer)
    return _file(graph, answer, model, digest)


def _inputs(model: LoadedModel | FittedState) -> list[Column | None]:
    """The columns that the pipeline was fitted on; those that callers do not send are only dropped."""
    numbers = [column.name for column in model.input_schema if column.type != "string"]
    texts = [column.name for column in model.input_schema if column.type == "string"]
    found: dict[str, Column] = {name: Numbers(NUMBERS, at, len(numbers)) for at, name in enumerate(numbers)}
    found.update({name: Named(at, lambda cells: cells) for at, name in enumerate(texts)})
    return [found.get(name) for name in model.pipeline_inputs]


def _through(graph: Graph, transformer: Any, flowing: list[Column | None]) -> list[Column | None]:
    parts = branches_of(transformer)
    if parts is None:
        return _through_one(graph, transformer, flowing)
    tables = [flowing]
    for fitted, pieces in parts:
        tables.append(_through_one(graph, fitted, picked(tables, pieces)))
    return picked(tables, transformer.pieces)


def _through_one(graph: Graph, transformer: Any, flowing: list[Column | None]) -> list[Column | None]:
    after: list[Column | None] = []
    for fitted, positions in parts_of(transformer):
        chosen = [flowing[at] for at in positions]
        if fitted is None:
            after += chosen
            continue
        declared = step_of(fitted)
        if declared is None:
            raise NoOnnx(f"nothing is known of {type(fitted).__qualname__}")
        try:
            after += declared.onnx(nameless(fitted), graph, [column for column in chosen if column is not None])
        except NoOnnx as reason:
            raise NoOnnx(f"{declared.name}: {reason.detail}") from None
    return after


def _file(graph: Graph, answer: str, model: LoadedModel | FittedState, digest: str) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    numbers = sum(column.type != "string" for column in model.input_schema)
    texts = len(model.input_schema) - numbers
    inputs = []
    if numbers:
        inputs.append(helper.make_tensor_value_info(NUMBERS, TensorProto.DOUBLE, ["rows", numbers]))
    if texts:
        inputs.append(helper.make_tensor_value_info(TEXTS, TensorProto.STRING, ["rows", texts]))
    width = 1 if model.classes is None else len(model.classes)
    output = helper.make_tensor_value_info(OUTPUT, TensorProto.DOUBLE, ["rows", width])
    nodes = [
        helper.make_node(
            each.operator,
            list(each.inputs),
            [OUTPUT if each.output == answer else each.output],
            domain=each.domain,
            **{name: _attribute(value) for name, value in each.attributes.items()},
        )
        for each in graph.operations
    ]
    constants = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in graph.constants.items()]
    made = helper.make_model(
        helper.make_graph(nodes, "skyulf", inputs, [output], constants),
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in OPSETS.items()],
        ir_version=IR_VERSION,
        producer_name="skyulf",
    )
    helper.set_model_props(made, {RECORD: json.dumps(_record(model, digest), allow_nan=False)})
    content: bytes = made.SerializeToString(deterministic=True)
    return content


def _attribute(value: Any) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value


def _record(model: LoadedModel | FittedState, digest: str) -> Mapping[str, Any]:
    return {
        **record_of(model.thresholds, model.intervals, by_distance(model)),
        "model": digest,
        "input_schema": [asdict(column) for column in model.input_schema],
        "target_type": model.target_type,
        "classes": model.classes,
    }


# Judging a file


def audit(content: bytes) -> None:
    """Refuse a file that is no copy of ours, by its structure alone: nothing of it is run.

    Raises:
        Damaged: it is too large or no ONNX file, or holds an operator, a function or a reference that no copy has.

    """
    import onnx
    from google.protobuf.message import DecodeError

    if len(content) > MOST_BYTES:
        raise Damaged(f"the ONNX copy is larger than {MOST_BYTES >> 20} MiB")
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError:
        raise Damaged("this is no ONNX file") from None
    if {each.domain: each.version for each in model.opset_import} != OPSETS:
        raise Damaged("the ONNX copy uses operators of another kind than ours")
    if model.functions or model.training_info or model.graph.sparse_initializer:
        raise Damaged("the ONNX copy holds functions, training or sparse data, which no copy of ours does")
    tensors = list(model.graph.initializer)
    for node in model.graph.node:
        if node.op_type not in OPERATORS.get(node.domain, frozenset()):
            raise Damaged(f"the ONNX copy uses {node.op_type[:50]!r}, which no copy of ours does")
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs or attribute.HasField("sparse_tensor"):
                raise Damaged("the ONNX copy holds a graph within the graph, which no copy of ours does")
            tensors += [*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors]
    if any(each.data_location != onnx.TensorProto.DEFAULT or each.external_data for each in tensors):
        raise Damaged("the ONNX copy reads data outside its file, which no copy of ours does")
