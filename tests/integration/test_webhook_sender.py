"""One attempt after another at real receivers: what counts as taken, and to whom nothing is sent."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from httpx import create_ssl_context
from receiver import LEFT_ALONE, Receiver, receiving

from skyulf.adapters.webhook_sender import HttpSender
from skyulf.reactions.webhooks.addresses import AddressRules

HERE = AddressRules.of(["127.0.0.0/8"])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def sent(
    url: str, rules: AddressRules = HERE, seconds: float = 5.0, context: ssl.SSLContext | None = None
) -> tuple[str | None, float | None]:
    """What comes of one attempt."""

    async def send() -> tuple[str | None, float | None]:
        sender = HttpSender(rules, seconds, context or create_ssl_context())
        try:
            outcome = await sender.send(url, (("webhook-id", "1"),), b"{}")
        finally:
            await sender.close()
        return outcome.error, outcome.wish

    return asyncio.run(send())


def test_only_a_success_is_one_and_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.headers = {"Location": receiver.url, "Retry-After": "7"}
    for status in (301, 307, 400, 404, 410, 500, 503):
        receiver.answer = lambda _, status=status: status  # type: ignore[misc]
        assert sent(receiver.url) == (f"answered {status}", 7.0)
    assert receiver.asked == 7
    for status in (200, 202, 204):
        receiver.answer = lambda _, status=status: status  # type: ignore[misc]
        assert sent(receiver.url) == (None, None)


def test_no_answer_is_told_as_such(receiver: Receiver) -> None:
    receiver.answer = lambda _: LEFT_ALONE
    error, _ = sent(receiver.url)
    assert error is not None
    assert error.startswith("no answer (")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert sent(url, seconds=0.2) == ("no answer within 0.2 s", None)
    error, _ = sent(url)  # where nobody listens any more
    assert error is not None
    assert error.startswith("no answer (ConnectError")


def test_an_answer_is_what_its_status_says_however_the_rest_comes() -> None:
    """A receiver that has taken the event, and then hangs, or sends more than anybody reads."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for rest in (b"x", b"y" * (1 << 20)):
                connection, _ = server.accept()
                with connection, suppress(ConnectionError):
                    connection.recv(1 << 16)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + rest)
                    connection.recv(1)  # until the sender has left

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert [sent(url), sent(url)] == [(None, None)] * 2
        thread.join()


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for a host that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, private


def test_nothing_is_sent_to_who_cannot_show_whom_it_is(tmp_path: Path) -> None:
    file, key = certificate(tmp_path, "localhost")
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(file, key)
    trusting = ssl.create_default_context(cafile=str(file))
    with receiving(own) as receiver:
        url = receiver.url.replace("http://", "https://")
        named = url.replace("127.0.0.1", "localhost")
        for context, asked in ((None, named), (trusting, url)):  # who is not known, and who is another
            error, _ = sent(asked, context=context)
            assert error is not None
            assert "certificate verify failed" in error.lower()
        assert receiver.asked == 0
        assert sent(named, context=trusting) == (None, None)


def test_names_are_checked_by_the_address_that_they_mean(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that means an address of the internet when it is looked at, and this machine when it is connected to."""
    found = [("93.184.216.34", 80), ("127.0.0.1", 80)]
    real = socket.getaddrinfo
    port = receiver.server.server_address[1]

    def look_up(host: object, *args: object, **more: object) -> object:
        if host != "rebound.example":
            return real(host, *args, **more)  # type: ignore[arg-type]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", found.pop(0) if len(found) > 1 else found[0])]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert AddressRules.of(["public"]).check("http://rebound.example/") is None
    look_up("rebound.example")
    error, _ = sent(f"http://rebound.example:{port}/", AddressRules.of(["public"]))
    assert error is not None
    assert "rebound.example (127.0.0.1) is not an address that deliveries may go to" in error
    assert receiver.asked == 0
    assert sent(f"http://rebound.example:{port}/", AddressRules.of(["rebound.example"])) == (None, None)
    assert receiver.taken[0].headers["host"] == f"rebound.example:{port}"
