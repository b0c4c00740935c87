"""What a model was fitted with, as far as it can sway numbers."""

import contextlib
import hashlib
import platform
import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = {"numpy": "numpy", "scipy": "scipy", "scikit-learn": "sklearn", "pandas": "pandas", "pyarrow": "pyarrow",
             "skops": "skops"}  # fmt: skip
"""Each library by its name, and the module of it."""

WHERE_USED = {"imbalanced-learn": "imblearn", "h3": "h3", "lightgbm": "lightgbm", "xgboost": "xgboost",
              "optuna": "optuna", "cmaes": "cmaes", "tokenizers": "tokenizers",
              "wordllama": "skyulf.core.embedding"}  # fmt: skip
"""Libraries that only some nodes, or some ways of tuning, bring in, each with the module that tells that they did."""


def _digest_of(folder: Path) -> str:
    """Return the SHA-256, in hexadecimal, over the names and contents of a folder's modules."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


VERSION = version("skyulf")
CODE = _digest_of(Path(__file__).parent)
"""Of the engine as it was when it was loaded: by it two of one version are told apart."""


def describe_environment(threads: int, limits: dict[str, int], libraries: Any) -> dict[str, Any]:
    """Return the code, versions of Python and the libraries, the processor, the BLAS and OpenMP builds, and threads.

    ``threads`` are those of the job; ``limits`` say how many of them BLAS and OpenMP were let have.

    ``libraries`` is the ThreadpoolController that the fit was limited by.
    """
    known = dict(LIBRARIES)
    pools = [
        {key: pool.get(key) for key in ("user_api", "internal_api", "version", "architecture")}
        for pool in libraries.info()
    ]
    known |= {library: module for library, module in WHERE_USED.items() if module in sys.modules}
    return {
        "skyulf": VERSION,
        "code": CODE,
        "python": platform.python_version(),
        **{library: _version(library, module) for library, module in known.items()},
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _processor(),
        "blas": sorted((p for p in pools if p["user_api"] == "blas"), key=str),
        "openmp": sorted((p for p in pools if p["user_api"] == "openmp"), key=str),
        "threads": threads,
        "blas_threads": limits["blas"],
        "openmp_threads": limits["openmp"],
    }


def _version(library: str, module: str) -> str:
    """What a module says of itself; of files that a module of ours reads, what the package's metadata say."""
    return str(getattr(import_module(module), "__version__", None) or version(library))


@cache
def installed() -> dict[str, str]:
    """Return the code, and versions of Python and of each library that is installed, whether it is loaded or not."""
    found = {"skyulf": VERSION, "code": CODE, "python": platform.python_version()}
    for library in (*LIBRARIES, *WHERE_USED):
        for name in (library, f"{library}-cpu"):
            with contextlib.suppress(PackageNotFoundError):
                found.setdefault(library, version(name))
    return found


def differing(versions: Mapping[str, str]) -> list[str]:
    """Return what, of all that is `installed` elsewhere, is missing here or has another version."""
    here = installed()
    return [name for name, other in versions.items() if here.get(name) != other]


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
