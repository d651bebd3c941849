"""The log lines of requests: batched, with the documented ids."""

import itertools
import logging
import os
import random
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from . import arguments, forks, sizes, trees
from .answers import ask
from .arguments import Arguments
from .request_plans import naive
from .results import Contended, OnTrouble, RequestWriteError, WriteResult, kind_of
from .spool import Record
from .tables import Clock, TableWriter
from .values import Item

logger = logging.getLogger("requests_app.writer")

BATCH = 25  # BatchWriteItem's limit
ROUNDS = 6  # attempts at what DynamoDB leaves unprocessed, at growing intervals
MESSAGE_BYTES, METADATA_BYTES, LEVEL_BYTES = 32_000, 32_000, 100


class LogWriter(TableWriter):
    """Writes one table of logs; may be shared between threads. `RequestWriter` makes it.

    A line waits up to ``interval`` seconds for others; so a program that is killed can lose that much of its
    log, while its statuses are safe.
    """

    logger, error = logger, RequestWriteError

    def __init__(
        self,
        table_name: str,
        *,
        key: str,
        client: Any,
        worker_id: str,
        ttl_days: int | None,
        interval: float,
        clock: Clock,
        spool_dir: str | os.PathLike[str] | None,
        spool_bytes: int,
        on_trouble: OnTrouble | None,
        raise_errors: bool,
    ) -> None:
        self.raise_errors = raise_errors
        self.table_name, self.key, self.client, self.worker_id = table_name, key, client, worker_id
        self.ttl_days, self.clock = ttl_days, clock
        self.after_fork()
        forks.watch(self)
        self.delivery = self._deliver(
            self._apply,
            table_name,
            key,
            logger=logger,
            spool_dir=spool_dir,
            spool_bytes=spool_bytes,
            on_trouble=on_trouble,
            interval=interval,
            merge=lambda old, new: {"lines": [*old["lines"], *new["lines"]]},
        )

    def after_fork(self) -> None:
        """Each process begins somewhere else, lest two that log in one millisecond make the same ids."""
        self._lock = threading.Lock()
        self._numbers = itertools.count(random.SystemRandom().randrange(1_000))
        self._last: tuple[int, int] = (0, 0)

    def add(
        self, request_id: str, level: Any, message: Any, stage: str, metadata: Mapping[str, Any]
    ) -> WriteResult:
        """One line: ``buffered``, or what became of it and those before it. ``level`` is written in upper
        case; the worker's id is added to ``metadata``."""
        given = Arguments()
        try:
            now = self.delivery.moment(request_id)
            line: Item = {
                self.key: {"S": self._id(now)},
                "request_id": {"S": request_id},
                "timestamp": {"S": naive(now)},
                "log_level": {"S": _level(level)},
                "message": {"S": arguments.text(message, MESSAGE_BYTES)},
                "stage": {"S": stage},
                "metadata": self._metadata(given, metadata),
            }
            if self.ttl_days is not None:
                line["ttl"] = {"N": str(int((now + timedelta(days=self.ttl_days)).timestamp()))}
            record = Record("put", request_id, now.isoformat(), {"lines": [line]}, vital=False)
            result = self.delivery.later(record, "")
            waiting = self.delivery.waits(request_id, "")
            if waiting and len(waiting.args["lines"]) >= BATCH:
                self.delivery.settle(request_id)
        except Exception as error:
            result = WriteResult("failed", f"{type(error).__name__}: {error}")
            logger.warning("[%r] a log line is lost: %s", request_id, result.reason)
            self._surface(error, request_id)
            if self.raise_errors:
                raise RequestWriteError(f"log of {request_id}: {result.reason}") from error
        return self.with_left_out("log", request_id, given, result)

    def _metadata(self, given: Arguments, metadata: Mapping[str, Any]) -> Item:
        said = given.tree("metadata", {"worker_id": self.worker_id, **metadata})
        if said is not None and sizes.of(said) <= METADATA_BYTES:
            return said
        if said is not None:
            given.left_out.append(f"metadata is left out: it has {sizes.of(said):,} bytes")
        return {"M": {"worker_id": {"S": self.worker_id}, "left_out": {"S": given.left_out[-1]}}}

    def settle(self, request_id: str) -> None:
        """Write the lines of that request that wait."""
        self.delivery.settle(request_id)

    def _id(self, now: datetime) -> str:
        """``log_<epoch ms>_<nnn>``, which this process never makes twice: after a thousand lines in one
        millisecond it goes on in the next."""
        with self._lock:
            number, stamp = next(self._numbers) % 1_000, int(now.timestamp() * 1_000)
            stamp = max(stamp, self._last[0])
            count = self._last[1] + 1 if stamp == self._last[0] else 1
            stamp, count = (stamp + 1, 1) if count > 1_000 else (stamp, count)
            self._last = (stamp, count)
        return f"log_{stamp}_{number:03d}"

    def _apply(self, record: Record, replayed: bool) -> WriteResult:
        """Put the lines. An id is written once or twice with the same line, so a repetition changes nothing."""
        lines = record.args["lines"]
        for at in range(0, len(lines), BATCH):
            some = lines[at : at + BATCH]
            try:
                self._put([{"PutRequest": {"Item": line}} for line in some])
            except ClientError as error:
                if kind_of(error) or len(some) == 1:
                    raise
                self._put_each(some)
        return WriteResult("written")

    def _put(self, asked: list[Item]) -> None:
        for attempt in range(ROUNDS):
            answer = ask(self.client, "batch_write_item", RequestItems={self.table_name: asked})
            asked = [left for puts in answer.get("UnprocessedItems", {}).values() for left in puts]
            if not asked:
                return
            time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311
        raise Contended(f"DynamoDB left {len(asked)} log lines unprocessed {ROUNDS} times in a row")

    def _put_each(self, lines: list[Item]) -> None:
        """One by one, so that a line that can't be written does not take the others with it."""
        refused: ClientError | None = None
        for line in lines:
            try:
                ask(self.client, "put_item", TableName=self.table_name, Item=line)
            except ClientError as error:
                if kind_of(error):
                    raise
                refused = error
        if refused:
            raise refused


def _level(given: Any) -> str:
    """A level's name; INFO for none. Numbers are those of `logging`."""
    found = trees.number_of(given)
    numbered = found is not None and found.is_finite() and -1_000 < found < 1_000
    name = logging.getLevelName(int(found)) if found is not None and numbered else given
    return sizes.cut("" if name is None else trees.text_of(name), LEVEL_BYTES).upper().strip() or "INFO"
