"""What a report rests on: the events of a model's version, and of all that it came from and went into."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from skyulf.artifacts import ArtifactStore
from skyulf.errors import Damaged, NotFound, SkyulfError, Unavailable
from skyulf.events.access import CommandsDenied
from skyulf.events.base import DomainEvent, Recorded
from skyulf.events.dataset import DatasetProfiled, DatasetVersionAdded
from skyulf.events.deployment import (
    DeploymentRetired,
    DeploymentRolledBack,
    DeploymentRolledOut,
    DriftFound,
    PredictionsForgotten,
    PredictionsLogged,
    Target,
)
from skyulf.events.job import JobProgressed, TrialsFinished
from skyulf.events.log import EventLog
from skyulf.events.model import ModelAliasRemoved, ModelAliasSet, ModelVersionRegistered, ModelVersionRetired
from skyulf.events.registry import Undecodable, decode, stored_types
from skyulf.events.reproduction import ReproductionCreated
from skyulf.events.scoring import ScoringCreated
from skyulf.projections.access import KEYS, KeyRow
from skyulf.projections.base import Projection, Row
from skyulf.projections.dataset import DATASET_VERSIONS, DATASETS, DatasetRow, DatasetVersionRow, version_key
from skyulf.projections.job import JOBS, JobRow
from skyulf.projections.model import MODEL_VERSIONS, MODELS, ModelRow, ModelVersionRow
from skyulf.projections.pipeline import PIPELINES, PipelineRow
from skyulf.queries.history import Change, HistoryService, Noun

PAGE = 1_000

COUNTED = (JobProgressed, TrialsFinished, PredictionsLogged, PredictionsForgotten)
"""Events that may be many and say the same of another moment: they are counted, and not listed."""

R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Told:
    """A stored event with what it changed; ``event`` is None where this code cannot read it."""

    change: Change
    event: DomainEvent | None

    @property
    def recorded(self) -> Recorded:
        """The event as it is stored."""
        return self.change.recorded


Course = Sequence[Told]
"""Everything that happened to one thing, in order."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A version of a model as the log has it up to ``position``.

    ``events`` are all that concern it and are listed, in order of position; ``counted`` is how many more there are, by
    type. ``deployments`` are the courses of those that ever served it, by their names; ``uses`` the jobs that scored a
    dataset by it, or trained it again. ``evaluation`` and ``explanation`` are what stands in the artifacts, or why it
    cannot be read.
    """

    position: int
    model: ModelRow
    version: ModelVersionRow
    job: JobRow
    dataset: DatasetRow
    table: DatasetVersionRow
    pipeline: PipelineRow | None
    events: Course
    counted: Mapping[str, int]
    deployments: Mapping[str, Course]
    uses: Sequence[JobRow]
    keys: Sequence[KeyRow]
    denied: Sequence[CommandsDenied]
    evaluation: Mapping[str, Any] | str
    explanation: Mapping[str, Any] | str

    @property
    def spec(self) -> dict[str, Any]:
        """The spec that was trained."""
        assert self.job.spec is not None
        return self.job.spec

    def of(self, stream: str, *types: str) -> Iterator[Recorded]:
        """The listed events of a stream, of some types."""
        for told in self.events:
            if told.recorded.stream == stream and told.recorded.type in types:
                yield told.recorded


class FactsOfModels:
    """Gathers facts from a log and from the artifacts that it names: no read model is asked, which may be behind."""

    def __init__(self, log: EventLog, artifacts: ArtifactStore, history: HistoryService) -> None:
        self._log = log
        self._artifacts = artifacts
        self._history = history

    def gather(self, name: str, number: int, as_of: int | None = None) -> Facts:
        """The facts as of a position, or as of now; raises `NotFound`."""
        head = self._log.head() if as_of is None else as_of
        stream = f"model-{name}"
        of_model = self._course("model", name, head)
        version = find_row(MODEL_VERSIONS, of_model, version_key(stream, number))
        if version is None:
            raise NotFound(f"the model {name} has no version {number}")
        of_job = self._course("job", version.job_id, head)
        job = row_of(JOBS, of_job, version.job_id)
        of_dataset = self._course("dataset", job.dataset_id, head)
        of_pipeline = self._course("pipeline", job.pipeline_id, head) if job.pipeline_id is not None else ()
        deployments = {each: self._course("deployment", each, head) for each in self._serving(name, number, head)}
        of_uses = {each: self._course("job", each, head) for each in self._using(name, number, version.job_id, head)}
        concerned = [
            *(told for told in of_dataset if of_table(told.event, job.dataset_version)),
            *of_pipeline,
            *of_job,
            *(told for told in of_model if of_version(told.event, number)),
            *(told for course in deployments.values() for told in concerning(course, name, number)),
            *(told for course in of_uses.values() for told in course),
        ]
        counted = [told.recorded.type for told in concerned if isinstance(told.event, COUNTED)]
        listed = [told for told in concerned if not isinstance(told.event, COUNTED)]
        return Facts(
            position=head,
            model=row_of(MODELS, of_model, stream),
            version=version,
            job=job,
            dataset=row_of(DATASETS, of_dataset, job.dataset_id),
            table=row_of(DATASET_VERSIONS, of_dataset, version_key(job.dataset_id, job.dataset_version)),
            pipeline=row_of(PIPELINES, of_pipeline, job.pipeline_id) if job.pipeline_id is not None else None,
            events=sorted(listed, key=lambda told: told.recorded.position),
            counted={type_: counted.count(type_) for type_ in sorted(set(counted))},
            deployments=deployments,
            uses=[row_of(JOBS, course, id_) for id_, course in of_uses.items()],
            keys=self._keys(head),
            denied=[event for _, event in self._of_types(head, (CommandsDenied,))],
            evaluation=self._document(job.evaluation),
            explanation=self._document(job.explanation),
        )

    def _course(self, noun: Noun, name: str, head: int) -> Course:
        changes = (each for each in self._history.changes(noun, name) if each.recorded.position <= head)
        return [Told(each, decode(each.recorded) if each.problem is None else None) for each in changes]

    def _of_types(self, head: int, kinds: tuple[type[DomainEvent], ...]) -> Iterator[tuple[Recorded, Any]]:
        """Every event of some types up to a position, of those that can be read."""
        types, after = stored_types(*(kind.__name__ for kind in kinds)), 0
        while True:
            page = self._log.read(after, PAGE, types, until=head)
            for recorded in page.events:
                event = readable(recorded)
                if isinstance(event, kinds):
                    yield recorded, event
            if len(page.events) < PAGE:
                return
            after = page.position

    def _serving(self, name: str, number: int, head: int) -> list[str]:
        """The names of deployments that ever served the version."""
        rolled = self._of_types(head, (DeploymentRolledOut, DeploymentRolledBack))
        streams = [recorded.stream for recorded, event in rolled if is_version(event.after, name, number)]
        return [stream.removeprefix("deployment-") for stream in dict.fromkeys(streams)]

    def _using(self, name: str, number: int, job_id: str, head: int) -> list[str]:
        """The ids of jobs that were to score a dataset by the version, or to train it again."""
        return [
            recorded.stream
            for recorded, event in self._of_types(head, (ScoringCreated, ReproductionCreated))
            if (
                event.job_id == job_id
                if isinstance(event, ReproductionCreated)
                else is_version(event.target, name, number)
            )
        ]

    def _keys(self, head: int) -> list[KeyRow]:
        """Every key that was ever issued, as it is."""
        keys: dict[str, KeyRow] = {}
        for recorded, event in self._of_types(head, KEYS.folds):
            row = KEYS.fold(keys.get(recorded.stream), event, recorded)
            assert row is not None
            keys[recorded.stream] = row
        return list(keys.values())

    def _document(self, digest: str | None) -> dict[str, Any] | str:
        """What stands in an artifact, or why it cannot be read."""
        if digest is None:
            return "nothing was recorded"
        try:
            document: dict[str, Any] = msgspec.json.decode(self._artifacts.read(digest))
        except Unavailable:
            raise  # it may be there later
        except SkyulfError as error:
            return error.detail
        except msgspec.DecodeError:
            return f"{digest} is not a document"
        return document


def readable(recorded: Recorded) -> DomainEvent | None:
    """The event, if this code can read it."""
    try:
        return decode(recorded)
    except Undecodable:
        return None


def find_row(projection: Projection[R], course: Iterable[Told], key: str) -> R | None:
    """The row that the events make under a key; none where there is no such thing."""
    row: R | None = None
    for told in course:
        if isinstance(told.event, projection.folds) and projection.key(told.recorded, told.event) == key:
            row = projection.fold(row, told.event, told.recorded)
    return row


def row_of(projection: Projection[R], course: Iterable[Told], key: str) -> R:
    """The row of something that another event names; raises `Damaged` where it is not there."""
    row = find_row(projection, course, key)
    if row is None:
        raise Damaged(f"{key}: other events name it, and none made it that can be read")
    return row


def is_version(target: Target | None, name: str, number: int) -> bool:
    """Whether a target is the version."""
    return target is not None and (target.model, target.model_version) == (name, number)


def of_table(event: DomainEvent | None, number: int) -> bool:
    """Whether an event of a dataset tells of its version ``number``, or of all of it."""
    return not isinstance(event, DatasetVersionAdded | DatasetProfiled) or event.dataset_version == number


def of_version(event: DomainEvent | None, number: int) -> bool:
    """Whether an event of a model tells of its version ``number``, or of all of it."""
    match event:
        case ModelVersionRegistered() | ModelVersionRetired():
            return event.model_version == number
        case ModelAliasSet():
            return number in (event.before, event.after)
        case ModelAliasRemoved():
            return event.before == number
    return True


def concerning(course: Course, name: str, number: int) -> Iterator[Told]:
    """What happened to a deployment while it served the version, with what began and ended that."""
    active: Target | None = None
    for told in course:
        before = active
        match told.event:
            case DeploymentRolledOut() | DeploymentRolledBack():
                active = told.event.after
            case DeploymentRetired():
                active = None
            case DriftFound() | PredictionsLogged():  # of what was served before, it may be told later
                if is_version(told.event.target, name, number):
                    yield told
                continue
        if is_version(before, name, number) or is_version(active, name, number):
            yield told
