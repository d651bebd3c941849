"""What `migrate` will do, and doing it: `plan` looks and changes nothing, `carry_out` does what it says."""

from contextlib import suppress
from dataclasses import dataclass

from django.conf import settings

from opsportal.dynamo import creation, ledger
from opsportal.dynamo.creation import Say, Setting
from opsportal.dynamo.deployed import Deployed, deployed
from opsportal.dynamo.descriptions import Description, describe
from opsportal.dynamo.errors import DynamoError, TableMissing
from opsportal.dynamo.index_samples import Samples
from opsportal.dynamo.ledger import ADDED_INDEX, Entry
from opsportal.dynamo.migrations import Migration, NotFound, entries_of, named, of, of_indexes, place_text
from opsportal.dynamo.steps import AddIndex, Outlook, same_table
from opsportal.dynamo.structure import index_flaws, used_for
from opsportal.dynamo.tables import Binding, Index
from opsportal.environments import is_strict


class RejectsFound(DynamoError):
    """A new index would reject items, and this was not accepted."""

    kind = "index_rejects"
    title = "Items that the new index would reject"
    retry = False


class UnlistedFound(DynamoError):
    """Items would not be in a new index, and this was not accepted."""

    kind = "index_unlisted"
    title = "Items that would not be in the new index"
    retry = False


@dataclass(frozen=True)
class Planned:
    """A pending migration at one table. `foreign`: it adds an index to a table that another program created."""

    migration: Migration
    entry: Entry
    outlook: Outlook
    foreign: bool = False

    @property
    def table(self) -> Binding:
        return self.entry.table

    @property
    def index(self) -> Index | None:
        """The index that it will add to a table that is there."""
        step = self.migration.step
        return (
            self.table.spec.index(step.index)
            if isinstance(step, AddIndex) and self.outlook.backfill
            else None
        )

    @property
    def title(self) -> str:
        """Which migration, and where: one of the console's own tables has the same name in every region."""
        return f"{self.migration.app}: {self.migration.name}, {place_text(self.table)}"


@dataclass(frozen=True)
class Plan:
    """What `migrate` will do. `lacking`: settings that tables made by us lack. `notes`: what it leaves, and why;
    `left_out`: pending migrations of tables that nobody named are among that."""

    planned: tuple[Planned, ...]
    lacking: tuple[tuple[Binding, Setting], ...]
    notes: tuple[str, ...]
    left_out: bool = False

    def __bool__(self) -> bool:
        return bool(self.planned or self.lacking)

    @property
    def nothing(self) -> str:
        """What to say where nothing is planned."""
        return f"No {'other ' if self.left_out else ''}table migration is pending."

    def lines(self) -> list[str]:
        """For people: each migration, its table and place, and what it will do."""
        lines = []
        for one in self.planned:
            lines.append(one.title)
            lines += [f"  {line}" for line in one.outlook.lines]
        for table, setting in self.lacking:
            lines.append(f"{table.name}, {place_text(table)}: turn on {setting.text}, which it lacks")
        return lines


def plan(*, target: str = "", app: str = "", tables: tuple[str, ...] = (), add_indexes: bool = False) -> Plan:
    """What is pending, as it stands now; changes nothing.

    `target`: up to and including that migration. The console's own tables always; the others belong to other
    programs: outside development only the logical ones named in `tables`. `add_indexes`: also the declared
    indexes that these lack, whatever created them. Raises `DynamoError` and NotFound.
    """
    if add_indexes and not tables:
        raise NotFound(
            "--add-indexes changes tables of other programs: name them, for example --table requests."
        )
    chosen = of(app, tables)
    if not chosen:
        raise NotFound(f"No migration of {app} is one of {' or '.join(tables)}.")
    if target:
        last = named(target).name
        chosen = [one for one in chosen if one.name <= last]
    notes = [] if add_indexes else _indexes_not_asked_for(chosen)
    left_out: list[Migration] = []
    if is_strict(settings.OPSPORTAL_ENV) and not tables:
        others = [one for one in chosen if not one.step.own]
        left_out = [one for one, entry in entries_of(others) if not entry.applied]
        chosen = [one for one in chosen if one.step.own]
    if left_out:
        names = ", ".join(one.name for one in left_out)
        options = " ".join(dict.fromkeys(f"--table {one.step.logical}" for one in left_out))
        notes.append(
            f"{len(left_out)} pending {'is' if len(left_out) == 1 else 'are'} left out: {names}. In "
            f"{settings.OPSPORTAL_ENV} the tables of other programs are migrated only where they are named: add {options}."
        )
    if add_indexes:
        known = {one.name for one in chosen}
        for logical in tables:
            indexes = of_indexes(logical) if logical in settings.DYNAMO_TABLES else []
            chosen += [one for one in indexes if one.name not in known]
            if not indexes:
                notes.append(f"{logical} has no declared index that could be added.")
    planned: list[Planned] = []
    lacking: list[tuple[Binding, Setting]] = []
    sampled = Samples()
    for one, entry in entries_of(chosen):
        if entry.removing:
            notes.append(
                f"{one.name}: its rollback on {entry.table.name} in {entry.table.region}, begun {entry.when('removing')}, did not end. "
                f"Finish it: {entry.undo_command}"
            )
        elif not entry.applied or (add_indexes and _is_lost(one, entry)):
            coming = any(other.table == entry.table and not other.outlook.found for other in planned)
            if one.name.startswith(ADDED_INDEX) and not _is_wanted(one, entry, notes, coming=coming):
                continue
            outlook = one.step.outlook(entry.table, entry, sampled, coming=coming)
            foreign = outlook.backfill is not None and not created_by_us(entry.table)
            planned.append(Planned(one, entry, outlook, foreign))
        else:
            lacking += [(entry.table, setting) for setting in _what_lacks(one, entry, notes)]
    return Plan(tuple(planned), tuple(lacking), tuple(notes), bool(left_out))


def _indexes_not_asked_for(chosen: list[Migration]) -> list[str]:
    """What adds the declared indexes that tables lack whose creation is behind them: no pending migration does."""
    notes: dict[str, None] = {}
    for one, entry in entries_of(chosen):
        if not entry.applied or isinstance(one.step, AddIndex):
            continue
        with suppress(DynamoError):  # the plan says it
            found = describe(entry.table, fresh=True, background=True)
            for fix, names in _missing(entry.table, found).items():
                where = f"{entry.table.name} in {entry.table.region}"
                notes[
                    f"{where} lacks {', '.join(names)}, which is no pending migration's matter. To add: {fix}"
                ] = None
    return list(notes)


def _missing(table: Binding, found: Description) -> dict[str, list[str]]:
    """By what adds them, the declared indexes that the table lacks and the console needs."""
    missing: dict[str, list[str]] = {}
    for flaw in index_flaws(table, found):
        if flaw.missing and flaw.breaks and flaw.index:
            missing.setdefault(flaw.fix, []).append(flaw.index.name)
    return missing


def _is_wanted(one: Migration, entry: Entry, notes: list[str], *, coming: bool) -> bool:
    """Whether --add-indexes has to add that index, or to finish adding it. One that is there, and not as declared,
    goes into `notes`."""
    if coming:
        return False  # the table is created with its indexes
    assert isinstance(one.step, AddIndex)
    table = entry.table
    found = describe(table, fresh=True, background=True)
    flaws = [flaw for flaw in index_flaws(table, found) if flaw.index and flaw.index.name == one.step.index]
    if entry.begun or any(flaw.missing for flaw in flaws):
        return True
    notes += [f"{flaw.sentence} {flaw.fix}" for flaw in flaws]
    if not flaws:
        notes.append(f"{table.name} in {table.region} has the index {one.step.index} already.")
    return False


def _is_lost(one: Migration, entry: Entry) -> bool:
    """Whether the table is there without the index that the ledger says was added: its program made it again, or
    somebody deleted the index."""
    if not isinstance(one.step, AddIndex):
        return False
    try:
        flaws = index_flaws(entry.table, describe(entry.table, fresh=True, background=True))
    except TableMissing:
        return False
    return any(flaw.missing and flaw.index and flaw.index.name == one.step.index for flaw in flaws)


def created_by_us(table: Binding) -> bool:
    """Whether the ledger says that `migrate` created the table as it is there now. Raises `DynamoError`."""
    found = describe(table, fresh=True, background=True)
    creations = [
        one
        for one in of(tables=(table.logical,))
        if one.step.logical == table.logical and not isinstance(one.step, AddIndex)
    ]
    return any(
        entry.begun or (entry.made and same_table(entry.made, found)) for _, entry in entries_of(creations)
    )


def _what_lacks(one: Migration, entry: Entry, notes: list[str]) -> list[Setting]:
    """The settings that the table lacks that this migration made. What is not there any more, whosever it was,
    goes into `notes`, and so does another table in its place."""
    table = entry.table
    index = one.step.index if isinstance(one.step, AddIndex) else ""
    was = f"{one.name} was applied {entry.when('applied')}, but {table.name} in {table.region}"
    environment = f" --environment {settings.OPSPORTAL_ENV}" if is_strict(settings.OPSPORTAL_ENV) else ""
    noted = f"{entry.undo_command}{'' if one.name.startswith(ADDED_INDEX) else environment} notes that"
    if one.step.own:
        noted += " (where it asks for the name of another region's table, type nothing)"
    try:
        found = deployed(table) if entry.made and not index else describe(table, fresh=True, background=True)
    except TableMissing:
        if not index:  # which goes with its table
            notes.append(f"{was} is not there any more. {noted}; then migrate creates it again.")
        return []
    if index and not used_for(table, found, table.spec.index(index)):
        notes.append(f"{was} has no index {index} any more. {noted}; then migrate adds it again.")
    if not isinstance(found, Deployed):
        return []
    if not same_table(entry.made, found):
        notes.append(
            f"{was} was created again since: it is left as it is. python manage.py dynamo verify says where it differs."
        )
        return []
    return creation.settings_lacking(table, found)


# --- Doing it ----------------------------------------------------------------------------------------------


def migrate(
    say: Say = print,
    *,
    target: str = "",
    app: str = "",
    tables: tuple[str, ...] = (),
    add_indexes: bool = False,
    accept_index_rejects: bool = False,
    accept_unlisted: bool = False,
) -> int:
    """Apply what `plan` finds, in order, and return how many were applied. Asks no questions. Raises as they do."""
    todo = plan(target=target, app=app, tables=tables, add_indexes=add_indexes)
    for note in todo.notes:
        say(note)
    return carry_out(todo, say, accept_index_rejects=accept_index_rejects, accept_unlisted=accept_unlisted)


def refuse_unaccepted(todo: Plan, *, accept_index_rejects: bool, accept_unlisted: bool) -> None:
    """Raise RejectsFound or UnlistedFound where a new index of the plan would do what is not accepted."""
    for one in todo.planned:
        if (rejects := one.outlook.rejects) and not accept_index_rejects:
            raise RejectsFound(
                f"Nothing was changed: with the index of {one.migration.name} DynamoDB would refuse to write "
                f"{rejects.found:,} of the {rejects.read:,} items read of {one.table.name} again as they are, "
                f"such as {rejects.named[0]}.",
                "Fix those items, or accept that with --accept-index-rejects.",
            )
    for one in todo.planned:
        if (unlisted := one.outlook.unlisted) and not accept_unlisted:
            raise UnlistedFound(
                f"Nothing was changed: for the index of {one.migration.name} on {one.table.name}, "
                f"{'; '.join(unlisted.unlisted_lines())}. DynamoDB keeps no item in an index that lacks its keys, so "
                "lists, counts and alert rules that read the index find such items only by the console's read of "
                "the items outside of it, which is bounded and comes late on a large table.",
                "Have the programs write these attributes, or accept that with --accept-unlisted.",
            )


def carry_out(
    todo: Plan, say: Say, *, accept_index_rejects: bool = False, accept_unlisted: bool = False
) -> int:
    """Apply the plan, and return how many migrations were applied by this run.

    Raises RejectsFound and UnlistedFound before anything is changed, and `DynamoError` when DynamoDB refuses a step; what was
    done until then is in the ledger, and the next run goes on from there.
    """
    refuse_unaccepted(todo, accept_index_rejects=accept_index_rejects, accept_unlisted=accept_unlisted)
    for location in {one.table.location: one.table for one in todo.planned}.values():
        ledger.ensure_ledger(location)
    done: set[tuple[str, str]] = set()
    count = sum(_apply(one, say, done) for one in todo.planned)
    for table, setting in todo.lacking:
        if creation.apply(setting, table):
            say(f"{table.name}, {place_text(table)}: turned on {setting.text}")
    if count:
        say(f"{count} table migrations applied." if count > 1 else "1 table migration applied.")
    elif not todo.planned:
        say(todo.nothing)
    return count


def _apply(one: Planned, say: Say, done: set[tuple[str, str]]) -> bool:
    """`done`: keys and endpoints of what this run applied."""
    entry = one.entry
    entry.refresh()
    key = (entry.key, entry.table.endpoint)
    if entry.applied and key in done:
        return False  # an emulator that knows no regions: the table of both places is one
    say(one.title)
    if entry.applied and _is_lost(one.migration, entry):
        entry.begin_removal()
        entry.finish_removal()
    if not entry.applied and entry.finish(one.migration.step.apply(entry.table, entry, say)):
        done.add(key)
        return True
    say(f"  applied on {entry.table.name} already, {entry.when('applied')}")
    return False
