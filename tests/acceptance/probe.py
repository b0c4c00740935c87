"""Asks two servers in turn how they are, a hundred times a second, until its input ends; prints how long each took.

``probe.py peer`` is one of the two: a server that does nothing else, and so shows what the machine itself adds.
"""

import asyncio
import http.client
import json
import select
import sys
import time

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"status":"live"}'


async def peer() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            if (await reader.read(1 << 16)).endswith(b"\r\n\r\n"):
                writer.write(ANSWER)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


def probe(ports: list[int]) -> None:
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for port in ports]
    taken: list[list[float]] = [[] for _ in ports]
    print("begun", flush=True)
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        for connection, times in zip(connections, taken, strict=True):
            begun = time.perf_counter()
            connection.request("GET", "/health/live")
            assert connection.getresponse().read() == b'{"status":"live"}'
            times.append(time.perf_counter() - begun)
    print(json.dumps(taken))


if __name__ == "__main__":
    if sys.argv[1] == "peer":
        asyncio.run(peer())
    else:
        probe([int(port) for port in sys.argv[1:]])
