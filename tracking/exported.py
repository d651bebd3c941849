"""The list of workflows as an export."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from opsportal.dynamo.pages import Page, Raw
from opsportal.dynamo.spans import Span
from opsportal.exports.exportable import Exportable
from tracking import queries
from tracking.columns import COLUMNS, WorkflowRow
from tracking.findings import findings
from tracking.models import Workflow


def _page(values: Mapping[str, str], span: Span, *, purpose: str, cursor: str, limit: int) -> Page:
    if values.get("outside"):
        return queries.outside_index(purpose=purpose, cursor=cursor)
    return queries.page(queries.WorkflowFilter.of(values, span), purpose=purpose, cursor=cursor, limit=limit)


def _rows(items: Sequence[Raw]) -> list[WorkflowRow]:
    now = datetime.now(UTC)
    return [WorkflowRow(one, findings(one, now)) for one in map(Workflow.from_item, items)]


EXPORT = Exportable(
    "workflows", "Workflows", "workflows", "tracking.view_workflows", COLUMNS, _page, _rows, queries.SAMPLED.moment
)  # fmt: skip
