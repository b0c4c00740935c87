"""The model file: skops, with a JSON record beside the pipeline. Nothing of a file runs before it has been audited.

The file is a zip of stored members: what skops writes for the Pipeline (so that ``skops.io.load`` reads it anywhere)
and ``skyulf.json``. Which types it may hold is fixed here and in the nodes' declarations, never taken from the file.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from skyulf.core.columns import ColumnType
from skyulf.core.predictions import Intervals, Thresholds, decided_by, record_of
from skyulf.core.registry import models, steps
from skyulf.core.spec import PipelineSpec
from skyulf.core.state import FittedState, InputColumn, Label, by_distance
from skyulf.errors import Damaged

RECORD = "skyulf.json"
SCHEMA = "schema.json"

# How skops rebuilds each part. Those that import a function, bind a method or call a constructor are left out.
LOADERS = frozenset(
    {
        "DTypeNode", "DictNode", "JsonNode", "ListNode", "LossNode", "NdArrayNode", "ObjectNode",
        "RandomGeneratorNode", "RandomStateNode", "SliceNode", "TreeNode", "TupleNode", "TypeNode",
    }
)  # fmt: skip

# What pipelines of any nodes consist of; each was looked at: none opens a file, a socket or a process, or takes code.
COMMON_TYPES = frozenset(
    {
        "builtins.dict", "builtins.float", "builtins.int", "builtins.list", "builtins.slice", "builtins.str",
        "builtins.tuple", "numpy.bool", "numpy.bool_", "numpy.dtype", "numpy.float32", "numpy.float64", "numpy.int32",
        "numpy.int64", "numpy.intp", "numpy.ndarray", "numpy.uint8", "numpy.uint32", "numpy.uint64",
        "numpy.random._generator.Generator",
        "skyulf.core.branches.Branches",
        "sklearn._loss._loss.CyHalfBinomialLoss", "sklearn._loss._loss.CyHalfMultinomialLoss",
        "sklearn._loss._loss.CyHalfSquaredError",
        "sklearn._loss.link.IdentityLink", "sklearn._loss.link.Interval", "sklearn._loss.link.LogitLink",
        "sklearn._loss.link.MultinomialLogit",
        "sklearn._loss.loss.HalfBinomialLoss", "sklearn._loss.loss.HalfMultinomialLoss",
        "sklearn._loss.loss.HalfSquaredError",
        "sklearn.compose._column_transformer.ColumnTransformer", "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._function_transformer.FunctionTransformer",
        "sklearn.preprocessing._label.LabelEncoder",
    }
)  # fmt: skip

# What a model of which the target is transformed stands in.
TARGET_TYPES = frozenset(
    {"skyulf.core.target_transforms.TargetTransform", "sklearn.compose._target.TransformedTargetRegressor"}
)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """What a model file holds; the fields mean what they mean in ``FittedState``."""

    spec: PipelineSpec
    pipeline: Any
    pipeline_inputs: tuple[str, ...]
    classes: list[Label] | None
    metrics: dict[str, float | None]
    input_schema: tuple[InputColumn, ...]
    target_type: ColumnType
    fingerprint: str
    environment: dict[str, Any]
    thresholds: Thresholds | None = None
    intervals: Intervals | None = None


def save_model(state: FittedState, path: str | Path) -> None:
    """Write the model file of a fitted state."""
    import skops.io

    record = {
        **record_of(state.thresholds, state.intervals, by_distance(state)),
        "spec": state.spec.model_dump(mode="json"),
        "pipeline_inputs": list(state.pipeline_inputs),
        "classes": state.classes,
        "metrics": state.metrics,
        "input_schema": [asdict(column) for column in state.input_schema],
        "target_type": state.target_type,
        "fingerprint": state.fingerprint,
        "environment": state.environment,
    }
    skops.io.dump(state.pipeline, path)
    with zipfile.ZipFile(path, "a", compression=zipfile.ZIP_STORED) as file:
        file.writestr(RECORD, json.dumps(record, allow_nan=False))


def load_model(path: str | Path) -> LoadedModel:
    """Read a model file.

    Raises:
        Damaged: it is no model file, or holds a type that is not on the list; then nothing of it was run.

    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    content = Path(path).read_bytes()
    try:
        record = _audited(content)
        pipeline = skops.io.loads(content, trusted=sorted(allowed_types()))
        return _model(record, pipeline)
    except (zipfile.BadZipFile, UntrustedTypesFoundException, ValidationError, ImportError, OSError) as error:
        raise Damaged(f"this is not a whole model file ({type(error).__name__})") from None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, EOFError) as error:
        raise Damaged(f"the model file does not hold what its format says ({type(error).__name__})") from None
    except (NotImplementedError, RuntimeError) as error:
        raise Damaged(f"the model file is of a kind that is not read ({type(error).__name__})") from None


@cache
def allowed_types() -> frozenset[str]:
    """Return the full names of all types that a model file may hold."""
    declared = (node.types for node in (*steps().values(), *models().values()))
    return COMMON_TYPES.union(TARGET_TYPES, *declared)


def _audited(content: bytes) -> Any:
    """Check everything that can be checked without building an object, and return the record."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = file.infolist()
        names = [member.filename for member in members]
        if len(set(names)) != len(names) or not {RECORD, SCHEMA} <= set(names):
            raise Damaged("the model file has not the members that it should have")
        # Our files are stored, so members that unpack to more than the file itself are not ours.
        stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
        if not stored or sum(member.file_size for member in members) > len(content):
            raise Damaged("the model file unpacks to more than it holds")
        for part in _parts(json.loads(file.read(SCHEMA))):
            kind = f"{part.get('__module__')}.{part.get('__class__')}"[:200]
            if kind not in allowed_types() or part.get("__loader__") not in LOADERS:
                raise Damaged(f"the model file holds {kind}, which no model of ours consists of; it was not loaded")
        return json.loads(file.read(RECORD))


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in skops' description that names a type or a loader."""
    waiting = [tree]
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, dict):
            if thing.keys() & {"__class__", "__module__", "__loader__"}:
                yield thing
            waiting += thing.values()
        elif isinstance(thing, list):
            waiting += thing


def _model(record: dict[str, Any], pipeline: Any) -> LoadedModel:
    thresholds, intervals = decided_by(record)
    return LoadedModel(
        spec=PipelineSpec.model_validate(record["spec"]),
        pipeline=pipeline,
        pipeline_inputs=tuple(record["pipeline_inputs"]),
        classes=record["classes"],
        metrics=record["metrics"],
        input_schema=tuple(InputColumn(**column) for column in record["input_schema"]),
        target_type=record["target_type"],
        fingerprint=record["fingerprint"],
        environment=record["environment"],
        thresholds=thresholds,
        intervals=intervals,
    )
