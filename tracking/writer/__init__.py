"""StatusWriter: how an orchestrator records a workflow's progress in its DynamoDB item.

It needs boto3 and nothing else: install this package, or copy this folder.

    writer = StatusWriter("trade-matching-system-processing-status", region="us-east-1")
    writer.initialize("session-1", correlation_id="corr-1", document_id="trade.pdf", source_type="BANK")
    if writer.start_step("session-1", "pdfAdapter", "Extracting text"):
        writer.finish_step("session-1", "pdfAdapter", "Text extracted", {"inputTokens": 9, "outputTokens": 3})
    writer.finalize("session-1", "completed")

Each call reads the item consistently and makes one conditional ``UpdateItem`` of nested paths, so that
attributes it does not know survive. The condition is the step's share of the totals (tokens, seconds) as
read, and the totals move by the difference: a repeated call adds nothing, a retried step replaces what it
added, parallel steps keep each other's. Totals that another program left wrong become the sum of the steps.

A failure of DynamoDB is logged (logger ``tracking.writer``) and returned as a result; it is raised, as
``StatusWriteError``, only with ``raise_errors=True``: a status must not fail the workflow that it tells of.
"""

import logging
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import boto3
from botocore.config import Config

from . import values
from .update import Update
from .values import RESERVED, STEPS, Item

__all__ = ["STEPS", "StatusWriteError", "StatusWriter", "WriteResult"]

logger = logging.getLogger("tracking.writer")

TERMINAL = frozenset({"completed", "failed", "cancelled"})
ENDED = frozenset({"success", "error", "completed", "failed"})
ERROR_BYTES, ACTIVITY_BYTES = 32_000, 2_000
ATTEMPTS = 12  # against writers that change the same item at the same time


class StatusWriteError(Exception):
    """A status could not be recorded."""


@dataclass(frozen=True)
class WriteResult:
    """What became of a call; true when the item now says what the call wanted it to say.

    ``refused``: the workflow is finished. ``missing``: no such item, ``initialize`` comes first.
    ``failed``: see ``reason``. ``cancelled``: the workflow was found cancelled, whatever the outcome.
    """

    outcome: Literal["written", "unchanged", "refused", "missing", "failed"]
    reason: str = ""
    cancelled: bool = False

    def __bool__(self) -> bool:
        return self.outcome in ("written", "unchanged")


class StatusWriter:
    """Writes the items of one workflow table; may be shared between threads.

    ``key``: the table's partition key. ``steps``: (attribute, waiting text) of the steps ``initialize``
    makes; others can be started all the same. ``clock`` gives an aware datetime.
    """

    def __init__(
        self,
        table_name: str,
        *,
        key: str = "sessionId",
        steps: Sequence[tuple[str, str]] = STEPS,
        client: Any = None,
        region: str | None = None,
        endpoint_url: str | None = None,
        raise_errors: bool = False,
        ttl_days: int = 90,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.table_name, self.key, self.steps = table_name, key, tuple(steps)
        self.raise_errors, self.ttl_days, self.clock = raise_errors, ttl_days, clock
        # botocore ignores AWS_REGION. The budget is short, since a workflow waits for it.
        budget = Config(
            connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3}
        )
        region = region or os.environ.get("AWS_REGION")
        self._correlations: dict[str, str] = {}
        self.client: Any = client or boto3.client(
            "dynamodb", region, endpoint_url=endpoint_url, config=budget
        )

    def initialize(
        self, session_id: str, *, correlation_id: str, document_id: str, source_type: str
    ) -> WriteResult:
        """Create the item: steps pending, totals zero, ``overallStatus`` initializing, 90 days to live.

        One that exists is left as it is (``unchanged``): a message delivered twice resets nothing.
        """
        texts = {self.key: session_id, "correlationId": correlation_id, "documentId": document_id}
        item = values.new_item(texts | {"sourceType": source_type}, self.steps, self.clock(), self.ttl_days)

        def put() -> WriteResult:
            self._remember(session_id, correlation_id)
            try:
                self.client.put_item(
                    TableName=self.table_name,
                    Item=item,
                    ConditionExpression="attribute_not_exists(#k)",
                    ExpressionAttributeNames={"#k": self.key},
                )
            except self.client.exceptions.ConditionalCheckFailedException:
                return WriteResult("unchanged")
            return WriteResult("written")

        return self._guarded("initialize", session_id, put)

    def start_step(self, session_id: str, step: str, activity: str, *, reopen: bool = False) -> WriteResult:
        """Mark a step in progress, and the workflow processing.

        A step in progress keeps its ``startedAt``. One that has ended is retried: it starts anew and gives
        back its share of the totals. Refused when the workflow is finished, unless ``reopen``.
        """

        def plan(update: Update) -> str:
            status, was = values.overall(update.item), values.step_of(update.item, step)
            if status in TERMINAL and not reopen:
                return f"the workflow is {status}"
            retried = values.text(was.get("status")).lower() in ENDED
            fields: Item = {
                "status": {"S": "in-progress"},
                "activity": {"S": values.cut(activity, ACTIVITY_BYTES)},
            }
            if retried or was.get("startedAt") in (None, {"S": ""}, {"NULL": True}):
                fields["startedAt"] = {"S": values.stamp(update.now)}
            if retried and "M" in was.get("tokenUsage", {}):
                fields["tokenUsage"] = values.usage({})
            update.overall("processing")
            update.step(step, fields, ("completedAt", "duration", "error") if retried else ())
            return ""

        return self._change("start_step", session_id, plan, step)

    def finish_step(
        self,
        session_id: str,
        step: str,
        activity: str,
        tokens: Mapping[str, Any] | None = None,
        duration: Decimal | float | None = None,
    ) -> WriteResult:
        """Mark a step successful. ``tokens``: ``inputTokens``, ``outputTokens`` and, unless it is their sum,
        ``totalTokens``. ``duration``: seconds; measured from ``startedAt`` when not given.

        What a repeated call states replaces what is recorded; the rest stays. A step that ends after a
        cancel is recorded, for its tokens were spent; the workflow stays cancelled.
        """
        return self._end_step("finish_step", session_id, step, "success", activity, None, tokens, duration)

    def fail_step(
        self,
        session_id: str,
        step: str,
        error: str | BaseException,
        *,
        activity: str | None = None,
        tokens: Mapping[str, Any] | None = None,
        duration: Decimal | float | None = None,
    ) -> WriteResult:
        """Mark a step failed; else as ``finish_step``. The workflow's status is left to ``finalize``, since
        a retry may follow. An error too long for the item (32,000 bytes, or the room left) is cut, and
        says so."""
        text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        return self._end_step("fail_step", session_id, step, "error", activity, text, tokens, duration)

    def finalize(self, session_id: str, status: str, *, force: bool = False) -> WriteResult:
        """Set ``overallStatus`` to completed, failed or cancelled. Refused when another of these is
        recorded, unless ``force``."""

        def plan(update: Update) -> str:
            was = values.overall(update.item)
            if status not in TERMINAL:
                raise ValueError(f"status {status!r} is not one of {', '.join(sorted(TERMINAL))}")
            if was in TERMINAL and was != status and not force:
                return f"the workflow is {was}"
            update.overall(status)
            update.totals()
            return ""

        return self._change("finalize", session_id, plan)

    def is_cancelled(self, session_id: str) -> bool:
        """Whether the workflow was cancelled (consistent read). False when that cannot be read: work goes
        on while the table is away."""

        def look() -> WriteResult:
            return WriteResult("unchanged", cancelled=values.overall(self._read(session_id)) == "cancelled")

        return self._guarded("is_cancelled", session_id, look).cancelled

    def _end_step(
        self,
        call: str,
        session_id: str,
        step: str,
        status: str,
        activity: str | None,
        error: str | None,
        tokens: Mapping[str, Any] | None,
        duration: Decimal | float | None,
    ) -> WriteResult:
        def plan(update: Update) -> str:
            was = values.step_of(update.item, step)
            repeated = values.text(was.get("status")).lower() == status
            fields: Item = {"status": {"S": status}}
            if activity is not None:
                fields["activity"] = {"S": values.cut(activity, ACTIVITY_BYTES)}
            if error is not None:
                fields["error"] = {"S": values.cut(error, min(ERROR_BYTES, max(update.room(), 200)))}
            if not (repeated and "completedAt" in was):
                fields["completedAt"] = {"S": values.stamp(update.now)}
            if tokens is not None:
                fields["tokenUsage"] = values.usage(tokens)
            if duration is not None:
                fields["duration"] = values.seconds(duration)
            elif (
                not repeated
                and (since := values.seconds_since(values.text(was.get("startedAt")), update.now)) is not None
            ):
                fields["duration"] = values.seconds(since)
            if values.overall(update.item) not in TERMINAL:
                update.overall("processing")
            update.step(step, fields, ("error",) if error is None else ())
            return ""

        return self._change(call, session_id, plan, step)

    def _change(
        self, call: str, session_id: str, plan: Callable[[Update], str], step: str = ""
    ) -> WriteResult:
        """Read, plan, write under the plan's conditions; again when another writer was quicker. ``plan``
        fills the update and returns why it refuses, or nothing."""

        def run() -> WriteResult:
            if step in RESERVED | {self.key}:
                raise ValueError(f"{step!r} is an attribute of the workflow and cannot name a step")
            for attempt in range(ATTEMPTS):
                update = Update(self._read(session_id), self.clock())
                if not update.item:
                    return WriteResult("missing", f"{self.table_name} has no such item")
                cancelled = values.overall(update.item) == "cancelled"
                if reason := plan(update):
                    return WriteResult("refused", reason, cancelled)
                if not update:
                    return WriteResult("unchanged", cancelled=cancelled)
                try:
                    self.client.update_item(**update.request(self.table_name, self.key, session_id))
                except self.client.exceptions.ConditionalCheckFailedException:
                    time.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 5)))  # noqa: S311
                else:
                    return WriteResult("written", cancelled=cancelled)
            raise StatusWriteError(f"other writers changed the item {ATTEMPTS} times in a row")

        return self._guarded(f"{call} {step}".strip(), session_id, run)

    def _guarded(self, call: str, session_id: str, run: Callable[[], WriteResult]) -> WriteResult:
        """Run, and turn what goes wrong into a logged result."""
        trouble: Exception | None = None
        try:
            result = run()
        except Exception as error:
            trouble, result = error, WriteResult("failed", f"{type(error).__name__}: {error}")
        if not result:
            ids = {"session_id": session_id, "correlation_id": self._correlations.get(session_id, "")}
            level = logging.INFO if result.outcome == "refused" else logging.WARNING
            facts = (*ids.values(), call, result.outcome, result.reason)
            logger.log(level, "[%r %r] %s: %s: %s", *facts, extra=ids)
            if self.raise_errors and result.outcome != "refused":
                raise StatusWriteError(f"{call}: {result.reason}") from trouble
        return result

    def _read(self, session_id: str) -> Item:
        key = {self.key: {"S": session_id}}
        answer = self.client.get_item(TableName=self.table_name, Key=key, ConsistentRead=True)
        item: Item = answer.get("Item", {})
        self._remember(session_id, values.text(item.get("correlationId")))
        return item

    def _remember(self, session_id: str, correlation_id: str) -> None:
        """For the log lines of calls that cannot read it. Bounded: not every workflow is finalized."""
        self._correlations |= {session_id: correlation_id} if correlation_id else {}
        if len(self._correlations) > 10_000:
            for oldest in list(self._correlations)[:1_000]:
                self._correlations.pop(oldest, None)
