"""The list of requests as an export."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from opsportal.dynamo.pages import Page, Raw
from opsportal.dynamo.spans import Span
from opsportal.exports.exportable import Exportable
from requests_app import queries
from requests_app.columns import COLUMNS, RequestRow
from requests_app.findings import findings_of_row
from requests_app.models import IntelligenceRequest


def _page(values: Mapping[str, str], span: Span, *, purpose: str, cursor: str, limit: int) -> Page:
    if values.get("outside"):
        return queries.outside_index(purpose=purpose, cursor=cursor)
    return queries.page(queries.RequestFilter.of(values, span), purpose=purpose, cursor=cursor, limit=limit)


def _rows(items: Sequence[Raw]) -> list[RequestRow]:
    now = datetime.now(UTC)
    return [RequestRow(one, findings_of_row(one, now)) for one in map(IntelligenceRequest.from_item, items)]


EXPORT = Exportable(
    "requests", "Requests", "requests", "requests_app.view_requests", COLUMNS, _page, _rows, queries.SAMPLED.moment
)  # fmt: skip
