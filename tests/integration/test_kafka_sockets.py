"""Whatever becomes of a connection to a broker, its socket is closed when it is over: none is left to the collector."""

import gc
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from kafka import KafkaConsumer

from skyulf.adapters import kafka_client
from skyulf.adapters.kafka_client import Kafka
from skyulf.adapters.kafka_sockets import client
from skyulf.errors import Unavailable

PATIENCE = 20.0


@contextmanager
def closing_all() -> Iterator[None]:
    """Fails where something open was left behind."""
    gc.collect()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    assert [str(warning.message) for warning in seen if issubclass(warning.category, ResourceWarning)] == []


@contextmanager
def deaf() -> Iterator[int]:
    """The port of one who lets nobody in any more: who connects waits."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_a_connection_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_client, "TIMEOUTS", {**kafka_client.TIMEOUTS, "bootstrap_timeout_ms": 300})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    def refused() -> None:
        with pytest.raises(Unavailable):  # gone with what it caught, which holds the sockets, before it is looked
            Kafka(f"127.0.0.1:{port}").connect(KafkaConsumer)

    with closing_all():
        refused()


def test_a_client_that_is_closed_while_it_connects() -> None:
    with deaf() as port, closing_all():
        made = client(**Kafka(f"127.0.0.1:{port}").options())
        net = made._net
        net.start()
        made._manager.bootstrap_async(10_000)
        deadline = time.monotonic() + PATIENCE
        while len(net._selector.get_map()) < 2:  # beside its own of waking itself
            assert time.monotonic() < deadline
            time.sleep(0.002)
        made.close()
        del made, net


def test_a_client_that_is_closed_while_it_waits_for_an_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, closing_all():
        made = client(**Kafka(f"127.0.0.1:{listener.getsockname()[1]}").options())
        made._net.start()
        made._manager.bootstrap_async(10_000)
        with listener.accept()[0] as accepted:
            assert accepted.recv(1)
            made.close()
            accepted.setblocking(True)
            while accepted.recv(1 << 16):
                pass
        del made
