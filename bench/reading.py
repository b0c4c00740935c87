"""A process that reads jobs from a server 50 times a second, and holds each answer against the first one.

python -m bench.reading PORT      says "reading", and at the end, told by a line, what it saw as JSON
"""

import http.client
import json
import random
import sys
import threading
import time

EVERY = 1 / 50
PAGES = 20
"""Pages that are followed of each list."""

LISTS = [
    f"/v1/jobs?limit=20&order={order}{status}"
    for order in ("created_at", "-created_at")
    for status in ("", "&status=succeeded", "&status=created", "&status=running", "&status=failed")
]


class Reader:
    """Asks over one connection, opened anew after a fault."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path: str) -> bytes:
        """The answer's body; raises `OSError` for any but 200."""
        try:
            self._connection.request("GET", path)
            response = self._connection.getresponse()
            body = response.read()
        except http.client.HTTPException as error:
            self._connection.close()
            raise OSError(f"{path}: {type(error).__name__}") from error
        if response.status != 200:
            raise OSError(f"{path}: {response.status} {body[:200].decode(errors='replace')}")
        return body

    def everything(self) -> dict[str, bytes]:
        """What is read again and again, as it is now: pages of lists, the last ones too, and the jobs on the first."""
        found: dict[str, bytes] = {}
        for first in LISTS:
            path = first
            for _ in range(PAGES):
                found[path] = self.get(path)
                page = json.loads(found[path])
                for job in page["items"][:2]:
                    one = f"/v1/jobs/{job['id']}"
                    found[one] = self.get(one)
                if page["next_cursor"] is None:
                    break
                path = f"{first}&cursor={page['next_cursor']}"
        return found


def main(port: int) -> None:
    """Read at the pace until a line comes in."""
    reader, told = Reader(port), threading.Event()
    before = reader.everything()
    threading.Thread(target=lambda: (sys.stdin.readline(), told.set()), daemon=True).start()
    sys.stdout.write("reading\n")
    sys.stdout.flush()
    paths, chance = list(before), random.Random(7)
    milliseconds: list[float] = []
    wrong: list[str] = []
    due = time.perf_counter()
    while not told.is_set():
        path = chance.choice(paths)
        begun = time.perf_counter()
        try:
            if reader.get(path) != before[path]:
                wrong.append(f"{path} is not as it was")
        except OSError as error:
            wrong.append(str(error))
        milliseconds.append((time.perf_counter() - begun) * 1_000)
        due = max(due + EVERY, time.perf_counter() - 1)  # what was missed is made up for, a second's worth at most
        told.wait(max(0.0, due - time.perf_counter()))
    sys.stdout.write(json.dumps({"milliseconds": milliseconds, "wrong": wrong}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
