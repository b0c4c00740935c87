"""A consumer in another language, killed at random, follows everything that happens."""

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from system import QUICK, System, eventually

FOLLOWER = Path(__file__).parents[2] / "examples/follow.mjs"

KILLS = 6

SEED = 20_261_123


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_a_follower_that_is_killed_misses_no_event_and_sees_them_in_order(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    position, seen = tmp_path / "position", tmp_path / "seen.jsonl"

    def lines() -> list[bytes]:
        return [line for line in seen.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]

    def start() -> subprocess.Popen[bytes]:
        with seen.open("ab") as out, (tmp_path / "said.txt").open("ab") as said:
            return subprocess.Popen(["node", FOLLOWER, system.server.url, position], stdout=out, stderr=said)

    with System(tmp_path) as system:
        system.start()
        dataset = system.upload()
        follower = start()
        try:
            for _ in range(KILLS):
                before = len(lines())
                wanted = before + chance.randrange(1, 4)
                job = system.submit(dataset, QUICK)
                eventually(lambda wanted=wanted: len(lines()) >= wanted or None)
                follower.kill()
                follower.wait()
                # What was printed half when it was killed is printed whole when it comes again.
                seen.write_bytes(b"".join(lines()))
                system.wait(job)
                follower = start()
            events = [event["position"] for event in system.events()]
            eventually(lambda: (bool(lines()) and json.loads(lines()[-1])["position"] >= events[-1]) or None)
        finally:
            follower.kill()
            follower.wait()
        found = [json.loads(line)["position"] for line in lines()]
    assert sorted(set(found)) == events
    repeated = len(found) - len(set(found))
    assert repeated <= KILLS, "at most the one in hand comes again after each kill"
    firsts = list(dict.fromkeys(found))
    assert firsts == sorted(firsts)
