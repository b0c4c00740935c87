"""Files in S3, below the roots that the settings allow."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from skyulf.adapters.s3 import code_of, is_forbidden, is_missing, make_client, pieces_of_object, telling
from skyulf.adapters.uri_sources import write_limited
from skyulf.errors import Misconfigured, Unavailable
from skyulf.ingest.uris import Place, unfit

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


class S3Source:
    """`UriSource` of ``s3://``, with the server's own credentials; a client takes 15 MB, once one is needed."""

    @cached_property
    def _client(self) -> "S3Client":
        try:
            return make_client("SKYULF_URI_ROOTS")
        except Misconfigured as error:
            raise Unavailable(error.detail, retry_after=60) from error

    def fetch(self, place: Place, root: Place, target: Path, most: int) -> None:  # noqa: ARG002 - S3 has no links
        """See `UriSource.fetch`."""
        with telling("the place that the URI names"):
            try:
                size = self._client.head_object(Bucket=place.host, Key=place.path)["ContentLength"]
                write_limited(pieces_of_object(self._client, place.host, place.path), size, target, most)
            except ClientError as error:
                if is_missing(error) or code_of(error) == "NoSuchBucket":
                    raise unfit("there is no such object, or no such bucket") from error
                if is_forbidden(error):
                    raise unfit("an object that the server's credentials may read") from error
                raise
