"""Template filters of list and item pages."""

import hashlib
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from opsportal.console import listing as listing_module
from opsportal.console.converters import quote_key
from opsportal.console.listing import MAX_BYTES, cut
from opsportal.console.templatetags.console import excerpt, shown
from opsportal.console.text import exact, readable, visible
from opsportal.dynamo.attributes import raw_text
from opsportal.dynamo.json_values import as_json, doubled_names

register = template.Library()

# Characters of one text on a page. Errors of 300 KB occur; the raw item holds all of it.
MAX_TEXT = 4000


@register.filter
def rowid(key: str) -> str:
    """An HTML id for a row: keys may hold anything, and a refresh finds its row again by it."""
    return hashlib.sha256(str(key).encode(errors="surrogatepass")).hexdigest()[:16]


def ident_text(key: str, length: int = 0) -> str:
    """A key so that nothing of it is invisible, cut to `length` characters where that is given."""
    cut = key[: length - 1] if length and len(key) > length else key
    return exact(cut) + ("…" if cut != key else "")


@register.filter
def ident(key: Any, length: int = 0) -> SafeString:
    """A key for people: one of white space alone must still be a link that can be seen."""
    return format_html("<bdi>{}</bdi>", ident_text(str(key), int(length)))


@register.filter
def long_text(value: Any) -> str:
    """A message of several lines, readable, cut where it would fill the page."""
    text = str(value)
    return _whole(readable(text[:MAX_TEXT]), len(text) - MAX_TEXT)


def _whole(shown: str, rest: int) -> str:
    return f"{shown}\n… {rest:,} more characters; the raw item has them all." if rest > 0 else shown


def _json(text: str) -> str:
    return _whole(visible(text[:MAX_TEXT]), len(text) - MAX_TEXT)


@register.simple_tag
def form_field(name: str, value: Any) -> SafeString:
    """Name and value of a field that carries a filter: what a form would change goes quoted."""
    pair = listing_module.form_field(name, str(value or ""))
    return format_html('name="{}" value="{}"', *pair)


@register.simple_tag
def filter_url(listing: Any, name: str, value: Any) -> str:
    """The list with one filter set, as a cell links to it. No address holds a text of 300 KB."""
    return str(listing.url(**{name: cut(str(value), MAX_BYTES), "outside": None}))


@register.simple_tag
def filter_cell(
    listing: Any, name: str, value: Any, length: int = 30, what: str = "", text: str = ""
) -> SafeString:
    """A value that filters the list by itself. `what`: the filter's words, where its name is not them. `text`: the
    value's words; the title then has the value."""
    if not value:
        return shown(value)
    return format_html(
        '<a class="cell-filter" href="{}" title="Only {}">{}</a>',
        filter_url(listing, name, value),
        visible(str(value)[:length]) if text else f"this {what or name}",
        excerpt(text, length) if text else ident(value, length),
    )  # fmt: skip


@register.filter
def key_segment(key: str) -> str:
    """A key as it is written in a URL, for fragment ids."""
    return quote_key(str(key))


@register.simple_tag
def document(value: Any) -> SafeString:
    """A nested value: maps and lists as indented JSON, everything else as `shown` has it."""
    if not isinstance(value, dict | list):
        return shown(value)
    return format_html(
        '<pre class="document" tabindex="0" aria-label="Nested value">{}</pre>{}',
        _json(as_json(value, indent="  ")),
        doubled(value),
    )


# Names in one hint.
MAX_NAMES = 10


@register.simple_tag
def doubled(value: Any) -> SafeString:
    """A hint where a JSON text has a name twice in one object: the value is not all of it."""
    names = doubled_names(value)
    if not names:
        return mark_safe("")
    return format_html(
        '<p class="form-hint" data-doubled>In this JSON text a name occurs twice in one object: {}. '
        "The last value is shown; Raw has all.</p>",
        format_html_join(", ", "{}", ((ident(name, 60),) for name in names[:MAX_NAMES])),
    )


@register.filter
def typed(value: Any) -> str:
    """A typed DynamoDB value on one line; — for absence."""
    return _json(raw_text(value)) if value else "—"
