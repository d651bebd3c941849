"""A value that the whole deployment shares: one caller computes it, the shared cache keeps it, all others read it.

For figures that cost many read units, such as a sample of a table: a hundred viewers, processes and hosts
cost what one costs. `shared` renews what is old; `kept` reads what is there; `renewed` is the worker's, which renews
ahead of the readers.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django.core.cache import caches
from django.db import DatabaseError

from opsportal.dynamo import spending
from opsportal.dynamo.errors import DynamoError, TooSlow

Value = TypeVar("Value")
# Seconds that a value is fresh; or what says so of one.
Fresh = float | Callable[["Shared[Any]"], float]

# Seconds that a value can be read when nothing renews it.
KEPT_SECONDS = 3_600
# Seconds after which another caller may compute, should the first have died. Longer than the deadline of a
# page's calls, so that a slow caller is not joined by others.
LEASE_SECONDS = 15
# A process reads its own copy for this part of the time that a value is fresh, so that fifty viewers are not fifty
# reads of the database. Seconds that it reads one that could not be renewed, so that a failing table is not asked again
# by every page.
COPY_PART, FAILED_SECONDS = 0.1, 10
# Seconds that a caller waits for another's first value, where it has no deadline of its own.
MAX_WAIT_SECONDS = 5
# Part of the key: two versions of the console that share a database must not read one another's values.
FORMAT = 3


@dataclass(frozen=True)
class Shared(Generic[Value]):
    """A value, when it was computed (UTC), and what that cost in calls and read units. `failed`: why it
    could not be renewed, None where it is fresh; `tried`: when the worker found so."""

    value: Value
    at: datetime
    calls: int = 0
    units: Decimal = Decimal(0)
    failed: DynamoError | None = None
    tried: datetime | None = None

    @property
    def age(self) -> float:
        """Seconds; 0 for one that a host with a fast clock made."""
        return max((datetime.now(UTC) - self.at).total_seconds(), 0)


def key_of(name: str) -> str:
    return f"shared:{FORMAT}:{name}"


def shared(
    name: str,
    compute: Callable[[Value | None], Value],
    *,
    fresh: Fresh,
    life: float = KEPT_SECONDS,
    remember: bool = True,
) -> Shared[Value]:
    """The value of that name, while it is fresh, unless another caller is about to renew it: then
    the old one, at once. Only the first value is waited for. `life`: seconds that it is kept without being renewed.

    `compute` gets the value before, None for the first. It must be picklable and plain (dicts, tuples,
    frozen dataclasses of this format). Its calls count on an account of its own, which the answer names, not on the
    page's; the page's deadline holds. Where it fails, the value before is returned with
    `failed`; without one, its `DynamoError` is raised, for `FAILED_SECONDS` without being asked again, or with
    `remember` False only this time: for a page, which a person may load again.
    """
    process, key = caches["process"], key_of(name)
    found: Shared[Value] | DynamoError | None = process.get(key)
    if found is None:
        try:
            found = _from_all(key, compute, fresh, life)
        except DynamoError as problem:
            if not remember:
                raise
            found = problem
        if isinstance(found, DynamoError) or found.failed:
            seconds: float = FAILED_SECONDS
        else:  # no longer than it is fresh, but for one that another caller renews
            limit = _limit(found, fresh)
            left, part = limit - found.age, limit * COPY_PART
            seconds = min(part, left) if left > 0 else part
        process.set(key, found, seconds)
    if isinstance(found, DynamoError):
        raise found
    return found


def forget(name: str) -> None:
    """Have this process ask again, also for what it could not read just now."""
    caches["process"].delete(key_of(name))


def kept(names: Iterable[str], *, fresh: float) -> dict[str, Shared[Any]]:
    """Of these names the values that are kept, however old, by one read of the shared cache at most."""
    process = caches["process"]
    keys = {key_of(name): name for name in names}
    copies = {key: one for key, one in process.get_many(keys).items() if isinstance(one, Shared)}
    if left := [key for key in keys if key not in copies]:
        found = caches["default"].get_many(left)
        process.set_many(found, fresh * COPY_PART)
        copies |= found
    return {keys[key]: one for key, one in copies.items()}


def renewed(
    name: str, compute: Callable[[Value | None], Value], *, fresh: Fresh, life: float = KEPT_SECONDS
) -> Shared[Value] | None:
    """Renew the value where it is as old as that, and return it: None where it is not, or another caller is about to.
    Where it fails, the readers get the value before with `failed`. Raises its `DynamoError`."""
    cache, key = caches["default"], key_of(name)
    if _is_fresh(cache.get(key), fresh):
        return None
    with _lease(key) as leads:
        before: Shared[Value] | None = cache.get(key)
        if not leads or _is_fresh(before, fresh):
            return None
        found = _renewed(key, compute, before, life)
        if found.failed:
            cache.set(key, replace(found, tried=datetime.now(UTC)), life)
            raise found.failed
    return found


def keep(name: str, value: Any, life: float) -> None:
    """For `kept`: what nobody computes by himself."""
    caches["default"].set(key_of(name), Shared(value, datetime.now(UTC)), life)


def _limit(found: Shared[Any], fresh: Fresh) -> float:
    return fresh(found) if callable(fresh) else fresh


def _is_fresh(found: Shared[Any] | None, fresh: Fresh) -> bool:
    """Or was found not to be renewable just now."""
    return found is not None and (
        found.age < _limit(found, fresh)
        or (found.tried is not None and (datetime.now(UTC) - found.tried).total_seconds() < FAILED_SECONDS)
    )


@contextmanager
def _lease(key: str) -> Iterator[bool]:
    """Whether this caller is the one that computes. Raises DatabaseError where nothing can be written."""
    cache, lease, mine = caches["default"], f"{key}:lease", uuid.uuid4().hex
    leads = cache.add(lease, mine, LEASE_SECONDS)
    try:
        yield leads
    finally:
        if leads and cache.get(lease) == mine:
            cache.delete(lease)


def _from_all(
    key: str, compute: Callable[[Value | None], Value], fresh: Fresh, life: float = KEPT_SECONDS
) -> Shared[Value]:
    cache, began = caches["default"], time.monotonic()
    while True:
        found: Shared[Value] | None = cache.get(key)
        if found and found.age < _limit(found, fresh):
            return found
        try:
            with _lease(key) as leads:
                if leads:
                    found = cache.get(key)  # another caller may just have finished
                    if found and found.age < _limit(found, fresh):
                        return found
                    return _renewed(key, compute, found, life)
        except DatabaseError:  # nothing can be written: each reads for itself
            return _renewed(key, compute, found, life)
        if found:
            return found
        account = spending.current()
        left = account.seconds_left if account else float("inf")
        if min(left, MAX_WAIT_SECONDS - (time.monotonic() - began)) <= 0:
            raise TooSlow("Another process is reading these figures and is not done yet.", "Try again.")
        time.sleep(0.05)


def _renewed(
    key: str, compute: Callable[[Value | None], Value], before: Shared[Value] | None, life: float
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
    caches["default"].set(key, made, life)
    return made
