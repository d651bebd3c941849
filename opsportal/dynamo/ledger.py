"""The ledger of table migrations: one item per migration and table, in a table beside the migrated one.

``{env}-opsportal_migrations`` exists once per region and endpoint. There is no lock: every step of a migration
may be repeated, and every write here is conditional, so two runs at once, a run that was killed, and a
rollback that meets a migration end in one truth. What an item says:

begun_at, begun_by      somebody set out to change the table; `runs` holds a token of each run that did
applied_at, applied_by  done. `made` is the creation time of the table that it made, or whose index it made;
                        without it the table or index was found, and is not ours to delete
removing_at, _by        a rollback began; `migrate` keeps off until it is finished
rolled_back_at, _by     gone again, and so pending
"""

import getpass
import os
import socket
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.attributes import UnicodeAttribute
from pynamodb.exceptions import AttributeDeserializationError

from opsportal.dynamo import clients
from opsportal.dynamo.attributes import TextAttribute, TextsAttribute
from opsportal.dynamo.creation import create
from opsportal.dynamo.errors import DynamoError, TableMissing, translated
from opsportal.dynamo.fixes import drop_index
from opsportal.dynamo.internal import InternalModel
from opsportal.dynamo.structure import key_mismatch
from opsportal.dynamo.tables import Binding, TableSpec, internal_table

LEDGER = TableSpec(logical="migrations", title="Table migrations", key="name", source="the console's own")

# Before the index's name: what `migrate --add-indexes` is called that no migration of an app declares.
ADDED_INDEX = "add_index_"

_FREE = "attribute_not_exists(applied_at) AND attribute_not_exists(removing_at)"


def ledger_of(table: Binding) -> Binding:
    """The ledger in the place of `table`."""
    return internal_table(LEDGER, table)


def ensure_ledger(table: Binding) -> None:
    """Create the ledger beside `table` if it is not there."""
    try:
        entries(table)
    except TableMissing:
        create(ledger_of(table))


class RolledBackMeanwhile(DynamoError):
    """A migration met a rollback of the same table."""

    kind = "rolled_back"
    title = "A rollback is under way"


class LedgerItem(InternalModel):
    name = UnicodeAttribute(hash_key=True)
    app = TextAttribute()
    table = TextAttribute()
    begun_at = TextAttribute()
    begun_by = TextAttribute()
    runs = TextsAttribute()
    applied_at = TextAttribute()
    applied_by = TextAttribute()
    made = TextAttribute()
    removing_at = TextAttribute()
    removing_by = TextAttribute()
    rolled_back_at = TextAttribute()
    rolled_back_by = TextAttribute()


@dataclass
class Entry:
    """A migration's item in the ledger beside its table; as read, or not there yet. `run`: this run's token."""

    migration: str
    app: str
    table: Binding
    said: dict[str, str] = field(default_factory=dict)
    runs: frozenset[str] = frozenset()
    run: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def key(self) -> str:
        """A migration is applied to a table, and names of tables are settings."""
        return f"{self.migration}/{self.table.name}"

    @property
    def applied(self) -> bool:
        return "applied_at" in self.said

    @property
    def begun(self) -> bool:
        """Whether a run set out and did not finish, so that what is there now may be ours."""
        return "begun_at" in self.said and not self.applied

    @property
    def removing(self) -> bool:
        return "removing_at" in self.said

    @property
    def made(self) -> str:
        """When the table was created that this made, or whose index this made; "" where it was found."""
        return self.said.get("made", "")

    @property
    def undo_command(self) -> str:
        """What takes it back, or finishes that."""
        index = self.migration.removeprefix(ADDED_INDEX)
        if index != self.migration:
            return drop_index(self.table, index)
        return f"python manage.py dynamo rollback --target {self.migration}"

    def at(self, event: str) -> datetime | None:
        """When it was "begun", "applied", ...; None when it was not."""
        try:
            return datetime.fromisoformat(self.said[f"{event}_at"]).astimezone(UTC)
        except (KeyError, ValueError):
            return None

    def by(self, event: str) -> str:
        return self.said.get(f"{event}_by", "")

    def when(self, event: str) -> str:
        """``2026-11-20 10:00:00 UTC by ops@host``, for people."""
        at = self.at(event)
        stamp = f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else self.said.get(f"{event}_at", "")
        return f"{stamp} by {self.by(event) or 'somebody'}"

    def refresh(self) -> None:
        """Read it again, consistently."""
        ledger = ledger_of(self.table)
        try:
            with translated(ledger):
                self._take(LedgerItem.bound_to(ledger, background=True).get(self.key, consistent_read=True))
        except LedgerItem.DoesNotExist:
            self.said, self.runs = {}, frozenset()

    def begin(self) -> bool:
        """Note that a run sets out; False where another one has applied it meanwhile. Raises `DynamoError`."""
        return self._write(
            "SET app = :app, #table = :table, begun_at = if_not_exists(begun_at, :now), "
            "begun_by = if_not_exists(begun_by, :who) ADD runs :run REMOVE rolled_back_at, rolled_back_by",
            {":run": {"SS": [self.run]}},
        )

    def finish(self, made: str = "") -> bool:
        """Note that it is applied; False where another run was first. Raises `DynamoError`."""
        return self._write(
            "SET app = :app, #table = :table, applied_at = :now, applied_by = :who"
            f"{', made = :made' if made else ''} REMOVE runs, rolled_back_at, rolled_back_by",
            {":made": {"S": made}} if made else {},
        )

    def begin_removal(self) -> None:
        """Note that a rollback sets out. A second one takes up the first."""
        self._update(
            "SET removing_at = if_not_exists(removing_at, :now), removing_by = if_not_exists(removing_by, :who)",
            "attribute_exists(begun_at) OR attribute_exists(applied_at) OR attribute_exists(removing_at)",
            {},
            without=("app", "table"),
        )

    def finish_removal(self) -> None:
        self._update(
            "SET rolled_back_at = :now, rolled_back_by = :who REMOVE begun_at, begun_by, runs, applied_at, "
            "applied_by, made, removing_at, removing_by",
            "attribute_exists(removing_at)",
            {},
            without=("app", "table"),
        )

    def _write(self, expression: str, values: dict[str, Any]) -> bool:
        if self._update(expression, _FREE, values):
            return True
        if self.removing:
            raise RolledBackMeanwhile(
                f"{self.migration} is being rolled back on {self.table.name}, since {self.when('removing')}.",
                f"If that rollback did not end, run it again: {self.undo_command}",
            )
        return False

    def _update(
        self, expression: str, condition: str, values: dict[str, Any], without: tuple[str, ...] = ()
    ) -> bool:
        """Whether the condition held; either way this entry is then as the ledger has it."""
        named = {":app": {"S": self.app}, ":table": {"S": self.table.name}}
        values = values | {":now": {"S": _now()}, ":who": {"S": who()}}
        values |= {name: value for name, value in named.items() if name[1:] not in without}
        arguments: dict[str, Any] = (
            {} if "table" in without else {"ExpressionAttributeNames": {"#table": "table"}}
        )
        ledger = ledger_of(self.table)
        try:
            with translated(ledger):
                answer = clients.client(*ledger.location, background=True).update_item(
                    TableName=ledger.name,
                    Key={"name": {"S": self.key}},
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                    **arguments,
                )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            self.refresh()
            return False
        self._take(LedgerItem.from_raw_data(answer["Attributes"]))
        return True

    def _take(self, item: LedgerItem) -> None:
        texts = item.attribute_values.items()
        self.said = {name: text for name, text in texts if isinstance(text, str)}
        self.runs = frozenset(run or "" for run in item.runs or ())


def entries(table: Binding, *, background: bool = True) -> dict[str, LedgerItem]:
    """The items of the ledger beside `table`, by their key. Raises TableMissing where there is none yet, and KeyMismatch
    where another program's table has its name."""
    ledger = ledger_of(table)
    try:
        with translated(ledger):
            items = {
                item.name: item
                for item in LedgerItem.bound_to(ledger, background=background).scan(consistent_read=True)
            }
    except AttributeDeserializationError:
        raise key_mismatch(ledger) from None
    if None in items:
        raise key_mismatch(ledger)
    return items


def entry_of(migration: str, app: str, table: Binding, items: dict[str, LedgerItem]) -> Entry:
    """That migration's entry among the `items` of the ledger beside `table`."""
    entry = Entry(migration, app, table)
    if item := items.get(entry.key):
        entry._take(item)
    return entry


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def who() -> str:
    """``user@host`` of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container whose user id has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
