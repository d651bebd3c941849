"""What a table migration does: create a table, or add an index. Each step says beforehand what it will do,
looks before it acts, and can be undone where the ledger says that it made what is there."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Protocol

from opsportal.dynamo import creation, indexes
from opsportal.dynamo.creation import Say, create
from opsportal.dynamo.descriptions import Description, describe
from opsportal.dynamo.errors import TableMissing
from opsportal.dynamo.index_samples import Sample, Samples
from opsportal.dynamo.keys import MAX_HASH_BYTES, MAX_SORT_BYTES
from opsportal.dynamo.ledger import Entry
from opsportal.dynamo.structure import used_for
from opsportal.dynamo.tables import Binding, Index, TableSpec, binding, bindings, internal_table

KB = 1024


@dataclass(frozen=True)
class Backfill:
    """What building an index writes, by DynamoDB's figures, which are about six hours old: an entry of each of about
    `items` items that would be in it, for `units` write units; `least`: their size is not known, so each may take
    more than one. `capacity`: the write units a second that a provisioned index has; 0 on demand."""

    items: int
    units: int
    least: bool
    capacity: int
    table_class: str = "STANDARD"


@dataclass(frozen=True)
class Outlook:
    """What a step would do, in lines for people. `found`: the table is there already, whosever it is.

    Of an index that would be added: the `sample` of what it would do with the items, and its `backfill`.
    """

    lines: tuple[str, ...]
    found: bool = False
    sample: Sample | None = None
    backfill: Backfill | None = None

    @property
    def rejects(self) -> Sample | None:
        """The sample, where the index would reject items of it."""
        return self.sample if self.sample and self.sample.found else None

    @property
    def unlisted(self) -> Sample | None:
        """The sample, where items of it would not be in the index."""
        return self.sample if self.sample and self.sample.unlisted else None


class Step(Protocol):
    """`apply` and `undo` may be repeated. `own`: the table is the console's and is always migrated; the others
    belong to other programs."""

    own: bool

    @property
    def logical(self) -> str: ...

    def tables(self) -> list[Binding]:
        """Where it applies: one table, or for the console's own one in every place."""
        ...

    def outlook(self, table: Binding, entry: Entry, sampled: Samples, *, coming: bool) -> Outlook:
        """What `apply` would do; changes nothing. `coming`: an earlier step of the plan makes the table."""
        ...

    def apply(self, table: Binding, entry: Entry, say: Say) -> str:
        """Do it. Returns what the ledger notes as made: the table's creation time, "" where nothing was."""
        ...

    def undo(self, table: Binding, say: Say) -> None:
        """Delete what it made, and wait until it is gone."""
        ...


class _Creation:
    """A step that makes a table."""

    def outlook(self, table: Binding, entry: Entry, sampled: Samples, *, coming: bool) -> Outlook:
        try:
            found = describe(table, fresh=True, background=True)
        except TableMissing:
            return Outlook((f"create {_declared(table)}",))
        if entry.begun:
            return Outlook((f"finish {table.name}, begun {entry.when('begun')}",), found=True)
        what = f"{found.items:,} items, {size_text(found.size)}"
        return Outlook((f"{table.name} exists already ({what}) and is left as it is",), found=True)

    def apply(self, table: Binding, entry: Entry, say: Say) -> str:
        try:
            describe(table, fresh=True, background=True)
            if not begun_by_a_migration(entry):
                say(f"  {table.name} exists already and is left as it is")
                return ""
        except TableMissing:
            # From here on the table is ours: a run that is killed before the end is taken up again.
            if not entry.begin():
                return ""
        if not create(table, say=say):
            if not begun_by_a_migration(entry):
                say(f"  {table.name} was created by another program meanwhile")
                return ""
            creation.complete(table)
        say(f"  created {table.name}")
        return creation_stamp(describe(table, fresh=True, background=True))

    def undo(self, table: Binding, say: Say) -> None:
        creation.delete(table)
        say(f"  deleted {table.name}")


@dataclass(frozen=True)
class CreateTable(_Creation):
    """Create the table as declared, with TTL and point-in-time recovery, if it does not exist."""

    logical: str
    own = False

    def tables(self) -> list[Binding]:
        return [binding(self.logical)]


@dataclass(frozen=True)
class CreateOwnTable(_Creation):
    """Create one of the console's own tables in every place that holds a table of the settings: a
    transaction can't cross regions, so what is written with a foreign item lies beside it."""

    spec: TableSpec
    own = True

    @property
    def logical(self) -> str:
        return self.spec.logical

    def tables(self) -> list[Binding]:
        beside = {table.location: table for table in bindings()}
        return [internal_table(self.spec, table) for table in beside.values()]


@dataclass(frozen=True)
class AddIndex:
    """Add a declared index to the table, if no index with its name exists."""

    logical: str
    index: str
    own = False

    def tables(self) -> list[Binding]:
        return [binding(self.logical)]

    def outlook(self, table: Binding, entry: Entry, sampled: Samples, *, coming: bool) -> Outlook:
        index = table.spec.index(self.index)
        what = f"index {self.index} ({index.keys}; {index.definition()['Projection']['ProjectionType']})"
        try:
            found = describe(table, fresh=True, background=True)
        except TableMissing:
            if coming:
                return Outlook((f"add the {what} to {table.name}",))
            raise
        if there := used_for(table, found, index):
            state = "already" if there.usable else "already, still being built: wait for it"
            alias = "" if there.name == self.index else f", under the name {there.name},"
            return Outlook((f"{table.name} has the index {self.index}{alias} {state}",), found=True)
        indexes.refuse_other_types(table, index, found)
        sample = sampled.of(table, index)
        lines = [
            f"add the {what} to {table.name}, and backfill it from {found.items:,} items, "
            f"{size_text(found.size)} (DynamoDB's figures, about six hours old); the table stays in use",
            f"from then on DynamoDB refuses to write an item whose {' or '.join(index.keys.split(', '))} is not a "
            f"text, is empty or is too long ({_bounds(index)})",
            *_sample_lines(sample, found),
        ]
        return Outlook(tuple(lines), found=True, sample=sample, backfill=_backfill(found, sample))

    def apply(self, table: Binding, entry: Entry, say: Say) -> str:
        index = table.spec.index(self.index)
        there = used_for(table, describe(table, fresh=True, background=True), index)
        if there and there.name != self.index:
            say(f"  {table.name} has {self.index} already, under the name {there.name}")
            return ""
        if not there and not entry.begin():
            return ""
        added = indexes.add(table, index, say)
        say(f"  added {self.index} to {table.name}" if added else f"  {table.name} has {self.index} already")
        if not added and not begun_by_a_migration(entry):
            return ""
        return creation_stamp(describe(table, fresh=True, background=True))

    def undo(self, table: Binding, say: Say) -> None:
        indexes.remove(table, self.index, say)
        say(f"  removed {self.index} from {table.name}")


def _bounds(index: Index) -> str:
    """``status at most 2,048 bytes, created_at 1,024``."""
    text = f"{index.hash_key} at most {MAX_HASH_BYTES:,} bytes"
    return f"{text}, {index.range_key} {MAX_SORT_BYTES:,}" if index.range_key else text


def _sample_lines(sample: Sample, found: Description) -> list[str]:
    """What the sample says of the index: what it would reject, and what would not be in it."""
    how_far = "all" if sample.whole else f"a sample, of {max(found.items, sample.read):,}"
    lines = [f"{sample.read:,} items read ({how_far}): the index would reject none"]
    if sample.found:
        lines = [
            f"{sample.found:,} of {sample.read:,} items read ({how_far}) can't be keys of this index: they stay "
            "out of it, and DynamoDB refuses to write them again as they are:"
        ]
        lines += [f"  {reject}" for reject in sample.named]
    if not sample.unlisted:
        return [*lines, "none of them lacks a key attribute of the index"]
    lines += sample.unlisted_lines()
    lines[-1] += f", such as {sample.example}"
    return lines


def _backfill(found: Description, sample: Sample) -> Backfill:
    """By the sample where that is the whole table: its count is not six hours old."""
    items = sample.read if sample.whole else max(found.items, sample.read)
    inside = sample.read - sample.found - sample.unlisted
    if sample.read:
        items = ceil(items * inside / sample.read)
    each = max(ceil(found.size / found.items / KB), 1) if found.items else 1
    capacity = found.write_capacity if found.billing_mode == "PROVISIONED" else 0
    return Backfill(
        items, items * each, least=not found.size, capacity=capacity, table_class=found.table_class
    )


def begun_by_a_migration(entry: Entry) -> bool:
    """Whether what is there may be the work of a migration other than this run's, earlier or at this moment:
    each notes that it sets out before it creates anything. Reads the ledger again."""
    entry.refresh()
    return entry.applied or bool(entry.runs - {entry.run})


def creation_stamp(found: Description) -> str:
    """What distinguishes a table from a later one of the same name."""
    return found.created_at.isoformat(timespec="milliseconds") if found.created_at else "unknown"


def same_table(stamp: str, found: Description) -> bool:
    """Whether `found` is the table of that stamp, as far as the engine says."""
    if stamp == "unknown" or found.created_at is None:
        return True
    return datetime.fromisoformat(stamp) == datetime.fromisoformat(creation_stamp(found))


def size_text(size: int) -> str:
    """``12.3 MB``, as AWS's console counts them."""
    amount = float(size)
    for unit in ("bytes", "KB", "MB", "GB"):
        if amount < 1024 or unit == "GB":
            return f"{amount:,.0f} {unit}" if unit == "bytes" else f"{amount:,.1f} {unit}"
        amount /= 1024
    raise AssertionError


def _declared(table: Binding) -> str:
    spec = table.spec
    key = table.key + (f", {spec.range_key}" if spec.range_key else "")
    parts = [f"key {key}", spec.billing_mode]
    if names := [index.name for index in spec.indexes if not index.optional]:
        parts.append(f"indexes {', '.join(names)}")
    parts += [setting.text for setting in creation.settings_after_creation(table)]
    if spec.encryption:
        parts.append(f"encryption {spec.encryption}")
    if spec.tags:
        parts.append(f"{len(spec.tags)} tags")
    return f"{table.name}: {'; '.join(parts)}"
