"""Template filters of list and item pages."""

from collections.abc import Iterable
from html import escape
from itertools import starmap
from typing import Any
from urllib.parse import urlencode

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from opsportal.console import parameters
from opsportal.console.cells import MAX_TEXT, exactly, filter_link, ident, search_link, shown
from opsportal.console.columns import row_id
from opsportal.console.converters import quote_key
from opsportal.console.text import exact, readable, visible
from opsportal.dynamo.attributes import raw_text
from opsportal.dynamo.json_values import as_json, doubled_names

register = template.Library()

for _filter in (ident, exactly):
    register.filter(_filter)
register.filter("rowid", row_id)


@register.filter
def ident_text(key: str, length: int = 0) -> str:
    """A key so that nothing of it is invisible, cut to `length` characters where that is given."""
    return exact(key, length)


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
    name, text = parameters.form_field(name, str(value or ""))
    return SafeString(f'name="{escape(name)}" value="{escape(text)}"')


@register.simple_tag
def hidden_fields(listing: Any, *without: str) -> SafeString:
    """The parameters of a list that a form does not set itself."""
    return hidden(one for one in listing.parameters.items() if one[0] not in without)


@register.simple_tag
def hidden(fields: Iterable[tuple[str, Any]]) -> SafeString:
    """Fields of a form that carry (filter, value)."""
    return SafeString("".join(f'<input type="hidden" {form_field(name, value)}>' for name, value in fields))


@register.simple_tag
def fields_of_filters(fields: Iterable[tuple[str, str, str, Iterable[str]]]) -> SafeString:
    """Labelled fields of (filter, label, value, suggestions). As a loop of tags a tenth of the frame."""
    return SafeString("\n".join(starmap(_field_of_filter, fields)))


def _field_of_filter(name: str, label: str, value: str, choices: Iterable[str]) -> str:
    options = "".join(
        f'<option value="{escape(choice)}">{escape(exact(choice))}</option>' for choice in choices
    )
    listed, suggestions = "", ""
    if options:
        listed, suggestions = f' list="{name}-choices"', f'<datalist id="{name}-choices">{options}</datalist>'
    return (
        f'<label class="form-label" for="filter-{name}">{escape(label)}</label><input '
        f'class="form-control form-control-sm" id="filter-{name}" {form_field(name, value)}{listed} '
        f'autocomplete="off">{suggestions}'
    )


@register.simple_tag
def filter_url(listing: Any, name: str, value: Any) -> str:
    """The list with one filter set."""
    return str(listing.filter_url(name, value))


@register.simple_tag
def all_time_url(listing: Any) -> str:
    """The list without bounds of time."""
    return str(listing.url(range="all", **{"from": None, "to": None}))


@register.simple_tag
def list_url(listing: Any, **changes: str | None) -> str:
    """The list with changed parameters, None removes one."""
    return str(listing.url(**changes))


@register.simple_tag
def filter_cell(
    listing: Any, name: str, value: Any, length: int = 30, what: str = "", text: str = ""
) -> SafeString:
    """A value that filters the list by itself; see `cells.filter_link`. `what`: the filter's words, where its name is
    not them."""
    url = listing.filter_url(name, value) if value else ""
    return filter_link(url, value, what or name, length, text)


@register.simple_tag
def searched(value: Any, length: int = 80) -> SafeString:
    """An id that leads to the search for it; see `cells.search_link`."""
    return search_link(value, length)


@register.simple_tag
def filtered(view: str, name: str, value: Any) -> SafeString:
    """A value that leads to the list at `view` with that filter."""
    if not isinstance(value, str) or not value:
        return shown(value)
    query = urlencode({name: parameters.cut(value, parameters.MAX_BYTES)}, errors="replace")
    return SafeString(f'<a href="{reverse(view)}?{escape(query)}">{exactly(value, 200)}</a>')


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
def doubled(value: Any, whole: str = "Raw", element: str = "p") -> SafeString:
    """A hint where a JSON text has a name twice in one object: the value is not all of it, `whole` is."""
    names = doubled_names(value)
    if not names:
        return mark_safe("")
    return format_html(
        '<{} class="form-hint" data-doubled>In this JSON text a name occurs twice in one object: {}. '
        "The last value is shown; {} has all.</{}>",
        element,
        format_html_join(", ", "{}", ((ident(name, 60),) for name in names[:MAX_NAMES])),
        whole,
        element,
    )


@register.filter
def typed(value: Any) -> str:
    """A typed DynamoDB value on one line; — for absence."""
    return _json(raw_text(value)) if value else "—"
