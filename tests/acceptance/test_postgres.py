"""The whole system on Postgres, whose server is killed while it is used."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from command_line import answered, skyulf
from services.postgres import CannotRun, Postgres
from system import QUICK, System, eventually, kinds

from skyulf.adapters.postgres_schema import VERSION


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A server that the test may kill."""
    try:
        server = Postgres()
        server.start()
    except CannotRun as error:
        pytest.skip(str(error))
    yield server
    server.stop()


def test_a_server_of_postgres_is_killed_and_nothing_is_lost(server: Postgres, tmp_path: Path) -> None:
    settings = {"SKYULF_DATABASE_URL": server.dsn, "SKYULF_DATA_DIR": str(tmp_path / "refused")}
    refused = skyulf("serve", "--port", "0", **settings)
    assert refused.returncode == 2
    assert "run skyulf migrate" in " ".join(refused.stderr.split())
    assert server.password not in refused.stderr + refused.stdout
    assert answered("migrate", **settings) == {"before": 0, "after": VERSION}
    assert answered("migrate", **settings) == {"before": VERSION, "after": VERSION}

    with System(tmp_path, database_url=server.dsn) as system:
        system.start()
        dataset = system.serve()
        before = system.events()
        key = {"Idempotency-Key": str(uuid4())}
        body = {"dataset_id": dataset, "spec": QUICK}

        server.kill()
        for answer in (
            system.ask("POST", "/v1/jobs", json=body, headers=key),
            system.ask("GET", "/v1/jobs"),
            system.ask("GET", "/v1/events"),
            system.predict(),
        ):
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["Retry-After"]) >= 1
            assert server.password not in answer.text
        server.start()

        def taken() -> str | None:
            answer = system.ask("POST", "/v1/jobs", json=body, headers=key)
            assert answer.status_code in (202, 503), answer.text
            return str(answer.json()["id"]) if answer.status_code == 202 else None

        job = eventually(taken)
        assert system.send("POST", "/v1/jobs", body, headers=key)["id"] == job
        assert system.wait(job)["status"] == "succeeded"
        assert kinds(system.stream(job)).count("JobCreated") == 1
        assert system.events()[: len(before)] == before
        assert system.predict().status_code == 200
        assert server.password not in system.server.said()
        assert system.server.stop() == 0
