"""Pipelines, as they are shown."""

from typing import ClassVar

from skyulf.projections.pipeline import PIPELINES, PipelineRow
from skyulf.projections.store import ReadStore
from skyulf.queries.base import Repository


class PipelineRepository(Repository[PipelineRow]):
    """Pipelines, by id."""

    noun = "pipeline"
    orders: ClassVar = {"created_at": "created_position", "name": "name"}

    def __init__(self, store: ReadStore) -> None:
        super().__init__(store, PIPELINES)
