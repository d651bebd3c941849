"""StatusWriter: how an orchestrator records a workflow's progress in its DynamoDB item.

Each call reads the item consistently and makes one conditional ``UpdateItem`` of nested paths, so that
attributes it does not know survive. The condition is the step's share of the totals (tokens, seconds) as
read, and the totals move by the difference: a repeated call adds nothing, a retried step replaces what it
added, parallel steps keep each other's. Totals that another program left wrong become the sum of the steps.

A status must not fail the workflow that it tells of: with ``spool_dir``, what can't be written while DynamoDB
is away is kept on disk and replayed in order. Whatever else goes wrong is logged (logger ``tracking.writer``),
given to ``on_trouble`` and returned as a result; it is raised, as `StatusWriteError`, only with
``raise_errors=True``.
"""

import contextlib
import logging
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from . import arguments, trees, values
from .answers import ask, read
from .arguments import Arguments, text
from .results import ConditionFailed, Contended, OnTrouble, StatusWriteError, WriteResult
from .sessions import Sessions
from .spool import Record
from .steps import RunningStep, RunningWorkflow
from .tables import ATTEMPTS, SPOOL_BYTES, Clock, TableWriter, client_of, utc_now
from .values import STEPS, Item
from .workflow_plans import PLANS, TERMINAL, WorkflowUpdate, superseded

logger = logging.getLogger("tracking.writer")

ERROR_BYTES, FACT_BYTES, TTL_DAYS = 32_000, 4_000, 90
# What a progress that was not written yet adds to the end of its step.
_TOLD = ("activity", "tokenUsage")


class StatusWriter(TableWriter):
    """Writes the items of one workflow table; may be shared between threads.

    ``key``: the table's partition key (``sessionId``; deployed tables have ``processing_id`` too). ``steps``:
    (attribute, waiting text) of the steps that ``initialize`` makes; others can be started all the same.
    ``spool_dir``: a folder on a local disk, which processes may share; ``spool_bytes`` bounds it per table.
    ``progress_interval``: seconds; of a step's ``progress`` no more than one is written in that time.
    ``on_trouble`` is called with a `Trouble`, in whichever thread meets it, and must not call the writer.
    ``clock`` gives a datetime; without a zone it is UTC. Raises what boto3 raises where it can't make a client.

    No argument of a call fails the work: what can't be written is left out, and said
    (docs/writers.md#what-you-pass).
    """

    logger, error = logger, StatusWriteError

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
        ttl_days: int = TTL_DAYS,
        spool_dir: str | os.PathLike[str] | None = None,
        spool_bytes: int = SPOOL_BYTES,
        progress_interval: float = 2.0,
        on_trouble: OnTrouble | None = None,
        clock: Clock = utc_now,
    ) -> None:
        given = Arguments()
        self.table_name, self.key = trees.text_of(table_name), trees.text_of(key)
        self.steps = given.steps(steps, self.key)
        self.ttl_days = given.setting("ttl_days", ttl_days, TTL_DAYS, 0, 36_500)
        self.raise_errors, self.clock = arguments.flag(raise_errors), clock
        self.sessions = Sessions()
        self.client: Any = client_of(client, region, endpoint_url)
        self.delivery = self._deliver(
            self._apply,
            self.table_name,
            self.key,
            logger=logger,
            on_trouble=on_trouble,
            **given.options(spool_dir, spool_bytes, progress_interval),
        )
        self.say_left_out("StatusWriter", "", given)

    def workflow(
        self, session_id: str, *, correlation_id: str, document_id: str, source_type: str
    ) -> RunningWorkflow:
        """``with`` it: initialized at the start; completed at the end, or failed by an exception."""
        facts = {"correlation_id": correlation_id, "document_id": document_id, "source_type": source_type}
        return RunningWorkflow(self, session_id, facts)

    def step(self, session_id: str, step: str, activity: str, *, reopen: bool = False) -> RunningStep:
        """``with`` it: started at the start; successful at the end, or failed by an exception."""
        return RunningStep(self, session_id, step, activity, reopen)

    def initialize(
        self, session_id: str, *, correlation_id: str, document_id: str, source_type: str
    ) -> WriteResult:
        """Create the item: steps pending, totals zero, ``overallStatus`` initializing, 90 days to live. One that
        exists is left as it is (``unchanged``): a message delivered twice resets nothing. None is left out."""
        facts = {"correlationId": correlation_id, "documentId": document_id, "sourceType": source_type}
        texts = {name: text(fact, FACT_BYTES) for name, fact in facts.items() if fact is not None}
        if session := arguments.id_of(session_id):
            self.sessions.correlate(session, texts.get("correlationId", ""))
        return self._call("initialize", session_id, lambda given: {"texts": texts})

    def start_step(self, session_id: str, step: str, activity: str, *, reopen: bool = False) -> WriteResult:
        """Mark a step in progress, and the workflow processing.
        A step in progress keeps its ``startedAt``. One that has ended is retried: it starts again and gives
        back its share of the totals. Refused when the workflow is finished, unless ``reopen``.
        """

        told = _activity(activity) | {"reopen": arguments.flag(reopen)}
        return self._call("start_step", session_id, lambda given: dict(told), step)

    def progress(
        self,
        session_id: str,
        step: str,
        activity: str | None = None,
        tokens: Mapping[str, Any] | None = None,
    ) -> WriteResult:
        """What a running step does now, and the tokens it has used so far. Call it as often as you like: in
        each ``progress_interval`` one is written, with the newest of what was said (``buffered`` until then).
        Refused when the step or the workflow has ended."""

        return self._call(
            "progress", session_id, lambda given: _activity(activity) | _usage(given, tokens), step
        )

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
        return self._end_step(session_id, step, "success", activity, {}, tokens, duration)

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
        told = {"error": text(error, ERROR_BYTES)}
        return self._end_step(session_id, step, "error", activity, told, tokens, duration)

    def stop_step(
        self,
        session_id: str,
        step: str,
        activity: str | None = None,
        tokens: Mapping[str, Any] | None = None,
        duration: Decimal | float | None = None,
    ) -> WriteResult:
        """Mark a step stopped, as its workflow was cancelled; else as ``finish_step``."""
        return self._end_step(session_id, step, "stopped", activity, {}, tokens, duration)

    def finalize(self, session_id: str, status: str, *, force: bool = False) -> WriteResult:
        """Set completed, failed or cancelled. Refused when another of these is recorded, unless ``force``."""

        def make(given: Arguments) -> dict[str, Any]:
            said = trees.text_of(status).strip().lower()
            if said not in TERMINAL:
                raise ValueError(
                    f"status {trees.shown(status)!r} is not one of {', '.join(sorted(TERMINAL))}"
                )
            return {"status": said, "force": arguments.flag(force)}

        return self._call("finalize", session_id, make)

    def is_cancelled(self, session_id: str) -> bool:
        """Whether it was cancelled (consistent read). False when that can't be read: work goes on."""

        def look() -> WriteResult:
            item = self._read(arguments.key("the session's id", session_id))
            return WriteResult("unchanged", cancelled=values.overall(item) == "cancelled")

        return self._guarded("is_cancelled", arguments.id_of(session_id), look).cancelled

    def _end_step(
        self,
        session_id: str,
        step: str,
        status: str,
        activity: str | None,
        told: dict[str, Any],
        tokens: Mapping[str, Any] | None,
        duration: Decimal | float | None,
    ) -> WriteResult:
        def make(given: Arguments) -> dict[str, Any]:
            said = {"status": status} | _activity(activity) | told | _usage(given, tokens)
            took = None if duration is None else given.take("duration", arguments.seconds, duration)
            return said if took is None else said | {"duration": took}

        return self._call("end_step", session_id, make, step)

    def _call(
        self, op: str, session_id: Any, make: Callable[[Arguments], dict[str, Any]], *step: Any
    ) -> WriteResult:
        """Make the record, with what is told of the step but not written yet, and hand it over."""
        given, session = Arguments(), arguments.id_of(session_id)

        def run() -> WriteResult:
            arguments.key("the session's id", session_id)
            args = make(given)
            for name in step:
                args["step"] = arguments.step_name(name, self.key)
            if (retries := self.sessions.retries.get(session)) is not None:
                args["retries"] = retries
            with self.delivery.lock(session):
                at = self.delivery.moment(session).isoformat()
                if op == "progress":
                    return self.delivery.later(Record(op, session, at, args, vital=False), args["step"])
                if op == "end_step" and (told := self.delivery.take(session, args["step"])):
                    args = {name: told.args[name] for name in _TOLD if name in told.args} | args
                else:
                    self.delivery.settle(session)
                    at = self.delivery.moment(session).isoformat()  # what was settled came before
                return self.delivery.send(Record(op, session, at, args))

        call = " ".join([op, *map(trees.shown, step)])
        return self.with_left_out(call, session, given, self._guarded(call, session, run))

    def _apply(self, record: Record, replayed: bool) -> WriteResult:
        """Carry a record out: read, plan, write under the plan's conditions; again when another writer was
        quicker. Raises what goes wrong."""
        at = values.utc(datetime.fromisoformat(record.at))
        if record.op == "initialize":
            return self._create(record, at)
        plan = PLANS[record.op]
        for attempt in range(ATTEMPTS):
            update = WorkflowUpdate(self._read(record.item), at)
            if not update.item:
                return WriteResult("missing", f"{self.table_name} has no such item")
            cancelled = values.overall(update.item) == "cancelled"
            if replayed and (reason := superseded(update.item, record.op, at, record.args)):
                return WriteResult("superseded", reason, cancelled)
            if reason := plan(update, record.args):
                return WriteResult("refused", reason, cancelled)
            if not update:
                return WriteResult("unchanged", cancelled=cancelled)
            try:
                ask(self.client, "update_item", **update.request(self.table_name, self.key, record.item))
            except ConditionFailed:
                time.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 5)))  # noqa: S311
            else:
                return WriteResult("written", cancelled=cancelled)
        raise Contended(f"other writers changed the item {ATTEMPTS} times in a row")

    def _create(self, record: Record, at: datetime) -> WriteResult:
        texts = {self.key: record.item, **record.args["texts"]}
        with contextlib.suppress(ConditionFailed):
            ask(
                self.client,
                "put_item",
                TableName=self.table_name,
                Item=values.new_item(texts, self.steps, at, self.ttl_days),
                ConditionExpression="attribute_not_exists(#k)",
                ExpressionAttributeNames={"#k": self.key},
            )
            return WriteResult("written")
        return WriteResult("unchanged")

    def _guarded(self, call: str, session_id: str, run: Callable[[], WriteResult]) -> WriteResult:
        """Run, and turn what goes wrong into a logged result."""
        trouble: Exception | None = None
        try:
            result = run()
        except Exception as error:
            trouble, result = error, WriteResult("failed", f"{type(error).__name__}: {error}")
            self._surface(error, session_id)
        if not result:
            ids = self.sessions.log_ids(session_id)
            level = logging.INFO if result.outcome in ("refused", "superseded") else logging.WARNING
            facts = (*ids.values(), call, result.outcome, result.reason)
            logger.log(level, "[%r %r] %s: %s: %s", *facts, extra=ids)
            if self.raise_errors and result.outcome != "refused":
                raise StatusWriteError(f"{call}: {result.reason}") from trouble
        return result

    def _read(self, session_id: str) -> Item:
        item = read(self.client, self.table_name, self.key, session_id)
        self.sessions.seen(session_id, item)
        return item


def _activity(activity: Any) -> dict[str, Any]:
    return {} if activity is None else {"activity": {"S": text(activity, arguments.ACTIVITY_BYTES)}}


def _usage(given: Arguments, tokens: Any) -> dict[str, Any]:
    found = None if tokens is None else given.usage(tokens)
    return {} if found is None else {"tokenUsage": found}
