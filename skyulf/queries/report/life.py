"""What became of a version of a model: its promotions, where it was served and what drifted, and who did what."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from skyulf.events.base import Recorded
from skyulf.events.deployment import (
    DeploymentRetired,
    DeploymentRolledBack,
    DeploymentRolledOut,
    DriftAcknowledged,
    DriftFound,
    PredictionLogSet,
    PredictionsForgotten,
    PredictionsLogged,
    Target,
)
from skyulf.events.model import ModelAliasRemoved, ModelAliasSet, ModelVersionRetired
from skyulf.projections.job import JobRow
from skyulf.queries.report.facts import Course, Facts, is_version
from skyulf.queries.report.sections import moment, said

AUTHORS = ("JobCreated",)
APPROVERS = ("ModelAliasSet", "DeploymentRolledOut")
"""What is done by whoever answers for a model's being used, apart from who had it made."""


def promotions(facts: Facts) -> list[dict[str, Any]]:
    """What was promised of it by aliases, in order: each given, taken by another version, or removed; or it retired."""
    told = []
    for each in facts.events:
        match each.event:
            case ModelAliasSet() | ModelAliasRemoved():
                after = each.event.after if isinstance(each.event, ModelAliasSet) else None
                action = "given" if after == facts.version.model_version else "taken away"
                meant = {"alias": each.event.alias, "before": each.event.before, "after": after}
                told.append({"action": action, **meant, **said(each.recorded)})
            case ModelVersionRetired():
                told.append({"action": "retired", "alias": None, "before": None, "after": None, **said(each.recorded)})
    return told


@dataclass(slots=True)
class Served:
    """What is found out about one deployment, event by event."""

    name: str
    number: tuple[str, int]
    active: Target | None = None
    setting: PredictionLogSet | None = None
    periods: list[dict[str, Any]] = field(default_factory=list)
    drift: list[dict[str, Any]] = field(default_factory=list)
    logged: list[PredictionsLogged] = field(default_factory=list)
    forgotten: set[str] = field(default_factory=set)

    @property
    def serves(self) -> bool:
        """Whether it serves the version now."""
        return is_version(self.active, *self.number)

    def take(self, event: object, recorded: Recorded) -> None:
        """Take in the next event."""
        match event:
            case DeploymentRolledOut() | DeploymentRolledBack():
                self._change(event.after, event, recorded)
            case DeploymentRetired():
                self._change(None, event, recorded)
            case PredictionLogSet():
                self.setting = event
                self._note_setting()
            case PredictionsLogged() if is_version(event.target, *self.number):
                self.logged.append(event)
            case PredictionsForgotten():
                self.forgotten.add(event.artifact)
            case DriftFound() if is_version(event.target, *self.number):
                found = event.model_dump(mode="json", include={"rows", "level", "columns"})
                self.drift.append({**said(recorded), **found, "acknowledged": None})
            case DriftAcknowledged() if self.serves:
                for each in self.drift:
                    each["acknowledged"] = each["acknowledged"] or said(recorded)

    def _change(self, after: Target | None, event: object, recorded: Recorded) -> None:
        was, self.active = self.serves, after
        how = {"event": type(event).__name__, **said(recorded)}
        if was:
            self.periods[-1]["until"] = how
        if self.serves:
            alias = event.alias if isinstance(event, DeploymentRolledOut) else None
            self.periods.append({"since": {**how, "alias": alias}, "until": None, "logged": False, "watched": False})
            self._note_setting()

    def _note_setting(self) -> None:
        """What is logged and watched of a period while it lasts."""
        if self.serves and self.setting is not None:
            self.periods[-1]["logged"] |= self.setting.share > 0
            self.periods[-1]["watched"] |= self.setting.share > 0 and self.setting.alert != "none"

    def document(self) -> dict[str, Any]:
        """What was found out."""
        parts = {part.artifact: part for part in self.logged}
        return {
            "name": self.name,
            "serves_it_now": self.serves,
            "periods": self.periods,
            "log": self.setting and self.setting.model_dump(mode="json"),
            "predictions": {
                "requests": sum(part.requests for part in self.logged),
                "rows": sum(part.rows for part in self.logged),
                "lost_requests": sum(part.lost for part in self.logged),
                "parts": len(self.logged),
                "parts_kept": len(parts.keys() - self.forgotten),
                "since": moment(min((part.since for part in self.logged), default=None)),
                "until": moment(max((part.until for part in self.logged), default=None)),
            },
            "drift": self.drift,
        }


def deployments(facts: Facts) -> list[dict[str, Any]]:
    """Where and when it was served, what was logged of that, and what drifted."""
    return [_deployment(facts, name, course) for name, course in facts.deployments.items()]


def _deployment(facts: Facts, name: str, course: Course) -> dict[str, Any]:
    served = Served(name, (facts.version.model, facts.version.model_version))
    for told in course:
        if told.event is not None:
            served.take(told.event, told.recorded)
    return served.document()


def scorings(facts: Facts) -> list[dict[str, Any]]:
    """Whole datasets that were scored by it."""
    return [
        {
            **_asked(job),
            "dataset": job.dataset_id,
            "dataset_version": job.dataset_version,
            "output": job.scoring["output"],
        }
        for job in facts.uses
        if job.scoring is not None
    ]


def reproductions(facts: Facts) -> list[dict[str, Any]]:
    """Where it was trained again, and whether the same came out."""
    return [
        {**_asked(job), "seed": job.reproduction["seed"], "result": job.reproduction["result"]}
        for job in facts.uses
        if job.reproduction is not None
    ]


def _asked(job: JobRow) -> dict[str, Any]:
    return {"job": job.id, "status": job.status, "asked_at": moment(job.created_at)}


def people(facts: Facts) -> dict[str, Any]:
    """Everyone who did anything that is listed, by which keys they may come in, and who approved whose work."""
    actors: dict[tuple[str, str], dict[str, Any]] = {}
    for told in facts.events:
        metadata = told.recorded.metadata
        at = moment(metadata.recorded_at)
        named: dict[str, Any] = {"actor": metadata.actor.id, "kind": metadata.actor.kind, "first": at, "did": {}}
        one = actors.setdefault((metadata.actor.id, metadata.actor.kind), named)
        one["last"] = at
        one["did"][told.recorded.type] = one["did"].get(told.recorded.type, 0) + 1
    for (actor, _), one in actors.items():
        keys = [key for key in facts.keys if key.actor == actor]
        one["keys"] = [
            {"id": key.id, "name": key.name, "roles": sorted(key.roles), "revoked": key.revoked} for key in keys
        ]
    authors, approvers = set(_who(facts, AUTHORS)), set(_who(facts, APPROVERS))
    return {
        "actors": list(actors.values()),
        "authors": sorted(authors),
        "approvers": sorted(approvers),
        "approved_by_another": bool(approvers - authors) if approvers else None,
        "keys_issued": len(facts.keys),
    }


def _who(facts: Facts, types: tuple[str, ...]) -> Iterator[str]:
    for told in facts.events:
        event = told.event
        meant = event.after if isinstance(event, ModelAliasSet) else facts.version.model_version
        if isinstance(event, DeploymentRolledOut) and not is_version(
            event.after, facts.version.model, facts.version.model_version
        ):
            continue
        if told.recorded.type in types and meant == facts.version.model_version:
            yield told.recorded.metadata.actor.id


def denied(facts: Facts) -> dict[str, Any]:
    """Requests that were turned away in the whole system, counted by operation: which thing they meant is not kept."""
    counts: dict[tuple[str, int], int] = {}
    for event in facts.denied:
        for each in event.denials:
            counts[each.operation, each.status] = counts.get((each.operation, each.status), 0) + each.count
    return {
        "requests": sum(counts.values()),
        "since": moment(min((event.since for event in facts.denied), default=None)),
        "by_operation": [
            {"operation": operation, "status": status, "count": count}
            for (operation, status), count in sorted(counts.items())
        ],
    }
