"""Delivers to one webhook: several streams at once, each in its order, until it is told to stop."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar

from skyulf.errors import SkyulfError
from skyulf.events.base import Recorded
from skyulf.events.delivery_store import DeliveryStore, Progress
from skyulf.events.log import EventLog
from skyulf.events.registry import stored_types
from skyulf.reactions.webhooks.lanes import IN_HAND, Lane, Lanes
from skyulf.reactions.webhooks.sending import Outcome, Sender
from skyulf.reactions.webhooks.signing import delivery, key_of
from skyulf.reactions.webhooks.subscriptions import Subscription

AT_ONCE = 8
"""Streams of one webhook that are delivered at once."""

PAGE = 100
"""Events of the log that are read at once."""

LOOK = 1.0
"""Seconds after which the log is looked at without a wake-up."""

PACE = 0.02
"""Seconds from one look at the log to the next, unless more is waiting there."""

SAVE = 0.5
"""Seconds between two times that progress is kept: how much is delivered again after a kill."""

IDLE_SAVE = 5.0
"""The same while nothing is delivered, since nothing that is read asks for it."""

AGAIN = 2.0
"""Seconds to wait for a log or a store that is away."""

FAREWELL = 2.0
"""Seconds that deliveries under way are given to end when the process does."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


class CallInThread(Protocol):
    """Runs a function that blocks in a thread, and awaits what it gives."""

    def __call__(self, function: Callable[[], T]) -> Awaitable[T]:
        """Run it."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What couriers work with: ``call`` runs what blocks in a thread, ``share`` gives random numbers from 0 to 1.

    ``attempts`` counts by webhook and outcome, ``delivered`` or ``failed``.
    """

    log: EventLog
    store: DeliveryStore
    sender: Callable[[], Sender]
    now: Callable[[], datetime]
    share: Callable[[], float]
    call: CallInThread
    attempts: Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class CourierStatus:
    """What a courier is at: how far, None before it has begun; when the oldest event happened that it has in hand.

    ``problem`` is what keeps it from delivering anything at all, if something does.
    """

    webhook: str
    progress: Progress | None = None
    oldest: datetime | None = None
    problem: str | None = None


class Courier:
    """Delivers what a subscription asks for; ``secret`` signs it."""

    def __init__(self, subscription: Subscription, secret: str, tools: Tools) -> None:
        self.subscription = subscription
        self.status = CourierStatus(subscription.id)
        self._key = key_of(secret)
        self._types = stored_types(*subscription.state.filter.types)
        self._tools = tools
        self._stir = asyncio.Event()
        self._stopped = asyncio.Event()
        self._news = True
        self._under_way: set[asyncio.Task[None]] = set()
        self._lanes: Lanes | None = None
        self._saved: Progress | None = None
        self._unsaved = True
        self._read_at = self._note_at = self._save_at = 0.0

    def wake(self) -> None:
        """There may be something new in the log."""
        if not self._news:
            self._news = True
            self._stir.set()

    def retry(self, stream: str) -> None:
        """Try what waits of a stream now."""
        if self._lanes is not None:
            self._lanes.retry(stream)
            self._stir.set()

    def skip(self, subscription: Subscription) -> None:
        """Pass over the events that the subscription leaves out by now; in all else it is the same."""
        self.subscription = subscription
        if self._lanes is not None:
            self._lanes.skip(subscription.state.skipped)
            self._stir.set()

    def stop(self) -> None:
        """Have `run` end soon."""
        self._stopped.set()
        self._stir.set()

    async def run(self) -> None:
        """Deliver until `stop`; what is away is waited for."""
        sender = self._tools.sender()
        try:
            while not self._stopped.is_set():
                try:
                    await self._work(sender)
                except Exception as error:  # noqa: BLE001 - told, and tried again: events must go on being delivered
                    self._tell(error)
                    await within(AGAIN, self._stopped)
        finally:
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=FAREWELL)
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)
            await sender.close()
            try:
                await self._save()
            except SkyulfError as error:
                logger.warning("how far %s is could not be kept: %s", self.subscription.id, error.detail)

    async def _work(self, sender: Sender) -> None:
        if self._lanes is None:
            self._lanes = await self._begun()
        lanes, clock = self._lanes, asyncio.get_running_loop().time
        while not self._stopped.is_set():
            self._stir.clear()
            if lanes.room and clock() >= self._read_at + (0 if self._news else LOOK):
                self._news = False
                if await self._read_on(lanes):  # else it stays what a wake-up has made it meanwhile
                    self._news = True
                self._read_at = clock() + (0 if self._news else PACE)
            self._send_out(lanes, sender)
            if clock() >= self._note_at:
                self._note_at = clock() + SAVE
                self._note(lanes)
                if self._unsaved or clock() >= self._save_at:
                    self._save_at = clock() + IDLE_SAVE
                    await self._save()
            self._recovered()
            await within(self._patience(lanes) - clock(), self._stir)

    def _patience(self, lanes: Lanes) -> float:
        """When there is something to do next, by the loop's clock, unless something stirs."""
        clock = asyncio.get_running_loop().time
        times = [max(clock(), self._read_at) + LOOK]
        if self._news and lanes.room:
            times.append(self._read_at)
        if self._unsaved:
            times.append(self._note_at)
        if (due := lanes.due()) is not None and len(self._under_way) < AT_ONCE:
            times.append(clock() + (due - self._tools.now()).total_seconds())
        return min(times)

    async def _begun(self) -> Lanes:
        subscription, tools = self.subscription, self._tools
        kept = await tools.call(lambda: tools.store.load(subscription.id))
        if kept is None or kept.epoch < subscription.epoch:
            kept = Progress(subscription.epoch, subscription.after)
        return Lanes(kept, tools.share, subscription.state.skipped)

    async def _read_on(self, lanes: Lanes) -> bool:
        """Read a page of the log; whether there is more."""
        wanted, log, after = self.subscription.state.filter, self._tools.log, lanes.position
        alone = wanted.streams[0] if len(wanted.streams) == 1 else None
        # Nouns are told apart here: a type that only newer code knows is of its noun all the same.
        page = await self._tools.call(lambda: log.read(after, PAGE, self._types, alone))
        lanes.take(filter(wanted.takes, page.events), page.position)
        return len(page.events) == PAGE

    def _send_out(self, lanes: Lanes, sender: Sender) -> None:
        while len(self._under_way) < AT_ONCE and (lane := lanes.next(self._tools.now())) is not None:
            task = asyncio.create_task(self._deliver(lanes, lane, sender))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._stir.set()

    async def _deliver(self, lanes: Lanes, lane: Lane, sender: Sender) -> None:
        """One attempt for a lane, after the log was read where it has nothing in hand."""
        event = lanes.head(lane)
        if event is None and lane.gap:
            try:
                await self._refill(lanes, lane)
            except Exception as error:  # noqa: BLE001 - told, and read again
                self._tell(error)
                await within(AGAIN, self._stopped)
            event = lanes.head(lane)
        if event is None:
            lanes.untried(lane)
            return
        outcome = await self._attempt(sender, event)
        self._unsaved = True
        self._tools.attempts[self.subscription.id, "failed" if outcome.error else "delivered"] += 1
        if outcome.error is None:
            lanes.delivered(lane)
        else:
            self._note_failure(lanes, lane, outcome.error, outcome.wish)

    async def _attempt(self, sender: Sender, event: Recorded) -> Outcome:
        headers, body = delivery(event, self._key, self._tools.now())
        try:
            return await sender.send(self.subscription.state.url, headers, body)
        except Exception as error:
            # A fault of ours must not keep the stream from being parked, and people from being told.
            logger.exception("position %d could not be sent to %s", event.position, self.subscription.id)
            return Outcome(f"a fault of the server: {type(error).__name__}")

    async def _refill(self, lanes: Lanes, lane: Lane) -> None:
        wanted, log = self.subscription.state.filter, self._tools.log
        after, until = lane.done, lane.newest
        page = await self._tools.call(lambda: log.read(after, IN_HAND, self._types, lane.stream, until))
        lanes.refill(lane, filter(wanted.takes, page.events), page.position, until)

    def _note_failure(self, lanes: Lanes, lane: Lane, error: str, wish: float | None) -> None:
        was_parked = lane.trouble is not None and lane.trouble.parked
        trouble = lanes.failed(lane, error, self._tools.now(), wish)
        if trouble is not None and trouble.parked and not was_parked:
            logger.warning(
                "%s is parked for %s: position %d was not delivered in %d attempts: %s",
                trouble.stream, self.subscription.id, trouble.position, trouble.attempts, error,
            )  # fmt: skip

    def _note(self, lanes: Lanes) -> None:
        """Put down how far it is, for who asks from another thread."""
        self.status = replace(self.status, progress=lanes.progress(), oldest=lanes.oldest())

    async def _save(self) -> None:
        if self._lanes is None:
            return
        self._note(self._lanes)
        progress = self.status.progress
        self._unsaved = False
        if progress is not None and progress != self._saved:
            try:
                await self._tools.call(lambda: self._tools.store.save(self.subscription.id, progress))
            except BaseException:
                self._unsaved = True
                raise
            self._saved = progress

    def _tell(self, error: Exception) -> None:
        """Say what is wrong, once for as long as it stays the same."""
        problem = error.detail if isinstance(error, SkyulfError) else f"{type(error).__name__}: {error}"
        if problem != self.status.problem:
            fault = None if isinstance(error, SkyulfError) else error
            logger.error("nothing is delivered to %s for now: %s", self.subscription.id, problem, exc_info=fault)
        self.status = replace(self.status, problem=problem)

    def _recovered(self) -> None:
        if self.status.problem is not None:
            logger.warning("events are delivered to %s again", self.subscription.id)
            self.status = replace(self.status, problem=None)


async def within(seconds: float, event: asyncio.Event) -> bool:
    """Wait for an event, for so long at most; whether it came."""
    try:
        await asyncio.wait_for(event.wait(), max(0.001, seconds))
    except TimeoutError:
        return False
    return True
