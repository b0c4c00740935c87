"""What a process tells Prometheus: the truth, in a form that its own parser reads, whatever is away."""

import threading
from collections import deque
from collections.abc import Iterable
from datetime import timedelta

import pytest
from builders import NOW, job_created, named, record, written
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.adapters.system import new_id
from skyulf.errors import Unavailable
from skyulf.events.base import Recorded
from skyulf.events.job import JobProgressed, JobReclaimed, JobStarted
from skyulf.metrics import Metrics, gauges, measured
from skyulf.metrics.counted import Durations
from skyulf.projections import ALL
from skyulf.projections.projector import Projector
from skyulf.projections.store import ParkedMessage

LATER = NOW + timedelta(seconds=90)


def values(families: Iterable[Metric]) -> dict[str, dict[str, float]]:
    """For each family its samples, by the values of their labels."""
    return {
        family.name.removeprefix("skyulf_"): {
            ",".join(sample.labels.values()): sample.value for sample in family.samples
        }
        for family in families
    }


def told(metrics: Metrics) -> dict[str, float]:
    """Every sample of the page, as Prometheus reads it, by name and labels."""
    page, _ = metrics.page("application/openmetrics-text;version=1.0.0")
    return {
        f"{sample.name}{''.join(f'{{{value}}}' for value in sample.labels.values())}": sample.value
        for family in open_metrics(page.decode())
        for sample in family.samples
    }


class TestMeasured:
    def up(self) -> Iterable[Metric]:
        return (GaugeMetricFamily("skyulf_there", "t", value=7),)

    def test_a_database_that_is_away_is_said_to_be_and_the_rest_is_told(self) -> None:
        metrics = Metrics("1", "all")

        def away() -> Iterable[Metric]:
            raise Unavailable("the database does not answer")

        metrics.measure("database", away)
        metrics.measure("database", self.up)
        metrics.measure("cache", self.up_there)
        found = told(metrics)
        assert (found["skyulf_up{database}"], found["skyulf_up{cache}"]) == (0, 1)
        assert found["skyulf_here"] == 1

    def up_there(self) -> Iterable[Metric]:
        return (GaugeMetricFamily("skyulf_here", "t", value=1),)

    def test_a_read_that_hangs_is_waited_for_within_bounds_and_not_begun_twice(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(measured, "PATIENCE", 0.05)
        begun, go_on = [], threading.Event()

        def hangs() -> Iterable[Metric]:
            begun.append(1)
            go_on.wait(60)
            return self.up()

        metrics = Metrics("1", "all")
        metrics.measure("database", hangs)
        try:
            assert told(metrics)["skyulf_up{database}"] == 0
            assert told(metrics)["skyulf_up{database}"] == 0
            assert len(begun) == 1
        finally:
            go_on.set()
        monkeypatch.setattr(measured, "PATIENCE", 60.0)
        assert told(metrics)["skyulf_there"] == 7

    def test_who_asks_often_reads_once(self) -> None:
        reads = []

        def counted() -> Iterable[Metric]:
            reads.append(1)
            return self.up()

        metrics = Metrics("1", "all")
        metrics.measure("database", counted)
        for _ in range(5):
            told(metrics)
        assert len(reads) == 1

    def test_two_runtimes_count_apart(self) -> None:
        first, second = Metrics("1", "all"), Metrics("1", "all")
        first.requests.add(("GET /v1/jobs", "200"))
        assert "skyulf_http_requests_total{GET /v1/jobs}{200}" in told(first)
        assert "skyulf_http_requests_total{GET /v1/jobs}{200}" not in told(second)


def test_durations_fall_into_buckets_that_add_up() -> None:
    durations = Durations("skyulf_a_seconds", "t", ("of",), (0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        durations.add(("x",), seconds)
    found = {
        (sample.name.removeprefix("skyulf_a_seconds"), sample.labels.get("le")): sample.value
        for sample in durations.collect().samples
    }
    assert found == {
        ("_bucket", "0.1"): 2, ("_bucket", "1.0"): 3, ("_bucket", "+Inf"): 4, ("_count", None): 4, ("_sum", None): 7.65,
    }  # fmt: skip
    assert durations.number() == 4


class System:
    """A log and rows that are brought up with it when told to."""

    def __init__(self) -> None:
        self.log = MemoryEventLog(new_id)
        self.store = MemoryReadStore()
        self.projector = Projector(self.log, self.store, ALL)
        self.projector.prepare()

    def rows(self) -> dict[str, dict[str, float]]:
        return values(gauges.of_rows(self.log, self.store, lambda: LATER))

    def jobs(self) -> dict[str, dict[str, float]]:
        self.projector.catch_up()
        return values(gauges.of_jobs(self.log, self.store, lambda: LATER))


class TestRows:
    def test_lag_is_told_in_events_and_in_seconds(self) -> None:
        system = System()
        written(system.log, "pipeline-1", 0, named(), recorded_at=NOW)
        written(system.log, "pipeline-2", 0, named(), recorded_at=NOW + timedelta(seconds=60))
        behind = system.rows()
        assert behind["projection_lag_events"]["jobs"] == 2
        assert behind["projection_lag_seconds"]["jobs"] == 90
        system.projector.catch_up()
        there = system.rows()
        assert set(there["projection_lag_events"].values()) == set(there["projection_lag_seconds"].values()) == {0.0}
        assert there["log_head_position"] == {"": 2}

    def test_a_key_that_is_parked_is_counted_once_and_by_its_oldest_event(self) -> None:
        system = System()
        for number in (1, 2):
            stored = record(named(), number, "pipeline-1", number, schema=99)
            system.log._keep(stored)
        system.projector.catch_up()
        found = system.rows()
        assert (found["parked_keys"]["pipelines"], found["parked_keys"]["jobs"]) == (1, 0)
        assert (found["parked_events"]["pipelines"], found["parked_events"]["jobs"]) == (2, 0)
        assert (found["parked_oldest_seconds"]["pipelines"], found["parked_oldest_seconds"]["jobs"]) == (90, 0)

    def test_messages_that_could_not_be_read_are_counted(self) -> None:
        system = System()
        system.store.park_messages([ParkedMessage("training", "offset 1", "garbage", NOW)], 10)
        assert system.rows()["parked_messages"] == {"training": 1}


class TestJobs:
    def test_jobs_are_counted_by_status_and_all_statuses_are_named(self) -> None:
        system = System()
        for number in range(3):
            written(system.log, f"job-{number}", 0, job_created())
        written(system.log, "job-1", 1, JobStarted(worker="w", attempt=1))
        assert system.jobs()["jobs"] == {"created": 2, "running": 1, "succeeded": 0, "failed": 0, "cancelled": 0}

    def test_a_job_waits_since_it_was_let_wait_again(self) -> None:
        system = System()
        assert system.jobs()["queue_oldest_seconds"] == {"": 0}
        written(system.log, "job-1", 0, job_created(), JobStarted(worker="w", attempt=1), recorded_at=NOW)
        reclaimed = JobReclaimed(attempt=1, cause="worker_lost", begun=False)
        written(system.log, "job-1", 2, reclaimed, recorded_at=NOW + timedelta(seconds=80))
        assert system.jobs()["queue_oldest_seconds"] == {"": 10}
        written(system.log, "job-2", 0, job_created(), recorded_at=NOW + timedelta(seconds=40))
        assert system.jobs()["queue_oldest_seconds"] == {"": 50}


class TestQueueTimes:
    @pytest.fixture
    def claims(self) -> deque[Recorded]:
        return deque()

    def waited(self, times: gauges.QueueTimes) -> tuple[float, float]:
        (family,) = times.measure()
        samples = {sample.name.removeprefix("skyulf_queue_seconds_"): sample.value for sample in family.samples}
        return samples.get("count", 0), samples.get("sum", 0)

    def at(self, seconds: float) -> dict[str, object]:
        return {"recorded_at": NOW + timedelta(seconds=seconds)}

    def test_each_claim_counts_from_what_let_the_job_wait(self, claims: deque[Recorded]) -> None:
        log = MemoryEventLog(new_id)
        times = gauges.QueueTimes(log, claims)
        written(log, "job-1", 0, job_created(), **self.at(0))
        claims.extend(written(log, "job-1", 1, JobStarted(worker="w", attempt=1), **self.at(2)))
        written(log, "job-1", 2, JobProgressed(attempt=1, stage="fit", fraction=0.5), **self.at(3))
        written(log, "job-1", 3, JobReclaimed(attempt=1, cause="worker_lost", begun=True), **self.at(4))
        claims.extend(written(log, "job-1", 4, JobStarted(worker="w", attempt=2), **self.at(9)))
        assert self.waited(times) == (2, 7)
        assert self.waited(times) == (2, 7)

    def test_claims_are_kept_while_the_log_is_away(
        self, claims: deque[Recorded], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log = MemoryEventLog(new_id)
        times = gauges.QueueTimes(log, claims)
        written(log, "job-1", 0, job_created(), **self.at(0))
        claims.extend(written(log, "job-1", 1, JobStarted(worker="w", attempt=1), **self.at(2)))

        def away(_: object) -> None:
            raise Unavailable("the database does not answer")

        with monkeypatch.context() as patched:
            patched.setattr(log, "load", away)
            with pytest.raises(Unavailable):
                self.waited(times)
        assert self.waited(times) == (1, 2)
