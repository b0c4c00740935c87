"""Who may call: with keys, whoever has one, by its roles; without, only programs of this machine, and no web page."""

import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

from api.permissions import OPEN, PERMISSIONS, UNKNOWN, methods_of, operation_of
from api.problems import problem
from skyulf.events.access import Denial
from skyulf.events.base import Actor
from skyulf.queries.access import Caller, Keyring

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Mapping[bytes, bytes]
"""The headers of a request; of those that came twice, the last."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

HOST = re.compile(r"(?P<name>[a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")

LOCAL_ACTOR = Actor(id="local", kind="human")
"""Who every caller is while there are no keys, and who uses the command line without a server."""

SERVER = Actor(id="server", kind="service")
"""Who records what was turned away."""


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine, by its name alone."""
    return host in LOOPBACK


@lru_cache(64)
def means_this_machine(host: bytes) -> bool:
    """Whether a ``Host`` header names this machine."""
    match = HOST.fullmatch(host.decode("latin-1").lower())
    return match is not None and is_loopback(match["name"].strip("[]"))


class Guard:
    """Lets a request through with its actor in ``scope["actor"]``, or says what turns it away, and counts that.

    Before the first key was issued, every program of this machine may do everything; the ``Host`` must be a loopback
    name, so that no name that is made to point here (DNS rebinding) gets through; ``Origin``, which browsers send with
    what can change something, must be that same host. From then on a key is needed (RFC 6750), its roles say for what,
    and it may be used ``rate`` times a second.
    """

    def __init__(self, keyring: Keyring, rate: float, denials: "Denials") -> None:
        self._keyring = keyring
        self._rates = Rates(rate)
        self._denials = denials

    def refusal(self, scope: Scope, headers: Headers) -> App | None:
        """The answer 401, 403, 404, 405 or 429 to a request that may not pass; None to one that may."""
        if not self._keyring.demanded:
            scope["actor"] = LOCAL_ACTOR
            return self._stranger(headers.get(b"host", b""), headers.get(b"origin")) or self._first_key(scope)
        return None if scope["path"] in OPEN else self._by_key(scope, headers.get(b"authorization", b""))

    @staticmethod
    def _stranger(host: bytes, origin: bytes | None) -> App | None:
        if not means_this_machine(host):
            return forbidden("without keys the server answers only to localhost; call it as http://localhost")
        if origin is not None:
            name = host.decode("latin-1").lower()
            if origin.decode("latin-1").lower() not in (f"http://{name}", f"https://{name}"):
                return forbidden("a page of another origin may not call this server")
        return None

    @staticmethod
    def _first_key(scope: Scope) -> App | None:
        """Refuse to issue the first key here: it would lock everybody out, and any program may be asking."""
        if (scope["method"], scope["path"]) != ("POST", "/v1/keys"):
            return None
        return forbidden(
            "the first key is issued by who has the log: stop the server and run skyulf keys issue; on Postgres, run "
            "it beside the servers, with a --data-dir that none of them uses"
        )

    def _by_key(self, scope: Scope, authorization: bytes) -> App | None:
        operation = operation_of(scope["method"], scope["path"])
        caller = self._caller(authorization)
        if caller is None:
            self._denials.note(None, operation, 401)
            return unauthorized()
        if operation == UNKNOWN:  # never passed on: what this table does not know, nobody may do
            return absent(scope)
        allowed = PERMISSIONS[operation]
        if not allowed & caller.roles:
            self._denials.note(caller.actor.id, operation, 403)
            return forbidden(
                f"{operation} needs one of the roles {', '.join(sorted(allowed))}; this key has none of them"
            )
        wait = self._rates.wait(caller.key)
        if wait > 0:
            self._denials.note(caller.actor.id, operation, 429)
            return too_many(wait)
        scope["actor"] = caller.actor
        return None

    def _caller(self, authorization: bytes) -> Caller | None:
        scheme, _, key = authorization.partition(b" ")
        return self._keyring.find(key.strip().decode("latin-1")) if scheme.lower() == b"bearer" else None


def unauthorized() -> App:
    """The answer to a request without a key that opens anything."""
    detail = "send a key that is neither revoked nor expired, as Authorization: Bearer sk_…; an admin issues it"
    return problem(401, "unauthorized", "A key is needed", detail, {"WWW-Authenticate": 'Bearer realm="skyulf"'})


def forbidden(detail: str) -> App:
    """The answer to a request that its sender may not make."""
    return problem(403, "forbidden", "Forbidden", detail)


def absent(scope: Scope) -> App:
    """The answer to a request that no route takes."""
    detail = f"{scope['method']} {scope['path']}"
    if methods := methods_of(scope["path"]):
        allow = {"Allow": ", ".join(sorted(methods))}
        return problem(405, "method-not-allowed", "Method Not Allowed", detail, allow)
    return problem(404, "not-found", "Not Found", detail)


def too_many(wait: float) -> App:
    """The answer to a request that comes too soon after others."""
    seconds = max(1, round(wait + 0.5))
    detail = f"this key is used too often; send the request again in {seconds} s"
    return problem(429, "too-many-requests", "Too many requests", detail, {"Retry-After": str(seconds)})


class Trusted:
    """Lets every request through, as from who owns the data directory."""

    def refusal(self, scope: Scope, headers: Headers) -> App | None:  # noqa: ARG002 - as the guard's
        """None: nothing is turned away."""
        scope["actor"] = LOCAL_ACTOR
        return None


class Rates:
    """A token bucket for each key: ``rate`` requests a second, and as many at once after a pause."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left: dict[str, tuple[float, float]] = {}

    def wait(self, key: str) -> float:
        """Take a token; 0, or the seconds until there is one."""
        now = time.monotonic()
        left, at = self._left.get(key, (self._rate, now))
        left = min(self._rate, left + (now - at) * self._rate)
        if left < 1:
            self._left[key] = (left, now)
            return (1 - left) / self._rate
        self._left[key] = (left - 1, now)
        return 0.0


class Denials:
    """Counts what was turned away, by who, what and why."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str | None, str, int]] = Counter()

    def note(self, actor: str | None, operation: str, status: int) -> None:
        """Count one request."""
        self._counts[actor, operation, status] += 1

    def give_back(self, denials: tuple[Denial, ...]) -> None:
        """Count again what could not be recorded."""
        for denial in denials:
            self._counts[denial.actor, denial.operation, denial.status] += denial.count

    def take(self) -> tuple[Denial, ...]:
        """What was counted since the last time."""
        counts, self._counts = self._counts, Counter()
        return tuple(
            Denial(actor=actor, operation=operation, status=status, count=count)
            for (actor, operation, status), count in sorted(counts.items(), key=str)
        )
