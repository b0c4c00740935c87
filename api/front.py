"""What every request meets before the app: who may call, how large a body may be, and predictions."""

from typing import Protocol

from api.bodies import Limits, is_over, limited, refuse
from api.predicting import Predicting, deployment_asked
from api.security import App, Headers, Receive, Scope, Send


class Gate(Protocol):
    """Knows who may call."""

    def refusal(self, scope: Scope, headers: Headers) -> App | None:
        """What turns a request away; None where it may pass, and then its actor is in ``scope["actor"]``."""


class Front:
    """Looks through a request's headers once, for all that stands before the app.

    It stands outside of FastAPI, whose own layers cost a prediction more than its guards do.
    """

    def __init__(self, app: App, gate: Gate, limits: Limits, predicting: Predicting) -> None:
        self._app = app
        self._gate = gate
        self._limits = limits
        self._predicting = predicting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Turn a request away, answer it, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        refusal = self._gate.refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        limit = self._limits.of(headers)
        if is_over(limit, headers):
            await refuse(limit, scope, receive, send)
        elif (name := deployment_asked(scope)) is not None:
            scope["deployment"] = name
            await self._predicting(name, headers, limit, scope, receive, send)
        else:
            await limited(self._app, limit, scope, receive, send)
