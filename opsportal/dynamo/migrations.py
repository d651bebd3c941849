"""Table migrations: each app's `migrations_dynamo/`, applied in the order of their names.

A migration module is named as in seed 001 (``migration_20241201_122000_create_..._table``) and holds one
`migration`: a `CreateTable` or an `AddIndex`. What was begun and what was applied is written to a ledger
table beside the migrated table, ``{env}-opsportal_migrations``, once per region and endpoint. Every step
looks before it acts, so a run that was killed, or two runs at once, end in the same tables.
"""

import getpass
import importlib
import os
import pkgutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from botocore.exceptions import ClientError
from django.apps import apps
from django.conf import settings

from opsportal.dynamo import clients
from opsportal.dynamo.creation import create, wait_until_active
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import DynamoError, TableMissing, translated
from opsportal.dynamo.tables import Binding, TableSpec, binding, bindings, own_table

Say = Callable[[str], object]

# What DynamoDB answers while another change of the table is under way.
BUSY = frozenset({"ResourceInUseException", "LimitExceededException"})


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

    def apply(self, table: Binding, say: Say, entry: "Entry") -> None: ...


class _OnForeignTable:
    own = False
    logical: str

    def tables(self) -> list[Binding]:
        return [binding(self.logical)]


@dataclass(frozen=True)
class CreateTable(_OnForeignTable):
    """Create the table as declared, with TTL and point-in-time recovery, if it does not exist."""

    logical: str

    def apply(self, table: Binding, say: Say, entry: "Entry") -> None:
        _create_if_missing(table, say, entry)


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

    def apply(self, table: Binding, say: Say, entry: "Entry") -> None:
        _create_if_missing(table, say, entry)


def _create_if_missing(table: Binding, say: Say, entry: "Entry") -> None:
    try:
        describe(table, fresh=True, patient=True)
        if not entry.begun:
            say(f"  {table.name} exists already and is left as it is")
            return
    except TableMissing:
        # From here on the table is ours: a run that is killed before the end is taken up again.
        entry.begin()
    create(table)
    say(f"  created {table.name}")


@dataclass(frozen=True)
class AddIndex(_OnForeignTable):
    """Add a declared index to the table, if no index with its name exists."""

    logical: str
    index: str

    def apply(self, table: Binding, say: Say, entry: "Entry") -> None:
        if self._is_there(table):
            wait_until_active(table)  # a killed run may have left it half built
            say(f"  {table.name} has {self.index} already")
            return
        for _ in range(5):
            self._add(table)
            wait_until_active(table)
            if self._is_there(table):
                say(f"  added {self.index} to {table.name}")
                return
        raise DynamoError(f"{table.name} is busy with other changes.", "Run the command again later.")

    def _is_there(self, table: Binding) -> bool:
        return any(index.name == self.index for index in describe(table, fresh=True, patient=True).indexes)

    def _add(self, table: Binding) -> None:
        index = table.spec.index(self.index)
        names = [name for name in (index.hash_key, index.range_key) if name]
        with translated(table):
            try:
                clients.client(*table.place, patient=True).update_table(
                    TableName=table.name,
                    AttributeDefinitions=[
                        {"AttributeName": name, "AttributeType": "S"}
                        for name in dict.fromkeys([table.key, *names])
                    ],
                    GlobalSecondaryIndexUpdates=[{"Create": index.definition()}],
                )
            except ClientError as error:
                # A second migrator is at it, or was first.
                if error.response["Error"]["Code"] not in BUSY and not self._is_there(table):
                    raise


@dataclass(frozen=True)
class Migration:
    app: str
    name: str
    step: Step


# --- The ledger --------------------------------------------------------------------------------------

LEDGER = TableSpec(logical="migrations", title="Table migrations", key="name")


def ledger_of(table: Binding) -> Binding:
    """The ledger in the place of `table`."""
    return own_table(LEDGER, table)


@dataclass
class Entry:
    """A migration's line in the ledger beside its table. `begun`: an earlier run began and did not finish."""

    migration: Migration
    table: Binding
    begun: bool = False

    @property
    def name(self) -> str:
        """The ledger's key: a migration is applied to a table, and names of tables are settings."""
        return f"{self.migration.name}/{self.table.name}"

    def begin(self) -> None:
        self._write(begun_at=_now())

    def finish(self) -> None:
        self._write(applied_at=_now(), applied_by=_who())

    def _write(self, **texts: str) -> None:
        ledger = ledger_of(self.table)
        texts |= {"name": self.name, "app": self.migration.app, "table": self.table.name}
        with translated(ledger):
            clients.client(*ledger.place, patient=True).put_item(
                TableName=ledger.name, Item={name: {"S": text} for name, text in texts.items()}
            )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container whose user id has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def ledger_entries(table: Binding) -> dict[str, bool]:
    """Entry name -> whether it was applied (else only begun), of the ledger beside `table`. Creates it."""
    ledger = ledger_of(table)
    client = clients.client(*ledger.place, patient=True)
    try:
        with translated(ledger):
            pages = client.get_paginator("scan").paginate(TableName=ledger.name, ConsistentRead=True)
            return {item["name"]["S"]: "applied_at" in item for page in pages for item in page["Items"]}
    except TableMissing:
        create(ledger)
        return {}


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
    logical ones named in `tables` are touched. Raises `DynamoError`, and KeyError for a logical name that
    does not exist.
    """
    chosen = [binding(logical).logical for logical in tables]
    if not chosen and settings.OPSPORTAL_ENV != "dev":
        say(
            f"In {settings.OPSPORTAL_ENV} only the console's own tables are migrated; name the others, "
            "for example --table requests."
        )
    foreign = chosen or (list(settings.DYNAMO_TABLES) if settings.OPSPORTAL_ENV == "dev" else [])
    count = 0
    known: dict[tuple[str, str], dict[str, bool]] = {}
    for migration in migrations():
        if not migration.step.own and migration.step.logical not in foreign:
            continue
        for table in migration.step.tables():
            if table.place not in known:
                known[table.place] = ledger_entries(table)
            entry = Entry(migration, table)
            applied = known[table.place].get(entry.name)
            if applied:
                continue
            entry.begun = applied is False
            say(f"{migration.app}: {migration.name}")
            migration.step.apply(table, say, entry)
            entry.finish()
            count += 1
    say(f"{count} table migrations applied." if count else "No table migration is pending.")
    return count
