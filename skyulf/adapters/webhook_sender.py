"""Deliveries over HTTP: connects to addresses that the rules allow alone, and follows no redirects.

The rule is asked about the very address that is connected to, after the name was looked up, by the part of httpcore
that opens connections: TLS then checks the certificate against the name, as ever. Environment variables that name
proxies are not looked at: a proxy would connect to what it likes.
"""

import asyncio
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any
from urllib.parse import urlsplit

import httpcore
from httpcore import AsyncNetworkBackend, AsyncNetworkStream

from skyulf.adapters.system import now
from skyulf.errors import SkyulfError
from skyulf.reactions.webhooks.addresses import AddressRules, literal, not_allowed
from skyulf.reactions.webhooks.courier import AT_ONCE
from skyulf.reactions.webhooks.sending import Outcome
from skyulf.reactions.webhooks.signing import Headers

CONNECTING = 5.0
"""Seconds for looking a name up, and for connecting to one address."""

READ_AT_MOST = 64 << 10
"""Bytes of an answer that are read, so that the connection can be used again; a longer one ends it."""

DRAINING = 1.0
"""Seconds for that."""

IDLE = 30.0
"""Seconds for which a connection is kept that nothing is sent on."""


class NotAllowedThere(SkyulfError):
    """No address that a name means may be connected to."""


class Guarded(AsyncNetworkBackend):
    """Opens connections to addresses that ``rules`` allow; names are looked up in ``threads``."""

    def __init__(self, rules: AddressRules, threads: ThreadPoolExecutor) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._rules = rules
        self._threads = threads

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the first address of ``host`` that is allowed and answers."""
        failure: Exception = NotAllowedThere(f"{host} is not known")
        for address in await self._addresses(host, port):
            if not self._rules.allows(host, address):
                failure = NotAllowedThere(not_allowed(host, address))
                continue
            try:
                return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _addresses(self, host: str, port: int) -> list[Any]:
        if (address := literal(host)) is not None and host == str(address):
            return [address]
        looked_up = asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
        try:
            return await asyncio.wait_for(looked_up, CONNECTING)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"{host} was not found in {CONNECTING:g} s") from None
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} is not known") from error

    async def sleep(self, seconds: float) -> None:
        """See the base."""
        await self._inner.sleep(seconds)


class HttpSender:
    """`Sender` over a pool of connections; an attempt takes at most ``seconds``."""

    def __init__(self, rules: AddressRules, seconds: float, context: SSLContext) -> None:
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="names")
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=AT_ONCE,
            keepalive_expiry=IDLE,
            network_backend=Guarded(rules, self._threads),
        )
        self._agent = f"Skyulf/{version('skyulf')}"

    async def send(self, url: str, headers: Headers, body: bytes) -> Outcome:
        """See `Sender.send`."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._sent(url, headers, body)
        except (TimeoutError, httpcore.TimeoutException):
            return Outcome(f"no answer within {self._seconds:g} s")
        except NotAllowedThere as error:
            return Outcome(error.detail)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as error:
            return Outcome(f"no answer ({type(error).__name__}{_told(error)})")

    async def _sent(self, url: str, headers: Headers, body: bytes) -> Outcome:
        # Of an IPv6 address, httpcore would write a Host without brackets.
        sent = [("host", urlsplit(url).netloc), *headers, ("user-agent", self._agent)]
        seconds = {"connect": CONNECTING, "read": self._seconds, "write": self._seconds, "pool": self._seconds}
        async with self._pool.stream(
            "POST",
            url,
            headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in sent],
            content=body,
            extensions={"timeout": seconds},
        ) as response:
            await _drain(response)
            if 200 <= response.status < 300:
                return Outcome()
            return Outcome(f"answered {response.status}", _wish(response.headers))

    async def close(self) -> None:
        """See `Sender.close`."""
        await self._pool.aclose()
        self._threads.shutdown(wait=False)


async def _drain(response: httpcore.Response) -> None:
    """Read the rest of an answer, if it is short and comes soon; the answer is what its status says in any case."""
    size = 0
    with suppress(TimeoutError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        async with asyncio.timeout(DRAINING):
            async for chunk in response.aiter_stream():
                size += len(chunk)
                if size > READ_AT_MOST:
                    return


def _look_up(host: str, port: int) -> list[Any]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(place[0]).partition("%")[0]) for *_, place in found]


def _told(error: Exception) -> str:
    """What a library says of a connection that failed, if it says something; it knows nothing of what was sent."""
    text = str(error).splitlines()
    return f": {text[0][:200]}" if text else ""


def _wish(headers: list[tuple[bytes, bytes]]) -> float | None:
    """Seconds that ``Retry-After`` asks for, given as such or as a date."""
    value = next((value.decode("latin-1").strip() for name, value in headers if name.lower() == b"retry-after"), "")
    if value.isdecimal():
        return float(value[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - now()).total_seconds())
    except (ValueError, TypeError):
        return None
