"""A fuzzer (schemathesis) that holds a server to its OpenAPI document."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EXAMPLES = 10
"""Requests that are made up for each operation, beside those that the schema's edges give."""

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)
"""What is checked of each answer. Not that what fits the schema is taken: a spec must fit the data, too."""

OF_WHO_MAY_CALL = "unsupported_method"
"""What is checked besides where callers have rights: others are not told which methods there are."""


def fuzz(
    url: str,
    document: Mapping[str, Any],
    folder: Path,
    known: Mapping[str, Mapping[str, object]],
    headers: Mapping[str, str] | None = None,
    *,
    may_call: bool = True,
) -> None:
    """Send all kinds of requests and fail where an answer is not as the OpenAPI ``document`` says.

    ``known`` are things that exist: by a pattern of paths, what parameters are called and given there.
    """
    config = folder / "things.toml"
    config.write_text(configuration(known))
    schema = folder / "openapi.json"
    schema.write_text(json.dumps(document))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)]
    command += ["run", str(schema), "--url", url, "--phases", "examples,coverage,fuzzing"]
    command += ["--max-examples", str(EXAMPLES), "--max-failures", "5", "--seed", "7", "--no-color"]
    checks = (*CHECKS, OF_WHO_MAY_CALL) if may_call else CHECKS
    command += ["--checks", ",".join(checks), "--generation-database", "none", "--suppress-health-check", "all"]
    for name, value in (headers or {}).items():
        command += ["--header", f"{name}: {value}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-9_000:] + done.stderr[-2_000:]


def configuration(known: Mapping[str, Mapping[str, object]]) -> str:
    """The fuzzer's settings. Of the server's errors only 503 is one that may be met: the document has it."""
    lines = ['[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", 503]\n']
    if known:
        lines.append('[parameters]\n"header.if-match" = "*"\n')
    for paths, values in known.items():
        given = ", ".join(f"{json.dumps(place)} = {json.dumps(value)}" for place, value in values.items())
        lines.append(f"[[operations]]\ninclude-path-regex = {json.dumps(paths)}\nparameters = {{{given}}}\n")
    return "".join(lines)
