"""Fifty trials through the whole system beside Optuna driven by hand: the same pipeline, folds, sampler and seed."""

from statistics import median
from typing import Any

from bench.data import COLUMNS, direct, make, spec_of
from bench.measure import Line, Report, Target, compared, scratch
from bench.servers import skyulf, wait_for

ROWS = 10_000
TRIALS, FOLDS = 50, 5
PAIRS = 2
LOW, HIGH = 1e-3, 1e2


def spec() -> dict[str, Any]:
    """A linear model whose strength of penalty is searched for."""
    space = {"model.C": {"low": LOW, "high": HIGH, "log": True}}
    tuning = {"strategy": "tpe", "trials": TRIALS, "cv": FOLDS, "metric": "roc_auc", "prune": False, "space": space}
    return {**spec_of("logistic_regression", {}), "tuning": tuning}


def run() -> Report:
    """Tune directly and through the system in turn, on one core each; and through the system on two."""
    with scratch() as folder:
        frame = make(folder, ROWS)
        ours: list[float] = []
        theirs: list[float] = []
        with direct(frame) as peer, skyulf(folder / "one", training_threads=1) as server:
            dataset = server.upload(frame)["id"]
            wait_for(server.sandbox_warm)
            for _ in range(PAIRS):
                theirs.append(peer.seconds(frame=str(frame), tune=True, trials=TRIALS, folds=FOLDS, low=LOW, high=HIGH))
                spent, job = server.train(dataset, spec())
                ours.append(spent)
                server.finished(job)
        with skyulf(folder / "two", training_threads=2) as server:
            dataset = server.upload(frame)["id"]
            wait_for(server.sandbox_warm)
            on_two, _ = server.train(dataset, spec())
    what = f"{TRIALS} trials, {FOLDS} folds, logistic_regression, {ROWS:,} × {COLUMNS}"
    return Report(
        "Tuning, POST /v1/jobs until it is shown as succeeded",
        [
            compared(f"{what}, one core", ours, "s", "Optuna by hand", theirs, Target("at most", 1.1)),
            Line("  the same on two cores", on_two, "s", "Optuna by hand, one core", median(theirs)),
        ],
        [
            "By hand: TPE with the same seed, told each trial's mean of five ROC AUC; then fit, metrics, refit on all "
            "rows; in a process that has imported and learnt before, on one thread, and at the same niceness.",
            "Ours as well: every trial in the log, at most one event a second (the last one waits for its second), "
            "and all that a training takes beside.",
            f"TPE learns after each batch of 4 trials with us, and after each by hand. Each in turn, {PAIRS} times.",
        ],
    )
