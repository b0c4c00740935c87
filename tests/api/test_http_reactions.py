"""Messages that could not be read are shown, and forgotten once somebody has seen to them."""

from pathlib import Path

from builders import record
from live import Client, assert_problem, serving, settings_for, until

from skyulf.events.job import JobRetried


def test_an_event_of_the_future_is_reported_and_training_goes_on(tmp_path: Path) -> None:
    with serving(settings_for(tmp_path)) as server, server.client() as client:
        assert client.get("/v1/reactions").json() == {
            "items": [{"name": "training", "parked": []}],
            "next_cursor": None,
        }
        log = server.runtime.log
        log._keep(record(JobRetried(), log.head() + 1, "job-f", 1, schema=99))  # type: ignore[attr-defined]
        log._wakeups.wake_all()  # type: ignore[attr-defined]
        (message,) = until(lambda: client.get("/v1/reactions").json()["items"][0]["parked"])
        assert "JobRetried@99 is unknown to this version" in message["error"]
        assert "position" in message["place"]
        assert message["since"].startswith("20")
        assert client.delete("/v1/reactions/training/parked").json() == {"name": "training", "released": 1}
        assert client.get("/v1/reactions").json()["items"][0]["parked"] == []


def test_only_reactions_that_there_are_can_be_asked(client: Client) -> None:
    assert_problem(client.delete("/v1/reactions/nobody/parked"), 404, "not-found")
