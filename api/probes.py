"""What a process without the API answers: whether its role lives and is ready, to whoever watches over it."""

from fastapi import FastAPI

from api import problems
from api.routes import health
from api.security import App, Denials, Guard, Receive, Scope, Send
from skyulf.runtime import Runtime

PROBES = (health,)
"""The routes that every process serves, whatever its role."""


def create_probes(runtime: Runtime) -> App:
    """Make the HTTP surface of a role that serves none but this."""
    app = FastAPI(title="Skyulf", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.runtime = runtime
    for noun in PROBES:
        app.include_router(noun.routes)
    problems.install(app)
    return Watched(app, Guard(runtime.keyring, runtime.settings.key_requests_per_second, Denials()))


class Watched:
    """Turns away who may not ask; that is counted nowhere, since this process sends no commands."""

    def __init__(self, app: App, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Turn a request away, or pass it on."""
        refusal = self._guard.refusal(scope, dict(scope["headers"])) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)
