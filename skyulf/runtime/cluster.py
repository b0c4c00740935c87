"""The Dask cluster that settings name, and what is wrong with it, said at the start."""

import importlib.util
import logging
import threading

from skyulf.core.cluster import Cluster
from skyulf.errors import Misconfigured
from skyulf.settings import Settings

SETTING = "SKYULF_DASK_SCHEDULER"

ANSWERS_WITHIN = 3.0

logger = logging.getLogger(__name__)


def cluster_of(settings: Settings) -> Cluster | None:
    """Return the cluster that scores trials, if there is to be one; raises `Misconfigured` where Dask is missing.

    That nobody listens at its address is logged, and does not hold the start up: tunings then use this machine's cores.
    """
    if not settings.dask_scheduler:
        return None
    if importlib.util.find_spec("distributed") is None:
        raise Misconfigured(f"{SETTING}: it needs Dask, which is not installed; run pip install 'skyulf[dask]'")
    files = (settings.dask_tls_cafile, settings.dask_tls_certfile, settings.dask_tls_keyfile)
    cluster = Cluster(settings.dask_scheduler, *(None if path is None else str(path.absolute()) for path in files))
    threading.Thread(target=complain, args=(cluster,), name="dask", daemon=True).start()
    return cluster


def complain(cluster: Cluster) -> None:
    """Log it where nobody listens at the scheduler's address."""
    try:
        cluster.knock(ANSWERS_WITHIN)
    except OSError as error:
        logger.warning(
            "%s: nobody answers at %s (%s); start dask scheduler there, or mend the address. Until then tunings use the"
            " cores of this machine",
            SETTING,
            cluster.scheduler,
            error,
        )
