"""Models of models: their votes, a model of what they say, and probabilities put right."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from skyulf.core.registry import BuildContext, Model, Task, make_model, models

if TYPE_CHECKING:
    from skyulf.core.graph import Graph


class Member(BaseModel):
    """A model within another, and its parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    node: str
    params: dict[str, Any] = Field(default_factory=dict, validate_default=True)

    @field_validator("params")
    @classmethod
    def _complete(cls, params: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Refuse what the model does not take, and write out every parameter."""
        node = info.data.get("node", "")
        try:
            use = make_model(node, params)
        except ValidationError as error:
            raise ValueError("; ".join(one["msg"] for one in error.errors(include_url=False))) from None
        if isinstance(use, _Ensemble):
            raise ValueError(f"{node} consists of models itself; such cannot be within another")
        return use.model_dump()

    def use(self) -> Model:
        """Return the model with its parameters."""
        return make_model(self.node, self.params)


def _members() -> list[Member]:
    return [Member(node=node) for node in ("sgd", "random_forest", "hist_gradient_boosting")]


class _Ensemble(Model):
    @abstractmethod
    def _within(self) -> list[Member]:
        """The models that it consists of."""

    @property
    def takes_nulls(self) -> bool:  # type: ignore[override]
        """Whether all that look at the columns take missing cells."""
        return all(member.use().takes_nulls for member in self._looking())

    def _looking(self) -> list[Member]:
        """Those of the models that look at the columns."""
        return self._within()

    def absent(self) -> str | None:
        """Say what is to be installed for its members."""
        return next((reason for member in self._within() if (reason := member.use().absent())), super().absent())

    def unable(self, task: Task) -> str | None:
        """Say which member does not do the task."""
        return next(
            (reason for member in self._within() if (reason := member.use().unable(task))), super().unable(task)
        )


def _built(member: Member, context: BuildContext) -> Any:
    """Make a member, which works on one thread: what several predict would depend on which is ready first."""
    return member.use().build(BuildContext(context.seed, context.task, 1))


def _named(members: list[Member], context: BuildContext) -> list[tuple[str, Any]]:
    return [(f"{at}_{member.node}", _built(member, context)) for at, member in enumerate(members, start=1)]


def _onnx_of(fitted: Any, graph: "Graph", matrix: str) -> list[str]:
    """What each member says, as its own class declares it; they are named after the nodes."""
    nodes = [name.partition("_")[2] for name, _ in fitted.estimators]
    return [models()[node].onnx(each, graph, matrix) for node, each in zip(nodes, fitted.estimators_, strict=True)]


class Voting(_Ensemble):
    """The mean of what several models say: of their probabilities, or of their numbers.

    Builds on scikit-learn's VotingClassifier (soft) and VotingRegressor. ``weights``, one a model, say how much each
    counts. Wants what its models want: missing cells only where all take them, scaled columns for some. Left out, the
    models are sgd, random_forest and hist_gradient_boosting.
    """

    name: ClassVar[str] = "voting"
    types: ClassVar[tuple[str, ...]] = (
        "sklearn.ensemble._voting.VotingClassifier",
        "sklearn.ensemble._voting.VotingRegressor",
        "sklearn.utils._bunch.Bunch",
    )

    models: Annotated[list[Member], Field(min_length=2)] = Field(default_factory=_members)
    weights: list[Annotated[float, Field(ge=0)]] | None = None

    @model_validator(mode="after")
    def _a_weight_for_each(self) -> Self:
        if self.weights is not None and (len(self.weights) != len(self.models) or not any(self.weights)):
            raise ValueError("weights are one for each model, and not all 0")
        return self

    def _within(self) -> list[Member]:
        return self.models

    def build(self, context: BuildContext) -> Any:
        """Make the ensemble for the task."""
        from sklearn import ensemble

        members = _named(self.models, context)
        if context.task == "classification":
            return ensemble.VotingClassifier(members, voting="soft", weights=self.weights)
        return ensemble.VotingRegressor(members, weights=self.weights)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Take the mean."""
        said = _onnx_of(fitted, graph, matrix)
        weights = [1.0] * len(said) if fitted.weights is None else fitted.weights
        total = graph.add("Mul", said[0], float(weights[0]))
        for each, weight in zip(said[1:], weights[1:], strict=True):
            total = graph.add("Add", total, graph.add("Mul", each, float(weight)))
        return graph.add("Div", total, float(sum(weights)))


class Stacking(_Ensemble):
    """A model of what several models say (Wolpert, Neural Networks 5, 1992).

    Builds on scikit-learn's StackingClassifier and StackingRegressor: the ``final`` model learns from what the others
    say of rows of the other ``folds``, so that it learns how far each can be trusted. With ``passthrough`` it sees the
    columns too. Wants what its models want: missing cells only where all take them, scaled columns for some. Left out,
    the models are those of voting, and the final one sgd.
    """

    name: ClassVar[str] = "stacking"
    types: ClassVar[tuple[str, ...]] = (
        "sklearn.ensemble._stacking.StackingClassifier",
        "sklearn.ensemble._stacking.StackingRegressor",
        "sklearn.utils._bunch.Bunch",
    )

    models: Annotated[list[Member], Field(min_length=1)] = Field(default_factory=_members)
    final: Member = Field(default_factory=lambda: Member(node="sgd"))
    folds: int = Field(default=5, ge=2)
    passthrough: bool = False

    def _within(self) -> list[Member]:
        return [*self.models, self.final]

    def _looking(self) -> list[Member]:
        return self._within() if self.passthrough else self.models

    def build(self, context: BuildContext) -> Any:
        """Make the ensemble for the task."""
        from sklearn import ensemble
        from sklearn.model_selection import KFold

        members = _named(self.models, context)
        final = _built(self.final, context)
        # Folds are not stratified: a class with fewer rows than folds is no reason to fail.
        folds = KFold(self.folds, shuffle=True, random_state=context.seed)
        options = {"cv": folds, "passthrough": self.passthrough}
        if context.task == "classification":
            return ensemble.StackingClassifier(members, final, stack_method="predict_proba", **options)
        return ensemble.StackingRegressor(members, final, **options)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Ask the final model of what the others say."""
        import numpy as np

        said = _onnx_of(fitted, graph, matrix)
        if len(getattr(fitted, "classes_", ())) == 2:
            said = [graph.add("Gather", each, np.array([1]), axis=1) for each in said]
        columns = [*said, *([matrix] if fitted.passthrough else [])]
        seen = columns[0] if len(columns) == 1 else graph.add("Concat", *columns, axis=1)
        return _declared(fitted.final_estimator_).onnx(fitted.final_estimator_, graph, seen)


def _declared(fitted: Any) -> type[Model]:
    """The model that makes estimators of this class."""
    task: Task = "classification" if hasattr(fitted, "classes_") else "regression"
    single = [node for node in models(task).values() if not issubclass(node, _Ensemble)]
    name = f"{type(fitted).__module__}.{type(fitted).__qualname__}"
    able = [node for node in single if name in node.types]
    return next(node for node in able if type(node().build(BuildContext(0, task))) is type(fitted))


class Calibrated(_Ensemble):
    """Puts a classifier's probabilities right, so that of rows given 0.8 some 80 in 100 are of the class.

    Builds on scikit-learn's CalibratedClassifierCV: what the ``model`` says of rows of the other ``folds`` is put right
    by Platt's sigmoid, or by an isotonic step function, which wants a thousand rows or more. Needs at least ``folds``
    training rows of each class. Has no ONNX copy.
    """

    name: ClassVar[str] = "calibrated"
    tasks: ClassVar[tuple[Task, ...]] = ("classification",)
    types: ClassVar[tuple[str, ...]] = (
        "sklearn.calibration.CalibratedClassifierCV",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.isotonic.IsotonicRegression",
    )

    model: Member = Field(default_factory=lambda: Member(node="random_forest"))
    method: Literal["sigmoid", "isotonic"] = "sigmoid"
    folds: int = Field(default=5, ge=2)

    def _within(self) -> list[Member]:
        return [self.model]

    def build(self, context: BuildContext) -> Any:
        """Make the calibrated classifier."""
        from sklearn.calibration import CalibratedClassifierCV

        return CalibratedClassifierCV(_built(self.model, context), method=self.method, cv=self.folds, ensemble=False)
