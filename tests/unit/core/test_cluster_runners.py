"""A tuning on a Dask cluster is the same as on this machine's cores, whatever becomes of the cluster meanwhile."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deadly_bench import ALWAYS, ONCE, Deadly
from helpers import facts_of, spec
from services.dask import DaskCluster
from services.kafka import certificate
from services.postgres import free_port

from skyulf.core import cluster_runners
from skyulf.core.calculator import fit
from skyulf.core.cluster import Cluster
from skyulf.core.folds import make_folds
from skyulf.core.nested import JobTrials
from skyulf.core.notices import Told
from skyulf.core.trial import Bench
from skyulf.core.trial_runners import DIED, Order, runners
from skyulf.core.tuning_spec import FoldsSpec

HERE = Path(__file__).parent
STEPS = [{"node": "scale", "columns": "numeric"}]
MODEL = {"node": "logistic_regression"}
TUNING = {
    "strategy": "tpe",
    "trials": 10,
    "cv": 3,
    "space": {
        "model.C": {"low": 0.001, "high": 100, "log": True},
        "model.tol": {"low": 1e-6, "high": 1e-2, "log": True},
    },
}


def numbers():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(120, 4)), columns=["a", "b", "c", "d"])
    frame["y"] = (frame["a"] + rng.normal(size=120) > 0).astype(int)
    return frame, facts_of(frame, {**dict.fromkeys("abcd", "number"), "y": "integer"})


def tuned(cluster):
    """The trials but for their seconds, the fingerprint, and what was warned of."""
    told = []
    frame, facts = numbers()
    trials = JobTrials({}, lambda trial, _: told.append(trial), cluster=cluster)
    state = fit([spec(STEPS, MODEL, tuning=TUNING)], frame, facts, 7, lambda *_: None, 1, trials)
    told.sort(key=lambda trial: trial.number)
    known = [(trial.number, trial.parameters, trial.state, trial.scores, trial.share) for trial in told]
    return (known, state.fingerprint), state.warnings


@pytest.fixture(scope="module")
def alone():
    return tuned(None)[0]


def bench():
    frame, facts = numbers()
    target = frame.pop("y").to_numpy()
    folds = make_folds(FoldsSpec(folds=3), "classification", frame, target, 0)
    return Bench(spec(STEPS, MODEL, tuning=TUNING), tuple(facts), 120, frame, target, folds, "log_loss", 0)


def fold(number, value):
    return Order(number, {"model.C": value}, 1.0, 0)


def test_the_same_trials_on_a_cluster_as_on_this_machine(alone, monkeypatch):
    with DaskCluster(2) as cluster:
        cluster.wait()
        with monkeypatch.context() as patch:
            patch.setattr(Bench, "score", None)  # here; the workers have theirs
            there, warned = tuned(Cluster(cluster.address))
        assert there == alone
        assert warned == ()
        with cluster.client() as client:
            left = client.run_on_scheduler(lambda dask_scheduler: [*dask_scheduler.tasks])
        assert left == []

        versions = {**cluster_runners.installed(), "numpy": "1.0"}
        monkeypatch.setattr(cluster_runners, "installed", lambda: versions)
        there, warned = tuned(Cluster(cluster.address))
        assert there == alone
        assert [text.partition(";")[0] for text in warned] == ["the Dask cluster has other versions of numpy"]


def test_folds_of_a_worker_that_dies_are_scored_by_another_one_unless_they_kill_it_too():
    plain = bench()
    deadly = Deadly(*(getattr(plain, name) for name in Bench.__slots__))
    values = [1.0, ONCE, 10.0, ALWAYS]
    with DaskCluster(4, retries=1, folder=HERE) as cluster:
        cluster.wait()
        with runners(deadly, 1, Cluster(cluster.address)) as workers:
            told = {}
            for numbers_of_round in ([0, 1, 2], [3]):  # Dask blames a death on all that its worker had, begun or not
                for number in numbers_of_round:
                    workers.order(fold(number, values[number]))
                told |= {order.trial: score for order, score in (workers.next(4) for _ in numbers_of_round)}
            assert not workers.ordered
        with cluster.client() as client:
            assert len(client.nthreads()) == 1
    assert (told[3].score, told[3].reason) == (None, DIED)
    for number in (0, 1, 2):
        assert told[number].score == plain.score({"model.C": values[number]}, 1.0, 0).score


def test_what_a_cluster_leaves_undone_is_scored_here(monkeypatch):
    monkeypatch.setattr(cluster_runners, "PATIENCE", 0.5)
    monkeypatch.setattr(cluster_runners, "LOOK", 0.1)
    plain = bench()
    with DaskCluster(1) as cluster:
        cluster.wait()
        with runners(plain, 1, Cluster(cluster.address)) as workers:
            for number, value in enumerate([1.0, 2.0, 3.0]):
                workers.order(fold(number, value))
            first = workers.next(3)
            cluster.workers[0].kill()
            with pytest.warns(Told, match="the Dask cluster .*; trials were scored on the cores of"):
                rest = [workers.next(2), workers.next(1)]
            assert not workers.ordered
    assert [order.trial for order, _ in (first, *rest)] == [0, 1, 2]
    for order, score in (first, *rest):
        assert score.score == plain.score(order.parameters, 1.0, 0).score


def test_a_scheduler_that_is_away_is_told_of_and_done_without(alone):
    there, warned = tuned(Cluster(f"tcp://127.0.0.1:{free_port()}"))
    assert there == alone
    reason = "the Dask cluster could not be reached (ConnectionRefusedError)"
    assert warned == (f"{reason}; trials were scored on the cores of the worker's machine",)


def test_a_cluster_is_talked_to_by_tls(tmp_path):
    ca, _ = certificate(tmp_path)
    key = tmp_path / "key.pem"
    plain = bench()
    with DaskCluster(1, tls={"ca-file": ca, "cert": ca, "key": key}) as cluster:
        cluster.wait()
        with runners(plain, 1, Cluster(cluster.address, str(ca), str(ca), str(key))) as workers:
            workers.order(fold(0, 1.0))
            assert workers.next(1)[1].score == plain.score({"model.C": 1.0}, 1.0, 0).score
        with pytest.warns(Told, match="could not be reached"), runners(plain, 1, Cluster(cluster.address)):
            pass
