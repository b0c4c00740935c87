"""A server whose tunings use a Dask cluster: the model is the same without it, and cancelling ends the work."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from services.dask import DaskCluster
from system import QUICK, System, eventually


def tuned(trials: int) -> dict[str, Any]:
    space = {"model.C": {"low": 0.001, "high": 100, "log": True}}
    return {**QUICK, "tuning": {"strategy": "tpe", "trials": trials, "cv": 3, "space": space}}


@pytest.fixture
def cluster() -> Iterator[DaskCluster]:
    with DaskCluster(1) as made:
        made.wait()
        yield made


def known(system: System, job: dict[str, Any]) -> list[Any]:
    trials = system.listed(f"/v1/jobs/{job['id']}/trials", order="number")
    return [(trial["number"], trial["parameters"], trial["scores"], trial["state"]) for trial in trials]


def test_a_cluster_does_the_work_and_changes_nothing(cluster: DaskCluster, tmp_path: Path) -> None:
    with System(tmp_path / "served", dask_scheduler=cluster.address) as system, cluster.client() as client:
        dataset = system.start().upload()
        long = system.submit(dataset, tuned(10_000))
        eventually(lambda: system.listed(f"/v1/jobs/{long}/trials"))
        assert client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) > 0
        system.cancel(long)
        assert system.wait(long)["status"] == "cancelled"
        eventually(lambda: not client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))

        there = system.trained(dataset, tuned(12), seed=5)
        assert (there["status"], there["warnings"]) == ("succeeded", [])
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        here = system.trained(dataset, tuned(12), seed=5)
        assert here["fingerprint"] == there["fingerprint"]
        assert known(system, here) == known(system, there)
        assert [text for text in here["warnings"] if text.startswith("the Dask cluster could not be reached")]
