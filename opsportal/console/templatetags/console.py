"""The tags and filters of every page; built in, so no template loads them. Those that show a value are `console.cells`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from django import template
from django.template import Context
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from opsportal.console import cells, numbers, text
from opsportal.console import clock as clocks
from opsportal.console.cells import copy, duration, excerpt, filesize, first_line, shown, status, thousands
from opsportal.console.frame import choice_links, column_boxes, tab_links
from opsportal.console.icons import icon
from opsportal.console.tones import tone_of
from opsportal.dynamo.attributes import Malformed

__all__ = [
    "copy", "duration", "excerpt", "filesize", "first_line", "icon", "register", "shown", "status", "thousands", "tone_of",
]  # fmt: skip

register = template.Library()

for _filter in (duration, shown, excerpt, first_line, thousands, filesize):
    register.filter(_filter)
for _tag in (status, copy):
    register.simple_tag(_tag)
register.simple_tag(icon, name="icon")
register.filter("tone", tone_of)


register.simple_tag(tab_links)
register.simple_tag(choice_links)
register.simple_tag(column_boxes)


def _zone(context: Context) -> ZoneInfo:
    shell = context.get("shell")
    return shell.zone if shell else cells.UTC_ZONE


# --- Times ---------------------------------------------------------------------------------------


@register.simple_tag(takes_context=True)
def when(context: Context, value: datetime | Malformed | None) -> SafeString:
    """How long ago, with UTC and the reader's own time on hover. The scripts keep it ticking."""
    return cells.when(value, timezone.now(), _zone(context))


@register.simple_tag(takes_context=True)
def elapsed(context: Context, value: datetime | Malformed | None) -> SafeString:
    """How long it has lasted, with when it began on hover. The scripts keep it ticking."""
    return cells.elapsed(value, timezone.now(), _zone(context))


@register.simple_tag(takes_context=True)
def clock(context: Context, value: datetime | Malformed | None) -> SafeString:
    """Date and time in the reader's zone, with both zones on hover."""
    return cells.clock(value, _zone(context))


@register.simple_tag(takes_context=True)
def asof(context: Context, value: datetime | None = None) -> SafeString:
    """The time of day at which a page was read; without a value, that is now."""
    at = value or timezone.now()
    zone = _zone(context)
    local = clocks.in_zone(at, zone)
    return cells.time_element(at, f"{local:%H:%M:%S} {clocks.zone_name(local)}", clocks.both(at, zone))


@register.simple_tag
def server_time() -> str:
    """Now, for the scripts: a reader's clock may be wrong."""
    return clocks.iso(timezone.now())


# As allauth's titles capitalise them. Names of providers stand in its titles too.
_TITLE_WORDS = re.compile(
    r"(?<=\w[ -])(?:In|Via|Factor|Authentication|Authenticator|App|Codes|Connections|Party|Account|Login|Cancelled|Failure|Password)\b"
)


@register.filter(is_safe=True)
def sentence_case(title: str) -> str:
    """A title or label of allauth's as the console writes its own: "Two-factor authentication"."""
    return _TITLE_WORDS.sub(lambda found: found[0].lower(), str(title))


@register.simple_tag(takes_context=True)
def charts(context: Context, trends: Any) -> Any:
    """The charts of `trends` with times in the reader's zone."""
    return trends.charts(_zone(context)) if trends else []


@register.simple_tag(takes_context=True)
def trend_rows(context: Context, trends: Any, list_url: str) -> SafeString:
    """The same as rows of a table."""
    return SafeString(trends.rows(_zone(context), list_url))


# --- Texts and numbers -----------------------------------------------------------------------------


@register.filter
def malformed(value: Any) -> bool:
    """Whether it could not be read. Asked of its class: a map of an item may have a member of any name."""
    return isinstance(value, Malformed)


@register.filter
def pairs(value: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    """Names and values of a map. In a template `map.items` would be the map's member "items", where it has one."""
    return list(value.items()) if value else []


@register.filter
def units(value: Any) -> str:
    """Capacity units without needless zeros: `6.5`, `12`."""
    number = numbers.as_number(value)
    return "0" if number is None else numbers.plain(number)


@register.filter
def percent(value: Any) -> str:
    """A coordinate of a picture in percent, whatever the locale: `12.346%`."""
    number = numbers.as_number(value)
    return f"{min(max(float(number or 0), 0.0), 100.0):.3f}%"


@register.filter
def visible(value: Any) -> str:
    """A long text as it is, but for invisible characters, which become visible."""
    return text.visible(str(value))


@register.filter
def exact(value: Any) -> str:
    """A value where no element can stand, as in a title or an option: no two look alike."""
    return text.exact(str(value))


# --- The frame -----------------------------------------------------------------------------------------

# In what is kept of a page these stand for what differs; no text of a person's has this character.
TOKEN, ADDRESS, QUERY = "\0token\0", "\0address\0", "\0query\0"


@register.simple_tag(takes_context=True)
def personal(context: Context, name: str) -> SafeString:
    """A partial that is the same on all pages of a person but for the CSRF token and the `address` that its forms lead
    back to. Rendered once for as long as nothing changes of who is signed in: three of them were a quarter of the
    frame."""
    return _personal(context, name, name, {})


@register.simple_tag(takes_context=True)
def saved_views_menu(context: Context) -> SafeString:
    """The menu of a list's saved views, as `personal`."""
    page = context["saved_views_page"]
    fixed = {"saved_views": context["saved_views"], "saved_views_page": page}
    made = _personal(context, f"views of {page}", "partials/saved_views.html", fixed)
    query = escape(context["saved_views_query"] or context["request"].GET.urlencode())
    return SafeString(made.replace(QUERY, query))


def _personal(context: Context, key: str, name: str, fixed: Mapping[str, Any]) -> SafeString:
    shell = context["shell"]
    if shell.user is None:
        return SafeString("")
    differing = {"csrf_token": TOKEN, "address": ADDRESS, "query": QUERY}
    made = shell.kept(key, lambda: render_to_string(name, {"shell": shell, **differing, **fixed}))
    address = escape(context["request"].get_full_path())
    return SafeString(made.replace(TOKEN, str(context["csrf_token"])).replace(ADDRESS, address))


# --- Live regions --------------------------------------------------------------------------------------


@register.simple_tag(takes_context=True)
def live(context: Context, region: Any) -> SafeString:
    """The attributes of a region that polls the page's own URL, or the region's.

    `region` is a `listing.Region`. A header holds no other characters than Latin-1, so its anchor is quoted.
    Finished and switched-off regions keep no timer: they still refetch when an action fires `console:refresh`.
    """
    seconds = context["shell"].refresh_seconds
    if region.at_least_every:
        seconds = min(seconds, region.at_least_every)
    state = "finished" if region.finished else "on" if seconds else "off"
    trigger = f"every {seconds}s, " if state == "on" else ""
    return format_html(
        'id="{}" hx-get="{}" hx-trigger="{}console:refresh from:body" hx-swap="morph:outerHTML" '
        'hx-headers="{}" data-live="{}" data-checked-at="{}"',
        region.id,
        region.url or context["request"].get_full_path(),
        trigger,
        json.dumps({"X-Seen": region.seen or "", "X-Anchor": quote(region.anchor or "", safe=":+")}),
        state,
        clocks.iso(timezone.now()),
    )
