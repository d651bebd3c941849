"""Undoing table migrations, newest first: what would be lost, and losing it.

Only what the ledger says that `migrate` made is ever deleted: a table that was found, that was created again
since, or whose ledger is gone, belongs to somebody else.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from django.conf import settings

from opsportal.dynamo.backups import Backup, backups
from opsportal.dynamo.creation import Say
from opsportal.dynamo.deployed import Deployed, Recovery, Unknown, deployed
from opsportal.dynamo.descriptions import Twins
from opsportal.dynamo.errors import DynamoError, TableMissing
from opsportal.dynamo.ledger import Entry
from opsportal.dynamo.migrations import (
    Migration,
    NotFound,
    entries_of,
    migrations,
    named,
    of,
    of_added_indexes,
    of_indexes,
    place_text,
)
from opsportal.dynamo.plans import created_by_us
from opsportal.dynamo.steps import AddIndex, creation_stamp, same_table, size_text
from opsportal.dynamo.structure import without
from opsportal.dynamo.tables import Binding


class NotOurs(DynamoError):
    """A table or index that this rollback may not delete."""

    kind = "not_ours"
    title = "Not deleted"
    retry = False


@dataclass(frozen=True)
class Removal:
    """One table to delete, or one `index` to remove, with the `entries` that go with it. `found`: None where
    it is gone already, so that only the ledger is left to write. `with_table`: `migrate` made the index with its
    table, so that it has no entry of its own yet."""

    migration: Migration
    entries: tuple[Entry, ...]
    found: Deployed | None
    backups: tuple[Backup, ...] | Unknown = ()
    with_table: bool = False

    @property
    def table(self) -> Binding:
        return self.entries[0].table

    @property
    def index(self) -> str:
        step = self.migration.step
        return step.index if isinstance(step, AddIndex) else ""

    def lines(self) -> list[str]:
        """What will be lost, for people."""
        where = f"{self.table.name}, {place_text(self.table)}"
        names = ", ".join(entry.migration for entry in self.entries)
        if self.found is None:
            what = f"its index {self.index}" if self.index else "it"
            return [f"{where}: {what} is gone already; the ledger will say so of {names}"]
        size = f"{self.found.items:,} items, {size_text(self.found.size)} (DynamoDB's figures, about six hours old)"
        if self.index:
            return [
                f"{where}: the index {self.index} is removed ({names})",
                f"  no item is lost. {without(self.table, self.table.spec.index(self.index))}",
                f"  adding it again reads {size}",
            ]
        lines = [f"{where}: the table is deleted ({names})", f"  lost: {size}, and {_indexes(self.found)}"]
        if self.migration.step.own:
            lines.append(
                f"  it is the console's own ({self.table.spec.title}): no action works until it exists again"
            )
        return [*lines, f"  {self._recovery()}", f"  {self._backups()}"]

    def _recovery(self) -> str:
        recovery = self.found.recovery if self.found else Unknown()
        if isinstance(recovery, Unknown):
            return f"point-in-time recovery: {recovery}"
        if not recovery.enabled:
            return "point-in-time recovery is off: nothing is left of the data"
        return f"point-in-time recovery is on{_reach(recovery)}; DynamoDB keeps a system backup for 35 days"

    def _backups(self) -> str:
        if isinstance(self.backups, Unknown):
            return f"on-demand backups: {self.backups}"
        if not self.backups:
            return "on-demand backups: none"
        newest = self.backups[0]
        return f"on-demand backups: {len(self.backups)}, the newest {newest.name} of {newest.created_at:%Y-%m-%d %H:%M} UTC"


def _reach(recovery: Recovery) -> str:
    if recovery.earliest is None or recovery.latest is None:
        return ""
    return f", from {recovery.earliest:%Y-%m-%d %H:%M:%S} to {recovery.latest:%Y-%m-%d %H:%M:%S} UTC"


def _indexes(found: Deployed) -> str:
    return f"its indexes {', '.join(index.name for index in found.indexes)}" if found.indexes else "no index"


@dataclass(frozen=True)
class Rollback:
    """What would be removed, in that order, and what is kept, with the reason of each."""

    removals: tuple[Removal, ...]
    kept: tuple[DynamoError, ...]


def removals(*, target: str = "", app: str = "", tables: Iterable[str] = ()) -> Rollback:
    """What a rollback would remove; changes nothing.

    `target`: that migration, and the later ones of the same table. Without it every applied one of the named
    app and tables, newest first, but never the console's own tables: those are named one by one, in full.
    Raises NotFound and `DynamoError`.
    """
    tables = set(tables)
    of_those = of(app, tables)
    if target:
        first = named(target)
        if first not in of_those or (tables and first.step.logical not in tables):
            raise NotFound(
                f"{first.name} is not a migration of {' and '.join(filter(None, (app, *sorted(tables))))}."
            )
        if first.step.own and first.name != target:
            raise NotOurs(
                f"{first.name} holds the console's own records.", "Name it in full to roll it back: --target."
            )
        chosen = [
            one for one in migrations() if one.step.logical == first.step.logical and one.name >= first.name
        ]
    else:
        for one in of_those:
            if one.step.own and one.step.logical in tables:
                raise NotOurs(
                    f"{one.step.logical} holds the console's own records.",
                    f"To roll it back, name its migration in full: --target {one.name}",
                )
        chosen = [one for one in of_those if not one.step.own]
    chosen += of_added_indexes(dict.fromkeys(one.step.logical for one in chosen))
    begun = [
        (one, entry)
        for one, entry in reversed(list(entries_of(chosen)))
        if entry.applied or entry.begun or entry.removing
    ]
    found: list[Removal] = []
    kept: list[DynamoError] = []
    twins = Twins()
    for one, entry in begun:
        if isinstance(one.step, AddIndex) and _goes_with_its_table(entry, begun):
            continue
        try:
            removal = _removal(one, entry, begun)
        except NotOurs as reason:
            kept.append(reason)
            continue
        # Their ledger is one too.
        if removal.found is None or not twins.of(removal.table, removal.found):
            found.append(removal)
    # What is gone already is but noted, whatever becomes of the questions about the rest.
    found.sort(key=lambda removal: removal.found is not None)
    return Rollback(tuple(found), tuple(kept))


def index_removal(logical: str, name: str) -> Removal:
    """What taking back one declared index of a table of the settings would remove; changes nothing.

    Raises NotFound where no such index is declared, or there is none to take back; NotOurs where the ledger does
    not say that `migrate` made it; `DynamoError`.
    """
    if logical not in settings.DYNAMO_TABLES:
        raise NotFound(f"There is no table {logical!r}; there are {', '.join(settings.DYNAMO_TABLES)}.")
    declared = {one.step.index: one for one in of_indexes(logical) if isinstance(one.step, AddIndex)}
    if name not in declared:
        those = ", ".join(declared) or "none"
        raise NotFound(
            f"{name!r} is no declared index of {logical}, so it is not ours to drop; declared: {those}."
        )
    ((one, entry),) = entries_of([declared[name]])
    try:
        found: Deployed | None = deployed(entry.table)
    except TableMissing:
        if not entry.said:
            raise
        found = None
    if found is None or not any(index.name == name for index in found.indexes):
        if not entry.said or entry.at("rolled_back"):
            raise NotFound(f"{entry.table.name} in {entry.table.region} has no index {name}.")
        return Removal(one, (entry,), None)
    own_entry = entry.applied or entry.begun or entry.removing
    with_table = not own_entry and created_by_us(entry.table)
    if not with_table:
        refuse_what_is_not_ours(one, entry, found)
    return Removal(one, (entry,), found, with_table=with_table)


def _goes_with_its_table(entry: Entry, begun: list[tuple[Migration, Entry]]) -> bool:
    for other, creation in begun:
        if not isinstance(other.step, AddIndex) and creation.table == entry.table:
            return bool(creation.made or creation.begun or creation.removing)
    return False


def _removal(one: Migration, entry: Entry, begun: list[tuple[Migration, Entry]]) -> Removal:
    table = entry.table
    try:
        found = deployed(table)
    except TableMissing:
        found = None
    entries = [entry]
    if isinstance(one.step, AddIndex):
        name = one.step.index
        if found and not any(index.name == name for index in found.indexes):
            found = None
    else:
        entries = [other for _, other in begun if other.table == table]
        entries.sort(key=lambda other: other is not entry)
    if found is None:
        return Removal(one, tuple(entries), None)
    refuse_what_is_not_ours(one, entry, found)
    kept = backups(table)
    return Removal(one, tuple(entries), found, kept if isinstance(kept, Unknown) else tuple(kept))


def refuse_what_is_not_ours(one: Migration, entry: Entry, found: Deployed) -> None:
    """Raise NotOurs where the ledger does not show that this table, or index, was made by `migrate`, or where
    the table is protected."""
    table = entry.table
    what = f"The index {one.step.index} of {table.name}" if isinstance(one.step, AddIndex) else table.name
    if not entry.made and not entry.begun:
        raise NotOurs(
            f"{what} was there before {one.name}: the ledger does not say that migrate made it.",
            "It belongs to the person or program that made it; only they should delete it.",
        )
    if entry.made and not same_table(entry.made, found):
        raise NotOurs(
            f"{table.name} was created {found.created_at:%Y-%m-%d %H:%M:%S} UTC, and is not the table that {one.name} "
            f"made {entry.made}.",
            "It belongs to the person or program that created it again; only they should delete it.",
        )
    if found.deletion_protection and not isinstance(one.step, AddIndex):
        raise NotOurs(
            f"{table.name} is protected against deletion.",
            "Its owner can remove the protection: aws dynamodb update-table --no-deletion-protection-enabled "
            f"--table-name {table.name} --region {table.region}",
        )


def remove(removal: Removal, say: Say) -> None:
    """Delete or remove it, wait until it is gone, and write the ledger. May be repeated after a kill.

    Raises NotOurs when the table is another one by now, and `DynamoError`.
    """
    entries = removal.entries
    if removal.with_table and removal.found is not None:
        entries[0].begin()
        entries[0].finish(creation_stamp(removal.found))
    if removal.found is not None:
        entries[0].refresh()
        with suppress(TableMissing):
            refuse_what_is_not_ours(removal.migration, entries[0], deployed(removal.table))
    for entry in entries:
        entry.begin_removal()
    if removal.found is not None:
        removal.migration.step.undo(removal.table, say)
    for entry in entries:
        entry.finish_removal()
        say(f"  rolled back {entry.migration}")
