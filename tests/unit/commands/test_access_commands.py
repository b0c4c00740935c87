from datetime import timedelta

import pytest
from builders import NOW
from scenario import given

from skyulf.commands.access import GrantRole, IssueKey, RecordDenials, RevokeKey, RevokeRole
from skyulf.errors import Invalid, NotAllowed, NotFound
from skyulf.events.access import CommandsDenied, Denial, KeyIssued, KeyRevoked, RoleGranted, RoleRevoked, evolve

HASH = "ab" * 32
ISSUED = KeyIssued(name="Ann", actor="access-1", kind="human", hash=HASH)
THERE = {"access-1": [ISSUED, RoleGranted(role="viewer")]}
REVOKED = {"access-1": [*THERE["access-1"], KeyRevoked()]}


def test_issuing_grants_each_role_once() -> None:
    command = IssueKey(id="access-1", name="Ann", roles=("viewer", "scientist", "viewer"), hash=HASH)
    given().when(command).then(ISSUED, RoleGranted(role="viewer"), RoleGranted(role="scientist"))


def test_several_keys_may_act_as_one() -> None:
    command = IssueKey(id="access-1", name="Ann", roles=("viewer",), actor="ann", hash=HASH)
    given().when(command).then(ISSUED.model_copy(update={"actor": "ann"}), RoleGranted(role="viewer"))


@pytest.mark.parametrize("actor", ["local", "server"])
def test_nobody_acts_as_the_system(actor: str) -> None:
    given().when(IssueKey(id="access-1", name="Ann", roles=("viewer",), actor=actor, hash=HASH)).refused(Invalid, "act")


def test_the_secret_does_not_tell_two_orders_apart() -> None:
    one, other = (IssueKey(name="Ann", roles=("viewer",), hash=letter * 64) for letter in "ab")
    assert one.fingerprint(None) == other.fingerprint(None)


def test_revoking() -> None:
    given(THERE).when(RevokeKey(id="access-1")).then(KeyRevoked())
    given(REVOKED).when(RevokeKey(id="access-1")).then()
    given().when(RevokeKey(id="access-1")).refused(NotFound, "access")


def test_roles_come_and_go() -> None:
    given(THERE).when(GrantRole(id="access-1", role="admin")).then(RoleGranted(role="admin"))
    given(THERE).when(GrantRole(id="access-1", role="viewer")).then()
    given(THERE).when(RevokeRole(id="access-1", role="viewer")).then(RoleRevoked(role="viewer"))
    given(THERE).when(RevokeRole(id="access-1", role="admin")).then()
    for command in (GrantRole(id="access-1", role="admin"), RevokeRole(id="access-1", role="viewer")):
        given(REVOKED).when(command).refused(NotAllowed, "revoked")


def test_denials_are_kept_and_are_no_key() -> None:
    denials = (Denial(actor="ann", operation="GET /v1/jobs", status=403, count=2),)
    event = CommandsDenied(since=NOW, until=NOW, denials=denials)
    given().when(RecordDenials(since=NOW, until=NOW, denials=denials)).then(event)
    given({"access-denials": [event]}).when(RevokeKey(id="access-denials")).refused(NotFound, "access")


def test_a_key_is_good_until_it_expires_or_is_revoked() -> None:
    state = evolve(None, ISSUED.model_copy(update={"expires_at": NOW}))
    assert state is not None
    assert state.good(NOW - timedelta(microseconds=1))
    assert not state.good(NOW)
    revoked = evolve(evolve(None, ISSUED), KeyRevoked())
    assert revoked is not None
    assert not revoked.good(NOW)
