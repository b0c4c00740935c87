"""The Dask cluster on which trials are scored, where there is one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the scheduler listens (``tcp://host:port`` or ``tls://host:port``), and the files that TLS needs.

    A file that is not named is the one that Dask's own configuration names.
    """

    scheduler: str
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
