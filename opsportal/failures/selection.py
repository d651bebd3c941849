"""Which cases a list shows, and in which order: the same for the page, the API and the export."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opsportal.console.timerange import DEFAULT_WINDOW, WINDOWS, Window
from opsportal.dynamo.attributes import Raw, read_text
from opsportal.dynamo.pages import Page
from opsportal.dynamo.spans import Span
from opsportal.exports.exportable import Exportable
from opsportal.failures import figures, store
from opsportal.failures.case import Case
from opsportal.failures.columns import FILE_COLUMNS, ORDERS, CaseRow, row_of
from opsportal.failures.figures import Figures
from opsportal.failures.matching import VIEW
from opsportal.failures.words import RESOLVED
from opsportal.operations.changes import text

# As the owner: cases without one.
NOBODY = "none"


@dataclass(frozen=True)
class Chosen:
    """`rows`: those of the state, in the order; `others`: of every state, for the tabs; `of_table`: of every owner.
    `cut`: there are more cases than are read at once."""

    rows: list[CaseRow]
    others: list[CaseRow]
    of_table: list[Case]
    cut: bool


def is_owned(case: Case, owner: str) -> bool:
    """Whether the owner, by id or name, is that; "" is anybody."""
    if not owner:
        return True
    return owner in (case.owner_id, case.owner) if case.owner_id else owner == NOBODY


def window_named(key: str) -> Window:
    return Window(key if key in WINDOWS else DEFAULT_WINDOW, "")


def chosen(values: Mapping[str, str], found: Figures, now: datetime) -> Chosen:
    """By `state`, `window`, `owner`, `table` and `order` of the values. Active cases are those of the figures; closed ones
    are read. Raises `DynamoError`."""
    state, window = values.get("state", ""), window_named(values.get("window", ""))
    closed = store.resolved() if state == RESOLVED.word else None
    cases: Sequence[Case] = found.cases if closed is None else closed
    of_table = [case for case in cases if values.get("table", "") in ("", case.logical)]
    ended = figures.ended(found.followed, window.key)
    others = [
        row_of(case, found, window, ended, now)
        for case in of_table
        if is_owned(case, values.get("owner", ""))
    ]
    rows = [row for row in others if closed is not None or state in ("", row.stated.word)]
    order: Any = ORDERS.get(values.get("order", ""), ORDERS[""])[1]
    rows.sort(key=order)
    return Chosen(rows, others, of_table, found.cut if closed is None else closed.cut)


# --- As an export -------------------------------------------------------------------------------------------------

# What a row of an export needs of the list besides its case.
_WINDOW = "window"


def _page(values: Mapping[str, str], span: Span, *, purpose: str, cursor: str, limit: int) -> Page:
    found = figures.of(figures.at_hand().value)
    window = text(window_named(values.get("window", "")).key)
    rows = chosen(values, found, datetime.now(UTC)).rows
    return Page([row.case.to_item() | {_WINDOW: window} for row in rows])


def _rows(items: Sequence[Raw]) -> list[CaseRow]:
    if not items:
        return []
    found, now = figures.of(figures.at_hand().value), datetime.now(UTC)
    window = window_named(str(read_text(items[0][_WINDOW])))
    ended = figures.ended(found.followed, window.key)
    return [row_of(store.read_case(item), found, window, ended, now) for item in items]


EXPORT = Exportable("failures", "Failures", "workflows", VIEW, FILE_COLUMNS, _page, _rows)
