"""Reads of the requests table: lists over whichever index serves the filters, items, counts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar

from django.conf import settings

from opsportal.console.tones import FAILED, tone_of
from opsportal.console.trends import between
from opsportal.dynamo import cursors
from opsportal.dynamo.attributes import read_time
from opsportal.dynamo.expressions import AnyOf, Clause, Filter
from opsportal.dynamo.lists import List, Position, Walked, Wanted, any_status, every
from opsportal.dynamo.lookup import Found, find
from opsportal.dynamo.pages import PAGE_SIZE, Page, Part, Raw, sequence_page
from opsportal.dynamo.partitions import Partitions, pairs
from opsportal.dynamo.sampling import Sampled
from opsportal.dynamo.searching import Step, step
from opsportal.dynamo.spans import Span
from opsportal.dynamo.statuses import StatusReads, spelled
from opsportal.dynamo.tables import Binding, Index
from opsportal.failures.filters import ItemFilter, Rules
from requests_app import findings
from requests_app.findings import needs_attention
from requests_app.models import PRIORITIES, STRATEGIES, IntelligenceRequest
from requests_app.statuses import VOCABULARY, is_open, listed_statuses
from requests_app.tables import REQUESTS

# What a row shows. Of the errors only the first: a request may hold thousands.
ROW = (
    "request_id", "status", "status_message", "priority", "created_at", "updated_at", "started_at",
    "completed_at", "user_id", "project_id", "request_type", "processing_strategy", "progress", "errors[0]",
)  # fmt: skip
# An AWS limit.
MAX_SORT_KEY_BYTES = 1024
SEARCHED = ("project_id", "user_id", "request_type")


def table() -> Binding:
    return IntelligenceRequest.binding()


def found(name: str = "status-index") -> Found:
    """The index with the keys of that declared one, as deployed; or why there is none. Raises `DynamoError`."""
    return find(table(), REQUESTS.index(name))


def _kept(item: Raw) -> Raw:
    kept = {name: item[name] for name in ROW if name in item}
    # As the projection of the lists has it: the first error alone.
    return kept | ({"errors": {"L": item["errors"]["L"][:1]}} if item.get("errors", {}).get("L") else {})


def _updated(item: Raw) -> datetime | None:
    updated = read_time(item.get("updated_at"))
    return updated if isinstance(updated, datetime) else IntelligenceRequest.from_item(item).touched_at


def lasted(item: Raw) -> Decimal | None:
    """Seconds, as `elapsed` of the item, which would take four times as long to make."""
    began = read_time(item.get("started_at"))
    began = began if isinstance(began, datetime) else read_time(item.get("created_at"))
    return between(began, read_time(item.get("completed_at")))


def _others() -> tuple[Index, ...]:
    """The list by priority has an index of its own."""
    index = found("strategy-index").index
    return (index,) if index else ()


SAMPLED = Sampled(
    "requests", REQUESTS.index("status-index"), found, _kept, _updated, lasted, is_open, "updated_at", _others
)


def is_failure(status: str) -> bool:
    return tone_of(status) == FAILED


def is_stuck(item: Raw, now: datetime) -> bool:
    """Whether it should have moved on: a worker took it and left, or none took it."""
    return findings.is_stuck(IntelligenceRequest.from_item(item), now)


READS = StatusReads(SAMPLED, listed_statuses, is_failure, is_stuck, VOCABULARY.stuck_before, ROW)
statuses, all_statuses, outside_index = READS.statuses, READS.all_statuses, READS.outside_index
stuck, newest_failures = READS.stuck, READS.newest_failures


def searched() -> tuple[str, ...]:
    """The attributes in which a text is searched for."""
    return (table().key, *SEARCHED)


@dataclass(frozen=True)
class RequestFilter(ItemFilter):
    """`sort`: "newest", "priority" (high, medium, low), or "" for what the filters suggest."""

    rules = Rules("requests", is_open, is_failure, is_stuck, needs_attention, searched)
    parameters: ClassVar[Mapping[str, str]] = {
        **{name: name for name in ("user", "project", "strategy", "priority", "sort")},
        "type": "request_type",
    }
    user: str = ""
    project: str = ""
    strategy: str = ""
    priority: str = ""
    request_type: str = ""
    sort: str = ""

    @property
    def by_priority(self) -> bool:
        if self.user or self.project:
            return False
        return self.sort == "priority" or (
            self.sort != "newest"
            and not (self.status or self.stuck or self.attention or self.case)
            and bool(self.strategy or self.priority)
        )

    def clauses(self, *served: str) -> Filter:
        """What the index does not serve; `served` are the attributes that it does."""
        wanted = {
            "user_id": self.user,
            "project_id": self.project,
            "processing_strategy": self.strategy,
            "priority": self.priority,
            "request_type": self.request_type,
        }
        clauses: list[Clause | AnyOf] = [
            Clause(name, "=", (value,)) for name, value in wanted.items() if value and name not in served
        ]
        if self.status and "status" not in served:
            spellings = (self.status, *spelled(self.status, statuses().values))
            clauses.append(Clause("status", "in", tuple(dict.fromkeys(spellings))))
        return (*clauses, *self.text_clauses(*served))


def page(
    wanted: RequestFilter, *, purpose: str, cursor: str = "", anchor: str = "", limit: int = PAGE_SIZE
) -> Page:
    """One page of requests by the index that serves the filter best. Raises `DynamoError`.

    By user or project: that index, newest first. By priority, or by strategy alone: `strategy-index`, one
    key condition per priority, in the order high, medium, low. Else `status-index`, newest first over all
    its partitions; so too where one of the others is missing. See `opsportal.dynamo.lists` for what no index has.
    """
    notes = []
    if wanted.by_priority:
        at = found("strategy-index")
        if at.index:
            return _by_priority(wanted, at.index, purpose=purpose, cursor=cursor, limit=limit)
        notes.append(f"{at.why} So these are newest first, not highest priority first.")
    listed, seen = listing(wanted)
    if why := served_by(wanted).why:
        notes.append(f"{why} So they are searched for among all requests.")
    page = replace(listed, limit=limit).page(purpose=purpose, cursor=cursor, anchor=anchor)
    if seen.reason and listed.found.index:
        page.notes.append(seen.reason)
    if wanted.sort == "priority" and not wanted.by_priority:
        notes.append("Of one user or project, requests are listed newest first: no index orders them.")
    page.notes = [*notes, *page.notes]
    return page


def chosen(
    values: Mapping[str, str],
    span: Span,
    *,
    purpose: str,
    cursor: str = "",
    anchor: str = "",
    limit: int = PAGE_SIZE,
) -> Page:
    """The page of what the list's parameters choose; "outside": those in no index. Raises `DynamoError`."""
    if values.get("outside"):
        return outside_index(purpose=purpose, cursor=cursor)
    return page(RequestFilter.of(values, span), purpose=purpose, cursor=cursor, anchor=anchor, limit=limit)


def search(values: Mapping[str, str], span: Span, *, purpose: str, cursor: str = "") -> Step:
    """One step of the search for what the list's parameters choose. Raises `DynamoError`."""
    wanted = RequestFilter.of(values, span)
    return step(
        lambda: page(wanted, purpose=purpose, cursor=cursor),
        lambda: SAMPLED.created if found().index and not wanted.by_priority else "",
    )


def served_by(wanted: RequestFilter) -> Found:
    """The index of the user or of the project that is asked for; without either neither an index nor a reason."""
    if not (wanted.user or wanted.project):
        return Found(None)
    return found("user-index" if wanted.user else "project-index")


def listing(wanted: RequestFilter, status: Wanted | None = None) -> tuple[List, Partitions]:
    """What serves the filter, newest first, and the partitions that it reads. `status`: which statuses, of those that
    the filter wants."""
    at, seen, now, span = found(), Partitions(()), datetime.now(UTC), wanted.span
    own = every([*wanted.statuses, *([status] if status else [])]) or any_status
    by = served_by(wanted)
    chosen: tuple[str, ...]
    if by.index:
        at, chosen = by, (wanted.user or wanted.project,)
    else:
        seen = statuses()
        named = spelled(wanted.status, seen.values) if wanted.status else seen.values
        chosen = tuple(one for one in named if own(one))
    if wanted.stuck:
        span = span.before(VOCABULARY.stuck_before(now))
    filters = wanted.clauses(at.index.hash_key) if at.index else wanted.clauses("status")
    served = () if by.index is None else (Clause(by.index.hash_key, "=", chosen),)
    # Of one status a list too has the spellings that were found.
    complete = seen.complete or bool(wanted.status)
    keep = wanted.keep(now)
    listed = List(SAMPLED, at, chosen, own, filters, span, ROW, served=served, keep=keep, complete=complete)
    return listed, seen


def walk(values: Mapping[str, str], span: Span, after: Position | None = None) -> Iterator[Walked]:
    """Every request that the list's parameters choose, see `List.walk`; "outside": those in no index, at any time."""
    if not values.get("outside"):
        return listing(RequestFilter.of(values, span))[0].walk(after)
    return replace(listing(RequestFilter())[0], partitions=(), complete=True).walk(after)


def _by_priority(wanted: RequestFilter, index: Index, *, purpose: str, cursor: str, limit: int) -> Page:
    if wanted.span.empty:
        return Page([], how=f"Query {index.name}")
    filters = wanted.clauses("processing_strategy", "priority")
    own, keep = every(wanted.statuses) or any_status, wanted.keep(datetime.now(UTC))
    if (wanted.stuck or wanted.case) and (chosen := tuple(one for one in statuses().values if own(one))):
        filters = (*filters, Clause("status", "in", chosen))
    # What has no priority comes last; which of the two the filters ask for, no index has served there.
    rest = List(SAMPLED, Found(index), (), own, wanted.clauses(), wanted.span, ROW, limit, keep=keep)
    if cursor and "at" in cursors.load(cursor, purpose=purpose):
        return rest.outside(purpose=purpose, cursor=cursor)
    seen = pairs(table(), index)
    page = sequence_page(
        table(),
        index,
        priority_parts(seen.values, strategy=wanted.strategy, priority=wanted.priority),
        purpose=purpose,
        cursor=cursor,
        limit=limit,
        filters=(*filters, *SAMPLED.within(wanted.span)),
        keep=lambda item: SAMPLED.holds(item, wanted.span) and (keep is None or keep(item)),
        projection=(*ROW, table().key),
        searching=bool(keep),
    )
    page.notes.append(
        "Ordered by priority (high, medium, low, others), then by strategy; within these in no time order. "
        "Requests without a priority or a strategy come last."
    )
    if not seen.complete:
        page.notes.append(seen.reason)
    return rest.after(page, purpose=purpose)


def priority_parts(seen: Sequence[tuple[str, ...]], *, strategy: str = "", priority: str = "") -> list[Part]:
    """One part per (priority, strategy) that is documented, configured or seen, highest priority first."""
    known = (*PRIORITIES, *settings.REQUEST_EXTRA_PRIORITIES)
    ranks = {name: rank for rank, name in enumerate(known)}
    combinations = {(name, other) for name in STRATEGIES for other in known} | {(s, p) for s, p in seen}
    chosen = [
        (name, other)
        for name, other in combinations
        if (not strategy or name == strategy) and (not priority or other.lower() == priority.lower())
    ]
    if strategy and priority and not chosen:
        chosen = [(strategy, priority)]
    elif strategy and not chosen:
        chosen = [(strategy, other) for other in known]
    elif priority and not chosen:
        chosen = [(name, priority) for name in STRATEGIES]
    # A longer sort key can't be, and asking for one is refused.
    chosen = [pair for pair in chosen if len(pair[1].encode()) <= MAX_SORT_KEY_BYTES]
    # A spelling such as HIGH ranks with high; what is not known comes after low.
    chosen.sort(key=lambda pair: (ranks.get(pair[1].lower(), len(ranks)), pair[1], pair[0]))
    return [
        Part(
            label=f"{other} · {name}",
            key=(Clause("processing_strategy", "=", (name,)), Clause("priority", "=", (other,))),
        )
        for name, other in chosen
    ]


def request(request_id: str) -> IntelligenceRequest | None:
    """The item as it is now (consistent read), or None. Raises `DynamoError`."""
    return IntelligenceRequest.read(request_id, consistent=True)
