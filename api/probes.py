"""What a process without the API answers: whether its role lives and is ready, and what is measured of it."""

from fastapi import FastAPI

from api import problems
from api.observed import Observed
from api.routes import health, metrics
from api.security import App, Denials, Guard, Receive, Scope, Send
from skyulf.runtime import Runtime

PROBES = (health, metrics)
"""The routes that every process serves, whatever its role."""


def create_probes(runtime: Runtime) -> App:
    """Make the HTTP surface of a role that serves none but this."""
    app = FastAPI(title="Skyulf", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.runtime = runtime
    for noun in PROBES:
        app.include_router(noun.routes)
    problems.install(app)
    guard = Guard(runtime.keyring, runtime.settings.key_requests_per_second, Denials())
    return Observed(Watched(app, guard), runtime.metrics, runtime.new_id)


class Watched:
    """Turns away who may not ask; that is counted nowhere, since this process sends no commands."""

    def __init__(self, app: App, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Turn a request away, or pass it on."""
        refusal = self._guard.refusal(scope, dict(scope["headers"])) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)
