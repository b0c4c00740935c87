"""Relays as real processes, stopped and killed at any moment: nothing is skipped, and nothing published twice."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from builders import job_created, written
from services.kafka import Broker
from system import System, eventually, forest, kinds, log_of
from topics import cluster, published, repeats

from skyulf.adapters.kafka_client import Kafka
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.system import new_id
from skyulf.events.base import Recorded

SEED = 20_260_303

KILLS = 2


class Process:
    """A relay process, and what it said."""

    def __init__(self, log: Path, kafka: Kafka, said: Path) -> None:
        self._said = said
        script = Path(__file__).with_name("relay_process.py")
        command = [sys.executable, str(script), str(log), kafka.bootstrap, kafka.prefix]
        with said.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out)

    @property
    def working(self) -> bool:
        lines = self._said.read_text().splitlines()
        return bool(lines) and lines[-1] == "working" and self.process.poll() is None

    def ever_worked(self) -> bool:
        return "working" in self._said.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Relays:
    """Relay processes on one log; two of them live at any time, once they have been started."""

    def __init__(self, folder: Path, kafka: Kafka) -> None:
        self.path = folder / "events.db"
        self.log = SqliteEventLog(self.path, new_id)
        self.kafka = kafka
        self.processes: list[Process] = []
        self._folder = folder
        self._written = 0

    def start(self) -> Process:
        process = Process(self.path, self.kafka, self._folder / f"said-{len(self.processes)}.txt")
        self.processes.append(process)
        return process

    def append(self, count: int) -> None:
        for _ in range(count):
            self._written += 1
            written(self.log, f"job-{self._written}", 0, job_created())

    def working(self, but: Process | None = None) -> Process:
        """The one that works, other than ``but``."""

        def one_works() -> Process | None:
            return next((one for one in self.processes if one is not but and one.working), None)

        return eventually(one_works)

    def all_published(self) -> list[Recorded]:
        """What is in the topics, once the newest event is."""
        head = self.log.head()

        def newest_is_there() -> list[Recorded] | None:
            found = published(self.kafka)
            return found if found and found[-1].position >= head else None

        return eventually(newest_is_there, every=0.2)


@pytest.fixture
def relays(tmp_path: Path, broker: Broker) -> Iterator[Relays]:
    relays = Relays(tmp_path, cluster(broker.bootstrap))
    with closing(relays.log):
        relays.append(50)
        relays.start()
        relays.start()
        try:
            yield relays
        finally:
            for process in relays.processes:
                process.kill()


def whole(relays: Relays, found: list[Recorded]) -> bool:
    return {event.position for event in found} == set(range(1, relays.log.head() + 1))


def test_relays_are_killed_in_the_middle_of_their_work(relays: Relays) -> None:
    chance = random.Random(SEED)
    for _ in range(KILLS):
        worker = relays.working()
        relays.append(400)
        time.sleep(chance.uniform(0.0, 0.4))  # any moment: in the middle of a batch, more often than not
        worker.kill()
        relays.start()
        assert relays.working(but=worker) is not worker
    found = relays.all_published()
    assert whole(relays, found)
    assert repeats(found) == 0


def test_a_relay_that_was_stopped_for_too_long_publishes_nothing_more(relays: Relays) -> None:
    zombie = relays.working()
    relays.append(300)
    zombie.process.send_signal(signal.SIGSTOP)
    relays.append(100)
    heir = relays.working(but=zombie)
    assert whole(relays, relays.all_published())
    zombie.process.send_signal(signal.SIGCONT)
    relays.append(100)
    eventually(lambda: not zombie.working)
    relays.append(100)
    found = relays.all_published()
    assert whole(relays, found)
    assert repeats(found) == 0
    assert heir.working
    heir.kill()
    assert relays.working(but=heir) is zombie, "and it may work again when its turn comes"


@contextmanager
def serving(folder: Path, kafka: Kafka) -> Iterator[System]:
    names = {"kafka_bootstrap": kafka.bootstrap, "kafka_prefix": kafka.prefix, "kafka_partitions": kafka.partitions}
    with ExitStack() as stack:
        yield stack.enter_context(System(folder, **names)).start()


def test_a_server_trains_and_publishes_and_is_killed(tmp_path: Path, broker: Broker) -> None:
    kafka = cluster(broker.bootstrap)
    with serving(tmp_path, kafka) as system:
        job = system.submit(system.upload(), model_name="tiny")
        system.wait(job, "running", "succeeded")
        system.server.kill()
        system.start()
        assert system.wait(job)["status"] == "succeeded"
        events = system.events()
        eventually(lambda: published(kafka)[-1:] and published(kafka)[-1].position >= events[-1]["position"], every=0.2)
        assert system.server.stop() == 0
    found = published(kafka)
    assert len(found) >= len(events)
    assert found == log_of(system.data_dir)[: len(found)], "in the topics as in the log, each once"
    assert kinds(events).count("ModelTrained") == 1


def test_a_server_works_while_kafka_does_not(tmp_path: Path) -> None:
    with serving(tmp_path, cluster("127.0.0.1:1")) as system:
        dataset = system.upload()
        system.trained(dataset)
        endless = system.submit(dataset, forest(10_000))
        system.wait(endless, "running")
        system.cancel(endless)
        assert system.wait(endless)["status"] == "cancelled", "no message told the worker"
        eventually(lambda: "workers find jobs in the queue only" in system.server.said())
        assert system.server.stop() == 0
        said = system.server.said()
    assert "events are not published, and will be later: SKYULF_KAFKA_BOOTSTRAP: no broker answers" in said
    assert "Traceback" not in said
    assert "kafka.net" not in said
