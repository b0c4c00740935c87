"""What rules ask of the records of a model, point by point, and what a report has to say to each.

The points are those of Articles 12, 19 and 26 and Annex IV of Regulation (EU) 2024/1689 (the AI Act), of 21 CFR
Part 11 and of the supervisory guidance SR 26-2 that records can answer at all. Whether a system complies, a report does
not say.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Answer = tuple[Literal["recorded", "in part", "not recorded"], str]
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Point:
    """What a rule asks for, the part of the report that answers it (empty: none), and how far it does."""

    source: str
    asks: str
    section: str
    answer: Callable[[Document], Answer]


def _always(state: Literal["recorded", "in part", "not recorded"], words: str) -> Callable[[Document], Answer]:
    return lambda _: (state, words)


def _purpose(document: Document) -> Answer:
    if document["purpose"]["said"]:
        return "in part", "reasons that people gave; nobody wrote a purpose as such"
    return "not recorded", "nobody wrote a purpose, nor a reason"


def _validation(document: Document) -> Answer:
    judged = document["evaluation"]
    if judged["problem"] is not None:
        return "in part", "the metrics; the evaluation itself cannot be read"
    return "in part", "on rows held out; nobody's review or signature of the figures is recorded"


def _reproduced(document: Document) -> Answer:
    verdicts = [each["result"]["verdict"] for each in document["reproductions"] if each["result"] is not None]
    if not verdicts:
        return "in part", "every step and parameter; it was never trained again to see that they suffice"
    return "recorded", f"every step and parameter; trained again from them, it came out {', '.join(verdicts)}"


def _monitoring(document: Document) -> Answer:
    periods = [period for each in document["deployments"] for period in each["periods"]]
    if not periods:
        return "not recorded", "it was never deployed"
    watched = sum(period["watched"] for period in periods)
    state: Literal["recorded", "in part", "not recorded"] = "recorded" if watched == len(periods) else "in part"
    return (
        state if watched else "not recorded"
    ), f"drift was watched in {watched} of {len(periods)} periods of deployment"


def _reasons(document: Document) -> Answer:
    without = document["without_reason"]
    if not document["promotions"] and not document["deployments"]:
        return "recorded", "there was nothing to give a reason for"
    return ("in part", f"{len(without)} without a reason") if without else ("recorded", "each with its reason")


def _actors(document: Document) -> Answer:
    people = document["people"]
    if not people["keys_issued"]:
        return "in part", "no keys were ever issued: whoever could use the machine acted under its local name"
    return "in part", "who acted by which keys and roles; which person holds a key is not recorded"


def _four_eyes(document: Document) -> Answer:
    match document["people"]["approved_by_another"]:
        case None:
            return "not recorded", "it was neither promoted nor deployed"
        case True:
            return "recorded", "promoted or deployed by another than who asked for it"
        case _:
            return "in part", "promoted or deployed by whoever asked for it alone"


def _sealed(document: Document) -> Answer:
    proofs = document["proofs"]
    if proofs["changed"]:
        return "not recorded", "events are NOT as they were sealed"
    if proofs["checkpoint"] is None:
        return "not recorded", "no checkpoint has been signed"
    if missing := len(proofs["not_covered"]):
        return "in part", f"{missing} of the events are newer than the newest checkpoint"
    return "recorded", "every event listed, by its proof under the newest checkpoint"


def _provenance(document: Document) -> Answer:
    if document["data"]["read_as"].get("uri"):
        return "recorded", "where the file lay, its digest and how it was read"
    return "in part", "the file's digest and how it was read; it was uploaded, and where it came from is not recorded"


NOT_OURS = _always("not recorded", "Skyulf keeps no such record")

POINTS = (
    Point("AI Act, Annex IV 1(a)", "intended purpose, version, and its relation to earlier ones", "purpose", _purpose),
    Point("AI Act, Annex IV 1(c)", "versions of relevant software", "environment", _always("recorded", "of libraries")),
    Point("AI Act, Annex IV 2(a)", "methods and steps of development", "design", _reproduced),
    Point(
        "AI Act, Annex IV 2(b)",
        "design choices, what is optimised for, relevance of parameters",
        "design",
        _always("in part", "what was chosen, among what and by which score; why people wanted it so is not recorded"),
    ),
    Point(
        "AI Act, Annex IV 2(c)",
        "computational resources used to develop and train",
        "environment",
        _always("recorded", "processor, libraries and seconds of the training that made it"),
    ),
    Point("AI Act, Annex IV 2(d)", "training data, their provenance and main characteristics", "data", _provenance),
    Point("AI Act, Annex IV 2(e)", "human oversight measures", "", NOT_OURS),
    Point("AI Act, Annex IV 2(g)", "validation and testing, metrics, logs and reports", "evaluation", _validation),
    Point("AI Act, Annex IV 2(h)", "cybersecurity measures", "", NOT_OURS),
    Point(
        "AI Act, Annex IV 3",
        "monitoring, capabilities, limitations, accuracy for persons or groups",
        "evaluation",
        _always("in part", "accuracy and warnings; figures of groups name values of the data and are not shown here"),
    ),
    Point("AI Act, Annex IV 4", "why the metrics are the right ones", "", _always("not recorded", "nobody wrote it")),
    Point("AI Act, Annex IV 5", "risk management system", "", NOT_OURS),
    Point("AI Act, Annex IV 6", "changes through the lifecycle", "changes", _always("recorded", "each event")),
    Point("AI Act, Annex IV 7 and 8", "standards applied, declaration of conformity", "", NOT_OURS),
    Point("AI Act, Annex IV 9", "post-market monitoring", "deployments", _monitoring),
    Point(
        "AI Act, Article 12",
        "events recorded automatically over the lifetime",
        "changes",
        _always("recorded", "no change is possible without its event"),
    ),
    Point(
        "AI Act, Articles 19 and 26(6)",
        "logs kept for at least six months",
        "proofs",
        _always("in part", "events are never removed; how long the operator keeps database and artifacts is not known"),
    ),
    Point(
        "21 CFR 11.10(b)",
        "complete copies for inspection, for people and for programs",
        "proofs",
        _always("recorded", "this document; skyulf events export has the whole log"),
    ),
    Point(
        "21 CFR 11.10(e)",
        "time-stamped trail of who did what, nothing overwritten",
        "changes",
        _always("recorded", "the server's UTC time, before and after; clocks may jump, positions do not"),
    ),
    Point("21 CFR 11.10(d), (g)", "access limited to authorised people; denied attempts", "people", _actors),
    Point(
        "21 CFR 11.50, 11.70",
        "signatures with their meaning, bound to the record",
        "people",
        _always("in part", "authorship and approval follow from what was done; nobody signs with a key of their own"),
    ),
    Point("SR 26-2, effective challenge", "approval by another than the author", "people", _four_eyes),
    Point("sound practice", "a reason for promotion, deployment and roll-back", "promotions", _reasons),
    Point(
        "SR 26-2",
        "inventory: owner, purpose, status",
        "identity",
        _always("in part", "the status, and who asked for it; an owner is not recorded"),
    ),
    Point("SR 26-2", "ongoing monitoring", "deployments", _monitoring),
    Point("a third party's trust", "the trail can be checked without trust in the operator", "proofs", _sealed),
)
"""Every point, in the order of the sources."""


def answered(document: Document) -> list[dict[str, str]]:
    """Each point with how far the report answers it."""
    told = []
    for point in POINTS:
        state, words = point.answer(document)
        told.append(
            {"source": point.source, "asks": point.asks, "section": point.section, "state": state, "words": words}
        )
    return told
