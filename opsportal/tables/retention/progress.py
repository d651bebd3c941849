"""How far a sweep has come: one item of the jobs table for each swept table, so that any worker goes on where
another stopped, and only one at a time does.

``pk`` retention, ``sk`` <logical>#<table's name>. A worker holds it for `LEASE` seconds and renews that with
each step. Every write is on condition that it holds it still, by a number that grows with each holder.
"""

import json
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from opsportal.dynamo import clients
from opsportal.dynamo.attributes import Typed, read_number, read_text
from opsportal.dynamo.errors import translated
from opsportal.dynamo.tables import Binding
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.tables import jobs_beside

PARTITION = "retention"
# Seconds that a worker which died keeps the others out.
LEASE = 60


class Lost(Exception):
    """Another worker holds the sweep by now."""


@dataclass
class Run:
    """What one run stamped so far. `id` is that of its audit entry; `cut`: a worker died in it, so that there
    may be a few more."""

    id: str = ""
    begun: float = 0.0
    items: int = 0
    logs: int = 0
    released: int = 0
    cut: bool = False

    @property
    def effect(self) -> int:
        return self.items + self.logs + self.released


@dataclass
class Progress:
    """A sweep's place: `position` is the sweep's own; `next_at` when it begins again (epoch seconds);
    `spent` write units in `minute`, which counts from the epoch. `found_dead`: the holder before died."""

    table: Binding
    position: dict[str, Any] = field(default_factory=dict)
    next_at: float = 0.0
    minute: int = 0
    spent: float = 0.0
    run: Run = field(default_factory=Run)
    owner: str = ""
    lease_until: float = 0.0
    fence: int = 0
    found_dead: bool = False

    @property
    def jobs(self) -> Binding:
        return jobs_beside(self.table)

    @property
    def key(self) -> Raw:
        return {"pk": text(PARTITION), "sk": text(f"{self.table.logical}#{self.table.name}")}

    def take(self, owner: str, now: float) -> bool:
        """Hold the sweep; False when another does, or was quicker. Raises `DynamoError`."""
        before = self.owner
        if before not in ("", owner) and self.lease_until > now:
            return False
        fence, self.fence = self.fence, self.fence + 1
        self.owner, self.lease_until = owner, now + LEASE
        self.found_dead = before not in ("", owner)
        condition = "fence = :before" if fence else "attribute_not_exists(fence)"
        try:
            self._write(condition, {":before": number(fence)} if fence else {})
        except Lost:
            return False
        return True

    def save(self, now: float, *, release: bool = False) -> None:
        """Write how far it is, and hold it on, or `release` it. Raises `Lost`, `DynamoError`."""
        if release:
            self.owner = ""
        self.lease_until = 0.0 if release else now + LEASE
        self._write("fence = :fence", {":fence": number(self.fence)})

    def _write(self, condition: str, values: Raw) -> None:
        client = clients.client(*self.jobs.place, patient=True)
        stored = {
            "position": text(json.dumps(self.position)),
            "next_at": number(self.next_at),
            "budget_minute": number(self.minute),
            "budget_spent": number(self.spent),
            "run": text(json.dumps(vars(self.run))),
            "owner": text(self.owner or "nobody"),
            "lease_until": number(self.lease_until),
            "fence": number(self.fence),
        }
        names = {f"#a{at}": name for at, name in enumerate(stored)}
        sets = ", ".join(f"#a{at} = :a{at}" for at in range(len(stored)))
        try:
            with translated(self.jobs):
                client.update_item(
                    TableName=self.jobs.name,
                    Key=self.key,
                    UpdateExpression=f"SET {sets}",
                    ConditionExpression=condition,
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues={
                        **{f":a{at}": value for at, value in enumerate(stored.values())},
                        **values,
                    },
                )
        except client.exceptions.ConditionalCheckFailedException as error:
            raise Lost from error


def read(table: Binding) -> Progress:
    """The progress of a table's sweep, an empty one where none was begun. Raises `DynamoError`."""
    progress = Progress(table)
    jobs = progress.jobs
    with translated(jobs):
        answer = clients.client(*jobs.place, patient=True).get_item(
            TableName=jobs.name, Key=progress.key, ConsistentRead=True
        )
    raw: Raw = answer.get("Item", {})
    if not raw:
        return progress
    progress.position = _json(raw.get("position"))
    progress.next_at = _number(raw, "next_at")
    progress.minute, progress.spent = int(_number(raw, "budget_minute")), _number(raw, "budget_spent")
    progress.run = Run(**_json(raw.get("run")))
    owner = str(read_text(raw.get("owner")) or "")
    progress.owner = "" if owner == "nobody" else owner
    progress.lease_until, progress.fence = _number(raw, "lease_until"), int(_number(raw, "fence"))
    return progress


def _json(value: Typed | None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(str(read_text(value) or "{}"))
    return found


def _number(raw: Raw, name: str) -> float:
    found = read_number(raw.get(name))
    return float(found) if isinstance(found, Decimal) else 0.0


def minute_of(now: float) -> int:
    return int(now // 60)


def now() -> float:
    return time.time()
