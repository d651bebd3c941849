"""What the writers of both tables share: the client, the delivery, and its end."""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

import boto3
from botocore.config import Config

from . import answers, arguments, sizes, trees, values
from .arguments import SPOOL_BYTES as SPOOL_BYTES
from .arguments import Arguments
from .buffer import Merge
from .delivery import Apply, Delivery
from .locations import locate
from .results import OnTrouble, SpoolFull, Trouble, WriteError, WriteResult, kind_of
from .spool import Spool

ATTEMPTS = 12  # against writers that change the same item at the same time
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def client_of(given: Any, region: str | None, endpoint_url: str | None) -> Any:
    """The client that a writer was given, or one of its own. What they are answered in the calls of writers is
    looked at, and how long an attempt takes is bounded; the program's other calls with its client stay as they are.
    """
    client = _make_client(region, endpoint_url) if given is None else given
    answers.watch(client)
    return client


def _make_client(region: str | None, endpoint_url: str | None) -> Any:
    """A DynamoDB client with a short budget, since the work waits for it."""
    budget = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3})
    region = region or os.environ.get("AWS_REGION")  # which botocore ignores
    made = boto3.client("dynamodb", region, endpoint_url=endpoint_url, config=budget)
    # Its classes of errors are made on first use, and threads that are first at once would make two sets: what one
    # thread catches is then not what another was raised.
    _ = made.exceptions
    return made


class TableWriter:
    """One table, its spool, and what goes wrong with it."""

    delivery: Delivery
    clock: Clock
    client: Any
    raise_errors: bool
    logger: ClassVar[logging.Logger]
    error: ClassVar[type[WriteError]]

    def _deliver(
        self,
        apply: Apply,
        table_name: str,
        key: str,
        *,
        logger: logging.Logger,
        spool_dir: str | os.PathLike[str] | None,
        spool_bytes: int,
        on_trouble: OnTrouble | None,
        interval: float,
        merge: Merge = lambda old, new: old | new,
    ) -> Delivery:
        spool = None
        if spool_dir is not None:
            client = self.client
            spool = Spool(
                spool_dir, table_name, spool_bytes, lambda ask: locate(client, table_name, key, ask)
            )
        return Delivery(
            apply,
            logger=logger,
            clock=self.moment,
            spool=spool,
            on_trouble=on_trouble,
            interval=interval,
            merge=merge,
        )

    def moment(self) -> datetime:
        """Now, in UTC."""
        try:
            return values.utc(self.clock())
        except Exception as error:
            self.logger.warning("the writer's clock failed: %s", trees.text_of(error))
            return utc_now()

    def say_left_out(self, call: str, item: Any, given: Arguments) -> str:
        """Say what a call could not take, and go on; with ``raise_errors`` it is raised, after the rest is written."""
        reason = sizes.cut("; ".join(given.left_out), 2_000)
        if reason:
            item = arguments.id_of(item)
            self.logger.warning("[%r] %s: %s", item, call, reason)
            self.delivery.troubles.surface(Trouble("mistake", f"{call}: {reason}", item))
            if self.raise_errors:
                raise self.error(f"{call}: {reason}")
        return reason

    def with_left_out(self, call: str, item: str, given: Arguments, result: WriteResult) -> WriteResult:
        """The result of a call that was carried out, with what it could not take as its reason."""
        if not result or not (reason := self.say_left_out(call, item, given)):
            return result
        return replace(result, reason="; ".join(filter(None, (result.reason, reason))))

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong at present with DynamoDB, the way to it, or the spool."""
        return self.delivery.troubles.present

    def flush(self, timeout: float = 10.0) -> bool:
        """Write what is buffered and replay what is spooled; whether nothing is left and nothing of it was lost.
        ``timeout``: seconds, looked at between two calls of DynamoDB."""
        return self.delivery.flush(arguments.timeout(timeout))

    def close(self, timeout: float = 10.0) -> bool:
        """``flush``, at the end of a program. What is left is on disk: the next writer with the same
        ``spool_dir`` and table replays it."""
        return self.delivery.close(arguments.timeout(timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _surface(self, error: Exception, item: str) -> None:
        """Tell of what is lost, unless the spool has told it."""
        if not isinstance(error, (SpoolFull, OSError)) or kind_of(error):
            kind = kind_of(error) or "mistake"
            self.delivery.troubles.failed(error)
            self.delivery.troubles.surface(Trouble(kind, f"{type(error).__name__}: {error}", item))
