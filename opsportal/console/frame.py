"""What repeats in the frame around pages, as escaped HTML: a template takes ten times as long for each link of a loop."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.utils.safestring import SafeString

from opsportal.console.cells import shown
from opsportal.console.icons import icon
from opsportal.console.text import escape

if TYPE_CHECKING:
    from opsportal.console.context import Link


def nav_links(links: "Iterable[Link]") -> SafeString:
    """The navigation's list, which a page has twice."""
    items = (
        f'<li><a href="{escape(link.url)}"{_current("page", link.current)}>{icon(link.icon)}'
        f"<span>{escape(link.label)}</span>{_badge(link.count)}</a></li>"
        for link in links
    )
    return SafeString(f"<ul>{''.join(items)}</ul>")


def _badge(count: int) -> str:
    return f'<span class="nav-count">{count if count < 100 else "99+"}</span>' if count else ""


def tab_links(tabs: Iterable[tuple[Any, str, bool, Any]]) -> SafeString:
    """Items of a list of tabs: (label, URL, current, count)."""
    return SafeString(
        "".join(
            f'<li><a href="{escape(url)}"{_current("page", current)}><span>{shown(label)}</span>{_count(count)}</a></li>'
            for label, url, current, count in tabs
        )
    )


def choice_links(choices: Iterable[tuple[str, str, bool]], item: str = "") -> SafeString:
    """Links of which one is chosen: (label, URL, current). `item`: the element around each."""
    before, after = (f"<{item}>", f"</{item}>") if item else ("", "")
    return SafeString(
        "".join(
            f'{before}<a href="{escape(url)}"{_current("true", current)}>{escape(label)}</a>{after}'
            for label, url, current in choices
        )
    )


def column_boxes(boxes: Iterable[tuple[str, str, bool]]) -> SafeString:
    """A box for each column of a list: (key, label, ticked)."""
    return SafeString(
        "".join(
            '\n        <label class="form-check"><input class="form-check-input" type="checkbox" name="columns" '
            f'value="{escape(key)}"{" checked" if ticked else ""} autocomplete="off"><span class="form-check-label">'
            f"{escape(label)}</span></label>"
            for key, label, ticked in boxes
        )
    )


def _current(what: str, is_current: bool) -> str:
    return f' aria-current="{what}"' if is_current else ""


def _count(count: Any) -> str:
    return "" if count is None or count == "" else f'<span class="count">{escape(str(count))}</span>'
