"""Deployments, as they are shown."""

from typing import ClassVar

from skyulf.errors import NotFound
from skyulf.projections.deployment import DEPLOYMENTS, PREDICTION_LOGS, DeploymentRow, PredictionLogRow
from skyulf.projections.store import ReadStore
from skyulf.queries.base import Repository


class DeploymentRepository(Repository[DeploymentRow]):
    """Deployments, by stream; people name them."""

    noun = "deployment"
    orders: ClassVar = {"name": "name", "created_at": "created_position"}

    def __init__(self, store: ReadStore) -> None:
        super().__init__(store, DEPLOYMENTS)

    def get_named(self, name: str) -> DeploymentRow:
        """The deployment of that name; raises `NotFound`."""
        row = self.find(f"deployment-{name}")
        if row is None:
            raise NotFound(f"there is no deployment {name}{self.when}")
        return row


class PredictionLogRepository(Repository[PredictionLogRow]):
    """Parts of logs of predictions, by deployment and artifact."""

    noun = "logged predictions"
    orders: ClassVar = {"position": "position"}

    def __init__(self, store: ReadStore) -> None:
        super().__init__(store, PREDICTION_LOGS)

    def get_part(self, deployment: str, artifact: str) -> PredictionLogRow:
        """The part of that digest; raises `NotFound`."""
        return self.get(f"deployment-{deployment}/{artifact}")
