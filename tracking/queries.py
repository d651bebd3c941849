"""Reads of the workflow table: lists, single items and counts."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.conf import settings

from opsportal.console.tones import FAILED, tone_of
from opsportal.console.trends import between
from opsportal.dynamo.attributes import read_time
from opsportal.dynamo.expressions import AnyOf, Clause, Filter
from opsportal.dynamo.lists import List, Wanted, any_status, of_status
from opsportal.dynamo.lookup import Found, find
from opsportal.dynamo.pages import Page, Raw
from opsportal.dynamo.partitions import Partitions
from opsportal.dynamo.sampling import Sampled
from opsportal.dynamo.spans import Span
from opsportal.dynamo.statuses import StatusReads, spelled
from tracking.models import Workflow
from tracking.statuses import is_open, listed_statuses
from tracking.steps import summary
from tracking.tables import WORKFLOWS

SEARCHED = ("correlationId", "documentId")
INDEX = WORKFLOWS.indexes[0]
# What a list shows of a workflow, beside its steps.
ROW = (
    "correlationId", "documentId", "sourceType", "overallStatus", "totalTokenUsage", "totalDuration", "createdAt",
    "lastUpdated", "expiresAt", "cancelledAt", "cancelledBy", "retryCount",
)  # fmt: skip


def found() -> Found:
    """The index on (overallStatus, createdAt) where this deployment has one, under whatever name."""
    return find(Workflow.binding(), INDEX)


def _kept(item: Raw) -> Raw:
    return {name: item[name] for name in ROW if name in item} | summary(item)


def _updated(item: Raw) -> datetime | None:
    updated = read_time(item.get("lastUpdated"))
    return updated if isinstance(updated, datetime) else Workflow.from_item(item).updated_at


def lasted(item: Raw) -> Decimal | None:
    """Seconds from creation (else from the first step) to the last update. Of one that was retried they would say
    how long it waited."""
    if "retryCount" in item:
        return None
    created = read_time(item.get("createdAt"))
    began = created if isinstance(created, datetime) else Workflow.from_item(item).started_at
    return between(began, read_time(item.get("lastUpdated")))


SAMPLED = Sampled("workflows", INDEX, found, _kept, _updated, lasted, is_open, "lastUpdated")


# What the overview reads of each: enough to say when it began and how long it took.
READS = StatusReads(SAMPLED, listed_statuses, ("createdAt", "lastUpdated", "retryCount"))
statuses, all_statuses, outside_index = READS.statuses, READS.all_statuses, READS.outside_index


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


def listing(wanted: WorkflowFilter, status: Wanted | None = None) -> tuple[List, Partitions]:
    """What serves the filter, newest first, and the partitions that it reads. `status`: which statuses, in place of
    the filter's own."""
    seen = statuses()
    chosen = [one for one in seen.values if status is None or status(one)]
    if wanted.status:
        chosen, status = spelled(wanted.status, seen.values), of_status([wanted.status])
    return List(SAMPLED, found(), chosen, status or any_status, wanted.clauses(), wanted.span), seen


def page(wanted: WorkflowFilter, *, purpose: str, cursor: str = "", anchor: str = "") -> Page:
    """Newest first, see `opsportal.dynamo.lists`. Raises `DynamoError`.

    Whole items: a step can be any attribute, so none can be left out.
    """
    listed, seen = listing(wanted)
    page = listed.page(purpose=purpose, cursor=cursor, anchor=anchor)
    if seen.reason and listed.found.index:
        page.notes.append(seen.reason)
    return page


def workflow(session_id: str) -> Workflow | None:
    """The item as it is now (consistent read), or None. Raises `DynamoError`."""
    return Workflow.read(session_id, consistent=True)


MAX_STUCK = 20


def stuck(now: datetime | None = None) -> list[Workflow]:
    """The newest of those that should move and have not, at most `MAX_STUCK`.

    Only what was created longer ago than the limit can be stuck, and what is older than 30 days is past
    an operator's care.
    """
    now = now or datetime.now(UTC)
    limit = now - timedelta(minutes=settings.WORKFLOW_STUCK_MINUTES)
    span = Span.between(now - timedelta(days=30), limit)
    listed, _ = listing(WorkflowFilter(span=span), is_open)
    workflows = [Workflow.from_item(raw) for raw in listed.known(purpose="stuck").items]
    return [one for one in workflows if one.updated_at and one.updated_at < limit][:MAX_STUCK]


def newest_failures() -> list[Workflow]:
    """The newest workflows whose status says failed."""
    listed, _ = listing(WorkflowFilter(), lambda status: tone_of(status) == FAILED)
    items = replace(listed, limit=5).known(purpose="failures").items
    return [Workflow.from_item(raw) for raw in items]
