"""Cases as the worker leaves them, put into the table as they are stored."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.cache import caches

from opsportal.dynamo import clients
from opsportal.dynamo.tables import binding
from opsportal.failures import store
from opsportal.failures.case import Case, Key, State, hour_of, part_key, stored_key
from opsportal.failures.failure import Failure
from opsportal.failures.fingerprint import VERSION, clean, error_type, fingerprint
from opsportal.failures.mark import Mark, mark_key
from opsportal.operations.entries import Actor
from opsportal.operations.tables import jobs_table_for

ERROR = "ThrottlingException: Too many tokens in 12 s, please wait before trying again."
OLGA = Actor("olga", "operator", "user:1")


def case_of(
    error: str = ERROR, *, logical: str = "workflows", step: str = "tradeExtraction", **more: Any
) -> Case:
    """An open case of that error. `runs`: by hours ago."""
    now = datetime.now(UTC)
    runs: dict[int, int] = more.pop("runs", {0: 2, 5: 1})
    failure = Failure(step, "Trade extraction", error, now)
    made = Case(
        id=fingerprint(logical, failure).id,
        version=VERSION,
        table=binding(logical),
        step=step,
        label="Trade extraction",
        type=error_type(error),
        line=clean(error),
        sample=clean(error),
        state=State.OPEN,
        opened_at=now - timedelta(hours=6),
        first_seen=now - timedelta(hours=6),
        last_seen=now - timedelta(minutes=3),
        count=sum(runs.values()),
        hours={hour_of(now) - ago: count for ago, count in runs.items()},
    )
    return replace(made, **more)


def put(*cases: Case, keys: Iterable[str] = ()) -> Case:
    """Stored, with these keys; the last of them."""
    for case in cases:
        _put(case, case.to_item())
        if keys:
            made = [Key(key, "failed", case.step, case.line, case.first_seen, case.last_seen) for key in keys]
            stored = {"L": [stored_key(key, case.line) for key in made]}
            _put(case, {**part_key(case.id, "keys"), "keys": stored})
    caches["process"].clear()
    caches["default"].clear()
    return cases[-1]


def follow(*logicals: str, ago: timedelta = timedelta(seconds=5)) -> None:
    """As a worker that has followed these tables for seven days."""
    now = datetime.now(UTC)
    for logical in logicals:
        mark = replace(Mark.new(now - timedelta(days=7)), until=now - ago, turn_at=now - ago)
        table = binding(logical)
        item = {**mark_key(logical), **mark.attributes(table.name), **mark.said()}
        jobs = jobs_table_for(table)
        clients.client(*jobs.location).put_item(TableName=jobs.name, Item=item)


def _put(case: Case, item: Any) -> None:
    jobs = jobs_table_for(case.table)
    clients.client(*jobs.location).put_item(TableName=jobs.name, Item=item)


def now_of(case: Case) -> Case:
    found = store.find(case.id)
    assert found
    return found
