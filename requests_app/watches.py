"""Requests as alert rules watch them."""

from collections.abc import Mapping
from datetime import datetime

from opsportal.alerts.item_watches import Item, Items
from opsportal.dynamo.lists import List, Wanted
from opsportal.dynamo.merge import Span
from requests_app import queries
from requests_app.models import IntelligenceRequest
from requests_app.queries import RequestFilter
from requests_app.statuses import is_open

FILTERS = {"user": "User", "project": "Project", "strategy": "Strategy", "request_type": "Type"}


def _item(request: IntelligenceRequest) -> Item:
    named = {"project": request.project_id, "user": request.user_id, "stage": request.progress.stage}
    error = request.first_error_text
    return Item(
        key=request.id,
        status=str(request.status or ""),
        is_open=request.is_open,
        created_at=request.created_at if isinstance(request.created_at, datetime) else None,
        updated_at=request.touched_at,
        ended_at=request.completed_at if isinstance(request.completed_at, datetime) else None,
        facets={
            "user": (request.user_id,),
            "project": (request.project_id,),
            "strategy": (request.processing_strategy,),
            "request_type": (request.request_type,),
        },
        figures={name: value for name, value in named.items() if isinstance(value, str)},
        error=error if isinstance(error, str) else "",
    )


def _listing(filters: Mapping[str, str], wanted: Wanted, span: Span) -> List:
    """By the index of the user or of the project where the rule names one."""
    user, project, strategy, request_type = (filters.get(name, "") for name in FILTERS)
    asked = RequestFilter(user=user, project=project, strategy=strategy, request_type=request_type, span=span)
    return queries.listing(asked, wanted)[0]


ITEMS = Items(
    noun="request",
    namespace="requests",
    model=IntelligenceRequest,
    sampled=queries.SAMPLED,
    read=queries.request,
    item=_item,
    listing=_listing,
    is_open=is_open,
    stuck_minutes="REQUEST_STUCK_MINUTES",
    filters=FILTERS,
)
WATCHES = ITEMS.watches()
