"""S3 as every adapter of ours uses it: one client, and its errors in words that say how to mend them.

Credentials, region, endpoint and certificates are boto3's own affair (``AWS_*`` in the environment, profiles, roles).
No message here holds what a server or boto3 said, which may quote a request: the error's code is enough.
"""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    CredentialRetrievalError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    ResponseStreamingError,
)

from skyulf.artifacts import PIECE
from skyulf.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CONNECT_SECONDS = 3.0
READ_SECONDS = 30.0
"""The longest silence of a server; what is sent or received in between may take as long as it takes."""

ATTEMPTS = 4
"""Times that a request is tried, with growing pauses of up to some seconds: a blip is not told to anyone."""

RETRY_AFTER = 10

AMAZON = ("amazonaws.com", "amazonaws.com.cn")

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

RESUMPTIONS = 5
"""A download that breaks off is taken up where it ended, so often in a row without a byte."""

MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
"""The codes of an object that is not there; a HEAD has no code but its status."""

_UNKNOWN_CALLER = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "401"})
_FORBIDDEN = frozenset({"AccessDenied", "AllAccessDisabled", "403"})
_ELSEWHERE = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "301", "307"})
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)

S3Error = (ClientError, BotoCoreError)
"""What a call of the client raises: the server's refusals, and everything else."""


def make_client(setting: str) -> "S3Client":
    """A client for what boto3 finds in its surroundings; safe from any thread.

    Raises `Misconfigured`, naming ``setting``, which asked for S3.
    """
    try:
        session = boto3.Session()
        client: S3Client = session.client("s3", config=_config())
        host = urlsplit(client.meta.endpoint_url).hostname or ""
        if not host.endswith(AMAZON):
            # Whoever serves S3 at home has one name for all buckets: bucket.host would not resolve.
            client = session.client("s3", config=_config(addressing_style="path"))
    except (ProfileNotFound, ConfigParseError) as error:
        raise Misconfigured(f"{setting}: boto3 cannot use its profile or its file; look at AWS_PROFILE") from error
    except (BotoCoreError, ValueError) as error:
        raise Misconfigured(f"{setting}: boto3 cannot use AWS_ENDPOINT_URL_S3 or the region that it finds") from error
    return client


def _config(**s3: str) -> Config:
    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=32,
        tcp_keepalive=True,
        response_checksum_validation="when_required",  # what we read is held against its SHA-256
        s3=s3 or None,  # type: ignore[arg-type]
    )


def code_of(error: Exception) -> str:
    """The code of a server's refusal, else the name of what went wrong."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__


def is_missing(error: Exception) -> bool:
    """Whether the server says that there is no such object."""
    return code_of(error) in MISSING


def pieces_of_object(client: "S3Client", bucket: str, key: str) -> Iterator[bytes]:
    """An object's content as it comes; taken up again where the connection broke, unless the object has changed."""
    at = failures = 0
    rest: Any = {}
    while True:
        found = client.get_object(Bucket=bucket, Key=key, **rest)
        try:
            with closing(found["Body"]) as body:
                for piece in body.iter_chunks(PIECE):
                    at, failures = at + len(piece), 0
                    yield piece
        except (ReadTimeoutError, ResponseStreamingError, IncompleteReadError):
            failures += 1
            if failures > RESUMPTIONS:
                raise
            rest = {"Range": f"bytes={at}-", "IfMatch": found["ETag"]}
        else:
            return


def is_forbidden(error: Exception) -> bool:
    """Whether the server knows the caller, and refuses."""
    return code_of(error) in _FORBIDDEN


@contextmanager
def telling(what: str) -> Iterator[None]:
    """Raise `Unavailable`, saying that ``what`` is, in place of the client's errors."""
    try:
        yield
    except S3Error as error:
        raise Unavailable(f"{what} is not available now ({code_of(error)})", RETRY_AFTER) from error


def refuse(setting: str, bucket: str, doing: str, endpoint: str, error: Exception) -> NoReturn:
    """Raise `Misconfigured` for what went wrong at the start, naming the setting and the way out."""
    code = code_of(error)
    if code == "NoSuchBucket" or code in MISSING:
        told = f"there is no bucket {bucket} at {_shown(endpoint)}; make it, or name another"
    elif code in _UNKNOWN_CALLER:
        told = f"the credentials are refused ({code}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    elif code in _FORBIDDEN:
        told = f"the credentials may not {doing} the bucket {bucket} ({code}); allow it, or use others"
    elif code in _ELSEWHERE:
        told = f"the bucket {bucket} is in another region ({code}); set AWS_DEFAULT_REGION"
    elif code == "RequestTimeTooSkewed":
        told = "this machine's clock is wrong, and the server refuses its requests; set the clock"
    elif isinstance(error, _NO_CREDENTIALS):
        told = "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    elif isinstance(error, ClientError):
        told = f"{_shown(endpoint)} refuses to {doing} the bucket {bucket} ({code})"
    else:
        told = f"nothing answers at {_shown(endpoint)} ({code}); start it, or set AWS_ENDPOINT_URL_S3"
    raise Misconfigured(f"{setting}: {told}") from error


def _shown(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
