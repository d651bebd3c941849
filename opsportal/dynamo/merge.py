"""Newest first over many partitions of an index: a k-way merge with a cursor that survives movement.

Items move between partitions while a person pages (a request becomes `processing`), so a cursor of one start
key per partition would lose or repeat them. This cursor holds the last sort key shown and digests of the items shown
with it: the next page queries every partition up to that sort key and leaves out what was shown.

Items that lack a key attribute of the index, and so are in no partition, are merged in from the minute's sample.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opsportal.dynamo import cursors
from opsportal.dynamo.expressions import Clause, Filter
from opsportal.dynamo.pages import PAGE_SIZE, SEARCH_CALLS, Page, Raw
from opsportal.dynamo.reads import read
from opsportal.dynamo.spans import Span as Span
from opsportal.dynamo.tables import Binding, Index

# Digests in a cursor. Where more items share one timestamp, the cursor holds start keys instead.
MAX_IDS = 100
# New items since the list was first shown are counted up to this; then it says "50+".
MAX_NEWER = 50
# Items that one filtered query evaluates in one partition.
FILTERED_CHUNK = 200
# Stands for the items in no partition: no key is empty.
OUTSIDE = ""


@dataclass
class _Stream:
    """One partition, read in chunks: rows with their timestamps. All that is newer than `frontier` has been read."""

    partition: str
    rows: deque[tuple[str, Raw]] = field(default_factory=deque)
    start_key: Raw | None = None
    frontier: str | None = None
    exhausted: bool = False
    consumed: Raw | None = None  # key of the last row taken out, for a cursor of start keys


class Merge:
    """One page of a merge, see `page`.

    `mixed`: times have zones or forms by which their text is in no order of time, so the span is read wider. A row is
    in it by its instant in any case.
    """

    def __init__(
        self,
        table: Binding,
        index: Index,
        partitions: Sequence[str],
        *,
        span: Span | None = None,
        filters: Filter = (),
        projection: Sequence[str] = (),
        limit: int = PAGE_SIZE,
        ceilings: Mapping[str, str] | None = None,
        calls: int = 0,
        outside: Sequence[tuple[str, Raw]] = (),
        mixed: bool = False,
    ) -> None:
        self.table = table
        self.index = index
        self.partitions = list(dict.fromkeys(partitions))
        self.mixed = mixed
        self.span = (span or Span()).wider if mixed else span or Span()
        self.filters = filters
        self.start_names = table.start_names(index)
        self.projection = [*projection, *self.start_names] if projection else []
        self.limit = limit
        # Items in no partition, newest first; no two have the same timestamp.
        self.outside = outside
        # The newest timestamp that a partition can hold, if its name says so: it is then read only when needed.
        self.ceilings = ceilings or {}
        self.calls = calls or len(self.partitions) + max(SEARCH_CALLS, len(self.partitions))
        self.calls_left = 0
        self._position: dict[str, Any] = {}

    def page(self, *, purpose: str, cursor: str = "", anchor: str = "") -> Page:
        """Up to `limit` items, newest first. Raises `DynamoError`.

        `anchor`: the newest stamp of the list as first shown; items after it are counted, not shown, so
        that a refreshed list does not jump.
        """
        position = cursors.load(cursor, purpose=purpose) if cursor else {}
        page = self.read(position, anchor)
        if page.newer_more:
            # The chunks hold little but new items: read from the anchor instead.
            self.span = self.span.up_to(anchor)
            page = self.read({})
            page.newer, page.newer_more = MAX_NEWER, True
        if page.cursor:
            page.cursor = cursors.dump(self._position, purpose=purpose)
        return page

    # --- reading ---------------------------------------------------------------------------------

    def read(self, position: dict[str, Any], anchor: str = "") -> Page:
        """The page at a position: what a cursor holds, {} for the first. `page` is what lists call."""
        page = Page([], how=f"Query {self.index.name}", partitions=self.partitions)
        self.calls_left = self.calls
        streams = self._streams(position)
        shown_at_stamp = set(position.get("seen", ()))
        shown: dict[str, str] = {}  # the stamp of each, by identity
        stamp = position.get("at", "")
        while streams and len(page.items) < self.limit:
            stream = self._next(streams)
            if stream is None:
                break
            if not stream.rows:
                if not self.calls_left:
                    page.complete = False
                    break
                wanted = self.limit - len(page.items)
                self._fetch(stream, wanted, first=stream.frontier is None, span=self.span.up_to(stamp)
                            if position else self.span)  # fmt: skip
                continue
            row_stamp, row = stream.rows.popleft()
            identity = self.table.key_in(row).digest
            if stream.partition != OUTSIDE:
                stream.consumed = cursors.start_after(row, self.start_names)
                if not self.span.holds(row[self.index.range_key]):
                    continue
            if identity in shown or (row_stamp == position.get("at") and identity in shown_at_stamp):
                continue
            # An item in no partition may be placed by its last update, which does not make it new.
            if anchor and row_stamp > anchor and stream.partition != OUTSIDE:
                page.newer += 1
                if page.newer >= MAX_NEWER:
                    page.newer_more = True
                    return page
                continue
            page.items.append(row)
            shown[identity] = row_stamp
        self._finish(page, streams, position, shown_at_stamp, shown)
        return page

    def _streams(self, position: dict[str, Any]) -> list[_Stream]:
        keys = position.get("keys")
        if self.span.empty:
            return []
        if keys is None:
            streams = [_Stream(partition) for partition in self.partitions]
        else:
            streams = [
                _Stream(partition, start_key=keys[partition], consumed=keys[partition])
                for partition in self.partitions
                if partition in keys
            ]
        rows = deque(pair for pair in self.outside if not position or pair[0] <= position.get("at", ""))
        return [*streams, _Stream(OUTSIDE, rows, frontier="", exhausted=True)] if rows else streams

    def _newest(self, stream: _Stream) -> str:
        """The newest timestamp that the stream may still hold."""
        if stream.rows:
            return stream.rows[0][0]
        if stream.frontier is None:
            return self.ceilings.get(stream.partition, chr(0x10FFFF))
        return stream.frontier

    def _next(self, streams: list[_Stream]) -> _Stream | None:
        """The stream that holds, or may hold, the newest row; of equal ones first what is not read yet."""
        open_ones = [stream for stream in streams if stream.rows or not stream.exhausted]
        return max(
            open_ones,
            key=lambda stream: (self._newest(stream), not stream.rows),
            default=None,
        )

    def _fetch(self, stream: _Stream, wanted: int, *, first: bool, span: Span) -> None:
        if self.filters or (self.mixed and not first):
            chunk = FILTERED_CHUNK
        elif first:
            chunk = max(5, -(-wanted // len(self.partitions)) + 2)
        else:
            chunk = wanted + 2
        hash_key = Clause(self.index.hash_key, "=", (stream.partition,))
        answer = read(
            self.table,
            self.index.name,
            key=(hash_key, *span.clauses(self.index.range_key)),
            filters=self.filters,
            projection=self.projection,
            start=stream.start_key,
            ScanIndexForward=False,
            Limit=chunk,
        )
        self.calls_left -= 1
        stream.rows.extend((self._stamp(row), row) for row in answer["Items"])
        stream.start_key = answer.get("LastEvaluatedKey")
        stream.exhausted = stream.start_key is None
        stream.frontier = self._stamp(stream.start_key) if stream.start_key else ""

    # --- where it ended --------------------------------------------------------------------------

    def _finish(
        self,
        page: Page,
        streams: list[_Stream],
        position: dict[str, Any],
        shown_before: set[str],
        shown: Mapping[str, str],
    ) -> None:
        more = [stream for stream in streams if stream.rows or not stream.exhausted]
        if not more:
            return
        page.cursor = "more"
        unread = [self._newest(stream) for stream in more if not stream.rows]
        if page.complete:
            stamp = next(reversed(list(shown.values())), position.get("at", ""))
        else:
            stamp = max(unread)
            page.searched_to = stamp
        same_stamp = stamp == position.get("at")
        seen = {identity for identity, its in shown.items() if its == stamp}
        if same_stamp:
            seen |= shown_before
        # More items share this timestamp than a cursor can name, or than the calls could read.
        crowded = len(seen) > MAX_IDS or (same_stamp and (not page.complete or "keys" in position))
        if crowded:
            self._position = {"at": stamp, "keys": self._start_keys(more)}
        else:
            self._position = {"at": stamp, "seen": sorted(seen)}

    def _start_keys(self, streams: list[_Stream]) -> dict[str, Raw | None]:
        """Where each partition continues: after the last row shown, or after its chunk where all rows were shown.
        A partition that is not in it is at its end."""
        return {
            stream.partition: stream.consumed if stream.rows else stream.start_key
            for stream in streams
            if stream.partition != OUTSIDE
        }

    def _stamp(self, row: Raw) -> str:
        return str(row[self.index.range_key]["S"])
