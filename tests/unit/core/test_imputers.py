"""Imputers that scikit-learn has, where they needed to be put right."""

import numpy as np
import pandas as pd
import pytest

from skyulf.core.imputers import SettlingImputer

GAPS = [[1.0, np.nan, np.nan], [2.0, 4.0, np.nan], [3.0, 6.0, np.nan], [4.0, 8.0, np.nan]]


@pytest.mark.parametrize("columns", [3, 1])
def test_cells_that_may_not_be_written_are_filled_and_left_as_they_are(columns: int) -> None:
    cells = np.array(GAPS, order="F")[:, :columns]
    cells.setflags(write=False)
    frame = pd.DataFrame(cells, columns=[f"c{n}" for n in range(columns)])
    given = frame.copy(deep=True)
    imputer = SettlingImputer(keep_empty_features=True, random_state=0)
    filled = imputer.fit_transform(frame)
    assert not np.isnan(filled).any()
    assert filled.shape == frame.shape
    assert np.array_equal(imputer.transform(frame), filled)
    assert list(imputer.feature_names_in_) == list(frame.columns)
    pd.testing.assert_frame_equal(frame, given)
