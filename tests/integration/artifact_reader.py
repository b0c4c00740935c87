"""A process that reads artifacts through a small cache for as long as it lives; started, and killed, by a test."""

import hashlib
import sys
import time
from pathlib import Path

from skyulf.adapters.cached_artifacts import CachedArtifacts
from skyulf.adapters.local_artifacts import LocalArtifacts

if __name__ == "__main__":
    store, cache, limit, hold = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    source = LocalArtifacts(store)
    cached = CachedArtifacts(source, cache, limit, hold)
    digests = list(source.digests())
    for times in range(1_000_000):
        for digest in digests:
            asked = time.monotonic()
            try:
                content = cached.path(digest).read_bytes()
            except FileNotFoundError:
                if time.monotonic() - asked < hold:
                    raise
                continue  # this process was not let run for longer than the file was promised to stay
            if hashlib.sha256(content).hexdigest() != digest.removeprefix("sha256:"):
                sys.exit(f"{digest} was read with another content")
        print(times, flush=True)
