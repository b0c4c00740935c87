"""The trials of an attempt that are over and not in the log yet: at most one report a second, and none is lost."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from skyulf.events.job import Trial

SPACING = 1.0
"""Seconds from one event's answer to the next report, so that there is at most one event a second."""

Report = tuple[tuple[Trial, ...], dict[str, Any]]
"""Trials, and what all trials of the search have in common."""


class TrialsToTell:
    """Safe from any thread: the child's messages add to it, those that look after attempts take from it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._untold: list[Trial] = []
        self._search: dict[str, Any] = {}
        self._in_flight = False
        self._next = 0.0

    def add(self, trial: Trial, search: dict[str, Any]) -> None:
        """Note a trial that is over."""
        with self._lock:
            self._untold.append(trial)
            self._search = search

    def tell(self, send: Callable[[Report], Future[Any]], again: Callable[[], None]) -> None:
        """Send what is untold, unless that was done a moment ago; ``again`` is called when one may send the next.

        What was not taken is sent again by a later call.
        """
        with self._lock:
            if not self._untold or self._in_flight or time.monotonic() < self._next:
                return
            trials, self._untold, self._in_flight = tuple(self._untold), [], True
        try:
            answer = send((trials, self._search))
        except BaseException:
            self._settle(trials, taken=False)
            raise

        def settled(done: Future[Any]) -> None:
            taken = done.exception() is None
            self._settle(trials, taken=taken)
            if taken:
                timer = threading.Timer(SPACING, again)
                timer.daemon = True
                timer.start()

        answer.add_done_callback(settled)

    def _settle(self, trials: tuple[Trial, ...], *, taken: bool) -> None:
        with self._lock:
            if not taken:
                self._untold = [*trials, *self._untold]
            self._in_flight = False
            self._next = time.monotonic() + SPACING
            self._settled.notify_all()

    def wait(self, over: threading.Event) -> bool:
        """Wait until something untold may be sent; False when there is nothing, or once nobody wants to know."""
        with self._lock:
            while self._in_flight and not over.is_set():
                self._settled.wait(SPACING)
            untold, pause = bool(self._untold), self._next - time.monotonic()
        return untold and not over.wait(max(0.0, pause)) and not over.is_set()
