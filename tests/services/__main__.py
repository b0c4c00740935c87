"""``make dev-up``: Postgres, Kafka and S3 on this machine, to try production mode without Docker; Ctrl-C ends them.

They are the servers that tests start, on free ports of loopback, and what they hold is gone with them. The settings
that name them are written to a file to be read by a shell; it holds their passwords, made for this run alone.
"""

import argparse
import os
import shlex
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from services.kafka import Unfit, start_broker
from services.postgres import databases
from services.s3 import S3Server

SETTINGS = Path(".dev/settings.sh")

WHAT_NOW = """
In another terminal, beside this one:

  source {file}
  skyulf migrate
  skyulf serve                      # everything in one process, or each of these in a terminal of its own:

{roles}

Each tells at /health/ready how it is. What is kept here is gone when you end it: Ctrl-C, or kill {pid}.
"""

ROLES = (("api", 8000), ("projector", 8001), ("relay", 8002), ("worker", 8003))


def main(file: Path) -> None:
    """Start the three, write what names them, and wait to be told to stop."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as running:
        try:
            settings = start(running)
            write(file, settings)
            running.callback(file.unlink, missing_ok=True)
            roles = [(role, port) for role, port in ROLES if role != "relay" or "SKYULF_KAFKA_BOOTSTRAP" in settings]
            lines = "\n".join(f"  skyulf serve --role {role} --port {port}" for role, port in roles)
            tell(WHAT_NOW.format(file=file, roles=lines, pid=os.getpid()))
            signal.pause()
        except KeyboardInterrupt:
            tell("\nstopping")


def start(running: ExitStack) -> dict[str, str]:
    """Start what this machine can run; the settings that name it."""
    tell("Postgres …")
    settings = {"SKYULF_DATABASE_URL": running.enter_context(databases()).database()}
    tell("S3 (SeaweedFS) …")
    server = S3Server(Path(running.enter_context(tempfile.TemporaryDirectory(prefix="skyulf-s3-"))))
    running.callback(server.kill)
    server.start()
    settings |= server.bucket.environment
    settings["SKYULF_ARTIFACTS_URL"] = f"s3://{server.bucket.name}/dev"
    tell("Kafka (fetched once by Maven) …")
    try:
        settings["SKYULF_KAFKA_BOOTSTRAP"] = running.enter_context(start_broker()).bootstrap
    except Unfit as reason:
        tell(f"without Kafka: {reason}. Workers follow the log itself, and there is nothing for a relay to do.")
    return settings


def write(file: Path, settings: dict[str, str]) -> None:
    """Write the settings for ``source``, readable by their owner alone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())


def tell(text: str) -> None:
    """Say something at once, also to a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="make dev-up", description=__doc__)
    options.add_argument("--file", type=Path, default=SETTINGS, help="where the settings are written")
    main(options.parse_args().file)
