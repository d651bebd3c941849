"""The cases of one table as the walk writes them: what is counted in one transaction with where the walk is, and what is
opened before it is counted."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from opsportal.dynamo import clients
from opsportal.dynamo.attributes import Raw, Typed
from opsportal.dynamo.errors import translated
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.leases import Lease, Lost
from opsportal.dynamo.reads import read
from opsportal.dynamo.tables import Binding
from opsportal.failures import counting
from opsportal.failures.case import KIND_ACTIVE, part_key
from opsportal.failures.counting import Occurrence, Stored
from opsportal.failures.store import MAX_ACTIVE
from opsportal.jobs.updates import update
from opsportal.operations.changes import number, text
from opsportal.operations.commits import Cancelled, NoAnswer, commit
from opsportal.operations.outcomes import Unreadable
from opsportal.operations.tables import jobs_table_for

# Cases beyond `MAX_ACTIVE` that each hold the rest of a step; then one holds that of the table.
MAX_OTHERS = 50
# Seconds for which it is known how many are active, and that a case is there, of failures no later than the one looked at.
KNOWN_SECONDS, LOOKED_SECONDS = 300.0, 30.0
# Cases that one turn looks after before they are counted.
MAX_LOOKS = 20


class Ledger:
    """Of a worker and a table. `counted`: in this turn."""

    def __init__(self, table: Binding) -> None:
        self.table, self.jobs = table, jobs_table_for(table)
        self._active, self._active_at = 0, -KNOWN_SECONDS
        self._looked: dict[str, tuple[float, datetime]] = {}

    def under(self, lease: Lease, now: datetime) -> "Ledger":
        """For a turn under that lease."""
        self.lease, self.now = lease, now
        self.counted = self.looks = 0
        return self

    # --- Counting ---------------------------------------------------------------------------------------------------

    def count(
        self, found: Sequence[Occurrence], mark: Mapping[str, Typed], extra: Sequence[dict[str, Any]] = ()
    ) -> None:
        """Count them, and write where the walk is after them, or do neither. Raises Lost where that is so or not known, and
        `DynamoError`."""
        stored, groups = self._grouped(found)
        operations = [
            update(self.jobs, dict(self.lease.key), mark, {self.lease.fence: number(self.lease.number)}),
            *extra,
        ]
        for case_id, some in groups.items():
            operations += counting.counted(self.table, stored[case_id], some, self.now)
        try:
            commit(self.jobs, operations, background=True)
        except (Cancelled, NoAnswer) as error:
            # A person changed a case meanwhile, another has the lease, or it is not known: what is stored says.
            raise Lost from error
        self.counted += sum(map(len, groups.values()))

    def _grouped(
        self, found: Sequence[Occurrence]
    ) -> tuple[dict[str, Stored | None], dict[str, list[Occurrence]]]:
        """By case, as each is stored. A case that this version can't read is left alone."""
        stored: dict[str, Stored | None] = {}
        groups: dict[str, list[Occurrence]] = {}
        unreadable = set()
        for first in found:
            for one in self._candidates(first):
                case_id = one.print.id
                if case_id not in stored and case_id not in unreadable:
                    try:
                        stored[case_id] = counting.stored_from(self._parts(case_id))
                    except Unreadable:
                        unreadable.add(case_id)
                if case_id in unreadable:
                    break
                known = stored[case_id]
                if known and known.has(one):
                    break
                if known or case_id in groups or self._has_room(one):
                    groups.setdefault(case_id, []).append(one)
                    break
        return stored, groups

    def _candidates(self, one: Occurrence) -> Iterable[Occurrence]:
        """The case of a failure, and where there are too many those that hold the rest."""
        yield one
        for whole_table in (False, True):
            yield one.among_others(self.table.logical, whole_table=whole_table)

    def _has_room(self, one: Occurrence) -> bool:
        """Whether another case may be opened."""
        if one.is_of_table:
            return True
        if time.monotonic() - self._active_at >= KNOWN_SECONDS:
            answer = read(
                self.jobs, "kind-index", key=(Clause("kind", "=", (KIND_ACTIVE,)),), projection=("pk",),
                background=True, Limit=MAX_ACTIVE + MAX_OTHERS,
            )  # fmt: skip
            self._active, self._active_at = len(answer["Items"]), time.monotonic()
        if self._active >= MAX_ACTIVE + (MAX_OTHERS if one.is_of_others else 0):
            return False
        self._active += 1
        return True

    # --- Opening ----------------------------------------------------------------------------------------------------

    def look(self, found: Iterable[Occurrence]) -> None:
        """Open the cases of failures that are not counted yet, and reopen those that were resolved before. Raises
        `DynamoError`."""
        groups: dict[str, list[Occurrence]] = {}
        for one in sorted(found, key=lambda one: one.at, reverse=True):
            groups.setdefault(one.print.id, []).append(one)
        for group in groups.values():
            for some in zip(*map(self._candidates, group), strict=True):
                if self.looks >= MAX_LOOKS or self._was_looked_at(some[0]):
                    break
                self.looks += 1
                opened = self._opened(some)
                self._looked[some[0].print.id] = time.monotonic(), some[0].at
                if opened:
                    break

    def _was_looked_at(self, one: Occurrence) -> bool:
        if len(self._looked) > 10 * MAX_ACTIVE:
            self._looked.clear()
        looked, newest = self._looked.get(one.print.id, (-LOOKED_SECONDS, one.at))
        # A later failure may be one after somebody resolved the case.
        return time.monotonic() - looked < LOOKED_SECONDS and one.at <= newest

    def _opened(self, some: Sequence[Occurrence]) -> bool:
        """Whether the case of these failures, the newest first, is there by now, and open if one of them is new to it."""
        newest = some[0]
        try:
            stored = counting.stored_from(self._parts(newest.print.id))
        except Unreadable:
            return True
        client = clients.client(*self.jobs.location, background=True)
        with suppress(client.exceptions.ConditionalCheckFailedException), translated(self.jobs):
            if stored is None:
                if not self._has_room(newest):
                    return False
                client.put_item(**counting.put(counting.opened(self.table, newest, self.now)))
            elif any(counting.is_reopened_by(stored.case, one.at) and not stored.has(one) for one in some):
                client.update_item(**counting.reopening(stored.case, self.now)["Update"])
        return True

    # --- Items ------------------------------------------------------------------------------------------------------

    def _parts(self, case_id: str) -> list[Raw]:
        key = (Clause("pk", "=", (part_key(case_id, "")["pk"]["S"],)),)
        found: list[Raw] = read(self.jobs, key=key, background=True, ConsistentRead=True)["Items"]
        return found

    def item(self, part: str) -> Raw:
        """A further item of the walk; empty where there is none. Raises `DynamoError`."""
        with translated(self.jobs):
            answer = clients.client(*self.jobs.location, background=True).get_item(
                TableName=self.jobs.name, Key=self._key(part), ConsistentRead=True
            )
        found: Raw = answer.get("Item", {})
        return found

    def put(self, part: str, values: Raw) -> list[dict[str, Any]]:
        """The operation that writes it."""
        return [{"Put": {"TableName": self.jobs.name, "Item": {**self._key(part), **values}}}]

    def _key(self, part: str) -> Raw:
        return {"pk": text(f"cases#{self.table.logical}"), "sk": text(part)}
