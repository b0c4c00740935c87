"""Twenty models of many kinds are trained, and every one of them is trained again from the log and compared.

Run it as ``python examples/reproduce.py``; a server is started in an empty directory, and stopped at the end. It ends
with 1 if any model came out as another.
"""

import signal
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
from demo import PENGUINS, chapter, console, listing, server
from rich.text import Text

STEPS: list[dict[str, Any]] = [
    {"node": "impute", "columns": "numeric", "params": {"strategy": "median"}},
    {"node": "scale", "columns": "numeric"},
    {"node": "impute", "columns": "categorical", "params": {"strategy": "most_frequent"}},
    {"node": "one_hot", "columns": "categorical"},
]

FEW = {"n_estimators": 50}

PARAMS: dict[str, dict[str, Any]] = {
    "random_forest": FEW,
    "extra_trees": FEW,
    "gradient_boosting": FEW,
    "adaboost": FEW,
    "voting": {"models": [{"node": "sgd"}, {"node": "naive_bayes"}]},
}

CLASSIFIERS = (
    "logistic_regression", "naive_bayes", "k_neighbors", "svm", "sgd", "decision_tree", "random_forest", "extra_trees",
    "hist_gradient_boosting", "adaboost", "voting", "lightgbm", "xgboost",
)  # fmt: skip
REGRESSORS = ("ridge", "elastic_net", "gradient_boosting", "svm")

EXTRAS = ("lightgbm", "xgboost")
"""Models of libraries that not everyone has; `gradient_boosting` stands in for them."""

SPACE = {"model.C": {"low": 0.01, "high": 100, "log": True}}


def specs() -> dict[str, dict[str, Any]]:
    """Twenty specs by name: one for each model, and three that are chosen, searched for, or fitted on fewer rows."""
    found: dict[str, dict[str, Any]] = {}
    for task, target, nodes in (
        ("classification", "species", CLASSIFIERS),
        ("regression", "body_mass_g", REGRESSORS),
    ):
        for node in nodes:
            there = node not in EXTRAS or find_spec(node) is not None
            used = node if there else "gradient_boosting"
            model = {"node": used, "params": PARAMS.get(used, {})}
            found[f"{target}-{node}"] = {"task": task, "target": target, "steps": STEPS, "model": model}
    linear = found["species-logistic_regression"]
    found["species-left-to-itself"] = {"task": "classification", "target": "species"}
    found["species-tuned"] = {**linear, "tuning": {"strategy": "tpe", "trials": 12, "cv": 3, "space": SPACE}}
    found["species-thresholds"] = {**linear, "thresholds": {"criterion": "f1"}}
    return found


def run() -> int:
    """Train all, reproduce all, show all; how many came out as another model."""
    with tempfile.TemporaryDirectory(prefix="skyulf-reproduce-") as folder, server(Path(folder)) as skyulf:
        chapter("Twenty models are trained")
        with PENGUINS.open("rb") as file:
            data = asked(skyulf, "/v1/datasets", files={"file": file}, data={"name": "penguins"})
        trained = {
            name: asked(skyulf, "/v1/jobs", json={"dataset_id": data["id"], "spec": spec, "model_name": name})["id"]
            for name, spec in specs().items()
        }
        trainings = {name: ended(skyulf, job) for name, job in trained.items()}
        chapter("Each is trained again, and compared")
        again = {
            name: asked(skyulf, "/v1/reproductions", json={"model": name, "model_version": 1})["id"] for name in trained
        }
        reproductions = {name: ended(skyulf, job) for name, job in again.items()}
        chapter("One is trained with another seed: that is told")
        other = {"model": "species-random_forest", "model_version": 1, "seed": 1}
        reproductions["… with another seed"] = ended(skyulf, asked(skyulf, "/v1/reproductions", json=other)["id"])
    return show(trainings, reproductions)


def show(trainings: dict[str, Any], reproductions: dict[str, Any]) -> int:
    """Show each verdict; how many of those that should be alike are not."""
    table = listing("model", "kind", "verdict", "why", "trained in", "again in", right=(4, 5))
    styles = {"identical": "green", "equivalent": "yellow", "different": "red"}
    for name, job in reproductions.items():
        result, training = job["reproduction"]["result"], trainings.get(name)
        table.add_row(
            name,
            training["spec"]["model"]["node"] if training else "",
            Text(result["verdict"], style=styles[result["verdict"]]),
            ", ".join(result["causes"]),
            f"{sum(training['timings'].values()):.2f} s" if training else "",
            f"{sum(job['timings'].values()):.2f} s",
        )
    console.print(table)
    verdicts = [reproductions[name]["reproduction"]["result"]["verdict"] for name in trainings]
    kinds = {training["spec"]["model"]["node"] for training in trainings.values()}
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in styles)
    console.print(f"  {len(verdicts)} models of {len(kinds)} kinds: {counts}")
    return verdicts.count("different")


def asked(skyulf: httpx.Client, path: str, **content: Any) -> dict[str, Any]:
    """Send a request; end where it is refused."""
    response = skyulf.post(path, **content)
    if not response.is_success:
        sys.exit(f"POST {path}: {response.status_code} {response.text}")
    answer: dict[str, Any] = response.json()
    return answer


def ended(skyulf: httpx.Client, job_id: str) -> dict[str, Any]:
    """The job, once it has succeeded; end where it has not."""
    while True:
        job: dict[str, Any] = skyulf.get(f"/v1/jobs/{job_id}").json()
        if job["status"] == "succeeded":
            return job
        if job["status"] in ("failed", "cancelled"):
            sys.exit(f"{job_id} is {job['status']}: {job['error']}")
        time.sleep(0.1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped then, too
    sys.exit(1 if run() else 0)
