"""The roles: what each holds and starts in its process, what it cannot do without, and how it tells that it is ready.

One table, `ROLES`. What a role does not name is never made in its process: a relay knows no models, a projector no
sandbox, and neither a folder for files.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from skyulf.errors import Misconfigured, Unavailable
from skyulf.projections import ALL, PROJECTIONS
from skyulf.runtime.making import in_postgres
from skyulf.settings import Settings

if TYPE_CHECKING:
    from skyulf.runtime.system import Runtime

WITHOUT_PROJECTOR = 30.0
"""Seconds after which an API process is ready though nobody projects: it takes commands, and says what is stale."""

LOOK_AGAIN = 2
"""Seconds after which who asked whether a role is ready is to ask again."""


class Part(Protocol):
    """Something with threads or processes of its own, which the runtime closes in its turn."""

    def start(self) -> None:
        """Begin."""
        ...


@dataclass(frozen=True, slots=True)
class Role:
    """What a process does.

    ``holds`` makes all that it uses, ``starts`` what of it is to be started, in order. ``files`` tells whether it keeps
    any in the data directory, ``answers`` whether it serves the API. Each of ``checks`` adds to the answer of one that
    is ready, or raises `Unavailable` saying what is waited for.
    """

    name: str
    holds: "Callable[[Runtime], Iterable[object]]"
    starts: "Callable[[Runtime], Iterable[Part | None]]"
    checks: "tuple[Callable[[Runtime], Mapping[str, str]], ...]"
    needs: tuple[Callable[[str, Settings], None], ...]
    files: bool
    answers: bool
    drain_seconds: float = 0.0
    """How long jobs that run are given to end before they are handed back, where the settings do not say."""


# What a role cannot do without


def needs_postgres(role: str, settings: Settings) -> None:
    """Refuse a log that other processes cannot share."""
    if not in_postgres(settings):
        raise Misconfigured(
            f"SKYULF_DATABASE_URL: the role {role} works beside other processes, on one Postgres: set it to "
            "postgresql://USER:PASSWORD@HOST/DATABASE (skyulf migrate makes its tables), or leave --role out to have "
            "everything in one process"
        )


def needs_shared_artifacts(role: str, settings: Settings) -> None:
    """Refuse artifacts that no other process can read."""
    if urlsplit(settings.artifacts_url).scheme == "memory":
        raise Misconfigured(
            f"SKYULF_ARTIFACTS_URL: the role {role} shares artifacts with other processes, which memory:// cannot: use "
            "s3://bucket/prefix, or on one machine file:///FOLDER or one --data-dir for all"
        )


def needs_kafka(role: str, settings: Settings) -> None:
    """Refuse to publish nowhere."""
    if not settings.kafka_bootstrap:
        raise Misconfigured(
            f"SKYULF_KAFKA_BOOTSTRAP: the role {role} publishes events to Kafka: name its brokers, HOST:PORT,HOST:PORT "
            "(without Kafka no relay is needed)"
        )


# Whether a role is ready


def reaches_log(it: "Runtime") -> Mapping[str, str]:
    """Ask the log for its head."""
    it.log.head()
    return {}


def is_projected(it: "Runtime") -> Mapping[str, str]:
    """See that every projection has what was in the log when this process started."""
    if it.projections.behind(it.head_at_start):
        raise Unavailable("the projections are catching up with the log", LOOK_AGAIN)
    return {}


def is_projected_by_others(it: "Runtime") -> Mapping[str, str]:
    """The same where other processes project; if none does, that is told, and held against nobody for long."""
    behind = it.projections.behind(it.head_at_start)
    if not behind:
        return {}
    names = ", ".join(behind) if len(behind) < len(PROJECTIONS) else "the projections"
    detail = (
        f"{names} do not show the log up to position {it.head_at_start} yet: "
        "a projector is needed (skyulf serve --role projector)"
    )
    if time.monotonic() - it.made_at < WITHOUT_PROJECTOR:
        raise Unavailable(detail, LOOK_AGAIN)
    return {"detail": detail}


def projects(it: "Runtime") -> Mapping[str, str]:
    """Tell whether this process projects, or another does, and what has no rows for this version's code yet."""
    building = ", ".join(it.projector.building())
    told = {"projector": "working" if it.store.leads(ALL) else "standing by"}
    return told | ({"building": building} if building else {})


def publishes(it: "Runtime") -> Mapping[str, str]:
    """Tell whether this process publishes, or another does; wait for Kafka."""
    assert it.relay is not None
    status = it.relay.status()
    if status.problem is not None:
        raise Unavailable(f"events are not published: {status.problem}", LOOK_AGAIN)
    if not status.connected:
        raise Unavailable("the relay is connecting to Kafka", LOOK_AGAIN)
    return {"relay": "working" if status.working else "standing by"}


def delivers(it: "Runtime") -> Mapping[str, str]:
    """Tell whether this process delivers to webhooks, or another does, and what has kept failing."""
    status = it.deliverer.status()
    return {"webhooks": "working" if status.working else "standing by", **parked_of(it)}


def parked_of(it: "Runtime") -> Mapping[str, str]:
    """Tell of streams that are parked, since a receiver kept failing: which is no fault of this process."""
    parked = {
        webhook: count
        for webhook, progress in it.deliveries.load_all().items()
        if (count := sum(waiting.parked for waiting in progress.waiting))
    }
    told = ", ".join(f"{count} of {webhook}" for webhook, count in parked.items())
    return {"parked_deliveries": f"streams that wait: {told}"} if parked else {}


def trains(it: "Runtime") -> Mapping[str, str]:
    """Wait for the sandbox; jobs that no wake-up comes for are found in their queue, so that none is waited for."""
    if not it.sandbox.warm:
        raise Unavailable("the sandbox that jobs run in is warming", LOOK_AGAIN)
    return {}


ROLES: Mapping[str, Role] = {
    role.name: role
    for role in (
        Role(
            "all",
            holds=lambda it: (
                it.sealer, it.queries, it.ingest, it.profiles, it.exports, it.predictions, it.prediction_log,
                it.projector, it.worker, it.finisher, it.eraser, it.relay, it.deliverer,
            ),
            starts=lambda it: (
                it.keyring, it.sandbox, it.prediction_log, it.projector, it.worker, it.finisher, it.eraser, it.relay,
                it.progress, it.sealer, it.deliverer,
            ),
            checks=(reaches_log, is_projected, parked_of),
            needs=(),
            files=True,
            answers=True,
        ),
        Role(
            "api",
            holds=lambda it: (
                it.queries, it.bus, it.ingest, it.profiles, it.exports, it.predictions, it.prediction_log, it.projector,
                it.eraser, it.address_rules,
            ),
            starts=lambda it: (it.keyring, it.sandbox, it.prediction_log, it.eraser, it.progress),
            checks=(reaches_log, is_projected_by_others, parked_of),
            needs=(needs_postgres, needs_shared_artifacts),
            files=True,
            answers=True,
        ),
        Role(
            "projector",
            holds=lambda it: (it.sealer, it.projector),
            starts=lambda it: (it.keyring, it.projector, it.sealer),
            checks=(reaches_log, projects),
            needs=(needs_postgres,),
            files=False,
            answers=False,
        ),
        Role(
            "relay",
            holds=lambda it: (it.relay,),
            starts=lambda it: (it.keyring, it.relay),
            checks=(reaches_log, publishes),
            needs=(needs_postgres, needs_kafka),
            files=False,
            answers=False,
        ),
        Role(
            "webhooks",
            holds=lambda it: (it.deliverer,),
            starts=lambda it: (it.keyring, it.deliverer),
            checks=(reaches_log, delivers),
            needs=(needs_postgres,),
            files=False,
            answers=False,
        ),
        Role(
            "worker",
            holds=lambda it: (it.worker, it.finisher),
            starts=lambda it: (it.keyring, it.sandbox, it.worker, it.finisher),
            checks=(reaches_log, trains),
            needs=(needs_postgres, needs_shared_artifacts),
            files=True,
            answers=False,
            drain_seconds=20.0,
        ),
    )
}  # fmt: skip
"""Every role that ``skyulf serve --role`` knows."""
