"""A relay as a process of its own, on the log of a data directory that others write: RELAY LOG BOOTSTRAP PREFIX.

Tells a line on standard output whenever it begins to publish, and when it no longer does.
"""

import logging
import sys
import time
from pathlib import Path

from skyulf.adapters.kafka_client import Kafka
from skyulf.adapters.kafka_sink import KafkaSink
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.system import new_id, now
from skyulf.events.registry import EVOLVE
from skyulf.reactions.relay import Relay


def main(path: str, bootstrap: str, prefix: str) -> None:
    logging.basicConfig(level=logging.WARNING)
    log = SqliteEventLog(Path(path), new_id, read_only=True)
    kafka = Kafka(bootstrap, prefix, partitions=3)
    relay = Relay(log, KafkaSink(kafka, f"relay-{new_id()}", EVOLVE), now)
    relay.start()
    working = False
    while True:
        if relay.status().working != working:
            working = not working
            print("working" if working else "standing by", flush=True)
        time.sleep(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
