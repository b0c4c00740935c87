"""Statements sent through libpq itself, in Postgres' binary form.

The driver's way around them costs several times as much of the sender's CPU as libpq does, and that CPU is most of
what an append costs.
"""

from collections.abc import Sequence
from struct import pack
from typing import Any
from weakref import WeakSet

from psycopg import Connection, OperationalError
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

BINARY = 1
"""The format code of parameters; libpq, ``PQexecPrepared``."""

TEXT, BYTES, BIGINT, INTEGER, BOOLEAN = 25, 17, 20, 23, 16
"""Object ids of the elements of arrays: Postgres' catalogue ``pg_type``, the same in every database."""

TRUE, FALSE = b"\x01", b"\x00"

DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


class Statement:
    """A statement that each connection prepares when it first sends it, or has lost it; safe from any thread.

    ``name`` is the connection's for it. Parameters are bytes in the binary form of the type that the text casts them
    to; what comes back is text. In a transaction that is open already it is sent whole: an error would end that.
    """

    def __init__(self, name: str, text: bytes, parameters: int) -> None:
        self._name = name.encode()
        self._text = text
        self._formats = [BINARY] * parameters
        self._prepared: WeakSet[Connection[Any]] = WeakSet()

    def execute(self, connection: Connection[Any], parameters: Sequence[bytes]) -> PGresult:
        """Send it, and wait for the answer; raises what the driver would."""
        server = connection.pgconn
        if server.transaction_status != TransactionStatus.IDLE:
            return answered(server.exec_params(self._text, parameters, param_formats=self._formats))
        if connection in self._prepared:
            try:
                return answered(server.exec_prepared(self._name, parameters, self._formats))
            except InvalidSqlStatementName:  # the driver has sent DEALLOCATE ALL, as it does after a rollback
                self._prepared.discard(connection)
        answered(server.prepare(self._name, self._text))
        self._prepared.add(connection)
        return answered(server.exec_prepared(self._name, parameters, self._formats))


def answered(result: PGresult) -> PGresult:
    """The answer; raises the driver's error for one that is none, `OperationalError` where the connection has ended."""
    if result.status in DONE:
        return result
    if result.error_field(DiagnosticField.SQLSTATE) is None:  # libpq's own word, not the server's
        raise OperationalError(result.get_error_message())
    raise error_from_result(result)


def bigint(value: int) -> bytes:
    """A number of eight bytes."""
    return pack("!q", value)


def array(element: int, items: Sequence[bytes | None]) -> bytes:
    """An array of one dimension of values in binary form; ``element`` is the object id of their type.

    Source: Postgres, ``array_send``: dimensions, whether there are NULLs, the type, then length and lower bound.
    """
    if not items:
        return pack("!iiI", 0, 0, element)
    parts = [pack("!iiIii", 1, int(None in items), element, len(items), 1)]
    for item in items:
        if item is None:
            parts.append(b"\xff\xff\xff\xff")
        else:
            parts.append(len(item).to_bytes(4, "big"))
            parts.append(item)
    return b"".join(parts)


def texts(items: Sequence[str | None]) -> bytes:
    """An array of texts."""
    return array(TEXT, [None if item is None else item.encode() for item in items])


def bigints(items: Sequence[int]) -> bytes:
    """An array of numbers of eight bytes."""
    return array(BIGINT, [pack("!q", item) for item in items])


def numbers_in(shown: bytes | None) -> list[int] | None:
    """The numbers of an array as the server shows it as text; None for NULL."""
    if shown is None:
        return None
    return [int(number) for number in shown[1:-1].split(b",")] if len(shown) > 2 else []
