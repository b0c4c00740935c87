"""Everything that can be asked of the read side."""

from dataclasses import dataclass, replace

from skyulf.artifacts import ArtifactStore
from skyulf.events.delivery_store import DeliveryStore
from skyulf.events.log import EventLog
from skyulf.projections.store import ReadStore
from skyulf.queries.access import KeyRepository
from skyulf.queries.dataset import DatasetRepository, DatasetVersionRepository, ProfileReader
from skyulf.queries.deployment import DeploymentRepository, PredictionLogRepository
from skyulf.queries.freshness import Freshness
from skyulf.queries.history import HistoryService
from skyulf.queries.job import EvaluationService, JobRepository
from skyulf.queries.lineage import LineageService
from skyulf.queries.model import ModelRepository, ModelVersionRepository
from skyulf.queries.parking import ParkingRepository
from skyulf.queries.past import TimeTravel
from skyulf.queries.pipeline import PipelineRepository
from skyulf.queries.projection import ProjectionRepository
from skyulf.queries.reaction import ReactionRepository
from skyulf.queries.trial import TrialRepository
from skyulf.queries.webhook import DeliveryReader, WebhookRepository


@dataclass(frozen=True, slots=True)
class Queries:
    """Everything that can be asked of the read side."""

    datasets: DatasetRepository
    dataset_versions: DatasetVersionRepository
    profiles: ProfileReader
    pipelines: PipelineRepository
    jobs: JobRepository
    evaluations: EvaluationService
    trials: TrialRepository
    models: ModelRepository
    model_versions: ModelVersionRepository
    deployments: DeploymentRepository
    prediction_logs: PredictionLogRepository
    keys: KeyRepository
    webhooks: WebhookRepository
    deliveries: DeliveryReader
    projections: ProjectionRepository
    parking: ParkingRepository
    reactions: ReactionRepository
    history: HistoryService
    lineage: LineageService
    freshness: Freshness
    travel: TimeTravel
    as_of: int | None = None
    """The position that things are shown as of; None is now."""

    def at(self, position: int) -> "Queries":
        """The same, of all that is shown as it was once the log had got to a position."""
        past = self.travel.to(position)
        return replace(
            self,
            as_of=position,
            datasets=self.datasets.at(past),
            dataset_versions=self.dataset_versions.at(past),
            pipelines=self.pipelines.at(past),
            jobs=self.jobs.at(past),
            evaluations=self.evaluations.at(past),
            trials=self.trials.at(past),
            models=self.models.at(past),
            model_versions=self.model_versions.at(past),
            deployments=self.deployments.at(past),
            prediction_logs=self.prediction_logs.at(past),
            keys=self.keys.at(past),
            webhooks=self.webhooks.at(past),
            lineage=self.lineage.at(past),
        )


def make_queries(
    log: EventLog,
    store: ReadStore,
    artifacts: ArtifactStore,
    deliveries: DeliveryStore,
    projections: ProjectionRepository,
    freshness: Freshness,
) -> Queries:
    """The read side over a store, and over the log where history is asked for."""
    datasets, pipelines, jobs = DatasetRepository(store), PipelineRepository(store), JobRepository(store)
    models, versions, deployments = ModelRepository(store), ModelVersionRepository(store), DeploymentRepository(store)
    return Queries(
        datasets=datasets,
        dataset_versions=DatasetVersionRepository(store),
        profiles=ProfileReader(artifacts),
        pipelines=pipelines,
        jobs=jobs,
        evaluations=EvaluationService(jobs, datasets, artifacts),
        trials=TrialRepository(store),
        models=models,
        model_versions=versions,
        deployments=deployments,
        prediction_logs=PredictionLogRepository(store),
        keys=KeyRepository(store),
        webhooks=WebhookRepository(store),
        deliveries=DeliveryReader(log, deliveries),
        projections=projections,
        parking=ParkingRepository(log, store),
        reactions=ReactionRepository(log, store),
        history=HistoryService(log),
        lineage=LineageService(datasets, pipelines, jobs, models, versions, deployments),
        freshness=freshness,
        travel=TimeTravel(log, store),
    )
