"""Where checkpoints are published outside the database, a folder or a prefix in S3; and the file of the signing key.

Each checkpoint is an object of its own, named by its size, and ``latest`` is a copy of the newest: nothing is ever
deleted here. A bucket with object lock, or a folder that others copy, is what makes them worth having.
"""

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from skyulf.errors import Invalid, Misconfigured, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from skyulf.events.keys import SigningKey

LATEST = "latest"

NAME_DIGITS = 12
"""Digits of a size in a name, so that names are in the order of sizes."""

KEY_SETTING = "SKYULF_SIGNING_KEY"


def name_of(size: int) -> str:
    """The name of a checkpoint over so many events."""
    return f"{size:0{NAME_DIGITS}d}"


class FolderCheckpoints:
    """`CheckpointSink` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def publish(self, size: int, note: str) -> None:
        """See `CheckpointSink.publish`."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for name in (name_of(size), LATEST):
                write_whole(self._folder / name, note.encode(), 0o644)
        except OSError as error:
            raise Unavailable(f"SKYULF_CHECKPOINTS_URL: {self._folder} cannot be written ({error.strerror})") from error

    def newest(self) -> str | None:
        """See `CheckpointSink.newest`."""
        try:
            return (self._folder / LATEST).read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(f"SKYULF_CHECKPOINTS_URL: {self._folder / LATEST} cannot be read") from error


class S3Checkpoints:
    """`CheckpointSink` below a prefix of a bucket."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def publish(self, size: int, note: str) -> None:
        """See `CheckpointSink.publish`."""
        from skyulf.adapters.s3 import telling

        with telling("SKYULF_CHECKPOINTS_URL: where checkpoints are published"):
            for name in (name_of(size), LATEST):
                key = f"{self._prefix}{name}"
                self._client.put_object(Bucket=self._bucket, Key=key, Body=note.encode(), ContentType="text/plain")

    def newest(self) -> str | None:
        """See `CheckpointSink.newest`."""
        from skyulf.adapters.s3 import S3Error, is_missing, telling

        with telling("SKYULF_CHECKPOINTS_URL: where checkpoints are published"):
            try:
                found = self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}{LATEST}")
                return found["Body"].read().decode()
            except S3Error as error:
                if is_missing(error):
                    return None
                raise


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is there whole or not at all, on the disk when this returns."""
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_key(path: Path) -> "SigningKey":
    """The signing key in a file; raises `Misconfigured` where there is none, or where others may read it."""
    from skyulf.events.keys import parse_signing_key

    try:
        if path.stat().st_mode & 0o077:
            raise Misconfigured(f"{KEY_SETTING}: others than its owner may read {path}; chmod 600 it")
        return parse_signing_key(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"{KEY_SETTING}: {path} cannot be read as a signing key; skyulf audit key makes one"
        ) from error
    except Invalid as error:
        raise Misconfigured(f"{KEY_SETTING}: {path}: {error.detail}") from error


def make_key(path: Path, key: "SigningKey", *, replace: bool = False) -> "SigningKey":
    """Keep a new signing key in a file that its owner alone may read: a new one, or in place of what is there.

    Raises `Misconfigured` where there is a file already that is not to be replaced, or none can be written.
    """
    if path.exists() and not replace:
        raise Misconfigured(f"{KEY_SETTING}: {path} is there already; a log keeps its key")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, f"{key.secret_text()}\n".encode(), 0o600)
    except OSError as error:
        raise Misconfigured(f"{KEY_SETTING}: {path} cannot be written ({error.strerror})") from error
    return key
