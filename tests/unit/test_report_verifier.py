"""The program that checks a report alone: what it says of whole ones, of changed ones, and of what it cannot judge."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from audited import Life, lived
from hypothesis import given
from hypothesis import strategies as st
from sealed import KEY, OTHER_KEY, audit_of, history, sealed

from api.report_page import page_of
from skyulf import report_verifier, verifier
from skyulf.events.ledger import canonical

PUBLIC = str(KEY.public)


@pytest.fixture
def life(tmp_path: Path) -> Life:
    life = lived(tmp_path)
    life.seal()
    return life


def told(file: Path, *arguments: str, key: str = PUBLIC) -> tuple[int, str]:
    """What the program ends with, and prints, run alone: by Python without a path to Skyulf."""
    program = Path(report_verifier.__file__).name
    done = subprocess.run(
        [sys.executable, "-P", program, str(file), "--key", key, *arguments],
        cwd=file.parent,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(file.parent)},
    )
    return done.returncode, done.stdout + done.stderr


def test_it_checks_pages_and_json_with_nothing_of_ours_but_the_other_verifier(life: Life, tmp_path: Path) -> None:
    for module in (verifier, report_verifier):
        source = Path(module.__file__)
        assert len(source.read_text().splitlines()) < 200
        (tmp_path / source.name).write_text(source.read_text().replace("from skyulf.", "from nothing."))
    report = life.report()
    (tmp_path / "report.json").write_text(json.dumps(report))
    (tmp_path / "report.html").write_text(page_of(report, ["<svg></svg>"], None))
    for name in ("report.json", "report.html"):
        code, text = told(tmp_path / name)
        verdict = json.loads(text)
        assert (code, verdict["verified"], verdict["faults"], verdict["not_covered"]) == (0, True, [], [])
        assert verdict["proved"] == verdict["events"] == len(report["changes"])
    code, lines = told(tmp_path / "report.html", "--events")
    assert code == 0
    sealed_lines = {canonical(each).decode() for each in life.log.read(0, 1000).events}
    assert set(lines.splitlines()) <= sealed_lines
    assert len(lines.splitlines()) == len(report["changes"])


def verdict_of(report: dict[str, Any], tmp_path: Path, **others: Any) -> dict[str, Any]:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report))
    return report_verifier.verify(str(file), **{"key": PUBLIC, "checkpoint": [], "witness": [], **others})


def entry(report: dict[str, Any], part: str) -> dict[str, Any]:
    """The first event with such a part in its line."""
    return next(each for each in report["proofs"]["events"] if part in each["line"])


def other_reason(report: dict[str, Any]) -> int:
    found = entry(report, "good enough")
    found["line"] = found["line"].replace("good enough", "excellent")
    return int(found["position"])


def other_path(report: dict[str, Any]) -> int:
    found = report["proofs"]["events"][3]
    found["path"][0], found["path"][-1] = found["path"][-1], found["path"][0]
    return int(found["position"])


def short_path(report: dict[str, Any]) -> int:
    found = report["proofs"]["events"][0]
    found["path"].pop()
    return int(found["position"])


def long_path(report: dict[str, Any]) -> int:
    found = report["proofs"]["events"][0]
    found["path"].append(found["path"][0])
    return int(found["position"])


def other_index(report: dict[str, Any]) -> int:
    found = report["proofs"]["events"][2]
    found["index"] += 1
    return int(found["position"])


def other_event(report: dict[str, Any]) -> int:
    """The proof of one event under the position of another."""
    events = report["proofs"]["events"]
    events[1] = {**events[2], "position": events[1]["position"]}
    return int(events[1]["position"])


def no_path(report: dict[str, Any]) -> int:
    found = report["proofs"]["events"][4]
    found["path"] = None
    return int(found["position"])


@pytest.mark.parametrize(
    "change",
    [other_reason, other_path, short_path, long_path, other_index, other_event, no_path],
    ids=lambda f: f.__name__,
)
def test_whatever_was_changed_is_named_by_its_position(
    life: Life, tmp_path: Path, change: Callable[[dict[str, Any]], int]
) -> None:
    report = life.report()
    position = change(report)
    verdict = verdict_of(report, tmp_path)
    assert not verdict["verified"]
    assert [each["position"] for each in verdict["faults"]] == [position]


def test_of_what_the_checkpoint_does_not_cover_it_says_nothing(life: Life, tmp_path: Path) -> None:
    report = life.report()
    dropped = entry(report, "good enough")
    for name in ("path", "index"):
        dropped.pop(name)
    verdict = verdict_of(report, tmp_path)
    assert verdict["verified"]
    assert verdict["not_covered"] == [dropped["position"]]
    assert verdict["proved"] == verdict["events"] - 1
    for each in report["proofs"]["events"]:
        each.pop("path", None)
    assert not verdict_of(report, tmp_path)["verified"], "a report of which nothing is proved is not fine"


def test_a_checkpoint_that_was_kept_elsewhere_decides(life: Life, tmp_path: Path) -> None:
    report = life.report()
    kept, other, smaller = (tmp_path / name for name in ("kept", "other", "smaller"))
    kept.write_text(report["proofs"]["checkpoint"]["note"])
    assert verdict_of(report, tmp_path, checkpoint=[str(kept)])["verified"]
    forged = sealed(history(life.position))
    other.write_text(audit_of(*forged).newest().note)
    verdict = verdict_of(report, tmp_path, checkpoint=[str(other)])
    assert not verdict["verified"]
    assert "says otherwise" in verdict["faults"][0]["detail"]
    smaller.write_text(audit_of(*sealed(history(5))).newest().note)
    with pytest.raises(verifier.CannotTellError, match="expected one of that size"):
        verdict_of(report, tmp_path, checkpoint=[str(smaller)])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda report: report["proofs"].update(checkpoint=None), "expected a checkpoint in it"),
        (lambda report: report["proofs"].pop("events"), "expected a checkpoint and events"),
        (lambda report: report.update(format="skyulf-report/99"), "expected HTML or JSON"),
        (lambda report: report["proofs"]["checkpoint"].update(note="cut"), "expected origin, size, root"),
    ],
)
def test_what_it_cannot_judge_it_says_so_and_what_it_expected(
    life: Life, tmp_path: Path, change: Callable[[dict[str, Any]], object], expected: str
) -> None:
    report = life.report()
    change(report)
    with pytest.raises(verifier.CannotTellError, match=expected):
        verdict_of(report, tmp_path)


def test_a_key_that_is_not_the_logs_and_a_cut_file_are_no_verdict(life: Life, tmp_path: Path) -> None:
    with pytest.raises(verifier.CannotTellError, match="not signed by the key"):
        verdict_of(life.report(), tmp_path, key=str(OTHER_KEY.public))
    file = tmp_path / "cut.html"
    page = page_of(life.report(), [], "not drawn")
    file.write_text(page[: len(page) - 2_000])
    assert report_verifier.main([str(file), "--key", PUBLIC]) == 2


@given(st.integers(1, 70), st.data())
def test_paths_are_followed_as_the_ledger_makes_them(size: int, data: st.DataObject) -> None:
    events = history(size, seed=size)
    audit = audit_of(*sealed(events))
    index = data.draw(st.integers(0, size - 1))
    proof = audit.inclusion(events[index].position)
    root = verifier.open_checkpoint(proof.checkpoint.note, verifier.read_key(PUBLIC, verifier.LOG), [])[1]
    line, path = canonical(events[index]), list(proof.path)
    assert report_verifier.root_of(line, index, size, path) == root
    assert report_verifier.root_of(line + b" ", index, size, path) != root
    other = data.draw(st.integers(0, size - 1).filter(lambda each: each != index)) if size > 1 else None
    if other is not None:
        assert report_verifier.root_of(line, other, size, path) != root
