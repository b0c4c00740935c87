"""Artifacts as objects of S3, or of whatever else speaks its language."""

import base64
import hashlib
import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from skyulf.adapters.s3 import BUCKET, S3Error, code_of, is_missing, make_client, pieces_of_object, refuse, telling
from skyulf.artifacts import DIGEST, Stored, digest_of, hexadecimal, write_verified
from skyulf.errors import AnotherContent, Misconfigured, NotFound

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

SETTING = "SKYULF_ARTIFACTS_URL"

PART = 8 << 20
"""Bytes; a larger file is sent in parts of this size, larger ones where there would be more than `MOST_PARTS`."""

MOST_PARTS = 10_000

PARTS_AT_ONCE = 4

UNCONDITIONAL = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict", "501", "NotImplemented"})
"""There is an object already, or one is being written, or the server knows no ``If-None-Match``."""

MARK = "writable"
"""The object by which a start sees that it may write; it is empty."""


class S3Artifacts:
    """`ArtifactStore` in a bucket, under ``prefix`` (empty, or ending in a stroke): ``ab/abcd…``, as in a folder.

    Objects are written once (``If-None-Match: *``). A server that does not know the condition
    writes the same content again, which changes nothing: the key is the content's digest.
    """

    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def check(self, writing: bool) -> None:
        """See that the bucket is there and may be used; raises `Misconfigured` naming the way out."""
        doing = "list"
        try:
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
            if writing:
                doing = "write to"
                self._client.put_object(Bucket=self._bucket, Key=self._prefix + MARK, Body=b"", IfNoneMatch="*")
        except S3Error as error:
            if code_of(error) not in UNCONDITIONAL:
                refuse(SETTING, self._bucket, doing, self._client.meta.endpoint_url, error)

    def put(self, source: Path) -> str:
        """See `ArtifactStore.put`."""
        digest = digest_of(source)
        key, size = self._key(digest), source.stat().st_size
        with telling("the artifact store"):
            if size <= PART:
                self._put_whole(key, source.read_bytes(), digest)
            elif self._size(key) != size:
                self._put_parts(key, source, size)
        return digest

    def path(self, digest: str) -> Path:
        """See `ArtifactStore.path`; the file stays until the store is forgotten."""
        path = self._files / hexadecimal(digest)
        if not path.exists():
            part = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
            self.copy(digest, part)
            part.replace(path)
        return path

    def copy(self, digest: str, target: Path) -> None:
        """See `ArtifactStore.copy`."""
        write_verified(self._pieces(digest), digest, target)

    def read(self, digest: str) -> bytes:
        """See `ArtifactStore.read`."""
        content = b"".join(self._pieces(digest))
        if (found := hashlib.sha256(content).hexdigest()) != hexadecimal(digest):
            raise AnotherContent(digest, f"sha256:{found}")
        return content

    def remove(self, digest: str) -> None:
        """See `ArtifactStore.remove`."""
        with telling("the artifact store"):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(digest))

    def digests(self) -> Iterator[str]:
        """See `ArtifactStore.digests`."""
        return (each.digest for each in self.stored())

    def stored(self) -> Iterator[Stored]:
        """See `ArtifactStore.stored`."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        with telling("the artifact store"):
            for page in pages:
                for found in page.get("Contents", ()):
                    digest = f"sha256:{found['Key'].rpartition('/')[2]}"
                    if DIGEST.match(digest) and found["Key"] == self._key(digest):
                        yield Stored(digest, found["Size"], found["LastModified"].timestamp(), digest)

    @cached_property
    def _files(self) -> Path:
        """Where `path` puts what it fetches; made when it is first needed, as before a cache it never is."""
        folder = tempfile.mkdtemp(prefix="skyulf-artifacts-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    def _key(self, digest: str) -> str:
        digits = hexadecimal(digest)
        return f"{self._prefix}{digits[:2]}/{digits}"

    def _size(self, key: str) -> int | None:
        """The size of an object; None when there is none."""
        try:
            return self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"]
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    # In

    def _put_whole(self, key: str, content: bytes, digest: str) -> None:
        def send(**condition: str) -> None:
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=content,
                ChecksumSHA256=base64.b64encode(bytes.fromhex(hexadecimal(digest))).decode(),
                **condition,  # type: ignore[arg-type]
            )

        try:
            send(IfNoneMatch="*")
        except ClientError as error:
            if code_of(error) not in UNCONDITIONAL:
                raise
            if self._size(key) != len(content):
                send()

    def _put_parts(self, key: str, source: Path, size: int) -> None:
        place = {"Bucket": self._bucket, "Key": key}
        started = self._client.create_multipart_upload(**place, ChecksumAlgorithm="SHA256")  # type: ignore[arg-type]
        upload: dict[str, Any] = {**place, "UploadId": started["UploadId"]}
        try:
            upload["MultipartUpload"] = {"Parts": self._send_parts(upload, source, size)}
            try:
                self._client.complete_multipart_upload(**upload, IfNoneMatch="*")
            except ClientError as error:
                if code_of(error) not in UNCONDITIONAL:
                    raise
                if self._size(key) != size:
                    self._client.complete_multipart_upload(**upload)
                else:
                    self._abandon(upload)
        except BaseException:
            self._abandon(upload)
            raise

    def _send_parts(self, upload: dict[str, Any], source: Path, size: int) -> list[dict[str, Any]]:
        """Send a file's parts, a few at once, each with its checksum; what completes the upload."""
        step = max(PART, -(-size // MOST_PARTS))

        def send(number: int) -> dict[str, Any]:
            content = os.pread(file.fileno(), step, (number - 1) * step)
            checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
            sent = self._client.upload_part(**upload, PartNumber=number, Body=content, ChecksumSHA256=checksum)
            return {"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": checksum}

        with source.open("rb") as file, ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="s3") as threads:
            return list(threads.map(send, range(1, -(-size // step) + 1)))

    def _abandon(self, upload: dict[str, Any]) -> None:
        """Have the server forget the parts, which would be paid for; one that cannot now has rules to do it later."""
        with suppress(*S3Error):
            place = {name: upload[name] for name in ("Bucket", "Key", "UploadId")}
            self._client.abort_multipart_upload(**place)

    # Out

    def _pieces(self, digest: str) -> Iterator[bytes]:
        with telling("the artifact store"):
            try:
                yield from pieces_of_object(self._client, self._bucket, self._key(digest))
            except ClientError as error:
                if is_missing(error):
                    raise NotFound(f"there is no artifact {digest}") from error
                raise


def open_s3(url: str, writing: bool) -> S3Artifacts:
    """The store that ``s3://bucket/prefix`` names, once it is seen to be usable; raises `Misconfigured`."""
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise Misconfigured(f"{SETTING}: write s3://bucket/prefix; credentials go into AWS_… variables, not the URL")
    if not BUCKET.fullmatch(parts.netloc):
        raise Misconfigured(f"{SETTING}: write s3://bucket/prefix; what stands there is no bucket's name")
    prefix = parts.path.strip("/")
    artifacts = S3Artifacts(make_client(SETTING), parts.netloc, f"{prefix}/" if prefix else "")
    artifacts.check(writing)
    return artifacts
