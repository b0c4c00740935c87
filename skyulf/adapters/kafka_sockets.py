"""Clients of Kafka whose sockets are all closed: the library leaves some of them to the garbage collector.

Those that could not connect, or were told to end while they connected, it forgets; and those that had something to
write yet when it was told to end. Each kept a file open until it was collected.
"""

import weakref
from typing import Any

from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket
from kafka.net.selector import NetworkSelector

PLAIN = "skyulf-plain"
"""The scheme of a proxy that is none: the library looks up by it what makes its sockets."""


class Sockets(KafkaNetSocket):  # type: ignore[misc] # the library tells no types
    """Makes sockets as the library does, and closes those that do not come to be connected."""

    SCHEMES = (PLAIN,)

    async def sock_connect(self, net: Any, sock: Any, *where: Any, **options: Any) -> Any:
        """Connect the socket, which is then another's to close."""
        try:
            return await super().sock_connect(net, sock, *where, **options)
        except BaseException:  # a task that is given up ends in GeneratorExit
            sock.close()
            raise


class Selector(NetworkSelector):  # type: ignore[misc] # the library tells no types
    """An event loop of the library's that closes every socket that it has waited for when it ends."""

    def __init__(self, **options: Any) -> None:
        self._sockets: weakref.WeakSet[Any] = weakref.WeakSet()
        super().__init__(**options)

    def register_event(self, fileobj: Any, event: Any, task: Any) -> None:
        """Wait for a socket."""
        self._sockets.add(fileobj)
        super().register_event(fileobj, event, task)

    def close(self) -> None:
        """End every task, and close what they have left."""
        super().close()
        for sock in list(self._sockets):
            sock.close()


def client(**options: Any) -> KafkaNetClient:
    """What the library's clients speak to brokers through, made with their options."""
    return KafkaNetClient(net=Selector(**options), **{**options, "proxy_url": f"{PLAIN}://"})
