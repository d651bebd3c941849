"""Reads of the requests table: lists over whichever index serves the filters, items, counts."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core.cache import caches

from opsportal.dynamo.attributes import read_text
from opsportal.dynamo.expressions import AnyOf, Clause, Filter
from opsportal.dynamo.merge import Merge, Span
from opsportal.dynamo.pages import Page, Part, scan_page, sequence_page
from opsportal.dynamo.partitions import Newest, Partitions, newest, pairs, partitions
from opsportal.dynamo.tables import Binding, Index
from requests_app.models import PRIORITIES, STRATEGIES, IntelligenceRequest
from requests_app.statuses import listed_statuses, lower, open_statuses
from requests_app.tables import REQUESTS

# What a row shows. Of the errors only the first: a request may hold thousands.
ROW = (
    "request_id", "status", "status_message", "priority", "created_at", "updated_at", "started_at",
    "completed_at", "user_id", "project_id", "request_type", "processing_strategy", "progress", "errors[0]",
)  # fmt: skip
# An AWS limit.
MOST_SORT_KEY_BYTES = 1024
SEARCHED = ("project_id", "user_id", "request_type")


def table() -> Binding:
    return IntelligenceRequest.binding()


def _index(name: str) -> Index:
    return REQUESTS.index(name)


def statuses() -> Partitions:
    """The documented, the configured and the seen statuses."""
    return partitions(table(), _index("status-index"), listed_statuses())


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


def spelled(status: str, among: Sequence[str]) -> list[str]:
    """The spellings of `status` among the partitions: `PENDING` is pending to a person."""
    return [value for value in among if value.lower() == status.lower()] or [status]


def page(wanted: RequestFilter, *, purpose: str, cursor: str = "", anchor: str = "") -> Page:
    """One page of requests by the index that serves the filter best. Raises `DynamoError`.

    By user or project: that index, newest first. By priority, or by strategy alone: `strategy-index`, one
    key condition per priority, in the order high, medium, low. Else `status-index`, newest first over all
    its partitions.
    """
    if wanted.by_priority:
        return _by_priority(wanted, purpose=purpose, cursor=cursor)
    seen = Partitions(())
    chosen: tuple[str, ...]
    if wanted.user:
        index, chosen = _index("user-index"), (wanted.user,)
    elif wanted.project:
        index, chosen = _index("project-index"), (wanted.project,)
    else:
        index, seen = _index("status-index"), statuses()
        chosen = tuple(spelled(wanted.status, seen.values)) if wanted.status else seen.values
    filters = wanted.clauses(index.hash_key)
    merge = Merge(table(), index, chosen, span=wanted.span, filters=filters, projection=ROW)
    found = merge.page(purpose=purpose, cursor=cursor, anchor=anchor)
    if seen.reason:
        found.notes.append(seen.reason)
    if wanted.sort == "priority":
        found.notes.append("Of one user or project, requests are listed newest first: no index orders them.")
    return found


def _by_priority(wanted: RequestFilter, *, purpose: str, cursor: str) -> Page:
    index = _index("strategy-index")
    if wanted.span.empty:
        return Page([], how=f"Query {index.name}")
    seen = pairs(table(), index)
    found = sequence_page(
        table(),
        index,
        priority_parts(seen.values, strategy=wanted.strategy, priority=wanted.priority),
        purpose=purpose,
        cursor=cursor,
        filters=(
            *wanted.clauses("processing_strategy", "priority"),
            *wanted.span.clauses("created_at"),
        ),
        projection=(*ROW, table().key),
    )
    found.notes.append(
        "Ordered by priority (high, medium, low, others), then by strategy; within these in no time order. "
        "Requests without a priority or a strategy are in the order by time only."
    )
    if not seen.complete:
        found.notes.append(seen.reason)
    return found


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
    chosen = [pair for pair in chosen if len(pair[1].encode()) <= MOST_SORT_KEY_BYTES]
    # A spelling such as HIGH ranks with high; what is not known comes after low.
    chosen.sort(key=lambda pair: (ranks.get(pair[1].lower(), len(ranks)), pair[1], pair[0]))
    return [
        Part(
            label=f"{other} · {name}",
            key=(Clause("processing_strategy", "=", (name,)), Clause("priority", "=", (other,))),
        )
        for name, other in chosen
    ]


def outside_index(*, purpose: str, cursor: str = "") -> Page:
    """Items that `status-index` can't hold, for want of a text in status or created_at."""
    clause = AnyOf((Clause("status", "not text"), Clause("created_at", "not text")))
    return scan_page(table(), purpose=purpose, cursor=cursor, filters=(clause,), projection=ROW)


def request(request_id: str) -> IntelligenceRequest | None:
    """The item as it is now (consistent read), or None. Raises `DynamoError`."""
    return IntelligenceRequest.read(request_id, consistent=True)


# What the overview is told of each: enough to say when it began and how long it took.
RECENT = ("created_at", "started_at", "completed_at")


def recent(since: datetime) -> list[tuple[str, Newest]]:
    """The newest requests of each status that were created since then, capped."""
    index, span = _index("status-index"), Span(f"{since:%Y-%m-%dT%H:%M:%S}")
    return [
        (
            status,
            newest(
                table(),
                index.name,
                (Clause(index.hash_key, "=", (status,)), *span.clauses(index.range_key)),
                RECENT,
            ),
        )
        for status in statuses().values
    ]


MOST_STUCK = 20


def stuck(now: datetime | None = None) -> list[IntelligenceRequest]:
    """The newest of those that a worker took and left, or that nobody took, at most `MOST_STUCK`."""
    now = now or datetime.now(UTC)
    limit = now - timedelta(minutes=settings.REQUEST_STUCK_MINUTES)
    span = Span(f"{now - timedelta(days=30):%Y-%m-%dT%H:%M:%S}", f"{limit:%Y-%m-%dT%H:%M:%S}")
    going = open_statuses()
    open_ones = [status for status in statuses().values if lower(status) in going]
    found = Merge(table(), _index("status-index"), open_ones, span=span, projection=ROW).page(purpose="stuck")
    requests = [IntelligenceRequest.of(raw) for raw in found.items]
    return [one for one in requests if one.touched_at and one.touched_at < limit][:MOST_STUCK]


def projects() -> Partitions:
    """The projects that have requests: those found by skip-scan. Raises `DynamoError`."""
    return partitions(table(), _index("project-index"), ())


# Seconds that the types of the newest requests are known, and that one seen stays known; and how many.
TYPES_FRESH, TYPES_LIFE, MOST_TYPES = 60, 3_600, 100


def request_types() -> tuple[str, ...]:
    """The types of the settings, then those of the newest requests (no index has them). One that was seen
    stays known for an hour, lest a form that offered it is refused. Raises `DynamoError`."""
    # Of all processes: the one that takes the form is seldom the one that offered it.
    cache, key = caches["default"], f"types:{table().fingerprint}"
    read_at, seen = cache.get(key, (0.0, ()))
    if time.time() - read_at > TYPES_FRESH or not seen:
        newest = page(RequestFilter(), purpose="types").items
        texts = (read_text(raw.get("request_type")) for raw in newest)
        seen = tuple(dict.fromkeys([*(text for text in texts if isinstance(text, str)), *seen]))[:MOST_TYPES]
        cache.set(key, (time.time(), seen), TYPES_LIFE)
    return tuple(dict.fromkeys([*settings.REQUEST_TYPES, *seen]))


def newest_failures(most: int = 5) -> list[IntelligenceRequest]:
    """The newest requests whose status says failed, whatever its spelling."""
    failed = spelled("failed", statuses().values)
    merge = Merge(table(), _index("status-index"), failed, limit=most, projection=ROW)
    return [IntelligenceRequest.of(raw) for raw in merge.page(purpose="failures").items]
