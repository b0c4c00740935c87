import numpy as np
import pandas as pd
import pytest
from helpers import FULL, LOGISTIC, spec, table, trained
from sklearn.impute import SimpleImputer

from skyulf.core.transformers import MedianImputer


def holed(rows):
    draw = np.random.default_rng(rows)
    cells = draw.normal(size=(rows, 5)) * 10.0 ** draw.integers(-300, 300, size=5)
    cells[draw.random(cells.shape) < 0.2] = np.nan
    cells[:, 4] = np.nan
    return cells


@pytest.mark.parametrize("rows", [1, 2, 3, 10, 101, 1_000])
@pytest.mark.parametrize("wrap", [np.asarray, lambda cells: pd.DataFrame(cells, columns=list("abcde"))])
def test_it_learns_bit_for_bit_what_scikit_learn_learns_and_is_then_its_class(rows, wrap):
    options = {"strategy": "median", "keep_empty_features": True}
    theirs = SimpleImputer(**options).fit(wrap(holed(rows)))
    ours = MedianImputer(**options).fit(wrap(holed(rows)))
    assert type(ours) is SimpleImputer
    assert ours.statistics_.tobytes() == theirs.statistics_.tobytes()
    assert list(vars(ours)) == list(vars(theirs))


def test_the_served_pipeline_holds_no_class_of_ours_for_a_median():
    frame, facts = table()
    state = trained(spec(FULL, LOGISTIC), frame=frame, facts=facts)
    assert "SimpleImputer" in repr(state.pipeline)
    assert "MedianImputer" not in repr(state.pipeline)
