"""The composition root: settings → a running system, or a role of one. The only package that knows the adapters."""

from skyulf.runtime.beside import auditing, log_key, migrate, owner_of, places, reading, restoring, rotate_key
from skyulf.runtime.making import in_postgres, make_read_store
from skyulf.runtime.queries import Queries
from skyulf.runtime.roles import ROLES, Role
from skyulf.runtime.system import Runtime, running, spare_collections

__all__ = [
    "ROLES",
    "Queries",
    "Role",
    "Runtime",
    "auditing",
    "in_postgres",
    "log_key",
    "make_read_store",
    "migrate",
    "owner_of",
    "places",
    "reading",
    "restoring",
    "rotate_key",
    "running",
    "spare_collections",
]
