"""Sixteen processes append to one log in Postgres, every two seconds one is killed, and two followers look on."""

from bench.measure import Line, Report, Target, scratch
from skyulf.adapters.postgres import connect
from skyulf.adapters.postgres_schema import migrate
from tests.services.postgres import databases
from tests.stress import torment

WRITERS = 16
SECONDS = 30.0
KILL_EVERY = 2.0


def run() -> Report:
    """Torment a log, and count what went wrong."""
    with scratch() as folder, databases() as made:
        url = made.database()
        with connect(url) as connection:
            migrate(connection)
        found = torment(url, folder, WRITERS, SECONDS, KILL_EVERY)
    none = Target("at most", 0, of="ours")
    return Report(
        f"Following a log in Postgres, {WRITERS} writers, one killed with SIGKILL every {KILL_EVERY:g} s",
        [
            Line("events missed by a follower", found.lost, "events", target=none),
            Line("events repeated", found.repeated, "events", target=none),
            Line("events out of order", found.out_of_order, "events", target=none),
            Line("streams with a gap in their versions", len(found.not_dense), "streams", target=none),
            Line("acknowledged events that are not in the log", found.unrecorded, "events", target=none),
            Line("events", found.events, "events", "of them acknowledged", found.acknowledged),
            Line("writers killed", found.killed, "processes", "positions that are dead", found.gaps),
        ],
        [
            "Two followers, one of them of a rare type only, compared with the log once all is over. One append in ten "
            "is a transaction that holds its positions for up to 30 ms, half of which are rolled back.",
        ],
    )
