"""Models after Bayes' rule."""

from typing import Any, ClassVar

from pydantic import Field

from skyulf.core.registry import BuildContext, Model, Task


class NaiveBayes(Model):
    """Takes columns for normally distributed and independent within each class; quick, its probabilities are bold.

    Builds on scikit-learn's GaussianNB. Wants numeric columns without missing cells; needs no scaling.
    """

    name: ClassVar[str] = "naive_bayes"
    tasks: ClassVar[tuple[Task, ...]] = ("classification",)
    types: ClassVar[tuple[str, ...]] = ("sklearn.naive_bayes.GaussianNB",)

    var_smoothing: float = Field(default=1e-9, ge=0)

    def build(self, _: BuildContext) -> Any:
        """Make the classifier."""
        from sklearn.naive_bayes import GaussianNB

        return GaussianNB(var_smoothing=self.var_smoothing)
