"""What may expire, and what a look at one item says of it. Nothing here asks DynamoDB."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from django.conf import settings

from opsportal.descriptors import descriptors
from opsportal.dynamo.attributes import Malformed, read_number, read_text, read_time
from opsportal.dynamo.tables import Binding, Index, binding
from opsportal.operations.changes import Raw, same

# Holds what was stamped, next to the TTL attribute: an expiry that differs is somebody else's.
MARK = "opsportal_ttl"


@dataclass(frozen=True)
class Rule:
    """The items of one app that may expire, and their logs.

    `index` is keyed by status and time of creation; `finished` and `unfinished` are the documented statuses,
    in lower case. `stamps`: attributes that tell when an item was last touched, that of its creation first.
    `logs_index` is keyed by item and time; `log_key` finds epoch milliseconds in a log's own key.
    """

    logical: str
    index: str
    finished: frozenset[str]
    unfinished: frozenset[str]
    stamps: tuple[str, ...]
    logs: str
    logs_index: str
    log_key: re.Pattern[str]

    @property
    def table(self) -> Binding:
        return binding(self.logical)

    @property
    def logs_table(self) -> Binding:
        return binding(self.logs)

    @property
    def by_status(self) -> Index:
        return self.table.spec.index(self.index)

    @property
    def by_item(self) -> Index:
        return self.logs_table.spec.index(self.logs_index)

    def is_finished(self, raw: Raw) -> bool:
        """By a documented status, compared without case; any other may go on."""
        return _word(raw, self.by_status.hash_key) in self.finished


def rules() -> list[Rule]:
    return [descriptor.retention for descriptor in descriptors() if descriptor.retention]


# A century: 0 means never, and no calendar ends before.
MAX_DAYS = 36_500


@dataclass(frozen=True)
class RetentionPolicy:
    """Days after which items and logs are stamped (0: never), and from the stamp to the expiry."""

    items: int
    logs: int
    grace: int

    @classmethod
    def configured(cls) -> "RetentionPolicy":
        return cls(
            min(max(settings.RETENTION_REQUEST_DAYS, 0), MAX_DAYS),
            min(max(settings.RETENTION_LOG_DAYS, 0), MAX_DAYS),
            # A look at everything takes a day: what comes to life again must not be gone before it.
            min(max(settings.RETENTION_GRACE_DAYS, 2), MAX_DAYS),
        )

    def expiry(self, now: datetime) -> int:
        """The TTL value of a stamp made now: epoch seconds."""
        return int((now + timedelta(days=self.grace)).timestamp())


class Verdict(StrEnum):
    """What is to be done with an item. All but STAMP and RELEASE mean nothing."""

    STAMP = "old and finished"
    RELEASE = "stamped here, and alive again"
    STAMPED = "stamped here before"
    OTHERS = "has an expiry, or is kept"
    UNFINISHED = "not finished"
    YOUNG = "touched since"
    UNREADABLE = "no time that can be read"


def is_ours(raw: Raw, ttl: str) -> bool:
    """Whether the expiry is one that was stamped here."""
    return MARK in raw and same(raw.get(ttl), raw[MARK])


def is_kept(raw: Raw, ttl: str) -> bool:
    """Whether somebody chose that the item stays: its expiry is there, and null, which TTL passes by."""
    return "NULL" in raw.get(ttl, {})


def judge(rule: Rule, raw: Raw, now: datetime, days: int) -> Verdict:
    """An item's verdict. It is as old as its newest stamp: what was finished yesterday is not old, whenever it
    was created."""
    ttl = rule.table.ttl_attribute
    ours = is_ours(raw, ttl)
    if not rule.is_finished(raw):
        return Verdict.RELEASE if ours else Verdict.UNFINISHED
    touched = newest(raw, rule.stamps)
    if touched is None:
        return Verdict.UNREADABLE
    if touched > now - timedelta(days=days):
        return Verdict.RELEASE if ours else Verdict.YOUNG
    if ttl in raw:
        return Verdict.STAMPED if ours else Verdict.OTHERS
    return Verdict.STAMP


def newest(raw: Raw, stamps: Iterable[str]) -> datetime | None:
    """The newest stamp; None without that of the creation, the first, and where one that is there can't be
    read: its age is not known."""
    times = [read_time(raw.get(name)) for name in stamps]
    if times[0] is None or any(isinstance(time, Malformed) for time in times):
        return None
    return max(time for time in times if isinstance(time, datetime))


def log_time(rule: Rule, raw: Raw) -> datetime | None:
    """When a log line was written: its timestamp, else what its key holds."""
    found = read_time(raw.get(rule.by_item.range_key))
    if isinstance(found, datetime):
        return found
    digits = rule.log_key.search(str(read_text(raw.get(rule.logs_table.key)) or ""))
    if not digits:
        return None
    try:
        return datetime.fromtimestamp(int(digits[1]) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def judge_log(rule: Rule, raw: Raw, now: datetime, days: int, alive: set[str]) -> Verdict:
    """A log's verdict. `alive`: the ids of items that are there and not finished, or kept."""
    if rule.logs_table.ttl_attribute in raw:
        return Verdict.STAMPED if is_ours(raw, rule.logs_table.ttl_attribute) else Verdict.OTHERS
    written = log_time(rule, raw)
    if written is None:
        return Verdict.UNREADABLE
    if written > now - timedelta(days=days):
        return Verdict.YOUNG
    item = read_text(raw.get(rule.by_item.hash_key))
    return Verdict.UNFINISHED if isinstance(item, str) and item in alive else Verdict.STAMP


def bound(now: datetime, days: int) -> str:
    """The newest creation that can be old, as text in the index's order.

    Stamps come naive, with ``Z`` or with an offset; their texts are in the order of their times but for
    offsets, which are out by hours: `judge` reads the time itself, and the next full look finds the rest.
    """
    return (now - timedelta(days=days)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def expires_at(raw: Raw, ttl: str) -> datetime | None:
    """When an item expires; None where nothing says so: TTL takes numbers only."""
    value = raw.get(ttl, {})
    number = read_number(value) if "N" in value else None
    try:
        return datetime.fromtimestamp(float(number), UTC) if isinstance(number, Decimal) else None
    except (ValueError, OverflowError, OSError):
        return None


def _word(raw: Raw, name: str) -> str:
    return str(read_text(raw.get(name)) or "").strip().lower()
