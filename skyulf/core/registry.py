"""The catalogue: every step and model that a pipeline may name, found by looking into nodes/ and models/.

A node is one class: its fields are its parameters (hence a JSON schema), its class attributes say what it does
to columns, and ``build`` makes the scikit-learn object. Nothing here imports scikit-learn.
"""

import importlib
import importlib.util
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, some

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph
    from skyulf.core.piecewise import Learner, Moments

Task = Literal["classification", "regression", "clustering"]
SUPERVISED: tuple[Task, ...] = ("classification", "regression")
"""The tasks that have a target, which a node may learn from."""

Output = Literal["same", "numeric", "generated", "added", "dropped", "rows"]

N = TypeVar("N", bound="Node")

ALL_KINDS: frozenset[Kind] = frozenset({"numeric", "categorical", "datetime", "text"})
ENCODABLE: frozenset[Kind] = frozenset({"numeric", "categorical", "text"})
NUMERIC: frozenset[Kind] = frozenset({"numeric"})


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What an estimator is built with besides its parameters: the seed, the task and the number of threads."""

    seed: int
    task: Task
    threads: int = 1


class Node(BaseModel, ABC):
    """A step or model with its parameters; the class is the declaration, an instance one use of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    name: ClassVar[str]
    kind: ClassVar[Literal["step", "model"]]
    tasks: ClassVar[tuple[Task, ...]] = SUPERVISED
    types: ClassVar[tuple[str, ...]]
    """Full names of the classes that its fitted state consists of, which a model file may therefore hold."""
    needs: ClassVar[str | None] = None
    """A library that not everyone has, by its module; the extra that installs it has the same name."""

    def absent(self) -> str | None:
        """Say what is to be installed before it can be used, or None where nothing is."""
        if self.needs is None or importlib.util.find_spec(self.needs) is not None:
            return None
        return f"{self.name} needs {self.needs}, which is not installed; run pip install 'skyulf[{self.needs}]'"

    def unable(self, task: Task) -> str | None:
        """Say why it cannot do the task with these parameters, or None where it can."""
        return None if task in self.tasks else f"{self.name} is for {' and '.join(self.tasks)} only"

    @abstractmethod
    def build(self, context: BuildContext) -> Any:
        """Make the unfitted scikit-learn object. Libraries are imported here, not at start."""


Reads = tuple[Sequence[str], frozenset[Kind]]
"""Columns that a parameter names, and the kinds that they may be of."""


class Step(Node):
    """A node that changes columns.

    ``takes`` are the kinds of columns it can be given. ``output`` says what becomes of them: the ``same``
    columns, ``numeric`` ones of the same names, ``generated`` ones in their place, ``added`` ones beside them, none
    where they are ``dropped``, or the same columns with fewer or more ``rows``. ``takes_nulls`` says that cells may be
    missing before it, ``fills_nulls`` that none is afterwards, ``takes_generated`` that it also acts on columns that
    earlier steps generated. ``by_name`` says that its parameters name every column that it acts on, so that nothing
    else chooses them. One that learns from the target says so by its ``tasks``.
    """

    kind: ClassVar[Literal["step", "model"]] = "step"
    tasks: ClassVar[tuple[Task, ...]] = (*SUPERVISED, "clustering")
    takes: ClassVar[frozenset[Kind]]
    output: ClassVar[Output] = "same"
    takes_nulls: ClassVar[bool] = True
    fills_nulls: ClassVar[bool] = False
    takes_generated: ClassVar[bool] = True
    by_name: ClassVar[bool] = False
    row_by_row: ClassVar[bool] = False
    """Whether it learns nothing of rows but what columns there are, so that any of them will do."""

    def unable_in_pieces(self) -> str | None:
        """Say why it cannot learn from a table that comes in pieces, with these parameters, or None where it can."""
        return None if self.row_by_row else f"{self.name} learns from all rows at once"

    @property
    def learns(self) -> bool:
        """Whether it learns anything of rows, with these parameters."""
        return not self.row_by_row

    def learn(self, fitted: Any, moments: "Moments") -> None:
        """Give a transformer that was fitted on some rows what it would have learnt of all of them."""
        raise TypeError(f"{self.name} does not learn from pieces")

    def after(self, kind: Kind, nullable: bool) -> tuple[Kind, bool]:
        """Return the kind of a column that keeps its name, and whether cells of it may be missing afterwards."""
        return "numeric" if self.output == "numeric" else kind, nullable and not self.fills_nulls

    def objection(self, kind: Kind) -> str | None:
        """Say why these parameters cannot be used on a column of this kind, or None if they can."""
        if kind in self.takes:
            return None
        return f"{self.name} takes {_either(sorted(self.takes))} columns only"

    def names(self) -> Mapping[str, Sequence[str]]:
        """Return the parameters that name columns, and the names; one may be the target's."""
        return {}

    def reads(self) -> Mapping[str, Reads]:
        """Return the parameters that name columns which it needs to have besides those that it acts on.

        Only for steps that add columns or change rows: others would take them out of the table.
        """
        return {}

    def misfit(self, columns: Mapping[str, Kind], others: Mapping[str, Kind]) -> str | None:
        """Say why it cannot act on these columns (by name, with their kinds) and leave the ``others``, or None."""
        return None

    def build_on(self, context: BuildContext, columns: Sequence[str]) -> Any:
        """Make the unfitted object for columns of these names, in the order in which it will find them."""
        return self.build(context)

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """Say what it makes of columns whose place it takes, or beside which it puts others, before it is fitted.

        ``classes`` are those of the target, None in regression.
        """
        nullable = not self.fills_nulls and any(source.nullable for source in sources)
        names = tuple(source.name for source in sources)
        return (Made(names, f"made by {self.name} of {some(names)}", nullable=nullable),)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any] | None:
        """Return what a fitted transformer computes as a function of a plain array, to spare it its checks.

        It gives bit for bit what ``fitted.transform`` gives. None leaves the work to that method.
        """
        return None

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Add what a fitted transformer computes to an ONNX graph: its columns in, the columns it leaves out.

        Raises `NoOnnx` where that cannot be done faithfully.
        """
        from skyulf.core.graph import NoOnnx

        raise NoOnnx(f"the step {cls.name} has no counterpart in ONNX")


class NumberStep(Step):
    """A step whose fitted transformer has a ``compute`` of its own for a plain array of floats, without checks."""

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Compute; missing cells are NaN."""
        return lambda block: fitted.compute(block.astype(float, copy=False))


@dataclass(frozen=True, slots=True)
class Address:
    """Where columns are found when a step that changes rows is given them: by name in a frame, or by position.

    ``of`` holds every known column's address, ``columns`` those of the columns that the step acts on. Columns from the
    position ``made_from`` on were made by earlier steps; None where it does not act on them.
    """

    of: Mapping[str, str | int]
    columns: list[Any]
    made_from: int | None


class RowStep(Step):
    """A step that drops training rows, or adds some. What is evaluated and what is served passes it by."""

    output: ClassVar[Output] = "rows"
    types: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def sampler(self, context: BuildContext, address: Address) -> Any:
        """Make the unfitted sampler: an estimator with imbalanced-learn's ``fit_resample``."""

    def build(self, context: BuildContext) -> Any:
        """Refuse: where the columns are must be known."""
        raise TypeError(f"{self.name} is built by sampler(), not by build()")


class Model(Node):
    """A node that predicts the target from numeric columns, or clusters; ``takes_nulls`` if some may be missing."""

    kind: ClassVar[Literal["step", "model"]] = "model"
    takes_nulls: ClassVar[bool] = False
    in_pieces: ClassVar[Literal["never", "one pass", "epochs"]] = "never"
    """Whether it can learn from a table that comes in pieces, and if it sees it once or over and over."""

    def unable_in_pieces(self, task: Task) -> str | None:
        """Say why it cannot learn so, with these parameters, or None where it can."""
        if self.in_pieces != "never":
            return None
        able = sorted(name for name, node in models(task).items() if node.in_pieces != "never")
        way_out = f"use {_either(able)}" if able else "so does every model of this task"
        return f"{self.name} learns from all rows at once; {way_out}"

    def learner(self, estimator: Any, classes: Any) -> "Learner":
        """Let an estimator that it built learn from pieces; ``classes`` are those of all rows, None in regression."""
        raise TypeError(f"{self.name} does not learn from pieces")

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Add what a fitted model computes of a matrix of numbers to an ONNX graph.

        What it answers is named: probabilities, rows by classes, or predictions, rows by 1. Raises `NoOnnx` where that
        cannot be done faithfully.
        """
        from skyulf.core.graph import NoOnnx

        raise NoOnnx(f"the model {cls.name} has no counterpart in ONNX")


def _either(words: list[Any]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


@cache
def _catalogue() -> Mapping[str, type[Node]]:
    found: dict[str, type[Node]] = {}
    for folder in ("skyulf.core.nodes", "skyulf.core.models"):
        for module in pkgutil.iter_modules(importlib.import_module(folder).__path__):
            members = vars(importlib.import_module(f"{folder}.{module.name}")).values()
            for member in members:
                if not (isinstance(member, type) and issubclass(member, Node)) or inspect.isabstract(member):
                    continue
                if found.setdefault(member.name, member) is not member:
                    raise TypeError(f"two nodes are named {member.name}")
    return MappingProxyType(found)


@cache
def steps() -> Mapping[str, type[Step]]:
    """Return every step by its name."""
    return MappingProxyType({name: node for name, node in _catalogue().items() if issubclass(node, Step)})


@cache
def models(task: Task | None = None) -> Mapping[str, type[Model]]:
    """Return every model by its name; with ``task`` only those that can do it."""
    return MappingProxyType(
        {
            name: node
            for name, node in _catalogue().items()
            if issubclass(node, Model) and (task is None or task in node.tasks)
        }
    )


def describe_nodes() -> list[dict[str, Any]]:
    """Describe every node for people and programs: name, kind, tasks, doc and the JSON schema of its params."""
    return [
        {
            "name": node.name,
            "kind": node.kind,
            "tasks": list(node.tasks),
            "doc": inspect.getdoc(node) or "",
            "params": node.model_json_schema(),
        }
        for node in sorted(_catalogue().values(), key=lambda node: (node.kind != "step", node.name))
    ]


def make_step(name: str, params: Mapping[str, Any]) -> Step:
    """Make the step of that name; raises pydantic's ValidationError, located within the step's document."""
    return _make(steps(), name, params)


def make_model(name: str, params: Mapping[str, Any]) -> Model:
    """Make the model of that name; raises pydantic's ValidationError, located within the model's document."""
    return _make(models(), name, params)


def _make(catalogue: Mapping[str, type[N]], name: str, params: Mapping[str, Any]) -> N:
    if name not in catalogue:
        known = PydanticCustomError(
            "unknown_node", "no such node; known are {known}", {"known": ", ".join(sorted(catalogue))}
        )
        raise ValidationError.from_exception_data("spec", [InitErrorDetails(type=known, loc=("node",), input=None)])
    node = catalogue[name]
    try:
        return node.model_validate(dict(params))
    except ValidationError as error:
        raise ValidationError.from_exception_data(name, _located(node, error)) from None


def _located(node: type[Node], error: ValidationError) -> list[InitErrorDetails]:
    """Move errors to where the parameters stand; one for each parameter, though a union complains of every branch."""
    messages: dict[tuple[int | str, ...], list[str]] = {}
    for one in error.errors(include_url=False):
        message = one["msg"].removeprefix("Value error, ")
        if one["type"] == "extra_forbidden":
            message = f"{node.name} has no such parameter; it takes {', '.join(sorted(node.model_fields)) or 'none'}"
        messages.setdefault(one["loc"][:1], []).append(message)
    return [
        InitErrorDetails(
            type=PydanticCustomError("parameter", "{message}", {"message": "; or: ".join(dict.fromkeys(each))}),
            loc=("params", *place),
            input=None,
        )
        for place, each in messages.items()
    ]
