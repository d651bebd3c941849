"""The tags and filters of every page; built in, so no template loads them.

Whatever comes from an item goes through `shown`, `excerpt`, `status`, `when` or `clock`: they show
what is missing as —, what can't be read with its raw form, and make invisible characters visible.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from django import template
from django.template import Context
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from opsportal.console import clock as clocks
from opsportal.console import figures, numbers, text, tones
from opsportal.console.invisible import has_invisible
from opsportal.console.tones import tone_of
from opsportal.dynamo.attributes import Malformed
from opsportal.dynamo.json_values import as_json

__all__ = ["register", "tone_of"]

register = template.Library()

NOTHING = mark_safe('<span class="none">—</span>')
YES, NO = mark_safe("yes"), mark_safe("no")
UTC_ZONE = ZoneInfo("UTC")
STATUS_LENGTH = 20
RAW_LENGTH = 80


def _malformed(value: Malformed) -> SafeString:
    return format_html(
        '<span class="malformed" title="Can\'t be read: {}">{}<span class="visually-hidden">malformed: </span>'
        "<bdi>{}</bdi></span>",
        value.reason,
        icon("alert-triangle"),
        text.excerpt(value.raw, RAW_LENGTH),
    )


def _zone(context: Context) -> ZoneInfo:
    shell = context.get("shell")
    return shell.zone if shell else UTC_ZONE


def _time(at: datetime, label: str, title: str, *, ticks: bool) -> SafeString:
    return format_html(
        '<time datetime="{}"{} title="{}">{}</time>',
        clocks.iso(at),
        mark_safe(" data-when") if ticks else "",
        title,
        label,
    )


def _text(value: Any) -> SafeString:
    """Any value that is not a datetime, for people."""
    if isinstance(value, Malformed):
        return _malformed(value)
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, Decimal):
        return format_html('<span class="num">{}</span>', numbers.plain(value))
    if isinstance(value, dict | list | tuple):
        value = as_json(value)
    return format_html("<bdi>{}</bdi>", text.visible(_shortened(str(value))))


# Characters of one value on a page. Texts of 300 KB occur; the raw item holds all of it.
MAX_TEXT = 4000


def _shortened(value: str, most: int = MAX_TEXT) -> str:
    rest = len(value) - most
    return f"{value[:most]}… ({rest:,} more characters)" if rest > 0 else value


# --- Times ---------------------------------------------------------------------------------------


@register.simple_tag(takes_context=True)
def when(context: Context, value: datetime | Malformed | None) -> SafeString:
    """How long ago, with UTC and the reader's own time on hover. The scripts keep it ticking."""
    if not isinstance(value, datetime):
        return _text(value)
    return _time(
        value,
        clocks.relative(value, timezone.now()),
        clocks.both(value, _zone(context)),
        ticks=True,
    )


@register.simple_tag(takes_context=True)
def clock(context: Context, value: datetime | Malformed | None) -> SafeString:
    """Date and time in the reader's zone, with both zones on hover."""
    if not isinstance(value, datetime):
        return _text(value)
    zone = _zone(context)
    return _time(value, clocks.absolute(value, zone), clocks.both(value, zone), ticks=False)


@register.simple_tag(takes_context=True)
def asof(context: Context, value: datetime | None = None) -> SafeString:
    """The time of day at which a page was read; without a value, that is now."""
    at = value or timezone.now()
    zone = _zone(context)
    local = clocks.in_zone(at, zone)
    return _time(at, f"{local:%H:%M:%S} {clocks.zone_name(local)}", clocks.both(at, zone), ticks=False)


@register.simple_tag
def server_time() -> str:
    """Now, for the scripts: a reader's clock may be wrong."""
    return clocks.iso(timezone.now())


@register.simple_tag(takes_context=True)
def charts(context: Context, trends: Any) -> Any:
    """The charts of `trends` with times in the reader's zone."""
    return trends.charts(_zone(context)) if trends else []


@register.filter
def duration(value: Any) -> SafeString:
    """Seconds (int, float, Decimal) or a timedelta as `4 m 12 s`."""
    seconds = numbers.as_number(value.total_seconds() if isinstance(value, timedelta) else value)
    return (
        _text(value)
        if seconds is None
        else format_html('<span class="num">{}</span>', clocks.duration(seconds))
    )


# --- Texts and numbers -----------------------------------------------------------------------------


@register.filter
def shown(value: Any) -> SafeString:
    """Any value for people. A time is given in UTC: `when` and `clock` know the reader's zone."""
    if isinstance(value, datetime):
        at = value.astimezone(UTC)
        return _time(at, clocks.absolute(at, UTC_ZONE), clocks.both(at, UTC_ZONE), ticks=False)
    if isinstance(value, list | tuple | set | frozenset):
        if not value:
            return NOTHING
        return format_html_join(", ", "{}", ((_text(item),) for item in value))
    return _text(value)


@register.filter
def excerpt(value: Any, length: int = text.EXCERPT_LENGTH) -> SafeString:
    """The first line of a text, shortened; of a map or a list the beginning of its JSON."""
    if isinstance(value, dict | list | tuple):
        value = as_json(value)
    if not isinstance(value, str) or not value:
        return _text(value)
    return format_html("<bdi>{}</bdi>", text.excerpt(value, int(length)))


@register.filter
def first_line(value: Any, length: int = text.EXCERPT_LENGTH) -> SafeString:
    """`excerpt` of a message that a program wrote: without the colours and line ends of a terminal."""
    if not isinstance(value, str) or not value:
        return excerpt(value, length)
    return format_html("<bdi>{}</bdi>", text.first_line(value, int(length)))


@register.filter
def malformed(value: Any) -> bool:
    """Whether it could not be read. Asked of its class: a map of an item may have a member of any name."""
    return isinstance(value, Malformed)


@register.filter
def pairs(value: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    """Names and values of a map. In a template `map.items` would be the map's member "items", where it has one."""
    return list(value.items()) if value else []


@register.filter
def thousands(value: Any) -> SafeString:
    """`14,169`: a number with separators, in tabular figures."""
    number = numbers.as_number(value)
    return (
        _text(value)
        if number is None
        else format_html('<span class="num">{}</span>', numbers.grouped(number))
    )


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
def filesize(value: Any) -> SafeString:
    """Bytes as `312 KB`."""
    number = numbers.as_number(value)
    return (
        _text(value) if number is None else format_html('<span class="num">{}</span>', numbers.size(number))
    )


# --- Status ------------------------------------------------------------------------------------------


@register.simple_tag
def status(value: Any) -> SafeString:
    """Icon, the word as stored, and the tone's colour."""
    if isinstance(value, Malformed):
        return _malformed(value)
    if value is None or value == "":
        return mark_safe(
            '<span class="status tone-unknown is-none" title="no status was written">no status</span>'
        )
    word = text.visible(_shortened(str(value), 400))
    tone = tone_of(value)
    cut = len(word) > STATUS_LENGTH
    name = "ban" if word.lower() in ("cancelled", "canceled") else tones.ICONS[tone]
    return format_html(
        '<span class="status tone-{}"{}>{}<bdi>{}</bdi></span>',
        tone,
        format_html(' title="{}"', word) if cut else "",
        icon(name),
        word[: STATUS_LENGTH - 1] + "…" if cut else word,
    )


@register.filter(name="tone")
def tone(value: Any) -> str:
    """The tone of a status, for a class name: `tone-{{ status|tone }}`."""
    return tone_of(value)


# --- Icons, copying, pictures ------------------------------------------------------------------------


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """An icon of the sprite (scripts/vendor.py lists them). Without a label it is decoration."""
    described = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html(
        '<svg class="icon icon-{}" width="16" height="16" {}><use href="{}#{}"/></svg>',
        name,
        described,
        static("console/icons.svg"),
        name,
    )


@register.simple_tag
def copy(value: Any, label: str = "Copy") -> SafeString:
    """A button that copies a text; without scripts it is not shown."""
    if not value:
        return mark_safe("")
    hidden = has_invisible(str(value))
    label = f"{label} (it holds invisible characters)" if hidden else label
    return format_html(
        '<button type="button" class="copy js-only" data-copy="{}"{} title="{}" aria-label="{}">{}</button>',
        # A browser reads a carriage return in a page as a line feed.
        format_html_join(mark_safe("&#13;"), "{}", ((part,) for part in str(value).split("\r"))),
        mark_safe(' data-invisible="true"') if hidden else "",
        label,
        label,
        icon("copy"),
    )


@register.simple_tag
def dots(steps: Any) -> SafeString:
    """A strip of step dots; each step has `.label`, `.tone` and `.status_text`."""
    return figures.dots(list(steps or []))


@register.simple_tag
def histogram(bars: Any, label: str = "Chart", height: int = 40) -> SafeString:
    """Bars of (label, value, tone)."""
    return figures.histogram(bars or [], label=label, height=height)


@register.simple_tag
def meter(value: Any, top: Any = 100, label: str = "Progress", tone: str = "") -> SafeString:
    """A bar for `value` of `top`; what is missing or malformed is shown as such."""
    number, limit = numbers.as_number(value), numbers.as_number(top)
    if number is None or not limit:
        return _text(value)
    return figures.meter(number, limit, label=label, tone=tone)


# --- Live regions --------------------------------------------------------------------------------------


@register.simple_tag(takes_context=True)
def live(context: Context, region: Any) -> SafeString:
    """The attributes of a region that polls the page's own URL.

    `region` is a `listing.Region`. A header holds no other characters than Latin-1, so its anchor is quoted.
    Finished and switched-off regions keep no timer: they still refetch when an action fires `console:refresh`.
    """
    seconds = context["shell"].refresh_seconds
    state = "finished" if region.finished else "on" if seconds else "off"
    trigger = f"every {seconds}s, " if state == "on" else ""
    return format_html(
        'id="{}" hx-get="{}" hx-trigger="{}console:refresh from:body" hx-swap="morph:outerHTML" '
        'hx-headers="{}" data-live="{}" data-checked-at="{}"',
        region.id,
        context["request"].get_full_path(),
        trigger,
        json.dumps({"X-Seen": region.seen or "", "X-Anchor": quote(region.anchor or "", safe=":+")}),
        state,
        clocks.iso(timezone.now()),
    )
