"""A value that the whole deployment shares: one caller computes it, the shared cache keeps it, all others read it.

For figures that cost many read units, such as a sample of a table: a hundred viewers, processes and hosts
cost what one costs.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Generic, TypeVar

from django.core.cache import caches
from django.db import DatabaseError

from opsportal.dynamo import spending
from opsportal.dynamo.errors import DynamoError, TooSlow

Value = TypeVar("Value")

# Seconds that a value can be read when nothing renews it.
KEPT_SECONDS = 3_600
# Seconds after which another caller may compute, should the first have died. Longer than the deadline of a
# page's calls, so that a slow caller is not joined by others.
LEASE_SECONDS = 15
# Seconds that a process reads its own copy, so that fifty viewers are not fifty reads of the database; and one
# that could not be renewed, so that a failing table is not asked again by every page.
COPY_SECONDS, FAILED_SECONDS = 1, 10
# Seconds that a caller waits for another's first value, where it has no deadline of its own.
MAX_WAIT_SECONDS = 5
# Part of the key: two versions of the console that share a database must not read one another's values.
FORMAT = 1


@dataclass(frozen=True)
class Shared(Generic[Value]):
    """A value, when it was computed (UTC), and what that cost in calls and read units. `failed`: why it
    could not be renewed, None where it is fresh."""

    value: Value
    at: datetime
    calls: int = 0
    units: Decimal = Decimal(0)
    failed: DynamoError | None = None


def shared(name: str, compute: Callable[[Value | None], Value], *, fresh: float) -> Shared[Value]:
    """The value of that name, at most `fresh` seconds old, unless another caller is about to renew it: then
    the old one, at once. Only the first value is waited for.

    `compute` gets the value before, None for the first. It must be picklable and plain (dicts, tuples,
    frozen dataclasses of this format). Its calls count on an account of its own, which the answer names, not on the
    page's; the page's deadline holds. Where it fails, the value before is returned with
    `failed`; without one, its `DynamoError` is raised, for `FAILED_SECONDS` without being asked again.
    """
    process, key = caches["process"], f"shared:{FORMAT}:{name}"
    found: Shared[Value] | DynamoError | None = process.get(key)
    if found is None:
        try:
            found = _from_all(key, compute, fresh)
        except DynamoError as problem:
            found = problem
        if isinstance(found, DynamoError) or found.failed:
            seconds: float = FAILED_SECONDS
        else:  # no longer than it is fresh, but for one that another caller renews
            left = fresh - _age(found)
            seconds = min(COPY_SECONDS, left) if left > 0 else COPY_SECONDS
        process.set(key, found, seconds)
    if isinstance(found, DynamoError):
        raise found
    return found


def _age(kept: "Shared[Value]") -> float:
    """Seconds; 0 for one that a host with a fast clock made."""
    return max((datetime.now(UTC) - kept.at).total_seconds(), 0)


def _from_all(key: str, compute: Callable[[Value | None], Value], fresh: float) -> Shared[Value]:
    cache, lease, mine = caches["default"], f"{key}:lease", uuid.uuid4().hex
    began = time.monotonic()
    while True:
        kept: Shared[Value] | None = cache.get(key)
        if kept and _age(kept) < fresh:
            return kept
        try:
            leads = cache.add(lease, mine, LEASE_SECONDS)
        except DatabaseError:  # nothing can be written: each reads for itself
            return _renewed(key, compute, kept)
        if leads:
            try:
                kept = cache.get(key)  # another caller may just have finished
                return kept if kept and _age(kept) < fresh else _renewed(key, compute, kept)
            finally:
                if cache.get(lease) == mine:
                    cache.delete(lease)
        if kept:
            return kept
        account = spending.current()
        left = account.seconds_left if account else float("inf")
        if min(left, MAX_WAIT_SECONDS - (time.monotonic() - began)) <= 0:
            raise TooSlow("Another process is reading these figures and is not done yet.", "Try again.")
        time.sleep(0.05)


def _renewed(
    key: str, compute: Callable[[Value | None], Value], before: Shared[Value] | None
) -> Shared[Value]:
    page = spending.current()
    try:
        with spending.request_budget(page.seconds_left if page and page.deadline else None) as account:
            value = compute(before.value if before else None)
    except DynamoError as problem:
        if before is None:
            raise
        return Shared(before.value, before.at, before.calls, before.units, problem)
    made = Shared(value, datetime.now(UTC), account.calls, account.read_units)
    caches["default"].set(key, made, KEPT_SECONDS)
    return made
