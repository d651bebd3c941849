"""The list of agents as an export."""

from collections.abc import Mapping, Sequence

from opsportal.dynamo.pages import Page, Raw
from opsportal.dynamo.spans import Span
from opsportal.exports.exportable import Exportable
from registry import queries
from registry.columns import COLUMNS
from registry.models import Agent


def _page(values: Mapping[str, str], span: Span, *, purpose: str, cursor: str, limit: int) -> Page:
    return queries.page(queries.AgentFilter.of(values), purpose=purpose, cursor=cursor)


def _rows(items: Sequence[Raw]) -> list[Agent]:
    return [Agent.from_item(raw) for raw in items]


EXPORT = Exportable("agents", "Agents", "agents", "registry.view_agents", COLUMNS, _page, _rows)
