"""Checkpoints, proofs and tiles over HTTP, and a witness that asks for them."""

import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from live import Client, Server, assert_problem, serving, settings_for, spec_for

from skyulf import witness
from skyulf.events.checkpoints import opened, parse_note, signed
from skyulf.events.keys import COSIGNED, SigningKey, parse_key
from skyulf.events.ledger import extends, includes, leaf_hash, root_over
from skyulf.events.ledger_store import Kept


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Server]:
    """A server on which nothing is sealed but by `seal`."""
    with serving(settings_for(tmp_path / "data"), started=False) as server:
        yield server


@pytest.fixture
def asking(quiet: Server) -> Iterator[Client]:
    with quiet.client() as client:
        yield client


def grow(client: Client, count: int) -> None:
    for _ in range(count):
        client.post("/v1/pipelines", json={"name": "p", "spec": spec_for()}).raise_for_status()


def seal(server: Server) -> None:
    assert server.runtime.sealer is not None
    server.runtime.sealer.seal(sign=True)


class TestCheckpoints:
    def test_before_the_first_nothing_is_claimed(self, asking: Client) -> None:
        for path in ("checkpoint", "proofs/inclusion?position=1", "proofs/consistency?from=1", "tile/0/000"):
            assert_problem(asking.get(f"/v1/audit/{path}"), 404, "not-found")
        assert asking.get("/v1/audit/checkpoints").json() == {"items": [], "next_cursor": None}

    def test_the_newest_tells_what_it_covers_and_what_not(self, quiet: Server, asking: Client) -> None:
        grow(asking, 3)
        seal(quiet)
        grow(asking, 2)
        found = asking.get("/v1/audit/checkpoint").json()
        assert (found["size"], found["position"], found["unsealed"]["events"]) == (3, 3, 2)
        assert found["unsealed"]["seconds"] > 0
        checkpoint = opened(found["note"], parse_key(found["key"])).checkpoint
        assert (checkpoint.origin, checkpoint.root) == (found["origin"], b64decode(found["root"]))
        assert asking.get("/v1/audit/checkpoint", headers={"Accept": "text/plain"}).text == found["note"]

    def test_they_are_listed_page_by_page(self, quiet: Server, asking: Client) -> None:
        for _ in range(3):
            grow(asking, 1)
            seal(quiet)
        assert [item["size"] for item in asking.everything("/v1/audit/checkpoints", limit=2)] == [3, 2, 1]
        assert asking.get("/v1/audit/checkpoints/2").json()["size"] == 2
        problem = assert_problem(asking.get("/v1/audit/checkpoints/9"), 404, "not-found")
        assert problem["detail"] == "no checkpoint was signed over 9 events; the newest is over 3"


class TestProofs:
    def test_an_event_of_the_feed_is_proved_by_its_own_bytes(self, quiet: Server, asking: Client) -> None:
        grow(asking, 5)
        seal(quiet)
        for position in range(1, 6):
            text = asking.get("/v1/events", params={"after": position - 1, "limit": 1}).text
            proof = asking.get("/v1/audit/proofs/inclusion", params={"position": position}).json()
            assert b64decode(proof["leaf"]) == leaf_hash(text.strip()[1:-1].encode())
            path = [b64decode(each) for each in proof["path"]]
            assert includes(b64decode(proof["root"]), proof["size"], b64decode(proof["leaf"]), proof["index"], path)

    def test_what_cannot_be_proved_is_refused_with_why(self, quiet: Server, asking: Client) -> None:
        grow(asking, 2)
        seal(quiet)
        grow(asking, 1)
        beyond = assert_problem(asking.get("/v1/audit/proofs/inclusion?position=4"), 422, "invalid")
        assert beyond["detail"] == "position 4 is beyond the log's head, 3"
        unsealed = assert_problem(asking.get("/v1/audit/proofs/inclusion?position=3"), 409, "not-allowed")
        assert "position 3 is not under this checkpoint, which goes up to 2" in unsealed["detail"]
        other = assert_problem(asking.get("/v1/audit/proofs/inclusion?position=1&origin=example.org/x"), 422, "invalid")
        assert "not example.org/x" in other["detail"]
        assert_problem(asking.get("/v1/audit/proofs/inclusion?position=1&size=9"), 404, "not-found")

    def test_growth_is_proved_between_any_two_sizes(self, quiet: Server, asking: Client) -> None:
        for _ in range(3):
            grow(asking, 2)
            seal(quiet)
        proof = asking.get("/v1/audit/proofs/consistency", params={"from": 2, "to": 5}).json()
        path = [b64decode(each) for each in proof["path"]]
        assert extends(2, b64decode(proof["from_root"]), 5, b64decode(proof["to_root"]), path)
        assert asking.get("/v1/audit/proofs/consistency?from=6").json()["path"] == []
        later = assert_problem(asking.get("/v1/audit/proofs/consistency?from=2&to=7"), 422, "invalid")
        assert later["detail"] == "the newest checkpoint covers 6 events, not 7"
        assert_problem(asking.get("/v1/audit/proofs/consistency?from=5&to=4"), 422, "invalid")
        assert_problem(asking.get("/v1/audit/proofs/consistency?from=2&origin=x"), 422, "invalid")

    def test_tiles_have_the_leaves_that_the_root_is_made_of(self, quiet: Server, asking: Client) -> None:
        grow(asking, 3)
        seal(quiet)
        tile = asking.get("/v1/audit/tile/0/000.p/3")
        assert tile.headers["content-type"] == "application/octet-stream"
        leaves = [tile.content[at : at + 32] for at in range(0, 96, 32)]
        assert root_over(leaves) == b64decode(asking.get("/v1/audit/checkpoint").json()["root"])
        assert asking.get("/v1/audit/tile/0/000.p/2").content == tile.content[:64]
        for path in ("0/000", "0/000.p/4", "0/000.p/0", "0/001", "1/000", "64/000", "0/0", "x", "0/000.p/257"):
            assert_problem(asking.get(f"/v1/audit/tile/{path}"), 404, "not-found")


class Observer:
    """A witness with a folder, who looks at a server."""

    def __init__(self, folder: Path, server: Server, key: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._server, self._key, self._capsys = folder, server, key, capsys
        assert witness.main([str(folder), "--make-key", "witness.example.org"]) == 0
        self.public = parse_key(capsys.readouterr().out)

    def look(self, key: str | None = None) -> tuple[int, str]:
        code = witness.main([str(self.folder), "--log", self._server.url, "--key", key or self._key])
        told = self._capsys.readouterr()
        return code, told.out + told.err


@pytest.fixture
def observer(quiet: Server, asking: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Observer:
    grow(asking, 3)
    seal(quiet)
    key = asking.get("/v1/audit/checkpoint").json()["key"]
    return Observer(tmp_path / "witness", quiet, key, capsys)


class TestWitness:
    def test_growth_is_cosigned_and_the_note_is_evidence(
        self, quiet: Server, asking: Client, observer: Observer
    ) -> None:
        assert observer.look() == (0, "cosigned: 3 events\n")
        assert observer.look() == (0, "nothing new: 3 events\n")
        grow(asking, 4)
        seal(quiet)
        assert observer.look() == (0, "cosigned: 7 events\n")
        assert observer.public.kind == COSIGNED
        note = (observer.folder / "latest").read_text()
        verdict = quiet.runtime.audit.verify(None, [note], [observer.public])
        assert verdict.fine
        found = opened(note, verdict.key, [observer.public])
        assert [name for name, _ in found.witnesses] == ["witness.example.org"]
        assert (observer.folder / "000000000003").is_file()
        assert (observer.folder / "witness.key").stat().st_mode & 0o077 == 0

    def replaced(self, server: Server, size: int, root: bytes) -> None:
        """The operator signs another history and shows that from now on."""
        runtime = server.runtime
        assert runtime.sealer is not None
        key: SigningKey = runtime.sealer._key()
        newest = opened(runtime.audit.newest().note, key.public).checkpoint
        note = signed(replace(newest, size=size, root=root), key, runtime.now())
        ledger: Any = runtime.ledger
        ledger._notes = {size: Kept(size, note, str(key.public))}

    def test_a_log_that_was_cut_is_not_cosigned(self, quiet: Server, observer: Observer) -> None:
        assert observer.look()[0] == 0
        self.replaced(quiet, 2, b"r" * 32)
        assert observer.look() == (1, "NOT cosigned: the log has 2 events, and had 3: its end has been cut\n")
        assert parse_note((observer.folder / "refused").read_text()).text.split("\n")[1] == "2"
        assert parse_note((observer.folder / "latest").read_text()).text.split("\n")[1] == "3"

    def test_another_history_is_not_cosigned(self, quiet: Server, asking: Client, observer: Observer) -> None:
        assert observer.look()[0] == 0
        self.replaced(quiet, 3, sha256(b"another").digest())
        assert observer.look() == (1, "NOT cosigned: the log showed another history of 3 events before\n")
        grow(asking, 2)
        seal_again = quiet.runtime.sealer
        assert seal_again is not None
        self.replaced(quiet, 3, root_over([leaf_hash(b"x")] * 3))
        seal_again._earlier = []
        seal_again.seal(sign=True)
        latest = observer.folder / "latest"
        latest.write_text((observer.folder / "refused").read_text())  # as if it had seen another history of three
        code, told = observer.look()
        assert (code, told) == (1, "NOT cosigned: the log of 5 events does not begin with the 3 that were cosigned\n")

    def test_another_key_and_a_silent_log_are_told_apart(self, observer: Observer, tmp_path: Path) -> None:
        log = observer._key.split("+")[0]
        other = str(SigningKey(log, bytes(32)).public)
        assert observer.look(other) == (
            1,
            f"NOT cosigned: the checkpoint is not signed by {log}, whose key was given\n",
        )
        assert not (observer.folder / "latest").exists()
        assert witness.main([str(observer.folder), "--log", "http://127.0.0.1:1", "--key", observer._key]) == 2


def test_auditors_may_ask_and_viewers_may_not(client: Client) -> None:
    from api.permissions import PERMISSIONS

    of_the_seal = ("checkpoint", "proofs", "tile")
    asked = {
        operation: roles
        for operation, roles in PERMISSIONS.items()
        if operation.startswith(tuple(f"GET /v1/audit/{part}" for part in of_the_seal))
    }
    assert len(asked) == 6
    assert all("auditor" in roles and "viewer" not in roles for roles in asked.values())
    assert json.loads(client.get("/openapi.json").text)["paths"]["/v1/audit/proofs/inclusion"]
