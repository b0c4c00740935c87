"""Support vector machines."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.registry import BuildContext, Model


class Svm(Model):
    """Separates classes, or fits a tube around a target, with the widest margin in the space of a kernel.

    Builds on scikit-learn's SVC and SVR. Probabilities come from Platt's sigmoid over cross-validated decisions
    (CalibratedClassifierCV), so classification needs at least ``folds`` training rows of each class. Wants scaled
    numeric columns without missing cells; time grows with the square of the rows. ``class_weight`` and ``folds`` are
    for classification, ``epsilon`` is for regression.
    """

    name: ClassVar[str] = "svm"
    types: ClassVar[tuple[str, ...]] = (
        "sklearn.calibration.CalibratedClassifierCV",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.svm._classes.SVC",
        "sklearn.svm._classes.SVR",
    )

    C: float = Field(default=1.0, gt=0)
    kernel: Literal["rbf", "linear", "sigmoid"] = "rbf"
    gamma: Literal["scale", "auto"] = "scale"
    epsilon: float = Field(default=0.1, ge=0)
    folds: int = Field(default=5, ge=2)
    class_weight: Literal["balanced"] | None = None

    def build(self, context: BuildContext) -> Any:
        """Make the machine for the task."""
        from sklearn import svm

        if context.task == "regression":
            return svm.SVR(C=self.C, kernel=self.kernel, gamma=self.gamma, epsilon=self.epsilon)
        from sklearn.calibration import CalibratedClassifierCV

        machine = svm.SVC(C=self.C, kernel=self.kernel, gamma=self.gamma, class_weight=self.class_weight)
        return CalibratedClassifierCV(machine, method="sigmoid", cv=self.folds, ensemble=False)
