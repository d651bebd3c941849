"""Pages of requests: the list, one item with its parts, and the panel on the overview."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from opsportal.console import panels
from opsportal.console.access import requires
from opsportal.console.listing import Empty, Listing, Region, respond, seen_token
from opsportal.console.other_attributes import Part, Shown, other_attributes
from opsportal.console.timerange import Window
from opsportal.console.tones import ATTENTION, FAILED, ICONS
from opsportal.dynamo.attributes import Typed, is_absent, raw_text
from opsportal.dynamo.pages import Page
from opsportal.operations.item_pages import ItemPage, gone
from requests_app import action_views, queries
from requests_app.action_views import ACTIONS
from requests_app.findings import findings, stuck
from requests_app.models import PRIORITIES, STRATEGIES, IntelligenceRequest
from requests_app.overtaken import overtakers

NOTHING_YET = "Requests appear here as soon as one is submitted."
FILTERS = {
    "status": "Status",
    "user": "User",
    "project": "Project",
    "strategy": "Strategy",
    "priority": "Priority",
    "type": "Type",
    "q": "Text",
    "sort": "",
    "outside": "",
}


@requires("requests_app.view_requests")
def list_(request: HttpRequest) -> HttpResponse:
    """Requests, newest or highest priority first. A full request id in the search box opens its item."""
    listing = Listing(request, "requests", FILTERS)
    if url := listing.picked_url:
        return redirect(url)
    for key in listing.keys_typed:
        if queries.request(key):
            return redirect("requests:item", key)
    wanted = queries.RequestFilter(
        status=listing["status"],
        user=listing["user"],
        project=listing["project"],
        strategy=listing["strategy"],
        priority=listing["priority"],
        request_type=listing["type"],
        text=listing["q"],
        sort=listing["sort"],
        span=listing.time_range.span,
    )
    if listing["outside"]:
        page = queries.outside_index(purpose=listing.purpose, cursor=listing.cursor)
    else:
        page = queries.page(wanted, purpose=listing.purpose, cursor=listing.cursor, anchor=listing.anchor)
    requests = [IntelligenceRequest.from_item(raw) for raw in page.items]
    now = datetime.now(UTC)
    rows = [(one, stuck(one, now)) for one in requests]
    # Of the index's order: what is outside the index stands at another time.
    stamps = (one.raw.get("created_at", {}).get("S", "") for one in requests)
    newest = max(stamps, default="")
    region = Region(
        id="live",
        seen=seen_token(
            [(raw_text({"M": one.raw}), bool(still)) for one, still in rows], page.newer, page.notes
        ),
        anchor="" if wanted.by_priority else listing.anchor or newest,
        finished=bool(requests) and all(one.is_terminal for one in requests),
    )
    by = "priority" if wanted.by_priority else "newest"
    context = {
        **listing.context(page, region),
        "rows": rows,
        "tabs": listing.status_tabs(queries.all_statuses()),
        "empty": _empty(request, listing, page),
        "new_request": action_views.new_button(request),
        "priorities": PRIORITIES,
        "strategies": STRATEGIES,
        "menu_filters": ("user", "project", "type", "strategy", "priority", "outside"),
        "sorts": [
            ("Newest first", listing.url(sort="newest", outside=None), by == "newest"),
            ("Highest priority first", listing.url(sort="priority", outside=None), by == "priority"),
        ],
        "outside": listing["outside"],
        "has_index": queries.found().index is not None,
    }
    return respond(request, "requests_app/list.html", context, region)


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
    page = ItemPage(request, ACTIONS, request_id, found.raw, TABS, "updated_at")
    noticed = findings(found, datetime.now(UTC), overtakers(found))
    context: dict[str, Any] = {
        "buttons": action_views.buttons(request, found),
        "item": found,
        "findings": noticed,
        "message_groups": [group for group in _message_groups(found) if group[3]],
        "tabs": tabs_of(request_id, found, page.tab),
    }
    if page.tab == "overview":
        context["others"] = other_attributes(found.raw, shown_of(found))
    return page.respond(
        "requests_app/item.html",
        context,
        seen=[[finding.kind for finding in noticed]],
        finished=found.is_terminal,
    )


def _message_groups(found: IntelligenceRequest) -> list[tuple[str, str, str, list[Any]]]:
    """(label, tone, icon, texts), errors first."""
    return [
        ("Errors", FAILED, ICONS[FAILED], found.error_messages),
        ("Warnings", ATTENTION, ICONS[ATTENTION], found.messages["warnings"]),
    ]


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


@requires("requests_app.view_requests")
def panel(request: HttpRequest) -> HttpResponse:
    """Requests on the overview: counts per status, the newest failures, what is stuck."""
    location = IntelligenceRequest.binding().fingerprint
    return panels.panel(request, "panel-requests", "requests_app/panel.html", _figures, location=location)


def _figures(window: Window) -> dict[str, Any]:
    return panels.figures_of_statuses(window, queries.READS, reverse("requests:list")) | {
        "failures": queries.newest_failures(),
        "stuck": (stuck := queries.stuck()),
        "stuck_more": len(stuck) >= queries.MAX_STUCK,
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
