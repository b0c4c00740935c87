"""Imports skops without all of scikit-learn, which it looks through to list the estimators that it trusts by itself.

That is 5 MB and half a second of warming, for a list that says nothing here: which types a model file may hold is said
in `skyulf.core.formats`, and checked before skops is given the file.
"""

import sklearn.utils

_all_estimators = sklearn.utils.all_estimators
sklearn.utils.all_estimators = list
try:
    import skops.io  # noqa: F401 - for those who import it after this
finally:
    sklearn.utils.all_estimators = _all_estimators
