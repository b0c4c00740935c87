"""Scoring, logging and drift on the command line, beside a running server that is stopped in between."""

import csv
from pathlib import Path

from command_line import answered, skyulf
from system import ROWS, TINY, System


def test_a_dataset_is_scored_and_what_is_served_is_logged_and_compared(served: System, tmp_path: Path) -> None:
    dataset = served.serve()
    here = ("--data-dir", served.data_dir)
    out = tmp_path / "scored.csv"
    told = answered("score", "tiny", "tiny:1", "--format", "csv", "--keep", "label", "--output", out, *here)
    assert told["job"]["scoring"]["output"]["rows"] == TINY.count(b"\n") - 1
    with out.open(newline="") as file:
        scored = list(csv.DictReader(file))
    assert [row["label"] for row in scored] == [("yes", "no")[n % 2] for n in range(60)]
    assert {row["prediction"] for row in scored} <= {"yes", "no"}
    listed = answered("jobs", "list", "--kind", "scoring", *here)["items"]
    assert [(job["id"], job["dataset_id"]) for job in listed] == [(told["job"]["id"], dataset)]
    assert "60 rows" in skyulf("jobs", "show", told["job"]["id"], *here).stdout
    refused = skyulf("score", "tiny", "nobody", *here)
    assert (refused.returncode, "there is no deployment nobody" in refused.stderr) == (1, True)

    answered("deployments", "log", "live", "--share", 1, "--reason", "to see", *here)
    for _ in range(2):
        assert served.predict().status_code == 200
    served.restart()
    (part,) = answered("deployments", "log", "live", *here)["items"]
    assert (part["requests"], part["rows"], part["lost"]) == (2, 2 * len(ROWS), 0)
    drift = answered("deployments", "drift", "live", *here)
    assert (drift["current"]["rows"], drift["target"]) == (6, "label")
    nothing = skyulf("deployments", "drift", "live", "--acknowledge", *here)
    assert (nothing.returncode, "no drift was found" in nothing.stderr) == (1, True)
    answered("deployments", "log", "live", "--share", 0, *here)
    assert answered("deployments", "show", "live", *here)["log_share"] == 0
