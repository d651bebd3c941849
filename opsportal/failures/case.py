"""A case as a value: the failures of one fingerprint, and what people make of them."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from opsportal.dynamo.attributes import Typed, read_text
from opsportal.dynamo.tables import Binding, binding
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.entries import stamp

# Notes of a case, and characters of one: all are part of each read of it.
MAX_NOTES, MAX_NOTE = 50, 1_000
# `kind` is the hash key of the index of jobs: whether somebody should look at it.
KIND_ACTIVE, KIND_CLOSED = "case-active", "case"
# Hours of which a case has the number of failures: seven days, and the one that has begun.
HOURS = 7 * 24 + 1
# Before the number of an hour (since 1970), in the name of an attribute.
HOUR = "h"


class State(enum.StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Note:
    by: str
    by_id: str
    at: datetime
    text: str


@dataclass(frozen=True)
class Key:
    """An item that failed. `line`: its error, cleaned; `failed_at`: of the failure that was counted."""

    key: str
    status: str
    step: str
    line: str
    created_at: datetime | None
    failed_at: datetime | None


@dataclass(frozen=True)
class Case:
    """`id`: its fingerprint, made by the rules of that `version`. `line`: the cleaned error, which for the rest of a flood
    is `fingerprint.OTHERS`; `sample`: that of the newest failure.

    `reopened`: open again after it had been resolved, at `reopened_at`. `reason`, `closed_by`, `closed_at`: of the last
    resolve. `count`: of all failures that were counted, and by hour since 1970 in `hours`. `edition` grows with each change
    by a person and when it is reopened, and guards these changes.
    """

    id: str
    version: int
    table: Binding
    step: str
    label: str
    type: str
    line: str
    sample: str
    state: State
    opened_at: datetime
    first_seen: datetime
    last_seen: datetime
    count: int = 0
    hours: Mapping[int, int] = field(default_factory=dict)
    reopened: bool = False
    reopened_at: datetime | None = None
    owner: str = ""
    owner_id: str = ""
    notes: tuple[Note, ...] = ()
    muted_until: datetime | None = None
    reason: str = ""
    closed_by: str = ""
    closed_at: datetime | None = None
    edition: int = 0

    @property
    def logical(self) -> str:
        return self.table.logical

    @property
    def is_active(self) -> bool:
        """Whether somebody should look at it."""
        return self.state is not State.RESOLVED

    def is_muted(self, now: datetime) -> bool:
        return self.muted_until is not None and self.muted_until > now

    def in_hours(self, since: datetime) -> int:
        """The failures since the beginning of that hour."""
        return sum(count for hour, count in self.hours.items() if hour >= hour_of(since))

    @property
    def key(self) -> Raw:
        return part_key(self.id, "meta")

    def to_item(self) -> Raw:
        """`meta` as it is stored, without its `ttl`."""
        return {
            **self.key,
            "kind": text(KIND_ACTIVE if self.is_active else KIND_CLOSED),
            "created_at": text(stamp(self.opened_at)),
            "version": number(self.version),
            "logical": text(self.logical),
            "table": text(self.table.name),
            "opened_at": text(stamp(self.opened_at)),
            "first_seen": text(stamp(self.first_seen)),
            "last_seen": text(stamp(self.last_seen)),
            "count": number(self.count),
            "edition": number(self.edition),
            **{f"{HOUR}{hour}": number(count) for hour, count in self.hours.items()},
            **{name: value for name, value in self.changeable().items() if value is not None},
            **_texts(step=self.step, label=self.label, type=self.type, line=self.line, sample=self.sample),
        }

    def changeable(self) -> dict[str, Typed | None]:
        """What people change of it, as it is stored; None is left out."""
        return {
            "state": text(self.state.value),
            "reopened": {"BOOL": True} if self.reopened else None,
            "reopened_at": _at(self.reopened_at),
            "muted_until": _at(self.muted_until),
            "closed_at": _at(self.closed_at),
            "notes": {"L": [_note(one) for one in self.notes[-MAX_NOTES:]]} if self.notes else None,
            **{
                name: text(value) if value else None
                for name, value in (
                    ("owner", self.owner),
                    ("owner_id", self.owner_id),
                    ("reason", self.reason),
                    ("closed_by", self.closed_by),
                )
            },
        }


def part_key(case_id: str, part: str) -> Raw:
    return {"pk": text(f"case#{case_id}"), "sk": text(part)}


def hour_of(moment: datetime) -> int:
    """Hours since 1970."""
    return int(moment.timestamp() // 3_600)


def moment_of(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * 3_600, UTC)


def hours_in(raw: Mapping[str, Typed], prefix: str = HOUR) -> dict[int, int]:
    """By hour since 1970, what an item counts in attributes with that prefix."""
    return {
        int(name.removeprefix(prefix)): int(value["N"])
        for name, value in raw.items()
        if name.startswith(prefix) and name.removeprefix(prefix).isdigit()
    }


def from_item(raw: Raw) -> Case:
    """The case of its `meta`. Raises ValueError, KeyError, TypeError, ArithmeticError where another program wrote it, or
    one with other settings."""
    return Case(
        id=_text(raw, "pk").removeprefix("case#"),
        version=int(raw["version"]["N"]),
        table=binding(_text(raw, "logical")),
        step=_text(raw, "step"),
        label=_text(raw, "label"),
        type=_text(raw, "type"),
        line=_text(raw, "line"),
        sample=_text(raw, "sample"),
        state=State(_text(raw, "state")),
        opened_at=_needed(raw, "opened_at"),
        first_seen=_needed(raw, "first_seen"),
        last_seen=_needed(raw, "last_seen"),
        count=int(raw["count"]["N"]),
        hours=hours_in(raw),
        reopened=bool(raw.get("reopened", {}).get("BOOL")),
        reopened_at=time_in(raw, "reopened_at"),
        owner=_text(raw, "owner"),
        owner_id=_text(raw, "owner_id"),
        notes=tuple(_read_note(one["M"]) for one in raw.get("notes", {}).get("L", [])),
        muted_until=time_in(raw, "muted_until"),
        reason=_text(raw, "reason"),
        closed_by=_text(raw, "closed_by"),
        closed_at=time_in(raw, "closed_at"),
        edition=int(raw["edition"]["N"]),
    )


def keys_from(raw: Mapping[str, Typed], case: Case) -> tuple[Key, ...]:
    """Those in the `keys` item of the case, the newest failure first; what is no key is left out."""
    found = []
    for one in raw.get("keys", {}).get("L", []):
        members = one.get("M", {})
        if key := _text(members, "key"):
            line = _text(members, "line") or case.line
            created, failed = time_in(members, "created_at"), time_in(members, "failed_at")
            found.append(Key(key, _text(members, "status"), case.step, line, created, failed))
    return tuple(found)


def stored_key(key: Key, case_line: str) -> Typed:
    """As it is stored: the line only where it is not the case's."""
    members: dict[str, Typed | None] = {
        **_texts(key=key.key, status=key.status, line=key.line if key.line != case_line else ""),
        "created_at": _at(key.created_at),
        "failed_at": _at(key.failed_at),
    }
    return {"M": {name: value for name, value in members.items() if value}}


def time_in(raw: Mapping[str, Typed], name: str) -> datetime | None:
    try:
        return datetime.strptime(_text(raw, name), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _needed(raw: Mapping[str, Typed], name: str) -> datetime:
    found = time_in(raw, name)
    if found is None:
        raise ValueError(f"{name} is missing.")
    return found


def _texts(**values: str) -> dict[str, Any]:
    return {name: text(value) for name, value in values.items() if value}


def _text(raw: Mapping[str, Typed], name: str) -> str:
    found = read_text(raw.get(name))
    return found if isinstance(found, str) else ""


def _at(moment: datetime | None) -> Typed | None:
    return text(stamp(moment)) if moment else None


def _note(note: Note) -> Typed:
    return {"M": _texts(by=note.by, by_id=note.by_id, at=stamp(note.at), text=note.text[:MAX_NOTE])}


def _read_note(raw: Mapping[str, Typed]) -> Note:
    return Note(_text(raw, "by"), _text(raw, "by_id"), _needed(raw, "at"), _text(raw, "text"))
