"""A receiver of webhooks on a free port of this machine: a real HTTP server, which takes, fails or hangs as told."""

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Event = dict[str, Any]

LEFT_ALONE = 0
"""What a receiver answers that says nothing: it drops the connection."""


class Delivery:
    """One request: its headers and its body, and the event in it."""

    def __init__(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.path = path
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body
        self.event: Event = json.loads(body)

    def signed_with(self, secret: str) -> bool:
        """Whether the signature is right: written after the specification alone, as a receiver would be."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        told = self.headers
        signed = f"{told['webhook-id']}.{told['webhook-timestamp']}.".encode() + self.body
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        recent = abs(time.time() - int(told["webhook-timestamp"])) < 300
        return recent and f"v1,{expected}" in told["webhook-signature"].split(" ")


class Receiver:
    """Keeps what it takes; ``answer`` says what each delivery is answered with, 204 and the like, or `LEFT_ALONE`."""

    def __init__(self) -> None:
        self.answer: Callable[[Delivery], int] = lambda _: 204
        self.headers: dict[str, str] = {}
        self.taken: list[Delivery] = []
        self.asked = 0
        self.lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.take(self)

            def log_request(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        delivery = Delivery(request.path, dict(request.headers.items()), body)
        status = self.answer(delivery)
        with self.lock:
            self.asked += 1
            if 200 <= status < 300:
                self.taken.append(delivery)
        if status == LEFT_ALONE:
            request.close_connection = True
            return
        request.send_response(status)
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def positions(self) -> list[int]:
        """The positions of what was taken, in the order of taking."""
        with self.lock:
            return [delivery.event["position"] for delivery in self.taken]

    def first_times(self) -> dict[str, list[int]]:
        """For each stream the versions of its events in the order in which they were taken first."""
        firsts: dict[str, dict[int, None]] = defaultdict(dict)
        with self.lock:
            for delivery in self.taken:
                firsts[delivery.event["subject"]].setdefault(delivery.event["streamversion"])
        return {stream: list(versions) for stream, versions in firsts.items()}


@contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver that answers until the end of the block; by TLS where there is a context."""
    receiver = Receiver()
    if context is not None:
        receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    thread = threading.Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        thread.join()
        receiver.server.server_close()
