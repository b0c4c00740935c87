"""What a thing was made from, and what was made from it: datasets, pipelines, jobs, versions of models, deployments.

Read models are asked, by what they are looked up by anyway; nothing is kept for it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from skyulf.errors import NotFound
from skyulf.projections.base import Row
from skyulf.projections.deployment import DeploymentRow
from skyulf.projections.job import JobRow
from skyulf.queries.base import LARGEST_PAGE, PageRequest, Repository
from skyulf.queries.dataset import DatasetRepository
from skyulf.queries.deployment import DeploymentRepository
from skyulf.queries.job import JobRepository
from skyulf.queries.model import ModelRepository, ModelVersionRepository
from skyulf.queries.past import Past
from skyulf.queries.pipeline import PipelineRepository

MOST_JOBS = 10_000
"""Jobs that are followed; a thing that reached more says how many were left off."""

R = TypeVar("R", bound=Row)

Noun = Literal["dataset", "pipeline", "job", "model", "deployment"]
"""What has a lineage, as it is asked for."""

Kind = Literal["dataset_version", "pipeline", "job", "model_version", "deployment"]
Relation = Literal["data of", "pipeline of", "trained", "scored by", "reproduced by", "served by", "was served by"]


@dataclass(frozen=True, slots=True)
class Node:
    """A thing: ``id`` tells it from all others of its kind, ``label`` is how people call it."""

    kind: Kind
    id: str
    label: str
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """That one thing went into another, both by their place in the list of nodes."""

    source: int
    target: int
    relation: Relation


@dataclass(slots=True)
class Lineage:
    """Things and what went into what; ``left_off`` tells that there are more jobs than are followed."""

    places: dict[Node, int] = field(default_factory=dict)
    edges: dict[Edge, None] = field(default_factory=dict)
    left_off: bool = False

    @property
    def nodes(self) -> list[Node]:
        """The things, in the order of their places."""
        return list(self.places)

    def add(self, node: Node) -> int:
        """The place of a node, which is added if it is new."""
        return self.places.setdefault(node, len(self.places))

    def link(self, source: Node, target: Node, relation: Relation) -> None:
        """Say that ``source`` went into ``target``."""
        self.edges[Edge(self.add(source), self.add(target), relation)] = None

    def of_kind(self, kind: Kind) -> list[Node]:
        """The nodes of a kind."""
        return [node for node in self.places if node.kind == kind]

    def serving(self) -> list[Node]:
        """Deployments that serve one of the versions now."""
        nodes = self.nodes
        return sorted({nodes[edge.target] for edge in self.edges if edge.relation == "served by"}, key=str)


class LineageService:
    """Follows what the read models tell of each other."""

    def __init__(
        self,
        datasets: DatasetRepository,
        pipelines: PipelineRepository,
        jobs: JobRepository,
        models: ModelRepository,
        model_versions: ModelVersionRepository,
        deployments: DeploymentRepository,
    ) -> None:
        self._datasets = datasets
        self._pipelines = pipelines
        self._jobs = jobs
        self._models = models
        self._model_versions = model_versions
        self._deployments = deployments

    def at(self, past: Past) -> "LineageService":
        """The same of things as they were."""
        return LineageService(
            self._datasets.at(past),
            self._pipelines.at(past),
            self._jobs.at(past),
            self._models.at(past),
            self._model_versions.at(past),
            self._deployments.at(past),
        )

    def of(self, noun: Noun, name: str, number: int | None = None) -> Lineage:
        """Everything that went into a thing, and that it went into; ``number`` is a dataset's or a model's version.

        Raises `NotFound`.
        """
        found = Lineage()
        match noun:
            case "dataset":
                self._of_dataset(found, name, number)
            case "pipeline":
                self._pipelines.get(name)
                self._of_jobs(found, {"pipeline_id": name}, None)
                found.add(self._pipeline(name))
            case "job":
                self._add_jobs(found, [self._jobs.get(name)])
            case "model":
                self._of_model(found, name, number)
            case "deployment":
                self._of_deployment(found, self._deployments.get_named(name))
        return found

    def _of_dataset(self, found: Lineage, dataset_id: str, number: int | None) -> None:
        row = self._datasets.get(dataset_id)
        if number is not None and number > row.dataset_version:
            raise NotFound(f"{dataset_id} has no version {number}; the newest is {row.dataset_version}")
        for version in range(1, row.dataset_version + 1) if number is None else (number,):
            found.add(self._version(dataset_id, version, row.name))
        self._of_jobs(found, {"dataset_id": dataset_id}, number)

    def _of_model(self, found: Lineage, name: str, number: int | None) -> None:
        row = self._models.get_named(name)
        numbers = range(1, row.model_version + 1) if number is None else (number,)
        versions = [self._model_versions.get_version(name, each) for each in numbers]
        self._add_jobs(found, [self._jobs.get(version.job_id) for version in versions])

    def _of_deployment(self, found: Lineage, row: DeploymentRow) -> None:
        found.add(Node("deployment", row.name, row.name, row.status))
        served = {(change.model, change.model_version) for change in row.history}
        versions = [
            self._model_versions.get_version(model, number)
            for model, number in sorted((m, n) for m, n in served if m is not None and n is not None)
        ]
        self._add_jobs(found, [self._jobs.get(version.job_id) for version in versions], only=row.name)

    def _of_jobs(self, found: Lineage, filters: Mapping[str, str], dataset_version: int | None) -> None:
        jobs: list[JobRow] = []
        for row in everything(self._jobs, filters):
            if dataset_version is None or row.dataset_version == dataset_version:
                jobs.append(row)
            if len(jobs) > MOST_JOBS:
                found.left_off = True
                break
        self._add_jobs(found, jobs[:MOST_JOBS])

    def _add_jobs(self, found: Lineage, jobs: list[JobRow], only: str | None = None) -> None:
        """Link jobs to what they were made from and to what serves what they trained; ``only`` one deployment of it."""
        serving: dict[tuple[str, int], list[tuple[Node, Relation]]] = {}
        for row in everything(self._deployments, {}):
            if only is not None and row.name != only:
                continue
            node = Node("deployment", row.name, row.name, row.status)
            for model, number in {(change.model, change.model_version) for change in row.history}:
                if model is not None and number is not None:
                    now = (model, number) == (row.model, row.model_version)
                    relation: Relation = "served by" if now else "was served by"
                    serving.setdefault((model, number), []).append((node, relation))
        names: dict[str, str] = {}
        for job in jobs:
            if job.dataset_id not in names:
                names[job.dataset_id] = self._datasets.get(job.dataset_id).name
            node = Node("job", job.id, job.id, job.status)
            found.link(self._version(job.dataset_id, job.dataset_version, names[job.dataset_id]), node, "data of")
            if job.pipeline_id is not None:
                found.link(self._pipeline(job.pipeline_id), node, "pipeline of")
            if job.scoring is not None:
                version = f"{job.scoring['model']}:{job.scoring['model_version']}"
                found.link(Node("model_version", version, version), node, "scored by")
            if (of := job.reproduction) is not None:
                found.link(_reproduced(of), node, "reproduced by")
            if job.model_name is not None and job.model_version is not None:
                version = f"{job.model_name}:{job.model_version}"
                made = Node("model_version", version, version)
                found.link(node, made, "trained")
                for deployment, how in sorted(serving.get((job.model_name, job.model_version), []), key=str):
                    found.link(made, deployment, how)

    def _version(self, dataset_id: str, number: int, name: str) -> Node:
        return Node("dataset_version", f"{dataset_id}:{number}", f"{name} version {number}")

    def _pipeline(self, pipeline_id: str) -> Node:
        row = self._pipelines.get(pipeline_id)
        return Node("pipeline", pipeline_id, row.name, "archived" if row.archived else None)


def _reproduced(of: Mapping[str, Any]) -> Node:
    """What a job trained again: a version of a model, or what a training came to that named none."""
    if of["model"] is None:
        return Node("job", of["job_id"], of["job_id"], "succeeded")
    version = f"{of['model']}:{of['model_version']}"
    return Node("model_version", version, version)


def everything(repository: Repository[R], filters: Mapping[str, Any]) -> Iterator[R]:
    """Every row that the filters leave, page by page."""
    cursor: str | None = None
    while True:
        page = repository.page(PageRequest(LARGEST_PAGE, cursor), filters)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return
