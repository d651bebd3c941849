"""Pages of workflows: the list, one item, the figures of one step, and the panel on the overview."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from opsportal.console import panels, polls, searching
from opsportal.console.access import requires
from opsportal.console.admission import Load, admission, admitted, is_better_kept, queued
from opsportal.console.attention import toggles
from opsportal.console.columns import PageState, table
from opsportal.console.context import Shell
from opsportal.console.listing import Listing, Region, respond, seen_token
from opsportal.console.numbers import MIN_VALUES
from opsportal.console.other_attributes import Part, Shown, other_attributes
from opsportal.console.problems import wants_fragment
from opsportal.console.waiting import shown
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.pages import Raw
from opsportal.dynamo.statuses import MAX_STUCK
from opsportal.exports import views as exports
from opsportal.failures.matching import case_for
from opsportal.operations.first_error import FirstError, fixes
from opsportal.operations.item_pages import ItemPage, gone
from opsportal.operations.selection import selection
from tracking import figures, queries, waiting
from tracking.action_views import ACTIONS
from tracking.columns import COLUMNS, WorkflowRow, rows_of
from tracking.declared import Declared, rows
from tracking.exported import EXPORT
from tracking.findings import changes_at, findings
from tracking.models import Workflow
from tracking.statuses import lower
from tracking.steps import READ, Step
from tracking.timeline import timeline

NOTHING_YET = "Workflows appear here as soon as an orchestrator writes its first status."
FILTERS = {
    "status": "Status",
    "source": "Source type",
    "stuck": "Stuck",
    "attention": "Needs attention",
    "case": "Case",
    "q": "Text",
    "anycase": "",
    "outside": "",
}
LIST = {
    "title": "Workflows",
    "placeholder": "Session id, or text in session, correlation, document id",
    "indexed": "overallStatus or createdAt",
}


@requires("tracking.view_workflows")
@admitted(Load.LIST)
def list_(request: HttpRequest) -> HttpResponseBase:
    """Workflows, newest first. A full session id in the search box opens its item."""
    listing = Listing(request, "workflows", FILTERS, columns=COLUMNS)
    if answer := exports.answer(request, listing, EXPORT):
        return answer
    if request.method == "POST":
        return searching.answer(request, listing, queries.search, partial(_table, request, listing))
    if url := listing.picked_url:
        return redirect(url)
    for key in listing.keys_typed:
        if queries.workflow(key):
            return redirect("tracking:item", key)
    page = queries.chosen(
        listing.values,
        listing.time_range.span,
        purpose=listing.purpose,
        cursor=listing.cursor,
        anchor=listing.anchor,
    )
    digest = polls.digest_of(page)
    if polls.unchanged(request, digest):
        return polls.nothing_new()
    now = datetime.now(UTC)
    workflows = [Workflow.from_item(raw) for raw in page.items]
    found = [WorkflowRow(workflow, findings(workflow, now)) for workflow in workflows]
    region = Region(
        id="live",
        seen=polls.lasting(digest, (at for workflow in workflows for at in changes_at(workflow, now))),
        anchor=listing.anchor or _newest(workflows),
        finished=bool(found) and all(workflow.is_terminal for workflow in workflows),
    )
    select = selection(request, listing, ACTIONS.logical)
    context = {
        **LIST,
        **listing.context(page, region),
        "searches": True,
        "table": table(COLUMNS, found, PageState.of(listing, "tracking:item"), select.noun if select else ""),
        "tabs": listing.status_tabs(queries.all_statuses()),
        "toggles": toggles(listing),
        "empty": listing.empty(page, "workflows", NOTHING_YET),
        "select": select,
        "outside": listing["outside"],
        "has_index": queries.found().index is not None,
    }
    return respond(request, "console/list.html", context, region)


def _table(request: HttpRequest, listing: Listing, items: Sequence[Raw]) -> str:
    """The rows that the search in the background found."""
    select = selection(request, listing, ACTIONS.logical)
    return table(
        COLUMNS, rows_of(items), PageState.of(listing, "tracking:item"), select.noun if select else ""
    )


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
    page.others = reason = waiting.reason(workflow, page.watched, now)
    if page.unchanged:
        return polls.nothing_new()
    said = shown(reason, "undelivered" if page.watched.undelivered else "")
    found, until = [*said, *findings(workflow, now)], changes_at(workflow, now)
    buttons, error = ACTIONS.buttons(request, session_id, workflow.raw), _first_error(request, workflow)
    context: dict[str, Any] = {
        "workflow": workflow,
        "findings": found,
        "error": error,
        "buttons": buttons,
        **fixes(error, buttons),
    }
    if page.tab == "steps":
        context |= {
            "others": other_attributes(workflow.raw, shown_of(workflow)),
            "timeline": timeline(workflow, now, Shell(request).zone),
            "malformed": workflow.problems,
            "recorded": _recorded(workflow),
            "recorded_others": any(step.others for step in workflow.steps),
        }
        if not workflow.is_terminal and any(step.running for step in workflow.steps):
            until.append(now + polls.MINUTE)  # its bar ends now
    return page.respond("tracking/item.html", context, until=until, finished=workflow.is_terminal)


def _recorded(workflow: Workflow) -> bool:
    """Whether a step, or the item for all of them, holds more than a status."""
    steps = (value for step in workflow.steps for value in (*step.tokens, step.seconds, step.others))
    return any(value is not None for value in (*steps, *workflow.totals, workflow.total_duration))


def _first_error(request: HttpRequest, workflow: Workflow) -> FirstError | None:
    if not (first := workflow.first_error):
        return None
    case = case_for(request.user, "workflows", workflow.raw)
    return FirstError(first.label, first.error, first.failed, case=case)


@requires("tracking.view_workflows")
@queued(Load.PANEL)
def step(request: HttpRequest, key: str) -> HttpResponse:
    """Figures of a step beside those that the address says are declared (`tracking.declared`).

    To htmx a table in trouble is a state of the panel, since it swaps no error."""
    context: dict[str, Any] = {"key": key, "label": figures.label_of(key), "least": MIN_VALUES}
    try:
        with admission(Load.PANEL):
            sample = figures.sample()
    except DynamoError as problem:
        if not wants_fragment(request) or is_better_kept(request, problem):
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


def panel_location() -> str:
    return Workflow.binding().fingerprint


def panel_figures(before: Any) -> dict[str, Any]:
    found = queries.READS.figures()
    return panels.figures_of_statuses(found, queries.newest_failures(found), queries.stuck(found))


def shown_on_panel(figures: Any, window: str) -> dict[str, Any]:
    shown = panels.shown_of_statuses(figures, window, reverse("tracking:list"), Workflow.from_item)
    return shown | {
        "stuck_more": len(shown["stuck"]) >= MAX_STUCK,
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
