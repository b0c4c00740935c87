"""Everything is killed at random while it is used, and nothing is lost, doubled or left undone."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos import torment
from services.kafka import ApacheKafka, Unfit, free_ports, kafka_jars
from services.postgres import CannotRun, Postgres
from topics import published

ROUNDS = 24
SEED = 20_261_123


@pytest.fixture
def postgres_to_kill() -> Iterator[Postgres]:
    try:
        server = Postgres()
        server.start()
    except CannotRun as error:
        pytest.skip(str(error))
    yield server
    server.stop()


@pytest.fixture
def kafka_to_kill(tmp_path: Path) -> Iterator[ApacheKafka]:
    try:
        broker = ApacheKafka(kafka_jars(), tmp_path)
    except Unfit as error:
        pytest.skip(str(error))
    broker.start()
    yield broker
    broker.kill()


@pytest.mark.timeout(900)
def test_everything_is_killed_at_random(postgres_to_kill: Postgres, kafka_to_kill: ApacheKafka, tmp_path: Path) -> None:
    found = torment(
        tmp_path,
        postgres_to_kill,
        kafka_to_kill,
        free_ports(8),
        published,
        rounds=ROUNDS,
        seed=SEED,
        more={"SKYULF_LEASE_SECONDS": "3"},  # a killed worker's jobs are waited for
        tell=lambda text: print(text, file=sys.stderr),
    )
    assert found.faults == {}
    assert found.acknowledged["submit"] > ROUNDS / 2, "there was something to lose"
    assert found.ends["ModelTrained"] > 0
