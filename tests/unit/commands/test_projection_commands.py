"""What somebody decides of a projection."""

from scenario import given

from skyulf.commands.projection import PurgeParkedEvent
from skyulf.events.projection import ParkedEventPurged

PURGE = PurgeParkedEvent(id="projection-jobs", projection="jobs", key="job-1", position=41)
PURGED = ParkedEventPurged(projection="jobs", key="job-1", position=41)


def test_an_event_is_purged_once() -> None:
    given().when(PURGE).then(PURGED)
    given({"projection-jobs": [PURGED]}).when(PURGE).then()
    given({"projection-jobs": [PURGED]}).when(PURGE.model_copy(update={"position": 42})).then(
        PURGED.model_copy(update={"position": 42})
    )


def test_the_key_is_what_the_server_found_and_not_what_was_sent() -> None:
    assert PURGE.fingerprint("why") == PURGE.model_copy(update={"key": "job-2"}).fingerprint("why")
    assert PURGE.fingerprint("why") != PURGE.fingerprint("another why")
