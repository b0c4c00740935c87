"""Datasets and their versions, as they are shown."""

from typing import Any, ClassVar

import msgspec

from skyulf.artifacts import ArtifactStore
from skyulf.errors import Erased
from skyulf.projections.dataset import DATASET_VERSIONS, DATASETS, DatasetRow, DatasetVersionRow, version_key
from skyulf.projections.store import ReadStore
from skyulf.queries.base import Repository


class DatasetRepository(Repository[DatasetRow]):
    """Datasets, by id."""

    noun = "dataset"
    orders: ClassVar = {"created_at": "created_position", "name": "name"}

    def __init__(self, store: ReadStore) -> None:
        super().__init__(store, DATASETS)

    def need_data(self, dataset_id: str) -> None:
        """Raise `Erased` for a dataset whose data may be shown no more, nor what was made of it."""
        row = self.find(dataset_id)
        if row is not None and row.erased is not None:
            raise Erased(f"{dataset_id} was erased; its data, and what was made of it, are gone for good")


class DatasetVersionRepository(Repository[DatasetVersionRow]):
    """Versions of datasets, by dataset and number."""

    noun = "dataset version"
    orders: ClassVar = {"dataset_version": "dataset_version"}

    def __init__(self, store: ReadStore) -> None:
        super().__init__(store, DATASET_VERSIONS)

    def get_version(self, dataset_id: str, number: int) -> DatasetVersionRow:
        """The version of that number; raises `NotFound`."""
        return self.get(version_key(dataset_id, number))


class ProfileReader:
    """Profiles of dataset versions, from their artifacts."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def read(self, digest: str) -> dict[str, Any]:
        """The profile that is kept under that digest."""
        profile: dict[str, Any] = msgspec.json.decode(self._artifacts.read(digest))
        return profile
