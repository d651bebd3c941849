"""The columns of the list of cases."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from html import escape

from django.conf import settings
from django.middleware.csrf import get_token
from django.utils.safestring import SafeString

from opsportal.console import cells, clock
from opsportal.console.columns import Column, PageState
from opsportal.console.timerange import Window
from opsportal.console.tones import FAILED, WAITING
from opsportal.failures import charts
from opsportal.failures.case import Case
from opsportal.failures.figures import Ended, Figures, hours_of
from opsportal.failures.trend import FALLING, HOUR, RISING, RULE, Trend, hour_of, per_hour
from opsportal.failures.words import (
    UNTIL_CLOSED,
    Stated,
    marked,
    stated,
    status,
    table_label,
)
from opsportal.operations.entries import new_action_id

# Hours that the small chart shows, and its bars at most, by window.
CHARTS = {"1h": (24, 24), "24h": (24, 24), "7d": (168, 28)}


@dataclass(frozen=True)
class CaseRow:
    """A case as the list shows it, in one window. `runs`: that failed in it; `ended`: of the table, None where unknown."""

    case: Case
    stated: Stated
    series: tuple[int, ...]
    runs: int
    ended: Ended | None
    trend: Trend

    @property
    def id(self) -> str:
        return self.case.id

    @property
    def status(self) -> SafeString:
        return status(self.stated)

    @property
    def line(self) -> SafeString:
        return marked(self.case.line)

    @property
    def spark(self) -> SafeString:
        tone = FAILED if self.stated.tone == FAILED else WAITING
        return charts.spark(self.series, tone, f"Failed runs over time, newest last: {sum(self.series)}")

    @property
    def share(self) -> Decimal | None:
        """Percent of the runs that ended; where more ended than were counted, it is at most that."""
        if self.ended is None or not self.ended.number:
            return None
        share = Decimal(self.runs) * 100 / self.ended.number
        return min(share, Decimal(100)).quantize(Decimal("0.01"))

    @property
    def share_text(self) -> str:
        if self.share is None or self.ended is None:
            return ""
        at_most = "≤\u00a0" if self.ended.more and self.runs else ""
        return f"{at_most}{self.share:.1f}\u00a0%"


def row_of(case: Case, found: Figures, window: Window, ended: Mapping[str, Ended], now: datetime) -> CaseRow:
    """The window begins with a whole hour."""
    hours = hours_of(case)
    since = hour_of(now - window.length)
    shown, most = CHARTS[window.key]
    counts = [count for _, count in per_hour(hours, now - HOUR * (shown - 1), now)]
    return CaseRow(
        case,
        stated(case, now),
        tuple(charts.summed(counts, most)),
        sum(count for at, count in hours.items() if at >= since),
        ended.get(case.logical),
        found.trend(case, now),
    )


def _runs(row: CaseRow, page: PageState) -> str:
    if not row.case.count:  # it was opened ahead of the count
        return '<span class="muted">not counted yet</span>'
    return cells.thousands(row.runs)


def _error(row: CaseRow, page: PageState) -> str:
    case = row.case
    where = " · ".join((case.id, escape(table_label(case.logical)), str(cells.excerpt(case.label, 60))))
    return (
        cells.row_link(page.item_url(case.id), row.line)
        + f'<span class="case-where">{where}{_until(row, page)}</span>'
    )


def _until(row: CaseRow, page: PageState) -> str:
    until = row.case.muted_until
    if until is None or not row.case.is_muted(page.now):
        return ""
    said = "until resolved" if until >= UNTIL_CLOSED else f"until {clock.bound(until, page.zone)}"
    return f'<span class="tagged">{escape(said)}</span>'


def _share(row: CaseRow, page: PageState) -> str:
    return row.share_text if row.case.count and row.share_text else str(cells.NOTHING)


def trend_cell(trend: Trend) -> SafeString:
    title = (
        f"Typical {trend.typical_text} an hour. {RULE}" if trend.typical else f"Too little history. {RULE}"
    )
    word = trend.word or "—"
    css = ' class="text-tone tone-failed"' if trend.word == RISING else ""
    return SafeString(f'<span{css} title="{escape(title)}">{word}</span>')


def _owner(row: CaseRow, page: PageState) -> str:
    case = row.case
    if case.owner:
        return str(cells.excerpt(case.owner, 40))
    user = page.listing.request.user
    if settings.ACTIONS_OFF or not (case.is_active and user.has_perm("failures.manage_cases")):
        return '<span class="muted">unassigned</span>'
    return take_form(page, case)


def take_form(page: PageState, case: Case) -> str:
    """Makes the reader its owner with one click."""
    url = f"{page.item_url(case.id)}assign/"
    fields = {
        "csrfmiddlewaretoken": get_token(page.listing.request),
        "action_id": new_action_id(),
        "owner": f"user:{page.listing.request.user.pk}",
        "row": "1",
    }
    hidden = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in fields.items())
    return (
        f'<form id="take-{case.id}" method="post" action="{url}" hx-post="{url}" hx-target="#dialog-body" '
        'hx-swap="innerHTML settle:0" '
        f'hx-sync="this:drop">{hidden}<button class="take" type="submit" data-action="take-{case.id}">Assign to me</button></form>'
    )


COLUMNS: tuple[Column[CaseRow], ...] = (
    Column("state", "State", lambda row: row.stated.word, lambda row, page: row.status, css="is-tight", stacked=False),
    Column("error", "Error", lambda row: row.case.line, _error, css="is-wide case-cell", head_css="is-wide", stacked=False),
    Column("chart", "Over time", lambda row: row.series, lambda row, page: row.spark, css="is-tight"),
    Column("runs", "Runs", lambda row: row.runs, _runs, css="is-num", head_css="is-num"),
    Column("share", "Share", lambda row: row.share, _share, css="is-num", head_css="is-num", priority=3),
    Column("trend", "Trend", lambda row: row.trend.word, lambda row, page: trend_cell(row.trend), css="is-tight", priority=2),
    Column("first_seen", "First seen", lambda row: row.case.first_seen, lambda row, page: page.when(row.case.first_seen), css="is-tight", priority=2),
    Column("last_seen", "Last seen", lambda row: row.case.last_seen, lambda row, page: page.when(row.case.last_seen), css="is-tight"),
    Column("owner", "Owner", lambda row: row.case.owner, _owner, css="is-tight"),
)  # fmt: skip

# What the cell of the error says besides it, for a file.
FILE_COLUMNS: tuple[Column[CaseRow], ...] = (
    Column("case_id", "Case", lambda row: row.id, lambda row, page: cells.shown(row.id)),
    *COLUMNS,
    Column("table", "Table", lambda row: row.case.logical, lambda row, page: cells.shown(row.case.logical)),
    Column("step", "Step", lambda row: row.case.label, lambda row, page: cells.shown(row.case.label)),
)


# --- Which, and in which order ----------------------------------------------------------------------------

ORDERS: dict[str, tuple[str, Callable[[CaseRow], object]]] = {}


def _urgency(row: CaseRow) -> tuple[bool, bool, bool, bool, int]:
    """Unassigned before others, and rising before those."""
    waits = row.stated.tone == FAILED
    unassigned = waits and not row.case.owner
    return (not waits, not unassigned, row.trend.word != RISING, row.trend.word == FALLING, -row.runs)


ORDERS |= {
    "": ("Unassigned first", _urgency),
    "runs": ("Most runs", lambda row: -row.runs),
    "newest": ("Newest", lambda row: -row.case.first_seen.timestamp() if row.case.first_seen else 0),
}
