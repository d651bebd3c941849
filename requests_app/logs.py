"""The processing logs of one request: the newest page, older pages, and the whole as a stream."""

from collections.abc import Iterator
from dataclasses import dataclass

from opsportal.dynamo.expressions import Clause, Filter
from opsportal.dynamo.merge import Merge, Span
from opsportal.dynamo.pages import Page, scan_page, stream
from opsportal.dynamo.tables import Binding, Index
from requests_app.models import ProcessingLog
from requests_app.tables import REQUEST_LOGS

# Lines on a page: what a browser shows without effort.
LINES = 200


@dataclass(frozen=True)
class LogFilter:
    """`levels`: the spellings asked for, empty for all. `until`: a stamp; only lines at or before it.
    `outside`: the lines that the index can't hold instead, for want of a stamp."""

    request_id: str
    levels: tuple[str, ...] = ()
    until: str = ""
    outside: bool = False

    def clauses(self) -> Filter:
        return (Clause("log_level", "in", self.levels),) if self.levels else ()


def levels_of(level: str) -> tuple[str, ...]:
    """The spellings of a level that writers use: WARNING, WARN, warning, warn ..."""
    names = {"WARNING": ("WARNING", "WARN"), "ERROR": ("ERROR", "CRITICAL", "FATAL")}.get(level, (level,))
    return tuple(dict.fromkeys(spelling for name in names for spelling in (name, name.lower(), name.title())))


def _table() -> tuple[Binding, Index]:
    return ProcessingLog.binding(), REQUEST_LOGS.index("request-logs-index")


def page(wanted: LogFilter, *, purpose: str, cursor: str = "") -> Page:
    """The newest `LINES` lines (items newest first), or the ones before the cursor. Raises `DynamoError`."""
    table, index = _table()
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


def all_lines(wanted: LogFilter) -> Iterator[ProcessingLog]:
    """Every line that the filter shows, oldest first, read as it is consumed. Raises `DynamoError`."""
    table, index = _table()
    key = (
        Clause(index.hash_key, "=", (wanted.request_id,)),
        *Span(end=wanted.until).clauses(index.range_key),
    )
    for raw in stream(table, index.name, key, filters=wanted.clauses()):
        yield ProcessingLog.of(raw)
