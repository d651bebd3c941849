"""Pages of workflows: the list, one item, and the panel on the overview."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from opsportal.console import panels, trends
from opsportal.console.access import requires
from opsportal.console.listing import Listing, Region, respond, seen_token
from opsportal.console.other_attributes import other_attributes
from opsportal.console.windows import Window
from opsportal.dynamo.attributes import Malformed, raw_text
from opsportal.dynamo.documents import pretty
from opsportal.operations import actors, feeds
from opsportal.operations.watching import deletion, watch
from tracking import action_views, actions, queries
from tracking.findings import findings
from tracking.models import Workflow
from tracking.shown import shown_of
from tracking.timeline import timeline

NOTHING_YET = "Workflows appear here as soon as an orchestrator writes its first status."
FILTERS = {"status": "Status", "source": "Source type", "q": "Text", "outside": ""}


@requires("tracking.view_workflows")
def list_(request: HttpRequest) -> HttpResponse:
    """Workflows, newest first. A full session id in the search box opens its item."""
    listing = Listing(request, "workflows", FILTERS)
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
    workflows = [Workflow.of(raw) for raw in page.items]
    rows = [(workflow, findings(workflow)) for workflow in workflows]
    region = Region(
        id="live",
        seen=seen_token(
            [(raw_text({"M": workflow.raw}), [f.kind for f in found]) for workflow, found in rows],
            page.newer,
            page.notes,
        ),
        anchor=listing.anchor or _newest(workflows),
        finished=bool(rows) and all(workflow.is_terminal for workflow in workflows),
    )
    context = {
        **listing.context(page, region),
        "rows": rows,
        "tabs": listing.status_tabs(queries.all_statuses()),
        "empty": listing.empty(page, "workflows", NOTHING_YET),
        "has_index": queries.status_index() is not None,
    }
    return respond(request, "tracking/list.html", context, region)


def _newest(workflows: list[Workflow]) -> str:
    """The newest stamp of the index's order: what is outside the index stands at another time."""
    stamps = (workflow.raw.get("createdAt", {}).get("S", "") for workflow in workflows)
    return next((stamp for stamp in stamps if stamp), "")


TABS = (("steps", "Steps"), ("audit", "Audit"), ("raw", "Raw"))


@requires("tracking.view_workflows")
def item(request: HttpRequest, session_id: str) -> HttpResponse:
    """One workflow: summary, timeline, error; what was done to it; or its raw item (`tab`)."""
    workflow = queries.workflow(session_id)
    if workflow is None:
        region = Region("live", seen="gone", finished=True)
        gone = {"key": session_id, "deletion": deletion(actions.target(session_id), request.user)}
        return respond(request, "tracking/item.html", gone, region, status=404)
    tab = request.GET.get("tab", "")
    tab = tab if tab in dict(TABS) else "steps"
    now = datetime.now(UTC)
    found = findings(workflow, now)
    watched = watch(actions.target(session_id), workflow.raw, "lastUpdated", actions.keeps)
    observed = watched.observation
    region = Region(
        "live",
        seen=seen_token(
            raw_text({"M": workflow.raw}), [finding.kind for finding in found], tab, watched.token
        ),
        # A change that an orchestrator may still overwrite is watched even on a finished workflow.
        finished=workflow.is_terminal and not watched.unsettled,
    )
    context: dict[str, Any] = {
        "key": session_id,
        "workflow": workflow,
        "findings": found,
        "watched": watched,
        "again_url": reverse(f"tracking:{observed.entry.action.verb}", args=[session_id])
        if observed and observed.entry.action.verb in ("cancel", "retry", "fail", "complete", "purge")
        else "",
        "buttons": action_views.buttons(request, workflow),
        "tab": tab,
        "tabs": [(label, "?" if key == "steps" else f"?tab={key}", key == tab, "") for key, label in TABS],
    }
    if tab == "raw":
        context["raw"] = pretty(workflow.raw)
    elif tab == "audit":
        context["entries"] = actors.named(feeds.of_target(actions.target(session_id)))
    else:
        context["others"] = other_attributes(workflow.raw, shown_of(workflow))
        context["timeline"] = timeline(workflow, now)
        context["malformed"] = {
            name: value for name, value in workflow.problems.items() if isinstance(value, Malformed)
        }
    return respond(request, "tracking/item.html", context, region)


@requires("tracking.view_workflows")
def panel(request: HttpRequest) -> HttpResponse:
    """Workflows on the overview: counts per status, the newest failures, what is stuck."""
    place = Workflow.binding().fingerprint
    return panels.panel(request, "panel-workflows", "tracking/panel.html", _figures, place=place)


def _figures(window: Window) -> dict[str, Any]:
    now = datetime.now(UTC)
    since = now - window.length
    found = queries.recent(since)
    stuck = queries.stuck()
    sample, notes = queries.sampled()
    return {
        "counts": panels.tiles(
            ((status, recent.count) for status, recent in found),
            panels.url_of_status(reverse("tracking:list")),
        ),
        "trends": trends.of(found, since, now),
        "sample": sample,
        "notes": notes,
        "failures": queries.newest_failures(),
        "stuck": stuck,
        "stuck_more": len(stuck) >= queries.MOST_STUCK,
        "stuck_minutes": settings.WORKFLOW_STUCK_MINUTES,
    }
