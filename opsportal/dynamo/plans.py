"""What `migrate` will do, and doing it: `plan` looks and changes nothing, `carry_out` does what it says."""

from dataclasses import dataclass

from django.conf import settings

from opsportal.dynamo import creation, ledger
from opsportal.dynamo.creation import Say, Setting
from opsportal.dynamo.deployed import Deployed, deployed
from opsportal.dynamo.descriptions import Description, describe
from opsportal.dynamo.errors import DynamoError, TableMissing
from opsportal.dynamo.ledger import Entry
from opsportal.dynamo.migrations import Migration, NotFound, entries_of, named, of, place_text
from opsportal.dynamo.steps import AddIndex, Outlook, same_table
from opsportal.dynamo.tables import Binding, Index
from opsportal.environments import is_strict


class RejectsFound(DynamoError):
    """A new index would reject items, and nobody has accepted that."""

    kind = "index_rejects"
    title = "Items that the new index would reject"
    retry = False


@dataclass(frozen=True)
class Planned:
    """A pending migration at one table."""

    migration: Migration
    entry: Entry
    outlook: Outlook

    @property
    def table(self) -> Binding:
        return self.entry.table

    @property
    def title(self) -> str:
        """Which migration, and where: one of the console's own tables has the same name in every region."""
        return f"{self.migration.app}: {self.migration.name}, {place_text(self.table)}"


@dataclass(frozen=True)
class Plan:
    """What `migrate` will do. `lacking`: settings that tables made by us lack. `notes`: what it leaves, and why."""

    planned: tuple[Planned, ...]
    lacking: tuple[tuple[Binding, Setting], ...]
    notes: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.planned or self.lacking)

    def lines(self) -> list[str]:
        """For people: each migration, its table and place, and what it will do."""
        lines = []
        for one in self.planned:
            lines.append(one.title)
            lines += [f"  {line}" for line in one.outlook.lines]
        for table, setting in self.lacking:
            lines.append(f"{table.name}, {place_text(table)}: turn on {setting.text}, which it lacks")
        return lines


def plan(*, target: str = "", app: str = "", tables: tuple[str, ...] = ()) -> Plan:
    """What is pending, as it stands now; changes nothing.

    `target`: up to and including that migration. The console's own tables always; the others belong to other
    programs: outside development only the logical ones named in `tables`. Raises `DynamoError` and NotFound.
    """
    chosen = of(app, tables)
    if not chosen:
        raise NotFound(f"No migration of {app} is one of {' or '.join(tables)}.")
    if target:
        last = named(target).name
        chosen = [one for one in chosen if one.name <= last]
    notes = []
    if is_strict(settings.OPSPORTAL_ENV) and not tables and not all(one.step.own for one in chosen):
        chosen = [one for one in chosen if one.step.own]
        notes.append(
            f"In {settings.OPSPORTAL_ENV} only the console's own tables are migrated; name the others, "
            "for example --table requests."
        )
    planned: list[Planned] = []
    lacking: list[tuple[Binding, Setting]] = []
    for one, entry in entries_of(chosen):
        if entry.removing:
            notes.append(
                f"{one.name}: its rollback on {entry.table.name} in {entry.table.region}, begun {entry.when('removing')}, did not end. "
                f"Finish it: python manage.py dynamo rollback --target {one.name}"
            )
        elif not entry.applied:
            coming = any(other.table == entry.table and not other.outlook.found for other in planned)
            planned.append(Planned(one, entry, one.step.outlook(entry.table, entry, coming=coming)))
        else:
            lacking += [(entry.table, setting) for setting in _what_lacks(one, entry, notes)]
    return Plan(tuple(planned), tuple(lacking), tuple(notes))


def _what_lacks(one: Migration, entry: Entry, notes: list[str]) -> list[Setting]:
    """The settings that the table lacks that this migration made. What is not there any more, whosever it was,
    goes into `notes`, and so does another table in its place."""
    table = entry.table
    index = one.step.index if isinstance(one.step, AddIndex) else ""
    was = f"{one.name} was applied {entry.when('applied')}, but {table.name} in {table.region}"
    environment = f" --environment {settings.OPSPORTAL_ENV}" if is_strict(settings.OPSPORTAL_ENV) else ""
    noted = f"python manage.py dynamo rollback --target {one.name}{environment} notes that"
    if one.step.own:
        noted += " (where it asks for the name of another region's table, type nothing)"
    try:
        found = deployed(table) if entry.made and not index else describe(table, fresh=True, patient=True)
    except TableMissing:
        if not index:  # which goes with its table
            notes.append(f"{was} is not there any more. {noted}; then migrate creates it anew.")
        return []
    if index and not _has_like(found, table.spec.index(index)):
        notes.append(f"{was} has no index {index} any more. {noted}; then migrate adds it anew.")
    if not isinstance(found, Deployed):
        return []
    if not same_table(entry.made, found):
        notes.append(
            f"{was} was created again since: it is left as it is. python manage.py dynamo verify says where it differs."
        )
        return []
    return creation.settings_lacking(table, found)


def _has_like(found: Description, index: Index) -> bool:
    """Whether it has that index, or one of other people's on the same keys."""
    keys = (index.hash_key, index.range_key)
    return any(
        there.name == index.name or (there.hash_key, there.range_key) == keys for there in found.indexes
    )


# --- Doing it ----------------------------------------------------------------------------------------------


def migrate(
    say: Say = print,
    *,
    target: str = "",
    app: str = "",
    tables: tuple[str, ...] = (),
    accept_index_rejects: bool = False,
) -> int:
    """Apply what `plan` finds, in order, and return how many were applied. Asks nobody. Raises as they do."""
    todo = plan(target=target, app=app, tables=tables)
    for note in todo.notes:
        say(note)
    return carry_out(todo, say, accept_index_rejects=accept_index_rejects)


def carry_out(todo: Plan, say: Say, *, accept_index_rejects: bool = False) -> int:
    """Apply the plan, and return how many migrations were applied by this run.

    Raises RejectsFound before anything is changed, and `DynamoError` when DynamoDB refuses a step; what was
    done until then is in the ledger, and the next run goes on from there.
    """
    for one in todo.planned:
        if one.outlook.rejects and not accept_index_rejects:
            rejects = one.outlook.rejects
            raise RejectsFound(
                f"Nothing was changed: with the index of {one.migration.name} DynamoDB would refuse to write "
                f"{rejects.found:,} of the {rejects.read:,} items read of {one.table.name} again as they are, "
                f"such as {rejects.named[0]}.",
                "Mend those items, or accept that with --accept-index-rejects.",
            )
    for place in {one.table.place: one.table for one in todo.planned}.values():
        ledger.ensure_ledger(place)
    done: set[tuple[str, str]] = set()
    count = sum(_apply(one, say, done) for one in todo.planned)
    for table, setting in todo.lacking:
        if creation.apply(setting, table):
            say(f"{table.name}, {place_text(table)}: turned on {setting.text}")
    if count:
        say(f"{count} table migrations applied." if count > 1 else "1 table migration applied.")
    elif not todo.planned:
        say("No table migration is pending.")
    return count


def _apply(one: Planned, say: Say, done: set[tuple[str, str]]) -> bool:
    """`done`: keys and endpoints of what this run applied."""
    entry = one.entry
    entry.refresh()
    key = (entry.key, entry.table.endpoint)
    if entry.applied and key in done:
        return False  # an emulator that knows no regions: the table of both places is one
    say(one.title)
    if not entry.applied and entry.finish(one.migration.step.apply(entry.table, entry, say)):
        done.add(key)
        return True
    say(f"  applied on {entry.table.name} already, {entry.when('applied')}")
    return False
