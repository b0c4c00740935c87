"""Answers to lists: to the byte what FastAPI makes of the same rows, though rows are not read for them."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from builders import sequential_ids
from fastapi.routing import APIRoute
from histories import FULL, written_history
from pydantic import TypeAdapter

from api.listing import answer_of
from api.routes import access, dataset, deployment, job, model, pipeline
from api.schemas.access import KeyOut
from api.schemas.base import Page, Response
from api.schemas.dataset import DatasetListed, DatasetVersionOut
from api.schemas.deployment import DeploymentOut, LogPartOut
from api.schemas.job import JobOut, TrialOut
from api.schemas.model import ModelOut, ModelVersionOut
from api.schemas.pipeline import NodeOut, PipelineOut
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.projections import PROJECTIONS
from skyulf.projections.access import KEYS
from skyulf.projections.base import Projection
from skyulf.projections.dataset import DATASET_VERSIONS, DATASETS
from skyulf.projections.deployment import DEPLOYMENTS, PREDICTION_LOGS
from skyulf.projections.job import JOBS, JobRow
from skyulf.projections.model import MODEL_VERSIONS, MODELS
from skyulf.projections.pipeline import PIPELINES
from skyulf.projections.projector import Projector
from skyulf.projections.store import ReadStore
from skyulf.queries.base import PageOf, PageRequest, Repository

LISTED: list[tuple[Projection[Any], type[Response]]] = [
    (DATASETS, DatasetListed),
    (DATASET_VERSIONS, DatasetVersionOut),
    (PIPELINES, PipelineOut),
    (JOBS, JobOut),
    (MODELS, ModelOut),
    (MODEL_VERSIONS, ModelVersionOut),
    (DEPLOYMENTS, DeploymentOut),
    (PREDICTION_LOGS, LogPartOut),
    (KEYS, KeyOut),
]

NO_ROWS = {TrialOut, NodeOut}
"""What is listed and not kept as a row each."""

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)

EXTREME = JobRow(
    id='job-"1"\\',
    version=2**53 + 1,
    status="failed",
    dataset_id="dataset-é健",
    dataset_version=1,
    pipeline_id=None,
    model_name=None,
    asked_spec={"text": "<&>\u2028\x7f\n\t", "deep": [{"a": [None, True, 1, -0.5, {}]}], "": 2**60},
    spec={},
    set_aside=[("a", "b"), ("é", '"')],
    seed=2**32 - 1,
    created_at=NOON + timedelta(microseconds=120),
    created_position=7,
    started_at=NOON.astimezone(timezone(timedelta(hours=5, minutes=30))),
    finished_at=NOON,
    fraction=1 / 3,
    metrics={"nothing": None, "whole": 2.0, "fine": 0.1 + 0.2},
    candidate_scores=[{"mean": 1.0, "folds": [0.5, None]}],
    rows={"total": 0},
    timings={"fit": 0.25},
    warnings=["a\u0000b"],
    error={"detail": "why", "type": "bad-column", "title": "A column"},
    onnx={"reason": None, "digest": "sha256:x", "probe_rows": 3, "largest_difference": float("nan"), "more": 1},
    trials_planned=5,
    trials_over=2,
)


@pytest.fixture(scope="module")
def store() -> ReadStore:
    """Rows of a history in which everything happens."""
    log, store = MemoryEventLog(sequential_ids()), MemoryReadStore()
    written_history(log, FULL)
    projector = Projector(log, store, PROJECTIONS)
    projector.prepare()
    projector.catch_up()
    return store


def made_by_the_library(model: type[Response], rows: PageOf[Any]) -> bytes:
    """What FastAPI answers with a page of the models of rows."""
    page = TypeAdapter(Page[model])  # type: ignore[valid-type]
    items = [model.of_row(row) for row in rows.items]
    return page.dump_json(page.validate_python({"items": items, "next_cursor": rows.next_cursor}))


@pytest.mark.parametrize(("projection", "model"), LISTED, ids=[projection.name for projection, _ in LISTED])
@pytest.mark.parametrize("limit", [1, 100])
def test_an_answer_is_what_the_models_of_its_rows_are(
    store: ReadStore, projection: Projection[Any], model: type[Response], limit: int
) -> None:
    repository = Repository(store, projection)
    repository.orders = {"it": projection.indexes[0][-1]}  # type: ignore[misc]
    request = PageRequest(limit=limit)
    rows = repository.page(request)
    assert rows.items
    answer = answer_of(model, projection.row, repository.texts(request))
    assert bytes(answer.body) == made_by_the_library(model, rows)
    assert answer.headers["content-type"] == "application/json"


def test_a_row_of_everything_that_is_hard_to_write() -> None:
    stored = msgspec.json.encode(EXTREME).decode()
    read = PageOf((msgspec.json.decode(stored, type=JobRow),), "next")
    answer = answer_of(JobOut, JobRow, PageOf((stored,), "next"))
    wanted = TypeAdapter(Page[JobOut]).validate_json(made_by_the_library(JobOut, read))
    assert TypeAdapter(Page[JobOut]).validate_json(bytes(answer.body)) == wanted
    assert msgspec.json.decode(answer.body) == msgspec.json.decode(made_by_the_library(JobOut, read))


@pytest.mark.parametrize(("projection", "model"), LISTED, ids=[projection.name for projection, _ in LISTED])
def test_a_row_without_its_newest_members_has_their_defaults(
    store: ReadStore, projection: Projection[Any], model: type[Response]
) -> None:
    """Rows that were written before a member was added are read with its default; lists show the same."""
    repository = Repository(store, projection)
    repository.orders = {"it": projection.indexes[0][-1]}  # type: ignore[misc]
    required = [field.name for field in msgspec.structs.fields(projection.row) if field.required]
    texts = repository.texts(PageRequest()).items
    old = [msgspec.json.encode({name: msgspec.json.decode(text)[name] for name in required}).decode() for text in texts]
    rows = PageOf(tuple(msgspec.json.decode(text, type=projection.row) for text in old), None)
    answer = answer_of(model, projection.row, PageOf(tuple(old), None))
    assert bytes(answer.body) == made_by_the_library(model, rows)


def test_every_list_of_rows_is_looked_at_here() -> None:
    routes = [route for noun in (access, dataset, deployment, job, model, pipeline) for route in noun.routes.routes]
    models = [route.response_model for route in routes if isinstance(route, APIRoute)]
    listed = {
        each.model_fields["items"].annotation.__args__[0]
        for each in models
        if isinstance(each, type) and issubclass(each, Page)
    }
    assert listed - NO_ROWS == {model for _, model in LISTED}
