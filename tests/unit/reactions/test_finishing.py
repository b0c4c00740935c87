"""Models are finished once, when nobody waits, and whatever happens to those who do it is recorded or done again."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import (
    NOW,
    dataset_created,
    everything,
    job_created,
    model_trained,
    sequential_ids,
    version_added,
    written,
)

from skyulf.adapters.leases import MemoryLeases
from skyulf.adapters.memory_artifacts import MemoryArtifacts
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.commands import COMMANDS
from skyulf.commands.bus import CommandBus
from skyulf.errors import Damaged
from skyulf.events.job import JobStarted, ModelExplained, ModelPackaged
from skyulf.events.registry import decode
from skyulf.reactions.attempt import job_now
from skyulf.reactions.finisher import COPY, EXPLANATION, Copied, Explained, Finish, explain_model
from skyulf.reactions.finishing import DEATHS, Finisher
from skyulf.reactions.leases import Work
from skyulf.reactions.sandbox import ChildCancelled, ChildDied, ChildFailed, ChildTimedOut

JOB = "job-1"
DATASET = "dataset-1"


class Sandbox:
    """Children that do what is asked at once, or end as they are told to."""

    def __init__(self) -> None:
        self.ends: list[BaseException] = []
        self.asked: list[str] = []
        self.forked = 0

    def fork(self) -> "Sandbox":
        self.forked += 1
        return self

    def run(self, function: Callable[..., Any], task: Finish, limits: Any) -> Any:
        self.asked.append(function.__name__)
        if self.ends:
            raise self.ends.pop(0)
        if function is explain_model:
            Path(task.folder, EXPLANATION).write_text('{"importance": []}')
            return Explained("brier", 20, 5)
        Path(task.folder, COPY).write_bytes(b"a copy")
        return Copied(None, 30, 0.0)

    def kill(self) -> None:
        pass


class Jobs:
    """Rows that lag behind: they go on naming a job that was finished."""

    def __init__(self) -> None:
        self.busy = False
        self.named = (JOB,)

    def waiting(self) -> bool:
        return self.busy

    def page(self, limit: int, cursor: str | None) -> tuple[tuple[str, ...], str | None]:
        return self.named, None


class System:
    def __init__(self, scratch: Path) -> None:
        self.log = MemoryEventLog(sequential_ids())
        self.artifacts = MemoryArtifacts()
        self.sandbox = Sandbox()
        self.jobs = Jobs()
        self.bus = CommandBus(self.log, COMMANDS, lambda: NOW, sequential_ids())
        self.scratch = scratch
        self.leases: dict[Work, MemoryLeases] = {}
        self.training = False
        self.finisher = self.another()

    def another(self) -> Finisher:
        """One that began later, or elsewhere."""
        sandbox: Any = self.sandbox
        return Finisher(
            name="finisher-1",
            log=self.log,
            bus=self.bus,
            jobs=self.jobs,
            leases=MemoryLeases(self.leases),
            training=lambda: self.training,
            sandbox=sandbox,
            artifacts=self.artifacts,
            scratch=self.scratch,
        )

    def stored(self, text: str) -> str:
        file = self.scratch / "file"
        file.write_text(text)
        return self.artifacts.put(file)

    def trained(self, job: str = JOB) -> None:
        table, model = self.stored("a table"), self.stored("a model")
        created = job_created(dataset_id=DATASET, dataset_artifact=table)
        started = JobStarted(worker="w", attempt=1)
        if not self.log.load({DATASET: 0})[DATASET]:
            written(self.log, DATASET, 0, dataset_created(), version_added(artifact=table))
        written(self.log, job, 0, created, started, model_trained(model=model), command_id=job)

    def outcomes(self) -> list[Any]:
        events = [decode(each) for each in everything(self.log)]
        return [event for event in events if isinstance(event, ModelPackaged | ModelExplained)]

    def looks(self, times: int = 1) -> None:
        for _ in range(times):
            self.finisher._look()


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    made = System(tmp_path)
    made.trained()
    yield made
    made.bus.close()


def test_what_is_found_out_belongs_to_the_request_that_asked_for_the_job(system: System) -> None:
    system.looks()
    events = everything(system.log)
    asked = next(event for event in events if event.type == "JobCreated")
    told = [event.metadata for event in events if event.type in ("ModelPackaged", "ModelExplained")]
    assert len(told) == 2
    for metadata in told:
        assert (metadata.correlation_id, metadata.causation_id) == (asked.metadata.correlation_id, asked.id)


def test_both_are_recorded_once_however_often_the_rows_name_the_job(system: System) -> None:
    system.looks(3)
    packaged, explained = system.outcomes()
    assert (packaged.attempt, packaged.probe_rows, packaged.reason) == (1, 30, None)
    assert system.artifacts.read(packaged.onnx) == b"a copy"
    assert (explained.metric, explained.rows, explained.repeats) == ("brier", 20, 5)
    assert system.artifacts.read(explained.explanation) == b'{"importance": []}'
    assert system.sandbox.asked == ["make_copy", "explain_model"]
    assert [path.name for path in system.scratch.iterdir()] == ["file"], "nothing is left lying about"


def test_another_who_did_the_same_meanwhile_is_refused(system: System) -> None:
    job = job_now(system.log, JOB)
    assert job is not None
    assert job.model is not None
    system.looks()
    system.another()._package(JOB, job, job.model)
    assert len(system.outcomes()) == 2


def test_what_was_done_before_a_crash_is_not_done_again(system: System) -> None:
    written(system.log, JOB, 3, ModelPackaged(attempt=1, onnx=None, reason="no"), command_id="before")
    system.looks()
    assert [type(each) for each in system.outcomes()] == [ModelPackaged, ModelExplained]
    assert system.sandbox.asked == ["explain_model"]


@pytest.mark.parametrize(("waits", "trains"), [(True, False), (False, True)])
def test_nothing_is_begun_while_a_job_waits_or_runs_here(system: System, waits: bool, trains: bool) -> None:
    system.jobs.busy, system.training = waits, trains
    system.looks(2)
    assert (system.outcomes(), system.sandbox.forked) == ([], 0)


def test_where_it_is_never_quiet_one_model_is_finished_at_a_time(system: System) -> None:
    system.trained("job-2")
    system.jobs.busy = system.training = True
    system.jobs.named = ("job-2", JOB)
    for finished in (["job-2"], ["job-2", JOB], ["job-2", JOB]):
        system.finisher._look_though_busy()
        assert [each.stream for each in everything(system.log) if each.type == "ModelExplained"] == finished


def test_two_processes_do_not_finish_the_same_model_at_once(system: System) -> None:
    """What the one does while the other is at it: nothing; the other is alone with it, to its end."""
    elsewhere, looks = system.another(), []
    run = system.sandbox.run

    def meanwhile(*arguments: Any, **options: Any) -> Any:
        looks.append(elsewhere._finish(JOB))
        return run(*arguments, **options)

    system.sandbox.run = meanwhile  # type: ignore[method-assign]
    system.looks()
    assert looks == [False, False]
    assert system.sandbox.asked == ["make_copy", "explain_model"]
    assert elsewhere._finish(JOB) is False
    assert system.leases == {}


def test_a_sandbox_that_dies_is_tried_again_and_given_up_the_third_time(system: System) -> None:
    system.sandbox.ends = [ChildDied(-9)]
    system.looks()
    assert [type(each) for each in system.outcomes()] == [ModelExplained], "it is tried again, the other is done"
    system.sandbox.ends = [ChildDied(-9), ChildDied(-9)]
    system.looks(DEATHS)
    packaged = system.outcomes()[1]
    assert (packaged.onnx, packaged.reason) == (None, "the process that did it died 3 times")
    assert system.sandbox.asked.count("make_copy") == DEATHS


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (ChildTimedOut(600), "it took longer than the job's limit of 600 s"),
        (ChildFailed("memory", "MemoryError", "", ""), "it met the job's limit of 1024 MiB of memory"),
        (ChildFailed("domain", "Damaged", "x", "x", Damaged("no model file")), "no model file"),
        (ChildFailed("error", "ValueError", "secret 42", "secret 42"), "a library failed (ValueError)"),
    ],
)
def test_a_failure_is_recorded_without_data_and_not_tried_again(
    system: System, end: BaseException, reason: str
) -> None:
    system.sandbox.ends = [end]
    system.looks(2)
    packaged, explained = system.outcomes()
    assert (packaged.onnx, packaged.reason) == (None, reason)
    assert explained.explanation
    assert system.sandbox.asked == ["make_copy", "explain_model"]


def test_what_is_killed_to_stop_is_done_after_the_next_start(system: System) -> None:
    system.sandbox.ends = [ChildCancelled(), ChildCancelled()]
    system.looks()
    assert system.outcomes() == []
    system.another()._look()
    assert len(system.outcomes()) == 2


def test_a_log_without_its_artifacts_is_left_as_it_is_and_holds_up_no_other(system: System) -> None:
    lost = job_created(dataset_id=DATASET)
    written(system.log, "job-2", 0, lost, JobStarted(worker="w", attempt=1), model_trained(), command_id="two")
    system.jobs.named = ("job-2", JOB)
    system.looks(2)
    assert {each.stream for each in everything(system.log) if each.type == "ModelPackaged"} == {JOB}
    system.finisher.close()
