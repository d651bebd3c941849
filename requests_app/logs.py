"""The processing logs of one request: the newest page, older pages, and the whole as a stream."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from django.core.cache import caches

from opsportal.console.parameters import cut
from opsportal.dynamo import cursors
from opsportal.dynamo.attributes import read_time
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.expressions import Clause, Filter
from opsportal.dynamo.keys import MAX_HASH_BYTES
from opsportal.dynamo.lookup import Found, find
from opsportal.dynamo.merge import Merge
from opsportal.dynamo.pages import Page, Raw, scan_page, scan_part, stream
from opsportal.dynamo.reads import read, read_all
from opsportal.dynamo.spans import Span, second_of
from opsportal.dynamo.tables import Binding, Index
from requests_app import log_order
from requests_app.models import ProcessingLog
from requests_app.tables import REQUEST_LOGS

# Lines on a page: what a browser shows without effort.
LINES = 200
# Answers, of at most 1 MB each, in which the line that an address names is looked for among those of its stamp.
LINE_PAGES = 5
# An AWS limit: a sort key is at most 1,024 bytes long.
MAX_STAMP_BYTES = 1024


@dataclass(frozen=True)
class LogFilter:
    """`levels`: the spellings asked for, empty for all. `until`: a stamp; only lines at or before it, by their time.
    `line`: the id of one that a page must hold. `outside`: the lines that the index can't hold instead, for want of a
    stamp."""

    request_id: str
    levels: tuple[str, ...] = ()
    until: str = ""
    outside: bool = False
    line: str = ""

    @classmethod
    def asked_for(cls, request_id: str, level: str, until: str, outside: bool, line: str = "") -> "LogFilter":
        """`level`: in any case, "" for all. `until`: as it stands in the item; space at its end counts in the order."""
        levels = levels_of(level.upper()) if level else ()
        return cls(request_id, levels, cut(until, MAX_STAMP_BYTES), outside, cut(line, MAX_HASH_BYTES))

    @property
    def span(self) -> Span:
        """As bounds of the index's text, in whichever of the two zones is later, and of the time where it is one."""
        at = read_time({"S": self.until})
        if not isinstance(at, datetime):
            return Span(end=self.until)
        return Span(end=f"{max(self.until.strip()[:19], second_of(at))}~", until=at)

    def clauses(self) -> Filter:
        return (Clause("log_level", "in", self.levels),) if self.levels else ()

    def scanned(self) -> Filter:
        """All of it, for a table without the index."""
        of_request = Clause("request_id", "=", (self.request_id,))
        if self.outside:
            return (of_request, Clause("timestamp", "not text"), *self.clauses())
        return (of_request, *self.span.wider.clauses("timestamp"), *self.clauses())


# From the lightest to the gravest: the names of each, as writers have them.
LEVEL_NAMES = (
    ("TRACE", "VERBOSE"),
    ("DEBUG",),
    ("INFO", "INFORMATION"),
    ("NOTICE",),
    ("WARNING", "WARN"),
    ("ERROR", "ERR", "SEVERE"),
    ("CRITICAL", "CRIT", "FATAL", "ALERT", "EMERGENCY", "PANIC"),
)
RANKED = frozenset(name for names in LEVEL_NAMES for name in names)


def levels_of(level: str) -> tuple[str, ...]:
    """The spellings that writers use of a level and of those above it; of another word its own."""
    rank = next((rank for rank, names in enumerate(LEVEL_NAMES) if level in names), None)
    chosen = (level,) if rank is None else tuple(name for names in LEVEL_NAMES[rank:] for name in names)
    return tuple(
        dict.fromkeys(spelling for name in chosen for spelling in (name, name.lower(), name.title()))
    )


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
        page = _scanned(wanted, found.why, purpose=purpose, cursor=cursor)
        return page if cursor or _holds_line(table, page, wanted) else _with_scanned_line(table, page, wanted)
    index = found.index
    if wanted.outside:
        of_request = Clause(index.hash_key, "=", (wanted.request_id,))
        filters = (of_request, Clause(index.range_key, "not text"), *wanted.clauses())
        page = scan_page(table, purpose=purpose, cursor=cursor, limit=LINES, filters=filters)
        return page if cursor or _holds_line(table, page, wanted) else _with_scanned_line(table, page, wanted)
    merge = Merge(table, index, [wanted.request_id], span=wanted.span, filters=wanted.clauses(), limit=LINES)
    page = merge.page(purpose=purpose, cursor=cursor)
    if wanted.span.until and not cursor:
        page.items += _ahead(table, index, wanted)
    if not cursor and not _holds_line(table, page, wanted):
        page = _with_line(merge, page, wanted, purpose=purpose)
    return _ordered(page, table.key)


def _ordered(page: Page, key: str) -> Page:
    page.items = log_order.newest_first(sorted(page.items, key=_text, reverse=True), key)
    page.notes += log_order.notes(page.items)
    return page


def _text(line: Raw) -> str:
    return str(line.get("timestamp", {}).get("S", ""))


def _beyond(wanted: LogFilter, index: Index) -> tuple[Clause, ...]:
    """The key condition of what a stamp in another zone may put behind the bound though its time is before it."""
    span = wanted.span
    beyond = Clause(index.range_key, "between", (span.end, span.wider.end))
    return Clause(index.hash_key, "=", (wanted.request_id,)), beyond


def _ahead(table: Binding, index: Index, wanted: LogFilter) -> list[Raw]:
    """Of the lines behind the bound, the next ones: those whose time is before it all the same."""
    if wanted.span.end >= wanted.span.wider.end:
        return []
    answer = read(table, index.name, key=_beyond(wanted, index), filters=wanted.clauses(), Limit=LINES)
    return [raw for raw in answer["Items"] if wanted.span.holds(raw.get(index.range_key))]


def _holds_line(table: Binding, page: Page, wanted: LogFilter) -> bool:
    """Whether the line that the address names is on the page, if it names one."""
    return not wanted.line or any(table.key_in(raw).text == wanted.line for raw in page.items)


def _with_scanned_line(table: Binding, page: Page, wanted: LogFilter) -> Page:
    """The page with that line, as far as a bounded Scan finds it."""
    of_line = (
        Clause("request_id", "=", (wanted.request_id,)),
        Clause(table.key, "=", (wanted.line,)),
    )
    found, more = scan_part(table, filters=of_line, pages=DOWNLOAD_PAGES)
    notes = page.notes if found or more else [*page.notes, NO_LINE]
    return _ordered(replace(page, items=[*page.items, *found], notes=list(notes)), table.key)


def _with_line(merge: Merge, page: Page, wanted: LogFilter, *, purpose: str) -> Page:
    """The page around the line that the address names, among however many of one stamp."""
    table, index = merge.table, merge.index
    key = (
        Clause(index.hash_key, "=", (wanted.request_id,)),
        Clause(index.range_key, "=", (wanted.until,)),
    )
    of_id = (Clause(table.key, "=", (wanted.line,)),)
    answers = read_all(table, index.name, key=key, filters=of_id, pages=LINE_PAGES)
    line = next((raw for answer in answers for raw in answer["Items"]), None) if wanted.until else None
    if line is None:
        page.notes.append(NO_LINE)
        return page
    start, half = cursors.start_after(line, merge.start_names), LINES // 2
    up_to = (key[0], Clause(index.range_key, "<=", (wanted.until,)))
    later = read(table, index.name, key=up_to, filters=wanted.clauses(), start=start, Limit=half)["Items"]
    position = {"at": wanted.until, "keys": {wanted.request_id: start}}
    merge.limit = LINES - half - 1
    page = merge.page(purpose=purpose, cursor=cursors.dump(position, purpose=purpose))
    page.items = [*reversed(later), line, *page.items]
    return page


NO_LINE = "The line that this address names is not there any more."


def _scanned(wanted: LogFilter, why: str, *, purpose: str, cursor: str) -> Page:
    table = ProcessingLog.binding()
    cache = caches["process"]
    key = f"log-tail:{table.fingerprint}:{hashlib.sha256(purpose.encode()).hexdigest()}"
    kept: Page | None = None if cursor else cache.get(key)
    if kept is None:
        kept = scan_page(
            table,
            purpose=purpose,
            cursor=cursor,
            limit=LINES,
            filters=wanted.scanned(),
            keep=lambda raw: wanted.span.holds(raw.get("timestamp")),
        )
        _ordered(kept, table.key)
        kept.notes.append(
            f"{why} So a part of the table is scanned, in no order. The newest page is read again every "
            f"{TAIL_SECONDS} s only."
        )
        if not cursor:
            cache.set(key, kept, TAIL_SECONDS)
    return kept


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
    for raw in log_order.in_order(_lines(table, found.index, wanted), table.key):
        yield ProcessingLog.from_item(raw)


# Lines behind the bound that are looked at since one before it whose time is in it.
LOOKED_AHEAD = 1_000


def _lines(table: Binding, index: Index, wanted: LogFilter) -> Iterator[Raw]:
    span = wanted.span
    key = (Clause(index.hash_key, "=", (wanted.request_id,)), *span.clauses(index.range_key))
    for raw in stream(table, index.name, key, filters=wanted.clauses()):
        if span.holds(raw.get(index.range_key)):
            yield raw
    if span.until is None or span.end >= span.wider.end:
        return
    left = LOOKED_AHEAD
    for raw in stream(table, index.name, _beyond(wanted, index), filters=wanted.clauses()):
        left -= 1
        if span.holds(raw.get(index.range_key)):
            left = LOOKED_AHEAD
            yield raw
        if not left:
            return


def _searched(table: Binding, wanted: LogFilter, why: str) -> Iterator[ProcessingLog]:
    found, more = scan_part(table, filters=wanted.scanned(), pages=DOWNLOAD_PAGES)
    held = [raw for raw in found if wanted.span.holds(raw.get("timestamp"))]
    for raw in reversed(log_order.newest_first(sorted(held, key=_text, reverse=True), table.key)):
        yield ProcessingLog.from_item(raw)
    if more:
        raise PartSearched(f"{why} Only the first {DOWNLOAD_PAGES} MB of the table were searched.")
