"""Predicts with a model's ONNX copy, by numpy and ONNX Runtime alone: for whoever wants to predict and nothing else.

The file tells all that is needed: beside the graph it holds one record, as JSON, with the columns that callers send,
the classes, and the digest of the model of record. Numbers enter as one matrix and text as another
(`skyulf.core.graph` says how), each with the columns in the order of the record.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from skyulf.core.block import Block
from skyulf.core.columns import ColumnType
from skyulf.core.graph import NUMBERS, OUTPUT, TEXTS, sent
from skyulf.core.predictions import NEAREST, Predictions, decided_by
from skyulf.core.rows import Columns
from skyulf.core.state import InputColumn, Label
from skyulf.errors import Damaged

RECORD = "skyulf"

MOST_BYTES = 64 << 20
"""A copy is no larger."""

ERRORS_ONLY = 3

Array = np.ndarray[Any, Any]


class Scorer:
    """A loaded ONNX copy. Safe to share between threads: it keeps nothing of a call.

    ``input_schema``, ``target_type`` and ``classes`` mean what they mean in ``FittedState``; ``model`` is the digest of
    the model of record. Raises `Damaged` for what is no copy of ours; what a graph consists of is not looked at here
    but by ``skyulf.core.packaging.audit``.
    """

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        if len(content) > MOST_BYTES:
            raise Damaged(f"the ONNX copy is larger than {MOST_BYTES >> 20} MiB")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = ERRORS_ONLY
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            record = json.loads(self._session.get_modelmeta().custom_metadata_map[RECORD])
            self._thresholds, self._intervals = decided_by(record)
            self._nearest = record["format"] == NEAREST
            self.input_schema = tuple(InputColumn(**column) for column in record["input_schema"])
            self.target_type: ColumnType = record["target_type"]
            self.classes: list[Label] | None = record["classes"]
            self.model: str = record["model"]
        except Damaged:
            raise
        except Exception as error:  # noqa: BLE001 -- ONNX Runtime's own exceptions have no common class but this
            raise Damaged(f"this is no ONNX copy of a model ({type(error).__name__})") from None
        self._numbers = tuple(column.name for column in self.input_schema if column.type != "string")
        self._texts = [column.name for column in self.input_schema if column.type == "string"]

    def predict(self, columns: Columns) -> Predictions:
        """Predict each row of ``columns`` (arrays of one length, as ``RowReader`` gives them).

        Raises ValueError where a prediction is not finite: then only the model of record knows what to say.
        """
        feeds = {}
        if self._numbers:
            feeds[NUMBERS] = self._matrix(columns)
        if self._texts:
            feeds[TEXTS] = texts_of([columns[name] for name in self._texts])
        (output,) = self._session.run([OUTPUT], feeds)
        if not np.isfinite(output).all():
            raise ValueError("the copy gave a number that is not finite; ask the model of record")
        if self.classes is None:
            return Predictions(output[:, 0], intervals=self._intervals)
        if self._nearest:
            return Predictions.of_distances(self.classes, output)
        return Predictions.of_chances(self.classes, output, self._thresholds)

    def _matrix(self, columns: Columns) -> Array:
        if isinstance(columns, Block) and tuple(columns) == self._numbers:
            return columns.matrix
        return matrix_of([columns[name] for name in self._numbers])


def matrix_of(columns: Sequence[Array]) -> Array:
    """Put columns of numbers side by side: rows by columns."""
    if len(columns[0]) == 1:
        return np.concatenate(columns).reshape(1, -1)
    return np.ascontiguousarray(np.concatenate(columns).reshape(len(columns), -1).T)


def texts_of(columns: Sequence[Array]) -> Array:
    """Put columns of text side by side, each cell as it enters a graph."""
    cells = [[sent(cell) for cell in column.tolist()] for column in columns]
    return np.array(cells, dtype=object).T
