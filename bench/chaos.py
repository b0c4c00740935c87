"""Every role, Postgres and Kafka killed with SIGKILL at random, two hundred times, while clients use the system."""

import sys
import time

from bench.measure import Line, Report, Target, scratch
from tests.chaos import torment
from tests.services.kafka import ApacheKafka, free_ports, kafka_jars
from tests.services.postgres import Postgres
from tests.topics import published

ROUNDS = 200


def run() -> Report:
    """Torment an installation, and count what went wrong."""
    return report("Chaos: {rounds} kills among two processes of each role, Postgres and Kafka", rounds=ROUNDS, twins=2)


def report(title: str, *, rounds: int, twins: int, calm: float = 0.0) -> Report:
    """What came of an installation that was treated so."""
    seed = int(time.time())
    with scratch() as folder:
        postgres, broker = Postgres(), ApacheKafka(kafka_jars(), folder)
        try:
            postgres.start()
            broker.start()
            found = torment(
                folder,
                postgres,
                broker,
                free_ports(4 * twins),
                published,
                rounds=rounds,
                seed=seed,
                twins=twins,
                calm=calm,
                tell=lambda text: print(text, file=sys.stderr),
            )
        finally:
            broker.kill()
            postgres.stop()
    none = Target("at most", 0, of="ours")
    for name, faults in found.faults.items():
        print(f"{name}: {faults[:20]}", file=sys.stderr)
    return Report(
        f"{title.format(rounds=rounds)}; seed {seed}",
        [
            Line("answered commands that are not in the log", len(found.lost), "commands", target=none),
            Line("answered commands that are there more than once", len(found.doubled), "commands", target=none),
            Line("answers that nobody should get", len(found.wrong_answers), "answers", target=none),
            Line("jobs without an end", len(found.unfinished), "jobs", target=none),
            Line("jobs with two ends", len(found.ended_twice), "jobs", target=none),
            Line("rows unlike a rebuild's", len(found.unlike_a_rebuild), "rows", target=none),
            Line("events that are not in the topics", len(found.not_published), "events", target=none),
            Line("events in the topics that are not in the log", len(found.not_logged), "events", target=none),
            Line("processes that ended by themselves", len(found.ended_by_themselves), "processes", target=none),
            Line(
                "answered commands",
                sum(found.acknowledged.values()),
                "commands",
                "requests repeated",
                found.repeated_requests,
            ),
            Line("deadlocks in Postgres, since it last started", found.deadlocks, "deadlocks", target=none),
            Line("events", found.events, "events", "published twice", found.published_twice),
            Line("jobs ended", sum(found.ends.values()), "jobs", "reclaimed", found.reclaimed),
        ],
        [
            "Killed: "
            + (", ".join(f"{name} {count}" for name, count in sorted(found.killed.items())) or "nothing")
            + ".",
            "Commands by kind: " + ", ".join(f"{name} {count}" for name, count in found.acknowledged.items()) + ".",
            "Ends: " + ", ".join(f"{name} {count}" for name, count in found.ends.items()) + f"; {found.seconds:.0f} s.",
        ],
    )
