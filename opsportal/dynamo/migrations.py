"""Table migrations: each app's `migrations_dynamo/`, applied in the order of their names.

A migration module is named as in seed 001 (``migration_20241201_122000_create_..._table``) and holds one
`migration`: a `CreateTable` or an `AddIndex`. What was applied is written to a ledger table beside the
migrated table, ``{env}-opsportal_migrations``, once per region and endpoint. Every step looks before it
acts, so a run that was killed, or two runs at once, end in the same tables.
"""

import getpass
import importlib
import pkgutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from botocore.exceptions import ClientError
from django.apps import apps
from django.conf import settings

from opsportal.dynamo import clients
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import TableMissing, translated
from opsportal.dynamo.tables import Binding, TableSpec, binding, bindings, own_table

Say = Callable[[str], object]

WAIT_SECONDS = 300
# What an emulator answers that does not know an operation.
UNKNOWN_OPERATION = frozenset({"UnknownOperationException", "UnknownOperation", "NotImplemented"})


class Step(Protocol):
    """What a migration does to a table. `apply` is repeatable and says what it did.

    `own`: the table is the console's and is always migrated; the others belong to other programs.
    """

    own: bool

    @property
    def logical(self) -> str: ...

    def tables(self) -> list[Binding]:
        """Where it applies: one table, or for the console's own one in every place."""
        ...

    def apply(self, table: Binding, say: Say) -> None: ...


class _OnForeignTable:
    own = False
    logical: str

    def tables(self) -> list[Binding]:
        return [binding(self.logical)]


@dataclass(frozen=True)
class CreateTable(_OnForeignTable):
    """Create the table as declared, with TTL and point-in-time recovery, if it does not exist."""

    logical: str

    def apply(self, table: Binding, say: Say) -> None:
        _create_if_missing(table, say)


@dataclass(frozen=True)
class CreateOwnTable:
    """Create one of the console's own tables in every place that holds a table of the settings: a
    transaction can't cross regions, so what is written with a foreign item lies beside it."""

    spec: TableSpec
    own = True

    @property
    def logical(self) -> str:
        return self.spec.logical

    def tables(self) -> list[Binding]:
        beside = {table.place: table for table in bindings()}
        return [own_table(self.spec, table) for table in beside.values()]

    def apply(self, table: Binding, say: Say) -> None:
        _create_if_missing(table, say)


def _create_if_missing(table: Binding, say: Say) -> None:
    try:
        describe(table, fresh=True)
        say(f"  {table.name} exists already and is left as it is")
    except TableMissing:
        create(table)
        say(f"  created {table.name}")


@dataclass(frozen=True)
class AddIndex(_OnForeignTable):
    """Add a declared index to the table, if no index with its name exists."""

    logical: str
    index: str

    def apply(self, table: Binding, say: Say) -> None:
        if any(index.name == self.index for index in describe(table, fresh=True).indexes):
            say(f"  {table.name} has {self.index} already")
            return
        index = table.spec.index(self.index)
        names = [name for name in (index.hash_key, index.range_key) if name]
        client = clients.client(*table.place, patient=True)
        # ResourceInUseException: a second migrator was first, and its index is waited for.
        with translated(table), suppress(client.exceptions.ResourceInUseException):
            client.update_table(
                TableName=table.name,
                AttributeDefinitions=[
                    {"AttributeName": name, "AttributeType": "S"}
                    for name in dict.fromkeys([table.key, *names])
                ],
                GlobalSecondaryIndexUpdates=[{"Create": index.definition()}],
            )
        wait_until_active(table)
        say(f"  added {self.index} to {table.name}")


@dataclass(frozen=True)
class Migration:
    app: str
    name: str
    step: Step


def create(table: Binding, *, optional_indexes: bool = False) -> None:
    """Create the table, wait until it is ACTIVE, then set TTL and point-in-time recovery.

    A table that somebody else creates meanwhile is waited for. An engine that knows no TTL or recovery
    leaves them off; `verify` reports it.
    """
    client = clients.client(*table.place, patient=True)
    with translated(table), suppress(client.exceptions.ResourceInUseException):
        client.create_table(**table.create_request(optional_indexes=optional_indexes))
    wait_until_active(table)
    if table.ttl_attribute and table.spec.ttl_attribute:
        _if_known(
            lambda: client.update_time_to_live(
                TableName=table.name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": table.ttl_attribute},
            ),
            table,
        )
    if table.spec.point_in_time_recovery:
        _if_known(
            lambda: client.update_continuous_backups(
                TableName=table.name,
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            ),
            table,
        )


def _if_known(call: Callable[[], Any], table: Binding) -> None:
    try:
        call()
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        already = "already" in message.lower()  # the second of two migrators; TTL says so in words
        if code not in UNKNOWN_OPERATION and not already:
            with translated(table):
                raise


def wait_until_active(table: Binding) -> None:
    """Wait until table and indexes are ACTIVE; TimeoutError after five minutes."""
    deadline = time.monotonic() + WAIT_SECONDS
    pause = 0.05
    while True:
        try:
            description = describe(table, fresh=True)
            if description.state == "ACTIVE" and all(index.usable for index in description.indexes):
                return
        except TableMissing:
            pass  # DescribeTable is eventually consistent right after CreateTable
        if time.monotonic() > deadline:
            raise TimeoutError(f"{table.name} is not ACTIVE after {WAIT_SECONDS} s; run the command again.")
        time.sleep(pause)
        pause = min(pause * 2, 5)


# --- The ledger --------------------------------------------------------------------------------------

LEDGER = TableSpec(logical="migrations", title="Table migrations", key="name")


def ledger_of(table: Binding) -> Binding:
    """The ledger in the place of `table`."""
    return own_table(LEDGER, table)


def entry_name(migration: Migration, table: Binding) -> str:
    """The ledger's key: a migration is applied to a table, and names of tables are settings."""
    return f"{migration.name}/{table.name}"


def applied(table: Binding) -> set[str]:
    """The entry names in the ledger beside `table`; empty when there is no ledger yet."""
    ledger = ledger_of(table)
    client = clients.client(*ledger.place, patient=True)
    try:
        with translated(ledger):
            pages = client.get_paginator("scan").paginate(TableName=ledger.name, ConsistentRead=True)
            return {item["name"]["S"] for page in pages for item in page["Items"]}
    except TableMissing:
        return set()


def _record(migration: Migration, table: Binding) -> None:
    ledger = ledger_of(table)
    with translated(ledger):
        clients.client(*ledger.place, patient=True).put_item(
            TableName=ledger.name,
            Item={
                "name": {"S": entry_name(migration, table)},
                "app": {"S": migration.app},
                "table": {"S": table.name},
                "applied_at": {"S": datetime.now(UTC).isoformat(timespec="milliseconds")},
                "applied_by": {"S": f"{getpass.getuser()}@{socket.gethostname()}"},
            },
        )


# --- The runner ----------------------------------------------------------------------------------------


def migrations() -> list[Migration]:
    """Every declared migration, by name, which begins with its date."""
    return sorted(_declared(), key=lambda migration: migration.name)


def _declared() -> Iterator[Migration]:
    for config in apps.get_app_configs():
        try:
            package = importlib.import_module(f"{config.name}.migrations_dynamo")
        except ModuleNotFoundError:
            continue
        for module in pkgutil.iter_modules(package.__path__):
            step = importlib.import_module(f"{package.__name__}.{module.name}").migration
            yield Migration(app=config.label, name=module.name, step=step)


def migrate(say: Say = print, *, tables: tuple[str, ...] = ()) -> int:
    """Apply what is pending, in order, and return how many were applied.

    The console's own tables always; the others belong to other programs: outside development only the
    logical ones named in `tables` are touched. Raises `DynamoError`, and KeyError for a logical name that does not exist.
    """
    chosen = [binding(logical).logical for logical in tables]
    if not chosen and settings.OPSPORTAL_ENV != "dev":
        say(
            f"In {settings.OPSPORTAL_ENV} only the console's own tables are migrated; name the others, "
            "for example --table requests."
        )
    foreign = chosen or (list(settings.DYNAMO_TABLES) if settings.OPSPORTAL_ENV == "dev" else [])
    count = 0
    known: dict[tuple[str, str], set[str]] = {}
    for migration in migrations():
        if not migration.step.own and migration.step.logical not in foreign:
            continue
        for table in migration.step.tables():
            if table.place not in known:
                create(ledger_of(table))
                known[table.place] = applied(table)
            if entry_name(migration, table) in known[table.place]:
                continue
            say(f"{migration.app}: {migration.name}")
            migration.step.apply(table, say)
            _record(migration, table)
            known[table.place].add(entry_name(migration, table))
            count += 1
    say(f"{count} table migrations applied." if count else "No table migration is pending.")
    return count
