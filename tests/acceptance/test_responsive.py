"""Nothing that takes long keeps the server from answering others."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from system import PATIENCE, QUICK, System, eventually, forest, invented_history

from skyulf.runtime import restoring
from skyulf.settings import Settings

BOUND = 0.050
"""Seconds that anything may add to an answer of ``/health/live``."""

JOBS = 10_000
"""Of the invented history: five events each."""

MEGABYTES = 200

READERS = 200

FOLLOWED = 300


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("responsive")) as running:
        with restoring(Settings(data_dir=running.data_dir)) as (log, _):
            assert log.restore(invented_history(JOBS)) > 5 * JOBS
        running.start()
        running.trained(running.upload())
        yield running


def script(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("probe.py")), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextmanager
def probing(system: System) -> Iterator[None]:
    """Ask ``/health/live`` all the while, and see that 99 of 100 answers come in time.

    The time that the same question takes to a server that does nothing is the machine's own, and comes on top.
    """
    with script("peer") as peer:
        assert peer.stdout is not None
        port = urlsplit(system.server.url or "").port
        with script(port, int(peer.stdout.readline())) as probe:
            assert probe.stdout is not None
            assert probe.stdout.readline() == "begun\n"
            yield
            told, _ = probe.communicate()
        peer.communicate()
    ours, theirs = json.loads(told)
    told = f"p50, p90, p99, max of {len(ours)} in ms: {summary(ours)}; of a server that does nothing: {summary(theirs)}"
    print(told)
    assert len(ours) >= 20
    assert quantile(ours, 0.99) <= BOUND + quantile(theirs, 0.99), told


def quantile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def summary(times: list[float]) -> str:
    return " ".join(f"{quantile(times, share) * 1000:.1f}" for share in (0.5, 0.9, 0.99, 1.0))


def megabytes() -> Iterator[bytes]:
    """A CSV file inside a multipart body, made as it is sent."""
    yield b'--edge\r\nContent-Disposition: form-data; name="file"; filename="large.csv"\r\n\r\na,b,c,label\n'
    for number in range(MEGABYTES):
        text = b"%d: %s" % (number, b"so it was " * 12)
        line = b"%d,%d.25,%s,yes\n%d,%d.75,%s,no\n" % (number, number * 7, text, number * 3, number * 11, text)
        yield line * ((1 << 20) // len(line))
    yield b"\r\n--edge--\r\n"


def test_an_upload_of_200_megabytes(system: System) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    with probing(system):
        answer = system.ask("POST", "/v1/datasets", content=megabytes(), headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.json()["rows"] > 1_000_000


def test_a_training(system: System) -> None:
    dataset = system.upload()
    with probing(system):
        ended = system.trained(dataset, forest(500))
    assert ended["model_version"] is None


def test_a_rebuild_of_fifty_thousand_events(system: System) -> None:
    names = [projection["name"] for projection in system.get("/v1/projections")["items"]]
    with probing(system):
        builds = {name: system.send("POST", f"/v1/projections/{name}/rebuild")["build"] for name in names}
        for name, build in builds.items():
            eventually(lambda: system.get(f"/v1/projections/{name}")["build"] == build, every=0.5)  # noqa: B023
    assert len(system.get("/v1/jobs", limit=1000)["items"]) == 1000


def test_two_hundred_readers_of_the_live_feed(system: System) -> None:
    after = system.events(type="JobCreated")[-1]["position"]
    with probing(system):
        lowest = asyncio.run(followed(system, after))
    assert lowest >= FOLLOWED


async def followed(system: System, after: int) -> int:
    """Have events written while many follow the feed; how many came to the one that got the fewest."""
    assert system.server.url is not None
    counts = [0] * READERS
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        readers = [group.create_task(follow(system.server.url, after, counts, n)) for n in range(READERS)]
        async with httpx.AsyncClient(base_url=system.server.url, timeout=PATIENCE) as client:
            for number in range(FOLLOWED):
                answer = await client.post("/v1/pipelines", json={"name": f"number {number}", "spec": QUICK})
                assert answer.status_code == 201
        await asyncio.gather(*readers)
    return min(counts)


async def follow(url: str, after: int, counts: list[int], number: int) -> None:
    """Count the events that a reader of the feed gets, until it has got all."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        f"GET /v1/events?after={after} HTTP/1.1\r\nHost: {address.netloc}\r\nAccept: text/event-stream\r\n\r\n".encode()
    )
    while counts[number] < FOLLOWED:
        piece = await reader.read(1 << 16)
        assert piece
        counts[number] += piece.count(b"skyulf.PipelineCreated")
    writer.close()
    await writer.wait_closed()
