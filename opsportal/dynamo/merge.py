"""Newest first over many partitions of an index: a k-way merge with a cursor that survives movement.

Items move between partitions while a person pages (a request becomes `processing`), so a cursor of one start
key per partition would lose or repeat them. This cursor holds the last sort key shown and digests of the items shown
with it: the next page queries every partition up to that sort key and leaves out what was shown.

The first chunks are read at the same time, as large as what each partition gave last time; what then may be missing in
a second wave. With 13 partitions that is 1 or 2 waits for DynamoDB in place of 15, and 0.75 of the read units. A search
reads on one call after the other, since it stops where it has found or cost enough.

Items that lack a key attribute of the index, and so are in no partition, are merged in from the minute's sample.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from opsportal.dynamo import cursors, shares
from opsportal.dynamo.concurrency import gather
from opsportal.dynamo.expressions import Clause, Filter
from opsportal.dynamo.pages import PAGE_SIZE, SEARCH_CALLS, SEARCH_UNITS, Keep, Page, Raw, SearchBudget
from opsportal.dynamo.reads import Answer, read
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
    taken: int = 0
    consumed: Raw | None = None  # key of the last row taken out, for a cursor of start keys


class Merge:
    """One page of a merge, see `page`.

    `mixed`: times have zones or forms by which their text is in no order of time, so the span is read wider. A row is
    in it by its instant in any case. `keep`: a filter that no expression can hold.
    """

    def __init__(
        self,
        table: Binding,
        index: Index,
        partitions: Sequence[str],
        *,
        span: Span | None = None,
        filters: Filter = (),
        keep: Keep | None = None,
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
        self.filters, self.keep = filters, keep
        self.searches = bool(filters or keep)
        self.start_names = table.start_names(index)
        self.projection = [*projection, *self.start_names] if projection else []
        self.limit = limit
        # Items in no partition, newest first; no two have the same timestamp.
        self.outside = outside
        # The newest timestamp that a partition can hold, if its name says so: it is then read only when needed.
        self.ceilings = ceilings or {}
        count = len(self.partitions)
        self.calls = calls or count + (SEARCH_CALLS - 1 if self.searches else max(SEARCH_CALLS, count))
        self.calls_left = 0
        self.budget = SearchBudget()
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
        self.calls_left, self.budget = self.calls, SearchBudget()
        streams = self._streams(position)
        shown_at_stamp = set(position.get("seen", ()))
        shown: dict[str, str] = {}  # the stamp of each, by identity
        span = self.span.up_to(position.get("at", "")) if position else self.span
        while streams and len(page.items) < self.limit:
            stream = self._next(streams)
            if stream is None:
                break
            if not stream.rows:
                wanted = self.limit - len(page.items)
                if page.newer and not page.items:
                    wanted += MAX_NEWER - page.newer  # the next may be newer than the anchor too
                chunks = self._chunks(stream, streams, wanted, anchored=bool(anchor), again=bool(position))
                if not chunks:
                    page.complete = False
                    break
                self._fetch(chunks, span)
                continue
            row_stamp, row = stream.rows.popleft()
            stream.taken += 1
            identity = self._identity(row)
            if stream.partition != OUTSIDE:
                stream.consumed = cursors.start_after(row, self.start_names)
                if not self.span.holds(row[self.index.range_key]) or not (
                    self.keep is None or self.keep(row)
                ):
                    continue
            if identity in shown or (row_stamp == position.get("at") and identity in shown_at_stamp):
                continue
            # An item in no partition may be placed by its last update, which does not make it new.
            if anchor and row_stamp > anchor and stream.partition != OUTSIDE:
                page.newer += 1
                if page.newer >= MAX_NEWER:
                    page.newer_more = True
                    return page  # the shares are those of the page that is read in its place
                continue
            page.items.append(row)
            shown[identity] = row_stamp
        self._finish(page, streams, position, shown_at_stamp, shown)
        if not (self.searches or self.ceilings):
            given = {stream.partition: stream.taken for stream in streams if stream.partition != OUTSIDE}
            shares.remember(self.table, self.index, self.partitions, given)
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

    def _chunks(
        self, stalled: _Stream, streams: Sequence[_Stream], wanted: int, *, anchored: bool, again: bool
    ) -> list[tuple[_Stream, int]]:
        """What is read now, at the same time, so that the stalled stream goes on: streams, with as many items of each;
        none where the page has cost enough. `wanted`: rows that the page lacks; `anchored`: and some that it counts;
        `again`: some may have been shown."""
        if stalled.frontier is None and not self.ceilings:
            unread = [one for one in streams if one.frontier is None]
            chunks = self._first_chunks(unread, wanted, anchored=anchored, again=again)
        elif self.searches:
            # In equal parts: a large one would read where others are not searched yet.
            calls = 1 if self.ceilings else max(self.calls_left, 1)
            chunks = [(stalled, self.budget.room(FILTERED_CHUNK, calls=calls))]
        elif self.mixed and stalled.frontier is not None:
            chunks = [(stalled, FILTERED_CHUNK)]
        elif self.ceilings:
            chunks = [(stalled, wanted + 2 if stalled.frontier else self._even(wanted))]
        else:
            # It first, should the calls not be enough for all.
            chunks = sorted(self._further_chunks(streams, wanted), key=lambda chunk: chunk[0] is not stalled)
        return [(stream, size) for stream, size in chunks[: self.calls_left] if size]

    def _even(self, wanted: int) -> int:
        return max(5, -(-wanted // len(self.partitions)) + 2)

    def _first_chunks(
        self, streams: Sequence[_Stream], wanted: int, *, anchored: bool, again: bool
    ) -> list[tuple[_Stream, int]]:
        """By the shares of the last page, with the next row of each, since that says where its newest rows end."""
        known = shares.known(self.table, self.index, self.partitions)
        if self.searches:
            # Half of what the page may cost, so that the rest goes where it finds the least old.
            most = min(
                self.budget.room(FILTERED_CHUNK * len(streams)), int(SEARCH_UNITS / 2 / self.budget.each)
            )
            even = -(-most // len(streams))
            # Further back the shares may be others: none comes near to a standstill.
            least = max(1, even // 4) if known else even
            return [(one, max(least, shares.chunk(known, one.partition, most))) for one in streams]
        if known:
            wanted = max(wanted, sum(known.values())) if anchored else wanted
            return [(one, shares.chunk(known, one.partition, wanted) + 1 + again) for one in streams]
        size = max(self._even(wanted), wanted // 5)
        return [(one, size) for one in streams]

    def _further_chunks(self, streams: Sequence[_Stream], wanted: int) -> list[tuple[_Stream, int]]:
        """Of each stream at most the rows that it can still give to the page: those that are wanted, less those read
        already that are newer than all it may still hold. After that the page is full.

        As long as calls for such a wave are left, only as many as the page's rows so far let expect and a third more:
        it is full then in 19 of 20 cases, and a page that knows no shares reads a fifth less.
        """
        stamps = [stamp for stream in streams for stamp, _ in stream.rows]
        unfinished = [stream for stream in streams if not stream.exhausted]
        given = {stream.partition: stream.taken for stream in streams}
        expects = sum(given.values()) * 5 >= self.limit and self.calls_left >= 2 * len(unfinished)
        chunks = []
        for stream in unfinished:
            rows = wanted - sum(stamp > (stream.frontier or "") for stamp in stamps)
            if expects:
                likely = shares.chunk(given, stream.partition, wanted) * 4 // 3 + 1 - len(stream.rows)
                rows = min(rows, likely)
            if rows > 0:
                chunks.append((stream, rows + 1))
        return chunks

    def _fetch(self, chunks: Sequence[tuple[_Stream, int]], span: Span) -> None:
        answers = gather([partial(self._read, stream, size, span) for stream, size in chunks])
        for (stream, _), answer in zip(chunks, answers, strict=True):
            self.budget.spend(answer)
            stream.rows.extend((self._stamp(row), row) for row in answer["Items"])
            stream.start_key = answer.get("LastEvaluatedKey")
            stream.exhausted = stream.start_key is None
            stream.frontier = self._stamp(stream.start_key) if stream.start_key else ""
        self.calls_left -= len(chunks)

    def _read(self, stream: _Stream, size: int, span: Span) -> Answer:
        hash_key = Clause(self.index.hash_key, "=", (stream.partition,))
        return read(
            self.table,
            self.index.name,
            key=(hash_key, *span.clauses(self.index.range_key)),
            filters=self.filters,
            projection=self.projection,
            start=stream.start_key,
            ScanIndexForward=False,
            Limit=size,
        )

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
        self._position = {"at": stamp}
        if crowded:
            self._position["keys"] = self._start_keys(more, stamp, seen)
        if len(seen) <= MAX_IDS:
            self._position["seen"] = sorted(seen)

    def _start_keys(self, streams: list[_Stream], stamp: str, seen: set[str]) -> dict[str, Raw | None]:
        """Where each partition continues: after the last row shown, or after its chunk where all rows were shown.
        A partition that is not in it is at its end."""
        keys = {}
        for stream in streams:
            if stream.partition == OUTSIDE:
                continue
            # What an earlier page showed of this stamp may have been read again, and not come to its turn.
            while stream.rows and stream.rows[0][0] == stamp and self._identity(stream.rows[0][1]) in seen:
                stream.consumed = cursors.start_after(stream.rows.popleft()[1], self.start_names)
            if stream.rows or not stream.exhausted:
                keys[stream.partition] = stream.consumed if stream.rows else stream.start_key
        return keys

    def _identity(self, row: Raw) -> str:
        return self.table.key_in(row).digest

    def _stamp(self, row: Raw) -> str:
        return str(row[self.index.range_key]["S"])
