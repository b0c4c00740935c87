"""What a version of a model is: its data, how it was designed, trained and judged, as sections of a report.

All of it is JSON: moments are texts in UTC, as ISO 8601 has them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from skyulf.events.base import Recorded
from skyulf.events.dataset import DatasetProfiled
from skyulf.queries.report.facts import Facts

NOT_SHOWN = ("slices",)
"""Parts of an evaluation that name values of the data, which an auditor's key does not open elsewhere either."""


def moment(at: datetime | None) -> str | None:
    """A moment as text, in UTC."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def said(recorded: Recorded) -> dict[str, Any]:
    """Who did something, when, why, and where in the log it stands."""
    metadata = recorded.metadata
    return {
        "position": recorded.position,
        "at": moment(metadata.recorded_at),
        "actor": metadata.actor.id,
        "actor_kind": metadata.actor.kind,
        "reason": metadata.reason,
    }


def identity(facts: Facts) -> dict[str, Any]:
    """Which model it is, what it does, and what stands for it today."""
    version, job, number = facts.version, facts.job, facts.version.model_version
    asked = next(facts.of(job.id, "JobCreated"), None)
    trained = next(facts.of(job.id, "ModelTrained"), None)
    return {
        "task": version.task,
        "target": version.target,
        "estimator": version.estimator,
        "artifact": version.artifact,
        "fingerprint": version.fingerprint,
        "onnx": job.onnx,
        "job": job.id,
        "asked_for": asked and said(asked),
        "trained": trained and said(trained),
        "attempts": job.attempt,
        "newest_version": facts.model.model_version,
        "aliases": [alias for alias, meant in facts.model.aliases.items() if meant == number],
        "retired": version.retired,
    }


def data(facts: Facts) -> dict[str, Any]:
    """What it learnt from: the file, the typed table, the facts of each column, and which rows were used."""
    table, job = facts.table, facts.job
    added = next((each for each in facts.of(table.dataset_id, "DatasetVersionAdded")), None)
    profiles = [told.event for told in facts.events if isinstance(told.event, DatasetProfiled)]
    return {
        "dataset": table.dataset_id,
        "name": facts.dataset.name,
        "version": table.dataset_version,
        "newest_version": facts.dataset.dataset_version,
        "digest": table.digest,
        "table": table.artifact,
        "filename": table.filename,
        "bytes": table.size,
        "read_as": table.source,
        "added": added and said(added),
        "rows": table.rows,
        "used": job.rows,
        "sample": job.sample,
        "left_out": [{"column": name, "why": why} for name, why in job.set_aside],
        "columns": table.columns,
        "profile": table.profile,
        "erased": facts.dataset.erased,
        "suspicions": [each.model_dump(mode="json") for event in profiles for each in event.warnings],
    }


def design(facts: Facts) -> dict[str, Any]:
    """How it was to be made: what was asked for, what was chosen, and from what."""
    job, pipeline = facts.job, facts.pipeline
    return {
        "pipeline": pipeline and {"id": pipeline.id, "name": pipeline.name, "archived": pipeline.archived},
        "asked": job.asked_spec,
        "trained": facts.spec,
        "seed": job.seed,
        "candidates": job.candidate_scores,
        "trials": job.trials_over,
    }


def environment(facts: Facts) -> dict[str, Any]:
    """On what it was trained, and how long that took, in seconds by stage."""
    return {"libraries": facts.job.environment, "seconds": facts.job.timings, "worker": facts.job.worker}


def evaluation(facts: Facts) -> dict[str, Any]:
    """How good it is on rows that it had not seen; why not, where the artifacts cannot be read."""
    found, explained = facts.evaluation, facts.explanation
    shown = {} if isinstance(found, str) else {name: found[name] for name in found if name not in NOT_SHOWN}
    return {
        "metrics": facts.version.metrics,
        "artifact": facts.job.evaluation,
        "problem": found if isinstance(found, str) else None,
        "held_out": facts.job.rows.get("test"),
        "warnings": facts.job.warnings,
        "details": shown,
        "importance": None if isinstance(explained, str) else explained,
        "importance_problem": explained if isinstance(explained, str) else None,
    }


def pictured(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """A report's evaluation in the form that pictures are drawn from; None where it could not be read."""
    judged = document["evaluation"]
    if not judged["details"]:
        return None
    importance = judged["importance"]
    if importance is None:
        return {**judged["details"], "importance": None}
    return {**judged["details"], "importance": importance["importance"], "importance_of": importance}


def changes(facts: Facts) -> list[dict[str, Any]]:
    """Every event that concerns it, in order: what happened to what, who did it, why, and what it changed."""
    return [
        {
            **said(told.recorded),
            "stream": told.recorded.stream,
            "event": told.recorded.type,
            "changes": [
                {"place": each.place, "before": each.before, "after": each.after} for each in told.change.changes
            ],
            "problem": told.change.problem,
        }
        for told in facts.events
    ]


def plain(document: dict[str, Any]) -> dict[str, Any]:
    """The document in JSON's own types."""
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))
    return made
