"""Workflows as alert rules watch them."""

from collections.abc import Mapping

from opsportal.alerts.item_watches import Item, Items
from opsportal.dynamo.lists import List, Wanted
from opsportal.dynamo.merge import Span
from tracking import queries
from tracking.models import Workflow
from tracking.queries import WorkflowFilter
from tracking.statuses import is_open


def _item(workflow: Workflow) -> Item:
    failed = [step.key for step in workflow.steps if step.failed]
    error = workflow.first_error
    return Item(
        key=workflow.id,
        status=str(workflow.overall_status or ""),
        is_open=workflow.is_open,
        created_at=workflow.started_at,
        updated_at=workflow.updated_at,
        ended_at=workflow.ended_at,
        facets={"source_type": (workflow.source_type,), "step": failed},
        failure={"step": failed[0]} if failed else {},
        error=error.error if error and isinstance(error.error, str) else "",
    )


def _listing(filters: Mapping[str, str], wanted: Wanted, span: Span) -> List:
    return queries.listing(WorkflowFilter(source_type=filters.get("source_type", ""), span=span), wanted)[0]


ITEMS = Items(
    noun="workflow",
    namespace="tracking",
    model=Workflow,
    sampled=queries.SAMPLED,
    read=queries.workflow,
    item=_item,
    listing=_listing,
    is_open=is_open,
    stuck_minutes="WORKFLOW_STUCK_MINUTES",
    filters={"source_type": "Source type"},
    failure_filters={"step": "Failed step (attribute name)"},
)
WATCHES = ITEMS.watches()
