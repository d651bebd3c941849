"""What a request costs at DynamoDB, and the time it may take.

`request_budget` opens the account of one request; botocore's events (see `clients`) book every call on
it. Threads that work for a request must run in a copy of its context.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass
class Spending:
    """Calls made, capacity units consumed (as DynamoDB reports them) and the AWS request ids. `seconds`: those
    between its beginning and its deadline."""

    deadline: float | None = None
    seconds: float = 0.0
    calls: int = 0
    attempts: int = 0
    read_units: Decimal = Decimal(0)
    write_units: Decimal = Decimal(0)
    operations: list[str] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    # A page's calls come from several threads.
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def attempt(self) -> None:
        """Count one attempt of a call."""
        with self._lock:
            self.attempts += 1

    def book(self, operation: str, parsed: dict[str, Any]) -> None:
        """Add one answered call. `parsed` is botocore's parsed response."""
        with self._lock:
            self._book(operation, parsed)

    def _book(self, operation: str, parsed: dict[str, Any]) -> None:
        self.calls += 1
        self.operations.append(operation)
        if request_id := parsed.get("ResponseMetadata", {}).get("RequestId"):
            self.request_ids.append(request_id)
        consumed = parsed.get("ConsumedCapacity") or []
        for capacity in consumed if isinstance(consumed, list) else [consumed]:
            units = Decimal(str(capacity.get("CapacityUnits") or 0))
            if operation in READS:
                self.read_units += units
            else:
                self.write_units += units

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return float("inf") if self.deadline is None else self.deadline - time.monotonic()


READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})

_current: ContextVar[Spending | None] = ContextVar("dynamo_spending", default=None)


def current() -> Spending | None:
    """The account of the request under way, if any."""
    return _current.get()


@contextmanager
def request_budget(seconds: float | None) -> Iterator[Spending]:
    """Open an account whose calls together end within `seconds` (None: no deadline)."""
    spending = Spending()
    if seconds is not None:
        spending.deadline, spending.seconds = time.monotonic() + seconds, seconds
    token = _current.set(spending)
    try:
        yield spending
    finally:
        _current.reset(token)


@contextmanager
def account() -> Iterator[Spending]:
    """The account under way, with its deadline; without one, a new one that has none."""
    if under_way := current():
        yield under_way
    else:
        with request_budget(None) as made:
            yield made
