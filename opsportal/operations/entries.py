"""Audit entries: written in the transaction of the change they tell of, never edited or deleted after."""

import hashlib
import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings

from opsportal.dynamo import clients
from opsportal.dynamo.attributes import (
    Malformed,
    Typed,
    raw_text,
    read_list,
    read_map,
    read_number,
    read_text,
    read_time,
)
from opsportal.dynamo.errors import translated
from opsportal.dynamo.tables import Binding, binding
from opsportal.operations.changes import Changed, Raw, number, text
from opsportal.operations.tables import audit_beside, entry_life, image_life
from opsportal.operations.tags import Action, UnknownAction, read_action

FEED_SHARDS = 4
# Bytes of an old or new value in an entry, and of all of them; longer ones are cut, and the image has the whole.
MOST_VALUE, MOST_VALUES = 4_000, 80_000
MOST_REASON = 2_000
# What a reason must not hold: terminals and log readers act on it.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
# More than any id of an actor has. A row of a feed has it four times, and whoever writes to the table may put 400 KB.
MAX_ACTOR_ID = 40
# An AWS limit is 32 levels of an item; an entry puts four above each value.
MOST_DEPTH = 26


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

    @classmethod
    def of(cls, raw: Raw) -> "Actor":
        """Of an entry, whole or as an index projects it."""
        name, role, id_ = (str(read_text(raw.get(name)) or "") for name in ("actor", "role", "actor_id"))
        return cls(name, role, id_[:MAX_ACTOR_ID])


@dataclass(frozen=True)
class Target:
    """The item that is acted on: the logical table and the key."""

    logical: str
    key: str

    @property
    def table(self) -> Binding:
        return binding(self.logical)

    @property
    def hash(self) -> str:
        """A key may be 2,048 bytes long; an index is keyed by this instead."""
        table = self.table
        return hashlib.sha256("\n".join((self.logical, table.name, self.key)).encode()).hexdigest()


@dataclass(frozen=True)
class Entry:
    """One effect. `changes` as recorded; `watch` are the values that `observation` compares.

    `at` is fixed-width UTC text, so that string order is time order.
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

    def same_intent(self, action: Action, actor: Actor, target: Target) -> bool:
        """Whether this is what a repeated call meant."""
        return (self.action, self.target) == (action, target) and self.actor.is_same(actor)

    def item(self) -> Raw:
        """As it is stored."""
        digest = int(hashlib.sha256(self.action_id.encode()).hexdigest(), 16)
        raw: dict[str, Typed | None] = {
            "action_id": text(self.action_id),
            "at": text(self.at),
            "action": text(self.action.value),
            **self.actor.stored(),
            "role": text(self.actor.role or "none"),
            "logical": text(self.target.logical),
            "table": text(self.table or self.target.table.name),
            "target": text(self.target.key),
            "target_hash": text(self.target.hash),
            "feed": text(f"{self.at[:10]}#{digest % FEED_SHARDS}"),
            "ttl": number(int(time.time()) + entry_life()),
            "reason": text(self.reason[:MOST_REASON]) if self.reason else None,
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
    most = min(MOST_VALUE, MOST_VALUES // (2 * len(changes)))
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
    whole = len(encoded) <= most and not _deeper(value, MOST_DEPTH)
    return {"M": {"value": value} if whole else {"cut": text(encoded[:most].decode(errors="ignore"))}}


def _deeper(value: Typed, levels: int) -> bool:
    """Whether maps and lists are nested in more levels than that."""
    ((tag, content),) = value.items()
    if tag not in ("M", "L"):
        return False
    members = content.values() if tag == "M" else content
    return levels == 0 or any(_deeper(member, levels - 1) for member in members)


def _map(value: Typed | None) -> Raw:
    found = read_map(value)
    return found if isinstance(found, dict) else {}


def _list(value: Typed | None) -> list[Typed]:
    found = read_list(value)
    return found if isinstance(found, list) else []


def _read_change(value: Typed) -> Changed:
    members = _map(value)
    path = _list(members.get("path"))
    cut = read_text(_map(members.get("new")).get("cut"))
    old, new = (_read_side(members.get(name)) for name in ("old", "new"))
    return Changed(tuple(str(read_text(part) or "") for part in path), old, new, str(cut or ""))


def _read_side(side: Typed | None) -> Typed | None:
    if side is None:
        return None
    members = _map(side)
    if "value" in members:
        return members["value"]
    return text(f"{read_text(members.get('cut')) or ''}…")


def of(raw: Raw) -> Entry:
    """The entry of an item of the audit table, whole or as an index projects it. Whatever else lies there
    is read as far as it goes."""

    def read(name: str) -> str:
        return str(read_text(raw.get(name)) or "")

    count = read_number(raw.get("count"))

    return Entry(
        action_id=read("action_id"),
        action=read_action(read("action")),
        actor=Actor.of(raw),
        target=Target(read("logical"), read("target")),
        at=read("at"),
        reason=read("reason"),
        condition=read("condition"),
        changes=tuple(map(_read_change, _list(raw.get("changes")))),
        watch=_map(raw.get("watch")),
        undo_of=read("undo_of"),
        has_image="has_image" in raw,
        stale_image="stale_image" in raw,
        count=int(count) if isinstance(count, Decimal) else None,
        note=read("note"),
        table=read("table"),
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


def read_entry(action_id: str, table: Binding, *, patient: bool = False) -> Entry | None:
    """The entry of that action beside `table` (consistent read), or None. Raises `DynamoError`."""
    audit = audit_beside(table)
    with translated(audit):
        answer = clients.client(*audit.place, patient=patient).get_item(
            TableName=audit.name, Key={"action_id": text(action_id)}, ConsistentRead=True
        )
    return of(answer["Item"]) if "Item" in answer else None


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
    audit = audit_beside(table)
    with translated(audit):
        answer: dict[str, Any] = clients.client(*audit.place).get_item(
            TableName=audit.name, Key={"action_id": text(image_key(action_id))}, ConsistentRead=True
        )
    item: Raw = answer.get("Item", {})
    packed, expires = item.get("image", {}).get("B"), read_number(item.get("ttl"))
    # TTL deletes within days; an expired image is gone all the same.
    if not isinstance(packed, bytes) or not isinstance(expires, Decimal) or expires < time.time():
        return None
    return packed
