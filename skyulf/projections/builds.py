"""Which builds of a projection are of use to nobody any more."""

from collections.abc import Callable
from typing import Any

from skyulf.projections.base import Projection
from skyulf.projections.store import Build, ReadStore


def outlived(store: ReadStore, projection: Projection[Any], head: Callable[[], int]) -> list[Build]:
    """The builds that are to go; ``head`` tells the position of the log's last event.

    Processes of older and newer code may work on the same store. Builds of newer code are left alone. Of older
    code the newest live one stays: processes that were not upgraded yet read it and keep it up, and whoever goes
    back to that code finds it. A build that is further than the log belongs to another log; it is made anew.
    """
    builds = [build for build in store.builds(projection.name) if build.version <= projection.version]
    older = [build.version for build in builds if build.live and build.version < projection.version]
    kept = {projection.version, max(older, default=0)}
    last = head()  # looked at last: another projector may be taking the builds further meanwhile
    return [
        build
        for build in builds
        if build.position > last or (not build.live and build.version < projection.version) or build.version not in kept
    ]
