"""The columns of the list of requests."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from opsportal.console import addresses, attention, cells
from opsportal.console.columns import Column, PageState, key_cell
from opsportal.console.findings import Finding
from opsportal.console.tones import FAILED, tone_of
from opsportal.dynamo.pages import Raw
from opsportal.failures.matching import case_for
from requests_app.findings import findings_of_row
from requests_app.models import IntelligenceRequest


class RequestRow(NamedTuple):
    """A request, and what is wrong with it: that it is stuck before all else."""

    item: IntelligenceRequest
    found: list[Finding]

    @property
    def id(self) -> str:
        return self.item.id


def rows_of(items: Sequence[Raw]) -> list[RequestRow]:
    """As of now."""
    now = datetime.now(UTC)
    return [RequestRow(one, findings_of_row(one, now)) for one in map(IntelligenceRequest.from_item, items)]


def _progress(row: RequestRow, page: PageState) -> str:
    progress = row.item.progress
    bar = cells.meter(progress.percentage, 100, "Progress", tone_of(row.item.status))
    return bar if progress.malformed is None else bar + cells.shown(progress.malformed)


def _created(row: RequestRow, page: PageState) -> str:
    if row.item.created_at is not None:
        return page.when(row.item.created_at)
    return f'<span>{page.when(row.item.touched_at)} <span class="muted">no created_at</span></span>'


def _attention(row: RequestRow, page: PageState) -> str:
    """Empty where there is nothing: a narrow screen leaves an empty cell out. A failure leads to its case."""
    if (error := row.item.first_error_text) and not _is_stuck(row):
        said = cells.toned(FAILED, cells.first_line(error, 110))
    elif row.found:
        said = cells.toned(row.found[0].tone, cells.excerpt(row.found[0].sentence, 110))
    else:
        return ""
    case = case_for(page.listing.request.user, "requests", row.item.raw)
    return attention.link(addresses.case(case), said)


def _attention_value(row: RequestRow) -> Any:
    if row.item.first_error and not _is_stuck(row):
        return row.item.first_error
    return row.found[0].sentence if row.found else None


def _is_stuck(row: RequestRow) -> bool:
    """Then its error is one that it went on after."""
    return any(finding.kind == "stuck" for finding in row.found[:1])


COLUMNS: tuple[Column[RequestRow], ...] = (
    Column(
        "status",
        "Status",
        lambda row: row.item.status,
        lambda row, page: cells.status(row.item.status),
        css="is-tight",
        stacked=False,
    ),
    Column(
        "request_id",
        "Request",
        lambda row: row.id,
        lambda row, page: key_cell(row, page, "request id"),
        css="is-id",
        stacked=False,
    ),
    Column(
        "priority",
        "Priority",
        lambda row: row.item.priority,
        lambda row, page: page.filtered("priority", row.item.priority, 20),
        css="is-tight",
    ),
    Column(
        "progress",
        "Progress",
        lambda row: row.item.progress.percentage,
        _progress,
        css="is-tight",
        priority=2,
    ),
    Column("created_at", "Created", lambda row: row.item.created_at, _created, css="is-tight"),
    Column(
        "duration",
        "Duration",
        lambda row: row.item.elapsed,
        lambda row, page: cells.duration(row.item.elapsed),
        css="is-num",
        head_css="is-num",
    ),
    Column(
        "attention",
        "Attention",
        _attention_value,
        _attention,
        css="is-wide is-error",
        head_css="is-wide",
        stacked=False,
    ),
    Column(
        "type",
        "Type",
        lambda row: row.item.request_type,
        lambda row, page: cells.truncated(page.filtered("type", row.item.request_type)),
        priority=3,
    ),
    Column(
        "project",
        "Project",
        lambda row: row.item.project_id,
        lambda row, page: cells.truncated(page.filtered("project", row.item.project_id)),
        priority=2,
    ),
    Column(
        "user",
        "User",
        lambda row: row.item.user_id,
        lambda row, page: cells.truncated(page.filtered("user", row.item.user_id)),
        priority=2,
    ),
    Column(
        "strategy",
        "Strategy",
        lambda row: row.item.processing_strategy,
        lambda row, page: page.filtered("strategy", row.item.processing_strategy, 20),
        css="is-tight",
        priority=3,
    ),
)
