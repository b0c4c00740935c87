import numpy as np
import pytest
from helpers import LOGISTIC, spec, table, trained
from sklearn.compose import ColumnTransformer

from skyulf.core.walk import Walk

NUMBERS = ["age", "fare paid", "member"]
FILL = {"node": "impute", "columns": "numeric", "params": {"strategy": "median"}}
SCALE = {"node": "scale", "columns": "all"}
SQUARE = {"node": "polynomial", "columns": "numeric"}
ONE = {"node": "clip", "columns": ["age"]}
BINS = {"node": "bin", "columns": ["fare paid"]}
NAMES = {"node": "cast", "columns": "all", "params": {"to": "category"}}
CODES = {"node": "one_hot", "columns": "all"}


@pytest.mark.parametrize(
    "steps",
    [
        [FILL, SCALE],
        [ONE, FILL, SCALE],
        [FILL, ONE, BINS, SCALE],
        [FILL, SQUARE, SCALE],
        [FILL, SQUARE, ONE | {"columns": "numeric"}, SCALE],
        [FILL, NAMES, CODES],
        [NAMES, CODES, SCALE],
        [{"node": "drop_columns", "columns": ["member"]}, FILL, SCALE],
        [{"node": "missing_indicator", "columns": ["age"]}, FILL, SCALE],
    ],
    ids=lambda steps: "-".join(step["node"] for step in steps),
)
def test_a_step_on_all_of_a_table_of_numbers_stands_alone_and_arrays_go_its_way_too(steps):
    frame, facts = table()
    frame, facts = frame[[*NUMBERS, "y"]], [column for column in facts if column.name in (*NUMBERS, "y")]
    state = trained(spec(steps, LOGISTIC), frame=frame, facts=facts)
    assert any(not isinstance(step, ColumnTransformer) for step in state.pipeline[:-1])
    features = frame[list(state.pipeline_inputs)]
    ours = Walk(state.pipeline, state.pipeline_inputs).chances({name: features[name].to_numpy() for name in NUMBERS})
    np.testing.assert_allclose(ours, state.pipeline.predict_proba(features), rtol=1e-12)


def test_a_step_on_some_columns_chooses_them():
    frame, facts = table()
    frame, facts = frame[[*NUMBERS, "y"]], [column for column in facts if column.name in (*NUMBERS, "y")]
    state = trained(spec([ONE, FILL], LOGISTIC), frame=frame, facts=facts)
    assert isinstance(state.pipeline[0], ColumnTransformer)
