"""Which roles may do what: one table of every operation, and the only place where that is said."""

import re
import sys
from collections.abc import Iterator, Mapping
from typing import get_args

from skyulf.events.access import Role

Roles = frozenset[Role]

ADMIN: Roles = frozenset({"admin"})
AUTHORS: Roles = frozenset({"scientist", "admin"})
OPERATORS: Roles = frozenset({"operator", "admin"})
STAFF: Roles = AUTHORS | OPERATORS
AUDITORS: Roles = STAFF | {"auditor"}
READERS: Roles = AUDITORS | {"viewer"}
CLIENTS: Roles = STAFF | {"viewer"}
"""Who may ask models for predictions."""
EVERYONE: Roles = READERS | {"worker"}

PERMISSIONS: Mapping[str, Roles] = {
    "POST /v1/datasets": AUTHORS,
    "POST /v1/datasets/{dataset_id}/versions": AUTHORS,
    "DELETE /v1/datasets/{dataset_id}": ADMIN,
    "GET /v1/datasets": READERS,
    "GET /v1/datasets/{dataset_id}": READERS,
    "GET /v1/datasets/{dataset_id}/versions": READERS,
    "GET /v1/datasets/{dataset_id}/versions/{number}": READERS,
    "GET /v1/datasets/{dataset_id}/rows": AUTHORS,
    "GET /v1/datasets/{dataset_id}/profile": AUTHORS,
    "GET /v1/datasets/{dataset_id}/drift": READERS,
    "GET /v1/artifacts/unnamed": OPERATORS,
    "DELETE /v1/artifacts/unnamed": ADMIN,
    "POST /v1/pipelines": AUTHORS,
    "POST /v1/pipelines/check": READERS,
    "PUT /v1/pipelines/{pipeline_id}": AUTHORS,
    "DELETE /v1/pipelines/{pipeline_id}": AUTHORS,
    "GET /v1/pipelines": READERS,
    "GET /v1/pipelines/{pipeline_id}": READERS,
    "GET /v1/nodes": EVERYONE,
    "POST /v1/jobs": AUTHORS,
    "POST /v1/scorings": AUTHORS,
    "POST /v1/reproductions": AUDITORS,
    "POST /v1/jobs/{job_id}/cancel": STAFF,
    "POST /v1/jobs/{job_id}/retry": STAFF,
    "GET /v1/jobs": READERS,
    "GET /v1/jobs/{job_id}": READERS,
    "GET /v1/jobs/{job_id}/events": READERS,
    "GET /v1/jobs/{job_id}/evaluation": READERS,
    "GET /v1/jobs/{job_id}/shap": READERS,
    "GET /v1/jobs/{job_id}/slices": AUTHORS,
    "GET /v1/jobs/{job_id}/trials": READERS,
    "GET /v1/jobs/{job_id}/output": AUTHORS,
    "PUT /v1/models/{name}/aliases/{alias}": OPERATORS,
    "DELETE /v1/models/{name}/aliases/{alias}": OPERATORS,
    "DELETE /v1/models/{name}/versions/{number}": OPERATORS,
    "GET /v1/models": READERS,
    "GET /v1/models/{name}": READERS,
    "GET /v1/models/{name}/versions": READERS,
    "GET /v1/models/{name}/versions/{number}": READERS,
    "GET /v1/models/{name}/versions/{number}/artifact": AUDITORS,
    "GET /v1/models/{name}/versions/{number}/onnx": AUDITORS,
    "GET /v1/models/{name}/versions/{number}/script": READERS,
    "GET /v1/models/{name}/versions/{number}/notebook": READERS,
    "GET /v1/models/{name}/versions/{number}/card": READERS,
    "PUT /v1/deployments/{name}": OPERATORS,
    "POST /v1/deployments/{name}/rollback": OPERATORS,
    "DELETE /v1/deployments/{name}": OPERATORS,
    "PUT /v1/deployments/{name}/log": OPERATORS,
    "GET /v1/deployments/{name}/log": READERS,
    "GET /v1/deployments/{name}/log/{artifact}": AUTHORS,
    "GET /v1/deployments/{name}/drift": READERS,
    "POST /v1/deployments/{name}/drift/acknowledge": OPERATORS,
    "GET /v1/deployments": READERS,
    "GET /v1/deployments/{name}": READERS,
    "POST /v1/deployments/{name}/predict": CLIENTS,
    "GET /v1/events": READERS | {"worker"},
    "GET /v1/audit/checkpoint": AUDITORS,
    "GET /v1/audit/checkpoints": AUDITORS,
    "GET /v1/audit/checkpoints/{size}": AUDITORS,
    "GET /v1/audit/proofs/inclusion": AUDITORS,
    "GET /v1/audit/proofs/consistency": AUDITORS,
    "GET /v1/audit/tile/{path:path}": AUDITORS,
    "GET /v1/audit/{noun}/{id}": READERS,
    "GET /v1/audit/{noun}/{id}/diff": READERS,
    "GET /v1/audit/model/{name}/versions/{number}/report": ADMIN | {"auditor"},
    "GET /v1/lineage/{noun}/{id}": READERS,
    "GET /v1/projections": READERS,
    "GET /v1/projections/{name}": READERS,
    "POST /v1/projections/{name}/rebuild": OPERATORS,
    "DELETE /v1/projections/{name}/rebuild": OPERATORS,
    "GET /v1/projections/{name}/parked": READERS,
    "GET /v1/projections/{name}/parked/{position}": READERS,
    "DELETE /v1/projections/{name}/parked/{position}": OPERATORS,
    "POST /v1/projections/{name}/retry": OPERATORS,
    "POST /v1/projections/{name}/parked/{key:path}/retry": OPERATORS,
    "GET /v1/projections/{name}/purged": READERS,
    "GET /v1/reactions": READERS,
    "POST /v1/reactions/{name}/parked/retry": OPERATORS,
    "DELETE /v1/reactions/{name}/parked": OPERATORS,
    "POST /v1/keys": ADMIN,
    "GET /v1/keys": ADMIN | {"auditor"},
    "GET /v1/keys/{key_id}": ADMIN | {"auditor"},
    "DELETE /v1/keys/{key_id}": ADMIN,
    "PUT /v1/keys/{key_id}/roles/{role}": ADMIN,
    "DELETE /v1/keys/{key_id}/roles/{role}": ADMIN,
    "POST /v1/webhooks": OPERATORS,
    "GET /v1/webhooks": OPERATORS | {"auditor"},
    "GET /v1/webhooks/{webhook_id}": OPERATORS | {"auditor"},
    "PUT /v1/webhooks/{webhook_id}": OPERATORS,
    "DELETE /v1/webhooks/{webhook_id}": OPERATORS,
    "POST /v1/webhooks/{webhook_id}/secret": OPERATORS,
    "POST /v1/webhooks/{webhook_id}/replay": OPERATORS,
    "GET /v1/webhooks/{webhook_id}/waiting": OPERATORS | {"auditor"},
    "POST /v1/webhooks/{webhook_id}/waiting/{stream}/retry": OPERATORS,
    "POST /v1/webhooks/{webhook_id}/waiting/{stream}/skip": OPERATORS,
    "GET /metrics": READERS,
    "GET /openapi.json": EVERYONE,
}
"""Every operation, and the roles that may do it. What values of data it shows, auditors and viewers do not see."""

OPEN = frozenset({"/health/live", "/health/ready"})
"""Paths that need no key: they tell nothing but whether the server is well."""

UNKNOWN = "other"
"""The operation of a request that no route takes."""


def _pattern(template: str) -> str:
    parts = re.split(r"(\{[^}]*\})", template)
    return "".join(_PART.get(part[-6:], "[^/]+") if part[:1] == "{" else re.escape(part) for part in parts)


_PART = {":path}": ".+"}
_OPERATIONS = tuple(PERMISSIONS)


def _patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """For each method one pattern of all its paths, in the order of the table; its group's name is the operation's.

    To try them one after the other took a prediction 6 µs.
    """
    paths: dict[str, list[str]] = {}
    for number, operation in enumerate(_OPERATIONS):
        method, path = operation.split(" ", 1)
        paths.setdefault(method, []).append(f"(?P<_{number}>{_pattern(path)})")
    for method, alternatives in paths.items():
        yield method, re.compile("|".join(alternatives))


_BY_METHOD = dict(_patterns())


def operation_of(method: str, path: str) -> str:
    """The operation that a request asks for, as `PERMISSIONS` calls it, or `UNKNOWN`."""
    pattern = _BY_METHOD.get(method)
    match = pattern.fullmatch(path) if pattern else None
    return _OPERATIONS[int(match.lastgroup[1:])] if match and match.lastgroup else UNKNOWN


def methods_of(path: str) -> set[str]:
    """The methods that a path takes."""
    return {method for method, pattern in _BY_METHOD.items() if pattern.fullmatch(path)}


INTRODUCTION = """\
# Who may do what

Made from `api/permissions.py`, the only place where it is said: `python -m api.permissions > docs/access.md`.

Until the first key is issued, the server answers only programs of this machine, and lets them do everything but that:
it would lock everybody out. Who has the log issues the first one: `skyulf keys issue NAME --role admin` makes a key and
shows it once. On SQLite that is who owns the data directory, while no server runs on it. On Postgres it is who has
`SKYULF_DATABASE_URL`, beside running servers too: from a `--data-dir` that none of them uses, since the command line
otherwise asks the server that answers there. From then on, whatever becomes of it, every request needs `Authorization:
Bearer KEY` (the command line takes it from `SKYULF_API_KEY`), and an admin issues further keys beside the server, or by
`POST /v1/keys`: 401 without a good key, 403 without one of the roles below, 429 with `Retry-After` for a key used more
than `SKYULF_KEY_REQUESTS_PER_SECOND` (1,000) times a second. The log keeps a SHA-256 of each key, never the key; a new
or revoked key or role is known from the answer on in the process that took the command, and within a second in others.
Who has the log can always issue another key in the same way as the first. What is turned away is counted and recorded
as `CommandsDenied`, every ten seconds. Keys travel as they are: put TLS before any server that other machines reach.
"""


def page() -> str:
    """The table as a page of the documentation: ``python -m api.permissions > docs/access.md``."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    roles: tuple[Role, ...] = get_args(Role)
    yield INTRODUCTION
    yield f"| | {' | '.join(roles)} |"
    yield f"|---|{'---|' * len(roles)}"
    for operation, allowed in PERMISSIONS.items():
        yield f"| `{operation}` | {' | '.join('yes' if role in allowed else '' for role in roles)} |"
    yield ""
    yield f"{' and '.join(f'`GET {path}`' for path in sorted(OPEN))} need no key."


if __name__ == "__main__":
    sys.stdout.write(page())
