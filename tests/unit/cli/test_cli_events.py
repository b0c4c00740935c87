"""Events for people: summaries, the newest of them, and what an export must take along."""

import json
from pathlib import Path

import pytest
from builders import (
    NOW,
    dataset_created,
    job_created,
    model_trained,
    named,
    record,
    registered,
    target,
    version_added,
    written,
)

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.cli.screen import UsageError
from skyulf.cli.summaries import SUMMARIES, short_id, summarize
from skyulf.cli.tail import Wanted, known, newest
from skyulf.cli.transfer import named_in, records
from skyulf.errors import Damaged
from skyulf.events.access import CommandsDenied, Denial
from skyulf.events.base import DomainEvent
from skyulf.events.cloudevents import to_json
from skyulf.events.dataset import DatasetProfiled, Suspicion
from skyulf.events.deployment import DeploymentRolledOut
from skyulf.events.job import ModelExplained, ModelPackaged, Trial, TrialsFinished, TrialState
from skyulf.events.registry import EVENTS

DIGEST = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'b' * 64}"
UUID = "01900000-0000-7000-8000-0123456789ab"


def trials(*ended: tuple[TrialState, float | None]) -> TrialsFinished:
    """Trials that ended so, and their means."""
    return TrialsFinished(
        attempt=1,
        planned=20,
        metric="roc_auc",
        higher_is_better=True,
        trials=tuple(
            Trial(number=number, parameters={}, state=state, scores=(), mean=mean, seconds=0.1)
            for number, (state, mean) in enumerate(ended)
        ),
    )


def test_every_event_there_is_has_a_summary() -> None:
    assert set(SUMMARIES) == set(EVENTS)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (dataset_created("irises"), "irises"),
        (version_added(rows=1500), "version 1: 1,500 rows, 2 columns, irises.csv"),
        (DatasetProfiled(dataset_version=2, profile=DIGEST, sampled=9), "version 2: nothing to warn of"),
        (
            DatasetProfiled(
                dataset_version=1,
                profile=DIGEST,
                sampled=9,
                warnings=tuple(
                    Suspicion(rule=rule, columns=("x",)) for rule in ("constant", "all_missing", "all_missing")
                ),
            ),
            "version 1: 2 × all missing, 1 × constant",
        ),
        (job_created(model_name="irises"), "classification of y: logistic_regression → irises"),
        (trials(("finished", 0.7), ("finished", 0.8), ("pruned", 0.9)), "3 of 20 by roc_auc, the best 0.8"),
        (trials(("failed", None)), "1 of 20 by roc_auc"),
        (model_trained(model_version=3), "version 3, logistic_regression: accuracy 0.9"),
        (ModelPackaged(attempt=1, onnx="sha256:aa"), "has an ONNX copy"),
        (ModelPackaged(attempt=1, onnx=None, reason="k_neighbors has none"), "no ONNX copy: k_neighbors has none"),
        (ModelExplained(attempt=1, explanation="sha256:aa", metric="brier"), "columns weighed by brier"),
        (ModelExplained(attempt=1, explanation=None, reason="too few rows"), "not explained: too few rows"),
        (registered(2), "version 2: logistic_regression"),
        (
            CommandsDenied(
                since=NOW,
                until=NOW,
                denials=(
                    Denial(actor=None, operation="GET /v1/jobs", status=401, count=3),
                    Denial(actor="ann", operation="POST /v1/jobs", status=403, count=1),
                    Denial(actor=None, operation="other", status=401, count=2),
                ),
            ),
            "5 × 401, 1 × 403",
        ),
        (DeploymentRolledOut(before=None, after=target(1)), "nothing → irises:1"),
        (DeploymentRolledOut(before=target(1), after=target(2)), "irises:1 → irises:2"),
    ],
)
def test_an_event_is_told_in_a_few_words(event: DomainEvent, words: str) -> None:
    assert summarize(type(event).__name__, event.model_dump(mode="json")) == words


def test_the_reason_is_told_and_the_unknown_is_not_guessed() -> None:
    assert summarize("JobCancelled", {}, "too slow") == "“too slow”"
    assert summarize("JobExploded", {"n": 1}) == ""
    assert summarize("JobCreated", {"shape": "of another version"}) == ""


def test_long_ids_are_shortened_and_names_are_not() -> None:
    assert short_id(f"job-{UUID}") == "job-…456789ab"
    assert short_id(f"worker-{UUID}", 4) == "worker-…89ab"
    assert short_id("model-penguins") == "model-penguins"
    assert short_id("deployment-a-b-c-d-e") == "deployment-a-b-c-d-e"


def test_types_are_known_with_and_without_their_prefix() -> None:
    assert known(["JobCreated", "skyulf.JobFailed"]) == ("JobCreated", "JobFailed")
    with pytest.raises(UsageError, match="JobCreated"):
        known(["JobExploded"])


@pytest.fixture
def filled(memory_log: MemoryEventLog) -> MemoryEventLog:
    for number in range(30):
        written(memory_log, f"pipeline-{number}", 0, named(str(number)))
    written(memory_log, "dataset-1", 0, dataset_created())
    return memory_log


@pytest.mark.parametrize(
    ("wanted", "positions"),
    [
        (Wanted((), None, None, None), list(range(12, 32))),
        (Wanted((), None, None, 2), [30, 31]),
        (Wanted((), None, None, 0), []),
        (Wanted((), None, None, 100), list(range(1, 32))),
        (Wanted((), None, 28, None), [29, 30, 31]),
        (Wanted((), None, 28, 1), [31]),
        (Wanted((), None, 99, None), []),
        (Wanted(("PipelineCreated",), None, None, 1), [30]),
        (Wanted((), "pipeline-0", None, 5), [1]),
        (Wanted(("JobCreated",), None, None, 5), []),
    ],
)
def test_the_newest_events_are_found(filled: MemoryEventLog, wanted: Wanted, positions: list[int]) -> None:
    assert [event.position for event in newest(filled, wanted, filled.head())] == positions


def test_an_export_takes_artifacts_and_not_other_digests() -> None:
    assert list(named_in(record(version_added(digest=OTHER, artifact=DIGEST)))) == [DIGEST]
    trained = model_trained(model=DIGEST, evaluation=OTHER, fingerprint=f"sha256:{'c' * 64}")
    assert list(named_in(record(trained))) == [DIGEST, OTHER]
    assert list(named_in(record(named("sha256:short")))) == []


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    good = to_json(record(named("a")))
    for bad in (b"", b"{}", good[:-10], b"\xff", good.replace(b"PipelineCreated", b"PipelineCrashed", 1)):
        file = tmp_path / "events.jsonl"
        file.write_bytes(good + b"\n" + bad + b"\n")
        with pytest.raises(Damaged, match=r"line 2: .*nothing was recorded"):
            list(records(file))


def test_an_export_is_read_as_it_was_written(tmp_path: Path) -> None:
    recorded = record(named("a"))
    file = tmp_path / "events.jsonl"
    file.write_bytes(to_json(recorded) + b"\n")
    assert list(records(file)) == [recorded]
    assert json.loads(file.read_bytes())["position"] == recorded.position
