"""Two fits of the same are the same, in whatever process; fits of different things are not."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import FULL, LOGISTIC, spec, table, trained

from skyulf.core.registry import models

PROGRAM = """
import sys, warnings
from helpers import FULL, SMALL, spec, table
from skyulf.core.calculator import fit
from skyulf.core.registry import models
for target, task in (("string", "classification"), ("number", "regression")):
    frame, facts = table(target=target)
    for name in sorted(models(task)):
        asked = spec(FULL, {"node": name, "params": SMALL.get(name, {})}, task, refit=False)
        state = fit([asked], frame, facts, 3, lambda *_: None, int(sys.argv[1]))
        print(task, name, state.fingerprint)
"""


def marks(threads, hash_seed, program=PROGRAM):
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(threads)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": f"{here}{os.pathsep}{here.parents[2]}"},
    )
    return done.stdout.splitlines()


def test_every_model_has_one_fingerprint_in_every_process():
    first, second = marks(1, 1), marks(2, 2)  # on two threads
    assert len(first) == len(models("classification")) + len(models("regression"))
    assert first == second
    assert len({line.split()[-1] for line in first}) == len(first)


@pytest.mark.parametrize("change", ["coef_", "intercept_", "classes_"])
def test_any_part_of_the_state_counts(change):
    from skyulf.core.fingerprint import fingerprint

    frame, facts = table()
    state = trained(spec(FULL, LOGISTIC), frame=frame, facts=facts)
    probe = frame.drop(columns="y")[:20]
    before = fingerprint(state.pipeline, probe)
    value = getattr(state.pipeline[-1], change)
    setattr(state.pipeline[-1], change, value[::-1] if change == "classes_" else np.nextafter(value, 9))
    assert fingerprint(state.pipeline, probe) != before
