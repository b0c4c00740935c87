"""What is shown of each noun: given events, then rows."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from builders import (
    NOW,
    PROBLEM,
    RESULT,
    SPEC,
    dataset_created,
    dataset_scored,
    job_created,
    metadata,
    model_reproduced,
    model_trained,
    record,
    registered,
    reproduction_created,
    scoring_created,
    target,
    version_added,
)

from skyulf.events.base import DomainEvent
from skyulf.events.dataset import DatasetProfiled
from skyulf.events.deployment import (
    DeploymentCreated,
    DeploymentRetired,
    DeploymentRolledBack,
    DeploymentRolledOut,
)
from skyulf.events.job import (
    JobCancelled,
    JobCancelRequested,
    JobFailed,
    JobProgressed,
    JobReclaimed,
    JobRetried,
    JobStarted,
    ModelExplained,
    ModelPackaged,
)
from skyulf.events.model import ModelAliasRemoved, ModelAliasSet, ModelVersionRetired
from skyulf.events.pipeline import PipelineArchived, PipelineCreated, PipelineRevised
from skyulf.projections import PROJECTIONS
from skyulf.projections.base import Projection, Row
from skyulf.projections.dataset import DATASET_VERSIONS, DATASETS, DatasetRow, DatasetVersionRow
from skyulf.projections.deployment import DEPLOYMENTS, Change, DeploymentRow
from skyulf.projections.job import JOBS, JobRow
from skyulf.projections.model import MODEL_VERSIONS, MODELS, ModelRow, ModelVersionRow
from skyulf.projections.pipeline import PIPELINES, PipelineRow

FIRST = 100
"""The position of the first event; each has the next, and is a minute later."""


def at(number: int) -> Any:
    """When the so-manieth event was recorded."""
    return NOW + timedelta(minutes=number)


def rows(projection: Projection[Any], stream: str, *events: DomainEvent) -> dict[str, Row]:
    """The rows after the events of one stream, of which the projection sees those that it folds."""
    found: dict[str, Row | None] = {}
    for number, event in enumerate(events):
        if type(event) in projection.folds:
            circumstances = metadata(recorded_at=at(number), reason=f"reason {number}")
            recorded = record(event, FIRST + number, stream, number + 1, metadata=circumstances)
            key = projection.key(recorded, event)
            found[key] = projection.fold(found.get(key), event, recorded)
    return {key: row for key, row in found.items() if row is not None}


def row(projection: Projection[Any], stream: str, *events: DomainEvent) -> Any:
    """The only row, whose key is the stream."""
    found = rows(projection, stream, *events)
    assert list(found) == [stream]
    return found[stream]


class TestDatasets:
    ID = "dataset-1"

    def test_it_shows_its_newest_version(self) -> None:
        shown = row(DATASETS, self.ID, dataset_created(), version_added(1), version_added(2, rows=50))
        assert shown == DatasetRow(
            id=self.ID,
            version=3,
            name="irises",
            created_at=at(0),
            created_position=FIRST,
            dataset_version=2,
            digest="sha256:digest-2",
            rows=50,
            column_count=2,
        )

    def test_a_profile_is_its_versions_own(self) -> None:
        profiled = DatasetProfiled(dataset_version=1, profile="sha256:profile", sampled=9)
        history = (dataset_created(), version_added(1), version_added(2), profiled)
        shown = rows(DATASET_VERSIONS, self.ID, *history)
        assert [version.profile for version in shown.values()] == ["sha256:profile", None]
        before, after = (row(DATASETS, self.ID, *events) for events in (history[:3], history))
        assert (before.version, after.version) == (3, 4)
        assert (after.dataset_version, after.digest) == (before.dataset_version, before.digest)

    def test_each_version_has_a_row_with_its_columns(self) -> None:
        shown = rows(DATASET_VERSIONS, self.ID, dataset_created(), version_added(1), version_added(2))
        assert list(shown) == ["dataset-1/000000001", "dataset-1/000000002"]
        second = shown["dataset-1/000000002"]
        assert isinstance(second, DatasetVersionRow)
        assert (second.dataset_id, second.dataset_version, second.artifact) == (self.ID, 2, "sha256:table-2")
        assert (second.filename, second.size, second.created_at) == ("irises.csv", 4_000, at(2))
        assert second.columns[0] == {
            "name": "x",
            "type": "number",
            "nulls": 3,
            "distinct": 90,
            "commonest": 2,
            "rarest": 1,
            "skewness": 0.25,
            "mean_words": None,
            "unfit": 2,
        }

    def test_keys_of_versions_sort_as_their_numbers_do(self) -> None:
        keys = list(rows(DATASET_VERSIONS, self.ID, *[version_added(number) for number in range(1, 12)]))
        assert keys == sorted(keys)


class TestPipelines:
    ID = "pipeline-1"
    CREATED = PipelineCreated(name="flowers", spec=SPEC)

    def test_it_is_shown_as_last_revised(self) -> None:
        other = {**SPEC, "target": "z"}
        shown = row(PIPELINES, self.ID, self.CREATED, PipelineRevised(name="roses", spec=other))
        assert shown == PipelineRow(
            id=self.ID, version=2, name="roses", spec=other, created_at=at(0), created_position=FIRST
        )

    def test_archived_ones_say_so(self) -> None:
        shown = row(PIPELINES, self.ID, self.CREATED, PipelineArchived())
        assert (shown.archived, shown.version, shown.name) == (True, 2, "flowers")


STARTED = JobStarted(worker="worker-1", attempt=1)
HALF = JobProgressed(attempt=1, stage="fit", fraction=0.5, metrics={"loss": 0.25})
FAILED = JobFailed(attempt=1, problem=PROBLEM)


class TestJobs:
    ID = "job-1"

    def job(self, *events: DomainEvent, **created: Any) -> JobRow:
        shown = row(JOBS, self.ID, job_created(**created), *events)
        assert isinstance(shown, JobRow)
        assert shown.version == 1 + len(events)
        return shown

    def test_a_new_job_waits(self) -> None:
        created = {"pipeline_id": "pipeline-1", "model_name": "irises", "set_aside": (("id", "an identifier"),)}
        assert self.job(**created) == JobRow(
            id=self.ID,
            version=1,
            status="created",
            dataset_id="dataset-1",
            dataset_version=1,
            pipeline_id="pipeline-1",
            model_name="irises",
            asked_spec=SPEC,
            spec=SPEC,
            set_aside=[("id", "an identifier")],
            seed=7,
            created_at=at(0),
            created_position=FIRST,
        )

    def test_a_running_job_shows_who_has_it_and_how_far_it_is(self) -> None:
        shown = self.job(STARTED, HALF)
        assert (shown.status, shown.worker, shown.attempt, shown.started_at) == ("running", "worker-1", 1, at(1))
        assert (shown.stage, shown.fraction, shown.metrics) == ("fit", 0.5, {"loss": 0.25})

    def test_metrics_stay_when_a_report_has_none(self) -> None:
        quiet = JobProgressed(attempt=1, stage="evaluate", fraction=0.75)
        shown = self.job(STARTED, HALF, quiet)
        assert (shown.stage, shown.fraction, shown.metrics) == ("evaluate", 0.75, {"loss": 0.25})

    def test_a_trained_job_shows_its_result_and_the_chosen_spec(self) -> None:
        chosen = {**SPEC, "target": "chosen"}
        shown = self.job(STARTED, HALF, model_trained(spec=chosen, model_name="irises", model_version=3))
        assert (shown.status, shown.fraction, shown.finished_at) == ("succeeded", 1.0, at(3))
        assert (shown.asked_spec, shown.spec) == (SPEC, chosen)
        assert (shown.model_version, shown.model, shown.evaluation) == (3, "sha256:model", "sha256:evaluation")
        assert (shown.metrics, shown.warnings) == (RESULT["metrics"], ["the classes are uneven"])
        assert shown.rows == {"total": 100, "train": 80, "test": 20, "dropped": 0}
        assert shown.candidate_scores[0]["model"] == "logistic_regression"

    def test_a_trained_job_keeps_the_models_name_it_was_created_with(self) -> None:
        shown = self.job(STARTED, model_trained(model_name="irises", model_version=1), model_name="irises")
        assert (shown.model_name, shown.attempt) == ("irises", 1)

    def test_a_model_is_unfinished_until_both_are_settled(self) -> None:
        trained = [job_created(), JobStarted(worker="w", attempt=1), model_trained()]
        packaged = ModelPackaged(attempt=1, onnx=None, reason="svm", probe_rows=0)
        explained = ModelExplained(attempt=1, explanation="sha256:why", metric="rmse", rows=9, repeats=5)
        assert row(JOBS, "job-1", *trained[:2]).unfinished == 0
        assert (row(JOBS, "job-1", *trained).unfinished, row(JOBS, "job-1", *trained).onnx) == (1, None)
        assert row(JOBS, "job-1", *trained, packaged).unfinished == 1
        assert row(JOBS, "job-1", *trained, explained).unfinished == 1
        for settled in ([packaged, explained], [explained, packaged]):
            found = row(JOBS, "job-1", *trained, *settled)
            assert (found.unfinished, found.explanation, found.version) == (0, "sha256:why", 5)
            assert found.onnx == {"digest": None, "reason": "svm", "probe_rows": 0, "largest_difference": None}

    def test_a_model_that_cannot_be_explained_is_finished_all_the_same(self) -> None:
        trained = [job_created(), JobStarted(worker="w", attempt=1), model_trained()]
        not_explained = ModelExplained(attempt=1, explanation=None, reason="it took too long")
        found = row(JOBS, "job-1", *trained, not_explained, ModelPackaged(attempt=1, onnx="sha256:copy"))
        assert (found.unfinished, found.explanation, found.onnx["digest"]) == (0, None, "sha256:copy")

    def test_a_scoring_shows_what_it_predicts_with_and_the_file_that_came_of_it(self) -> None:
        created = scoring_created(deployment="shop", format="csv", keep=("x",))
        waits = row(JOBS, self.ID, created)
        assert (waits.kind, waits.status, waits.spec, waits.seed) == ("scoring", "created", None, None)
        assert (waits.model_name, waits.dataset_id) == (None, "dataset-1"), "it trains no model"
        asked = {"model": "irises", "model_version": 1, "deployment": "shop", "format": "csv", "keep": ["x"]}
        assert waits.scoring == {**asked, "output": None}
        done = row(JOBS, self.ID, created, STARTED, dataset_scored())
        output = {"digest": "sha256:predictions", "size": 2_000, "rows": 100, "missing": 1}
        assert (done.status, done.fraction, done.finished_at, done.unfinished) == ("succeeded", 1.0, at(2), 0)
        assert (done.scoring, done.timings["predict"]) == ({**asked, "output": output}, 0.2)

    def test_a_reproduction_shows_what_it_trains_again_and_its_verdict(self) -> None:
        created = reproduction_created(seed=8)
        waits = row(JOBS, self.ID, created)
        assert (waits.kind, waits.status, waits.spec, waits.seed) == ("reproduction", "created", None, None)
        assert (waits.model_name, waits.dataset_id) == (None, "dataset-1"), "it trains no model of its own"
        asked = {"job_id": "job-1", "model": "irises", "model_version": 1, "seed": 8}
        assert waits.reproduction == {**asked, "result": None}
        done = row(JOBS, self.ID, created, STARTED, model_reproduced())
        assert (done.status, done.fraction, done.finished_at, done.unfinished) == ("succeeded", 1.0, at(2), 0)
        assert (done.metrics, done.model, done.fingerprint) == ({"accuracy": 0.9, "roc_auc": None}, None, None)
        assert done.reproduction["job_id"] == "job-1"
        result = done.reproduction["result"]
        assert (result["verdict"], result["causes"], result["fingerprint"]) == ("equivalent", ["package"], "f2")
        scikit = {"aspect": "package", "name": "scikit-learn", "recorded": "1.8.0", "now": "1.9.0"}
        assert result["facts"][1] == scikit
        assert result["comparison"] == {"rows": 100, "otherwise": 0, "largest_difference": 1e-12}

    def test_a_failed_job_shows_why(self) -> None:
        shown = self.job(STARTED, FAILED)
        assert (shown.status, shown.finished_at) == ("failed", at(2))
        assert shown.error == {"type": "bad-column", "title": PROBLEM.title, "detail": PROBLEM.detail}

    def test_asking_to_stop_is_shown_until_it_has_ended(self) -> None:
        assert self.job(STARTED, JobCancelRequested()).cancel_requested
        assert self.job(STARTED, JobCancelRequested()).status == "running"
        for last in (JobCancelled(), FAILED, model_trained()):
            assert not self.job(STARTED, JobCancelRequested(), last).cancel_requested

    def test_a_cancelled_job_has_ended(self) -> None:
        shown = self.job(JobCancelled())
        assert (shown.status, shown.finished_at, shown.started_at) == ("cancelled", at(1), None)

    def test_a_reclaimed_job_waits_as_if_untouched_but_for_its_attempts(self) -> None:
        shown = self.job(STARTED, HALF, JobReclaimed(attempt=1, cause="worker_lost", begun=True))
        assert (shown.status, shown.worker, shown.stage, shown.fraction, shown.metrics) == (
            "created",
            None,
            None,
            0.0,
            None,
        )
        assert shown.attempt == 1

    def test_a_second_attempt_keeps_the_time_of_the_first_start(self) -> None:
        lost = JobReclaimed(attempt=1, cause="worker_lost", begun=True)
        shown = self.job(STARTED, HALF, lost, JobStarted(worker="worker-2", attempt=2))
        assert (shown.attempt, shown.worker, shown.started_at, shown.fraction) == (2, "worker-2", at(1), 0.0)

    def test_a_retried_job_shows_nothing_of_its_failure(self) -> None:
        shown = self.job(STARTED, HALF, FAILED, JobRetried())
        assert (shown.status, shown.error, shown.started_at, shown.finished_at) == ("created", None, None, None)
        assert (shown.stage, shown.fraction, shown.metrics) == (None, 0.0, None)


class TestModels:
    ID = "model-irises"
    BEST = ModelAliasSet(alias="best", before=None, after=1)

    def test_the_first_version_makes_the_model(self) -> None:
        assert row(MODELS, self.ID, registered(1)) == ModelRow(
            id=self.ID, version=1, name="irises", created_at=at(0), created_position=FIRST, model_version=1
        )

    def test_aliases_are_set_moved_and_removed(self) -> None:
        move = ModelAliasSet(alias="best", before=1, after=2)
        history = [registered(1), registered(2), self.BEST]
        assert row(MODELS, self.ID, *history).aliases == {"best": 1}
        assert row(MODELS, self.ID, *history, move).aliases == {"best": 2}
        gone = row(MODELS, self.ID, *history, move, ModelAliasRemoved(alias="best", before=2))
        assert (gone.aliases, gone.version, gone.model_version) == ({}, 5, 2)

    def test_retired_versions_are_listed(self) -> None:
        history = [registered(1), registered(2)]
        shown = row(MODELS, self.ID, *history, *[ModelVersionRetired(model_version=n) for n in (2, 1)])
        assert shown.retired == [1, 2]

    def test_each_version_has_a_row(self) -> None:
        shown = rows(MODEL_VERSIONS, self.ID, registered(1), self.BEST, registered(2))
        assert list(shown) == ["model-irises/000000001", "model-irises/000000002"]
        assert shown["model-irises/000000002"] == ModelVersionRow(
            model="irises",
            model_version=2,
            job_id="job-2",
            artifact="sha256:model-2",
            fingerprint="f2",
            metrics={"accuracy": 0.9},
            task="classification",
            target="y",
            estimator="logistic_regression",
            created_at=at(2),
        )

    def test_retiring_marks_its_version_only(self) -> None:
        shown = rows(MODEL_VERSIONS, self.ID, registered(1), registered(2), ModelVersionRetired(model_version=1))
        assert {key: one.retired for key, one in shown.items() if isinstance(one, ModelVersionRow)} == {
            "model-irises/000000001": True,
            "model-irises/000000002": False,
        }


class TestDeployments:
    ID = "deployment-shop"
    OUT = DeploymentRolledOut(before=None, after=target(1))
    NEXT = DeploymentRolledOut(before=target(1), after=target(2), alias="best")
    BACK = DeploymentRolledBack(before=target(2), after=target(1))

    def shown(self, *events: DomainEvent) -> DeploymentRow:
        made = row(DEPLOYMENTS, self.ID, DeploymentCreated(), *events)
        assert isinstance(made, DeploymentRow)
        return made

    def test_it_shows_the_one_version_that_it_serves(self) -> None:
        shown = self.shown(self.OUT, self.NEXT)
        assert (shown.id, shown.name, shown.status, shown.version) == (self.ID, "shop", "active", 3)
        assert (shown.model, shown.model_version, shown.artifact) == ("irises", 2, "sha256:model-2")

    def test_going_back_shows_the_earlier_one(self) -> None:
        shown = self.shown(self.OUT, self.NEXT, self.BACK)
        assert (shown.model_version, shown.artifact) == (1, "sha256:model-1")

    def test_a_retired_one_serves_nothing(self) -> None:
        shown = self.shown(self.OUT, DeploymentRetired())
        assert (shown.status, shown.model, shown.model_version, shown.artifact) == ("retired", None, None, None)
        assert self.shown(self.OUT, DeploymentRetired(), self.OUT).status == "active"

    def test_its_history_says_when_who_why_and_what(self) -> None:
        shown = self.shown(self.OUT, self.NEXT, self.BACK, DeploymentRetired(), self.OUT)
        told = [(change.action, change.before, change.model_version) for change in shown.history]
        assert told == [
            ("rolled_out", None, 1),
            ("rolled_out", 1, 2),
            ("rolled_back", 2, 1),
            ("retired", 1, None),
            ("rolled_out", None, 1),
        ]
        assert shown.history[1] == Change(
            at=at(2),
            position=FIRST + 2,
            action="rolled_out",
            actor="ann",
            reason="reason 2",
            before=1,
            model="irises",
            model_version=2,
        )


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
class TestDeclarations:
    def test_columns_and_indexes_are_of_the_row(self, projection: Projection[Any]) -> None:
        fields = {field.name for field in msgspec.structs.fields(projection.row)}
        assert set(projection.columns) <= fields
        assert {column for index in projection.indexes for column in index} <= set(projection.columns)

    def test_names_are_its_own(self, projection: Projection[Any]) -> None:
        assert [one.name for one in PROJECTIONS].count(projection.name) == 1
