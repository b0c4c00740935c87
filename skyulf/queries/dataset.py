"""Datasets and their versions, as they are shown."""

from typing import ClassVar

from skyulf.projections.dataset import DATASET_VERSIONS, DATASETS, DatasetRow, DatasetVersionRow, version_key
from skyulf.projections.store import ReadStore
from skyulf.queries.base import Repository


class DatasetRepository(Repository[DatasetRow]):
    """Datasets, by id."""

    noun = "dataset"
    orders: ClassVar = {"created_at": "created_position", "name": "name"}

    def __init__(self, store: ReadStore) -> None:
        super().__init__(store, DATASETS)


class DatasetVersionRepository(Repository[DatasetVersionRow]):
    """Versions of datasets, by dataset and number."""

    noun = "dataset version"
    orders: ClassVar = {"dataset_version": "dataset_version"}

    def __init__(self, store: ReadStore) -> None:
        super().__init__(store, DATASET_VERSIONS)

    def get_version(self, dataset_id: str, number: int) -> DatasetVersionRow:
        """The version of that number; raises `NotFound`."""
        return self.get(version_key(dataset_id, number))
