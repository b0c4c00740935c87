"""What a model was fitted with, as far as it can sway numbers."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas", "pyarrow", "skops")


def describe_environment(threads: int) -> dict[str, Any]:
    """Return the versions of Python and the libraries, the processor, the BLAS and OpenMP builds, and ``threads``."""
    from threadpoolctl import threadpool_info

    pools = [
        {key: pool.get(key) for key in ("user_api", "internal_api", "version", "architecture")}
        for pool in threadpool_info()
    ]
    return {
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _processor(),
        "blas": sorted((p for p in pools if p["user_api"] == "blas"), key=str),
        "openmp": sorted((p for p in pools if p["user_api"] == "openmp"), key=str),
        "threads": threads,
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
