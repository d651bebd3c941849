"""Tables of items from one declared list of columns: the rows of a list, and what an export has of each.

A template took eight times as long for a list of fifty: it looks each name up, and each cell is several tags. Cells are
made by the functions of `console.cells`, which escape; `tests/console/test_columns.py` holds them to it.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, Protocol, Self, TypeVar
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from opsportal.console import cells, clock
from opsportal.console.context import Shell
from opsportal.console.converters import quote_key
from opsportal.console.listing import Listing
from opsportal.console.text import escape, exact
from opsportal.dynamo.attributes import Malformed


@dataclass(frozen=True)
class PageState:
    """What the cells of a page share. `now`: aware; `zone`: the reader's; `item_url`: the address of an item by its
    key."""

    now: datetime
    zone: ZoneInfo
    listing: Listing
    item_url: Callable[[str], str]
    _links: dict[tuple[str, str, int], SafeString] = field(default_factory=dict)

    @classmethod
    def of(cls, listing: Listing, item_view: str = "") -> Self:
        """`item_view`: the name of the items' page, whose address ends with the key and a slash; "" where each row knows
        its own address."""
        urls = item_urls(item_view) if item_view else str
        return cls(timezone.now(), Shell(listing.request).zone, listing, urls)

    def when(self, value: datetime | Malformed | None) -> SafeString:
        return cells.when(value, self.now, self.zone)

    def filtered(self, name: str, value: Any, length: int = 30, what: str = "") -> SafeString:
        """A value that filters the list by itself."""
        if not value:
            return cells.shown(value)
        # Most of the 250 of a page are the same few: to make each once is a fifth of the table.
        known = (name, str(value), length)
        if known not in self._links:
            self._links[known] = cells.filter_link(
                self.listing.filter_url(name, value), value, what or name, length
            )
        return self._links[known]


def item_urls(view: str) -> Callable[[str], str]:
    """The addresses of items by their keys: `reverse`, asked once for a page in place of for each of its rows."""
    before, after = reverse(view, args=["key"]).rsplit("key", 1)
    return lambda key: f"{before}{quote_key(key)}{after}"


class Row(Protocol):
    """What a table shows in one row. `id`: the item's key, of any text."""

    @property
    def id(self) -> str: ...


Shown = TypeVar("Shown", bound=Row)


@dataclass(frozen=True)
class Column(Generic[Shown]):
    """One column. `value`: what an export has of it, through `plain`; `cell`: the cell's inside, escaped.

    `css`: the classes of its cells, the width among them (`is-tight`, `is-wide`, `is-num`); `head_css`: of its head.
    `stacked`: whether a narrow screen, which stacks the cells of a row, gives the label with the cell. `priority`: 1
    stays; 2 and 3 give way, the latter first, on screens that are too narrow for all columns and too wide to stack them.
    """

    key: str
    label: str
    value: Callable[[Shown], Any]
    cell: Callable[[Shown, PageState], str]
    css: str = ""
    head_css: str = ""
    stacked: bool = True
    priority: int = 1

    @property
    def head(self) -> str:
        return f'<th scope="col"{_classes(self.head_css, self._gives_way)}>{escape(self.label)}</th>'

    @property
    def opening(self) -> str:
        """The tag that begins each of its cells."""
        label = f' data-label="{escape(self.label)}"' if self.stacked else ""
        return f"<td{_classes(self.css, self._gives_way)}{label}>"

    @property
    def _gives_way(self) -> str:
        return "" if self.priority == 1 else f"is-priority-{self.priority}"


def _classes(*names: str) -> str:
    classes = " ".join(filter(None, names))
    return f' class="{classes}"' if classes else ""


CHOOSE_ALL = (
    '<th scope="col" class="is-check"><label class="js-only"><input type="checkbox" class="form-check-input" '
    'id="select-page" autocomplete="off"><span class="select-page-label">All on this page</span></label></th>'
)


def chosen(columns: Sequence[Column[Shown]], keys: Sequence[str]) -> Sequence[Column[Shown]]:
    """The columns of these keys, in their order; all where there is none. What was chosen never gives way."""
    by_key = {column.key: column for column in columns}
    return [replace(by_key[key], priority=1) for key in keys if key in by_key] or columns


def table(
    columns: Sequence[Column[Shown]], rows: Iterable[Shown], page: PageState, choose: str = ""
) -> SafeString:
    """The rows as a `<table>` that narrow screens stack, with the columns that the address asks for. `choose`: what one
    of the items is called where they can be chosen for an action on many (templates/partials/select-bar.html has the
    form that the boxes belong to)."""
    columns = chosen(columns, page.listing.choice.keys)
    parts = ['<table class="table table-stack"><thead><tr>', CHOOSE_ALL if choose else ""]
    parts += [column.head for column in columns]
    parts.append("</tr></thead><tbody>")
    opened = [(column.opening, column.cell) for column in columns]
    for row in rows:
        key = row.id
        parts.append(f'\n<tr id="row-{row_id(key)}" data-row>')
        if choose:
            parts.append(_box(key, choose))
        for opening, cell in opened:
            parts += (opening, cell(row, page), "</td>")
        parts.append("</tr>")
    parts.append("\n</tbody></table>")
    return SafeString("".join(parts))


def row_id(key: str) -> str:
    """An HTML id for a row: keys may hold anything, and a refresh finds its row again by it."""
    return hashlib.sha256(str(key).encode(errors="surrogatepass")).hexdigest()[:16]


def _box(key: str, noun: str) -> str:
    """The box that chooses a row. A form would change some keys, so they go quoted, and the name says so."""
    return (
        '<td class="is-check"><input type="checkbox" class="form-check-input" name="key~" '
        f'value="{escape(quote_key(key))}" form="select" autocomplete="off" '
        f'aria-label="Choose {escape(noun)} {escape(exact(key, 48))}"></td>'
    )


def key_cell(row: Row, page: PageState, what: str) -> str:
    """An item's key: it opens the item and can be copied. `what` it is, in words."""
    key = row.id
    return cells.row_link(page.item_url(key), cells.ident(key, 48)) + cells.copy(key, f"Copy the {what}")


def plain(value: Any) -> Any:
    """A column's value as an export has it: numbers with the digits that are stored, times as ISO 8601 in UTC, lengths
    of time in seconds, what can't be read as DynamoDB's JSON."""
    if isinstance(value, Malformed):
        return value.raw
    if isinstance(value, datetime):
        return clock.utc_text(value)
    if isinstance(value, timedelta):
        return Decimal(value // timedelta(microseconds=1)).scaleb(-6).normalize()
    if isinstance(value, dict):
        return {str(name): plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    return value
