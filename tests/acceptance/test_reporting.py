"""The auditor's file by real processes: made without a server, checked offline, and refused where it cannot be made."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from command_line import answered, skyulf

from skyulf import report_verifier


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a model of a small table."""
    folder = tmp_path_factory.mktemp("reporting")
    table = folder / "sizes.csv"
    table.write_text("size,kind\n" + "".join(f"{number % 17},{'ab'[number % 17 > 8]}\n" for number in range(80)))
    answered("train", table, "--target", "kind", "--name", "kinds", "--data-dir", folder / "data")
    return folder / "data"


def test_a_report_is_made_proved_and_checked_offline(trained: Path, tmp_path: Path) -> None:
    page, document = tmp_path / "kinds.html", tmp_path / "kinds.json"
    told = answered("audit", "report", "kinds", "-o", page, "--data-dir", trained)
    assert (told["model"], told["model_version"], told["file"]) == ("kinds", 1, str(page))
    assert told["proved"] == told["events"] > 5, "without a server all is sealed before"
    assert page.read_text().count("<svg") == 2
    key = answered("audit", "key", "--data-dir", trained)["key"]
    verdict = answered("audit", "verify", "--report", page, "--key", key)
    assert (verdict["verified"], verdict["proved"]) == (True, told["events"])
    document.write_text(json.dumps(report_verifier.read_report(page)).replace("JobStarted@1", "JobStarted@2"))
    done = skyulf("audit", "verify", "--report", document, "--key", key)
    assert done.returncode == 1
    assert "NOT as it was sealed: 1 fault" in done.stdout


def test_a_report_of_a_log_that_was_changed_says_so(trained: Path, tmp_path: Path) -> None:
    forged = tmp_path / "data"
    shutil.copytree(trained, forged)
    with closing(sqlite3.connect(forged / "events.db")) as connection, connection:
        change = (
            "UPDATE events SET state = replace(state, '\"rows\":80', '\"rows\":90') WHERE topic LIKE 'DatasetVersion%'"
        )
        assert connection.execute(change).rowcount == 1
    done = skyulf("audit", "report", "kinds:1", "--json", "--data-dir", forged)
    assert done.returncode == 1, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["format"] == "skyulf-report/1"
    assert report["proofs"]["changed"] == [2]


def test_what_cannot_be_reported_or_checked_is_refused_by_name(trained: Path, tmp_path: Path) -> None:
    done = skyulf("audit", "report", "kinds", "-o", tmp_path / "kinds.pdf", "--data-dir", trained)
    assert done.returncode == 2
    assert "must end with .html or .json" in done.stderr
    (tmp_path / "no-report.html").write_text("<html></html>")
    done = skyulf("audit", "verify", "--report", tmp_path / "no-report.html", "--key", "example.org/log+00+AA")
    assert done.returncode == 2
    assert "expected" in done.stderr
