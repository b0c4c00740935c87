"""S3 as it fails: what is set wrongly is told at the start, what breaks later is taken up again or told as such."""

import hashlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from services.s3 import Bucket, free_ports

from skyulf.adapters import s3 as s3_adapter
from skyulf.adapters.s3 import make_client
from skyulf.adapters.s3_artifacts import PART, S3Artifacts, open_s3
from skyulf.errors import Misconfigured, Unavailable
from skyulf.runtime import reading, restoring
from skyulf.settings import Settings

REPO = Path(__file__).parents[2]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Bucket], None]:
    """Has boto3 find a bucket's server and credentials in the environment."""

    def put(bucket: Bucket) -> None:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)

    return put


class Proxy:
    """Passes connections on to an S3 server; each answer is cut off after ``cuts``' next number of bytes, if any."""

    def __init__(self, target: Bucket) -> None:
        self.cuts: list[int] = []
        self.requests = 0
        host, _, port = target.endpoint.removeprefix("http://").rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.bucket = replace(target, endpoint=f"http://127.0.0.1:{self._listener.getsockname()[1]}")
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            threading.Thread(target=self._pass, args=(near, far), daemon=True).start()
            threading.Thread(target=self._answer, args=(far, near), daemon=True).start()

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(1 << 16):
                self.requests += data.startswith(b"GET ")
                far.sendall(data)
        with suppress(OSError):
            far.shutdown(socket.SHUT_RDWR)

    def _answer(self, far: socket.socket, near: socket.socket) -> None:
        left = self.cuts.pop(0) if self.cuts else None
        with suppress(OSError):
            while (left is None or left > 0) and (data := far.recv(1 << 16)):
                near.sendall(data if left is None else data[:left])
                left = None if left is None else left - len(data)
        for end in (near, far):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def proxy(s3: Bucket) -> Iterator[Proxy]:
    if not s3.endpoint.startswith("http://"):
        pytest.skip("the server of SKYULF_TEST_S3 speaks TLS, which cannot be passed on")
    proxy = Proxy(s3)
    yield proxy
    proxy.close()


def nowhere(bucket: Bucket) -> Bucket:
    return replace(bucket, endpoint=f"http://127.0.0.1:{free_ports(1)[0]}")


# Settings that are wrong

WRONG: dict[str, tuple[Callable[[Bucket], Bucket], str]] = {
    "no bucket": (lambda it: replace(it, name="skyulf-no-such-bucket"), "there is no bucket skyulf-no-such-bucket"),
    "secret": (lambda it: replace(it, secret_key="wrong" * 8), "credentials are refused .* AWS_SECRET_ACCESS_KEY"),
    "key": (lambda it: replace(it, access_key="wrong" * 4), "credentials are refused .* AWS_ACCESS_KEY_ID"),
    "no credentials": (lambda it: replace(it, access_key="", secret_key=""), "there are no credentials; set AWS_"),
    "nowhere": (nowhere, "nothing answers at http://127.0.0.1:[0-9]+ .* AWS_ENDPOINT_URL_S3"),
    "no URL": (lambda it: replace(it, endpoint="nonsense"), "cannot use AWS_ENDPOINT_URL_S3"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_told_at_the_start(
    s3: Bucket, use: Callable[[Bucket], None], monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr(s3_adapter, "ATTEMPTS", 1)
    change, told = WRONG[case]
    bucket = change(s3)
    use(bucket)
    with pytest.raises(Misconfigured, match=f"^SKYULF_ARTIFACTS_URL: .*{told}") as caught:
        open_s3(bucket.url(), writing=True)
    for secret in {s3.secret_key, bucket.secret_key} - {""}:
        assert secret not in caught.value.detail


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///prefix",
        "s3://No_Bucket/prefix",
        "s3://user:hunter2@bucket/prefix",
        "s3://bucket/prefix?hunter2",
        "s3://bucket:hunter2/prefix",
    ],
)
def test_a_url_that_names_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"^SKYULF_ARTIFACTS_URL: write s3://bucket/prefix") as caught:
        open_s3(url, writing=True)
    assert "hunter2" not in caught.value.detail


def test_the_server_says_it_and_ends(s3: Bucket, tmp_path: Path) -> None:
    settings = {"SKYULF_ARTIFACTS_URL": f"s3://{s3.name}-not/x", "SKYULF_DATA_DIR": str(tmp_path / "data")}
    environment = {**os.environ, **s3.environment, **settings, "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-m", "skyulf", "serve", "--port", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    assert f"SKYULF_ARTIFACTS_URL: there is no bucket {s3.name}-not" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_who_only_looks_at_the_log_needs_no_s3(
    s3: Bucket, use: Callable[[Bucket], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(s3_adapter, "ATTEMPTS", 1)
    with restoring(Settings(data_dir=tmp_path)):  # makes an empty log
        pass
    use(nowhere(s3))
    settings = Settings(data_dir=tmp_path, artifacts_url=f"s3://{s3.name}/x")
    with reading(settings) as (log, open_artifacts):
        assert log.head() == 0
        with pytest.raises(Misconfigured, match="nothing answers"):
            open_artifacts()


# What breaks later


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(os.urandom(3_000_000))
    return path


def test_a_download_that_breaks_off_is_taken_up_where_it_ended(
    proxy: Proxy, use: Callable[[Bucket], None], file: Path, tmp_path: Path
) -> None:
    use(proxy.bucket)
    url = proxy.bucket.url()
    digest = open_s3(url, writing=True).put(file)
    store = open_s3(url, writing=False)
    store._client.close()  # so that the next connection, too, is one that the proxy cuts
    proxy.requests = 0
    proxy.cuts = [1_000_000, 1_100_000]
    store.copy(digest, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == file.read_bytes()
    assert proxy.requests == 3


def test_a_server_that_is_gone_is_unavailable_and_nothing_is_left(
    proxy: Proxy, use: Callable[[Bucket], None], monkeypatch: pytest.MonkeyPatch, file: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(s3_adapter, "ATTEMPTS", 1)
    use(proxy.bucket)
    store = open_s3(proxy.bucket.url(), writing=True)
    digest = store.put(file)
    store._client.close()
    proxy.cuts = [0] * 20
    asks: list[Callable[[], Any]] = [
        lambda: store.put(file),
        lambda: store.path(digest),
        lambda: store.read(digest),
        lambda: store.copy(digest, tmp_path / "copy"),
        lambda: list(store.digests()),
    ]
    for ask in asks:
        with pytest.raises(Unavailable, match="the artifact store is not available now") as caught:
            ask()
        assert caught.value.retry_after > 0
    assert not (tmp_path / "copy").exists()
    proxy.cuts = []
    assert store.read(digest) == file.read_bytes()


# Other servers


def refusing(store: S3Artifacts, monkeypatch: pytest.MonkeyPatch, operation: str, code: str) -> list[bool]:
    """Has the server answer with an error whatever is asked on a condition; whether it was, call by call."""
    calls = []
    ask = getattr(store._client, operation)

    def asked(**arguments: Any) -> Any:
        calls.append("IfNoneMatch" in arguments)
        if calls[-1]:
            raise ClientError({"Error": {"Code": code}}, operation)
        return ask(**arguments)

    monkeypatch.setattr(store._client, operation, asked)
    return calls


@pytest.mark.parametrize("code", ["NotImplemented", "ConditionalRequestConflict", "PreconditionFailed"])
@pytest.mark.parametrize(("operation", "size"), [("put_object", 5), ("complete_multipart_upload", PART + 5)])
def test_a_server_without_conditional_writes_keeps_it_all_the_same(
    s3: Bucket,
    use: Callable[[Bucket], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    operation: str,
    size: int,
    code: str,
) -> None:
    use(s3)
    store = open_s3(s3.url(), writing=True)
    calls = refusing(store, monkeypatch, operation, code)
    path = tmp_path / "file.bin"
    path.write_bytes(b"x" * size)
    digest = store.put(path)
    assert calls == [True, False]
    assert store.read(digest) == b"x" * size


def test_what_is_there_is_not_written_again(
    s3: Bucket, use: Callable[[Bucket], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(s3)
    store = open_s3(s3.url(), writing=True)
    for size in (5, PART + 5):
        path = tmp_path / f"{size}.bin"
        path.write_bytes(b"x" * size)
        digest = store.put(path)
        key = f"{store._prefix}{digest[7:9]}/{digest[7:]}"
        before = s3.client().head_object(Bucket=s3.name, Key=key)
        assert store.put(path) == digest
        after = s3.client().head_object(Bucket=s3.name, Key=key)
        assert (after["LastModified"], after["ETag"]) == (before["LastModified"], before["ETag"])


def test_who_may_not_write_is_told_at_the_start_and_may_read(
    s3: Bucket, use: Callable[[Bucket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(s3)
    store = open_s3(s3.url(), writing=True)
    refusing(store, monkeypatch, "put_object", "AccessDenied")
    with pytest.raises(Misconfigured, match=f"the credentials may not write to the bucket {s3.name}"):
        store.check(writing=True)
    store.check(writing=False)


def test_the_clock_is_named_when_it_is_wrong(
    s3: Bucket, use: Callable[[Bucket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(s3)
    store = open_s3(s3.url(), writing=True)
    refusing(store, monkeypatch, "put_object", "RequestTimeTooSkewed")
    with pytest.raises(Misconfigured, match="this machine's clock is wrong"):
        store.check(writing=True)


def test_parts_that_arrive_otherwise_are_refused_and_nothing_is_kept(
    s3: Bucket, use: Callable[[Bucket], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(s3)
    store = open_s3(s3.url(), writing=True)
    send = store._client.upload_part

    def garbled(**arguments: Any) -> Any:
        return send(**{**arguments, "Body": b"y" + arguments["Body"][1:]})

    monkeypatch.setattr(store._client, "upload_part", garbled)
    path = tmp_path / "file.bin"
    path.write_bytes(b"x" * (PART + 5))
    with pytest.raises(Unavailable, match=r"BadDigest|Checksum"):
        store.put(path)
    assert list(store.digests()) == []
    uploads = s3.client().list_multipart_uploads(Bucket=s3.name, Prefix=store._prefix)
    assert "Uploads" not in uploads


def test_an_artifacts_folder_that_is_copied_to_a_bucket_is_a_store(s3: Bucket, use: Callable[[Bucket], None]) -> None:
    use(s3)
    url, content = s3.url(), b"from a folder"
    digits = hashlib.sha256(content).hexdigest()
    s3.put(f"{url}/{digits[:2]}/{digits}", content)
    s3.put(f"{url}/README", b"not an artifact")
    store = open_s3(f"{url}/", writing=False)
    assert list(store.digests()) == [f"sha256:{digits}"]
    assert store.read(f"sha256:{digits}") == content


def test_amazons_own_buckets_are_named_in_the_host(use: Callable[[Bucket], None], s3: Bucket) -> None:
    use(replace(s3, endpoint="https://s3.eu-central-1.amazonaws.com"))
    assert make_client("SKYULF_ARTIFACTS_URL").meta.config.s3 is None
    use(s3)
    assert make_client("SKYULF_ARTIFACTS_URL").meta.config.s3 == {"addressing_style": "path"}
