"""What a report does not know, in plain words: what nobody wrote, what cannot be read, and what is not proved."""

from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]


def gaps(document: Document) -> list[dict[str, str]]:
    """Every gap, by the section that it is one of."""
    found = [
        *_of_purpose(document),
        *_of_data(document),
        *_of_evaluation(document),
        *_of_reproductions(document),
        *_of_life(document),
        *_of_people(document),
        *_of_proofs(document),
    ]
    return [{"section": section, "what": what} for section, what in found]


Gap = tuple[str, str]


def _of_purpose(document: Document) -> Iterator[Gap]:
    yield "purpose", "No purpose was written: what the model is meant for, and what it must not be used for."
    if not document["purpose"]["said"]:
        yield "purpose", "Nobody gave a reason for anything that was done with it."


def _of_data(document: Document) -> Iterator[Gap]:
    data = document["data"]
    if not data["read_as"].get("uri"):
        yield "data", "The file was uploaded: where it came from before that is not recorded."
    yield "data", "Why these data were chosen, how they were collected and labelled, and whom they are about."
    if (erased := data["erased"]) is not None:
        ended = f"gone since {erased['finished_at']}" if erased["finished_at"] else "to go"
        yield "data", f"The data were erased at {erased['at']}, and are {ended}: digests and facts of columns remain."
    if data["profile"] is None:
        yield "data", "The data were never profiled: nothing was looked for that makes them suspicious."


def _of_evaluation(document: Document) -> Iterator[Gap]:
    judged = document["evaluation"]
    if judged["problem"] is not None:
        yield "evaluation", f"The evaluation cannot be read: {judged['problem']}. Only the metrics are known."
    if judged["importance"] is None:
        yield "evaluation", f"How much each column matters is not known: {judged['importance_problem']}."
    yield "evaluation", "Whether anybody reviewed these figures, and whether errors meet some people more than others."


def _of_reproductions(document: Document) -> Iterator[Gap]:
    results = [each["result"] for each in document["reproductions"] if each["result"] is not None]
    if not results:
        yield (
            "reproductions",
            "It was never trained again: whether the log and the data give the same model is not known.",
        )
    elif unknown := sum("unknown" in result["causes"] for result in results):
        yield "reproductions", f"Why another model came out {unknown} times: nothing that was recorded differs."


def _of_life(document: Document) -> Iterator[Gap]:
    for each in document["deployments"]:
        log, served = each["predictions"], len(each["periods"])
        if blind := sum(not period["logged"] for period in each["periods"]):
            what = f"{each['name']}: in {blind} of {served} periods nothing of what was predicted was logged."
            yield "deployments", what
        elif each["log"] and each["log"]["share"] < 1:
            yield "deployments", f"{each['name']}: only {each['log']['share']:.0%} of the requests are logged."
        if log["lost_requests"]:
            yield "deployments", f"{each['name']}: {log['lost_requests']:,} requests were drawn for the log and lost."
        if not any(period["watched"] for period in each["periods"]):
            yield "deployments", f"{each['name']}: drift was not watched."
        if any(found["acknowledged"] is None for found in each["drift"]):
            yield "deployments", f"{each['name']}: drift was found that nobody has acknowledged."
    if without := document["without_reason"]:
        yield "promotions", f"No reason was given at the positions {', '.join(map(str, without))}."


def _of_people(document: Document) -> Iterator[Gap]:
    people = document["people"]
    if not people["keys_issued"]:
        yield "people", "No keys were issued: who sat at the machine is not known."
    else:
        yield "people", "Who the people behind the names of actors are."
    if people["approved_by_another"] is False:
        yield "people", "Nobody but its author promoted or deployed it."


def _of_proofs(document: Document) -> Iterator[Gap]:
    proofs = document["proofs"]
    if unreadable := [each["position"] for each in document["changes"] if each["problem"] is not None]:
        yield "changes", f"This version of Skyulf cannot read the events at {', '.join(map(str, unreadable))}."
    if document["counted"]:
        counts = ", ".join(f"{count:,} {type_}" for type_, count in document["counted"].items())
        yield "changes", f"Counted and not listed, so not proved here one by one: {counts}. An export proves them."
    if proofs["checkpoint"] is None:
        yield "proofs", "No checkpoint has been signed: nothing in this report is proved."
        return
    if proofs["not_covered"]:
        positions = ", ".join(map(str, proofs["not_covered"]))
        yield "proofs", f"Not proved yet, being newer than the checkpoint: the events at {positions}."
    if (unsealed := proofs["unsealed"])["events"]:
        what = f"{unsealed['events']:,} events of the log, the oldest {unsealed['seconds']:.0f} s old"
        yield "proofs", f"The unsealed window: {what}, are under no checkpoint yet."
    yield (
        "proofs",
        "Whether anybody but the operator holds or has cosigned the checkpoint: compare it with one kept elsewhere.",
    )
