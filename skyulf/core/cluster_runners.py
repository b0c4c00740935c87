"""Folds of trials scored by the workers of a Dask cluster, and on this machine's cores where the cluster fails.

Dask hands objects over by pickle. That is done here alone: in the child that trains, and in the cluster's processes;
what is imported of Dask is imported when a search begins (docs/decisions/0027-dask.md).
"""

import queue
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from skyulf.core.cluster import Cluster
from skyulf.core.environment import differing, installed
from skyulf.core.notices import Told
from skyulf.core.trial import Bench, FoldScore
from skyulf.core.trial_runners import DIED, Order, Runners

PATIENCE = 10.0
"""Seconds that the scheduler may take to answer, and for which it may have no worker."""

LOOK = 1.0
"""Seconds after which the cluster is looked at again when no answer comes."""

CLOSING = 3.0

NO_WARNING = 1 << 60
"""Bytes of a graph from which on Dask warns of it; ours holds the table, once for a search."""

ALONE = threading.Lock()
"""One fold at a time in a process of the cluster: limits of threads and filters of warnings are the process's."""


class ClusterFailed(Exception):
    """The cluster cannot be used, or not any more; the text goes on from "the Dask cluster"."""


@dataclass(frozen=True, slots=True)
class _Given:
    """A fold that was given to a worker."""

    order: Order
    future: Any
    worker: str


class ClusterRunners(Runners):
    """Runners that have a cluster for as long as it answers, and score here what it leaves undone."""

    def __init__(self, bench: Bench, threads: int, cluster: Cluster) -> None:
        super().__init__(bench, threads)
        self._given: dict[str, _Given] = {}
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._seen = time.monotonic()
        self._installed = installed()
        self._client: Any = None
        try:
            self._client = _connected(cluster)
            # A task and not scattered: where the worker that holds it dies, the scheduler has it made once more.
            self._there = self._client.submit(_kept, bench, pure=False)
            self.width = max(1, len(self._client.nthreads()))
        except Exception as error:  # noqa: BLE001 -- whatever hinders Dask is no fault of the job
            self._leave(f"could not be reached ({type(error).__name__})")

    @property
    def ordered(self) -> bool:
        """See `Runners.ordered`."""
        return bool(self._given) or super().ordered

    def next(self, left: int) -> tuple[Order, FoldScore]:
        """See `Runners.next`."""
        while self._client is not None:
            try:
                self._give()
                answer = self._answered()
            except ClusterFailed as failed:
                self._leave(str(failed))
            except Exception as error:  # noqa: BLE001 -- whatever hinders Dask is no fault of the job
                self._leave(f"failed ({type(error).__name__})")
            else:
                if answer is not None:
                    return answer
        return super().next(left)

    def _give(self) -> None:
        """Give each worker that has none of our folds one of those that wait."""
        workers = self._client.nthreads()
        now = time.monotonic()
        if workers:
            self._seen = now
        elif now - self._seen > PATIENCE:
            raise ClusterFailed("has no workers")
        busy = {given.worker for given in self._given.values()}
        for worker in workers:
            if worker not in busy and self._waiting:
                order = self._waiting.popleft()
                what = (self._there, self._installed, dict(order.parameters), order.share, order.fold)
                # Where the worker is gone meanwhile, another one takes it.
                future = self._client.submit(_score, *what, workers=[worker], allow_other_workers=True, pure=False)
                self._given[future.key] = _Given(order, future, worker)
                future.add_done_callback(self._answers.put)

    def _answered(self) -> tuple[Order, FoldScore] | None:
        """Wait a moment for an answer."""
        from distributed import KilledWorker

        try:
            future = self._answers.get(timeout=LOOK)
        except queue.Empty:
            return None
        given = self._given[future.key]
        if future.status == "finished":
            score = future.result(timeout=PATIENCE)
        elif future.status == "error":
            error = future.exception(timeout=PATIENCE)
            if not isinstance(error, KilledWorker):
                raise ClusterFailed(f"could not score a fold ({type(error).__name__}); Skyulf must be installed there")
            score = FoldScore(None, 0.0, DIED)
        elif future.status == "cancelled":
            raise ClusterFailed("has dropped what it was given")
        else:  # its worker died with the answer, and it is scored once more
            future.add_done_callback(self._answers.put)
            return None
        if not isinstance(score, FoldScore):
            raise ClusterFailed(str(score))
        del self._given[future.key]
        return given.order, score

    def _leave(self, reason: str) -> None:
        """Have everything that is not answered scored here, and say so."""
        text = f"the Dask cluster {reason}; trials were scored on the cores of the worker's machine"
        warnings.warn(text, Told, stacklevel=2)
        self._waiting.extendleft(reversed([given.order for given in self._given.values()]))
        self._given.clear()
        self._end_client()

    def _end_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                client.close(timeout=CLOSING)

    def close(self) -> None:
        """End every process, and let go of the cluster: it forgets the data, and what it has not begun."""
        self._given.clear()
        self._end_client()
        super().close()


def _connected(cluster: Cluster) -> Any:
    """Return a client of the cluster; raises what Dask does, and ImportError where it is not installed."""
    cluster.knock(PATIENCE)
    dask, distributed = import_module("dask"), import_module("distributed")
    dask.config.set({"distributed.admin.large-graph-warning-threshold": NO_WARNING})
    security = distributed.Security(
        require_encryption=cluster.scheduler.startswith("tls://"),
        tls_ca_file=cluster.ca_file,
        tls_client_cert=cluster.cert_file,
        tls_client_key=cluster.key_file,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions, which are compared where each fold is scored
        return distributed.Client(
            cluster.scheduler, security=security, timeout=PATIENCE, set_as_default=False, name="skyulf"
        )


# What follows runs in the cluster's processes.


def _kept(bench: Bench) -> Bench:
    return bench


def _score(
    bench: Bench, versions: Mapping[str, str], parameters: Mapping[str, Any], share: float, fold: int
) -> FoldScore | str:
    """Score a fold on one core; or say what is installed here in another version than where the search is."""
    import sklearn.linear_model  # noqa: F401  a limit of threads holds for the libraries that are loaded by then
    from threadpoolctl import threadpool_limits

    others = differing(versions)
    if others:
        return f"has other versions of {', '.join(others)}"
    with ALONE, threadpool_limits(limits=1):
        return bench.score(parameters, share, fold)
