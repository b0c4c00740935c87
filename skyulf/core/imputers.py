"""scikit-learn's imputer by neighbours, put right."""

from typing import Any

from sklearn.impute import KNNImputer


class NearestImputer(KNNImputer):  # type: ignore[misc]
    """A KNNImputer that names the columns which it keeps, also one that is missing throughout."""

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return the names of all columns, where KNNImputer leaves out those that were missing throughout."""
        from sklearn.utils.validation import _check_feature_names_in

        return _check_feature_names_in(self, input_features)
