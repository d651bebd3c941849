"""What the next transaction of a chunk holds: its items read and planned."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from opsportal.dynamo.errors import DynamoError
from opsportal.jobs.chunks import Record
from opsportal.jobs.steps import MAX_BYTES, MAX_OPERATIONS, Prepared, Step, at_most, size_of
from opsportal.jobs.work import UNPLANNED, Loaded, Work
from opsportal.operations.changes import Raw
from opsportal.operations.entries import Intent
from opsportal.operations.outcomes import Refused
from opsportal.operations.transactions import operations_for


class Planner:
    """Plans a chunk, one transaction after another. Items that were read and did not fit are kept for the next one."""

    def __init__(self, work: Work, records: Sequence[Record]) -> None:
        self.work, self.records = work, records
        self.most = (MAX_OPERATIONS - 2) // work.writes
        self._loaded = Loaded()
        self._planned = 0

    def step(self, at: int, most: int | None = None) -> Step:
        """Read and plan from that position on, as much as one transaction takes; at most so many items. It ends where it
        begins if DynamoDB gave no answer about the first one. Raises `DynamoError`."""
        wanted = self.records[at : at + (self.most if most is None else min(most, self.most))]
        self._loaded.keep({one.key for one in self.records[at : at + 2 * self.most]})
        self._load(wanted)
        step, moment = Step(at, at), datetime.now(UTC)
        operations, size = 1, 0
        kinds: set[str] = set()
        for position, record in enumerate(wanted, at):
            if record.key not in self._loaded.answered:
                break
            one = self.prepared(step, position, record, self._loaded.items.get(record.key), moment)
            if one is not None:
                joins = {message.kind for message in one.joins} - kinds
                added = len(one.operations) + len(joins)
                if step.prepared and (operations + added > MAX_OPERATIONS or size + one.bytes > MAX_BYTES):
                    break
                operations, size, kinds = operations + added, size + one.bytes, kinds | joins
                step.prepared.append(one)
            step.upto = position + 1
        self._planned = step.upto
        return step

    def read_ahead(self) -> None:
        """Read what follows the step that was planned last. Where DynamoDB does not answer, that step does."""
        with contextlib.suppress(DynamoError):
            self._load(self.records[self._planned : self._planned + self.most])

    def _load(self, wanted: Sequence[Record]) -> None:
        """Read those of them that are not held."""
        held = self._loaded
        if missing := [one for one in wanted if one.key not in held.answered]:
            held.add(self.work.load(missing), missing)
            # An answer holds 16 MB: of items so large fewer are asked for at a time.
            self.most = max(1, self.most // 2) if held.unanswered else self.most

    def prepared(
        self,
        step: Step,
        at: int,
        record: Record,
        raw: Raw | None,
        moment: datetime,
        intent: Intent | None = None,
    ) -> Prepared | None:
        """The item's part of the transaction; None where it is left out of the step, with its reason."""
        work = self.work
        if why := work.changed(record, raw):
            step.skip(at, why)
            return None
        try:
            size = at_most(raw) if raw else 0
            work.check_image(raw, size)
            intent = intent or work.intent(record.key, self._loaded)
            plan = work.plan(raw, moment, intent)
            joins = tuple(one for one in plan.messages if one.joins)
            if joins:
                plan = replace(plan, messages=tuple(one for one in plan.messages if not one.joins))
            entry, operations = operations_for(plan, intent, raw, moment)
        except Refused as refused:
            step.skip(at, refused.sentence)
            return None
        except Exception:
            work.log_unplanned(record.key)
            step.fail(at, UNPLANNED)
            return None
        return Prepared(at, record, raw, intent, entry, operations, joins, size_of(operations, size))
