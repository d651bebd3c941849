"""What the search finds of workflows."""

from collections.abc import Sequence

from django.urls import reverse

from opsportal.dynamo.pages import Raw
from opsportal.search.sources import Hit, Keyed, Searched, key_of
from tracking import queries
from tracking.models import Workflow


def keys(text: str) -> Sequence[Keyed]:
    return key_of(Workflow.binding(), text)


def hit(item: Raw) -> Hit:
    workflow = Workflow.from_item(item)
    present = [step for step in workflow.steps if step.present]
    at = workflow.first_error or (present[-1] if present else None)
    return Hit(
        "workflows",
        "Workflow",
        workflow.id,
        reverse("tracking:item", args=[workflow.id]),
        workflow.overall_status,
        at.label if at else None,
        workflow.updated_at or workflow.created_at,
    )


SEARCHED = Searched(
    "workflows",
    "Workflow",
    "workflows",
    "tracking.view_workflows",
    Workflow.binding,
    keys,
    hit,
    attributes=tuple(zip(queries.SEARCHED, ("correlation id", "document"), strict=True)),
    indexed=queries.SEARCHED,
    known=queries.READS.sampled,
    read=queries.search,
    list_view="tracking:list",
)
