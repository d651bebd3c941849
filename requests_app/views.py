"""Pages of requests: the list, one item with its parts, and the panel on the overview."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from opsportal.console import panels, polls, searching
from opsportal.console.access import requires
from opsportal.console.admission import Load, admitted
from opsportal.console.attention import toggles
from opsportal.console.columns import PageState, table
from opsportal.console.findings import Finding
from opsportal.console.listing import Empty, Listing, Region, respond
from opsportal.console.other_attributes import Part, Shown, other_attributes
from opsportal.console.tones import ATTENTION, FAILED, ICONS, tone_of
from opsportal.dynamo.attributes import Typed, is_absent
from opsportal.dynamo.pages import Page, Raw
from opsportal.dynamo.statuses import MAX_STUCK
from opsportal.exports import views as exports
from opsportal.failures.matching import case_for
from opsportal.operations.first_error import FirstError, fixes
from opsportal.operations.item_pages import ItemPage, gone
from opsportal.operations.selection import selection
from requests_app import action_views, queries
from requests_app.action_views import ACTIONS
from requests_app.columns import COLUMNS, RequestRow, rows_of
from requests_app.exported import EXPORT
from requests_app.findings import changes_at, findings_of_row, is_stuck
from requests_app.models import PRIORITIES, STRATEGIES, IntelligenceRequest
from requests_app.stages import stages
from requests_app.waiting import wait_of

NOTHING_YET = "Requests appear here as soon as one is submitted."
FILTERS = {
    "status": "Status",
    "user": "User",
    "project": "Project",
    "strategy": "Strategy",
    "priority": "Priority",
    "type": "Type",
    "stuck": "Stuck",
    "attention": "Needs attention",
    "case": "Case",
    "q": "Text",
    "anycase": "",
    "sort": "",
    "outside": "",
}
MENU = (
    ("user", "User", ()),
    ("project", "Project", ()),
    ("type", "Type", ()),
    ("strategy", "Strategy", STRATEGIES),
    ("priority", "Priority", PRIORITIES),
)
LIST = {
    "title": "Requests",
    "placeholder": "Request id, or text in id, project, user, type",
    "indexed": "status or created_at",
}


@requires("requests_app.view_requests")
@admitted(Load.LIST)
def list_(request: HttpRequest) -> HttpResponseBase:
    """Requests, newest or highest priority first. A full request id in the search box opens its item."""
    listing = Listing(request, "requests", FILTERS, columns=COLUMNS)
    if answer := exports.answer(request, listing, EXPORT):
        return answer
    if request.method == "POST":
        return searching.answer(request, listing, queries.search, partial(_table, request, listing))
    if url := listing.picked_url:
        return redirect(url)
    for key in listing.keys_typed:
        if queries.request(key):
            return redirect("requests:item", key)
    span = listing.time_range.span
    page = queries.chosen(
        listing.values, span, purpose=listing.purpose, cursor=listing.cursor, anchor=listing.anchor
    )
    digest = polls.digest_of(page)
    if polls.unchanged(request, digest):
        return polls.nothing_new()
    requests = [IntelligenceRequest.from_item(raw) for raw in page.items]
    now = datetime.now(UTC)
    rows = [RequestRow(one, findings_of_row(one, now)) for one in requests]
    # Of the index's order: what is outside the index stands at another time.
    stamps = (one.raw.get("created_at", {}).get("S", "") for one in requests)
    newest = max(stamps, default="")
    by_priority = queries.RequestFilter.of(listing.values, span).by_priority
    region = Region(
        id="live",
        seen=polls.lasting(digest, (at for one in requests for at in changes_at(one, now))),
        anchor="" if by_priority else listing.anchor or newest,
        finished=bool(requests) and all(one.is_terminal for one in requests),
    )
    select = selection(request, listing, ACTIONS.logical)
    by = "priority" if by_priority else "newest"
    context = {
        **LIST,
        **listing.context(page, region),
        "searches": True,
        **listing.filter_menu(MENU),
        "table": table(COLUMNS, rows, PageState.of(listing, "requests:item"), select.noun if select else ""),
        "tabs": listing.status_tabs(queries.all_statuses()),
        "toggles": toggles(listing),
        "empty": _empty(request, listing, page),
        "page_button": action_views.new_button(request),
        "select": select,
        "sorts": [
            ("Newest first", listing.url(sort="newest", outside=None), by == "newest"),
            ("Highest priority first", listing.url(sort="priority", outside=None), by == "priority"),
        ],
        "outside": listing["outside"],
        "has_index": queries.found().index is not None,
    }
    return respond(request, "console/list.html", context, region)


def _table(request: HttpRequest, listing: Listing, items: Sequence[Raw]) -> str:
    """The rows that the search in the background found."""
    select = selection(request, listing, ACTIONS.logical)
    return table(
        COLUMNS, rows_of(items), PageState.of(listing, "requests:item"), select.noun if select else ""
    )


def _empty(request: HttpRequest, listing: Listing, page: Page) -> Empty | None:
    empty = listing.empty(page, "requests", NOTHING_YET)
    if empty and empty.kind == "nothing_yet" and request.user.has_perm("requests_app.submit_requests"):
        return replace(empty, link_url=reverse("requests:new"), link_text="New request")
    return empty


TABS = (
    ("overview", "Progress"),
    ("config", "Config"),
    ("results", "Results"),
    ("history", "History"),
    ("audit", "Audit"),
    ("raw", "Raw"),
)


@requires("requests_app.view_requests")
def item(request: HttpRequest, request_id: str) -> HttpResponse:
    """One request: summary, and one of its parts (`tab`)."""
    found = queries.request(request_id)
    if found is None:
        return gone(request, ACTIONS, request_id, "requests_app/item.html")
    now = datetime.now(UTC)
    page = ItemPage(request, ACTIONS, request_id, found.raw, TABS, "updated_at")
    wait = wait_of(found, page.watched, now)
    page.others = wait
    if page.unchanged:
        return polls.nothing_new()
    noticed = wait.findings(found, now, "undelivered" if page.watched.undelivered else "")
    context: dict[str, Any] = {
        **head(request, found, noticed),
        "tabs": tabs_of(request_id, found, page.tab),
    }
    if page.tab == "overview":
        context |= {
            "message_groups": _message_groups(found, context["error"]),
            "stages": stages(found, is_stuck=is_stuck(found, now)),
            "others": other_attributes(found.raw, shown_of(found)),
        }
    return page.respond(
        "requests_app/item.html",
        context,
        until=changes_at(found, now),
        finished=found.is_terminal,
    )


def head(request: HttpRequest, found: IntelligenceRequest, noticed: Sequence[Finding]) -> dict[str, Any]:
    """What the top of its page and of its logs show: the error of a failed one, the summary, what is noticed and what can be done."""
    buttons = action_views.buttons(request, found)
    error = _first_error(request, found)
    return {
        "item": found,
        "error": error,
        "findings": noticed,
        "buttons": buttons,
        **fixes(error, buttons),
    }


def _first_error(request: HttpRequest, found: IntelligenceRequest) -> FirstError | None:
    errors = found.error_messages
    if not errors or tone_of(found.status) != FAILED:
        return None
    case = case_for(request.user, "requests", found.raw)
    return FirstError("The request", errors[0], others=errors[1:], case=case)


def _message_groups(
    found: IntelligenceRequest, at_top: FirstError | None
) -> list[tuple[str, str, str, list[Any]]]:
    """(label, tone, icon, texts), errors first, as far as they are not at the top of the page."""
    errors = [] if at_top else found.error_messages
    groups = [
        ("Errors", FAILED, ICONS[FAILED], errors),
        ("Warnings", ATTENTION, ICONS[ATTENTION], found.messages["warnings"]),
    ]
    return [group for group in groups if group[3]]


def tabs_of(request_id: str, found: IntelligenceRequest, current: str) -> list[tuple[str, str, bool, Any]]:
    """The parts of a request; the logs are a page of their own."""
    url = reverse("requests:item", args=[request_id])
    counted = {"overview": "", "history": len(found.status_history) or ""}
    tabs: list[tuple[str, str, bool, Any]] = [
        (label, url if key == "overview" else f"{url}?tab={key}", key == current, counted.get(key, ""))
        for key, label in TABS
    ]
    tabs.insert(1, ("Logs", reverse("requests:logs", args=[request_id]), current == "logs", ""))
    return tabs


def panel_location() -> str:
    return IntelligenceRequest.binding().fingerprint


def panel_figures(before: Any) -> dict[str, Any]:
    found = queries.READS.figures()
    return panels.figures_of_statuses(found, queries.newest_failures(found), queries.stuck(found))


def shown_on_panel(figures: Any, window: str) -> dict[str, Any]:
    shown = panels.shown_of_statuses(figures, window, reverse("requests:list"), IntelligenceRequest.from_item)
    return shown | {
        "stuck_more": len(shown["stuck"]) >= MAX_STUCK,
        "stuck_minutes": settings.REQUEST_STUCK_MINUTES,
    }


# What the page shows of its item, in any of its tabs; its part "Other attributes" has all else.
ALWAYS = (
    "status", "status_message", "priority", "created_at", "updated_at", "started_at", "completed_at", "request_type",
    "project_id", "user_id", "processing_strategy", "errors", "warnings", "results",
)  # fmt: skip
PROGRESS = (
    "current_stage", "percentage", "urls_found", "content_extracted", "processing_errors", "last_updated",
)  # fmt: skip
CHANGE: Shown = dict.fromkeys(("timestamp", "old_status", "new_status", "message"))


def shown_of(request: IntelligenceRequest) -> Shown:
    """By the attribute's name."""
    shown: dict[str, Part] = dict.fromkeys((request.binding().key, *ALWAYS, *request.problems))
    if request.expires_at:
        shown[request.binding().ttl_attribute] = None
    expected = () if request.is_terminal else ("estimated_completion",)
    shown["progress"] = dict.fromkeys((*PROGRESS, *expected))
    config, metadata = _map(request.raw, "config"), _map(request.raw, "processing_metadata")
    shown["config"] = dict.fromkeys(config) | {"sources": [_source(one) for one in _list(config, "sources")]}
    history = [CHANGE for _ in _list(metadata, "status_history")]
    shown["processing_metadata"] = dict.fromkeys(metadata) | {"status_history": history}
    return shown


def _source(source: Typed) -> Shown:
    """Address and type are under one of two names each; where both are, the first is shown."""
    members = source.get("M", {})
    pairs = (("base_url", "url"), ("source_type", "type"))
    chosen = (next((name for name in pair if _says(members.get(name))), pair[0]) for pair in pairs)
    return dict.fromkeys(("name", *chosen))


def _says(value: Typed | None) -> bool:
    return not is_absent(value) and value != {"S": ""}


def _map(raw: dict[str, Typed], name: str) -> dict[str, Typed]:
    members: dict[str, Typed] = raw.get(name, {}).get("M", {})
    return members


def _list(raw: dict[str, Typed], name: str) -> list[Typed]:
    members: list[Typed] = raw.get(name, {}).get("L", [])
    return members
