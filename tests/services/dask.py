"""A real Dask cluster for tests: a scheduler and workers, each a process of its own, on free ports of this machine."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from distributed import Client, Security

from services.postgres import die_with_the_tests, free_port

PATIENCE = 60.0
"""Seconds that all of it is given to start, on a machine that is busy with other things."""

HERE = ("--host", "127.0.0.1", "--no-dashboard")


class DaskCluster:
    """A scheduler at ``address`` and its workers, which find modules in ``folder`` as well; `client` sees into it.

    A fold whose worker died ``retries`` times is given up.
    """

    def __init__(
        self, workers: int, *, retries: int = 3, folder: Path | None = None, tls: Mapping[str, Path] | None = None
    ) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="skyulf-dask-")
        self.address = f"{'tls' if tls else 'tcp'}://127.0.0.1:{free_port()}"
        self._tls = tls or {}
        options = [part for name, path in self._tls.items() for part in (f"--tls-{name}", str(path))]
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*([str(folder)] if folder else []), *filter(None, sys.path)]),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(retries),
            "DASK_TEMPORARY_DIRECTORY": self._scratch.name,
        }
        port = self.address.rpartition(":")[2]
        self.scheduler = self._started("dask_scheduler", "--port", port, *options)
        alone = ("--nthreads", "1", "--no-nanny", "--death-timeout", str(PATIENCE))
        self.workers = [self._started("dask_worker", self.address, *alone, *options) for _ in range(workers)]

    def _started(self, program: str, *arguments: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", f"distributed.cli.{program}", *HERE, *arguments]
        return subprocess.Popen(
            command,
            env=self._environment,
            cwd=self._scratch.name,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_the_tests,
        )

    def client(self) -> Client:
        """A client of the test's own."""
        names = {"ca-file": "tls_ca_file", "cert": "tls_client_cert", "key": "tls_client_key"}
        security = Security(**{names[name]: str(path) for name, path in self._tls.items()})
        return Client(self.address, security=security, timeout=PATIENCE, set_as_default=False)

    def wait(self) -> None:
        """Wait until every worker is there."""
        with self.client() as client:
            client.wait_for_workers(len(self.workers), timeout=PATIENCE)

    def __enter__(self) -> "DaskCluster":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()
        self._scratch.cleanup()
