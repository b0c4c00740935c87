"""A receiver that fails at random and a server that is killed at random, for as long as one likes.

``python tests/acceptance/hooked.py --seconds 600`` does it for ten minutes and prints what came of it; it ends with 1
when an event did not come, or came before one that precedes it in its stream.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx
from receiver import LEFT_ALONE, Delivery, receiving
from system import QUICK, System, eventually

STREAMS = 20
"""Pipelines that are revised, one or the other."""

GIVES_UP = 1.0
"""Seconds after which the server gives an attempt up."""

Between = tuple[float, float]
"""How long a server lives at least and at most, once it is ready: seconds."""

FAULTS = (LEFT_ALONE, 500, 503, 302)
"""How it fails, besides being late."""

SHOWN = 5
"""Events of a stream that is not right are told, the last."""


@dataclass
class Tally:
    """What came of it: events of the log, deliveries taken, how many of those again, failures, kills; what is wrong."""

    events: int
    taken: int
    repeated: int
    failed: int
    kills: int
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        found = "\n".join(self.wrong) or "every event of each stream came, in order"
        return (
            f"{self.events} events; {self.taken} deliveries taken, {self.repeated} of them again; "
            f"{self.failed} failed; {self.kills} kills\n{found}"
        )


class Moody:
    """Answers at random: most often that it took the event, else a failure of some kind."""

    def __init__(self, chance: random.Random, share: float) -> None:
        self._chance = chance
        self.share = share

    def answer(self, _: Delivery) -> int:
        """What one delivery is answered with."""
        if self._chance.random() >= self.share:
            return 204
        fault = self._chance.randrange(len(FAULTS) + 1)
        if fault < len(FAULTS):
            return FAULTS[fault]
        time.sleep(GIVES_UP * 1.2)  # it takes the event, and the server never hears of it
        return 200


class Author:
    """Makes pipelines and revises them; what was acknowledged must have been recorded."""

    def __init__(self, system: System, chance: random.Random) -> None:
        self._system = system
        self._chance = chance
        self._pipelines: list[str] = []
        self._sent = 0
        self.acknowledged: dict[str, int] = {}

    def write(self) -> None:
        """Send one command until it is answered, whatever becomes of servers meanwhile."""
        self._sent += 1
        body = {"name": f"version {self._sent}", "spec": QUICK}
        if len(self._pipelines) < STREAMS:
            answer = self._ask("POST", "/v1/pipelines", body)
            self._pipelines.append(answer["id"])
        else:
            answer = self._ask("PUT", f"/v1/pipelines/{self._chance.choice(self._pipelines)}", body)
        self.acknowledged[answer["id"]] = answer["version"]

    def _ask(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Idempotency-Key": f"command {self._sent}"}

        def answered() -> dict[str, Any] | None:
            try:
                answer = self._system.ask(method, path, json=body, headers=headers)
            except httpx.TransportError:
                return None
            if answer.status_code == 503:
                return None
            made: dict[str, Any] = answer.raise_for_status().json()
            return made

        return eventually(answered)


def harass(
    root: Path, seconds: float, lives: Between, seed: int = 1, pause: float = 0.1, say: Callable[[str], object] = str
) -> Tally:
    """Write, fail and kill for so many seconds, with a ``pause`` between commands; then let everything come to rest."""
    chance = random.Random(seed)
    moody = Moody(random.Random(seed + 1), share=0.3)
    with receiving() as receiver, System(root, webhook_hosts="127.0.0.0/8", webhook_seconds=GIVES_UP) as system:
        receiver.answer = moody.answer
        system.start()
        made = system.send("POST", "/v1/webhooks", {"url": receiver.url, "nouns": ["pipeline"]})
        author, kills = Author(system, chance), 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            until = time.monotonic() + chance.uniform(*lives)
            while time.monotonic() < min(until, end):
                author.write()
                time.sleep(pause)  # what it waits for is time itself
            system.server.kill()
            kills += 1
            system.start()
            say(f"{kills} kills, {sum(author.acknowledged.values())} events, {len(receiver.taken)} deliveries taken")
        moody.share = 0.0
        webhook = f"/v1/webhooks/{made['id']}"
        eventually(lambda: arrived(system, webhook), seconds=180)
        recorded = versions_in(system)
        taken = receiver.first_times()
        wrong = [
            f"{stream}: recorded {last} events, {taken.get(stream, [])[-SHOWN:]} came last"
            for stream, last in recorded.items()
            if taken.get(stream) != list(range(1, last + 1))
        ]
        wrong += [f"{stream}: lost" for stream, last in author.acknowledged.items() if recorded.get(stream, 0) < last]
        if not all(each.signed_with(made["secret"]) for each in receiver.taken[-20:]):  # older ones are too old by now
            wrong.append("not signed as it should be")
        firsts = sum(map(len, taken.values()))
        count, again = len(receiver.taken), len(receiver.taken) - firsts
        return Tally(sum(recorded.values()), count, again, receiver.asked - count, kills, tuple(wrong))


def arrived(system: System, webhook: str) -> bool:
    """Whether everything is delivered; what waits is asked to be tried at once."""
    found = system.get(webhook)
    for item in system.get(f"{webhook}/waiting", parked=True)["items"]:
        system.ask("POST", f"{webhook}/waiting/{item['stream']}/retry")
    return not found["waiting"] and not found["lag"]


def versions_in(system: System) -> dict[str, int]:
    """The last version of every pipeline that is recorded."""
    found: dict[str, int] = {}
    after = 0
    while events := system.get("/v1/events", after=after, limit=1000):
        for event in events:
            if event["subject"].startswith("pipeline-"):
                found[event["subject"]] = event["streamversion"]
        after = events[-1]["position"]
    return found


def main() -> int:
    """Do it from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="skyulf-hooked-") as folder:
        tally = harass(Path(folder), asked.seconds, (3, 20), asked.seed, say=lambda text: print(text, flush=True))
    print(tally)
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
