"""Table migrations: each app's `migrations_dynamo/`, applied in the order of their names.

A migration module is named as in seed 001 of docs/data.md (``migration_20241201_122000_create_..._table``) and holds one
`migration`: a `CreateTable` or an `AddIndex`. What was begun and what was applied is in the ledger beside the
migrated table; `plans` applies what is pending, `rollback` undoes it.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.apps import apps
from django.conf import settings

from opsportal.dynamo import ledger
from opsportal.dynamo.circuit_breaker import CircuitBreaker
from opsportal.dynamo.errors import DynamoError, TableMissing
from opsportal.dynamo.ledger import LEDGER, Entry, ledger_of
from opsportal.dynamo.steps import AddIndex, CreateOwnTable, CreateTable, Step
from opsportal.dynamo.tables import Binding, binding

__all__ = ["LEDGER", "AddIndex", "CreateOwnTable", "CreateTable", "ledger_of", "states"]


@dataclass(frozen=True)
class Migration:
    app: str
    name: str
    step: Step


class NotFound(ValueError):
    """No migration, app or table of that name; the text says which there are."""


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


def of_indexes(logical: str) -> list[Migration]:
    """One for each declared index of a table of the settings: the migration that adds it, or one that no app
    declares and that only `migrate --add-indexes` applies."""
    of_table = [one for one in migrations() if one.step.logical == logical]
    declared = {one.step.index: one for one in of_table if isinstance(one.step, AddIndex)}
    app = of_table[0].app if of_table else ""
    return [
        declared.get(index.name)
        or Migration(app, f"{ledger.ADDED_INDEX}{index.name}", AddIndex(logical, index.name))
        for index in binding(logical).spec.indexes
    ]


def of_added_indexes(logicals: Iterable[str]) -> list[Migration]:
    """Those of these tables that no app declares."""
    return [
        one
        for logical in logicals
        if logical in settings.DYNAMO_TABLES
        for one in of_indexes(logical)
        if one.name.startswith(ledger.ADDED_INDEX)
    ]


# --- Which of them -----------------------------------------------------------------------------------------


def named(target: str) -> Migration:
    """The migration of that name, or the only one whose name begins so. Raises NotFound with those there are."""
    declared = migrations()
    fitting = [one for one in declared if one.name == target] or [
        one for one in declared if one.name.startswith(target)
    ]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(one.name for one in fitting or declared)
    raise NotFound(
        f"{'More than one migration begins' if fitting else 'No migration begins'} with {target}: {names}."
    )


def of(app: str = "", tables: Iterable[str] = ()) -> list[Migration]:
    """Those of that app's label and of those logical tables; all where none is named. Raises NotFound."""
    declared, tables = migrations(), list(tables)
    labels = sorted({one.app for one in declared})
    if app and app not in labels:
        raise NotFound(f"There is no app {app} with table migrations; there are {', '.join(labels)}.")
    known = {one.step.logical: None for one in declared} | dict.fromkeys(settings.DYNAMO_TABLES)
    for logical in tables:
        if logical not in known:
            raise NotFound(f"There is no table {logical!r}; there are {', '.join(known)}.")
    return [
        one
        for one in declared
        if (not app or one.app == app) and (not tables or one.step.own or one.step.logical in tables)
    ]


def place_text(table: Binding) -> str:
    """The region, and the endpoint where it is not Amazon's."""
    return f"{table.region} at {table.endpoint}" if table.endpoint else table.region


# --- Where they stand --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MigrationState:
    """A migration at one table. `problem`: why its ledger could not be read; it is then neither applied nor
    pending. `own`: of the console's own tables, which `migrate` always takes along."""

    app: str
    name: str
    table: Binding
    own: bool
    applied_at: datetime | None = None
    applied_by: str = ""
    begun_at: datetime | None = None
    begun_by: str = ""
    removing_at: datetime | None = None
    removing_by: str = ""
    rolled_back_at: datetime | None = None
    pending: bool = True
    problem: DynamoError | None = None

    @property
    def state(self) -> str:
        """One word: applied, begun, pending, removing, removed (an index that only --add-indexes adds) or unknown."""
        if self.problem:
            return "unknown"
        if self.removing_at:
            return "removing"
        if self.applied_at:
            return "applied"
        return "begun" if self.begun_at else "pending" if self.pending else "removed"


def states(*, background: bool = False, location: tuple[str, str] | None = None) -> list[MigrationState]:
    """Every migration at every table (or at those of one `location`), in order: one scan of a small ledger per place.
    Never raises for a place that can't be read. `background`: with a worker's time, not a page's."""
    found, breaker = [], CircuitBreaker()
    known: dict[tuple[str, str], dict[str, Any] | DynamoError] = {}
    for one in [*migrations(), *of_added_indexes(settings.DYNAMO_TABLES)]:
        for table in one.step.tables():
            if location not in (None, table.location):
                continue
            if table.location not in known:
                known[table.location] = _items_or_trouble(table, breaker, background=background)
            items = known[table.location]
            entry = ledger.entry_of(one.name, one.app, table, {} if isinstance(items, DynamoError) else items)
            if one.name.startswith(ledger.ADDED_INDEX) and not entry.said:
                continue
            if isinstance(items, DynamoError):
                found.append(
                    MigrationState(one.app, one.name, table, one.step.own, pending=False, problem=items)
                )
            else:
                found.append(_state(one, entry))
    return found


def _state(one: Migration, entry: Entry) -> MigrationState:
    return MigrationState(
        one.app,
        one.name,
        entry.table,
        one.step.own,
        applied_at=entry.at("applied"),
        applied_by=entry.by("applied"),
        begun_at=entry.at("begun"),
        begun_by=entry.by("begun"),
        removing_at=entry.at("removing"),
        removing_by=entry.by("removing"),
        rolled_back_at=entry.at("rolled_back"),
        pending=not entry.applied and not one.name.startswith(ledger.ADDED_INDEX),
    )


def _items_or_trouble(
    table: Binding, breaker: CircuitBreaker, *, background: bool
) -> dict[str, Any] | DynamoError:
    try:
        return breaker.ask(table, partial(ledger.entries, background=background))
    except TableMissing:
        return {}
    except DynamoError as error:
        return error


def entries_of(chosen: Iterable[Migration]) -> Iterator[tuple[Migration, Entry]]:
    """The ledger's entry of each, at each of its tables. Raises `DynamoError`, but for a ledger that is not there."""
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for one in chosen:
        for table in one.step.tables():
            if table.location not in known:
                try:
                    known[table.location] = ledger.entries(table)
                except TableMissing:
                    known[table.location] = {}
            yield one, ledger.entry_of(one.name, one.app, table, known[table.location])
