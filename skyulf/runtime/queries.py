"""Everything that can be asked of the read side."""

from dataclasses import dataclass

from skyulf.artifacts import ArtifactStore
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
from skyulf.queries.pipeline import PipelineRepository
from skyulf.queries.projection import ProjectionRepository
from skyulf.queries.reaction import ReactionRepository
from skyulf.queries.trial import TrialRepository


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
    projections: ProjectionRepository
    parking: ParkingRepository
    reactions: ReactionRepository
    history: HistoryService
    lineage: LineageService
    freshness: Freshness


def make_queries(
    log: EventLog,
    store: ReadStore,
    artifacts: ArtifactStore,
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
        evaluations=EvaluationService(jobs, artifacts),
        trials=TrialRepository(store),
        models=models,
        model_versions=versions,
        deployments=deployments,
        prediction_logs=PredictionLogRepository(store),
        keys=KeyRepository(store),
        projections=projections,
        parking=ParkingRepository(log, store),
        reactions=ReactionRepository(log, store),
        history=HistoryService(log),
        lineage=LineageService(datasets, pipelines, jobs, models, versions, deployments),
        freshness=freshness,
    )
