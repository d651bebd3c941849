"""Pages of workflows: the list, one item, the figures of one step, and the panel on the overview."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from opsportal.console import panels
from opsportal.console.access import requires
from opsportal.console.listing import Listing, Region, respond, seen_token
from opsportal.console.numbers import MIN_VALUES
from opsportal.console.other_attributes import Part, Shown, other_attributes
from opsportal.console.problems import wants_fragment
from opsportal.console.timerange import Window
from opsportal.dynamo.attributes import raw_text
from opsportal.dynamo.errors import DynamoError
from opsportal.operations.item_pages import ItemPage, gone
from tracking import figures, queries
from tracking.action_views import ACTIONS
from tracking.declared import Declared, rows
from tracking.findings import findings
from tracking.models import Workflow
from tracking.statuses import lower
from tracking.steps import READ, Step
from tracking.timeline import timeline

NOTHING_YET = "Workflows appear here as soon as an orchestrator writes its first status."
FILTERS = {"status": "Status", "source": "Source type", "q": "Text", "outside": ""}


@requires("tracking.view_workflows")
def list_(request: HttpRequest) -> HttpResponse:
    """Workflows, newest first. A full session id in the search box opens its item."""
    listing = Listing(request, "workflows", FILTERS)
    if url := listing.picked_url:
        return redirect(url)
    for key in listing.keys_typed:
        if queries.workflow(key):
            return redirect("tracking:item", key)
    if listing["outside"]:
        page = queries.outside_index(purpose=listing.purpose, cursor=listing.cursor)
    else:
        wanted = queries.WorkflowFilter(
            status=listing["status"],
            source_type=listing["source"],
            text=listing["q"],
            span=listing.time_range.span,
        )
        page = queries.page(wanted, purpose=listing.purpose, cursor=listing.cursor, anchor=listing.anchor)
    workflows = [Workflow.from_item(raw) for raw in page.items]
    found = [(workflow, findings(workflow)) for workflow in workflows]
    region = Region(
        id="live",
        seen=seen_token(
            [(raw_text({"M": workflow.raw}), [one.kind for one in noticed]) for workflow, noticed in found],
            page.newer,
            page.notes,
        ),
        anchor=listing.anchor or _newest(workflows),
        finished=bool(found) and all(workflow.is_terminal for workflow in workflows),
    )
    context = {
        **listing.context(page, region),
        "rows": found,
        "tabs": listing.status_tabs(queries.all_statuses()),
        "empty": listing.empty(page, "workflows", NOTHING_YET),
        "has_index": queries.found().index is not None,
    }
    return respond(request, "tracking/list.html", context, region)


def _newest(workflows: list[Workflow]) -> str:
    """The last stamp in the index's order, which is by text."""
    return max((workflow.raw.get("createdAt", {}).get("S", "") for workflow in workflows), default="")


TABS = (("steps", "Steps"), ("audit", "Audit"), ("raw", "Raw"))


@requires("tracking.view_workflows")
def item(request: HttpRequest, session_id: str) -> HttpResponse:
    """One workflow: summary, timeline, error; what was done to it; or its raw item (`tab`)."""
    workflow = queries.workflow(session_id)
    if workflow is None:
        return gone(request, ACTIONS, session_id, "tracking/item.html")
    page = ItemPage(request, ACTIONS, session_id, workflow.raw, TABS, "lastUpdated")
    now = datetime.now(UTC)
    found = findings(workflow, now)
    context: dict[str, Any] = {
        "workflow": workflow,
        "findings": found,
        "buttons": ACTIONS.buttons(request, session_id, workflow.raw),
    }
    if page.tab == "steps":
        context |= {
            "others": other_attributes(workflow.raw, shown_of(workflow)),
            "timeline": timeline(workflow, now),
            "malformed": workflow.problems,
        }
    seen = [[finding.kind for finding in found]]
    return page.respond("tracking/item.html", context, seen=seen, finished=workflow.is_terminal)


@requires("tracking.view_workflows")
def step(request: HttpRequest, key: str) -> HttpResponse:
    """Figures of a step beside those that the address says are declared (`tracking.declared`).

    To htmx a table in trouble is a state of the panel, since it swaps no error."""
    context: dict[str, Any] = {"key": key, "label": figures.label_of(key), "least": MIN_VALUES}
    try:
        sample = figures.sample()
    except DynamoError as problem:
        if not wants_fragment(request):
            raise
        return respond(
            request,
            "tracking/step.html",
            {**context, "problem": problem},
            Region("step-figures", seen=seen_token(problem.kind)),
        )
    found = sample.of(key)
    context |= {
        "sample": sample,
        "figures": found,
        "rows": rows(Declared.of({name: str(value) for name, value in request.GET.items()}), found),
    }
    region = Region("step-figures", seen=seen_token(sample.at.isoformat(), repr(found)))
    return respond(request, "tracking/step.html", context, region)


@requires("tracking.view_workflows")
def panel(request: HttpRequest) -> HttpResponse:
    """Workflows on the overview: counts per status, the newest failures, what is stuck."""
    location = Workflow.binding().fingerprint
    return panels.panel(request, "panel-workflows", "tracking/panel.html", _figures, location=location)


def _figures(window: Window) -> dict[str, Any]:
    return panels.figures_of_statuses(window, queries.READS, reverse("tracking:list")) | {
        "failures": queries.newest_failures(),
        "stuck": (stuck := queries.stuck()),
        "stuck_more": len(stuck) >= queries.MAX_STUCK,
        "stuck_minutes": settings.WORKFLOW_STUCK_MINUTES,
    }


# What the page shows of its item, in any of its tabs; its part "Other attributes" has all else.
TOKENS: Shown = dict.fromkeys(("inputTokens", "outputTokens", "totalTokens"))
ALWAYS = (
    "overallStatus",
    "createdAt",
    "expiresAt",
    "totalDuration",
    "sourceType",
    "documentId",
    "correlationId",
)


def shown_of(workflow: Workflow) -> Shown:
    """By the attribute's name."""
    shown: dict[str, Part] = dict.fromkeys((workflow.binding().key, *ALWAYS, *workflow.problems))
    shown["totalTokenUsage"] = TOKENS
    if workflow.last_updated == workflow.updated_at or workflow.is_terminal:
        shown["lastUpdated"] = None
    if workflow.retry_count:
        shown["retryCount"] = None
    if workflow.cancelled_from_here:
        shown["cancelledAt"] = None
        if workflow.cancelled_by:
            shown["cancelledBy"] = None
    status, error = lower(workflow.overall_status), workflow.first_error
    for end, by, at in (
        ("failed", workflow.failed_by, workflow.failed_at),
        ("completed", workflow.completed_by, workflow.completed_at),
    ):
        if status == end and isinstance(by, str):  # a finding says so
            shown |= {f"{end}By": None} | ({f"{end}At": None} if isinstance(at, datetime) else {})
    if error and workflow.own_error is not None and error.error == workflow.own_error:
        shown["error"] = None
    return shown | {step.key: _shown_of_step(workflow, step) for step in workflow.steps}


def _shown_of_step(workflow: Workflow, step: Step) -> Shown:
    """The timeline has what it reads but for `lastUpdated`; the table of what the steps recorded has the others."""
    members = workflow.raw.get(step.key, {}).get("M", {})
    others = members.keys() - READ
    return {**dict.fromkeys((*READ - {"lastUpdated"}, *others)), "tokenUsage": TOKENS}
