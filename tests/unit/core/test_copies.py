"""A column that is the target under another name, or the name of a row, is warned of in the job, where it is used."""

import numpy as np
import pandas as pd
from helpers import TYPES, facts_of, spec, table, trained

from skyulf.core.copies import FEWEST, LOOK, copies_of

ROWS = 3 * LOOK
TREES = {"node": "hist_gradient_boosting", "params": {"max_iter": 2}}
LEFT = [
    {"node": "drop_columns", "columns": ["deck", "été \"x'"]},
]


def found(target, classes, **columns):
    return copies_of(np.asarray(target), classes, pd.DataFrame(columns), np.arange(len(target)))


def test_another_name_for_each_class_is_a_copy_and_one_row_apart_is_none():
    target = np.array(["yes", "no", "perhaps"] * (ROWS // 3), dtype=object)
    codes = pd.factorize(target)[0].astype(float)
    almost = codes.copy()
    almost[-1] = 0.0
    gaps = pd.Series(target).where(target != "no", np.nan)
    finer = np.where(np.arange(ROWS) % 2, codes, codes + 10)
    coarser = (codes > 0).astype(float)
    columns = {"same": target, "codes": codes, "almost": almost, "gaps": gaps, "finer": finer, "coarser": coarser}
    assert found(target, True, **columns) == ["same", "codes", "gaps"]


def test_other_units_are_a_copy_and_noise_is_none():
    celsius = np.random.default_rng(0).normal(20, 8, ROWS)
    noisy = celsius + np.random.default_rng(1).normal(0, 0.5, ROWS)
    late = celsius.copy()
    late[LOOK + 1] = 900.0
    gap = celsius.copy()
    gap[5] = np.nan
    columns = {
        "fahrenheit": np.round(celsius * 1.8 + 32, 2), "noisy": noisy, "late": late, "gap": gap, "flat": np.ones(ROWS),
        "text": [str(number) for number in celsius], "colder": -celsius,
    }  # fmt: skip
    assert found(celsius, False, **columns) == ["fahrenheit", "colder"]


def test_of_few_rows_nothing_is_said():
    target = np.array([0, 1] * (FEWEST // 2))
    assert found(target, True, copy=target) == ["copy"]
    assert found(target[1:], True, copy=target[1:]) == []


def test_the_job_warns_of_a_copy_that_is_used():
    frame, _ = table()
    frame["member"] = (frame["y"] == "yes").astype(float)
    facts = facts_of(frame, {**TYPES, "y": "string"})
    steps = [{"node": "impute", "columns": "numeric", "params": {"strategy": "mean"}}, *LEFT]
    (told,) = trained(spec(steps, TREES), frame=frame, facts=facts).warnings
    assert told.startswith("column member tells the target of all 160 training rows")
    unused = [{"node": "drop_columns", "columns": ["member"]}, *steps]
    assert trained(spec(unused, TREES), frame=frame, facts=facts).warnings == ()


def test_the_job_warns_of_a_name_of_rows_that_is_used():
    frame, _ = table()
    frame["deck"] = [f"passenger-{number}" for number in range(len(frame))]
    facts = facts_of(frame, {**TYPES, "y": "string"})
    coded = [{"node": "ordinal", "columns": ["deck"]}, {"node": "drop_columns", "columns": ["été \"x'"]}]
    (told,) = trained(spec(coded, TREES), frame=frame, facts=facts).warnings
    assert "value of its own in column deck, as an identifier" in told
    assert trained(spec(LEFT, TREES), frame=frame, facts=facts).warnings == ()
