"""Whatever an agent's item holds: the list and its pages show it, and never fail."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsportal.console.templatetags.lists import ident_text
from registry.models import HEALTHS, Agent
from tests.factories import agent, delete, put
from tests.pages import visit
from tests.shapes import derived, few, items, members

WHOLE = {
    **agent("x"),
    **agent("x", tags=["a"], emoji="\U0001f916", description="Plans", role="planner", location="eu", updatedAt=1,
            tieredPricing={"basic": {"baseFee": "1"}}, serviceAvailability={"pro": {"slots": 5}},
            agent_type="core", deployment_status="active", last_heartbeat="2025-12-24T10:00:00Z",
            avg_latency_ms=3, throughput_per_hour=4, error_rate=0, active_tasks=1, verifiedAt=2),
}  # fmt: skip
TIER = members({"slots": 5, "slotsFilled": 2, "responseSLA": 100, "uptime": 99})
NESTED = {"serviceAvailability": TIER.map(lambda tier: type(tier)(M={"basic": tier, "": tier, "odd": tier}))}
AGENTS = items(WHOLE, "agentId", nested=NESTED)


@pytest.mark.no_moto  # of pages: see tests/engines.py
@few
@given(drawn=st.lists(AGENTS, min_size=1, max_size=3, unique_by=lambda item: item["agentId"]["S"]))
def test_any_shape_of_item_is_listed_and_opens(tables: Any, client_for: Any, drawn: Any) -> None:
    table, client = tables["agents"], client_for("viewer")
    put(table, *drawn)
    page = visit(client, "/agents/")
    rows = dict(zip(page.ids, page.rows, strict=True))
    for item in drawn:
        key = item["agentId"]["S"]
        link = rows[key].one("a", data_row_link=None)
        assert link.words
        found = visit(client, link.attrs["href"])
        assert ident_text(key) in found.root.text
        assert found.root.one("h1").words
        assert client.get(link.attrs["href"] + "?tab=raw").status_code == 200
    visit(client, "/panels/agents/")
    delete(table, *(item["agentId"]["S"] for item in drawn))


@derived
@given(drawn=AGENTS)
def test_no_shape_breaks_what_is_derived_from_it(drawn: Any) -> None:
    found = Agent.from_item(drawn)
    assert found.id == drawn["agentId"]["S"]
    assert found.health in HEALTHS
    assert found.success_percent is None or str(found.success_percent)
    for name in ("serviceAvailability", "tieredPricing"):
        # Shown as tiers or as malformed, never left out.
        if name in drawn and drawn[name] not in ({"NULL": True}, {"S": "null"}, {"M": {}}, {"S": "{}"}):
            assert found.tiers or name in found.problems
    if "capabilities" in drawn and drawn["capabilities"] not in ({"NULL": True}, {"L": []}):
        nulls = all("NULL" in member for member in drawn["capabilities"].get("L", [{}]))
        assert found.offers or found.odd_capabilities or "capabilities" in found.problems or nulls
