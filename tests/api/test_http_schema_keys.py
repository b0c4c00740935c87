"""The same fuzzer at a server that demands keys: with one that may do everything, and with none."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fuzzing import fuzz
from live import Server, csv_of, serving, settings_for

from api.security import LOCAL_ACTOR
from skyulf.commands.access import IssueKey
from skyulf.commands.base import Context
from skyulf.queries.access import hash_of, key_of


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Server]:
    """A server that demands keys."""
    with serving(settings_for(tmp_path / "closed")) as server:
        yield server


@pytest.fixture
def key(closed: Server) -> str:
    """The key of an admin."""
    command = IssueKey(name="admin", roles=("admin",), hash=hash_of("first"))
    answer = closed.runtime.bus.send(command, Context(actor=LOCAL_ACTOR)).result()
    closed.runtime.keyring.refresh()
    return key_of(answer.id, "first")


def bearing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.timeout(300)
def test_no_input_leads_beyond_the_document_with_a_key(closed: Server, key: str, tmp_path: Path) -> None:
    headers = bearing(key)
    with closed.client(headers=headers) as admin:
        document = admin.get("/openapi.json").json()
        dataset = admin.upload(csv_of()).json()["id"]
        fuzz(closed.url, document, tmp_path, {"^/v1/datasets": {"path.dataset_id": dataset}}, headers)
        assert admin.get("/v1/keys").status_code == 200, "the key is as good as before"
        assert all(projection["parked"] == [] for projection in admin.get("/v1/projections").json()["items"])


@pytest.mark.timeout(300)
def test_nothing_is_done_without_a_key(closed: Server, key: str, tmp_path: Path) -> None:
    document = httpx.get(f"{closed.url}/openapi.json", headers=bearing(key)).json()
    head = closed.runtime.log.head()
    fuzz(closed.url, document, tmp_path, {}, bearing("nobody"), may_call=False)
    assert {recorded.type for recorded in closed.runtime.log.read(head, 1_000).events} <= {"CommandsDenied"}
