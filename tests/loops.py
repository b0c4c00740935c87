"""An event loop that tests can look at."""

import asyncio
from collections.abc import Callable


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts in ``woken`` how often it is told of something by another thread."""

    woken = 0

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: object, **more: object) -> asyncio.Handle:
        """See the base."""
        self.woken += 1
        return super().call_soon_threadsafe(callback, *args, **more)  # type: ignore[arg-type]
