"""``kill -9`` at random moments under load: nothing that was acknowledged is lost, and nothing is done twice."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from system import ENDED, PATIENCE, QUICK, System, eventually, forest, kinds, rebuilt_rows, stored_rows

KILLS = 32

SEED = 20_260_303

CLIENTS = 4

JOBS_OF_A_CLIENT = 8

WORKERS_LOST = 10
"""A job whose workers died under it so often fails."""


@dataclass
class Acknowledged:
    """A command that was taken, and what was answered."""

    key: str
    method: str
    path: str
    answer: dict[str, Any]


@dataclass
class Client:
    """Sends commands one after the other, each until it is answered: again, with its key, after a lost connection."""

    system: System
    number: int
    dataset: str
    over: threading.Event
    random: random.Random
    acknowledged: list[Acknowledged] = field(default_factory=list)
    refused: list[httpx.Response] = field(default_factory=list)
    sent: set[str] = field(default_factory=set)
    repeated: int = 0
    jobs: list[str] = field(default_factory=list)
    pipelines: list[str] = field(default_factory=list)
    failure: BaseException | None = None

    def run(self) -> None:
        try:
            actions: list[Callable[[], None]] = [
                self.submit, self.cancel, self.retry, self.create_pipeline, self.revise, self.alias, self.deploy,
            ]  # fmt: skip
            while not self.over.wait(0.02):
                self.random.choice(actions)()
        except BaseException as error:  # noqa: BLE001 - told by the test
            self.failure = error

    def command(self, method: str, path: str, body: Any = None) -> dict[str, Any] | None:
        """The answer, or None where the state forbids it."""
        key = f"client-{self.number}-{len(self.sent)}"
        self.sent.add(key)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                answer = self.system.ask(method, path, json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                self.repeated += 1
                self.over.wait(0.05)
                continue
            if answer.status_code == 503:
                assert int(answer.headers["Retry-After"]) >= 1
                self.over.wait(0.05)
                continue
            if answer.status_code in (200, 201, 202):
                self.acknowledged.append(Acknowledged(key, method, path, answer.json()))
                return dict(answer.json())
            self.refused.append(answer)
            return None
        raise TimeoutError(f"{method} {path} was never answered")

    def submit(self) -> None:
        if len(self.jobs) >= JOBS_OF_A_CLIENT:
            self.over.wait(0.1)
            return
        spec = self.random.choice([QUICK, QUICK, forest(200)])
        body = {"dataset_id": self.dataset, "spec": spec, "model_name": f"model-{self.number % 2}"}
        answer = self.command("POST", "/v1/jobs", body)
        assert answer is not None
        self.jobs.append(answer["id"])

    def cancel(self) -> None:
        if self.jobs and self.random.random() < 0.1:
            self.command("POST", f"/v1/jobs/{self.random.choice(self.jobs)}/cancel")

    def retry(self) -> None:
        if self.jobs and self.random.random() < 0.1:
            self.command("POST", f"/v1/jobs/{self.random.choice(self.jobs)}/retry")

    def create_pipeline(self) -> None:
        answer = self.command("POST", "/v1/pipelines", {"name": f"of client {self.number}", "spec": QUICK})
        assert answer is not None
        self.pipelines.append(answer["id"])

    def revise(self) -> None:
        if self.pipelines:
            name = f"revision {len(self.sent)}"
            path = f"/v1/pipelines/{self.random.choice(self.pipelines)}"
            assert self.command("PUT", path, {"name": name, "spec": QUICK})

    def alias(self) -> None:
        body = {"model_version": self.random.choice([1, 2]), "reason": "a try"}
        assert self.command("PUT", f"/v1/models/given/aliases/{self.random.choice('ab')}", body)

    def deploy(self) -> None:
        body = {"model": "given", "model_version": self.random.choice([1, 2]), "reason": "a try"}
        assert self.command("PUT", f"/v1/deployments/{self.random.choice('de')}", body)


def kill_at_random_moments(system: System, dice: random.Random) -> None:
    """Kill and start again: while it starts, while it answers, just after a job has begun, just after one has ended."""
    for number in range(KILLS):
        moment = ("begun", "answering", "ended", "starting")[number % 4]
        if moment == "starting":
            pause(dice.uniform(0.1, 2.0))
        else:
            eventually(system.ready_or_over)
            assert system.server.alive, system.server.said()
            if moment == "answering":
                pause(dice.uniform(0.0, 1.0))
            else:
                there = partial(trains if moment == "begun" else has_trained, system, models(system))
                eventually(there)
                pause(dice.uniform(0.0, 0.2))
        system.server.kill()
        system.spawn()


def waits(system: System) -> bool:
    """Whether there is a job that has not ended."""
    return any(system.get("/v1/jobs", status=status, limit=1)["items"] for status in ("created", "running"))


def models(system: System) -> int:
    return len(system.events(type="ModelTrained"))


def trains(system: System, _: int) -> bool:
    return system.server.training() is not None or not waits(system)


def has_trained(system: System, before: int) -> bool:
    return models(system) > before or not waits(system)


def pause(seconds: float) -> None:
    """Let a random while go by: what is tested is that any moment will do."""
    threading.Event().wait(seconds)


@pytest.mark.timeout(900)
def test_nothing_is_lost_or_done_twice_whenever_the_server_is_killed(tmp_path: Path) -> None:
    with System(tmp_path) as system:
        system.start()
        dataset = system.upload()
        for _ in range(2):
            system.trained(dataset, model_name="given")
        over = threading.Event()
        clients = [Client(system, n, dataset, over, random.Random(SEED + n)) for n in range(CLIENTS)]
        threads = [threading.Thread(target=client.run) for client in clients]
        begun = system.events()
        for thread in threads:
            thread.start()
        try:
            kill_at_random_moments(system, random.Random(SEED))
        finally:
            over.set()
            for thread in threads:
                thread.join()
        for client in clients:
            assert client.failure is None, repr(client.failure)
        eventually(system.ready_or_over)
        eventually(lambda: not waits(system), seconds=2 * PATIENCE)
        events = system.events()
        assert events[: len(begun)] == begun
        check_order(events)
        check_commands(events, clients)
        check_jobs(events, clients)
        check_models(events)
        assert sum(client.repeated for client in clients) > KILLS
        assert system.server.stop() == 0
        assert stored_rows(system.data_dir) == rebuilt_rows(system.data_dir)


def check_order(events: list[dict[str, Any]]) -> None:
    """Positions rise, and the versions of each stream are dense."""
    positions = [event["position"] for event in events]
    assert positions == sorted(set(positions))
    versions: dict[str, int] = defaultdict(int)
    for event in events:
        versions[event["subject"]] += 1
        assert event["streamversion"] == versions[event["subject"]]


def check_commands(events: list[dict[str, Any]], clients: list[Client]) -> None:
    """Every acknowledged command stands in the log as it was answered, once; and nothing that nobody sent."""
    written: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event["actor"] == "local":
            written[event["commandid"]].append(event)
    sent = set().union(*(client.sent for client in clients))
    acknowledged = {command.key: command for client in clients for command in client.acknowledged}
    assert {key for key in written if key.startswith("client-")} <= sent
    by_position = {event["position"]: event for event in events}
    for key, command in acknowledged.items():
        answer = command.answer
        if key not in written:  # it found nothing to do, and answered what stood there
            assert command.method == "PUT" or command.path.endswith("/cancel"), command
            last = by_position[answer["position"]]
            assert last["subject"] == answer["id"]
            assert last["streamversion"] == answer["version"]
            continue
        assert [event["ordinal"] for event in written[key]] == list(range(len(written[key])))
        assert written[key][-1]["position"] == answer["position"]
        assert max(e["streamversion"] for e in written[key] if e["subject"] == answer["id"]) == answer["version"]
    for client in clients:
        assert not [answer.text for answer in client.refused if answer.status_code != 409]
        # Whoever was refused wrote nothing; everything else was answered in the end.
        assert len(client.sent) == len(client.acknowledged) + len(client.refused)
    assert set(written) & sent <= set(acknowledged)
    made = [e["subject"] for e in events if e["type"] in ("skyulf.JobCreated", "skyulf.PipelineCreated")]
    for client in clients:
        assert len(set(client.jobs)) == len(client.jobs)
        assert set(client.jobs) | set(client.pipelines) <= set(made)
    assert len(made) == 2 + sum(len(client.jobs) + len(client.pipelines) for client in clients)


MOVES = {
    "JobCreated": {"": "created"},
    "JobStarted": {"created": "running"},
    "JobProgressed": {"running": "running"},
    "JobCancelRequested": {"running": "running"},
    "JobReclaimed": {"running": "created"},
    "JobRetried": {"failed": "created", "cancelled": "created"},
    "ModelTrained": {"running": "succeeded"},
    "ModelPackaged": {"succeeded": "succeeded"},
    "ModelExplained": {"succeeded": "succeeded"},
    "JobFailed": {"running": "failed"},
    "JobCancelled": {"created": "cancelled", "running": "cancelled"},
}
"""What each event makes of a job's status, and of which only."""


def check_jobs(events: list[dict[str, Any]], clients: list[Client]) -> None:
    """Every job has ended, once since it was last retried; what was interrupted was taken up again."""
    streams: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event["subject"].startswith("job-"):
            streams[event["subject"]].append(event)
    assert set().union(*(client.jobs for client in clients)) <= set(streams)
    for stream, happened in streams.items():
        status, attempt, lost = "", 0, 0
        for event, kind in zip(happened, kinds(happened), strict=True):
            assert status in MOVES[kind], (stream, kinds(happened))
            status = MOVES[kind][status]
            attempt += kind == "JobStarted"
            assert event["data"].get("attempt", attempt) == attempt, (stream, kinds(happened))
            if kind == "JobReclaimed":
                assert event["data"]["cause"] == "worker_lost"
                lost += event["data"]["begun"]
            elif kind == "JobRetried":
                lost = 0
            elif kind == "JobFailed":
                assert (event["data"]["problem"]["type"], lost) == ("workers-lost", WORKERS_LOST - 1)
        assert status in ENDED, (stream, kinds(happened))
        assert all(kinds(happened).count(once) <= 1 for once in ("ModelTrained", "ModelPackaged", "ModelExplained"))
    assert "JobReclaimed" in kinds(events)


def check_models(events: list[dict[str, Any]]) -> None:
    """The versions of each model are dense, and each is the one of one job that succeeded."""
    registered: dict[str, list[tuple[int, str]]] = defaultdict(list)
    trained: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for event, kind in zip(events, kinds(events), strict=True):
        data = event["data"]
        if kind == "ModelVersionRegistered":
            registered[event["subject"]].append((data["model_version"], data["job_id"]))
        elif kind == "ModelTrained":
            trained[f"model-{data['model_name']}"].append((data["model_version"], event["subject"]))
    assert registered == trained
    assert len(registered) == 3
    for versions in registered.values():
        assert [number for number, _ in versions] == list(range(1, len(versions) + 1))
        assert len({job for _, job in versions}) == len(versions)
