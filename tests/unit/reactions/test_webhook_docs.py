"""What docs/webhooks.md tells receivers to do verifies what is delivered, and nothing else."""

import base64
import json
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import record, renamed

from skyulf.reactions.webhooks.signing import delivery, key_of, secret_of

PAGE = (Path(__file__).parents[3] / "docs/webhooks.md").read_text(encoding="utf-8")
SECRET, OTHER = secret_of(b"a" * 32), secret_of(b"b" * 32)
JUST_NOW, LONG_AGO = timedelta(), timedelta(days=100)

CALLS = (
    (SECRET, JUST_NOW, b"", True),
    (OTHER, JUST_NOW, b"", False),
    (SECRET, JUST_NOW, b" ", False),
    (SECRET, LONG_AGO, b"", False),
)
"""The secret of the receiver, how long ago it was sent, what was added on the way, and whether it is to be taken."""


def shown(language: str) -> str:
    """The only piece of code in that language."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert len(code.strip().splitlines()) <= 12
    return str(code)


def sent(ago: timedelta, added: bytes) -> tuple[dict[str, str], bytes]:
    headers, body = delivery(record(renamed("ä"), 7, "pipeline-1", 2), key_of(SECRET), datetime.now(UTC) - ago)
    return dict(headers), body + added


def test_in_python() -> None:
    names: dict[str, Any] = {}
    exec(shown("python"), names)
    for secret, ago, added, taken in CALLS:
        assert names["verified"](secret, *sent(ago, added)) is taken


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_in_javascript(tmp_path: Path) -> None:
    calls = [
        [secret, headers, base64.b64encode(body).decode()]
        for secret, ago, added, _ in CALLS
        for headers, body in [sent(ago, added)]
    ]
    (tmp_path / "verified.mjs").write_text(
        f"{shown('js')}\nconst calls = {json.dumps(calls)};\n"
        "console.log(JSON.stringify(calls.map(([s, h, b]) => verified(s, h, Buffer.from(b, 'base64')))));\n"
    )
    answer = subprocess.run(["node", tmp_path / "verified.mjs"], capture_output=True, check=True, timeout=60)
    assert json.loads(answer.stdout) == [taken for *_, taken in CALLS]
