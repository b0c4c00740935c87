"""Delivers to every webhook that the log tells of; of several processes one does, and the others stand by.

A kill repeats what was under way and what was delivered in the half second before; it never skips an event. The same
holds where two processes believe for a moment that it is for them to deliver.
"""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from skyulf.errors import SkyulfError
from skyulf.events.delivery_store import DeliveryStore
from skyulf.events.log import EventLog
from skyulf.reactions.webhooks.courier import AGAIN, LOOK, Courier, CourierStatus, Tools, within
from skyulf.reactions.webhooks.sending import Sender
from skyulf.reactions.webhooks.subscriptions import Subscription, Subscriptions

PACE = 0.1
"""Seconds from one look at which webhooks there are to the next."""

SPACING = 0.05
"""Seconds from being woken by an append to being woken by the next."""

THREADS = 4
"""So many reads and writes of the log and the store at once."""

GONE = 5.0
"""Seconds to wait at most for deliveries to end; what hangs in a dead connection ends with its process."""

UNSIGNED = (
    "the secret that its deliveries are signed with is not kept here; replace it, "
    "if this system is to deliver (a log that was replayed elsewhere delivers nothing)"
)

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DelivererStatus:
    """What a deliverer is at: whether it is the one that works, and what each of its webhooks is at."""

    working: bool
    webhooks: tuple[CourierStatus, ...] = ()


class Deliverer:
    """Delivers in a thread of its own once started.

    ``sender`` makes what sends, for each webhook one; ``leads`` tells whether it is for this process to deliver, and
    ``resign`` lets another; ``now`` is the clock, ``share`` gives random numbers from 0 to 1.
    """

    def __init__(
        self,
        log: EventLog,
        store: DeliveryStore,
        sender: Callable[[], Sender],
        leads: Callable[[], bool],
        now: Callable[[], datetime],
        share: Callable[[], float],
        resign: Callable[[], None] = lambda: None,
    ) -> None:
        self._log = log
        self._store = store
        self._leads = leads
        self._resign = resign
        self.attempts: Counter[tuple[str, str]] = Counter()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="deliveries")
        self._tools = Tools(log, store, sender, now, share, self._call, self.attempts)
        self._subscriptions = Subscriptions(log)
        self._couriers: dict[str, tuple[Courier, asyncio.Task[None]]] = {}
        self._unsigned: set[str] = set()
        self._status = DelivererStatus(working=False)
        self._problem: str | None = None
        self._loop = asyncio.new_event_loop()
        self._stopping, self._news = asyncio.Event(), asyncio.Event()
        self._woken = self._heard = False
        self._unsubscribe: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin to deliver, or to wait for one's turn."""
        self._unsubscribe = self._log.subscribe(self._hear)
        self._thread.start()

    def close(self) -> None:
        """Give what is under way a moment to end, keep how far it has got, and end."""
        self._unsubscribe()
        if self._thread.ident is None:
            self._loop.close()
        else:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._stop)
            self._thread.join(GONE)
        self._threads.shutdown(wait=False)
        self._resign()

    @property
    def working(self) -> bool:
        """Whether this is the deliverer that works; the others stand by."""
        return self._status.working

    def status(self) -> DelivererStatus:
        """What the deliverer is at; from any thread."""
        couriers = tuple(courier.status for courier, _ in tuple(self._couriers.values()))
        unsigned = tuple(CourierStatus(webhook, problem=UNSIGNED) for webhook in tuple(self._unsigned))
        return DelivererStatus(self._status.working, couriers + unsigned)

    def _hear(self) -> None:
        # Many appends within `SPACING` are one piece of news: each wake-up costs them more than they do themselves.
        self._heard = True
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._wake)

    def _stop(self) -> None:
        self._stopping.set()
        self._news.set()

    def _wake(self) -> None:
        self._heard = False
        self._loop.call_later(SPACING, self._listen)
        self._news.set()
        for courier, _ in self._couriers.values():
            courier.wake()

    def _listen(self) -> None:
        self._woken = False
        if self._heard:
            self._hear()

    def _call(self, function: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, function)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _main(self) -> None:
        while not self._stopping.is_set():
            try:
                if await self._call(self._leads):
                    await self._keep_up()
                    self._status = DelivererStatus(working=True)
                else:
                    await self._stand_by()
                self._problem = None
            except Exception as error:  # noqa: BLE001 - told, and tried again: events must go on being delivered
                self._tell(error)
                await within(AGAIN, self._stopping)
            await within(PACE, self._stopping)
            await within(LOOK, self._news)
            self._news.clear()
        await self._stand_by()

    async def _stand_by(self) -> None:
        self._status = DelivererStatus(working=False)
        self._unsigned.clear()
        for courier, _ in self._couriers.values():
            courier.stop()
        for webhook in tuple(self._couriers):
            await self._end(webhook)

    async def _keep_up(self) -> None:
        """Have a courier for each webhook that is active, and none for others."""
        asked = await self._call(self._subscriptions.refresh)
        there = {each.id: each for each in self._subscriptions.all()}
        for webhook, (courier, _) in tuple(self._couriers.items()):
            subscription = there.get(webhook)
            if subscription is None or not alike(courier.subscription, subscription):
                await self._end(webhook)
            elif courier.subscription != subscription:
                courier.skip(subscription)
        for each in asked:
            if each.webhook in self._couriers:
                self._couriers[each.webhook][0].retry(each.stream)
        await self._forget(there)
        for subscription in there.values():
            if subscription.active and subscription.id not in self._couriers:
                await self._begin(subscription)
        self._unsigned &= {each.id for each in there.values() if each.active}

    async def _begin(self, subscription: Subscription) -> None:
        webhook, secret_hash = subscription.id, subscription.state.secret_hash
        secret = await self._call(lambda: self._store.secret(secret_hash))
        if secret is None:
            if webhook not in self._unsigned:
                logger.warning("nothing is delivered to %s: %s", webhook, UNSIGNED)
            self._unsigned.add(webhook)
            return
        self._unsigned.discard(webhook)
        courier = Courier(subscription, secret, self._tools)
        self._couriers[webhook] = (courier, asyncio.create_task(courier.run(), name=webhook))

    async def _end(self, webhook: str) -> None:
        courier, task = self._couriers.pop(webhook)
        courier.stop()
        await asyncio.wait([task])

    async def _forget(self, there: dict[str, Subscription]) -> None:
        """Remove what is kept of webhooks that are no more, and secrets that sign nothing any more."""
        if stale := self._subscriptions.take_stale():
            await self._call(lambda: forget(self._store, stale, there))

    def _tell(self, error: Exception) -> None:
        problem = error.detail if isinstance(error, SkyulfError) else f"{type(error).__name__}: {error}"
        if problem != self._problem:
            fault = None if isinstance(error, SkyulfError) else error
            logger.error("webhooks cannot be looked at, and will be later: %s", problem, exc_info=fault)
        self._problem = problem


def forget(store: DeliveryStore, secrets: Iterable[str], there: Container[str]) -> None:
    """Remove secrets, and what is kept of webhooks that are not ``there``."""
    store.forget(secrets=secrets)
    for webhook in store.load_all():
        if webhook not in there:
            store.forget(webhook)


def alike(one: Subscription, other: Subscription) -> bool:
    """Whether two states of a webhook are delivered alike, but for events that are passed over."""

    def told(each: Subscription) -> tuple[object, ...]:
        return each.state.url, each.state.filter, each.state.secret_hash, each.epoch, each.active

    return told(one) == told(other)
