"""Equal single-threaded jobs: how long two workers take for them, beside one alone."""

from datetime import datetime
from typing import Any

from bench.data import make, spec_of
from bench.measure import Report, Target, compared, scratch
from bench.servers import Server, skyulf, wait_for
from skyulf.adapters.postgres import connect
from skyulf.adapters.postgres_schema import migrate
from tests.services.postgres import databases

JOBS = 6
ROWS = 4_000
SPEC = spec_of("random_forest", {"n_estimators": 80})


def run() -> Report:
    """Train the same jobs on one worker, on two, on two, and on one."""
    with scratch() as folder, databases() as made:
        url = made.schema()
        with connect(url) as connection:
            migrate(connection)
        shared: dict[str, Any] = {
            "database_url": url,
            "artifacts_url": f"file://{folder}/artifacts",
            "training_threads": 1,
        }
        with (
            skyulf(folder / "projector", role="projector", **shared),
            skyulf(folder / "api", role="api", **shared) as api,
            skyulf(folder / "one", role="worker", **shared) as one,
        ):
            dataset = api.upload(make(folder, ROWS))["id"]
            wait_for(one.sandbox_warm)
            spent(api, dataset, 1)
            alone = [spent(api, dataset, JOBS)]
            with skyulf(folder / "two", role="worker", **shared) as two:
                wait_for(two.sandbox_warm)
                spent(api, dataset, 2)
                together = [spent(api, dataset, JOBS) for _ in range(2)]
            alone.append(spent(api, dataset, JOBS))
    target = Target("at most", 0.6)
    return Report(
        "Two workers",
        [compared(f"{JOBS} equal jobs, two workers", together, "s", "one worker", alone, target)],
        [
            "From the first JobCreated to the last ModelTrained, by the times that events carry. One slot and one "
            "thread each; API, projector and Postgres run on the same cores, as does all else that this machine does.",
        ],
    )


def spent(api: Server, dataset: str, count: int) -> float:
    """Seconds that so many jobs take, the first of which begins as soon as it is there."""
    jobs = [api.call("POST", "/v1/jobs", {"dataset_id": dataset, "spec": SPEC})["id"] for _ in range(count)]
    for job in jobs:
        api.ended(job)
    events = [event for job in jobs for event in api.call("GET", f"/v1/events?stream={job}&after=0&limit=1000")]
    by_type = {
        name: [datetime.fromisoformat(event["time"]) for event in events if event["type"] == f"skyulf.{name}"]
        for name in ("JobCreated", "ModelTrained")
    }
    if len(by_type["ModelTrained"]) != count:
        raise RuntimeError("a job was not trained")
    return (max(by_type["ModelTrained"]) - min(by_type["JobCreated"])).total_seconds()
