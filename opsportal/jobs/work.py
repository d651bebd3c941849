"""What a job does to each of its items: the action's own plan, once the item is as the preview saw it."""

import hashlib
import logging
import uuid
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opsportal.dynamo.attributes import raw_text, read_text
from opsportal.dynamo.keys import NotAKey
from opsportal.dynamo.reads import items_of
from opsportal.dynamo.tables import Binding
from opsportal.jobs.chunks import Record
from opsportal.jobs.job import Job
from opsportal.operations import entries, images, undo
from opsportal.operations.bulk import action_of
from opsportal.operations.changes import Raw
from opsportal.operations.entries import Entry, Intent, Target
from opsportal.operations.item_actions import ItemAction
from opsportal.operations.outcomes import Conflict, Refused
from opsportal.operations.pages import ItemActions
from opsportal.operations.tables import audit_table_for
from opsportal.operations.transactions import Plan

logger = logging.getLogger(__name__)

UNPLANNED = "The console could not work out what to write: its log says why."
GONE = "It is not there any more."
TOO_LARGE_TO_KEEP = "It is too large to keep a copy for an undo: do it on its own page."
# Characters of a foreign status in a sentence, and of a sentence that is kept for many items.
MAX_STATUS, MAX_SENTENCE = 40, 300
# An item of a table is at most 400 KB, and packed to its image it may be larger than what an image item holds; one of
# fewer bytes (`steps.at_most`) never is.
MAY_NOT_FIT = 200_000


class ActionGone(Exception):
    """This version of the console has no such action."""


def action_id_of(job_id: str, logical: str, key: str) -> str:
    """The id of the entry of one item of a job."""
    name = f"{logical}\n{key}".encode(errors="surrogatepass").hex()
    return str(uuid.uuid5(uuid.UUID(job_id), name))


def digest(raw: Raw, names: Sequence[str]) -> str:
    """A short digest of these attributes as stored."""
    text = raw_text({"M": {name: raw[name] for name in sorted(names) if name in raw}})
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True)
class Work:
    """One action on items of one table, for one job. `data`: what the plan gets besides the item's own.

    `exact`: it acts only where stamps and status are those of the preview; else the status suffices.
    """

    job: Job
    actions: ItemActions
    action: ItemAction
    data: Mapping[str, Any]

    @property
    def exact(self) -> bool:
        return self.action.typed

    @property
    def writes(self) -> int:
        """Operations of one item in a transaction, messages left out."""
        return 2 + bool(self.action.undone)

    def record(self, key: str, raw: Raw | None, now: datetime) -> Record:
        """The item as the preview freezes it."""
        if raw is None:
            return Record(key, "", reason=GONE)
        status = self.status(raw)
        frozen = Record(key, status, digest(raw, self.actions.statuses), digest(raw, self.actions.stamps))
        try:
            self.plan(raw, now, self.intent(key))
            self.check_image(raw, len(repr(raw)))
        except Refused as refused:
            return Record(key, status, reason=refused.sentence[:MAX_SENTENCE])
        except Exception:
            self.log_unplanned(key)
            return Record(key, status, reason=UNPLANNED)
        return frozen

    def log_unplanned(self, key: str) -> None:
        """In an `except`: what a foreign program wrote is beyond the plan. One item must not hold up all the others."""
        logger.exception("job %s: item %r can't be planned", self.job.id, key)

    def check_image(self, raw: Raw | None, size: int) -> None:
        """Raises Conflict where no copy of it can be kept, and one must be."""
        if raw and size > MAY_NOT_FIT and self.action.undone and not self.job.undoes and not images.fits(raw):
            raise Conflict(TOO_LARGE_TO_KEEP)

    def status(self, raw: Raw) -> str:
        found = next((raw[name] for name in self.actions.statuses if name in raw), None)
        return str(read_text(found) or "")[:MAX_STATUS] if found else ""

    def load(self, records: Sequence[Record]) -> "Loaded":
        """What the items are now (consistent). Raises `DynamoError`."""
        found, unanswered = read_items(self.job.table, [one.key for one in records])
        return Loaded(found, unanswered)

    def intent(self, key: str, loaded: "Loaded | None" = None) -> Intent:
        job = self.job
        action_id = action_id_of(job.id, job.logical, key)
        return Intent(
            self.action.tag, Target(job.logical, key), job.actor, job.reason, action_id, self.data, job.id
        )

    def changed(self, record: Record, raw: Raw | None) -> str:
        """Why it is not acted on: it is not as the preview saw it; "" where it is."""
        if raw is None:
            return GONE
        if digest(raw, self.actions.statuses) != record.status_digest:
            return f"It was {record.status or 'without a status'} at the preview, and is {self.status(raw) or 'without one'} now."
        if self.exact and digest(raw, self.actions.stamps) != record.stamps_digest:
            return f"It was changed since the preview; it is {self.status(raw) or 'without a status'} now."
        return ""

    def plan(self, raw: Raw | None, now: datetime, intent: Intent) -> Plan:
        """Raises Refused."""
        return self.action.plan(raw, now, intent)


@dataclass
class Loaded:
    """Items by the text of their key; what is not there is missing. `answered`: the keys that were read, `unanswered` those
    that DynamoDB said nothing about. `undone`: for an undo, the entry of each that it undoes, with its image."""

    items: dict[str, Raw] = field(default_factory=dict)
    unanswered: frozenset[str] = frozenset()
    undone: dict[str, tuple[Entry, Raw | None]] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)

    def keep(self, keys: Set[str]) -> None:
        """Forget the others."""
        self.answered &= keys
        self.items = {key: raw for key, raw in self.items.items() if key in keys}
        self.undone = {key: found for key, found in self.undone.items() if key in keys}

    def add(self, more: "Loaded", asked: Sequence[Record]) -> None:
        self.items |= more.items
        self.undone |= more.undone
        self.unanswered = more.unanswered
        self.answered |= {one.key for one in asked} - more.unanswered


class Undo(Work):
    """Brings back what another job deleted, or what its items were before it changed them."""

    @property
    def writes(self) -> int:
        return 2

    def record(self, key: str, raw: Raw | None, now: datetime) -> Record:
        return Record(key, self.status(raw) if raw else "")

    def load(self, records: Sequence[Record]) -> Loaded:
        found, unanswered = read_items(self.job.table, [one.key for one in records])
        ids = {action_id_of(self.job.undoes, self.job.logical, one.key): one.key for one in records}
        audit = audit_table_for(self.job.table)
        wanted = [name for action_id in ids for name in (action_id, entries.image_key(action_id))]
        kept, missing = read_items(audit, wanted)
        undone = {}
        for action_id, key in ids.items():
            if action_id in kept:
                image = kept.get(entries.image_key(action_id))
                undone[key] = (entries.from_item(kept[action_id]), image)
        late = {ids[name.partition("#")[0]] for name in missing}
        return Loaded(found, unanswered | late, undone)

    def intent(self, key: str, loaded: Loaded | None = None) -> Intent:
        plain = super().intent(key)
        if loaded is None or key not in loaded.undone:
            raise Conflict("The audit entry of the change is gone.")
        entry, image = loaded.undone[key]
        data = {"entry": entry, "image": undo.image_of(entries.packed_image(image)), "note": undo.note(entry)}
        return Intent(
            undo.tag_of(entry), plain.target, plain.actor, plain.reason, plain.action_id, data, plain.job
        )

    def changed(self, record: Record, raw: Raw | None) -> str:
        return ""

    def plan(self, raw: Raw | None, now: datetime, intent: Intent) -> Plan:
        return undo.plan(raw, now, intent)


def work_of(job: Job) -> Work:
    """Raises ActionGone."""
    found = action_of(job.action)
    if found is None:
        raise ActionGone(f"This version of the console can't do {job.action.value} to many items.")
    bulk, action = found
    kind = Undo if job.undoes else Work
    return kind(job, bulk.actions, action, {**(action.bulk or {}), **job.data})


def read_items(
    table: Binding, keys: Sequence[str], *, consistent: bool = True
) -> tuple[dict[str, Raw], frozenset[str]]:
    """The items with these keys, by the keys' texts, and the keys that DynamoDB gave no answer about. Raises
    `DynamoError`."""
    wanted = []
    for key in keys:
        try:
            wanted.append(table.key_of(key))
        except NotAKey:
            continue  # no item has it
    found, left = items_of(table, wanted, consistent=consistent, background=True)
    return {table.key_in(item).text: item for item in found}, frozenset(one.text for one in left)
