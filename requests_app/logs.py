"""The processing logs of one request: the newest page, older pages, and the whole as a stream."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import caches

from opsportal.console.listing import cut
from opsportal.dynamo.attributes import read_time
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.expressions import Clause, Filter
from opsportal.dynamo.lookup import Found, find
from opsportal.dynamo.merge import Merge, Span
from opsportal.dynamo.pages import Page, Raw, scan_page, scan_part, stream
from opsportal.dynamo.tables import Binding
from requests_app.models import ProcessingLog
from requests_app.tables import REQUEST_LOGS

# Lines on a page: what a browser shows without effort.
LINES = 200
# An AWS limit: a sort key is at most 1,024 bytes long.
MAX_STAMP_BYTES = 1024


@dataclass(frozen=True)
class LogFilter:
    """`levels`: the spellings asked for, empty for all. `until`: a stamp; only lines at or before it.
    `outside`: the lines that the index can't hold instead, for want of a stamp."""

    request_id: str
    levels: tuple[str, ...] = ()
    until: str = ""
    outside: bool = False

    @classmethod
    def asked_for(cls, request_id: str, level: str, until: str, outside: bool) -> "LogFilter":
        """`level`: in any case, "" for all. `until`: as it stands in the item; space at its end counts in the order."""
        levels = levels_of(level.upper()) if level else ()
        return cls(request_id, levels, cut(until, MAX_STAMP_BYTES), outside)

    def clauses(self) -> Filter:
        return (Clause("log_level", "in", self.levels),) if self.levels else ()

    def scanned(self) -> Filter:
        """All of it, for a table without the index."""
        of_request = Clause("request_id", "=", (self.request_id,))
        if self.outside:
            return (of_request, Clause("timestamp", "not text"), *self.clauses())
        until = Span(end=self.until).clauses("timestamp")
        return (of_request, *until, *self.clauses())


def levels_of(level: str) -> tuple[str, ...]:
    """The spellings of a level that writers use: WARNING, WARN, warning, warn ..."""
    names = {"WARNING": ("WARNING", "WARN"), "ERROR": ("ERROR", "CRITICAL", "FATAL")}.get(level, (level,))
    return tuple(dict.fromkeys(spelling for name in names for spelling in (name, name.lower(), name.title())))


def _table() -> tuple[Binding, Found]:
    table = ProcessingLog.binding()
    return table, find(table, REQUEST_LOGS.index("request-logs-index"))


def has_index() -> bool:
    return _table()[1].index is not None


# Seconds that the newest page is kept where it takes a Scan, so that a tail costs no more however often it is asked.
TAIL_SECONDS = 30
# Pages of the table, of at most 1 MB each, that a download without an index reads.
DOWNLOAD_PAGES = 10


def page(wanted: LogFilter, *, purpose: str, cursor: str = "") -> Page:
    """The newest `LINES` lines (items newest first), or the ones before the cursor. Raises `DynamoError`.

    Without the index those that a bounded Scan finds, which are the newest first within a page only.
    """
    table, found = _table()
    if found.index is None:
        return _scanned(wanted, found.why, purpose=purpose, cursor=cursor)
    index = found.index
    if wanted.outside:
        of_request = Clause(index.hash_key, "=", (wanted.request_id,))
        filters = (of_request, Clause(index.range_key, "not text"), *wanted.clauses())
        return scan_page(table, purpose=purpose, cursor=cursor, limit=LINES, filters=filters)
    merge = Merge(
        table,
        index,
        [wanted.request_id],
        span=Span(end=wanted.until),
        filters=wanted.clauses(),
        limit=LINES,
    )
    return merge.page(purpose=purpose, cursor=cursor)


def _scanned(wanted: LogFilter, why: str, *, purpose: str, cursor: str) -> Page:
    table = ProcessingLog.binding()
    cache = caches["process"]
    key = f"log-tail:{table.fingerprint}:{hashlib.sha256(purpose.encode()).hexdigest()}"
    kept: Page | None = None if cursor else cache.get(key)
    if kept is None:
        kept = scan_page(table, purpose=purpose, cursor=cursor, limit=LINES, filters=wanted.scanned())
        kept.items.sort(key=_time, reverse=True)
        kept.notes.append(
            f"{why} So a part of the table is scanned, in no order. The newest page is read again every "
            f"{TAIL_SECONDS} s only."
        )
        if not cursor:
            cache.set(key, kept, TAIL_SECONDS)
    return kept


def _time(item: Raw) -> str:
    at = read_time(item.get("timestamp"))
    return at.isoformat() if isinstance(at, datetime) else ""


def begun(wanted: LogFilter) -> tuple[ProcessingLog | None, Iterator[ProcessingLog]]:
    """The first line of all, read now so that an error has its status, and an iterator of the others. That only a part
    of the table could be searched is no error of the first line: the iterator raises it at its end."""
    lines = all_lines(wanted)
    try:
        return next(lines, None), lines
    except PartSearched as partly:
        return None, _Raising(partly)


class PartSearched(DynamoError):
    """Nothing is wrong, but there may be more lines."""


class _Raising:
    """An iterator that has nothing and says why."""

    def __init__(self, why: PartSearched) -> None:
        self.why = why

    def __iter__(self) -> Iterator[ProcessingLog]:
        return self

    def __next__(self) -> ProcessingLog:
        raise self.why


def all_lines(wanted: LogFilter) -> Iterator[ProcessingLog]:
    """Every line that the filter shows, oldest first, read as it is consumed. Raises `DynamoError`, where there is no
    index also once the part of the table that is searched has been given."""
    table, found = _table()
    if found.index is None:
        yield from _searched(table, wanted, found.why)
        return
    key = (
        Clause(found.index.hash_key, "=", (wanted.request_id,)),
        *Span(end=wanted.until).clauses(found.index.range_key),
    )
    for raw in stream(table, found.index.name, key, filters=wanted.clauses()):
        yield ProcessingLog.from_item(raw)


def _searched(table: Binding, wanted: LogFilter, why: str) -> Iterator[ProcessingLog]:
    found, more = scan_part(table, filters=wanted.scanned(), pages=DOWNLOAD_PAGES)
    for raw in sorted(found, key=_time):
        yield ProcessingLog.from_item(raw)
    if more:
        raise PartSearched(f"{why} Only the first {DOWNLOAD_PAGES} MB of the table were searched.")
