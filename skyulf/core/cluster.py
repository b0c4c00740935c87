"""The Dask cluster on which trials are scored, where there is one."""

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the scheduler listens (``tcp://host:port`` or ``tls://host:port``), and the files that TLS needs.

    A file that is not named is the one that Dask's own configuration names.
    """

    scheduler: str
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    def knock(self, seconds: float) -> None:
        """Raise OSError where nobody listens at the scheduler's address; Dask itself would go on trying."""
        address = urlsplit(self.scheduler)
        socket.create_connection((str(address.hostname), address.port or 0), seconds).close()
