"""Checks the proofs in a report without Skyulf, without the server, and without trust in whoever made it.

    python report_verifier.py REPORT --key KEY [--checkpoint FILE]... [--witness KEY]... [--events]

REPORT is what ``skyulf audit report`` wrote, HTML or JSON; KEY the log's public key, or a file with it, from elsewhere
than the report; a FILE is a checkpoint that you or a witness kept of the same size. It ends with 0 when every event in
the report that its checkpoint covers is what was sealed, with 1 when one is not, and with 2 when that cannot be told.
``--events`` prints the events that were proved: they are what is proved, the report around them is made from them.
This file and ``verifier.py`` beside it are all there is to read; they need ``cryptography`` and share no code with
Skyulf. A path leads from the hash of an event's line to the root of the tree (RFC 9162, 2.1.3.2).
"""

import argparse
import base64
import json
import re
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

try:
    from skyulf.verifier import LOG, WITNESS, CannotTellError, Checkpoint, open_checkpoint, read_key
except ImportError:  # Skyulf is not installed: the file lies beside this one
    from verifier import LOG, WITNESS, CannotTellError, Checkpoint, open_checkpoint, read_key  # type: ignore

EMBEDDED = re.compile(r'<script type="application/json" id="report">(.*?)</script>', re.DOTALL)


def read_report(path: Path) -> dict[str, Any]:
    """A report, from the JSON that it is or that its page holds."""
    text = path.read_text()
    found = EMBEDDED.search(text)
    try:
        report: dict[str, Any] = json.loads(found[1] if found else text)
        if report["format"] != "skyulf-report/1":
            raise ValueError
    except (ValueError, TypeError, KeyError):
        raise CannotTellError(f"{path} is no report, or is cut: expected HTML or JSON of skyulf audit report") from None
    return report


def root_of(line: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root of the tree of ``size`` leaves in which the line is the one at ``index``; None for no such path."""
    root, last = sha256(b"\x00" + line).digest(), size - 1
    for each in path:
        if last == 0:
            return None
        if index % 2 == 1 or index == last:
            root = sha256(b"\x01" + each + root).digest()
            while index % 2 == 0 and index:
                index, last = index >> 1, last >> 1
        else:
            root = sha256(b"\x01" + root + each).digest()
        index, last = index >> 1, last >> 1
    return root if last == 0 else None


def fault_of(entry: dict[str, Any], checkpoint: Checkpoint) -> str | None:
    """What is wrong with an event and its proof."""
    try:
        line = str(entry["line"]).encode()
        index, path = int(entry["index"]), [base64.b64decode(each, validate=True) for each in entry["path"]]
        if int(json.loads(line)["position"]) != entry["position"]:
            return "the event is of another position"
        if not 0 <= index < checkpoint[0] or root_of(line, index, checkpoint[0], path) != checkpoint[1]:
            return "the event is not the one that was sealed"
    except (ValueError, TypeError, KeyError):
        return "the event or its proof is cut"
    return None


def verify(report: str, key: str, checkpoint: list[str], witness: list[str]) -> dict[str, Any]:
    """What is known of a report; of the events that are ``not_covered``, nothing is proved. Raises CannotTellError."""
    document = read_report(Path(report))
    try:
        proofs = document["proofs"]
        note = proofs["checkpoint"] and str(proofs["checkpoint"]["note"])
        entries = list(proofs["events"])
        positions = [int(entry["position"]) for entry in entries]
    except (ValueError, TypeError, KeyError):
        raise CannotTellError(f"{report} has no whole proofs: expected a checkpoint and events") from None
    if note is None:
        raise CannotTellError("nothing in this report is sealed: expected a checkpoint in it")
    log, others = read_key(key, LOG), [read_key(text, WITNESS) for text in witness]
    own = open_checkpoint(note, log, others)
    faults = []
    for file in checkpoint:
        held = open_checkpoint(Path(file).read_text(), log, others)
        if held[0] != own[0]:
            raise CannotTellError(f"{file} is of {held[0]} events, the report's of {own[0]}: expected one of that size")
        if held[1] != own[1]:
            faults.append({"position": 0, "detail": f"{file} says otherwise of the same {own[0]} events"})
        own = max(own, held, key=lambda each: len(each[3]))
    covered = [(position, entry) for position, entry in zip(positions, entries, strict=True) if "path" in entry]
    for position, entry in covered:
        if (fault := fault_of(entry, own)) is not None:
            faults.append({"position": position, "detail": fault})
    return {
        "verified": bool(covered) and not faults, "origin": log[0], "model": document.get("model"),
        "model_version": document.get("model_version"), "events": len(entries), "proved": len(covered) - len(faults),
        "not_covered": [position for position, entry in zip(positions, entries, strict=True) if "path" not in entry],
        "checkpoint": own[0], "signed_at": own[2], "witnesses": own[3], "faults": faults,
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Check what the command line names, and say what is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report")
    parser.add_argument("--key", required=True)
    parser.add_argument("--events", action="store_true")
    for option in ("--checkpoint", "--witness"):
        parser.add_argument(option, action="append", default=[])
    asked = vars(parser.parse_args(arguments))
    shows = asked.pop("events")
    try:
        verdict = verify(**asked)
    except (CannotTellError, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"cannot be verified: {error}\n")
        return 2
    if shows and verdict["verified"]:
        lines = [each["line"] for each in read_report(Path(asked["report"]))["proofs"]["events"] if "path" in each]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    else:
        sys.stdout.write(json.dumps(verdict, indent=2, ensure_ascii=False) + "\n")
    return 0 if verdict["verified"] else 1


if __name__ == "__main__":
    sys.exit(main())
