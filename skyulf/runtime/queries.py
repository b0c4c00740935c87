"""Everything that can be asked of the read side."""

from dataclasses import dataclass

from skyulf.artifacts import ArtifactStore
from skyulf.projections.store import ReadStore
from skyulf.queries.access import KeyRepository
from skyulf.queries.dataset import DatasetRepository, DatasetVersionRepository, ProfileReader
from skyulf.queries.deployment import DeploymentRepository, PredictionLogRepository
from skyulf.queries.freshness import Freshness
from skyulf.queries.job import EvaluationService, JobRepository
from skyulf.queries.model import ModelRepository, ModelVersionRepository
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
    reactions: ReactionRepository
    freshness: Freshness


def make_queries(
    store: ReadStore, artifacts: ArtifactStore, projections: ProjectionRepository, freshness: Freshness
) -> Queries:
    """The read side over a store."""
    jobs = JobRepository(store)
    return Queries(
        datasets=DatasetRepository(store),
        dataset_versions=DatasetVersionRepository(store),
        profiles=ProfileReader(artifacts),
        pipelines=PipelineRepository(store),
        jobs=jobs,
        evaluations=EvaluationService(jobs, artifacts),
        trials=TrialRepository(store),
        models=ModelRepository(store),
        model_versions=ModelVersionRepository(store),
        deployments=DeploymentRepository(store),
        prediction_logs=PredictionLogRepository(store),
        keys=KeyRepository(store),
        projections=projections,
        reactions=ReactionRepository(store),
        freshness=freshness,
    )
