"""An operator deals with what could not be taken by the command line, beside a server and without one."""

from contextlib import closing
from pathlib import Path

from builders import named, record, renamed
from command_line import answered, skyulf

from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.system import new_id


def of_pipelines(data_dir: Path) -> list[int]:
    """Positions of the events that the rows of pipelines wait for; who tells of the past parks by itself."""
    parked = answered("projections", "parked", "--data-dir", data_dir)["items"]
    return [each["position"] for each in parked if each["projection"] == "pipelines"]


def test_what_is_parked_is_shown_tried_again_and_purged(tmp_path: Path) -> None:
    with closing(SqliteEventLog(tmp_path / "events.db", new_id)) as log:
        log.restore(
            [
                record(named("first"), 1, "pipeline-1", 1),
                record(renamed("of the future"), 2, "pipeline-1", 2, schema=99),
                record(renamed("third"), 3, "pipeline-1", 3),
            ]
        )
    where = ("--data-dir", tmp_path)
    answered("datasets", "list", *where)  # whoever looks first folds
    assert of_pipelines(tmp_path) == [2, 3]
    shown = skyulf("projections", "parked", "show", "pipelines", "2", *where).stdout
    assert "PipelineRevised@99 is unknown to this version" in shown
    assert "1 event" in shown
    tried = skyulf("projections", "parked", "retry", "pipelines", *where)
    assert (tried.returncode, "position 2 of pipeline-1 still cannot be folded" in tried.stdout) == (0, True)
    without = skyulf("projections", "parked", "purge", "pipelines", "2", *where)
    assert (without.returncode, "--reason" in without.stderr) == (2, True)
    purged = answered("projections", "parked", "purge", "pipelines", "2", "--reason", "of another world", *where)
    assert (purged["purged"], purged["parked_events"]) == (2, 0)
    assert "of another world" in skyulf("projections", "parked", "purged", "pipelines", *where).stdout
    assert of_pipelines(tmp_path) == []
    rebuilt = skyulf("projections", "rebuild", "pipelines", *where)
    assert "1 event left out, as purged" in rebuilt.stdout
