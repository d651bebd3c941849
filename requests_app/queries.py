"""Reads of the requests table: lists over whichever index serves the filters, items, counts."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.core.cache import caches

from opsportal.console.tones import FAILED, tone_of
from opsportal.console.trends import between
from opsportal.dynamo import cursors, samples
from opsportal.dynamo.attributes import read_text, read_time
from opsportal.dynamo.expressions import AnyOf, Clause, Filter
from opsportal.dynamo.lists import List, Wanted, any_status, of_status
from opsportal.dynamo.lookup import Found, find
from opsportal.dynamo.pages import Page, Part, Raw, sequence_page
from opsportal.dynamo.partitions import Partitions, pairs, partitions
from opsportal.dynamo.sampling import Sampled
from opsportal.dynamo.spans import Span
from opsportal.dynamo.statuses import StatusReads, spelled
from opsportal.dynamo.tables import Binding, Index
from requests_app.models import PRIORITIES, STRATEGIES, IntelligenceRequest
from requests_app.statuses import is_open, listed_statuses
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


# What the overview reads of each: enough to say when it began and how long it took.
READS = StatusReads(SAMPLED, listed_statuses, ("created_at", "started_at", "completed_at"))
statuses, all_statuses, outside_index = READS.statuses, READS.all_statuses, READS.outside_index


@dataclass(frozen=True)
class RequestFilter:
    """`sort`: "newest", "priority" (high, medium, low), or "" for what the filters suggest."""

    status: str = ""
    user: str = ""
    project: str = ""
    strategy: str = ""
    priority: str = ""
    request_type: str = ""
    text: str = ""
    sort: str = ""
    span: Span = field(default_factory=Span)

    @property
    def by_priority(self) -> bool:
        if self.user or self.project:
            return False
        return self.sort == "priority" or (
            self.sort != "newest" and not self.status and bool(self.strategy or self.priority)
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
        if self.text:
            names = [table().key, *SEARCHED]
            searched = [name for name in names if name not in served]
            clauses.append(AnyOf(tuple(Clause(name, "contains", (self.text,)) for name in searched)))
        return tuple(clauses)


def page(wanted: RequestFilter, *, purpose: str, cursor: str = "", anchor: str = "") -> Page:
    """One page of requests by the index that serves the filter best. Raises `DynamoError`.

    By user or project: that index, newest first. By priority, or by strategy alone: `strategy-index`, one
    key condition per priority, in the order high, medium, low. Else `status-index`, newest first over all
    its partitions; so too where one of the others is missing. See `opsportal.dynamo.lists` for what no index has.
    """
    notes = []
    if wanted.by_priority:
        at = found("strategy-index")
        if at.index:
            return _by_priority(wanted, at.index, purpose=purpose, cursor=cursor)
        notes.append(f"{at.why} So these are newest first, not highest priority first.")
    listed, seen = listing(wanted)
    if why := served_by(wanted).why:
        notes.append(f"{why} So they are searched for among all requests.")
    page = listed.page(purpose=purpose, cursor=cursor, anchor=anchor)
    if seen.reason and listed.found.index:
        page.notes.append(seen.reason)
    if wanted.sort == "priority" and not wanted.by_priority:
        notes.append("Of one user or project, requests are listed newest first: no index orders them.")
    page.notes = [*notes, *page.notes]
    return page


def served_by(wanted: RequestFilter) -> Found:
    """The index of the user or of the project that is asked for; without either neither an index nor a reason."""
    if not (wanted.user or wanted.project):
        return Found(None)
    return found("user-index" if wanted.user else "project-index")


def listing(wanted: RequestFilter, status: Wanted | None = None) -> tuple[List, Partitions]:
    """What serves the filter, newest first, and the partitions that it reads. `status`: which statuses, in place of
    the filter's own."""
    chosen: tuple[str, ...]
    at, seen = found(), Partitions(())
    by = served_by(wanted)
    if by.index:
        at, chosen = by, (wanted.user or wanted.project,)
    else:
        seen = statuses()
        chosen = tuple(one for one in seen.values if status(one)) if status else seen.values
        if wanted.status:
            chosen = tuple(spelled(wanted.status, seen.values))
    filters = wanted.clauses(at.index.hash_key) if at.index else wanted.clauses("status")
    own = of_status([wanted.status]) if wanted.status else None
    served = () if by.index is None else (Clause(by.index.hash_key, "=", chosen),)
    listed = List(SAMPLED, at, chosen, status or own or any_status, filters, wanted.span, ROW, served=served)
    return listed, seen


def _by_priority(wanted: RequestFilter, index: Index, *, purpose: str, cursor: str) -> Page:
    if wanted.span.empty:
        return Page([], how=f"Query {index.name}")
    filters = wanted.clauses("processing_strategy", "priority")
    # What has no priority comes last; which of the two the filters ask for, no index has served there.
    rest = List(SAMPLED, Found(index), (), any_status, wanted.clauses(), wanted.span, ROW)
    if cursor and "at" in cursors.load(cursor, purpose=purpose):
        return rest.outside(purpose=purpose, cursor=cursor)
    seen = pairs(table(), index)
    page = sequence_page(
        table(),
        index,
        priority_parts(seen.values, strategy=wanted.strategy, priority=wanted.priority),
        purpose=purpose,
        cursor=cursor,
        filters=(*filters, *SAMPLED.within(wanted.span)),
        keep=lambda item: SAMPLED.holds(item, wanted.span),
        projection=(*ROW, table().key),
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


MAX_STUCK = 20


def stuck(now: datetime | None = None) -> list[IntelligenceRequest]:
    """The newest of those that a worker took and left, or that no worker took, at most `MAX_STUCK`."""
    now = now or datetime.now(UTC)
    limit = now - timedelta(minutes=settings.REQUEST_STUCK_MINUTES)
    span = Span.between(now - timedelta(days=30), limit)
    listed, _ = listing(RequestFilter(span=span), is_open)
    requests = [IntelligenceRequest.from_item(raw) for raw in listed.known(purpose="stuck").items]
    return [one for one in requests if one.touched_at and one.touched_at < limit][:MAX_STUCK]


def projects() -> Partitions:
    """The projects that have requests: those found by skip-scan, and those of the requests that are in no index or,
    without one, of the newest requests. Raises `DynamoError`."""
    at = found("project-index")
    rows = [row.item for row in samples.for_table(SAMPLED).rows]
    if at.index is None:
        rows += page(RequestFilter(), purpose="projects").items
    texts = (read_text(raw.get("project_id")) for raw in rows)
    seen = tuple(dict.fromkeys(text for text in texts if isinstance(text, str) and text))
    if at.index is None:
        return Partitions(tuple(sorted(seen)), complete=False, reason=at.why)
    return partitions(table(), at.index, seen)


# Seconds that the types of the newest requests are known, and that one seen stays known; and how many.
TYPES_FRESH, TYPES_LIFE, MAX_TYPES = 60, 3_600, 100


def request_types() -> tuple[str, ...]:
    """The types of the settings, then those of the newest requests (no index has them). One that was seen
    stays known for an hour, so that a form that offered it is not refused. Raises `DynamoError`."""
    # Of all processes: the one that takes the form is seldom the one that offered it.
    cache, key = caches["default"], f"types:{table().fingerprint}"
    read_at, seen = cache.get(key, (0.0, ()))
    if time.time() - read_at > TYPES_FRESH or not seen:
        newest = page(RequestFilter(), purpose="types").items
        texts = (read_text(raw.get("request_type")) for raw in newest)
        seen = tuple(dict.fromkeys([*(text for text in texts if isinstance(text, str)), *seen]))[:MAX_TYPES]
        cache.set(key, (time.time(), seen), TYPES_LIFE)
    return tuple(dict.fromkeys([*settings.REQUEST_TYPES, *seen]))


def newest_failures() -> list[IntelligenceRequest]:
    """The newest requests whose status says failed, whatever its spelling."""
    listed, _ = listing(RequestFilter(), lambda status: tone_of(status) == FAILED)
    items = replace(listed, limit=5).known(purpose="failures").items
    return [IntelligenceRequest.from_item(raw) for raw in items]
