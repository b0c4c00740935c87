"""Looking at things: ids cut short, times, versions, and which of several runs is best at what."""

from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture
from typer.testing import CliRunner

from skyulf.cli.app import app
from skyulf.cli.compare import BETTER, best, differences, summary
from skyulf.cli.models import parse
from skyulf.cli.reader import Reader, duration, moment, seconds, version_of
from skyulf.cli.screen import UsageError
from skyulf.cli.train_view import headline
from skyulf.core.cluster_quality import judge_partition
from skyulf.core.evaluation import evaluate_classes, evaluate_numbers
from skyulf.errors import Invalid

FIRST = "dataset-01900000-0000-7000-8000-0000000000aa"
SECOND = "dataset-01900000-0000-7000-8000-0000000001aa"
CREATED = "2026-01-02T03:04:05.678Z"


class FakeClient:
    """Knows two datasets, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        self.asked.append((path, params))
        items = [{"id": FIRST, "name": "irises"}, {"id": SECOND, "name": "penguins"}]
        return {"items": [{**item, "created_at": CREATED} for item in items], "next_cursor": None}

    def send(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        self.asked.append((method, path, body))
        return {"position": 12}


def reader() -> tuple[FakeClient, Reader]:
    client = FakeClient()
    return client, Reader(client, 7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (FIRST, FIRST),
        ("irises", FIRST),
        ("dataset-…000001aa", SECOND),
        ("00000000aa", FIRST),
        ("aa", "aa"),
        ("other", "other"),
    ],
)
def test_an_id_may_be_cut_short_as_lists_show_it(text: str, meant: str) -> None:
    assert reader()[1].id_of("datasets", text) == meant


def test_an_end_that_several_have_is_answered_with_all_of_them() -> None:
    client, looking = reader()
    client.get = lambda path, **params: {  # type: ignore[method-assign]
        "items": [{"id": id_, "name": "irises", "created_at": CREATED} for id_ in (FIRST, SECOND)]
    }
    with pytest.raises(Invalid, match="any of 2 datasets") as raised:
        looking.id_of("datasets", "irises")
    assert [fault.place for fault in raised.value.faults] == [FIRST, SECOND]


def test_what_was_sent_is_in_what_is_read_after_it() -> None:
    client, looking = reader()
    looking.get("models", "a b/c", order=None, limit=3)
    looking.send("DELETE", "deployments", "x", body={"reason": None})
    looking.get("deployments")
    assert client.asked == [
        ("/v1/models/a%20b%2Fc", {"min_position": 7, "limit": 3}),
        ("DELETE", "/v1/deployments/x", None),
        ("/v1/deployments", {"min_position": 12}),
    ]


def test_all_that_is_read_is_as_of_the_moment_that_was_asked_for() -> None:
    client = FakeClient()
    looking = Reader(client, 7, "2026-03-03T09:00:00Z")  # type: ignore[arg-type]
    assert looking.id_of("datasets", "irises") == FIRST
    looking.get("jobs", dataset_id=FIRST)
    assert [params["as_of"] for _, params in client.asked] == ["2026-03-03T09:00:00Z"] * 2


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (None, "–"),
        (0.04, "0.0 s"),
        (59.9, "59.9 s"),
        (61.4, "1 min 01 s"),
        (3_600, "1 h 00 min"),
        (9_000, "2 h 30 min"),
    ],
)
def test_durations_are_written_for_people(length: float | None, words: str) -> None:
    assert duration(length) == words


def test_times_are_utc_to_the_minute() -> None:
    assert moment("2026-01-02T03:04:05.678+02:00") == "2026-01-02 01:04"
    assert moment(None) == "–"
    assert seconds({"started_at": CREATED, "finished_at": "2026-01-02T03:05:05.678Z"}) == 60
    assert seconds({"started_at": CREATED, "finished_at": None}) is None


def test_models_are_named_with_a_version_or_an_alias() -> None:
    assert [parse(text) for text in ("m", "m:3", "m:champion")] == [("m", None), ("m", "3"), ("m", "champion")]
    assert [version_of("m", 3), version_of("m", None), version_of(None, None)] == ["m:3", "m", "–"]
    for wrong in ("", ":3", "m:"):
        with pytest.raises(UsageError):
            parse(wrong)


def test_one_metric_stands_for_all() -> None:
    assert headline({"f1": 0.5, "accuracy": 0.75}) == "accuracy 0.7500"
    assert headline({"mae": 1.0, "r2": None}) == "mae 1.0000"
    assert headline(None) == headline({"r2": None}) == "–"


# compare


def job(id_: str, /, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": id_,
        "status": "succeeded",
        "dataset_id": "d",
        "dataset_version": 1,
        "model_name": "m",
        "model_version": 1,
        "spec": {"task": "regression", "target": "y", "model": {"node": "ridge"}},
        "metrics": {},
        "rows": {"train": 80, "test": 20},
        "seed": 0,
        "started_at": CREATED,
        "finished_at": CREATED,
    }
    return {**made, **changes}


def test_every_metric_has_a_better_side() -> None:
    truth = np.array([0, 1])
    classes, _ = evaluate_classes(truth, truth, np.eye(2), ["a", "b"])
    numbers, _ = evaluate_numbers(truth.astype(float), truth.astype(float))
    clusters: set[str] = set()
    for model in (KMeans(2), GaussianMixture(2)):
        rows = np.array([[0.0], [1.0], [5.0], [6.0]])
        clusters |= judge_partition(model.fit(rows), rows, np.array([0, 0, 1, 1]), 0)[0].keys()
    # Inertia falls with every cluster more, which makes none better.
    assert set(BETTER) == {*classes, *numbers, *clusters} - {"inertia"}


def test_the_best_is_marked_for_each_metric() -> None:
    jobs = [
        job("a", metrics={"rmse": 2.0, "r2": 0.5, "mae": 1.0, "own": 1.0, "mse": None}),
        job("b", metrics={"rmse": 1.0, "r2": 0.7, "mae": 1.0, "own": 2.0, "mse": 3.0}),
        job("c", metrics={"rmse": 3.0, "r2": 0.7, "mae": 1.0}),
        job("d", status="failed", metrics=None),
    ]
    assert best(jobs) == {
        "rmse": {"better": "lower", "jobs": ["b"]},
        "r2": {"better": "higher", "jobs": ["b", "c"]},
        "mae": {"better": "lower", "jobs": []},
        "own": {"better": None, "jobs": []},
        "mse": {"better": "lower", "jobs": []},
    }


def test_what_cannot_be_compared_is_told() -> None:
    assert differences([job("a"), job("b")]) == []
    other = {"task": "regression", "target": "z", "model": None}
    told = differences([job("a"), job("b", spec=other, dataset_version=2), job("c", status="failed")])
    assert [words for words in ("targets", "datasets", "did not succeed") if any(words in line for line in told)] == [
        "targets", "datasets", "did not succeed"
    ]  # fmt: skip
    assert len(told) == 3


def test_a_summary_names_the_chosen_model() -> None:
    assert summary(job("a"))["estimator"] == "ridge"


# shell completion


def completed(*words: str) -> list[str]:
    line = {"_SKYULF_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    return CliRunner().invoke(app, [], env=line, prog_name="skyulf").stdout.split()


def test_a_shell_can_complete_commands_and_choices() -> None:
    assert completed("skyulf", "jobs", "c") == ["cancel", "compare"]
    assert completed("skyulf", "jobs", "list", "--status", "s") == ["succeeded"]
