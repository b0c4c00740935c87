"""What was trained is trained again: the same where nothing differs, and where something does, that is what is told."""

import functools
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import FULL, LOGISTIC, SMALL, spec, table

from skyulf.core.agreement import TOLERANCE
from skyulf.core.candidates import choose_candidates
from skyulf.core.predictions import Intervals
from skyulf.core.registry import models
from skyulf.core.reproduction import Comparison, Fact, _apart, facts_between, judged
from skyulf.reactions.reproducer import Reproduced, ReproductionTask, reproduce
from skyulf.reactions.trainer import MODEL, Progress, Task, Trained, Tried, train

ROWS = 120

KINDS = {
    "logistic_regression": "classification",
    "naive_bayes": "classification",
    "k_neighbors": "classification",
    "svm": "classification",
    "decision_tree": "classification",
    "random_forest": "classification",
    "hist_gradient_boosting": "classification",
    "gradient_boosting": "regression",
    "ridge": "regression",
    "lightgbm": "regression",
    "xgboost": "regression",
}
"""Kinds of models; all libraries of today come out the same twice on the same number of threads."""

FOREST = {"node": "random_forest", "params": {"n_estimators": 7}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@functools.cache
def stored(folder: Path, target: str) -> tuple[str, tuple[dict[str, Any], ...]]:
    frame, facts = table(ROWS, target=target)
    path = folder / f"{target}.parquet"
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    return str(path), tuple(fact.model_dump() for fact in facts)


def asked(folder: Path, *candidates: Any, **changes: Any) -> Task:
    """The task of a training on the table that fits the candidates."""
    target = "string" if candidates[0].task == "classification" else "number"
    path, columns = stored(folder, target)
    values: dict[str, Any] = {
        "table": path,
        "folder": str(folder),
        "candidates": tuple(candidate.model_dump(mode="json") for candidate in candidates),
        "columns": columns,
        "seed": 3,
        "threads": 1,
        "rows": ROWS,
        **changes,
    }
    return Task(**values)


def again(task: Task, trained: Trained, **changes: Any) -> ReproductionTask:
    """The reproduction of what was just trained, whose file still stands in the folder."""
    values: dict[str, Any] = {
        "training": replace(task, openmp=trained.environment["openmp_threads"]),
        "seed": task.seed,
        "fingerprint": trained.fingerprint,
        "environment": trained.environment,
        "recorded": "table",
        "found": "table",
        "model": str(Path(task.folder) / MODEL),
        "seconds": 600,
        **changes,
    }
    return ReproductionTask(**values)


def silent(_: Progress | Tried) -> None:
    pass


@pytest.fixture(scope="module")
def recorded(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Task, Trained]:
    """A forest, whose file stays where it is."""
    task = replace(asked(folder, spec(FULL, FOREST)), folder=str(tmp_path_factory.mktemp("forest")))
    return task, train(silent, task)


def differing(found: Reproduced) -> list[tuple[str, str]]:
    return [(fact["aspect"], fact["name"]) for fact in found.facts if fact["recorded"] != fact["now"]]


@pytest.mark.parametrize(("node", "task"), KINDS.items())
def test_every_kind_of_model_is_trained_again_as_it_was(folder: Path, node: str, task: str) -> None:
    training = asked(folder, spec(FULL, {"node": node, "params": SMALL.get(node, {})}, task))
    trained = train(silent, training)
    found = reproduce(silent, again(training, trained))
    assert (found.verdict, found.causes, differing(found)) == ("identical", (), [])
    assert (found.fingerprint, found.metrics) == (trained.fingerprint, trained.metrics)
    assert {fact["aspect"] for fact in found.facts} == {"data", "seed", "code", "package", "threads", "cpu"}
    assert (found.comparison, found.not_compared) == (None, None), "by the fingerprint it is known already"
    assert {node for node, kind in KINDS.items() if node in models(kind)} == set(KINDS)


def test_a_model_that_was_chosen_among_candidates_is_chosen_again(folder: Path) -> None:
    plain = spec()
    _, facts = table(ROWS)
    candidates = choose_candidates(plain, facts, ROWS).specs
    assert len(candidates) > 1
    training = asked(folder, *candidates)
    trained = train(silent, training)
    found = reproduce(silent, again(training, trained))
    assert (found.verdict, found.fingerprint) == ("identical", trained.fingerprint)


def tuned(**more: Any) -> Any:
    search = {"trials": 4, "cv": 2, "space": {"model.C": {"low": 0.001, "high": 100, "log": True}}, **more}
    return spec(FULL, LOGISTIC, tuning={"strategy": "random", **search})


def test_a_tuned_model_is_tuned_again(folder: Path) -> None:
    training = asked(folder, tuned())
    trained = train(silent, training)
    tried: list[Any] = []
    found = reproduce(tried.append, again(training, trained))
    assert (found.verdict, found.fingerprint) == ("identical", trained.fingerprint)
    assert sum(isinstance(message, Tried) for message in tried) == 4
    assert "optuna" in {fact["name"] for fact in found.facts}, "what proposes trials has a part in it"


def test_a_search_that_its_time_ended_is_made_again_of_the_same_trials(folder: Path) -> None:
    """When time was up some trials were over, and the best was not among them."""
    training = asked(folder, tuned(seconds=3600))
    whole: list[Any] = []
    best = train(whole.append, training)
    trials = [message.trial for message in whole if isinstance(message, Tried)]
    worst = sorted(trials, key=lambda trial: trial["mean"])[-2:]
    over = tuple(sorted((None, trial["number"], False) for trial in worst))
    training = replace(training, only_trials=over)
    trained = train(silent, training)
    assert best.fingerprint != trained.fingerprint, "with more time another would have been chosen"
    tried: list[Any] = []
    found = reproduce(tried.append, again(training, trained))
    assert (found.verdict, found.fingerprint) == ("identical", trained.fingerprint)
    assert [message.trial["number"] for message in tried if isinstance(message, Tried)] == [key[1] for key in over]


def test_a_model_of_a_sample_is_trained_on_the_same_rows(folder: Path) -> None:
    training = asked(folder, spec(FULL, LOGISTIC), sampled=60)
    trained = train(silent, training)
    assert reproduce(silent, again(training, trained)).verdict == "identical"
    other = again(training, trained, training=replace(training, seed=4))
    found = reproduce(silent, other)
    assert (found.verdict, found.causes) == ("different", ("seed",))


def test_a_spec_that_carries_seeds_of_its_own_keeps_them(folder: Path) -> None:
    own = spec(FULL, {**FOREST, "seed": 11}, split={"seed": 5})
    training = asked(folder, own)
    trained = train(silent, training)
    assert reproduce(silent, again(training, trained)).verdict == "identical"
    found = reproduce(silent, again(training, trained, training=replace(training, seed=4)))
    assert (found.verdict, found.fingerprint) == ("identical", trained.fingerprint), "the job's seed rules nothing here"
    assert differing(found) == [("seed", "seed")]


def test_another_seed_is_told_from_all_else(recorded: tuple[Task, Trained]) -> None:
    task, trained = recorded
    found = reproduce(silent, again(task, trained, training=replace(task, seed=4)))
    assert (found.verdict, found.causes, differing(found)) == ("different", ("seed",), [("seed", "seed")])
    assert found.comparison is not None
    assert found.comparison["rows"] == ROWS
    assert found.comparison["largest_difference"] > TOLERANCE


def test_other_data_is_told_before_anything_is_trained(recorded: tuple[Task, Trained]) -> None:
    said: list[Any] = []
    found = reproduce(said.append, again(*recorded, found="another"))
    assert (found.verdict, found.causes) == ("different", ("data",))
    assert found.facts == (
        {"aspect": "data", "name": "table", "recorded": "table", "now": "another"},
    )  # fmt: skip
    assert (said, found.fingerprint, found.not_compared) == ([], None, "nothing was trained on other data")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"scikit-learn": "0.24.2"}, "package"),
        ({"python": "3.9.1"}, "package"),
        ({"cpu": "Zilog Z80"}, "cpu"),
        ({"code": "another"}, "code"),
        ({"threads": 64}, "threads"),
    ],
)
def test_what_has_changed_since_explains_another_state(
    recorded: tuple[Task, Trained], change: dict[str, Any], cause: str
) -> None:
    task, trained = recorded
    environment = {**trained.environment, **change}
    found = reproduce(silent, again(task, trained, environment=environment, fingerprint="of another state"))
    assert (found.verdict, found.causes) == ("equivalent", (cause,)), "its file says the same as what is trained now"
    assert found.comparison == {"rows": ROWS, "otherwise": 0, "largest_difference": 0.0}
    same = reproduce(silent, again(task, trained, environment=environment))
    assert (same.verdict, same.causes) == ("identical", ()), "it made no difference"
    assert differing(same) == [(cause, next(iter(change)))]


def test_what_comes_out_differently_each_time_is_laid_to_chance(
    recorded: tuple[Task, Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = itertools.count()
    monkeypatch.setattr("skyulf.core.calculator.fingerprint", lambda *_: f"state {next(counted)}")
    said: list[Any] = []
    found = reproduce(said.append, again(*recorded))
    assert (found.verdict, found.causes, found.fingerprint) == ("equivalent", ("chance",), "state 0")
    stages = [message.stage for message in said]
    assert "repeat" in stages
    fractions = [message.fraction for message in said]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("seconds", [600, 0.001])
def test_what_nothing_explains_is_said_to_be_unknown(recorded: tuple[Task, Trained], seconds: float) -> None:
    """Without the time to train once more there is a verdict, too."""
    said: list[Any] = []
    found = reproduce(said.append, again(*recorded, fingerprint="of another state", seconds=seconds))
    assert (found.verdict, found.causes) == ("equivalent", ("unknown",))
    assert ("repeat" in [message.stage for message in said]) is (seconds == 600)


def test_a_model_whose_file_is_gone_is_judged_by_its_fingerprint(recorded: tuple[Task, Trained]) -> None:
    gone = {"model": None, "no_model": "the file is gone"}
    assert reproduce(silent, again(*recorded, **gone)).verdict == "identical"
    found = reproduce(silent, again(*recorded, **gone, fingerprint="of another state"))
    assert (found.verdict, found.comparison, found.not_compared) == ("different", None, "the file is gone")


def test_a_model_that_no_longer_loads_is_not_compared(recorded: tuple[Task, Trained], tmp_path: Path) -> None:
    broken = tmp_path / "model"
    broken.write_text("no model")
    found = reproduce(silent, again(*recorded, model=str(broken), fingerprint="of another state"))
    assert (found.verdict, found.comparison) == ("different", None)
    assert "cannot be loaded" in (found.not_compared or "")


def test_what_was_not_recorded_then_is_not_told_to_differ(recorded: tuple[Task, Trained]) -> None:
    task, trained = recorded
    environment = {name: value for name, value in trained.environment.items() if name not in ("code", "skyulf")}
    found = reproduce(silent, again(task, trained, environment=environment, fingerprint="of another state"))
    assert found.causes == ("unknown",)
    assert [(fact["recorded"], fact["now"] is None) for fact in found.facts if fact["aspect"] == "code"] == [
        (None, False), (None, False),
    ]  # fmt: skip


def test_everything_that_an_environment_tells_is_compared() -> None:
    before = {
        "python": "3.11",
        "blas": [
            {"user_api": "blas", "internal_api": "openblas", "version": "0.3.1", "architecture": "Haswell"},
            {"user_api": "blas", "internal_api": "openblas", "version": "0.3.0", "architecture": "Haswell"},
        ],
        "openmp": [{"user_api": "openmp", "internal_api": "openmp", "version": None, "architecture": None}],
    }
    after = json.loads(json.dumps(before))
    after["blas"][0]["architecture"] = "Zen"
    assert facts_between(before, after) == [
        Fact("package", "python", "3.11", "3.11"),
        Fact("package", "blas", "openblas 0.3.0, openblas 0.3.1", "openblas 0.3.0, openblas 0.3.1"),
        Fact("package", "openmp", "openmp", "openmp"),
        Fact("cpu", "blas kernels", "Haswell", "Haswell, Zen"),
    ]


@pytest.mark.parametrize(
    ("comparison", "verdict"),
    [
        (Comparison(9, 0, 0.0), "equivalent"),
        (Comparison(9, 0, TOLERANCE), "equivalent"),
        (Comparison(9, 0, 2 * TOLERANCE), "different"),
        (Comparison(9, 1, 0.0), "different"),
        (Comparison(9, 0, None), "different"),
        (None, "different"),
    ],
)
def test_equivalent_is_what_predicts_the_same(comparison: Comparison | None, verdict: str) -> None:
    assert judged(False, comparison, [], True) == (verdict, ("unknown",))


def test_intervals_count_as_predictions() -> None:
    assert _apart(None, None, 1.0) == 0.0
    assert _apart(Intervals(0.9, 2.0), None, 1.0) == float("inf")
    assert _apart(Intervals(0.9, 2.0), Intervals(0.8, 2.0), 1.0) == float("inf")
    assert _apart(Intervals(0.9, 2.0), Intervals(0.9, 3.0), 4.0) == 0.25
