"""Lists, newest first, that show every item, also those that no index holds.

With an index: its items, merged with the others from the minute's sample. Without one: the sample alone where it holds
the whole table, else a bounded Scan in no order.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, TypeVar

from opsportal.dynamo import cursors, samples
from opsportal.dynamo.attributes import read_text, read_time
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.expressions import Clause, Filter, matches
from opsportal.dynamo.lookup import Found
from opsportal.dynamo.merge import Merge
from opsportal.dynamo.pages import PAGE_SIZE, Keep, Page, Raw, scan_page
from opsportal.dynamo.reads import items_of, read_all
from opsportal.dynamo.samples import Sample
from opsportal.dynamo.sampling import Row, Sampled, as_row
from opsportal.dynamo.spans import Span

Wanted = Callable[[str], bool]


def any_status(status: str) -> bool:
    return True


# Where a walk goes on: JSON data, with the key as the wire has it.
Position = dict[str, Any]


@dataclass(frozen=True)
class Walked:
    """Some items of a walk, and where it goes on after them; None at its end."""

    items: list[Raw]
    position: Position | None


# After every stamp.
_LAST = chr(0x10FFFF)


@dataclass(frozen=True)
class Known:
    """The newest items. `more`: there are older ones. `certain`: none is missing for being in no index. `part`: the
    table has no index, and these are of a part of it. `note`: what must be said of it, in sentences."""

    items: list[Raw]
    more: bool
    certain: bool
    part: bool
    note: str


@dataclass(frozen=True)
class List:
    """What is listed. `found`: the index for it, see `lookup`; `partitions`: its hash keys. `status`: whether an
    item of that status (as it is written, "" for none) is wanted; `filters`: all else that no index serves; `keep`: what
    no expression can hold; `served`: what its key serves, of the items that it does not hold. `complete`: whether the
    partitions are all that it wants."""

    spec: Sampled
    found: Found
    partitions: Sequence[str]
    status: Wanted = any_status
    filters: Filter = ()
    span: Span = field(default_factory=Span)
    projection: Sequence[str] = ()
    limit: int = PAGE_SIZE
    served: Filter = ()
    keep: Keep | None = None
    complete: bool = True

    def page(self, *, purpose: str, cursor: str = "", anchor: str = "", fresh: bool = True) -> Page:
        """One page. `fresh`: for people, who act on what they see, rows of the sample are read again. Raises
        `DynamoError`."""
        sample = samples.for_table(self.spec)
        position = cursors.load(cursor, purpose=purpose) if cursor else {}
        # A list that began as a Scan continues as one, whatever the sample holds by now.
        if "key" in position or (self.found.index is None and not sample.whole and not position):
            return self._scanned(sample, purpose=purpose, cursor=cursor)
        return self._merged(sample, purpose=purpose, cursor=cursor, anchor=anchor, fresh=fresh)

    def known(self, *, purpose: str) -> "Known":
        """The newest of those that are known without a Scan, for figures and rules. Raises `DynamoError`."""
        sample = samples.for_table(self.spec)
        if self.found.index is None and sample.failed and not sample.at:
            raise sample.failed
        # In mixed forms the newest by their text need not be the newest.
        limit = max(self.limit, PAGE_SIZE) if sample.mixed else self.limit
        page = replace(self, limit=limit)._merged(sample, purpose=purpose, fresh=False)
        return Known(
            page.items[: self.limit],
            bool(page.cursor) or len(page.items) > self.limit,
            sample.certain,
            self.found.index is None and not sample.whole,
            " ".join(sample.notes(self.found.index)),
        )

    def outside(self, *, purpose: str, cursor: str = "") -> Page:
        """Only the items that the index can't hold. Raises `DynamoError`, also where no sample could be taken yet."""
        sample = samples.for_table(self.spec)
        if sample.failed and not sample.at:
            raise sample.failed
        return self._merged(sample, purpose=purpose, cursor=cursor, partitions=())

    def after(self, page: Page, *, purpose: str) -> Page:
        """That page of the index in another order, with what is not in the index at its end. Such a list's cursor
        is for `outside` once it holds a stamp ("at"). Raises `DynamoError`."""
        if page.cursor:
            return page
        begin = cursors.dump({"at": _LAST}, purpose=purpose)
        room = replace(self, limit=self.limit - len(page.items))
        rest = room._merged(samples.for_table(self.spec), purpose=purpose, cursor=begin, partitions=())
        page.items, page.cursor, page.sample = [*page.items, *rest.items], rest.cursor, rest.sample
        page.notes += rest.notes
        return page

    def rows(self, sample: Sample) -> list[Row]:
        """Those of the sample's rows that belong here, the newest first."""
        return [
            row
            for row in sample.outside(self.found.index)
            if (row.undated or self.span.contains(row.at))
            and self.status(str(read_text(row.item.get(self.spec.status)) or ""))
            and matches(row.item, (*self.filters, *self.served))
            and self._kept(row.item)
        ]

    def _kept(self, item: Raw) -> bool:
        return self.keep is None or self.keep(item)

    def walk(self, after: Position | None = None) -> Iterator[Walked]:
        """Every item of the list once, in as many reads as that takes: partition by partition, newest first within one,
        and then what is in no index. By Scans of the whole table without an index, where not all partitions are known, and
        where everything is wanted: the sample need not know all that is in no index. Items have their key, status and times. An item that moves meanwhile may come twice. `after`: the position of the last ones that were taken.

        Raises `DynamoError`.
        """
        if self.span.empty:
            return
        sample = samples.for_table(self.spec)
        names = (*self.spec.table.key_attributes, self.spec.status, self.spec.created, self.spec.touched)
        projection = tuple(dict.fromkeys(names))
        if self.keep:  # of the attributes that a list has; without a projection it is whole items
            projection = tuple(dict.fromkeys((*self.projection, *names))) if self.projection else ()
        index = self.found.index
        everything = self.partitions and self.status is any_status and self.span == Span() and not self.served
        if index is None or everything or not self.complete:
            yield from self._walk_table(after, projection)
            return
        span = self.span.wider if sample.mixed else self.span
        partitions = sorted(set(self.partitions))
        begun, start = (after["partition"], after["key"]) if after else ("", None)
        for partition in partitions:
            if partition < begun or (after and partition == begun and start is None):
                continue
            pages = read_all(
                self.spec.table, index.name,
                key=(Clause(index.hash_key, "=", (partition,)), *span.clauses(index.range_key)),
                filters=self.filters,
                projection=(*projection, index.hash_key, index.range_key) if projection else (),
                start=start if partition == begun else None, background=True, ScanIndexForward=False,
            )  # fmt: skip
            for answer in pages:
                items = [
                    item
                    for item in answer["Items"]
                    if self.span.holds(item[index.range_key]) and self._kept(item)
                ]
                yield Walked(items, {"partition": partition, "key": answer.get("LastEvaluatedKey")})
        yield Walked([row.item for row in self.rows(sample)], None)

    def _walk_table(self, after: Position | None, projection: Sequence[str]) -> Iterator[Walked]:
        for answer in read_all(
            self.spec.table,
            filters=(*self.filters, *self.spec.within(self.span)),
            projection=projection,
            start=after["key"] if after and not after["partition"] else None,  # of a partition: begin again
            background=True,
        ):
            items = [
                item
                for item in answer["Items"]
                if self.status(str(read_text(item.get(self.spec.status)) or ""))
                and self.spec.holds(item, self.span)
                and self._kept(item)
            ]
            key = answer.get("LastEvaluatedKey")
            yield Walked(items, {"partition": "", "key": key} if key else None)

    def _merged(
        self,
        sample: Sample,
        *,
        purpose: str,
        cursor: str = "",
        anchor: str = "",
        partitions: Sequence[str] | None = None,
        fresh: bool = True,
    ) -> Page:
        index = self.found.index
        chosen = self.partitions if partitions is None else partitions
        rows = self.rows(sample)
        merge = Merge(
            self.spec.table,
            index or self.spec.index,
            chosen if index else (),
            span=self.span,
            filters=self.filters,
            keep=self.keep,
            projection=self.projection,
            limit=self.limit,
            outside=[(row.stamp, row.item) for row in rows],
            mixed=sample.mixed,
        )
        page = merge.page(purpose=purpose, cursor=cursor, anchor=anchor)
        page.items = newest_first(page.items, self._listed_at)
        if fresh:
            self._as_they_are(page, rows)
        if index is None or not chosen:
            page.how = "The minute's sample"
        page.sample = sample.sampling(self.found.index)
        if index is None:
            page.notes.append(f"{self.found.why} {FROM_SAMPLE if sample.whole else ''}".strip())
        page.notes += sample.notes(index)
        return page

    def _as_they_are(self, page: Page, rows: Sequence[Row]) -> None:
        """Read the page's rows of the sample again, in one call: a person who cancels one must not see it pending for
        a minute. Where the call fails they stay as sampled, and the page says so."""
        if not rows:
            return
        table = self.spec.table
        sampled = {table.key_in(row.item) for row in rows}
        shown = sampled.intersection(map(table.key_in, page.items))
        if not shown:
            return
        try:
            items, _ = items_of(table, shown)
        except DynamoError as problem:
            page.notes.append(f"What is in no index is as the minute's sample found it: {problem.sentence}")
            return
        found = {table.key_in(item): as_row(self.spec, item) for item in items}
        now = [found.get(key) if (key := table.key_in(item)) in sampled else item for item in page.items]
        page.items = [
            item
            for item in now
            if item and self.status(str(read_text(item.get(self.spec.status)) or "")) and self._kept(item)
        ]

    def _scanned(self, sample: Sample, *, purpose: str, cursor: str) -> Page:
        if self.span.empty:
            return Page([], how=f"Scan {self.spec.table.name}")

        def keep(item: Raw) -> bool:
            status = str(read_text(item.get(self.spec.status)) or "")
            return self.status(status) and self.spec.holds(item, self.span) and self._kept(item)

        page = scan_page(
            self.spec.table,
            purpose=purpose,
            cursor=cursor,
            limit=self.limit,
            filters=(*self.filters, *self.spec.within(self.span)),
            keep=None if self.status is any_status and self.span == Span() and self.keep is None else keep,
            projection=self.projection,
        )
        page.items.sort(key=lambda item: self.spec.moment(item) or _NEVER, reverse=True)
        page.notes += [f"{self.found.why} {SCANNED}", *sample.notes(None)]
        page.sample = sample.sampling(self.found.index)
        return page

    def _listed_at(self, item: Raw) -> datetime | None:
        """Of an item in the index by its sort key alone."""
        if "S" in item.get(self.spec.created, {}):
            at = read_time(item[self.spec.created])
            return at if isinstance(at, datetime) else None
        return self.spec.moment(item)


_NEVER = datetime.min.replace(tzinfo=UTC)


def newest_first(items: Sequence[Raw], time_of: Callable[[Raw], datetime | None]) -> list[Raw]:
    """Items that are in the order of their text, by their times; what has none that can be read stays behind the one
    that it follows."""
    at, keyed = datetime.max.replace(tzinfo=UTC), []
    for item in items:
        at = time_of(item) or at
        keyed.append((at, item))
    return [item for _, item in sorted(keyed, key=itemgetter(0), reverse=True)]


FROM_SAMPLE = "The list is made of the minute's sample, which holds the whole table."
SCANNED = "So a part of it is scanned, in no order: newest first holds within a page only."


Tested = TypeVar("Tested")


def every(tests: Sequence[Callable[[Tested], bool]]) -> Callable[[Tested], bool] | None:
    """Whether a status or an item passes all of these; None where there is none, so that a list is no search."""
    if len(tests) < 2:
        return tests[0] if tests else None
    return lambda one: all(test(one) for test in tests)


def of_status(names: Sequence[str]) -> Wanted:
    """Whether a status is one of these, compared without case."""
    lower = {name.strip().lower() for name in names}
    return lambda status: status.strip().lower() in lower
