"""What the HTTP server imports of the engine brings no machine-learning library with it."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
import skyulf.core.spec, skyulf.core.columns, skyulf.core.candidates
from skyulf.core.registry import describe_nodes
from skyulf.core.candidates import check_spec, choose_candidates
assert len(describe_nodes()) >= 10
heavy = {"sklearn", "pandas", "numpy", "scipy", "pyarrow", "skops", "joblib"} & set(sys.modules)
sys.exit(f"imported: {sorted(heavy)}" if heavy else 0)
"""


def test_the_declarations_import_no_library():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


THREADS = """
import skyulf.core.calculator
from helpers import FULL, LOGISTIC, spec, table
from threadpoolctl import threadpool_info
frame, facts = table()
seen = set()
def look(stage, fraction, metrics):
    if stage in ("choose", "fit", "evaluate", "refit"):
        seen.update((pool["user_api"], pool["num_threads"]) for pool in threadpool_info())
skyulf.core.calculator.fit([spec(FULL, LOGISTIC)], frame, facts, 1, look, 1)
assert seen == {("blas", 1), ("openmp", 1)}, seen
"""


def test_the_first_fit_of_a_process_keeps_to_its_threads():
    """Libraries that are loaded after a limit is set do not know of it, and fight for the processors."""
    here = Path(__file__).parent
    path = {"PYTHONPATH": f"{here}{os.pathsep}{here.parents[2]}"}
    program = [sys.executable, "-c", THREADS]
    done = subprocess.run(program, capture_output=True, text=True, check=False, env={**os.environ, **path})
    assert done.returncode == 0, done.stderr
