"""The static check is right both ways: what it lets pass trains, and what it refuses would not have."""

import re
import warnings

import numpy as np
import pytest
from helpers import TYPES, facts_of, spec, table, trained
from hypothesis import given, settings
from hypothesis import strategies as st

from skyulf.core import calculator
from skyulf.core.candidates import check_spec
from skyulf.core.registry import models
from skyulf.core.walk import Walk
from skyulf.errors import TrainingFailed

NAMES = [name for name in TYPES if name != "y"]
COLUMNS = st.one_of(
    st.sampled_from(["numeric", "categorical", "datetime", "text", "all"]),
    st.lists(st.sampled_from(NAMES), max_size=3, unique=True),
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["numeric", "categorical", "all"]), "exclude": st.lists(st.sampled_from(NAMES))}
    ),
)
NODES = st.sampled_from(
    [
        ("impute", {"strategy": "mean"}),
        ("impute", {"strategy": "median"}),
        ("impute", {"strategy": "most_frequent"}),
        ("impute", {"strategy": "constant", "fill_value": 0}),
        ("impute", {"strategy": "constant", "fill_value": "none"}),
        ("scale", {}),
        ("scale", {"method": "robust"}),
        ("one_hot", {}),
        ("one_hot", {"max_categories": 2}),
        ("ordinal", {}),
        ("drop_columns", {}),
        ("cast", {"to": "category"}),
        ("text_vectors", {}),
        ("missing_indicator", {}),
        ("clip", {}),
        ("power_transform", {}),
        ("bin", {"bins": 3}),
        ("polynomial", {}),
        ("target_encode", {}),
        ("select_variance", {}),
        ("select_univariate", {"keep": 2}),
    ]
)
STEPS = st.lists(
    st.tuples(NODES, COLUMNS).map(lambda s: {"node": s[0][0], "params": s[0][1], "columns": s[1]}), max_size=5
)
MODELS = st.sampled_from(sorted(models("classification")))


def asked_for(steps, model):
    params = {"n_estimators": 2} if model in ("random_forest", "extra_trees", "gradient_boosting") else {}
    params = {"max_iter": 3} if model == "hist_gradient_boosting" else params
    return spec(steps, {"node": model, "params": params}, refit=False)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, model=MODELS)
def test_what_passes_the_check_trains_and_what_does_not_fails(steps, model):
    frame, facts = table(80)
    asked = asked_for(steps, model)
    faults = check_spec(asked, facts, len(frame))
    if any(re.fullmatch(r"steps\.\d+\.columns\.\d+", fault.place) for fault in faults):
        return  # a name that is not there any more: refused, though scikit-learn would not be asked
    if not faults:
        state = trained(asked, frame=frame, facts=facts)
        # The walk over arrays follows the pipeline wherever the steps lead.
        columns = {name: frame[name].to_numpy() for name in NAMES}
        chances = Walk(state.pipeline, state.pipeline_inputs).chances(columns)
        np.testing.assert_allclose(chances, state.pipeline.predict_proba(frame), atol=1e-9)
        return
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(calculator, "check_spec", lambda *_: ())
        try:
            trained(asked, frame=frame, facts=facts)
        except (ValueError, TypeError, TrainingFailed):
            return
        pytest.fail(f"refused, yet it trains: {faults} {steps}")


def test_facts_are_those_of_the_table():
    frame, facts = table(80)
    assert facts_of(frame, TYPES) == facts
