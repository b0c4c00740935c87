"""Free slots are offered the oldest jobs, and at once what the worker is woken for."""

import threading
import time

from skyulf.reactions.offers import OFFERS, TICK, Offers


class Queue:
    def __init__(self, *jobs: str) -> None:
        self.jobs = jobs
        self.asked = 0

    def waiting(self, limit: int) -> tuple[str, ...]:
        self.asked += 1
        return self.jobs[:limit]

    def running(self, limit: int) -> tuple[()]:
        return ()


def test_the_oldest_that_wait_come_before_what_the_worker_was_woken_for() -> None:
    offers = Offers(Queue("job-1", "job-2"))
    offers.name("job-3")
    assert offers.next() == ("job-1", "job-2")
    assert offers.next() == ("job-3",), "the queue was just asked, and none of its jobs could be had"


def test_a_slot_that_waits_gets_at_once_what_the_worker_is_woken_for_and_one_slot_alone() -> None:
    offers, queue = Offers(Queue()), Queue()
    assert queue.asked == 0
    got: list[tuple[str, ...]] = []
    slots = [threading.Thread(target=lambda: got.append(offers.next())) for _ in range(2)]
    for slot in slots:
        slot.start()
    offers.name("job-1")
    for slot in slots:
        slot.join()
    assert sorted(got) == [(), ("job-1",)]


def test_a_slot_that_has_worked_looks_at_the_queue_at_once_and_an_idle_one_at_intervals() -> None:
    queue = Queue()
    offers = Offers(queue)
    begun = time.monotonic()
    assert offers.next() == ()
    assert time.monotonic() - begun < 2 * TICK
    queue.jobs = ("job-1",)
    offers.worked()
    assert offers.next() == ("job-1",)
    assert queue.asked == 2


def test_jobs_that_came_while_all_were_busy_do_not_pile_up() -> None:
    offers = Offers(Queue())
    for number in range(3 * OFFERS):
        offers.name(f"job-{number}")
    tried = [offers.next() for _ in range(OFFERS)]
    assert tried[-1] == (f"job-{3 * OFFERS - 1}",)
    assert not offers.any_named()


def test_who_waits_is_let_go_at_the_end() -> None:
    offers = Offers(Queue())
    waiting = threading.Thread(target=offers.next)
    waiting.start()
    offers.close()
    waiting.join()
    assert offers.next() == ()
