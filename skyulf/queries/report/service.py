"""Makes reports: gathers the facts, writes each section, proves the events, and says what is not known."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from skyulf.queries.audit import AuditService
from skyulf.queries.report.facts import FactsOfModels
from skyulf.queries.report.gaps import gaps
from skyulf.queries.report.life import denied, deployments, people, promotions, reproductions, scorings
from skyulf.queries.report.points import answered
from skyulf.queries.report.proofs import proved
from skyulf.queries.report.sections import changes, data, design, environment, evaluation, identity, moment, plain

FORMAT = "skyulf-report/1"


class ReportService:
    """Reports of versions of models, from the log, its ledger, and the artifacts of the evaluation."""

    def __init__(self, facts: FactsOfModels, audit: AuditService, skyulf: str) -> None:
        self._facts = facts
        self._audit = audit
        self._skyulf = skyulf

    def report(self, name: str, number: int, now: datetime, as_of: int | None = None) -> dict[str, Any]:
        """Everything that is known of a version, or was at a position, as JSON (docs/report.md); raises `NotFound`.

        Proofs are those of ``now`` in any case.
        """
        facts = self._facts.gather(name, number, as_of)
        document: dict[str, Any] = {
            "format": FORMAT,
            "model": name,
            "model_version": number,
            "made_at": moment(now),
            "made_by": f"Skyulf {self._skyulf}",
            "position": facts.position,
            "as_of": as_of,
            "identity": identity(facts),
            "data": data(facts),
            "design": design(facts),
            "environment": environment(facts),
            "evaluation": evaluation(facts),
            "promotions": promotions(facts),
            "deployments": deployments(facts),
            "scorings": scorings(facts),
            "reproductions": reproductions(facts),
            "people": people(facts),
            "denied": denied(facts),
            "changes": changes(facts),
            "counted": facts.counted,
            "proofs": proved(self._audit, [told.recorded for told in facts.events], now),
        }
        document = plain({**document, **_reasons(document)})
        return {**document, "points": answered(document), "not_known": gaps(document)}


def _reasons(document: Mapping[str, Any]) -> dict[str, Any]:
    """What people said when they promoted, deployed or retired it, and where they said nothing."""
    acts = [*document["promotions"]]
    for each in document["deployments"]:
        ends = [end for period in each["periods"] for end in (period["since"], period["until"]) if end]
        acts += [{**end, "deployment": each["name"]} for end in ends]
    acts.sort(key=lambda act: act["position"])
    unique = {act["position"]: act for act in acts}
    said = [
        {name: act[name] for name in ("position", "at", "actor", "reason")} for act in unique.values() if act["reason"]
    ]
    without = [position for position, act in unique.items() if not act["reason"]]
    return {"purpose": {"written": None, "said": said}, "without_reason": without}
