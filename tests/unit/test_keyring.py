"""Keys as they are looked up at each request: followed in the log, and closed rather than open in doubt."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import msgspec
import pytest
from builders import NOW, Clock, sequential_ids, written

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.events.access import KeyIssued, KeyRevoked, RoleGranted, RoleRevoked
from skyulf.events.base import Actor
from skyulf.queries.access import Keyring, hash_of, key_of

KEY = key_of("access-1", "secret")


def eventually(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Scene:
    def __init__(self) -> None:
        self.log = MemoryEventLog(sequential_ids())
        self.clock = Clock()
        self.keyring = Keyring(self.log, self.clock)

    def issue(self, actor: str = "ann", expires_in: float | None = None) -> None:
        expires_at = None if expires_in is None else NOW + timedelta(seconds=expires_in)
        issued = KeyIssued(name="Ann", actor=actor, kind="service", hash=hash_of("secret"), expires_at=expires_at)
        written(self.log, "access-1", 0, issued, RoleGranted(role="viewer"), RoleGranted(role="operator"))


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.keyring.close()
    scene.log.close()


def test_a_key_is_known_with_its_actor_and_roles(scene: Scene) -> None:
    scene.issue()
    scene.keyring.refresh()
    caller = scene.keyring.find(KEY)
    assert caller is not None
    assert (caller.key, caller.actor, caller.roles) == ("access-1", Actor("ann", "service"), {"viewer", "operator"})


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "sk_",
        "sk_1",
        "sk_1.",
        "sk_1.secre",
        "sk_1.secret2",
        "sk_2.secret",
        "sk_access-1.secret",
        "1.Secret",
        "sk_.secret",
    ],
)
def test_what_is_not_a_key_opens_nothing(scene: Scene, wrong: str) -> None:
    scene.issue()
    scene.keyring.refresh()
    assert scene.keyring.find(wrong) is None


def test_it_ends_when_it_expires(scene: Scene) -> None:
    scene.issue(expires_in=10)
    scene.keyring.refresh()
    scene.clock.move(9.9)
    assert scene.keyring.find(KEY)
    scene.clock.move(0.1)
    assert scene.keyring.find(KEY) is None


def test_what_others_write_is_followed(scene: Scene) -> None:
    scene.keyring.start()
    assert not scene.keyring.demanded
    scene.issue()
    eventually(lambda: scene.keyring.find(KEY))
    written(scene.log, "access-1", 3, RoleRevoked(role="operator"))
    eventually(lambda: scene.keyring.find(KEY).roles == {"viewer"})  # type: ignore[union-attr]
    written(scene.log, "access-1", 4, KeyRevoked())
    eventually(lambda: scene.keyring.find(KEY) is None)
    assert scene.keyring.demanded, "the end of the last key must not open the system"


def test_a_key_that_cannot_be_read_opens_nothing_and_others_go_on(scene: Scene) -> None:
    (issued, *_) = written(
        scene.log, "access-2", 0, KeyIssued(name="Bob", actor="bob", kind="human", hash=hash_of("secret"))
    )
    damaged = MemoryEventLog(sequential_ids())
    changed = {**json.loads(issued.data), "kind": "ghost"}
    damaged.restore([msgspec.structs.replace(issued, data=json.dumps(changed).encode())])
    scene.log = damaged
    scene.keyring = Keyring(damaged, scene.clock)
    scene.issue()
    scene.keyring.refresh()
    assert scene.keyring.find(key_of("access-2", "secret")) is None
    assert scene.keyring.find(KEY)
    assert scene.keyring.demanded
