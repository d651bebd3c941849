"""What the writers of both tables share: the client, the delivery, and its end."""

import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self

import boto3
from botocore.config import Config

from . import answers
from .buffer import Merge
from .delivery import Apply, Delivery
from .locations import locate
from .results import OnTrouble, SpoolFull, Trouble, kind_of
from .spool import Spool

ATTEMPTS = 12  # against writers that change the same item at the same time
SPOOL_BYTES = 64 * 1024 * 1024
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def client_of(given: Any, region: str | None, endpoint_url: str | None) -> Any:
    """The client that a writer was given, or one of its own. What they are answered in the calls of writers is
    looked at, and how long an attempt takes is bounded; the program's other calls with its client stay as they are.
    """
    client = given or _make_client(region, endpoint_url)
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
            clock=lambda: self.clock(),
            spool=spool,
            on_trouble=on_trouble,
            interval=interval,
            merge=merge,
        )

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong at present with DynamoDB, the way to it, or the spool."""
        return self.delivery.troubles.present

    def flush(self, timeout: float = 10.0) -> bool:
        """Write what is buffered and replay what is spooled; whether nothing is left and nothing of it was lost.
        ``timeout``: seconds, looked at between two calls of DynamoDB."""
        return self.delivery.flush(timeout)

    def close(self, timeout: float = 10.0) -> bool:
        """``flush``, at the end of a program. What is left is on disk: the next writer with the same
        ``spool_dir`` and table replays it."""
        return self.delivery.close(timeout)

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
