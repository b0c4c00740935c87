"""What the HTTP server imports of the engine brings no machine-learning library with it."""

import subprocess
import sys

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
