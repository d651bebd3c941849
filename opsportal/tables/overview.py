"""The tables that the page shows: those of the settings and the console's own, each under a name for URLs."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from django.core.cache import caches

from opsportal.console import tones
from opsportal.dynamo.deployed import Deployed, DeployedIndex, deployed
from opsportal.dynamo.migrations import LEDGER
from opsportal.dynamo.tables import Binding, bindings, internal_table
from opsportal.operations.tables import AUDIT, JOBS, locations
from opsportal.tables.locate import Candidate, look_for

# Seconds. Four calls to DynamoDB's control plane, which throttles early: one reading serves all who look.
DEPLOYED_LIFE = 10
SIGHTING_LIFE = 120


@dataclass(frozen=True)
class Shown:
    """A table of the page. `key` names it in URLs; `own`: the console's, not another program's."""

    key: str
    table: Binding
    own: bool = False

    @property
    def migrate_command(self) -> str:
        """What creates it where it is missing."""
        command = "python manage.py dynamo migrate"
        return command if self.own else f"{command} --table {self.table.logical}"


def shown_tables() -> list[Shown]:
    """The tables of the settings, then the console's own of each place, with their region in the name."""
    shown = [Shown(table.logical, table) for table in bindings()]
    taken = {one.key for one in shown}
    for beside in locations():
        for spec in (AUDIT, JOBS, LEDGER):
            name, number = f"{spec.logical}-{beside.region}", 1
            key = name
            while key in taken:  # two endpoints in one region
                number += 1
                key = f"{name}-{number}"
            taken.add(key)
            shown.append(Shown(key, internal_table(spec, beside), own=True))
    return shown


def shown_table(key: str) -> Shown | None:
    return next((one for one in shown_tables() if one.key == key), None)


@dataclass(frozen=True)
class Reading:
    """A table as deployed, and when that was read."""

    found: Deployed
    at: datetime

    @property
    def changing(self) -> bool:
        """Whether it is not as it will be: being created, or an index being filled."""
        return self.found.state != "ACTIVE" or any(not index.usable for index in self.found.indexes)


def read(table: Binding) -> Reading:
    """The table as deployed, at most `DEPLOYED_LIFE` old. Raises `DynamoError`."""

    def read_now() -> Reading:
        return Reading(deployed(table, background=False), datetime.now(UTC))

    key = f"deployed:{table.fingerprint}"
    return cast("Reading", caches["process"].get_or_set(key, read_now, DEPLOYED_LIFE))


def state_tone(state: str) -> str:
    """The tone of a TableStatus. DynamoDB's words are not those of items: ARCHIVED is no success."""
    if state == "ACTIVE":
        return tones.SUCCESS
    return tones.RUNNING if state in ("CREATING", "UPDATING") else tones.FAILED


@dataclass(frozen=True)
class IndexRow:
    """An index as deployed. `filled`: percent of the table's items that it holds while it is being built, by
    counts that are hours old; None when it is usable or that is unknown. `local`: in the table's partitions."""

    index: DeployedIndex
    filled: int | None
    local: bool = False

    @property
    def partition_key(self) -> str:
        """Its attributes, of which there may be several."""
        return self._attributes("HASH") or self.index.hash_key

    @property
    def sort_key(self) -> str:
        return self._attributes("RANGE") or self.index.range_key

    def _attributes(self, kind: str) -> str:
        return ", ".join(name for name, its in self.index.keys if its == kind)


def index_rows(found: Deployed) -> list[IndexRow]:
    return [
        IndexRow(
            index,
            None if index.usable or not found.items else min(index.items * 100 // found.items, 100),
        )
        for index in found.indexes
    ] + [IndexRow(index, None, local=True) for index in found.local_indexes]


def sighting(shown: Shown) -> Candidate:
    """Where a table that is missing may be instead: up to a dozen calls, so that it is kept for a while."""
    key = f"sighting:{shown.table.fingerprint}"
    found = caches["process"].get_or_set(key, lambda: look_for(shown.table), SIGHTING_LIFE)
    return cast("Candidate", found)
