"""The columns of the list of workflows."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from opsportal.console import addresses, attention, cells, figures
from opsportal.console.columns import Column, PageState, key_cell
from opsportal.console.findings import Finding
from opsportal.console.text import exact
from opsportal.console.tones import FAILED
from opsportal.dynamo.pages import Raw
from opsportal.failures.matching import case_for
from tracking.findings import findings
from tracking.models import Workflow


class WorkflowRow(NamedTuple):
    """A workflow, and what is wrong with it, the gravest first."""

    item: Workflow
    found: list[Finding]

    @property
    def id(self) -> str:
        return self.item.id


def rows_of(items: Sequence[Raw]) -> list[WorkflowRow]:
    """As of now."""
    now = datetime.now(UTC)
    return [WorkflowRow(one, findings(one, now)) for one in map(Workflow.from_item, items)]


def _started(row: WorkflowRow, page: PageState) -> str:
    if row.item.created_at is not None:
        return page.when(row.item.created_at)
    return f'<span>{page.when(row.item.updated_at)} <span class="muted">no createdAt</span></span>'


def _attention(row: WorkflowRow, page: PageState) -> str:
    """Empty where there is nothing: a narrow screen leaves an empty cell out. A failure leads to its case."""
    if error := row.item.first_error:
        words = f"{cells.excerpt(error.label, 30)}: {cells.first_line(error.error, 100)}"
        said = cells.toned(FAILED, words)
    elif row.found:
        said = cells.toned(row.found[0].tone, cells.excerpt(row.found[0].sentence, 110))
    else:
        return ""
    case = case_for(page.listing.request.user, "workflows", row.item.raw)
    return attention.link(addresses.case(case), said)


def _attention_value(row: WorkflowRow) -> Any:
    if error := row.item.first_error:
        return error.error
    return row.found[0].sentence if row.found else None


def _document(row: WorkflowRow, page: PageState) -> str:
    document = row.item.document_id
    title = "" if document is None else exact(str(document), 400)
    return cells.truncated(cells.search_link(document, 40), title)


COLUMNS: tuple[Column[WorkflowRow], ...] = (
    Column(
        "status",
        "Status",
        lambda row: row.item.overall_status,
        lambda row, page: cells.status(row.item.overall_status),
        css="is-tight",
        stacked=False,
    ),
    Column(
        "session_id",
        "Session",
        lambda row: row.id,
        lambda row, page: key_cell(row, page, "session id"),
        css="is-id",
        stacked=False,
    ),
    Column(
        "steps",
        "Steps",
        lambda row: {step.key: step.status_text for step in row.item.steps},
        lambda row, page: figures.dots(row.item.steps),
        css="is-tight",
    ),
    Column("started", "Started", lambda row: row.item.created_at, _started, css="is-tight"),
    Column(
        "duration",
        "Duration",
        lambda row: row.item.seconds,
        lambda row, page: cells.duration(row.item.seconds),
        css="is-num",
        head_css="is-num",
        priority=2,
    ),
    Column(
        "tokens",
        "Tokens",
        lambda row: row.item.tokens,
        lambda row, page: cells.thousands(row.item.tokens),
        css="is-num",
        head_css="is-num",
        priority=2,
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
        "source",
        "Source",
        lambda row: row.item.source_type,
        lambda row, page: page.filtered("source", row.item.source_type, 20, "source type"),
        css="is-tight",
        priority=2,
    ),
    Column("document", "Document", lambda row: row.item.document_id, _document, priority=3),
)
