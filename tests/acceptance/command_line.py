"""The command line as a person runs it: each command a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PENGUINS = Path(__file__).parents[2] / "examples" / "penguins.csv"

SKYULF = (sys.executable, "-m", "skyulf")


def clean_environment(**settings: str) -> dict[str, str]:
    """This process's environment without settings of Skyulf's but those given, and a terminal of known width."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SKYULF_")}
    return {**kept, "COLUMNS": "100", **settings}


def skyulf(*arguments: object, timeout: float = 150, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [*SKYULF, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env=clean_environment(**settings), check=False
    )


def answered(*arguments: object, **settings: str) -> dict[str, Any]:
    """The document that a command prints under --json, and nothing else; the command must go well."""
    done = skyulf(*arguments, "--json", **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document
