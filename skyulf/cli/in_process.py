"""The HTTP surface without a socket: requests of a synchronous client, answered by the app in a thread's event loop."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

STOPPING = 10.0
"""Seconds that the loop may take to end."""


class InProcessTransport(httpx.BaseTransport):
    """Hands requests to an ASGI app; ``at_end`` is awaited in its event loop when the transport is closed."""

    def __init__(self, app: Any, at_end: Callable[[], Awaitable[None]]) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._at_end = at_end
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="in-process", daemon=True)
        self._thread.start()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request; an interrupt gives it up."""
        answer = asyncio.run_coroutine_threadsafe(self._answer(request), self._loop)
        try:
            return answer.result()
        except BaseException:
            answer.cancel()
            raise

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        content = await response.aread()
        return httpx.Response(response.status_code, headers=response.headers, content=content)

    def close(self) -> None:
        """End the loop and what was begun in it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOPPING)

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            unfinished = asyncio.all_tasks(loop)
            for task in unfinished:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*unfinished, return_exceptions=True))
            loop.run_until_complete(self._at_end())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()
