"""Reads of the workflow table: lists, single items and counts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.conf import settings

from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import AccessDenied
from opsportal.dynamo.expressions import AnyOf, Clause, Filter
from opsportal.dynamo.merge import Merge, Span
from opsportal.dynamo.pages import Page, scan_page
from opsportal.dynamo.partitions import Newest, Partitions, newest, partitions
from opsportal.dynamo.tables import Index
from tracking.models import Workflow
from tracking.statuses import listed_statuses, lower, terminal_statuses

SEARCHED = ("correlationId", "documentId")


NO_INDEX = (
    "This table has no index on overallStatus and createdAt, so a part of it is scanned, in no order: "
    "newest first holds within a page only."
)


def status_index() -> Index | None:
    """The index on (overallStatus, createdAt) where this deployment has one, under whatever name."""
    return _look_for_index()[0]


def _look_for_index() -> tuple[Index | None, str]:
    """The index, or None and the reason. A role may be allowed to read a table and not to describe it."""
    try:
        found = describe(Workflow.binding()).index_on("overallStatus", "createdAt")
    except AccessDenied as denied:
        return None, f"Whether this table has an index can't be told, so it is scanned: {denied.sentence}"
    return (Index(found.name, found.hash_key, found.range_key), "") if found else (None, NO_INDEX)


def why_no_index() -> str:
    """Why there is no `status_index`, in a sentence; "" where there is one."""
    return _look_for_index()[1]


def statuses() -> Partitions:
    """The documented, the configured and the seen statuses; without the index only the first two."""
    known = listed_statuses()
    index, reason = _look_for_index()
    if index is None:
        return Partitions(known, complete=False, reason=reason)
    return partitions(Workflow.binding(), index, known)


def spelled(status: str, among: Sequence[str]) -> list[str]:
    """The spellings of `status` among the partitions: `PENDING` is pending to a person."""
    return [value for value in among if value.lower() == status.lower()] or [status]


@dataclass(frozen=True)
class WorkflowFilter:
    status: str = ""
    source_type: str = ""
    text: str = ""
    span: Span = field(default_factory=Span)

    def clauses(self) -> Filter:
        """What the status index does not serve."""
        clauses: list[Clause | AnyOf] = []
        if self.source_type:
            clauses.append(Clause("sourceType", "=", (self.source_type,)))
        if self.text:
            attributes = (Workflow.binding().key, *SEARCHED)
            clauses.append(AnyOf(tuple(Clause(name, "contains", (self.text,)) for name in attributes)))
        return tuple(clauses)


def page(wanted: WorkflowFilter, *, purpose: str, cursor: str = "", anchor: str = "") -> Page:
    """Newest first by the index; without one a bounded Scan, newest first within the page only.

    Whole items: a step can be any attribute, so none can be left out. Raises `DynamoError`.
    """
    index = status_index()
    if index is None:
        return _scanned(wanted, purpose=purpose, cursor=cursor)
    seen = statuses()
    chosen = spelled(wanted.status, seen.values) if wanted.status else seen.values
    merge = Merge(Workflow.binding(), index, chosen, span=wanted.span, filters=wanted.clauses())
    found = merge.page(purpose=purpose, cursor=cursor, anchor=anchor)
    if seen.reason:
        found.notes.append(seen.reason)
    return found


def _scanned(wanted: WorkflowFilter, *, purpose: str, cursor: str) -> Page:
    clauses = list(wanted.clauses())
    if wanted.span.empty:
        return Page([], how=f"Scan {Workflow.binding().name}")
    if within := wanted.span.clauses("createdAt"):
        # What has no stamp to compare is shown in every range rather than in none.
        clauses.append(AnyOf((Clause("createdAt", "not text"), *within)))
    if wanted.status:
        spellings = {spell(wanted.status) for spell in (str, str.lower, str.upper, str.title)}
        clauses.append(Clause("overallStatus", "in", tuple(sorted(spellings))))
    found = scan_page(Workflow.binding(), purpose=purpose, cursor=cursor, filters=tuple(clauses))
    found.items.sort(key=lambda raw: str(raw.get("createdAt", {}).get("S", "")), reverse=True)
    found.notes.append(_look_for_index()[1])
    return found


def outside_index(*, purpose: str, cursor: str = "") -> Page:
    """Items that the index can't hold, for want of a text in overallStatus or createdAt."""
    clause = AnyOf((Clause("overallStatus", "not text"), Clause("createdAt", "not text")))
    return scan_page(Workflow.binding(), purpose=purpose, cursor=cursor, filters=(clause,))


def workflow(session_id: str) -> Workflow | None:
    """The item as it is now (consistent read), or None. Raises `DynamoError`."""
    return Workflow.read(session_id, consistent=True)


# What the overview is told of each: enough to say when it began and how long it took.
RECENT = ("createdAt", "lastUpdated", "retryCount")


def recent(since: datetime) -> list[tuple[str, Newest]] | None:
    """The newest workflows of each status that were created since then, capped; None without the index."""
    index = status_index()
    if index is None:
        return None
    span = Span(f"{since:%Y-%m-%dT%H:%M:%S}")
    return [
        (status, newest(Workflow.binding(), index.name, _key(index, status, span), RECENT))
        for status in statuses().values
    ]


def _key(index: Index, status: str, span: Span) -> tuple[Clause, ...]:
    return (Clause(index.hash_key, "=", (status,)), *span.clauses(index.range_key))


MOST_STUCK = 20


def stuck(now: datetime | None = None) -> list[Workflow]:
    """The newest of those that should move and have not, at most `MOST_STUCK`; [] without the index.

    Only what was created longer ago than the limit can be stuck, and what is older than 30 days is past
    an operator's care.
    """
    index = status_index()
    if index is None:
        return []
    now = now or datetime.now(UTC)
    limit = now - timedelta(minutes=settings.WORKFLOW_STUCK_MINUTES)
    span = Span(f"{now - timedelta(days=30):%Y-%m-%dT%H:%M:%S}", f"{limit:%Y-%m-%dT%H:%M:%S}")
    ends = terminal_statuses()
    open_ones = [status for status in statuses().values if lower(status) not in ends]
    found = Merge(Workflow.binding(), index, open_ones, span=span).page(purpose="stuck")
    workflows = [Workflow.of(raw) for raw in found.items]
    return [one for one in workflows if one.updated_at and one.updated_at < limit][:MOST_STUCK]


def newest_failures(most: int = 5) -> list[Workflow]:
    """The newest workflows whose status says failed; [] without the index."""
    index = status_index()
    if index is None:
        return []
    failed = spelled("failed", statuses().values)
    found = Merge(Workflow.binding(), index, failed, limit=most).page(purpose="failures")
    return [Workflow.of(raw) for raw in found.items]
