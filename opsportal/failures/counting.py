"""What failures make of the cases that they belong to: operations of the transaction in which they are counted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.tables import Binding
from opsportal.failures import store
from opsportal.failures.case import (
    HOUR,
    HOURS,
    KIND_ACTIVE,
    Case,
    Key,
    State,
    hour_of,
    keys_from,
    part_key,
    stored_key,
)
from opsportal.failures.failure import Failure
from opsportal.failures.fingerprint import OTHERS, VERSION, Fingerprint, clean, identity
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.entries import stamp
from opsportal.operations.tables import jobs_table_for

MAX_KEYS = 20
# Characters of what other programs chose: a status, the name of a step.
MAX_NAME = 200


class Occurrence(NamedTuple):
    """One failure of one item. `at`: when it counts as failed; `ended_at`: see `Failure`."""

    print: Fingerprint
    step: str
    label: str
    line: str
    key: str
    status: str
    created_at: datetime | None
    at: datetime
    ended_at: datetime | None

    @classmethod
    def of(
        cls,
        found: Fingerprint,
        failure: Failure,
        *,
        key: str,
        status: str,
        created_at: datetime | None,
        at: datetime,
    ) -> "Occurrence":
        step, label = failure.step[:MAX_NAME], failure.label[:MAX_NAME]
        line, status = clean(failure.error), status[:MAX_NAME]
        return cls(found, step, label, line, key, status, created_at, at, failure.ended_at)

    def among_others(self, logical: str, *, whole_table: bool) -> "Occurrence":
        """As one of the case that holds the rest of a flood: of its step, or of the table."""
        step, label = ("", "") if whole_table else (self.step, self.label)
        # No error has a type of this kind.
        found = Fingerprint(identity(logical, step, OTHERS, OTHERS), "", OTHERS)
        return self._replace(print=found, step=step, label=label)

    @property
    def is_of_others(self) -> bool:
        return self.print.line == OTHERS

    @property
    def is_of_table(self) -> bool:
        return self.is_of_others and not self.step


class Stored(NamedTuple):
    """A case with its keys as they lie in the table, just read."""

    case: Case
    keys: tuple[Key, ...]

    def has(self, one: Occurrence) -> bool:
        """Whether that failure was counted, and its item only written again since: its step ended before."""
        if one.ended_at is None:
            return False
        return any(
            key.key == one.key and key.failed_at and one.ended_at <= key.failed_at for key in self.keys
        )


def opened(table: Binding, occurrence: Occurrence, now: datetime) -> Case:
    """The new case of a failure, which is not counted yet."""
    return Case(
        id=occurrence.print.id,
        version=VERSION,
        table=table,
        step=occurrence.step,
        label=occurrence.label,
        type=occurrence.print.type,
        line=occurrence.print.line,
        sample=occurrence.line,
        state=State.OPEN,
        opened_at=now,
        first_seen=min(occurrence.at, now),
        last_seen=min(occurrence.at, now),
    )


def is_reopened_by(case: Case, at: datetime) -> bool:
    """Whether a failure at that time is one after it was resolved."""
    return not case.is_active and (case.closed_at is None or at > case.closed_at)


def reopened(case: Case, now: datetime) -> Case:
    """It keeps owner, notes and how it was resolved."""
    return replace(case, state=State.OPEN, reopened=True, reopened_at=now)


def put(case: Case) -> dict[str, Any]:
    """The operation that writes a new case, where there is none."""
    table = jobs_table_for(case.table)
    return {
        "TableName": table.name,
        "Item": case.to_item(),
        "ConditionExpression": "attribute_not_exists(pk)",
    }


def counted(
    table: Binding, stored: Stored | None, some: Sequence[Occurrence], now: datetime
) -> list[dict[str, Any]]:
    """The operations that count failures of one case, and make or reopen it: two. They fail where it is not as stored."""
    newest = max(some, key=lambda one: one.at)
    hours = Counter(hour for one in some if (hour := hour_of(one.at)) > hour_of(now) - HOURS)
    case = stored.case if stored else opened(table, newest, now)
    operations: list[dict[str, Any]] = []
    if stored is None:
        first = min(one.at for one in some)
        case = replace(case, first_seen=first, count=len(some), hours=hours)
        operations.append({"Put": put(case)})
    else:
        opens = is_reopened_by(case, newest.at)
        operations.append(_added(case, some, hours, reopened(case, now) if opens else None, now))
        case = reopened(case, now) if opens else case
    keys = _merged(stored.keys if stored else (), some)
    return [*operations, _kept(case, keys)]


def _added(
    case: Case, some: Sequence[Occurrence], hours: Counter[int], opens: Case | None, now: datetime
) -> dict[str, Any]:
    newest = max(some, key=lambda one: one.at)
    sets: dict[str, Typed] = {
        "first_seen": text(stamp(min(case.first_seen, *(one.at for one in some)))),
        "last_seen": text(stamp(max(case.last_seen, newest.at))),
    }
    if newest.at >= case.last_seen:
        sets["sample"] = text(newest.line)
    # Those that no window shows any more, so that a case does not grow with its age.
    removes = [f"{HOUR}{hour}" for hour in case.hours if hour <= hour_of(now) - HOURS]
    if opens:
        sets |= _reopening(case, opens, now)
        removes.append("ttl")
    adds = {"count": len(some), **{f"{HOUR}{hour}": count for hour, count in hours.items()}}
    return _update(case, sets, removes, adds)


def reopening(case: Case, now: datetime) -> dict[str, Any]:
    """The operation that reopens a case for a failure that is counted later."""
    return _update(case, _reopening(case, reopened(case, now), now), ["ttl"], {})


def _reopening(case: Case, opens: Case, now: datetime) -> dict[str, Typed]:
    return {
        **{name: value for name, value in opens.changeable().items() if value is not None},
        "kind": text(KIND_ACTIVE),
        "created_at": text(stamp(now)),
        "edition": number(case.edition + 1),
    }


def _update(case: Case, sets: dict[str, Typed], removes: list[str], adds: dict[str, int]) -> dict[str, Any]:
    names = {name: f"#n{at}" for at, name in enumerate(dict.fromkeys((*sets, *removes, *adds, "edition")))}
    parts = ["SET " + ", ".join(f"{names[name]} = :{names[name][1:]}" for name in sets)]
    if removes:
        parts.append("REMOVE " + ", ".join(names[name] for name in removes))
    if adds:
        parts.append("ADD " + ", ".join(f"{names[name]} :{names[name][1:]}" for name in adds))
    values = {f":{names[name][1:]}": value for name, value in sets.items()}
    values |= {f":{names[name][1:]}": number(count) for name, count in adds.items()}
    return {
        "Update": {
            "TableName": jobs_table_for(case.table).name,
            "Key": case.key,
            "UpdateExpression": " ".join(parts),
            "ConditionExpression": f"{names['edition']} = :edition",
            "ExpressionAttributeNames": {short: name for name, short in names.items()},
            "ExpressionAttributeValues": values | {":edition": number(case.edition)},
        }
    }


def _merged(keys: Sequence[Key], some: Sequence[Occurrence]) -> list[Key]:
    """The newest of both, each item once."""
    new = [Key(one.key, one.status, one.step, one.line, one.created_at, one.at) for one in some]
    found: dict[str, Key] = {}
    for key in sorted(
        (*new, *keys), key=lambda one: one.failed_at.timestamp() if one.failed_at else 0, reverse=True
    ):
        found.setdefault(key.key, key)
    return list(found.values())[:MAX_KEYS]


def _kept(case: Case, keys: Sequence[Key]) -> dict[str, Any]:
    """The operation that writes the keys of a case, and how long they live."""
    closed = None if case.is_active else case.closed_at
    values: dict[str, Typed] = {":keys": {"L": [stored_key(key, case.line) for key in keys]}}
    if closed:
        values[":ttl"] = store.keys_ttl(closed)
    return {
        "Update": {
            "TableName": jobs_table_for(case.table).name,
            "Key": part_key(case.id, "keys"),
            "UpdateExpression": "SET #keys = :keys" + (", #ttl = :ttl" if closed else " REMOVE #ttl"),
            "ExpressionAttributeNames": {"#keys": "keys", "#ttl": "ttl"},
            "ExpressionAttributeValues": values,
        }
    }


def stored_from(items: Sequence[Raw]) -> Stored | None:
    """Of what lies under a case's key; None where there is no case. Raises `Unreadable`."""
    parts = {item["sk"]["S"]: item for item in items}
    if "meta" not in parts:
        return None
    case = store.read_case(parts["meta"])
    return Stored(case, keys_from(parts.get("keys", {}), case))
