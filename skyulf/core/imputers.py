"""scikit-learn's imputers by neighbours and by regression, put right."""

from typing import Any

import numpy as np
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  scikit-learn wants to be asked for it
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.utils.validation import validate_data


class NearestImputer(KNNImputer):  # type: ignore[misc]
    """A KNNImputer that names the columns which it keeps, also one that is missing throughout."""

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return the names of all columns, where KNNImputer leaves out those that were missing throughout."""
        from sklearn.utils.validation import _check_feature_names_in

        return _check_feature_names_in(self, input_features)


class SettlingImputer(IterativeImputer):  # type: ignore[misc]
    """An IterativeImputer that writes into a copy of its own: cells of a frame, or of a table in use, are read-only."""

    def _initial_imputation(self, X: Any, in_fit: bool = False) -> Any:
        """Copy the cells, and keep the names of the columns, which an array has not."""
        validate_data(self, X, reset=in_fit, skip_check_array=True)
        names = self.__dict__.pop("feature_names_in_", None)
        try:
            return super()._initial_imputation(np.array(X, dtype=np.float64, order="F"), in_fit)
        finally:
            if names is not None:
                self.feature_names_in_ = names
