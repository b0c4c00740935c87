"""Whatever fails and whenever it is killed: every event is delivered, and of each stream in order."""

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from builders import NOW, record, renamed

from skyulf.events.base import Recorded
from skyulf.events.delivery_store import Progress, Waiting
from skyulf.reactions.webhooks import lanes as module
from skyulf.reactions.webhooks.lanes import IN_HAND, PARKED_AFTER, PARKED_PAUSE, Lane, Lanes, pause_after

FULL = 1.0


def history(streams: Sequence[int]) -> list[Recorded]:
    """Events of these streams, one after the other; positions have gaps."""
    versions: dict[int, int] = defaultdict(int)
    events = []
    for number, stream in enumerate(streams):
        versions[stream] += 1
        events.append(record(renamed(str(number)), 3 * number + 2, f"pipeline-{stream}", versions[stream]))
    return events


class Receiver:
    """A log, a webhook that follows it, and what the receiver has got; time goes by as it is told to."""

    def __init__(self, events: list[Recorded], progress: Progress | None = None, page: int = 7) -> None:
        self.events = events
        self.page = page
        self.now = NOW
        self.got: list[Recorded] = []
        self.begin(progress or Progress(1, 0))

    def begin(self, progress: Progress, skipped: frozenset[int] = frozenset()) -> None:
        """Begin as a process does that finds this progress."""
        self.lanes = Lanes(progress, lambda: FULL, skipped)

    @property
    def head(self) -> int:
        return self.events[-1].position if self.events else 0

    def read(self, after: int, limit: int, stream: str | None = None, until: int = 10**9) -> tuple[list[Recorded], int]:
        found = [event for event in self.events if after < event.position <= until and stream in (None, event.stream)][
            :limit
        ]
        return found, found[-1].position if len(found) == limit else max(after, min(until, self.head))

    def read_on(self) -> None:
        if self.lanes.room:
            self.lanes.take(*self.read(self.lanes.position, self.page))

    def turn(self) -> Lane | None:
        """The lane whose turn it is, its next event in hand."""
        lane = self.lanes.next(self.now)
        if lane is not None and self.lanes.head(lane) is None and lane.gap:
            until = lane.newest
            self.lanes.refill(lane, *self.read(lane.done, module.IN_HAND, lane.stream, until), until)
        return lane

    def settle(self, lane: Lane, fails: bool) -> None:
        if fails and lane.queue:
            self.lanes.failed(lane, "answered 500", self.now)
        elif (event := self.lanes.head(lane)) is None:
            self.lanes.untried(lane)
        else:
            self.got.append(event)
            self.lanes.delivered(lane)

    def finish(self) -> None:
        """Deliver all that is left, as time goes by."""
        for _ in range(10_000):
            self.read_on()
            lane = self.turn()
            if lane is not None:
                self.settle(lane, fails=False)
            elif self.lanes.position >= self.head and not self.lanes.progress().waiting:
                return
            else:
                self.now = max(self.now, self.lanes.due() or self.now)
        raise AssertionError("it never ends")

    def first_times(self) -> dict[str, list[int]]:
        """For each stream the positions in the order in which they came first."""
        firsts: dict[str, dict[int, None]] = defaultdict(dict)
        for event in self.got:
            firsts[event.stream].setdefault(event.position)
        return {stream: list(positions) for stream, positions in firsts.items()}

    def expected(self) -> dict[str, list[int]]:
        wanted: dict[str, list[int]] = defaultdict(list)
        for event in self.events:
            wanted[event.stream].append(event.position)
        return wanted


ACTS = ("read", "send", "send", "succeed", "succeed", "succeed", "fail", "wait", "save", "kill", "retry")


def run_wild(chance: random.Random) -> Receiver:
    """Read, deliver, fail, wait, keep and kill in any order; then let everything come to rest."""
    streams = chance.randrange(1, 6)
    receiver = Receiver(history([chance.randrange(streams) for _ in range(chance.randrange(1, 120))]))
    saved = Progress(1, 0)
    busy: list[Lane] = []
    for _ in range(chance.randrange(300)):
        act = chance.choice(ACTS)
        if act == "read":
            receiver.read_on()
        elif act == "send" and (lane := receiver.turn()) is not None:
            busy.append(lane)
        elif act in ("succeed", "fail") and busy:
            receiver.settle(busy.pop(chance.randrange(len(busy))), act == "fail")
        elif act == "wait":
            receiver.now += timedelta(seconds=chance.random())
        elif act == "save":
            saved = receiver.lanes.progress()
        elif act == "retry":
            receiver.lanes.retry(f"pipeline-{chance.randrange(streams)}")
        elif act == "kill" and chance.random() < 0.3:
            for lane in busy:  # what was under way may have arrived all the same
                if chance.random() < 0.5 and (event := receiver.lanes.head(lane)) is not None:
                    receiver.got.append(event)
            busy = []
            receiver.begin(saved)
    for lane in busy:
        receiver.settle(lane, fails=True)
    receiver.finish()
    return receiver


@pytest.mark.parametrize("in_hand", [2, IN_HAND])
def test_nothing_is_left_out_or_out_of_order_whatever_happens(in_hand: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_HAND", in_hand)
    monkeypatch.setattr(module, "MOST_LANES", 4)
    for seed in range(300):
        receiver = run_wild(random.Random(seed))
        assert receiver.first_times() == receiver.expected(), f"seed {seed}"


def test_of_a_stream_nothing_is_repeated_after_what_follows_it() -> None:
    """One that waited stands before what the log is read again from: what was delivered behind it stays delivered."""
    receiver = Receiver(history([1, 2, 1]))
    receiver.begin(Progress(1, 1, (Waiting("pipeline-1", 8, 1, "answered 500"),)))
    lane = receiver.turn()
    assert lane is not None
    receiver.settle(lane, fails=False)
    receiver.finish()
    assert [(event.stream, event.position) for event in receiver.got] == [("pipeline-1", 8), ("pipeline-2", 5)]


def test_streams_do_not_wait_for_each_other() -> None:
    receiver = Receiver(history([1, 2, 1, 2, 3]))
    receiver.read_on()
    stuck = receiver.turn()
    assert stuck is not None
    for _ in range(3):
        lane = receiver.turn()
        assert lane is not None
        receiver.settle(lane, fails=False)
    assert [event.stream for event in receiver.got] == ["pipeline-2", "pipeline-3", "pipeline-2"]
    assert receiver.turn() is None  # of a stream, one at a time


def failing(receiver: Receiver, times: int) -> datetime:
    """Fail so often; when it is tried next."""
    receiver.read_on()
    for _ in range(times):
        receiver.now = receiver.lanes.due() or receiver.now
        lane = receiver.turn()
        assert lane is not None
        receiver.settle(lane, fails=True)
    due = receiver.lanes.due()
    assert due is not None
    return due


def test_pauses_double_up_to_a_minute_and_vary() -> None:
    assert [pause_after(attempts, 1.0) for attempts in range(1, 10)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert pause_after(4, 0.0) == 2.0
    assert pause_after(10**6, 1.0) == 60.0


def test_what_keeps_failing_is_parked_and_tried_seldom() -> None:
    receiver = Receiver(history([1, 1]))
    failing(receiver, PARKED_AFTER - 1)
    (waiting,) = receiver.lanes.progress().waiting
    assert not waiting.parked
    due = failing(receiver, 1)
    (waiting,) = receiver.lanes.progress().waiting
    assert waiting.parked
    assert (waiting.attempts, waiting.error, waiting.since) == (PARKED_AFTER, "answered 500", NOW)
    assert due - receiver.now == timedelta(seconds=PARKED_PAUSE)


def test_what_somebody_asks_to_try_again_is_tried_at_once_and_as_patiently_as_at_first() -> None:
    receiver = Receiver(history([1]))
    failing(receiver, PARKED_AFTER)
    receiver.lanes.retry("pipeline-1")
    lane = receiver.turn()
    assert lane is not None
    receiver.settle(lane, fails=True)
    (waiting,) = receiver.lanes.progress().waiting
    assert (waiting.attempts, waiting.parked) == (1, False)
    receiver.lanes.retry("pipeline-2")  # of which nothing waits


def test_what_is_skipped_lets_those_behind_it_through() -> None:
    receiver = Receiver(history([1, 1, 1]))
    failing(receiver, 3)
    receiver.lanes.skip(frozenset({2}))
    receiver.finish()
    assert [event.position for event in receiver.got] == [5, 8]


def test_what_is_skipped_while_it_is_under_way_does_not_wait() -> None:
    receiver = Receiver(history([1, 1]))
    receiver.read_on()
    lane = receiver.turn()
    assert lane is not None
    receiver.lanes.skip(frozenset({2}))
    receiver.settle(lane, fails=True)
    assert receiver.lanes.due() is None
    receiver.finish()
    assert [event.position for event in receiver.got] == [5]


def test_a_receiver_may_ask_to_be_left_alone_for_a_while() -> None:
    receiver = Receiver(history([1]))
    for wish, seconds in ((30.0, 30.0), (10.0**9, module.LONGEST_WISH)):
        receiver.begin(Progress(1, 0))
        receiver.read_on()
        lane = receiver.turn()
        assert lane is not None
        receiver.lanes.failed(lane, "answered 429", receiver.now, wish)
        assert receiver.lanes.due() == receiver.now + timedelta(seconds=seconds)


def test_one_stream_that_fails_is_remembered_by_itself() -> None:
    """After a kill, those that were delivered behind it are not delivered again."""
    receiver = Receiver(history([1, *[2] * 20]))
    receiver.read_on()
    lane = receiver.turn()
    assert lane is not None
    receiver.settle(lane, fails=True)
    receiver.now -= timedelta(seconds=1)  # it is not due
    for _ in range(3):
        receiver.read_on()
        while (lane := receiver.turn()) is not None:
            receiver.settle(lane, fails=False)
    progress = receiver.lanes.progress()
    assert (progress.position, len(receiver.got)) == (receiver.head, 20)
    assert [(waiting.stream, waiting.position) for waiting in progress.waiting] == [("pipeline-1", 2)]
    receiver.begin(progress)
    receiver.finish()
    assert [event.stream for event in receiver.got[20:]] == ["pipeline-1"]


def test_a_receiver_that_is_away_fills_no_memory() -> None:
    receiver = Receiver(history([*range(3_000), *[1] * 500]), page=100)
    for _ in range(100):
        receiver.read_on()
        while (lane := receiver.turn()) is not None:
            receiver.settle(lane, fails=True)
    assert not receiver.lanes.room
    assert receiver.lanes.position < receiver.head
    assert len(receiver.lanes.progress().waiting) < module.MOST_LANES + 100
    receiver.finish()
    assert receiver.first_times() == receiver.expected()


def test_a_stream_of_many_events_is_read_again_where_it_is_slow() -> None:
    receiver = Receiver(history([1] * 300), page=100)
    for _ in range(3):
        receiver.read_on()
    lane = receiver.turn()
    assert lane is not None
    assert len(lane.queue) <= IN_HAND
    progress = receiver.lanes.progress()  # it is remembered by itself, so that no other is delivered again for it
    assert (progress.position, [waiting.stream for waiting in progress.waiting]) == (receiver.head, ["pipeline-1"])
    receiver.settle(lane, fails=False)
    receiver.finish()
    assert receiver.first_times() == receiver.expected()
    assert len(receiver.got) == 300
