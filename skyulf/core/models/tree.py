"""Single trees."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.registry import BuildContext, Model

if TYPE_CHECKING:
    from skyulf.core.graph import Graph


class DecisionTree(Model):
    """One tree of questions, for people to read; takes missing cells.

    Builds on scikit-learn's DecisionTreeClassifier and DecisionTreeRegressor. Wants numeric columns; needs no
    scaling. ``class_weight`` is for classification; ``ccp_alpha`` prunes.
    """

    name: ClassVar[str] = "decision_tree"
    takes_nulls: ClassVar[bool] = True
    types: ClassVar[tuple[str, ...]] = (
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._classes.DecisionTreeRegressor",
        "sklearn.tree._tree.Tree",
    )

    max_depth: int | None = Field(default=None, ge=1)
    min_samples_split: int = Field(default=2, ge=2)
    min_samples_leaf: int = Field(default=1, ge=1)
    max_features: Literal["sqrt", "log2"] | Annotated[float, Field(gt=0, le=1)] | None = None
    ccp_alpha: float = Field(default=0.0, ge=0)
    class_weight: Literal["balanced"] | None = None

    def build(self, context: BuildContext) -> Any:
        """Make the tree for the task."""
        from sklearn import tree

        options = self.model_dump()
        weight = options.pop("class_weight")
        if context.task == "classification":
            return tree.DecisionTreeClassifier(**options, class_weight=weight, random_state=context.seed)
        return tree.DecisionTreeRegressor(**options, random_state=context.seed)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Ask the tree."""
        from skyulf.core.trees import averaged

        classes = len(fitted.classes_) if hasattr(fitted, "classes_") else None
        return averaged(graph, matrix, [fitted.tree_], classes)
