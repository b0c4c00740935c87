"""What all clients of Kafka share here: where the brokers are, how to speak to them, names, errors in our words."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kafka.errors import (
    AuthorizationError,
    GroupAuthorizationFailedError,
    KafkaError,
    SaslAuthenticationFailedError,
    TransactionalIdAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from kafka.net.compat import KafkaNetClient

from skyulf.adapters.kafka_sockets import client as net_client
from skyulf.errors import Misconfigured, SkyulfError, Unavailable

TIMEOUTS: Mapping[str, int] = {
    "bootstrap_timeout_ms": 3_000,
    "request_timeout_ms": 5_000,
    "reconnect_backoff_ms": 50,
    "reconnect_backoff_max_ms": 1_000,
    "metadata_max_age_ms": 30_000,
}
"""How long the library waits and pauses; by itself it would look for a broker that is back only every 30 s."""

# The library tells of every try to connect. What matters of it is said by the relay and the feed, in their words.
logging.getLogger("kafka").addHandler(logging.NullHandler())
logging.getLogger("kafka").propagate = False

Client = TypeVar("Client")


class Reasons(logging.Handler):
    """Why the library could not connect: it tells that to its logger alone, and raises that time is up."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what went wrong."""
        self.texts += [str(part) for part in record.args or () if isinstance(part, Exception)]


@dataclass(frozen=True, slots=True)
class Kafka:
    """A Kafka cluster as the settings describe it (``SKYULF_KAFKA_…``, see docs/kafka.md).

    ``security`` holds the library's own options for TLS and SASL. ``replication`` of 0 and ``retention_hours`` of 0
    mean the brokers' default and for ever.
    """

    bootstrap: str
    prefix: str = "skyulf"
    partitions: int = 12
    replication: int = 0
    retention_hours: int = 0
    message_bytes: int = 8 << 20
    security: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def options(self) -> dict[str, Any]:
        """What every client of the library is made with."""
        return {"bootstrap_servers": self.bootstrap.split(","), **TIMEOUTS, **self.security}

    def topic(self, noun: str) -> str:
        """The topic of a noun's events."""
        return f"{self.prefix}.{noun}"

    @property
    def relay(self) -> str:
        """The transactional id that relays share, and the topic in which they keep how far they have got."""
        return f"{self.prefix}.relay"

    @property
    def workers(self) -> str:
        """The consumer group of the workers."""
        return f"{self.prefix}-workers"

    def connect(self, client: Callable[..., Client], *topics: str, **options: Any) -> Client:
        """Make one of the library's clients, which connects it; raises `Misconfigured` or `Unavailable`."""
        made: list[KafkaNetClient] = []

        def remembered(**config: Any) -> KafkaNetClient:
            made.append(net_client(**config))
            return made[-1]

        manager, reasons = logging.getLogger("kafka.net.manager"), Reasons()
        manager.addHandler(reasons)
        try:
            return client(*topics, **self.options(), **options, kafka_client=remembered)
        except KafkaError as error:
            for half in made:  # the library leaves its thread and its sockets behind
                half.close()
            raise self._unconnected(reasons.texts, error) from error
        finally:
            manager.removeHandler(reasons)

    def _unconnected(self, reasons: Sequence[str], error: Exception) -> SkyulfError:
        said = " ".join(reasons)
        login = "SKYULF_KAFKA_SASL_USERNAME, SKYULF_KAFKA_SASL_PASSWORD, SKYULF_KAFKA_SASL_MECHANISM"
        if "SaslAuthenticationFailed" in said or "UnsupportedSaslMechanism" in said:
            return Misconfigured(f"{login}: the brokers at {self.bootstrap} refuse them")
        if "CERTIFICATE_VERIFY_FAILED" in said:
            return Misconfigured(f"SKYULF_KAFKA_SSL_CAFILE: it does not vouch for the brokers at {self.bootstrap}")
        if "Handshake failed" in said:
            return Misconfigured(f"SKYULF_KAFKA_SECURITY_PROTOCOL: the brokers at {self.bootstrap} do not speak TLS so")
        if "socket disconnected" in said or "Invalid frame" in said:
            # Brokers that refuse a login close the connection, and so do those that die.
            names = login if "sasl_mechanism" in self.security else "SKYULF_KAFKA_SECURITY_PROTOCOL"
            return Unavailable(f"the brokers at {self.bootstrap} end each connection; {names} may be wrong")
        why = reasons[0].partition(": ")[2] if reasons else type(error).__name__
        return Unavailable(f"SKYULF_KAFKA_BOOTSTRAP: no broker answers at {self.bootstrap} ({why})")

    @contextmanager
    def told(self, what: str) -> Iterator[None]:
        """Raise what the library raises as an error of ours: ``what`` could not be done, and what may help."""
        try:
            yield
        except (KafkaError, OSError, TimeoutError) as error:
            raise self._in_our_words(error, what) from error

    def _in_our_words(self, error: Exception, what: str) -> SkyulfError:
        kind = type(error).__name__.removesuffix("Error")
        match error:
            case SaslAuthenticationFailedError():
                setting = "SKYULF_KAFKA_SASL_USERNAME, SKYULF_KAFKA_SASL_PASSWORD"
                return Misconfigured(f"{setting}: the brokers at {self.bootstrap} refuse them")
            case UnsupportedSaslMechanismError():
                return Misconfigured(f"SKYULF_KAFKA_SASL_MECHANISM: the brokers at {self.bootstrap} do not know it")
            case TransactionalIdAuthorizationFailedError():
                right = f"Write on the transactional id {self.relay}"
            case GroupAuthorizationFailedError():
                right = f"Read on the group {self.workers}"
            case AuthorizationError():
                right = f"those on the topics {self.prefix}.* that docs/kafka.md lists"
            case _:
                place = f"SKYULF_KAFKA_BOOTSTRAP: {self.bootstrap}"
                return Unavailable(f"{place}: {what} was not possible ({kind}); it is tried again")
        return Misconfigured(f"{what} is forbidden ({kind}): the user of SKYULF_KAFKA_SASL_USERNAME lacks {right}")
