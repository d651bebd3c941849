"""Reads of the workflow table: lists, single items and counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar

from opsportal.console.tones import FAILED, tone_of
from opsportal.console.trends import between
from opsportal.dynamo.attributes import read_time
from opsportal.dynamo.expressions import Clause, Filter
from opsportal.dynamo.lists import List, Position, Walked, Wanted, any_status, every
from opsportal.dynamo.lookup import Found, find
from opsportal.dynamo.pages import PAGE_SIZE, Page, Raw
from opsportal.dynamo.partitions import Partitions
from opsportal.dynamo.reads import item_of
from opsportal.dynamo.sampling import Sampled
from opsportal.dynamo.searching import Step, step
from opsportal.dynamo.spans import Span
from opsportal.dynamo.statuses import StatusReads, spelled
from opsportal.failures.filters import ItemFilter, Rules
from tracking import findings
from tracking.findings import needs_attention
from tracking.models import Workflow
from tracking.statuses import VOCABULARY, is_open, listed_statuses
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


def is_failure(status: str) -> bool:
    return tone_of(status) == FAILED


def is_stuck(item: Raw, now: datetime) -> bool:
    """Whether it should have moved on."""
    return findings.is_stuck(Workflow.from_item(item), now)


READS = StatusReads(SAMPLED, listed_statuses, is_failure, is_stuck, VOCABULARY.stuck_before)
statuses, all_statuses, outside_index = READS.statuses, READS.all_statuses, READS.outside_index
stuck, newest_failures = READS.stuck, READS.newest_failures


def searched() -> tuple[str, ...]:
    """The attributes in which a text is searched for."""
    return (Workflow.binding().key, *SEARCHED)


@dataclass(frozen=True)
class WorkflowFilter(ItemFilter):
    rules = Rules("workflows", is_open, is_failure, is_stuck, needs_attention, searched)
    parameters: ClassVar[Mapping[str, str]] = {"source": "source_type"}
    source_type: str = ""

    def clauses(self) -> Filter:
        """What the status index does not serve."""
        own = [Clause("sourceType", "=", (self.source_type,))] if self.source_type else []
        return (*own, *self.text_clauses())


def listing(wanted: WorkflowFilter, status: Wanted | None = None) -> tuple[List, Partitions]:
    """What serves the filter, newest first, and the partitions that it reads. `status`: which statuses, of those that
    the filter wants."""
    seen, now, span = statuses(), datetime.now(UTC), wanted.span
    own = every([*wanted.statuses, *([status] if status else [])]) or any_status
    chosen = spelled(wanted.status, seen.values) if wanted.status else seen.values
    if wanted.stuck:
        span = span.before(VOCABULARY.stuck_before(now))
    partitions = [one for one in chosen if own(one)]
    # Of one status a list too has the spellings that were found.
    complete, keep = seen.complete or bool(wanted.status), wanted.keep(now)
    return List(SAMPLED, found(), partitions, own, wanted.clauses(), span, keep=keep, complete=complete), seen


def walk(values: Mapping[str, str], span: Span, after: Position | None = None) -> Iterator[Walked]:
    """Every workflow that the list's parameters choose, see `List.walk`; "outside": those in no index, at any time."""
    if not values.get("outside"):
        return listing(WorkflowFilter.of(values, span))[0].walk(after)
    return replace(listing(WorkflowFilter())[0], partitions=(), complete=True).walk(after)


def page(
    wanted: WorkflowFilter, *, purpose: str, cursor: str = "", anchor: str = "", limit: int = PAGE_SIZE
) -> Page:
    """Newest first, see `opsportal.dynamo.lists`. Raises `DynamoError`.

    Whole items: a step can be any attribute, so none can be left out.
    """
    listed, seen = listing(wanted)
    page = replace(listed, limit=limit).page(purpose=purpose, cursor=cursor, anchor=anchor)
    if seen.reason and listed.found.index:
        page.notes.append(seen.reason)
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
    return page(WorkflowFilter.of(values, span), purpose=purpose, cursor=cursor, anchor=anchor, limit=limit)


def search(values: Mapping[str, str], span: Span, *, purpose: str, cursor: str = "") -> Step:
    """One step of the search for what the list's parameters choose. Raises `DynamoError`."""
    wanted = WorkflowFilter.of(values, span)
    return step(
        lambda: page(wanted, purpose=purpose, cursor=cursor), lambda: INDEX.range_key if found().index else ""
    )


def workflow(session_id: str) -> Workflow | None:
    """The item as it is now (consistent read), or None. Raises `DynamoError`."""
    return Workflow.read(session_id, consistent=True)


def item(session_id: str) -> Raw | None:
    """As `workflow`, for who needs no model of it."""
    return item_of(Workflow.binding(), session_id, consistent=True)
