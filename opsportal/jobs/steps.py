"""One transaction of a job as a value: the items that are written in it, those that are left out with their reasons, and
the operation that moves the chunk's position.

That operation stands first: it holds only while nobody else has claimed the chunk since (its fence) and the position is
as it was. So an item is done exactly once, whatever dies, and whoever comes back late is refused.
"""

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings

from opsportal.dynamo.leases import OWNER, Lease
from opsportal.dynamo.tables import Binding
from opsportal.jobs.chunks import Progress, Record, positions
from opsportal.jobs.job import part_key
from opsportal.jobs.updates import update
from opsportal.jobs.work import MAX_SENTENCE
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.commits import Cancelled, Failure
from opsportal.operations.entries import Entry, Intent
from opsportal.operations.outbox import Message
from writers import sizes

# AWS limits of one transaction; of the bytes, with room for what it adds itself.
MAX_OPERATIONS, MAX_BYTES = 100, 3_900_000
# Sentences that a chunk keeps one by one.
MAX_REASONS = 40
OTHERS = "Other reasons"

Reasons = Mapping[str, list[int]]


@dataclass
class Prepared:
    """An item of a transaction in the making. `joins`: its messages that travel with those of other items."""

    at: int
    record: Record
    raw: Raw | None
    intent: Intent
    entry: Entry
    operations: list[dict[str, Any]]
    joins: tuple[Message, ...]
    bytes: int


@dataclass
class Step:
    """The items from position `start` up to `upto`: those to be written, and those that are left out, by sentence."""

    start: int
    upto: int
    prepared: list[Prepared] = field(default_factory=list)
    skipped: dict[str, list[int]] = field(default_factory=dict)
    failed: dict[str, list[int]] = field(default_factory=dict)

    def skip(self, at: int, sentence: str) -> None:
        _note(self.skipped, sentence, at)

    def fail(self, at: int, sentence: str) -> None:
        _note(self.failed, sentence, at)

    def leave_out(self, one: Prepared, sentence: str, *, failed: bool = False) -> None:
        self.prepared.remove(one)
        (self.fail if failed else self.skip)(one.at, sentence)

    def halve(self) -> None:
        """Leave the second half for the next transaction."""
        self.prepared = self.prepared[: max(1, len(self.prepared) // 2)]
        self.upto = self.prepared[-1].at + 1
        for found in (self.skipped, self.failed):
            for sentence, places in list(found.items()):
                found[sentence] = [at for at in places if at < self.upto]
                if not found[sentence]:
                    del found[sentence]

    def messages(self, job_id: str, chunk: int) -> list[Message]:
        """Those that the items' messages travel in, one of each kind."""
        by_kind: dict[str, list[Message]] = {}
        for one in self.prepared:
            for message in one.joins:
                by_kind.setdefault(message.kind, []).append(message)
        return [
            Message(
                kind,
                {"each": [message.body for message in found]},
                str(uuid.uuid5(uuid.UUID(job_id), f"{chunk}:{self.start}:{kind}")),
                max(message.due for message in found),
                found[0].part,
            )
            for kind, found in by_kind.items()
        ]

    def hindered(self, failed: Cancelled, first: int) -> list[tuple[Prepared, Failure, bool]]:
        """The items whose operations were in the way, and whether it was the item's own; `first`: the index at which
        the items' operations begin."""
        found: dict[int, tuple[Prepared, Failure, bool]] = {}
        for failure in failed.failures:
            begins = first
            for one in self.prepared:
                if begins <= failure.index < begins + len(one.operations):
                    found.setdefault(one.at, (one, failure, failure.index == begins))
                    break
                begins += len(one.operations)
        return list(found.values())


def after(now: Progress, step: Step) -> Progress:
    """The chunk's progress once that step is written."""
    return replace(
        now,
        at=step.upto,
        done=now.done + len(step.prepared),
        skipped=now.skipped + total(step.skipped),
        failed=now.failed + total(step.failed),
        is_open=step.upto < now.size,
        reasons=_sum(now.reasons, step.skipped),
        failures=_sum(now.failures, step.failed),
    )


def mark(table: Binding, job_id: str, lease: Lease, was: Progress, then: Progress) -> dict[str, Any]:
    """The chunk's own operation: its position moves, if nobody else has moved it."""
    held = number(int(time.time()) + settings.JOBS_LEASE_SECONDS)
    values = {
        "at": number(then.at),
        "done": number(then.done),
        "skipped": number(then.skipped),
        "failed": number(then.failed),
        "units": number(then.units),
        "reasons": positions(then.reasons),
        "failures": positions(then.failures),
        "state": text("open" if then.is_open else "done"),
        **({"lease_until": held} if then.is_open else {"lease_until": None, OWNER: None}),
    }
    expected = {"fence": number(lease.number), "at": number(was.at), "state": text("open")}
    return update(table, part_key(job_id, f"chunk#{was.n:05}"), values, expected)


# Bytes up to which what something is written as in Python is near enough to its size.
SMALL = 50_000
# Bytes of an item's key and names at most.
MAX_KEY = 4_000


def size_of(operations: Iterable[dict[str, Any]], item: int) -> int:
    """Bytes of what they write, and of the item as it was (so many); at most a few too many."""
    return item + sum(_bytes(operation, item) for operation in operations)


def at_most(raw: Raw) -> int:
    """Bytes that an item or a part of it has for DynamoDB; of a small one a few more, at a tenth of the cost."""
    written = repr(raw)  # each character that is one byte, with quotes, types and names around it
    return len(written) if len(written) <= SMALL and written.isascii() else sizes.of_item(raw)


def _bytes(operation: dict[str, Any], item: int) -> int:
    ((kind, arguments),) = operation.items()
    if kind == "Delete":  # its condition holds the item, or less
        return item
    written = arguments.get("Item") or arguments["ExpressionAttributeValues"]
    if "image" in written:
        return len(written["image"]["B"]) + MAX_KEY
    return at_most(written)


def total(found: Reasons) -> int:
    return sum(map(len, found.values()))


def _note(found: dict[str, list[int]], sentence: str, at: int) -> None:
    sentence = sentence[:MAX_SENTENCE]
    if sentence not in found and len(found) >= MAX_REASONS:
        sentence = OTHERS
    found.setdefault(sentence, []).append(at)


def _sum(one: Reasons, more: Reasons) -> dict[str, list[int]]:
    found = {sentence: [*places] for sentence, places in one.items()}
    for sentence, places in more.items():
        for at in places:
            _note(found, sentence, at)
    return found
