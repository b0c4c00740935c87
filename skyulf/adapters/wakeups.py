"""In-process wake-ups: who appends calls, who waits is called."""

import threading
from collections.abc import Callable


class Wakeups:
    """A set of callbacks that are called after each append; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[object, Callable[[], None]] = {}

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call ``wake`` at each `wake_all` until what is returned is called."""
        token = object()
        with self._lock:
            self._callbacks[token] = wake

        def unsubscribe() -> None:
            with self._lock:
                self._callbacks.pop(token, None)

        return unsubscribe

    def wake_all(self) -> None:
        """Call every callback."""
        with self._lock:
            callbacks = tuple(self._callbacks.values())
        for wake in callbacks:
            wake()
