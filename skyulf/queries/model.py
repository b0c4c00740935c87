"""Models and their versions, as they are shown."""

from typing import ClassVar

from skyulf.errors import NotFound
from skyulf.projections.dataset import version_key
from skyulf.projections.model import MODEL_VERSIONS, MODELS, ModelRow, ModelVersionRow
from skyulf.projections.store import ReadStore
from skyulf.queries.base import Repository


class ModelRepository(Repository[ModelRow]):
    """Models, by stream; people name them."""

    noun = "model"
    orders: ClassVar = {"name": "name", "created_at": "created_position"}

    def __init__(self, store: ReadStore) -> None:
        super().__init__(store, MODELS)

    def get_named(self, name: str) -> ModelRow:
        """The model of that name; raises `NotFound`."""
        row = self.find(f"model-{name}")
        if row is None:
            raise NotFound(f"there is no model {name}{self.when}")
        return row


class ModelVersionRepository(Repository[ModelVersionRow]):
    """Versions of models, by model and number."""

    noun = "model version"
    orders: ClassVar = {"model_version": "model_version"}

    def __init__(self, store: ReadStore) -> None:
        super().__init__(store, MODEL_VERSIONS)

    def get_version(self, model: str, number: int) -> ModelVersionRow:
        """The version of that number; raises `NotFound`."""
        row = self.find(version_key(f"model-{model}", number))
        if row is None:
            raise NotFound(f"the model {model} has no version {number}{self.when}")
        return row
