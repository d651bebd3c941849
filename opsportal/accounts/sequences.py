"""Keys of accounts and tokens are never given out twice: the audit trail names people by them for a year.

A database does not give a key out again by itself, as long as it is the same database. One that was created again or
restored from a backup begins where it was, and Django on SQLite forgets the highest key where a migration copies a
table. So each `migrate` leads the sequences past the seconds since `EPOCH`: whatever number was reached before,
by one account a second at most, it is behind.
"""

from datetime import UTC, datetime
from typing import Any

from django.apps import AppConfig
from django.contrib.auth.models import User
from django.db import connections

from opsportal.accounts.tokens import ApiToken

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

_SQLITE = (
    "INSERT INTO sqlite_sequence (name, seq) SELECT %(table)s, 0"
    " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = %(table)s)",
    "UPDATE sqlite_sequence SET seq = max(seq, %(least)s) WHERE name = %(table)s",
)
_POSTGRESQL = (
    "SELECT setval(one, greatest(%(least)s, coalesce(pg_sequence_last_value(one), 1)))"
    " FROM (SELECT pg_get_serial_sequence(%(table)s, 'id')::regclass AS one) AS sequence",
)


def lead_past(sender: AppConfig, using: str, **kwargs: Any) -> None:
    """After `migrate`: no key that any database of this console has given out is given out again."""
    connection = connections[using]
    there = connection.introspection.table_names()
    least = int((datetime.now(UTC) - EPOCH).total_seconds())
    with connection.cursor() as cursor:
        for table in {User._meta.db_table, ApiToken._meta.db_table}.intersection(there):
            for statement in _SQLITE if connection.vendor == "sqlite" else _POSTGRESQL:
                cursor.execute(statement, {"table": table, "least": least})
