"""What the newest items of a table have in common, so that a new one can be read by the table's own programs.

An item is also something that anybody with write access made. So facts about the form are learned, never a value:
what differs from item to item is made new, or left to a person (docs/dialects.md).
"""

import hashlib
import re
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from opsportal.dynamo.attributes import Raw, Typed, raw_text, read_time
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.reads import read
from opsportal.dynamo.tables import Binding, Index

Fact = TypeVar("Fact", bound=Hashable)

# Items that are looked at, and the bytes that one reading takes at most: those of one page.
NEWEST, MAX_BYTES = 20, 1_048_576
# Bytes that a read unit reads, where a read need not be consistent.
UNIT_BYTES = 8_192
# An AWS limit.
MAX_ITEM_BYTES = 409_600
# Bytes of a value that is learned from, and attributes learned of one table.
MAX_VALUE_BYTES, MAX_EXTRAS = 256, 20
# What is dated further ahead of now is of no clock and no zone: its writer would have the last word for ever.
AHEAD = timedelta(days=1)
# Items that must have distinct values before they are taken for ids.
MIN_IDS = 5


def agrees(count: int, total: int) -> bool:
    """Whether so many of all are at least 80 %."""
    return total > 0 and count * 5 >= total * 4


def agreed(facts: Sequence[Fact]) -> Fact | None:
    """The one that at least 80 % are; None where there is none."""
    if not facts:
        return None
    fact, count = Counter(facts).most_common(1)[0]
    return fact if agrees(count, len(facts)) else None


# --- Attributes that are not documented -----------------------------------------------------------------

# Plain names only: one in other letters may look like another.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_RUN_PARTS = (
    "status", "result", "error", "warning", "claim", "progress", "expir", "timestamp", "history", "lease",
    "heartbeat", "retries", "retry", "updated", "created", "started", "completed", "finished", "cancel",
    "fail", "processed", "worker", "locked", "lockowner", "attempt", "exception", "traceback", "stacktrace",
    "assigned", "acquired", "reserved", "modified", "deleted", "submitted", "lastseen", "visibility", "outcome",
    "duration", "elapsed", "succeeded",
)  # fmt: skip
_RUN_WORDS = frozenset(
    {
        "at", "completion", "consumer", "datetime", "done", "eta", "etag", "execution", "lock", "output", "outputs",
        "percent", "percentage", "phase", "picked", "processor", "queued", "response", "stack", "stage", "state",
        "step", "success", "time", "tries", "ts", "ttl",
    }
)  # fmt: skip
_SECRET_PARTS = ("password", "passwd", "secret", "credential", "token", "apikey", "signature", "privatekey")


# What is asked for of a run: `result_format`, `created_after`, `status_callback_url`.
_WORK_WORDS = frozenset(
    {
        "after", "before", "callback", "email", "format", "language", "limit", "max", "min", "mode", "policy",
        "range", "recipients", "since", "template", "threshold", "webhook", "window", "zone",
    }
)  # fmt: skip


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())


def _words(name: str) -> list[str]:
    return re.split(r"[^a-z0-9]+", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).casefold())


def describes_run(name: str) -> bool:
    """As `of_one_run`, of an item that a person copies on purpose: what is asked for of a run is work."""
    return of_one_run(name) and _WORK_WORDS.isdisjoint(_words(name))


def of_one_run(name: str) -> bool:
    """Whether an attribute of that name may describe one run of an item rather than its work: a status, a stamp, an
    expiry, results, errors, claims. Read without case, separators and space."""
    letters = _letters(name)
    return any(part in letters for part in _RUN_PARTS) or not _RUN_WORDS.isdisjoint(_words(name))


def learnable(name: str) -> bool:
    letters = _letters(name)
    secret = any(part in letters for part in _SECRET_PARTS)
    return bool(_NAME.fullmatch(name)) and not of_one_run(name) and not secret


_UUID = re.compile(
    r"(?P<prefix>[A-Za-z0-9_.:#/-]{0,40}?)"
    r"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}|[0-9a-f]{32})"
)
_DIGITS = re.compile(r"(?P<prefix>[A-Za-z0-9_.:#/-]{0,39}[A-Za-z_.:#/-])(?P<id>[0-9]{1,30})")


@dataclass(frozen=True)
class Extra:
    """An attribute that the documents do not name. `kind`: "S", "N" or "BOOL". `made`: "" for a value that a
    person gives, else how a new one is made: "uuid", "UUID" (upper case), "hex" or "digits" (`length` of them),
    after `prefix`. `example`: the newest value, for people only."""

    name: str
    kind: str = "S"
    made: str = ""
    prefix: str = ""
    length: int = 0
    required: bool = False
    example: str = field(default="", compare=False, repr=False)

    def new(self, action_id: str) -> Typed:
        """A new id, the same for the same action_id, so that a form sent twice is one item."""
        digest = hashlib.sha256(f"{action_id}\n{self.name}".encode()).digest()
        made = uuid.UUID(bytes=digest[:16], version=4)
        if self.made == "digits":
            digits = str(int.from_bytes(digest) % 10**self.length).zfill(self.length)
            return {"S": self.prefix + digits}
        texts = {"uuid": str(made), "UUID": str(made).upper(), "hex": made.hex}
        return {"S": self.prefix + texts[self.made]}


@dataclass(frozen=True)
class Dialect:
    """How a new item of a table is written. `origin`: "learned", "empty" (a table to learn nothing from),
    "documented" or "file"; `items`: how many it was learned from; `extras`: what the documents do not name."""

    origin: str = "documented"
    items: int = 0
    extras: tuple[Extra, ...] = ()

    @property
    def made(self) -> tuple[Extra, ...]:
        """The attributes whose values are made new."""
        return tuple(one for one in self.extras if one.made)

    def new_ids(self, action_id: str) -> Raw:
        """The ids that a new item gets."""
        return {one.name: one.new(action_id) for one in self.made}

    @property
    def asked_for(self) -> tuple[Extra, ...]:
        """The attributes whose values a person gives."""
        return tuple(one for one in self.extras if not one.made)

    def missing(self, given: Collection[str]) -> list[str]:
        """The names of the attributes that the setting requires and that are not given."""
        return [one.name for one in self.asked_for if one.required and one.name not in given]

    @property
    def fingerprint(self) -> str:
        """Differs between two ways of writing; what is asked for and the number of items are no part of it, nor is
        any field without a `repr`."""
        facts = repr(replace(self, origin="", items=0, extras=self.made))
        return hashlib.sha256(facts.encode()).hexdigest()[:16]


def extras(items: Sequence[Raw], known: Iterable[str]) -> tuple[Extra, ...]:
    """The scalar attributes, besides `known`, that at least 80 % of the items have, newest item first."""
    names = Counter(
        name for raw in items for name, value in raw.items() if learnable(name) and _scalar(value)
    )
    found = []
    for name in sorted(names.keys() - set(known)):
        values = [raw[name] for raw in items if name in raw]
        scalars = [value for value in values if _scalar(value)]
        kind, count = Counter(tag for value in scalars for tag in value).most_common(1)[0]
        if not agrees(count, len(items)):
            continue
        example = next(str(value[kind]) for value in scalars if kind in value)
        example = example.lower() if kind == "BOOL" else example
        made = _id_form(values)
        if made and _names_whom(made[1], items):
            made = None
        found.append(made_as(name, *made, example) if made else Extra(name, kind, example=example))
    # Ids first: a stranger's many attributes must not take their places.
    found.sort(key=lambda one: not one.made)
    return tuple(sorted(found[:MAX_EXTRAS], key=lambda one: one.name))


# Words in the names of attributes that say whose an item is.
_WHOSE = frozenset(
    {
        "account",
        "client",
        "company",
        "customer",
        "org",
        "organisation",
        "organization",
        "project",
        "team",
        "tenant",
        "user",
    }
)


def _names_whom(prefix: str, items: Sequence[Raw]) -> bool:
    """Whether the constant part of ids holds the name of one whose item it is: that is no form but a value."""
    letters = _letters(prefix)
    whose = {
        _letters(str(value["S"]))
        for raw in items
        for name, value in raw.items()
        if "S" in value and not _WHOSE.isdisjoint(_words(name))
    }
    return any(len(one) > 2 and one in letters for one in whose)


def made_as(name: str, made: str, prefix: str, length: int, example: str = "") -> Extra:
    return Extra(name, "S", made, prefix, length, example=example)


def _scalar(value: Typed) -> bool:
    content = value.get("S", value.get("N"))
    if content is None:
        return "BOOL" in value
    return len(str(content).encode(errors="replace")) <= MAX_VALUE_BYTES


def _id_form(values: Sequence[Typed]) -> tuple[str, str, int] | None:
    """How ids are made of which all these values are: (`made`, `prefix`, `length`)."""
    texts = [value.get("S") for value in values]
    if len(texts) < MIN_IDS or len(set(texts)) < len(texts) or not all(isinstance(one, str) for one in texts):
        return None
    for pattern in (_UUID, _DIGITS):
        found = [pattern.fullmatch(one) for one in texts if isinstance(one, str)]
        if not all(found):
            continue
        ids = [one["id"] for one in found if one]
        prefixes = {one["prefix"] for one in found if one}
        made = {_spelling(one) for one in ids}
        if len(prefixes) == 1 and len(made) == 1:
            return made.pop(), prefixes.pop(), max(map(len, ids))
    return None


def _spelling(text: str) -> str:
    if text.isdigit() and len(text) != 32:
        return "digits"
    if "-" not in text:
        return "hex"
    return "UUID" if text != text.lower() else "uuid"


# --- The newest items -----------------------------------------------------------------------------------

Keep = Callable[[Raw], bool]


def newest_by_index(
    table: Binding, index: Index, values: Sequence[str], keep: Keep, left: int = MAX_BYTES
) -> list[Raw]:
    """The newest items that are kept, at most `NEWEST`, merged over the partitions `values` of an index whose
    range key is a time, as text. At most `left` bytes are read. Raises `DynamoError`, IndexMissing among them."""
    parts, kept = [_Part(value) for value in values], list[Raw]()
    last = (datetime.now(UTC) + AHEAD).isoformat()

    def order(raw: Raw) -> str:
        return str(raw.get(index.range_key, {}).get("S", ""))

    while True:
        kept.sort(key=order, reverse=True)
        del kept[NEWEST:]
        enough = order(kept[-1]) if len(kept) == NEWEST else ""
        open_parts = [part for part in parts if not part.done and (not part.last or part.last > enough)]
        # Of a partition that was not read yet, how large its items are is not known: they may be the largest.
        part = max(open_parts, key=lambda one: (not one.biggest, one.last), default=None)
        if part is None:
            return kept
        limit = min(left // (2 * part.biggest), NEWEST) if part.biggest else min(left // MAX_ITEM_BYTES, 2)
        if limit < 1:
            part.done = True
            continue
        items, part.start = _query(table, index, part.value, last, limit, part.start)
        sizes = [len(raw_text({"M": raw}).encode(errors="replace")) for raw in items]
        left -= sum(sizes)
        part.biggest = max([part.biggest, 1, *sizes])
        part.done = not part.start
        part.last = order(items[-1]) if items else ""
        kept += [raw for raw in items if keep(raw)]


@dataclass
class _Part:
    """A partition in the reading: `last` is the sort key that was read last, `biggest` in bytes, 0 for unread."""

    value: str
    start: Raw | None = None
    last: str = ""
    biggest: int = 0
    done: bool = False


def _query(
    table: Binding, index: Index, value: str, last: str, limit: int, start: Raw | None
) -> tuple[list[Raw], Raw | None]:
    key = (Clause(index.hash_key, "=", (value,)), Clause(index.range_key, "<=", (last,)))
    answer = read(table, index.name, key=key, start=start, Limit=limit, ScanIndexForward=False)
    return answer["Items"], answer.get("LastEvaluatedKey")


def newest_of_page(table: Binding, stamps: Sequence[str], keep: Keep, most: int | None = NEWEST) -> list[Raw]:
    """The newest items that are kept of one page of a Scan, at most 1 MB, by the first of their `stamps` that can be
    read and is not ahead of now. Raises `DynamoError`."""
    answer = read(table)
    last = datetime.now(UTC) + AHEAD

    def order(raw: Raw) -> float:
        times = (read_time(raw.get(name)) for name in stamps)
        return next((time.timestamp() for time in times if isinstance(time, datetime) and time <= last), 0.0)

    return sorted(filter(keep, answer["Items"]), key=order, reverse=True)[:most]


def members_of(values: Sequence[Mapping[str, Typed]]) -> tuple[tuple[str, str], ...]:
    """(name, type) of the members that at least 80 % of these maps have."""
    counts = Counter((name, tag) for members in values for name, value in members.items() for tag in value)
    common = {name: tag for (name, tag), count in counts.items() if agrees(count, len(values))}
    return tuple(sorted(common.items()))
