"""Cases as they lie in the jobs table of their table's location.

``pk`` case#<id>: ``meta`` (`case.Case`) and ``keys``, its newest items. ``pk`` cases#<logical>: ``mark`` (`mark.Mark`, how far
the walk is) and ``sample`` (`samples`). No error is stored as it was written, and nothing else of an item than its key,
status and times.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from opsportal.dynamo import clients
from opsportal.dynamo.errors import translated
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.reads import read_all
from opsportal.dynamo.tables import Binding, binding
from opsportal.failures import case as cases
from opsportal.failures.case import KIND_ACTIVE, KIND_CLOSED, Case, Key, part_key
from opsportal.failures.mark import Mark, mark_key
from opsportal.jobs.updates import update
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.entries import stamp
from opsportal.operations.outcomes import Unreadable
from opsportal.operations.tables import jobs_table_for, locations

logger = logging.getLogger(__name__)

# What `fingerprint.identity` makes.
_ID = re.compile(r"[0-9a-f]{16}")
# Cases that are open or acknowledged at once; further ones become one of their step.
MAX_ACTIVE = 200
# Days that the keys of a resolved case are kept, and the case itself.
KEYS_DAYS, CLOSED_DAYS = 30, 400


class Listed(list[Case]):
    """`cut`: there are more of them."""

    cut = False


# --- Reading --------------------------------------------------------------------------------------------------------


def find(case_id: str) -> Case | None:
    """The case, as it is now: one unit in each location until it is found; None also for what can be no id. Raises
    Unreadable, `DynamoError`."""
    if not _ID.fullmatch(case_id):
        return None
    for location in locations():
        if raw := _item(location, part_key(case_id, "meta")):
            return read_case(raw)
    return None


def read_case(raw: Raw) -> Case:
    """Raises Unreadable."""
    try:
        return cases.from_item(raw)
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise Unreadable(f"This console can't read the case. {error}") from error


def active() -> Listed:
    """The open and acknowledged ones of all locations, the last changed first, at most `MAX_ACTIVE`: one call for each
    location, half a unit per 4 KB, of a case 1 to 4 KB as a rule. Raises `DynamoError`."""
    return _listed(KIND_ACTIVE, MAX_ACTIVE)


def resolved(limit: int = 50) -> Listed:
    """The last resolved ones of all locations. Costs as `active`."""
    return _listed(KIND_CLOSED, limit)


def keys_of(case: Case) -> tuple[Key, ...]:
    """Up to 20 items that failed so, the newest failure first: one call, half a unit per 4 KB. Raises `DynamoError`."""
    return cases.keys_from(_item(case.table, part_key(case.id, "keys"), consistent=False), case)


def mark_of(logical: str) -> Mark | None:
    """How far the walk of that table is; None before its first turn. One call, half a unit. Raises `DynamoError`."""
    table = binding(logical)
    return Mark.from_item(_item(table, mark_key(logical), consistent=False), table.name)


def _item(location: Binding, key: Raw, *, consistent: bool = True) -> Raw:
    """Empty where there is none."""
    table = jobs_table_for(location)
    with translated(table):
        answer = clients.client(*table.location).get_item(
            TableName=table.name, Key=key, ConsistentRead=consistent
        )
    found: Raw = answer.get("Item", {})
    return found


def _listed(kind: str, limit: int) -> Listed:
    by_id: dict[str, tuple[str, Case]] = {}
    cut = False
    for location in locations():
        table = jobs_table_for(location)
        answers = read_all(
            table, "kind-index", pages=1, key=(Clause("kind", "=", (kind,)),), background=None,
            ScanIndexForward=False, Limit=limit + 1,
        )  # fmt: skip
        for answer in answers:
            cut |= len(answer["Items"]) > limit or "LastEvaluatedKey" in answer
            for raw, case in _readable(answer["Items"]):
                # An emulator may answer with those of all regions.
                by_id.setdefault(case.id, (str(raw["created_at"]["S"]), case))
    newest = sorted(by_id.values(), key=lambda pair: pair[0], reverse=True)
    found = Listed(case for _, case in newest[:limit])
    found.cut = cut or len(newest) > limit
    return found


def _readable(items: Iterable[Raw]) -> Iterator[tuple[Raw, Case]]:
    for raw in items:
        try:
            yield raw, read_case(raw)
        except Unreadable as unreadable:
            logger.warning("%s: %s", raw.get("pk", {}).get("S", "")[:60], unreadable.sentence)


# --- Changes by people ----------------------------------------------------------------------------------------------


def change(before: Case, after: Case, now: datetime) -> list[dict[str, Any]]:
    """The operations of a transaction that make `after` of the case, where it is as in `before`: its owner, state, notes,
    mute and what goes with these. The first fails where somebody was quicker. How long it and its keys live goes along."""
    table = jobs_table_for(before.table)
    values = after.changeable() | {
        "kind": text(KIND_ACTIVE if after.is_active else KIND_CLOSED),
        "created_at": text(stamp(now)),
        "edition": number(before.edition + 1),
        "ttl": None if after.is_active else _until(now, CLOSED_DAYS),
    }
    operations = [update(table, before.key, values, {"edition": number(before.edition)})]
    if before.is_active != after.is_active:
        operations.append(lives(before, None if after.is_active else now))
    return operations


def lives(case: Case, closed_at: datetime | None) -> dict[str, Any]:
    """The operation after which the keys of a case live on, or for 30 days since it was resolved."""
    table = jobs_table_for(case.table)
    operation: dict[str, Any] = {
        "TableName": table.name,
        "Key": part_key(case.id, "keys"),
        "UpdateExpression": "REMOVE #ttl" if closed_at is None else "SET #ttl = :ttl",
        "ExpressionAttributeNames": {"#ttl": "ttl"},
    }
    if closed_at:
        operation["ExpressionAttributeValues"] = {":ttl": keys_ttl(closed_at)}
    return {"Update": operation}


def keys_ttl(closed_at: datetime) -> dict[str, str]:
    return _until(closed_at, KEYS_DAYS)


def _until(moment: datetime, days: int) -> dict[str, str]:
    return number(int((moment + timedelta(days=days)).timestamp()))
