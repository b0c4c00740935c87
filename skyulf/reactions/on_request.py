"""What is made in a sandbox because somebody asks and waits for it: each thing once at a time, a few things at once."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from skyulf.errors import NotAllowed, Unavailable
from skyulf.reactions.sandbox import ChildCancelled, ChildDied, ChildFailed, ChildTimedOut, Limits, SandboxServer

KEPT = 32
"""Results, the newest, that are kept at hand: rows may lag behind, and some things are often asked for again."""

R = TypeVar("R")

logger = logging.getLogger(__name__)


class OnRequest:
    """Makes things in threads named ``name``, ``at_once`` of them at most; others wait.

    What a sandbox does may take ``seconds`` and ``memory`` bytes.
    """

    def __init__(self, sandbox: SandboxServer, name: str, at_once: int, seconds: float, memory: int) -> None:
        self._sandbox = sandbox
        self._limits = Limits(seconds, memory, threads=1)
        self._seconds = seconds
        self._memory = memory
        self._lock = threading.Lock()
        self._asked: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=name)

    def close(self) -> None:
        """Begin no more, and wait for what is under way; the sandbox ends it first."""
        self._threads.shutdown(cancel_futures=True)

    def once(self, key: Hashable, make: Callable[[], R]) -> Future[R]:
        """What was made, is under way, or begins now; what failed begins anew."""
        with self._lock:
            found = self._asked.get(key)
            if found is not None and not (found.done() and (found.cancelled() or found.exception())):
                self._asked.move_to_end(key)
                return found
            begun = self._asked[key] = self._threads.submit(make)
            for old in [key for key, future in self._asked.items() if future.done()][: max(0, len(self._asked) - KEPT)]:
                del self._asked[old]
            return begun

    def in_sandbox(self, function: Callable[..., R], *task: Any) -> R:
        """Let a child do it; raises `NotAllowed` where it cannot be made, and `Unavailable` where the child died."""
        child = self._sandbox.fork()
        try:
            return child.run(function, *task, limits=self._limits)
        except ChildTimedOut as error:
            raise NotAllowed(f"it takes longer than {self._seconds:g} s, and is not made") from error
        except ChildFailed as failure:
            if failure.kind == "memory":
                raise NotAllowed(f"it needs more than {self._memory >> 20} MiB of memory, and is not made") from failure
            if failure.error is not None:
                raise failure.error from failure
            # What a library says may quote the data.
            logger.warning("%s failed with %s", function.__name__, failure.type_name)
            raise NotAllowed(f"it cannot be made: a library failed ({failure.type_name})") from failure
        except (ChildDied, ChildCancelled) as error:
            raise Unavailable("the process that made it died; ask again") from error
