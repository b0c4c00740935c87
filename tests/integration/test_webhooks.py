"""Deliveries to a real receiver, from a log in memory: what is sent, what follows from events, and what is refused."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
from builders import named, renamed, sequential_ids, written
from httpx import create_ssl_context
from loops import CountingLoop
from receiver import Receiver, receiving
from services.postgres import Databases

from skyulf.adapters.memory_deliveries import MemoryDeliveryStore
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.postgres_log import PostgresEventLog
from skyulf.adapters.postgres_schema import migrate_database
from skyulf.adapters.webhook_sender import HttpSender
from skyulf.errors import Unavailable
from skyulf.events.base import DomainEvent
from skyulf.events.delivery_store import DeliveryStore, Progress
from skyulf.events.webhook import (
    DeliveryRetried,
    DeliverySkipped,
    Filter,
    WebhookChanged,
    WebhookCreated,
    WebhookPaused,
    WebhookRemoved,
    WebhookReplayed,
    WebhookResumed,
    WebhookSecretReplaced,
)
from skyulf.reactions.webhooks import courier, lanes
from skyulf.reactions.webhooks.addresses import AddressRules
from skyulf.reactions.webhooks.deliverer import UNSIGNED, Deliverer
from skyulf.reactions.webhooks.sending import Outcome
from skyulf.reactions.webhooks.signing import Headers, hash_of, secret_of
from skyulf.runtime import ROLES, Runtime
from skyulf.settings import Settings

T = TypeVar("T")

PATIENCE = 30.0
SECRET, OTHER = secret_of(b"a" * 32), secret_of(b"b" * 32)
HERE = AddressRules.of(["127.0.0.0/8"])
PIPELINES = Filter(nouns=("pipeline",))


def until(look: Callable[[], T]) -> T:
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)
    return found


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is tried again soon."""
    monkeypatch.setattr(lanes, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(lanes, "LAST_PAUSE", 0.05)
    monkeypatch.setattr(courier, "SAVE", 0.02)


class Scene:
    """A log with webhooks in it, and what is kept of them."""

    def __init__(self, log: MemoryEventLog) -> None:
        self.log = log
        self.store = MemoryDeliveryStore()
        self.store.keep_secret(hash_of(SECRET), SECRET)
        self.store.keep_secret(hash_of(OTHER), OTHER)

    def add(self, stream: str, *events: DomainEvent) -> int:
        """Add events to a stream; the position of the last."""
        version = len(self.log.load({stream: 0})[stream])
        return written(self.log, stream, version, *events)[-1].position

    def hook(self, url: str, name: str = "1", after: int | None = None, wanted: Filter = PIPELINES) -> None:
        created = WebhookCreated(url=url, filter=wanted, after=after, secret_hash=hash_of(SECRET))
        self.add(f"webhook-{name}", created)

    def kept(self, name: str = "1") -> Progress | None:
        return self.store.load(f"webhook-{name}")

    def caught_up(self, name: str = "1") -> bool:
        kept = self.kept(name)
        return kept is not None and kept.position >= self.log.head() and not kept.waiting


@pytest.fixture
def scene(memory_log: MemoryEventLog) -> Scene:
    return Scene(memory_log)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def deliverer_of(
    scene: Scene, leads: Callable[[], bool] = lambda: True, store: DeliveryStore | None = None
) -> Deliverer:
    return Deliverer(
        scene.log,
        store or scene.store,
        lambda: HttpSender(HERE, 5.0, create_ssl_context()),
        leads,
        lambda: datetime.now(UTC),
        lambda: 1.0,
    )


@contextmanager
def delivering(scene: Scene, **options: object) -> Iterator[Deliverer]:
    deliverer = deliverer_of(scene, **options)  # type: ignore[arg-type]
    deliverer.start()
    try:
        yield deliverer
    finally:
        deliverer.close()


def test_what_is_asked_for_is_delivered_in_order_and_signed(scene: Scene, receiver: Receiver) -> None:
    scene.add("pipeline-1", named())
    scene.hook(receiver.url)
    for _ in range(3):
        scene.add("pipeline-1", renamed())
        scene.add("model-irises", WebhookPaused())  # of another noun, whatever it says
    with delivering(scene):
        until(lambda: len(receiver.taken) == 3)
        scene.add("pipeline-2", named())
        until(lambda: len(receiver.taken) == 4)
        until(scene.caught_up)
    assert receiver.first_times() == {"pipeline-1": [2, 3, 4], "pipeline-2": [1]}
    assert all(delivery.signed_with(SECRET) for delivery in receiver.taken)
    assert all(not delivery.signed_with(OTHER) for delivery in receiver.taken)
    assert len(receiver.taken) == 4


def test_it_goes_on_where_the_last_one_ended(scene: Scene, receiver: Receiver) -> None:
    scene.hook(receiver.url, after=0)
    for number in range(3):
        scene.add(f"pipeline-{number}", named(), renamed())
        with delivering(scene):
            until(scene.caught_up)
    assert len(receiver.taken) == 6


def test_a_stream_that_fails_holds_up_no_other_and_comes_in_order_in_the_end(scene: Scene, receiver: Receiver) -> None:
    receiver.answer = lambda delivery: 500 if delivery.event["subject"] == "pipeline-bad" else 204
    scene.hook(receiver.url)
    for _ in range(5):
        for name in ("bad", "good"):
            stream = f"pipeline-{name}"
            scene.add(stream, renamed() if scene.log.load({stream: 0})[stream] else named())
    with delivering(scene) as deliverer:
        until(lambda: len(receiver.taken) == 5)
        assert "pipeline-bad" not in receiver.first_times()
        until(lambda: (kept := scene.kept()) and kept.waiting and kept.waiting[0].parked)
        kept = scene.kept()
        assert kept is not None
        (waiting,) = kept.waiting
        assert (waiting.stream, waiting.error, waiting.position) == ("pipeline-bad", "answered 500", 2)
        assert deliverer.attempts["webhook-1", "failed"] >= lanes.PARKED_AFTER
        receiver.answer = lambda _: 204
        scene.add("webhook-1", DeliveryRetried(stream="pipeline-bad"))
        until(scene.caught_up)
    assert receiver.first_times()["pipeline-bad"] == [1, 2, 3, 4, 5]


def test_what_is_skipped_lets_those_behind_it_through_and_is_left_out_of_replays(
    scene: Scene, receiver: Receiver
) -> None:
    receiver.answer = lambda delivery: 400 if delivery.event["streamversion"] == 1 else 204
    scene.hook(receiver.url)
    first = scene.add("pipeline-1", named())
    scene.add("pipeline-1", renamed(), renamed())
    with delivering(scene):
        until(lambda: (kept := scene.kept()) and kept.waiting)
        scene.add("webhook-1", DeliverySkipped(stream="pipeline-1", position=first))
        until(scene.caught_up)
        scene.add("webhook-1", WebhookReplayed(after=0))
        until(lambda: len(receiver.taken) == 4)
        until(scene.caught_up)
    assert [delivery.event["streamversion"] for delivery in receiver.taken] == [2, 3, 2, 3]


def test_a_replay_delivers_everything_again_once(scene: Scene, receiver: Receiver) -> None:
    scene.add("pipeline-1", named(), renamed())
    scene.hook(receiver.url)
    scene.add("pipeline-1", renamed())
    with delivering(scene):
        until(scene.caught_up)
        scene.add("webhook-1", WebhookReplayed(after=0))
        until(lambda: len(receiver.taken) == 4)
    with delivering(scene):  # it is not taken for a new one
        scene.add("pipeline-1", renamed())
        until(scene.caught_up)
    assert [delivery.event["streamversion"] for delivery in receiver.taken] == [3, 1, 2, 3, 4]


def test_while_it_is_paused_nothing_comes_and_then_all_of_it(scene: Scene, receiver: Receiver) -> None:
    scene.hook(receiver.url)
    scene.add("webhook-1", WebhookPaused())
    scene.hook(receiver.url + "/witness", "2")
    scene.add("pipeline-1", named(), renamed())
    with delivering(scene):
        until(lambda: scene.caught_up("2"))
        assert {delivery.path for delivery in receiver.taken} == {"/hook/witness"}
        scene.add("webhook-1", WebhookResumed())
        until(scene.caught_up)
    assert [delivery.path for delivery in receiver.taken].count("/hook") == 2


def test_a_change_holds_from_the_next_event_on(scene: Scene, receiver: Receiver) -> None:
    scene.hook(receiver.url)
    scene.add("pipeline-1", named())
    with delivering(scene):
        until(scene.caught_up)
        scene.add("webhook-1", WebhookChanged(url=f"{receiver.url}/other", filter=Filter(streams=("pipeline-2",))))
        scene.add("webhook-1", WebhookSecretReplaced(secret_hash=hash_of(OTHER)))
        until(lambda: scene.store.secret(hash_of(SECRET)) is None)
        scene.add("pipeline-1", renamed())
        scene.add("pipeline-2", named())
        until(lambda: len(receiver.taken) == 2)
        until(scene.caught_up)
    last = receiver.taken[-1]
    assert (last.path, last.event["subject"], last.signed_with(OTHER)) == ("/hook/other", "pipeline-2", True)
    assert len(receiver.taken) == 2


def test_of_one_that_is_removed_nothing_is_kept(scene: Scene, receiver: Receiver) -> None:
    scene.hook(receiver.url)
    scene.add("pipeline-1", named())
    with delivering(scene):
        until(scene.caught_up)
        scene.add("webhook-1", WebhookRemoved())
        until(lambda: scene.kept() is None and scene.store.secret(hash_of(SECRET)) is None)
        scene.add("pipeline-1", renamed())
    assert len(receiver.taken) == 1


def test_a_log_that_was_replayed_elsewhere_delivers_nothing(
    scene: Scene, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    scene.hook(receiver.url, after=0)
    scene.add("pipeline-1", named())
    with delivering(scene, store=MemoryDeliveryStore()) as deliverer:
        until(lambda: deliverer.status().webhooks)
        assert [each.problem for each in deliverer.status().webhooks] == [UNSIGNED]
    assert receiver.asked == 0
    assert [record.message for record in caplog.records if "replace it" in record.message]


def test_one_works_and_the_others_stand_by_until_it_is_gone(scene: Scene, receiver: Receiver) -> None:
    turn = threading.Event()
    scene.hook(receiver.url)
    with delivering(scene, leads=turn.is_set) as second:
        with delivering(scene) as first:
            scene.add("pipeline-1", named())
            until(scene.caught_up)
            assert (first.working, second.working) == (True, False)
        turn.set()
        scene.add("pipeline-1", renamed())
        until(scene.caught_up)
        assert second.working
        turn.clear()
        until(lambda: not second.working)
        assert not second.status().webhooks
    assert receiver.first_times() == {"pipeline-1": [1, 2]}


def test_a_slow_receiver_holds_up_no_other(scene: Scene, receiver: Receiver) -> None:
    held = threading.Event()
    with receiving() as slow:
        slow.answer = lambda _: 204 if held.wait(PATIENCE) else 500
        scene.hook(slow.url, "slow")
        scene.hook(receiver.url)
        for number in range(20):
            scene.add(f"pipeline-{number}", named())
        with delivering(scene):
            until(scene.caught_up)
            assert not slow.taken
            held.set()
            until(lambda: scene.caught_up("slow"))
    assert len(receiver.taken) == 20


def test_many_appends_are_few_wake_ups(scene: Scene) -> None:
    loop = CountingLoop()
    deliverer = deliverer_of(scene)
    deliverer._loop.close()
    deliverer._loop = loop
    deliverer.start()
    try:
        until(lambda: deliverer.working)
        before = loop.woken
        begun = time.monotonic()
        for _ in range(500):
            deliverer._hear()
            time.sleep(0.0005)  # time for the loop to listen again, were it to do so at once
        seconds = time.monotonic() - begun
    finally:
        deliverer.close()
    # Each look at which webhooks there are, in a thread, wakes the loop as well, twice in a tenth of a second.
    assert loop.woken - before < 20 + 50 * seconds


class Failing(MemoryDeliveryStore):
    """Is away now and then."""

    asked = 0

    def save(self, webhook: str, progress: Progress) -> None:
        self.asked += 1
        if self.asked == 1:
            raise Unavailable("the store is away")
        super().save(webhook, progress)


def test_a_store_that_is_away_is_waited_for(
    scene: Scene, receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "AGAIN", 0.01)
    store = Failing()
    store.keep_secret(hash_of(SECRET), SECRET)
    scene.store = store
    scene.hook(receiver.url)
    scene.add("pipeline-1", named())
    with delivering(scene):
        until(scene.caught_up)
    told = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == [
        "nothing is delivered to webhook-1 for now: the store is away",
        "events are delivered to webhook-1 again",
    ]


class Faulty(HttpSender):
    """Has a fault that shows with one event."""

    async def send(self, url: str, headers: Headers, body: bytes) -> Outcome:
        if b'"streamversion":2' in body:
            raise KeyError("nobody thought of it")
        return await super().send(url, headers, body)


def test_a_fault_of_ours_is_tried_again_parked_and_told(
    scene: Scene, receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.hook(receiver.url)
    scene.add("pipeline-1", named(), renamed())
    monkeypatch.setattr("test_webhooks.HttpSender", Faulty)
    with delivering(scene):
        until(lambda: (kept := scene.kept()) and kept.waiting and kept.waiting[0].parked)
    (waiting,) = (scene.kept() or Progress(0, 0)).waiting
    assert (waiting.position, waiting.error) == (3, "a fault of the server: KeyError")
    assert "could not be sent" in caplog.text


def test_on_postgres_one_process_delivers_and_another_takes_over(
    postgres: Databases, receiver: Receiver, tmp_path: Path
) -> None:
    url = postgres.schema()
    migrate_database(url)
    settings = Settings(
        data_dir=tmp_path, database_url=url, artifacts_url=(tmp_path / "artifacts").as_uri(), webhook_hosts="127.0.0.1"
    )
    with closing(PostgresEventLog(url, sequential_ids())) as log, ExitStack() as stack:
        written(log, "webhook-1", 0, WebhookCreated(url=receiver.url, filter=PIPELINES, secret_hash=hash_of(SECRET)))
        first, second = (Runtime(settings, ROLES["webhooks"]) for _ in range(2))
        stack.callback(second.close)
        with closing(first):
            first.deliveries.keep_secret(hash_of(SECRET), SECRET)
            first.start()
            until(lambda: first.deliverer.working)
            second.start()
            written(log, "pipeline-1", 0, named())
            until(lambda: len(receiver.taken) == 1)
            until(lambda: second.ready() == {"status": "ready", "role": "webhooks", "webhooks": "standing by"})
        written(log, "pipeline-1", 1, renamed())
        until(lambda: len(receiver.taken) == 2)
        assert second.ready()["webhooks"] == "working"
    assert receiver.first_times() == {"pipeline-1": [1, 2]}
    assert all(delivery.signed_with(SECRET) for delivery in receiver.taken)
