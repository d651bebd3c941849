"""Audit entries: written in the transaction of the change that they record, never edited or deleted after."""

import hashlib
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings

from opsportal.dynamo.attributes import (
    Malformed,
    Typed,
    raw_text,
    read_list,
    read_map,
    read_text,
    read_time,
)
from opsportal.dynamo.errors import translated
from opsportal.dynamo.keys import Key
from opsportal.dynamo.tables import Binding, binding
from opsportal.operations.changes import Changed, Raw, number, text
from opsportal.operations.items import AuditItem
from opsportal.operations.tables import audit_table_for, entry_life, image_life
from opsportal.operations.tags import Action, UnknownAction, read_action

FEED_SHARDS, JOB_SHARDS = 4, 16
# Bytes of an old or new value in an entry, and of all of them; longer ones are cut, and the image has the whole.
MAX_VALUE, MAX_VALUES = 4_000, 80_000
MAX_REASON = 2_000
# What a reason must not hold: terminals and log readers act on it.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
# More than any id of an actor has. A row of a feed has it four times, and any writer of the table may put 400 KB.
MAX_ACTOR_ID = 40
# An AWS limit is 32 levels of an item; an entry puts four above each value.
MAX_DEPTH = 26


@dataclass(frozen=True)
class Actor:
    """Who acts. `name` is the account's or the token's at that time, `role` the role it acted in.

    `id` never goes to another (`opsportal.accounts.actors`); it is "" in entries from before there were ids.
    `since`: what became of the name, see `actors.named`.
    """

    name: str
    role: str
    id: str
    since: str = field(default="", compare=False)

    def is_same(self, other: "Actor") -> bool:
        """By the ids. By the names only where one of the two has none: an older entry, or a message from then."""
        return self.id == other.id if self.id and other.id else self.name == other.name

    @property
    def sought_as(self) -> str:
        """What the trail's filter finds its entries by."""
        return self.id or self.name

    @property
    def described(self) -> str:
        """For a sentence: "olga (now otto)"."""
        return f"{self.name} ({self.since})" if self.since else self.name

    def stored(self) -> Raw:
        """As an entry stores it. `actor_key` is the key of an index."""
        if not self.id:
            return {"actor": text(self.name), "actor_key": text(self.name)}
        return {"actor": text(self.name), "actor_id": text(self.id), "actor_key": text(self.id)}


@dataclass(frozen=True)
class Target:
    """The item that is acted on: the logical table, and the text of its key."""

    logical: str
    id: str

    @property
    def table(self) -> Binding:
        return binding(self.logical)

    @property
    def key(self) -> Key:
        """Raises NotAKey where no item can have that id."""
        return self.table.key_of(self.id)

    @property
    def hash(self) -> str:
        """A key may be 2,048 bytes long; an index is keyed by this instead."""
        table = self.table
        return hashlib.sha256("\n".join((self.logical, table.name, self.id)).encode()).hexdigest()


@dataclass(frozen=True)
class Intent:
    """What somebody wants done to one item: the same for a page, the API, the worker and the command line.

    `data`: what the action needs besides, such as the values of its form. `job`: the id of the job that it is part
    of, "" for a single action.
    """

    action: Action
    target: Target
    actor: Actor
    reason: str
    action_id: str
    data: Mapping[str, Any] = field(default_factory=dict)
    job: str = ""


@dataclass(frozen=True)
class Entry:
    """One effect. `changes` as recorded; `watch` are the values that `observation` compares.

    `at` is fixed-width UTC text, so that string order is time order. The entries of a job are in a feed of their own,
    and not in that of their actor, which one entry for the whole job stands in.
    """

    action_id: str
    action: Action | UnknownAction
    actor: Actor
    target: Target
    at: str
    reason: str = ""
    condition: str = ""
    changes: tuple[Changed, ...] = ()
    watch: Raw = field(default_factory=dict)
    undo_of: str = ""
    has_image: bool = False
    stale_image: bool = False
    count: int | None = None
    note: str = ""
    # As recorded; the settings may have been led to another table since.
    table: str = ""
    job: str = ""

    @property
    def time(self) -> datetime | Malformed | None:
        return read_time(text(self.at))

    @property
    def age(self) -> timedelta:
        """Time since, the longest there is where it can't be read."""
        return datetime.now(UTC) - self.time if isinstance(self.time, datetime) else timedelta.max

    @property
    def is_ours(self) -> bool:
        """Whether its target is in a table that this console reads: it can be linked to, and undone."""
        return self.target.logical in settings.DYNAMO_TABLES and self.table in ("", self.target.table.name)

    def is_of(self, intent: Intent) -> bool:
        """Whether this is what a repeated call meant."""
        same = (self.action, self.target) == (intent.action, intent.target)
        return same and self.actor.is_same(intent.actor)

    @property
    def feed(self) -> str:
        """The partition of the feed's index that it is in."""
        digest = int(hashlib.sha256(self.action_id.encode()).hexdigest(), 16)
        if self.job:
            return f"job#{self.job}#{digest % JOB_SHARDS}"
        return f"{self.at[:10]}#{digest % FEED_SHARDS}"

    def item(self) -> Raw:
        """As it is stored."""
        raw: dict[str, Typed | None] = {
            "action_id": text(self.action_id),
            "at": text(self.at),
            "action": text(self.action.value),
            **self.actor.stored(),
            **({"job": text(self.job), "actor_key": None} if self.job else {}),
            "role": text(self.actor.role or "none"),
            "logical": text(self.target.logical),
            "table": text(self.table or self.target.table.name),
            "target": text(self.target.id),
            "target_hash": text(self.target.hash),
            "feed": text(self.feed),
            "ttl": number(int(time.time()) + entry_life()),
            "reason": text(self.reason[:MAX_REASON]) if self.reason else None,
            "condition": text(self.condition) if self.condition else None,
            "changes": {"L": _stored(self.changes)} if self.changes else None,
            "watch": {"M": self.watch} if self.watch else None,
            "undo_of": text(self.undo_of) if self.undo_of else None,
            "has_image": {"BOOL": True} if self.has_image else None,
            "stale_image": {"BOOL": True} if self.stale_image else None,
            "count": number(self.count) if self.count is not None else None,
            "note": text(self.note) if self.note else None,
        }
        return {name: value for name, value in raw.items() if value is not None}


def _stored(changes: Sequence[Changed]) -> list[Typed]:
    # An item holds 400 KB, and a change may touch many long values.
    most = min(MAX_VALUE, MAX_VALUES // (2 * len(changes)))
    stored: list[Typed] = []
    for change in changes:
        members: Raw = {"path": {"L": [text(name) for name in change.path]}}
        for name, value in (("old", change.old), ("new", change.new)):
            if value is not None:
                members[name] = _short(value, most)
        stored.append({"M": members})
    return stored


def _short(value: Typed, most: int) -> Typed:
    """The typed value, or of a long or a deep one the beginning of its JSON."""
    written = raw_text(value)
    encoded = written.encode(errors="replace")
    whole = len(encoded) <= most and not _deeper(value, MAX_DEPTH)
    return {"M": {"value": value} if whole else {"cut": text(encoded[:most].decode(errors="ignore"))}}


def _deeper(value: Typed, levels: int) -> bool:
    """Whether maps and lists are nested in more levels than that."""
    ((tag, content),) = value.items()
    if tag not in ("M", "L"):
        return False
    members = content.values() if tag == "M" else content
    return levels == 0 or any(_deeper(member, levels - 1) for member in members)


def _read_change(value: Typed) -> Changed:
    members = read_map(value) or {}
    path = tuple(read_text(part) or "" for part in read_list(members.get("path")) or [])
    old, new = (_read_side(members.get(name)) for name in ("old", "new"))
    cut = read_text((read_map(members.get("new")) or {}).get("cut"))
    return Changed(path, old, new, cut or "")


def _read_side(side: Typed | None) -> Typed | None:
    if side is None:
        return None
    members = read_map(side) or {}
    return members.get("value") or text(f"{read_text(members.get('cut')) or ''}…")


def from_item(raw: Raw) -> Entry:
    """The entry of an item of the audit table, whole or as an index projects it. Whatever else lies there
    is read as far as it goes."""
    return _entry(AuditItem.from_raw_data(raw))


def _entry(item: AuditItem) -> Entry:
    return Entry(
        action_id=item.action_id or "",
        action=read_action(item.action or ""),
        actor=Actor(item.actor or "", item.role or "", (item.actor_id or "")[:MAX_ACTOR_ID]),
        target=Target(item.logical or "", item.target or ""),
        at=item.at or "",
        reason=item.reason or "",
        condition=item.condition or "",
        changes=tuple(map(_read_change, item.changes or [])),
        watch=item.watch or {},
        undo_of=item.undo_of or "",
        has_image=bool(item.has_image),
        stale_image=bool(item.stale_image),
        count=int(item.number) if isinstance(item.number, Decimal) else None,
        note=item.note or "",
        table=item.table or "",
        job=item.job or "",
    )


def new_action_id() -> str:
    return str(uuid.uuid4())


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_action_id(given: str) -> bool:
    """Whether text from outside may be a key of the audit table (an image's key has a suffix)."""
    return bool(_UUID.fullmatch(given))


def stamp(moment: datetime | None = None) -> str:
    """Fixed-width UTC: 2026-11-20T10:00:00.000000Z."""
    return (moment or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_entry(action_id: str, table: Binding, *, background: bool = False) -> Entry | None:
    """The entry of that action beside `table` (consistent read), or None. Raises `DynamoError`."""
    item = _read(action_id, table, background=background)
    return _entry(item) if item else None


def _read(key: str, table: Binding, *, background: bool = False) -> AuditItem | None:
    audit = audit_table_for(table)
    try:
        with translated(audit):
            return AuditItem.bound_to(audit, background=background).get(key, consistent_read=True)
    except AuditItem.DoesNotExist:
        return None


def image_key(action_id: str) -> str:
    return f"{action_id}#image"


def image_item(action_id: str, packed: bytes) -> Raw:
    """The before-image's own item: other life and other permission than its entry."""
    return {
        "action_id": text(image_key(action_id)),
        "image": {"B": packed},
        "ttl": number(int(time.time()) + image_life()),
    }


def read_image(action_id: str, table: Binding) -> bytes | None:
    """The packed before-image of an action, or None when it has expired. Raises `DynamoError`."""
    return _unexpired(_read(image_key(action_id), table))


def packed_image(raw: Raw | None) -> bytes | None:
    """The same, of the image's item as it is stored."""
    return _unexpired(AuditItem.from_raw_data(raw)) if raw else None


def _unexpired(item: AuditItem | None) -> bytes | None:
    # TTL deletes within days; an expired image is gone all the same.
    if item is None or not isinstance(item.ttl, Decimal) or item.ttl < time.time():
        return None
    return item.image
