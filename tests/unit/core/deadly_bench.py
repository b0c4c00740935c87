"""A bench that some combinations are the end of; processes of a cluster import it from here."""

import os
from pathlib import Path

from skyulf.core.trial import Bench

ALWAYS, ONCE = 666.0, 13.0


class Deadly(Bench):
    """Takes its process with it where C is ``ALWAYS``, and the first time that it is ``ONCE``."""

    def score(self, parameters, share, fold):
        first = Path("first")  # in the folder that all workers of a cluster share
        if parameters["model.C"] == ONCE and not first.exists():
            first.touch()
            os._exit(1)
        if parameters["model.C"] == ALWAYS:
            os._exit(1)
        return super().score(parameters, share, fold)
