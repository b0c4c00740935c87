"""What a sandbox is given for a reproduction: what the log has of the training, and what is there of its artifacts."""

from pathlib import Path
from typing import Any

import pytest
from builders import (
    RESULT,
    SPEC,
    dataset_created,
    job_created,
    model_trained,
    reproduction_created,
    sequential_ids,
    trial,
    version_added,
    written,
)

from skyulf.adapters.memory_artifacts import MemoryArtifacts
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.errors import NotFound
from skyulf.events.job import JobStarted, Sample, TrialsFinished
from skyulf.reactions.attempt import Attempt, events_of, job_now
from skyulf.reactions.kinds import kinds_of
from skyulf.reactions.reproducer import ReproductionTask

OWN_THREADS = 2

SEARCH = {"planned": 5, "metric": "roc_auc", "higher_is_better": True}
OVER = ((None, 0, False), (None, 2, False))


class Site:
    """A training on a table that is there, and its model's file."""

    def __init__(self, folder: Path, trained: dict[str, Any], **created: Any) -> None:
        self.log, self.artifacts, self.folder = MemoryEventLog(sequential_ids()), MemoryArtifacts(), folder
        self.table, self.model = self.kept("a table"), self.kept("a model")
        written(self.log, "dataset-1", 0, dataset_created(), version_added(1, artifact=self.table), version_added(2))
        started = JobStarted(worker="w", attempt=1)
        told = TrialsFinished(attempt=1, trials=(trial(0), trial(2)), **SEARCH)
        result = model_trained(model=self.model, **trained)
        created = {"dataset_artifact": self.table, "model_name": "irises", **created}
        written(self.log, "job-1", 0, job_created(**created), started, told, result)

    def kept(self, text: str) -> str:
        file = self.folder / "file"
        file.write_text(text)
        return self.artifacts.put(file)

    def task(self, *tried: int, **asked: Any) -> ReproductionTask:
        """The task of an attempt, some of whose trials were recorded before."""
        told = [TrialsFinished(attempt=1, trials=tuple(map(trial, tried)), **SEARCH)] if tried else []
        started = JobStarted(worker="w", attempt=1)
        created = reproduction_created(dataset_artifact=self.table, model=self.model, **asked)
        written(self.log, "job-2", 0, created, started, *told)
        job = job_now(self.log, "job-2")
        assert job is not None
        cause, *_ = events_of(self.log, "job-2")
        kind = kinds_of(self.log, self.artifacts, OWN_THREADS)(job)
        attempt = Attempt("job-2", 1, None, job, 3, cause)  # type: ignore[arg-type]
        task = kind.task(attempt, self.folder)
        assert isinstance(task, ReproductionTask)
        assert kind.threads(task) == task.training.threads
        return task


def tuning(**limits: Any) -> dict[str, Any]:
    return {"spec": {**SPEC, "tuning": {"strategy": "random", "space": {}, **limits}}}


def test_it_is_trained_as_was_recorded_and_not_as_this_worker_would(tmp_path: Path) -> None:
    environment = {"python": "3.11", "threads": 6, "openmp_threads": 3}
    sample = Sample(rows=50, of=100, needed_bytes=2**31)
    site = Site(tmp_path, {"environment": environment, "fingerprint": "f1"}, sample=sample)
    task = site.task()
    training = task.training
    assert (training.threads, training.openmp, training.seed, training.sampled) == (6, 3, 7, 50)
    assert (training.candidates, training.rows) == ((SPEC,), 100)
    assert (Path(training.table).read_text(), Path(task.model or "").read_text()) == ("a table", "a model")
    assert (task.fingerprint, task.environment, task.seed, task.seconds) == ("f1", environment, 7, 600)
    assert task.recorded == task.found == site.table.removeprefix("sha256:")


def test_of_an_environment_that_does_not_tell_the_worker_has_its_own_way(tmp_path: Path) -> None:
    training = Site(tmp_path, {"environment": RESULT["environment"]}).task().training
    assert (training.threads, training.openmp) == (OWN_THREADS, None)


def test_another_seed_is_trained_with_and_the_recorded_one_compared(tmp_path: Path) -> None:
    task = Site(tmp_path, {}).task(seed=8)
    assert (task.training.seed, task.seed) == (8, 7)


@pytest.mark.parametrize(
    ("search", "only"), [(tuning(seconds=60), OVER), (tuning(seconds=None), None), (tuning(), None), ({}, None)]
)
def test_only_a_search_that_time_ended_is_held_to_its_trials(
    tmp_path: Path, search: dict[str, Any], only: tuple[Any, ...] | None
) -> None:
    training = Site(tmp_path, search).task().training
    assert training.only_trials == only
    assert training.trials == (), "those of the training are not believed, but made again"


def test_an_attempt_goes_on_from_the_trials_of_the_one_before(tmp_path: Path) -> None:
    training = Site(tmp_path, tuning(seconds=60)).task(2).training
    assert ([each["number"] for each in training.trials], training.only_trials) == ([2], OVER)


def test_a_table_that_is_gone_is_named(tmp_path: Path) -> None:
    site = Site(tmp_path, {})
    site.artifacts.remove(site.table)
    with pytest.raises(NotFound, match=rf"version 1 of dataset-1 is missing from the artifact store.*{site.table}"):
        site.task()


def test_other_content_is_told_by_its_digest_and_a_lost_model_is_no_obstacle(tmp_path: Path) -> None:
    site = Site(tmp_path, {})
    site.artifacts._contents[site.table] = b"another"
    site.artifacts.remove(site.model)
    task = site.task()
    assert task.found != task.recorded
    assert task.model is None
    assert "model's file is missing from the artifact store" in (task.no_model or "")
