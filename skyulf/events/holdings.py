"""Whose data each artifact holds, and what was made of a dataset, folded from the log.

An artifact belongs to the dataset whose values may stand in it: a model, an evaluation, a traceback to what was trained
on; an output to what was scored; a part of a log of predictions to what the model that predicts was trained on, since
what callers send belongs to no dataset.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from skyulf.events.base import Recorded, noun_of
from skyulf.events.deployment import Target
from skyulf.events.log import EventLog

PAGE = 1_000

PRODUCED: Mapping[str, tuple[str, ...]] = {
    "DatasetVersionAdded": ("artifact",),
    "DatasetProfiled": ("profile",),
    "ModelTrained": ("model", "evaluation"),
    "ModelPackaged": ("onnx",),
    "ModelExplained": ("explanation",),
    "DatasetScored": ("output",),
    "JobFailed": ("traceback",),
    "PredictionsLogged": ("artifact",),
}
"""The events that tell of new artifacts, and the members that name those; other events name what these told of."""

CREATED = ("JobCreated", "ScoringCreated", "ReproductionCreated")
ENDED = ("ModelTrained", "DatasetScored", "ModelReproduced", "JobFailed", "JobCancelled")
SERVED = ("DeploymentRolledOut", "DeploymentRolledBack")

READ = (
    *PRODUCED, *CREATED, *SERVED,
    "JobCancelled", "JobRetried", "ModelReproduced", "ModelVersionRegistered", "PredictionsForgotten", "DatasetErased",
)  # fmt: skip
"""The types of the events that are folded."""


@dataclass(frozen=True, slots=True)
class Held:
    """What there is of a dataset.

    ``artifacts`` hold its data, ``shared`` those of them that hold another's as well. Versions of ``models`` were
    trained on it, ``deployments`` serve or served one, and ``jobs`` on it are not over yet.
    """

    artifacts: tuple[str, ...]
    shared: tuple[str, ...]
    models: tuple[Target, ...]
    deployments: tuple[str, ...]
    jobs: tuple[str, ...]

    @property
    def alone(self) -> tuple[str, ...]:
        """The artifacts that hold no other dataset's data."""
        shared = set(self.shared)
        return tuple(artifact for artifact in self.artifacts if artifact not in shared)


class Holdings:
    """Folds events in the order of the log."""

    def __init__(self) -> None:
        self.datasets: dict[str, set[str]] = {}
        """By artifact, the datasets whose data it holds, erased ones included."""
        self.erased: set[str] = set()
        self._dataset_of: dict[str, str] = {}
        self._open: set[str] = set()
        self._models: dict[tuple[str, int], tuple[str, Target]] = {}
        self._served: dict[str, set[tuple[str, int]]] = {}

    def take(self, recorded: Recorded) -> None:
        """Fold an event."""
        data: dict[str, Any] = msgspec.json.decode(recorded.data)
        kind, stream = recorded.type, recorded.stream
        if kind in CREATED:
            self._dataset_of[stream] = data["dataset_id"]
        elif kind == "ModelVersionRegistered":
            name, number = stream.removeprefix("model-"), data["model_version"]
            target = Target(model=name, model_version=number, artifact=data["model"])
            self._models[name, number] = (self._dataset_of[data["job_id"]], target)
        elif kind in SERVED:
            after = data["after"]
            self._served.setdefault(stream.removeprefix("deployment-"), set()).add(_version(after))
        elif kind == "PredictionsForgotten":
            self.datasets.pop(data["artifact"], None)
        elif kind == "DatasetErased":
            self.erased.add(stream)
        for member in PRODUCED.get(kind, ()):
            if (digest := data.get(member)) is not None and (dataset := self._owner(stream, data)) is not None:
                self.datasets.setdefault(digest, set()).add(dataset)
        if kind in (*CREATED, "JobRetried"):
            self._open.add(stream)
        elif kind in ENDED:
            self._open.discard(stream)

    def _owner(self, stream: str, data: Mapping[str, Any]) -> str | None:
        match noun_of(stream):
            case "dataset":
                return stream
            case "job":
                return self._dataset_of.get(stream)
            case _:
                return self._models.get(_version(data["target"]), (None,))[0]

    def of(self, dataset_id: str) -> Held:
        """What there is of a dataset."""
        artifacts = sorted(artifact for artifact, datasets in self.datasets.items() if dataset_id in datasets)
        shared = [one for one in artifacts if self.datasets[one] - self.erased - {dataset_id}]
        models = {version: target for version, (dataset, target) in self._models.items() if dataset == dataset_id}
        deployments = sorted(name for name, served in self._served.items() if not served.isdisjoint(models))
        jobs = sorted(job for job in self._open if self._dataset_of.get(job) == dataset_id)
        return Held(
            tuple(artifacts),
            tuple(shared),
            tuple(models[version] for version in sorted(models)),
            tuple(deployments),
            tuple(jobs),
        )


def holdings(log: EventLog) -> Holdings:
    """The fold of the log up to its head; it takes seconds where there are millions of events."""
    folded, after = Holdings(), 0
    while True:
        page = log.read(after, PAGE, READ)
        for recorded in page.events:
            folded.take(recorded)
        if page.position == after or len(page.events) < PAGE:
            return folded
        after = page.position


def trained_on(log: EventLog, target: Target) -> str | None:
    """The dataset that a version of a model was trained on; None where the log does not know it."""
    stream = f"model-{target.model}"
    for recorded in log.load({stream: 0})[stream]:
        if recorded.type == "ModelVersionRegistered":
            data = msgspec.json.decode(recorded.data)
            if data["model_version"] == target.model_version:
                (created, *_) = log.load({data["job_id"]: 0})[data["job_id"]] or (None,)
                return None if created is None else str(msgspec.json.decode(created.data)["dataset_id"])
    return None


def _version(target: Mapping[str, Any]) -> tuple[str, int]:
    return target["model"], target["model_version"]
