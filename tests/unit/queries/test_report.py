"""Reports: what the log says of a model is in them, what it does not say is named, and each event is proved."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from audited import EVALUATION, EXPLANATION, Life, lived
from builders import named, target

from api.report_page import page_of
from skyulf.errors import Damaged, NotFound
from skyulf.events.dataset import DatasetErased, DatasetErasureFinished
from skyulf.events.deployment import DeploymentRolledOut
from skyulf.events.ledger import canonical


@pytest.fixture
def life(tmp_path: Path) -> Life:
    life = lived(tmp_path)
    life.seal()
    return life


@pytest.fixture
def report(life: Life) -> dict[str, Any]:
    return life.report()


def gaps(report: dict[str, Any], section: str) -> str:
    return "\n".join(each["what"] for each in report["not_known"] if each["section"] == section)


def point(report: dict[str, Any], asks: str) -> dict[str, str]:
    (found,) = [each for each in report["points"] if asks in each["asks"]]
    return dict(found)


def test_it_tells_what_the_model_is_and_came_from(report: dict[str, Any]) -> None:
    identity, data, design = report["identity"], report["data"], report["design"]
    assert (report["model"], report["model_version"], identity["job"]) == ("irises", 1, "job-1")
    assert (identity["asked_for"]["actor"], identity["trained"]["actor"]) == ("ann", "worker-1")
    assert (identity["aliases"], identity["newest_version"], identity["retired"]) == ([], 2, False)
    assert (data["digest"], data["version"], data["newest_version"]) == ("sha256:digest-1", 1, 2)
    assert [column["name"] for column in data["columns"]] == ["x", "y"]
    assert (design["pipeline"]["name"], design["seed"]) == ("flowers", 7)
    assert design["trained"]["model"]["node"] == "logistic_regression"
    assert report["environment"]["libraries"] == {"python": "3.11"}
    assert report["evaluation"]["details"]["confusion_matrix"] == EVALUATION["confusion_matrix"]
    assert report["evaluation"]["importance"] == EXPLANATION
    assert "slices" not in report["evaluation"]["details"], "they name values of the data"


def test_it_tells_who_promoted_and_deployed_it_when_and_why(report: dict[str, Any]) -> None:
    told = [(act["action"], act["before"], act["after"], act["actor"], act["reason"]) for act in report["promotions"]]
    assert told == [("given", None, 1, "otto", "good enough"), ("taken away", 1, 2, "otto", "better")]
    (shop,) = report["deployments"]
    spans = [(each["since"]["reason"], each["until"] and each["until"]["reason"]) for each in shop["periods"]]
    assert spans == [("for the shop", None), ("it was slower", None)]
    assert shop["periods"][0]["until"]["event"] == "DeploymentRolledOut"
    assert shop["periods"][1]["until"] is None
    assert shop["serves_it_now"]
    assert [act["reason"] for act in report["purpose"]["said"]] == [
        "good enough", "for the shop", "better", "it was slower",
    ]  # fmt: skip
    assert report["without_reason"] == [shop["periods"][0]["until"]["position"]]


def test_it_tells_what_was_predicted_and_how_that_drifted(report: dict[str, Any]) -> None:
    (shop,) = report["deployments"]
    logged = shop["predictions"]
    assert (logged["requests"], logged["rows"], logged["lost_requests"]) == (20, 200, 3)
    assert (logged["parts"], logged["parts_kept"]) == (2, 1)
    (drift,) = shop["drift"]
    assert (drift["level"], drift["columns"][0]["name"]) == ("major", "x")
    assert drift["acknowledged"]["reason"] == "a new season"
    assert all(period["logged"] and period["watched"] for period in shop["periods"])
    (scoring,) = report["scorings"]
    assert (scoring["status"], scoring["output"]["rows"]) == ("succeeded", 100)


def test_it_tells_how_it_came_out_when_it_was_trained_again(report: dict[str, Any], life: Life) -> None:
    (again,) = report["reproductions"]
    assert (again["seed"], again["result"]["verdict"], again["result"]["causes"]) == (8, "equivalent", ["seed"])
    assert "it came out equivalent" in point(report, "methods and steps")["words"]
    assert gaps(report, "reproductions") == ""
    other = life.report(2)
    assert [each["result"] for each in other["reproductions"]] == [None]
    assert "never trained again" in gaps(other, "reproductions")
    assert point(other, "methods and steps")["state"] == "in part"


def test_it_tells_who_did_what_by_which_keys(report: dict[str, Any]) -> None:
    people = report["people"]
    actors = {each["actor"]: each for each in people["actors"]}
    assert set(actors) == {"ann", "otto", "worker-1"}
    assert actors["otto"]["keys"] == [{"id": "access-1", "name": "Otto's", "roles": ["operator"], "revoked": False}]
    assert actors["otto"]["did"]["ModelAliasSet"] == 2
    assert (people["authors"], people["approvers"], people["approved_by_another"]) == (["ann"], ["otto"], True)
    assert report["denied"]["requests"] == 2
    assert point(report, "approval by another")["state"] == "recorded"


def test_its_changes_are_those_of_this_version_alone(report: dict[str, Any]) -> None:
    streams = [(each["stream"], each["event"]) for each in report["changes"]]
    assert ("job-2", "JobCreated") not in streams
    assert streams.count(("model-irises", "ModelVersionRegistered")) == 1
    assert streams.count(("dataset-1", "DatasetVersionAdded")) == 1
    assert [each["position"] for each in report["changes"]] == sorted(each["position"] for each in report["changes"])
    assert report["counted"] == {"JobProgressed": 1, "PredictionsForgotten": 1, "PredictionsLogged": 2}
    assert "1 JobProgressed" in gaps(report, "changes")
    (alias,) = [each for each in report["changes"] if each["reason"] == "better"]
    assert alias["changes"] == [{"place": "aliases.champion", "before": 1, "after": 2}]


def test_what_nobody_wrote_is_named(report: dict[str, Any]) -> None:
    assert "No purpose was written" in gaps(report, "purpose")
    assert "where it came from before that is not recorded" in gaps(report, "data")
    assert "never profiled" in gaps(report, "data")
    assert f"at the positions {report['without_reason'][0]}" in gaps(report, "promotions")
    assert "3 requests were drawn for the log and lost" in gaps(report, "deployments")
    assert "compare it with one kept elsewhere" in gaps(report, "proofs")
    assert point(report, "human oversight")["state"] == "not recorded"
    assert point(report, "intended purpose")["state"] == "in part"
    sections = {each["section"] for each in report["points"]} - {""}
    assert sections <= set(report) | {"changes"}, "each point leads to a part of the report"


def test_of_a_model_that_nobody_used_it_says_so(life: Life) -> None:
    life.trained(3)
    report = life.report(3)
    assert report["promotions"] == report["deployments"] == []
    assert report["purpose"] == {"written": None, "said": []}
    assert "Nobody gave a reason" in gaps(report, "purpose")
    assert "nothing was recorded" in gaps(report, "evaluation")
    assert report["people"]["approved_by_another"] is None
    assert point(report, "post-market")["state"] == "not recorded"


def test_every_event_is_proved_or_named_as_not_proved(life: Life, tmp_path: Path) -> None:
    proofs = life.report()["proofs"]
    assert (proofs["proved"], proofs["not_covered"], proofs["changed"]) == (len(proofs["events"]), [], [])
    late = life.happened("deployment-shop", DeploymentRolledOut(before=None, after=target(2)), reason="late")
    report = life.report()
    proofs = report["proofs"]
    assert proofs["not_covered"] == [late.position]
    assert proofs["unsealed"]["events"] == 1
    assert f"the events at {late.position}" in gaps(report, "proofs")
    assert "1 events of the log, the oldest 0 s old" in gaps(report, "proofs")
    assert point(report, "without trust in the operator")["state"] == "in part"


def test_without_a_checkpoint_nothing_is_proved_and_that_is_said(tmp_path: Path) -> None:
    report = lived(tmp_path).report()
    assert report["proofs"]["checkpoint"] is None
    assert report["proofs"]["proved"] == 0
    assert "nothing in this report is proved" in gaps(report, "proofs")
    assert point(report, "without trust in the operator")["state"] == "not recorded"


@pytest.mark.parametrize("place", ["ModelTrained", "ModelAliasSet", "DatasetVersionAdded"])
def test_an_event_that_was_changed_after_it_was_sealed_is_named(life: Life, place: str) -> None:
    at = next(number for number, each in enumerate(life.log._events) if each.type == place)
    found = life.log._events[at]
    forged = found.data.replace(b'"accuracy":0.9', b'"accuracy":1.0').replace(b'"champion"', b'"challenger"')
    forged = forged.replace(b'"rows":100', b'"rows":101')
    assert forged != found.data
    forge(life, at, forged)
    report = life.report()
    assert report["proofs"]["changed"] == [found.position]
    assert "NOT as they were sealed" in point(report, "without trust in the operator")["words"]
    page = page_of(report, [], None)
    assert "The log is NOT as it was sealed." in page
    assert "are proved</strong>" not in page


def forge(life: Life, at: int, data: bytes) -> None:
    """Change what a log keeps of an event, as somebody who has the database would."""
    found = life.log._events[at]
    changed = msgspec.structs.replace(found, data=data)
    life.log._events[at] = changed
    stream = life.log._streams[found.stream]
    stream[found.version - 1] = changed


def test_an_evaluation_that_is_gone_is_no_hindrance(life: Life) -> None:
    digest = life.report()["evaluation"]["artifact"]
    life.artifacts.remove(digest)
    report = life.report()
    assert report["evaluation"]["metrics"] == {"accuracy": 0.9}
    assert report["evaluation"]["details"] == {}
    assert digest in gaps(report, "evaluation")


def test_of_erased_data_it_tells_who_erased_them_and_what_is_left(life: Life) -> None:
    artifact = life.report()["evaluation"]["artifact"]
    erased = DatasetErased(artifacts=(artifact,), models=(target(),), deployments=("shop",))
    life.happened("dataset-1", erased, reason="request <4711>")
    life.artifacts.remove(artifact)
    report = life.report()
    assert (report["data"]["erased"]["by"], report["data"]["erased"]["reason"]) == ("ann", "request <4711>")
    assert report["data"]["digest"] == "sha256:digest-1"
    assert "are to go: digests and facts of columns remain" in gaps(report, "data")
    assert "request &lt;4711&gt;" in page_of(report, [], "nothing to draw")
    life.happened("dataset-1", DatasetErasureFinished(artifacts=(artifact,), shared=()))
    assert "are gone since 2026-03-03T12:30:15" in gaps(life.report(), "data")


def test_an_event_that_cannot_be_read_is_named_and_proved(life: Life) -> None:
    unknown = life.happened("model-irises", named(), type="ModelPraised", schema=7)
    life.seal()
    report = life.report()
    (told,) = [each for each in report["changes"] if each["position"] == unknown.position]
    assert "ModelPraised@7 is unknown" in told["problem"]
    assert f"cannot read the events at {unknown.position}" in gaps(report, "changes")
    (entry,) = [each for each in report["proofs"]["events"] if each["position"] == unknown.position]
    assert entry["line"] == canonical(unknown).decode()


def test_as_of_a_position_it_is_the_report_of_a_log_that_ended_there(life: Life, tmp_path: Path) -> None:
    (first, *_) = life.report()["promotions"]
    for position in (first["position"] - 1, first["position"], first["position"] + 4, life.position):
        shorter = Life(tmp_path, artifacts=life.artifacts)
        for recorded in life.log.read(0, position).events:
            shorter.log._keep(recorded)
        then, there = life.report(as_of=position), shorter.report()
        for name in ("identity", "data", "design", "evaluation", "promotions", "deployments", "people", "changes"):
            assert then[name] == there[name]
        assert then["proofs"]["proved"] == len(then["changes"])
    assert life.report(as_of=first["position"] - 1)["promotions"] == []
    with pytest.raises(NotFound, match="has no version 1"):
        life.report(as_of=4)


def test_what_is_not_there_is_not_found(life: Life) -> None:
    with pytest.raises(NotFound, match="the model irises has no version 9"):
        life.report(9)
    with pytest.raises(NotFound, match="there is no model nobody"):
        life.report(1, "nobody")


def test_what_others_name_and_cannot_be_read_is_damage(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.happened("dataset-1", named(), type="DatasetFound")
    life.trained(1)
    with pytest.raises(Damaged, match="dataset-1: other events name it"):
        life.report()
