"""RequestWriter: how a worker takes requests and records what becomes of them.

    writer = RequestWriter("dev-market_intelligence_requests", logs_table="dev-request_processing_logs",
                           worker_id="worker-1", region="us-east-1", spool_dir="spool")
    for request_id in writer.pending():
        if job := writer.claim(request_id):
            with job:
                job.progress("serp_discovery", share=0.5, urls_found=12)
                job.log("INFO", "12 URLs found")
                job.complete(results)

Each call reads the item consistently and makes one conditional ``UpdateItem``, so that attributes it does not
know survive and what an operator did is never undone: a worker whose request was cancelled, retried or
purged meanwhile is told by `Cancelled` or `TakenAway`, and writes nothing.

As with the status writer, what can't be written while DynamoDB is away goes to ``spool_dir``, and other
trouble is logged (logger ``requests_app.writer``), given to ``on_trouble`` and returned; it is raised, as
`RequestWriteError`, with ``raise_errors=True`` and always by ``pending`` and ``claim``.
"""

import contextlib
import logging
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from . import arguments, request_plans, trees, values
from .answers import ask, read
from .arguments import Arguments
from .jobs import Job
from .logs import LogWriter
from .request_plans import PLANS, RequestUpdate, done_already, not_mine
from .results import ConditionFailed, Contended, OnTrouble, RequestWriteError, Trouble, WriteResult
from .sessions import remember
from .spool import Record
from .tables import ATTEMPTS, SPOOL_BYTES, Clock, TableWriter, client_of, utc_now
from .values import Item

logger = logging.getLogger("requests_app.writer")

PRIORITIES = ("high", "medium", "low")
WORKER_BYTES = 1_000
LOOKED_AT = 1_000  # pending requests read at most before choosing


class RequestWriter(TableWriter):
    """Writes the items of one table of requests and, with ``logs_table``, their logs; may be shared between
    threads.

    ``worker_id`` is recorded with each claim and log line. ``key``, ``logs_key``: the tables' partition keys.
    ``progress_interval``: seconds; of a request no more than one progress is written in that time.
    ``log_interval``: seconds that a log line waits for others to be written with. ``logs_ttl_days``: the life
    of a line (attribute ``ttl``), None for ever. The rest is as with `StatusWriter`.
    """

    logger, error = logger, RequestWriteError

    def __init__(
        self,
        table_name: str,
        *,
        worker_id: str,
        logs_table: str | None = None,
        key: str = "request_id",
        logs_key: str = "log_id",
        client: Any = None,
        region: str | None = None,
        endpoint_url: str | None = None,
        raise_errors: bool = False,
        logs_ttl_days: int | None = None,
        spool_dir: str | os.PathLike[str] | None = None,
        spool_bytes: int = SPOOL_BYTES,
        progress_interval: float = 2.0,
        log_interval: float = 1.0,
        on_trouble: OnTrouble | None = None,
        clock: Clock = utc_now,
    ) -> None:
        given = Arguments()
        self.table_name, self.key = trees.text_of(table_name), trees.text_of(key)
        self.worker_id = arguments.text(worker_id, WORKER_BYTES)
        self.raise_errors, self.clock = arguments.flag(raise_errors), clock
        self.client: Any = client_of(client, region, endpoint_url)
        self._stopped: dict[str, WriteResult] = {}
        # Claims, by request: each started_at that may have been written, or is on its way still.
        self._unanswered: dict[str, list[str]] = {}
        shared = given.options(spool_dir, spool_bytes, progress_interval) | {"on_trouble": on_trouble}
        self.delivery = self._deliver(
            self._apply, self.table_name, self.key, logger=logger, merge=_merged, **shared
        )
        days: Decimal | None = None  # for ever, also where what is given can't be taken
        if logs_ttl_days is not None:
            days = given.take("logs_ttl_days", arguments.between, logs_ttl_days, 0, 36_500)
        self.logs = (
            LogWriter(
                trees.text_of(logs_table),
                key=trees.text_of(logs_key),
                client=self.client,
                worker_id=self.worker_id,
                ttl_days=None if days is None else int(days),
                clock=clock,
                raise_errors=self.raise_errors,
                **shared | {"interval": given.setting("log_interval", log_interval, 1.0, 0, 86_400)},
            )
            if arguments.flag(logs_table)
            else None
        )
        self.say_left_out("RequestWriter", "", given)

    def pending(self, limit: int = 10, strategy: str | None = "table") -> list[str]:
        """Ids of requests that wait, from ``status-index``: the highest priority first, then the oldest.

        ``strategy``: only those of that ``processing_strategy``, None for all. Of more than 1,000 that wait
        the oldest 1,000 are chosen from. The index lags behind the table, and others poll too: `claim` tells
        who gets one. Raises RequestWriteError.
        """
        given = Arguments()
        at_most = given.setting("limit", limit, 10, 0, LOOKED_AT)
        wanted = None if strategy is None else trees.text_of(strategy).lower()
        self.say_left_out("pending", "", given)
        with self._raising("pending"):
            found = [item for item in self._waiting() if wanted in (None, _text(item, "processing_strategy"))]
            ranks = {priority: rank for rank, priority in enumerate(PRIORITIES)}
            found.sort(
                key=lambda item: (ranks.get(_text(item, "priority"), len(ranks)), _text(item, "created_at"))
            )
            return [values.text(item[self.key]) for item in found[:at_most]]

    def claim(self, request_id: str) -> Job | None:
        """Take a request that is pending: it is processing then, and no other worker's. None when it is not to
        be had: another worker or an operator was quicker. Raises RequestWriteError: without DynamoDB no worker
        can be sure to be the only one. Then call it again: a claim that was written all the same is found."""
        if not (request_id := arguments.id_of(request_id)):
            logger.warning("not claimed: it has no id")
            return None
        tried = self._unanswered.pop(request_id, [])
        try:
            with self._raising(f"claim {request_id}"):
                for attempt in range(ATTEMPTS):
                    update = RequestUpdate(self._read(request_id), self.delivery.moment(request_id))
                    if started := self._claimed_by(update.item, tried):
                        break  # the answer to our write was lost
                    if not update.item or (reason := request_plans.claim(update, self.worker_id)):
                        logger.info(
                            "[%r] not claimed: %s", request_id, reason if update.item else "it is gone"
                        )
                        return None
                    started = update.written(update.now)
                    tried.append(started)
                    try:
                        call = update.request(self.table_name, self.key, request_id)
                        ask(self.client, "update_item", **call)
                        break
                    except ConditionFailed:
                        _wait(attempt)
                else:
                    raise Contended(f"other writers changed the item {ATTEMPTS} times in a row")
        except RequestWriteError:
            if tried:
                remember(self._unanswered, request_id, tried[-ATTEMPTS:])
            raise
        self._stopped.pop(request_id, None)
        return Job(self, request_id, update.item, started)

    @property
    def trouble(self) -> Trouble | None:
        """As `StatusWriter.trouble`, logs included."""
        return super().trouble or (self.logs.trouble if self.logs is not None else None)

    def close(self, timeout: float = 10.0) -> bool:
        """As `StatusWriter.close`, logs included."""
        timeout = arguments.timeout(timeout)
        deadline = time.monotonic() + timeout
        done = super().close(timeout)
        return (self.logs is None or self.logs.close(max(0.0, deadline - time.monotonic()))) and done

    def flush(self, timeout: float = 10.0) -> bool:
        """As `StatusWriter.flush`, logs included."""
        timeout = arguments.timeout(timeout)
        deadline = time.monotonic() + timeout
        done = super().flush(timeout)
        return (self.logs is None or self.logs.flush(max(0.0, deadline - time.monotonic()))) and done

    # --- What jobs ask for ---------------------------------------------------------------------------

    def record(
        self,
        op: str,
        request_id: str,
        make: Callable[[datetime], dict[str, Any]],
        given: Arguments | None = None,
    ) -> WriteResult:
        """Carry out what a job says. ``make`` gives the arguments for the moment; ValueError is a mistake in
        them. ``given``: what it could not take."""

        def run() -> WriteResult:
            if (known := self._stopped.get(request_id)) is not None:
                return known
            with self.delivery.lock(request_id):
                at = self.delivery.moment(request_id)
                args, stamp = make(at), at.isoformat()
                if op == "progress":
                    return self.delivery.later(Record(op, request_id, stamp, args, vital=False), "")
                told = self.delivery.take(request_id, "") if op == "status" else None
                if told:  # not written yet: it goes with the status
                    args["progress"] = told.args["progress"] | args.get("progress", {})
                return self.delivery.send(Record(op, request_id, stamp, args))

        try:
            result = run()
        except Exception as error:
            result = WriteResult("failed", f"{type(error).__name__}: {error}")
            logger.warning("[%r] %s: %s", request_id, op, result.reason)
            self._surface(error, request_id)
            if self.raise_errors:
                raise RequestWriteError(f"{op} of {request_id}: {result.reason}") from error
        return self.with_left_out(op, request_id, given or Arguments(), result)

    def is_cancelled(self, request_id: str, fence: Mapping[str, str]) -> WriteResult:
        """What the item is now, as a result: refused when it is no longer the job's. ``unchanged`` when that
        can't be read: work goes on while the table is away. (Consistent read.)"""
        if (known := self._stopped.get(request_id)) is not None:
            return known
        if self.delivery.spools(request_id):  # the item does not know yet what this job has done
            return WriteResult("unchanged")
        try:
            item = self._read(request_id)
        except Exception as error:
            logger.warning("[%r] whether it is cancelled can't be read: %s", request_id, error)
            if self.raise_errors:
                raise RequestWriteError(f"check of {request_id}: {error}") from error
            return WriteResult("unchanged")
        refused = self._refused(request_id, item, dict(fence))
        return WriteResult("unchanged") if refused is None else refused

    def _apply(self, record: Record, replayed: bool) -> WriteResult:
        """Carry a record out: read, plan, write under its conditions; again when another writer was quicker.
        Raises what goes wrong."""
        at = values.utc(datetime.fromisoformat(record.at))
        for attempt in range(ATTEMPTS):
            update = RequestUpdate(self._read(record.item), at)
            if done_already(update.item, record.op, at, record.args):
                return WriteResult("unchanged")
            refused = self._refused(record.item, update.item, record.args)
            if refused is not None:
                return refused
            update.require_as_read("status")
            update.require_as_read("started_at")
            if reason := PLANS[record.op](update, record.args):
                return WriteResult("superseded", reason)
            try:
                ask(self.client, "update_item", **update.request(self.table_name, self.key, record.item))
            except ConditionFailed:
                _wait(attempt)
            else:
                return WriteResult("written")
        raise Contended(f"other writers changed the item {ATTEMPTS} times in a row")

    def _refused(self, request_id: str, item: Item, fence: dict[str, Any]) -> WriteResult | None:
        """When the request was taken away, which is remembered: what the job says next is refused at once."""
        reason = not_mine(item, fence) if item else "the request is gone"
        if not reason:
            return None
        result = WriteResult("refused", reason, request_plans.status_of(item) == "cancelled")
        remember(self._stopped, request_id, result)
        return result

    def _claimed_by(self, item: Item, tried: list[str]) -> str:
        """The one of this worker's claims that is in the item, or ""."""
        by = values.text(values.at(item, "processing_metadata", "worker_id"))
        started = values.text(item.get("started_at"))
        return started if by == self.worker_id and started in tried else ""

    def _read(self, request_id: str) -> Item:
        return read(self.client, self.table_name, self.key, request_id)

    def _waiting(self) -> Iterator[Item]:
        call: dict[str, Any] = {
            "TableName": self.table_name,
            "IndexName": "status-index",
            "KeyConditionExpression": "#status = :pending",
            "ProjectionExpression": "#key, priority, created_at, processing_strategy",
            "ExpressionAttributeNames": {"#status": "status", "#key": self.key},
            "ExpressionAttributeValues": {":pending": {"S": "pending"}},
        }
        left = LOOKED_AT
        while left > 0:
            page = ask(self.client, "query", **call, Limit=left)
            yield from page["Items"]
            left -= len(page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            call["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    @contextlib.contextmanager
    def _raising(self, call: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._surface(error, "")
            raise RequestWriteError(f"{call}: {type(error).__name__}: {error}") from error
        self.delivery.answered()


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Of two reports of progress the newer, with what only the older says."""
    return {**new, "progress": old["progress"] | new["progress"]}


def _text(item: Item, name: str) -> str:
    return values.text(item.get(name)).lower()


def _wait(attempt: int) -> None:
    time.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 5)))  # noqa: S311
