"""A text that is another one after each change of what `identity` keeps: accounts, roles, preferences, views, tokens.

Triggers write it, in the transaction of the change: a query's `update` sends no signal of Django's, and neither does who
works in the database's own shell. It is random, since a number that is counted goes back with a rollback or a restored
backup, and then fits another state.
"""

import hashlib
from typing import Any, NamedTuple

from django.apps import AppConfig
from django.db import connection, connections, transaction
from django.utils import timezone

TABLE = "accounts_cache_version"
PREFIX = "cache_version_"
# The columns whose change alone changes nothing that is kept: each login and each use of a token writes them.
WATCHED: dict[str, tuple[str, ...]] = {
    "auth_user": ("last_login",),
    "auth_user_groups": (),
    "auth_user_user_permissions": (),
    "auth_group": (),
    "auth_group_permissions": (),
    "auth_permission": (),
    "accounts_preferences": (),
    "accounts_savedview": (),
    "accounts_apitoken": ("last_used_at",),
}


class Dialect(NamedTuple):
    """Statements; `triggers` with the names `trigger`, `table` and `columns`. `there`: (trigger, table) of those that exist."""

    read: str
    setup: tuple[str, ...]
    triggers: tuple[str, ...]
    there: str
    drop: str
    renew: str
    teardown: tuple[str, ...]


_RENEW_SQLITE = "INSERT OR REPLACE INTO accounts_cache_version (id, number) VALUES (1, hex(randomblob(16)))"
_SQLITE = Dialect(
    read="SELECT (SELECT number FROM accounts_cache_version),"
    " (SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > %s)",
    setup=(
        "CREATE TABLE IF NOT EXISTS accounts_cache_version (id integer PRIMARY KEY, number text NOT NULL)",
    ),
    triggers=tuple(
        f"CREATE TRIGGER {{trigger}} AFTER {event} ON {{table}} BEGIN {_RENEW_SQLITE}; END"
        for event in ("INSERT", "UPDATE OF {columns}", "DELETE")
    ),
    there="SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'",
    drop="DROP TRIGGER {trigger}",
    renew=_RENEW_SQLITE,
    teardown=("DROP TABLE IF EXISTS accounts_cache_version",),
)
# Of several rows each transaction takes one that no other has: with a single one, transactions would wait for one another,
# and those that also want each other's rows of accounts would fail.
_POSTGRESQL = Dialect(
    read="SELECT (SELECT string_agg(number, ' ' ORDER BY id) FROM accounts_cache_version),"
    " (SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > %s)",
    setup=(
        "CREATE TABLE IF NOT EXISTS accounts_cache_version"
        " (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number text NOT NULL)",
        """CREATE OR REPLACE FUNCTION accounts_cache_version() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
  UPDATE accounts_cache_version SET number = gen_random_uuid()
    WHERE id = (SELECT id FROM accounts_cache_version ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);
  IF NOT FOUND THEN
    INSERT INTO accounts_cache_version (number) VALUES (gen_random_uuid());
  END IF;
  RETURN NULL;
END $$""",
    ),
    triggers=(
        "CREATE TRIGGER {trigger} AFTER INSERT OR UPDATE OF {columns} OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION accounts_cache_version()",
    ),
    there="SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
    " WHERE pg_table_is_visible(tgrelid)",
    drop="DROP TRIGGER {trigger} ON {table}",
    renew="INSERT INTO accounts_cache_version (number) VALUES (gen_random_uuid())",
    teardown=(
        "DROP FUNCTION IF EXISTS accounts_cache_version()",
        "DROP TABLE IF EXISTS accounts_cache_version",
    ),
)
_DIALECTS = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}


def read(session_key: str | None = None) -> tuple[str | None, str | None]:
    """The version, None where there is none, and the data of that session as stored, None where it is over. One query, so
    that a session that goes on costs no more than the version."""
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(_DIALECTS[connection.vendor].read, (session_key, now))
        version, data = cursor.fetchone()
    return version, data


def install(using: str) -> None:
    """Make the table, and the triggers that are missing or have another definition; then everything that is kept is read
    again. Nothing is done, and no table locked, where they are as they should be."""
    database = connections[using]
    dialect = _DIALECTS[database.vendor]
    with transaction.atomic(using), database.cursor() as cursor:
        wanted, there = _wanted(database, dialect, cursor), _there(dialect, cursor)
        if wanted.keys() == there.keys():
            return
        for statement in dialect.setup:
            cursor.execute(statement)
        for trigger in there.keys() - wanted.keys():
            cursor.execute(dialect.drop.format(trigger=trigger, table=there[trigger]))
        for trigger in wanted.keys() - there.keys():
            cursor.execute(wanted[trigger])
        cursor.execute(dialect.renew)


def remove(using: str) -> None:
    """The triggers and the table, so that what is watched can be written without it."""
    database = connections[using]
    dialect = _DIALECTS[database.vendor]
    with transaction.atomic(using), database.cursor() as cursor:
        for trigger, table in _there(dialect, cursor).items():
            cursor.execute(dialect.drop.format(trigger=trigger, table=table))
        for statement in dialect.teardown:
            cursor.execute(statement)


def install_after_migrate(sender: AppConfig, using: str, **kwargs: Any) -> None:
    """Django on SQLite changes a table by a copy of it, which has no triggers."""
    if TABLE in connections[using].introspection.table_names():  # its migration may have been taken back
        install(using)


def _wanted(database: Any, dialect: Dialect, cursor: Any) -> dict[str, str]:
    """Statements by the trigger's name, which is another where its definition is."""
    wanted = {}
    for table in WATCHED.keys() & set(database.introspection.table_names(cursor)):
        described = database.introspection.get_table_description(cursor, table)
        columns = ", ".join(f'"{one.name}"' for one in described if one.name not in WATCHED[table])
        for statement in dialect.triggers:
            definition = f"{dialect.setup} {statement} {columns}"
            trigger = f"{PREFIX}{table}_{hashlib.sha256(definition.encode()).hexdigest()[:8]}"
            wanted[trigger] = statement.format(trigger=trigger, table=table, columns=columns)
    return wanted


def _there(dialect: Dialect, cursor: Any) -> dict[str, str]:
    """Tables by the names of our triggers."""
    cursor.execute(dialect.there)
    return {trigger: table for trigger, table in cursor.fetchall() if trigger.startswith(PREFIX)}
