"""The events over HTTP: pages of CloudEvents, and a live feed that resumes where it was cut."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, connect_sse
from live import PATIENCE, Client, Server, assert_problem, places, serving, settings_for, until

from skyulf.events import registry
from skyulf.events.registry import Succession

SPEC = {"task": "classification", "target": "kind"}


def make(client: Client, times: int = 1) -> list[dict[str, Any]]:
    body = {"name": "an event", "spec": SPEC}
    return [client.post("/v1/pipelines", json=body).raise_for_status().json() for _ in range(times)]


@contextmanager
def feed(client: Client, last: int | str | None = None, **params: Any) -> Iterator[Iterator[ServerSentEvent]]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    with connect_sse(client, "GET", "/v1/events", params=params, headers=headers) as source:
        source.response.raise_for_status()
        yield source.iter_sse()


def taken(events: Iterator[ServerSentEvent], count: int) -> list[int]:
    """The positions of the next events, of which each one's id is the position in it."""
    positions: list[int] = []
    while len(positions) < count:
        event = next(events)
        if event.data:
            assert int(event.id) == json.loads(event.data)["position"]
            positions.append(int(event.id))
    return positions


def all_positions(client: Client, **params: Any) -> list[int]:
    positions: list[int] = []
    after = params.pop("after", 0)
    while page := client.get("/v1/events", params={"limit": 1000, "after": after, **params}).raise_for_status().json():
        positions += [event["position"] for event in page]
        after = positions[-1]
    return positions


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_pages_in_order_and_empty_only_at_the_head(client: Client, limit: int) -> None:
    make(client, 10)
    head = client.head_position()
    positions: list[int] = []
    after = head - 10
    while True:
        response = client.get("/v1/events", params={"after": after, "limit": limit})
        page = response.json()
        assert len(page) <= limit
        if not page:
            break
        positions += [event["position"] for event in page]
        after = positions[-1]
        assert int(response.headers["skyulf-position"]) >= after
    assert positions == list(range(head - 9, head + 1))


def test_events_are_cloudevents(client: Client, model: str) -> None:
    seen = set()
    for event in client.get("/v1/events", params={"limit": 1000}).json():
        assert event["specversion"] == "1.0"
        for attribute in ("id", "source", "type", "subject", "correlationid", "actor"):
            assert isinstance(event[attribute], str)
            assert event[attribute]
        assert (event["source"], event["id"]) not in seen
        seen.add((event["source"], event["id"]))
        assert event["type"].startswith("skyulf.")
        assert event["subject"].partition("-")[0] in ("dataset", "pipeline", "job", "model", "deployment")
        assert datetime.fromisoformat(event["time"]).tzinfo is not None
        assert event["datacontenttype"] == "application/json"
        assert event["dataschema"].startswith("urn:skyulf:event:")
        assert isinstance(event["data"], dict)
        assert isinstance(event["position"], int)
        assert event["streamversion"] >= 1
        for name in set(event) - {"data"}:
            assert re.fullmatch("[a-z0-9]{1,20}", name), name


def test_filters_by_type_and_stream(client: Client, model: str) -> None:
    everything = client.get("/v1/events", params={"limit": 1000}).json()
    for asked in ("JobCreated", "skyulf.JobCreated"):
        page = client.get("/v1/events", params={"type": asked, "limit": 1000}).json()
        assert page == [event for event in everything if event["type"] == "skyulf.JobCreated"]
    two = client.get("/v1/events", params=[("type", "JobCreated"), ("type", "ModelTrained"), ("limit", 1000)]).json()
    assert {event["type"] for event in two} == {"skyulf.JobCreated", "skyulf.ModelTrained"}
    stream = f"model-{model}"
    page = client.get("/v1/events", params={"stream": stream, "limit": 1000}).json()
    assert page == [event for event in everything if event["subject"] == stream]
    both = client.get("/v1/events", params={"stream": stream, "type": "ModelVersionRegistered"}).json()
    assert len(both) >= 3
    assert client.get("/v1/events", params={"stream": "nothing"}).json() == []


def test_a_renamed_type_is_found_by_either_name(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(client)[0]
    renamed = {"PipelineMade@1": Succession(("PipelineCreated@1",), lambda data: ("PipelineCreated@1", data))}
    monkeypatch.setattr(registry, "SUCCESSIONS", renamed)
    for name in ("PipelineMade", "skyulf.PipelineMade", "PipelineCreated"):
        asked = {"type": name, "after": made["position"] - 1}
        found = client.get("/v1/events", params=asked).raise_for_status().json()
        assert found[0]["subject"] == made["id"]
        with feed(client, **asked) as events:
            assert taken(events, 1) == [made["position"]]
    assert_problem(client.get("/v1/events", params={"type": "PipelineMaid"}), 422, "invalid")


def test_a_rare_type_is_found_far_away(client: Client, dataset: str) -> None:
    make(client, 300)
    client.upload(b"a,b\n1,2\n").raise_for_status()
    first = client.get("/v1/events", params={"type": "DatasetCreated", "limit": 1, "after": 0}).json()
    second = client.get(
        "/v1/events", params={"type": "DatasetCreated", "limit": 1, "after": client.head_position() - 250}
    ).json()
    assert len(first) == len(second) == 1


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("after=-1", "query.after"),
        ("after=x", "query.after"),
        ("after=9223372036854775808", "query.after"),
        ("limit=0", "query.limit"),
        ("limit=1001", "query.limit"),
        ("type=Nonsense", "type"),
        ("type=", "type"),
        ("type=jobcreated", "type"),
        ("stream=" + "x" * 300, "query.stream"),
    ],
)
def test_queries_that_cannot_be(client: Client, query: str, place: str) -> None:
    for accept in ("application/json", "text/event-stream"):
        response = client.get(f"/v1/events?{query}", headers={"Accept": accept})
        assert places(assert_problem(response, 422, "invalid")) == [place]


def test_beyond_the_head_there_is_nothing(client: Client) -> None:
    assert client.get("/v1/events", params={"after": 2**62}).json() == []


def test_the_feed_holds_everything_and_goes_on(client: Client) -> None:
    make(client, 5)
    expected = all_positions(client)
    with feed(client) as events:
        assert taken(events, len(expected)) == expected
        later = [answer["position"] for answer in make(client, 3)]
        assert taken(events, 3) == later


def test_the_feed_is_one_of_server_sent_events(client: Client) -> None:
    with client.stream("GET", "/v1/events", headers={"Accept": "text/event-stream"}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        lines = response.iter_lines()
        opening = [next(lines) for _ in range(2)]
        assert any(line.startswith("retry: ") for line in opening)
        assert any(line.startswith(":") for line in opening)


def test_a_feed_that_is_cut_resumes_without_gap_or_repeat(server: Server, client: Client) -> None:
    begin = client.head_position()
    done = threading.Event()

    def write() -> int:
        with server.client() as writer:
            last = 0
            for _ in range(200):
                last = make(writer)[0]["position"]
            done.set()
            return last

    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(write)
        seen: list[int] = []
        last: int = begin
        for cut in (1, 2, 3, 20, 50, 60):
            with feed(client, last, after=0) as events:  # the header rules over the parameter
                seen += taken(events, cut)
            last = seen[-1]
        head = writing.result()
    with feed(client, last) as events:
        seen += taken(events, len(all_positions(client, after=last)))
    assert seen[-1] == head
    assert seen == list(range(begin + 1, head + 1))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of which no other test has asked anything, so that nothing is recorded but what is asked here."""
    with serving(settings_for(tmp_path_factory.mktemp("quiet"))) as server:
        yield server


@pytest.fixture
def asking(quiet: Server) -> Iterator[Client]:
    with quiet.client() as client:
        yield client


def test_a_feed_after_a_position_that_is_still_to_come(asking: Client) -> None:
    head = asking.head_position()
    with feed(asking, after=head + 2) as events, ThreadPoolExecutor(1) as thread:
        got = thread.submit(taken, events, 1)
        made = make(asking, 3)
        assert got.result(PATIENCE) == [made[2]["position"]]


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30, "1 2", "٣"])
def test_ids_that_no_feed_has_given(client: Client, last: str) -> None:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": last.encode()}
    problem = assert_problem(client.get("/v1/events", headers=headers), 422, "invalid")
    assert places(problem) == ["Last-Event-ID"]


def test_a_filtered_feed(client: Client) -> None:
    begin = client.head_position()
    stream = make(client, 3)[1]["id"]
    client.delete(f"/v1/pipelines/{stream}").raise_for_status()
    with feed(client, begin, stream=stream) as events:
        assert taken(events, 2) == all_positions(client, after=begin, stream=stream)
    with feed(client, begin, type="skyulf.PipelineArchived") as events:
        assert taken(events, 1) == all_positions(client, after=begin, type="PipelineArchived")


def test_many_readers_share_what_is_read(quiet: Server, asking: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    read = quiet.runtime.log.read

    def counted(after: int, *rest: Any, **more: Any) -> Any:
        reads.append(after)
        return read(after, *rest, **more)

    begin = asking.head_position()
    with ThreadPoolExecutor(40) as threads, httpx.Client(limits=httpx.Limits(max_connections=50)):
        ready = threading.Barrier(41)

        def follow(_: int) -> list[int]:
            with quiet.client() as own, feed(own, begin) as events:
                ready.wait(PATIENCE)
                return taken(events, 20)

        readers = [threads.submit(follow, n) for n in range(40)]
        ready.wait(PATIENCE)
        monkeypatch.setattr(quiet.runtime.log, "read", counted)
        make(asking, 20)
        expected = all_positions(asking, after=begin)
        assert all(reader.result(PATIENCE) == expected for reader in readers)
    following = [after for after in reads if after >= begin]
    assert len(following) < 20 * 40


def test_a_quiet_feed_is_kept_open_by_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from api.routes import stream

    assert 5 <= stream.HEARTBEAT <= 30
    monkeypatch.setattr(stream, "HEARTBEAT", 0.05)
    following = {"Accept": "text/event-stream"}
    with (
        serving(settings_for(tmp_path)) as server,
        server.client() as client,
        client.stream("GET", "/v1/events", headers=following) as response,
    ):
        comments = (line for line in response.iter_lines() if line.startswith(": ping"))
        assert [next(comments), next(comments)]


SERVE = """
import socket, sys
import uvicorn
from api.app import create_app
from skyulf.runtime import running
from skyulf.settings import Settings
from pathlib import Path

with running(Settings(data_dir=Path(sys.argv[1]))) as runtime:
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(create_app(runtime), log_level="warning")).run([listener])
"""


def test_feeds_end_when_the_server_is_told_to_stop(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with Client(base_url=f"http://localhost:{port}", timeout=PATIENCE) as client:

            def live() -> bool:
                try:
                    return client.get("/health/live").status_code == 200
                except httpx.TransportError:
                    return False

            until(live)
            made = make(client, 2)
            with feed(client) as events:
                assert taken(events, 2) == [answer["position"] for answer in made]
                os.kill(process.pid, signal.SIGTERM)
                assert [event for event in events if event.data] == []
        assert process.wait(20) in (0, -signal.SIGTERM)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()
