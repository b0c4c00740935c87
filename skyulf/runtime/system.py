"""A running system in this process."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from skyulf.adapters.data_dir import DataDirectory
from skyulf.adapters.job_queue import RowsJobQueue
from skyulf.adapters.leases import MemoryLeases
from skyulf.adapters.system import new_id, new_secret, now
from skyulf.adapters.unfinished_jobs import RowsUnfinishedJobs
from skyulf.artifacts import ArtifactStore
from skyulf.commands import COMMANDS
from skyulf.commands.bus import CommandBus
from skyulf.events.log import EventLog
from skyulf.ingest.service import IngestService
from skyulf.projections import PROJECTIONS
from skyulf.projections.projector import Projector
from skyulf.projections.store import ReadStore
from skyulf.queries.access import KeyRepository, Keyring
from skyulf.queries.dataset import DatasetRepository, DatasetVersionRepository
from skyulf.queries.deployment import DeploymentRepository
from skyulf.queries.freshness import Freshness
from skyulf.queries.job import EvaluationService, JobRepository
from skyulf.queries.model import ModelRepository, ModelVersionRepository
from skyulf.queries.pipeline import PipelineRepository
from skyulf.queries.projection import ProjectionRepository
from skyulf.queries.reaction import ReactionRepository
from skyulf.reactions.finishing import Finisher
from skyulf.reactions.sandbox import SandboxServer
from skyulf.reactions.training import Worker
from skyulf.runtime.making import make_artifacts, make_feed, make_log, make_read_store, make_relay, make_uris
from skyulf.serving import PredictionService
from skyulf.settings import Settings

YOUNG_COLLECTION = 10_000
"""A garbage collection comes after so many objects; by default it is 700, of which a page of a rebuild makes 20,000."""

FULL_COLLECTION = 100
"""A full garbage collection comes after so many of the middle generation; by default it is 10."""


@dataclass(frozen=True, slots=True)
class Queries:
    """Everything that can be asked of the read side."""

    datasets: DatasetRepository
    dataset_versions: DatasetVersionRepository
    pipelines: PipelineRepository
    jobs: JobRepository
    evaluations: EvaluationService
    models: ModelRepository
    model_versions: ModelVersionRepository
    deployments: DeploymentRepository
    keys: KeyRepository
    projections: ProjectionRepository
    reactions: ReactionRepository
    freshness: Freshness


class Runtime:
    """A whole system in this process; `start` begins its roles, `close` ends them in order."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.directory = DataDirectory(settings.data_dir)
        self.directory.own()
        self.log = make_log(settings, self.directory)
        self.store = make_read_store(settings, self.directory)
        self.head_at_start = self.log.head()
        self.artifacts = make_artifacts(settings, self.directory)
        self.keyring = Keyring(self.log, now)
        self.now = now
        self.new_secret = new_secret
        self.sandbox = SandboxServer()
        self.bus = CommandBus(self.log, COMMANDS, now, new_id)
        self.projector = Projector(self.log, self.store, PROJECTIONS)
        self.queries = make_queries(self.log, self.store, self.artifacts, settings)
        self.projector.on_advance(self.queries.freshness.moved)
        self.ingest = IngestService(self.sandbox, self.artifacts, make_uris(settings), self.directory.scratch)
        self.predictions = PredictionService(self.log, self.artifacts, self.sandbox, settings.predict_seconds)
        self.worker = Worker(
            name=f"worker-{new_id()}",
            log=self.log,
            bus=self.bus,
            feed=make_feed(settings, self.log, self.store),
            queue=RowsJobQueue(self.queries.jobs),
            leases=MemoryLeases(),
            sandbox=self.sandbox,
            artifacts=self.artifacts,
            scratch=self.directory.scratch,
            slots=settings.worker_slots,
            threads=settings.training_threads,
        )
        self.finisher = Finisher(
            name=f"finisher-{new_id()}",
            log=self.log,
            bus=self.bus,
            jobs=RowsUnfinishedJobs(self.queries.jobs),
            sandbox=self.sandbox,
            artifacts=self.artifacts,
            scratch=self.directory.scratch,
        )
        self.relay = make_relay(settings, self.log)

    def start(self) -> None:
        """Begin to project, to train, to publish and to warm the sandbox."""
        self.keyring.start()
        self.sandbox.start()
        self.projector.start()
        self.worker.start()
        self.finisher.start()
        if self.relay is not None:
            self.relay.start()
        spare_collections()

    def close(self) -> None:
        """Hand back what runs, settle what was sent, and let go of everything."""
        self.worker.stop()
        self.finisher.stop()
        self.sandbox.close()  # before the worker is waited for: a slot may be waiting for the sandbox to be warm
        self.worker.close()
        self.finisher.close()
        self.keyring.close()
        self.ingest.close()
        self.projector.close()
        self.bus.close()
        if self.relay is not None:
            self.relay.close()
        self.store.close()
        self.log.close()
        self.directory.release()


def spare_collections() -> None:
    """Keep the garbage collector from holding the interpreter, and with it every request, for 200 ms at a time.

    What is there by now stays to the end, and most of it is modules: collections need not go through it. The full
    ones are made rare besides, since the rows of a rebuild would call for many; cycles hardly ever live so long.
    """
    gc.freeze()
    _, middle, _ = gc.get_threshold()
    gc.set_threshold(YOUNG_COLLECTION, middle, FULL_COLLECTION)


@contextmanager
def running(settings: Settings) -> Iterator[Runtime]:
    """A started system that is closed at the end of the block."""
    runtime = Runtime(settings)
    try:
        runtime.start()
        yield runtime
    finally:
        runtime.close()


def make_queries(log: EventLog, store: ReadStore, artifacts: ArtifactStore, settings: Settings) -> Queries:
    """The read side over a store."""
    jobs = JobRepository(store)
    return Queries(
        datasets=DatasetRepository(store),
        dataset_versions=DatasetVersionRepository(store),
        pipelines=PipelineRepository(store),
        jobs=jobs,
        evaluations=EvaluationService(jobs, artifacts),
        models=ModelRepository(store),
        model_versions=ModelVersionRepository(store),
        deployments=DeploymentRepository(store),
        keys=KeyRepository(store),
        projections=ProjectionRepository(log, store),
        reactions=ReactionRepository(store),
        freshness=Freshness(log, store, settings.position_seconds),
    )
