"""The registry as a whole: capabilities, shared endpoints, agents without a fresh heartbeat."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from registry import fleet
from registry.models import HEALTHY, Agent
from tests.factories import MISSING, Typed, agent, ago, delete, put
from tests.pages import Node, Page, poll, visit
from tests.registry.test_shapes import AGENTS
from tests.samples import later
from tests.shapes import derived, few

URL = "/agents/fleet/"


def stamp(**length: float) -> int:
    return int(ago(**length).timestamp() * 1000)


def section(page: Page, name: str) -> Node:
    return page.root.one("section", id=name)


def rows(page: Page, name: str) -> list[str]:
    return [row.words for row in section(page, name).all("tr")[1:]]


@pytest.mark.no_moto
def test_each_capability_says_who_offers_it_and_who_is_ready(tables: Any, client_for: Any) -> None:
    put(
        tables["agents"],
        agent("a", name="Ada", capabilities=["plan", "plan", "Run"], reputationScore=50),
        agent("b", name="Bo", capabilities={"plan"}, reputationScore=80),
        agent("c", name="Cy", capabilities={"plan"}, reputationScore=99, lastHeartbeat=stamp(hours=3)),
        agent("d", name="Di", capabilities="sleep", status="inactive", reputationScore="high"),
        agent(
            "e", name="Ed", capabilities=["walk/up & <b>down</b>"], lastHeartbeat=MISSING, reputationScore=1
        ),
        agent("f", name="Fu", capabilities=[{"k": "v"}]),
        agent("g", name=MISSING, agent_name="Gil", capabilities=["zip"], reputationScore=MISSING),
    )
    page = visit(client_for("viewer"), URL)
    assert rows(page, "capabilities") == [
        # Those that nobody is ready for lead.
        "sleep 1 0 0 — No agent that offers it is ready.",
        "walk/up & <b>down</b> 1 1 0 — No agent that offers it is ready.",
        "plan 3 3 2 Bo · 80",
        "Run 1 1 1 Ada · 50 (default)",
        "zip 1 1 1 Gil · 50 (default)",
    ]
    links = [row.one("a").attrs["href"] for row in section(page, "capabilities").all("tr")[1:]]
    assert links[1:3] == [
        "/agents/?capability=walk%2Fup%20%26%20%3Cb%3Edown%3C%2Fb%3E",
        "/agents/?capability=plan",
    ]
    assert sorted(visit(client_for("viewer"), links[2]).ids) == ["a", "b", "c"]
    assert visit(client_for("viewer"), links[1]).ids == ["e"]


def test_agents_behind_one_endpoint_are_listed_however_it_is_spelled(tables: Any, client_for: Any) -> None:
    put(
        tables["agents"],
        agent("a", name="Ada", endpoint="https://One.example.com/run/"),
        agent("b", name="Bo", endpoint=" https://one.example.com:443/run"),
        agent("c", name="Cy", endpoint="http://one.example.com/run", lastHeartbeat=stamp(hours=2)),
        agent("d", name="Di", endpoint="https://one.example.com/Run"),
        agent("e", endpoint="http://[bad"),
        agent("f", endpoint=MISSING),
        agent("g", endpoint=""),
        agent("h", endpoint=Typed(N="5")),
        *(agent(f"m{number}", name=f"M{number}", endpoint="http://[bad too") for number in range(10)),
    )
    page = visit(client_for("viewer"), URL)
    found = rows(page, "endpoints")
    assert found[0].startswith("http://[bad too 10 healthy M0, healthy M1,")
    assert found[0].endswith("and 2 more")
    assert found[1:] == ["https://One.example.com/run/ 2 healthy Ada, healthy Bo"]


def test_agents_without_a_fresh_heartbeat_are_listed_active_ones_first(tables: Any, client_for: Any) -> None:
    put(
        tables["agents"],
        agent("fresh"),
        agent("never", lastHeartbeat=MISSING),
        agent("days", lastHeartbeat=stamp(days=2)),
        agent("fast", lastHeartbeat=4_102_444_800_000),
        agent("minutes", lastHeartbeat=stamp(minutes=4)),
        agent("retired", status="inactive", lastHeartbeat=stamp(minutes=9)),
        agent("odd", lastHeartbeat="soon", status=MISSING),
    )
    page = visit(client_for("viewer"), URL)
    assert page.ids == ["minutes", "days", "fast", "never", "retired", "odd"]
    assert page.rows[0].words.startswith("degraded")
    assert "4 min ago" in page.rows[0].words
    assert "Declared active, but its heartbeat stopped." in page.rows[1].words


def test_an_empty_registry_says_so_in_each_part(tables: Any, client_for: Any) -> None:
    page = visit(client_for("viewer"), URL)
    for sentence in (
        "No agent declares a capability.", "No two agents declare the same endpoint.",
        "Every agent sent a heartbeat recently.",
    ):  # fmt: skip
        assert sentence in page.words
    assert "0 agents" in page.root.one("div", class_="reading").words


def test_the_scan_and_the_rows_are_bounded_and_it_says_so(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "MAX_AGENTS", 30)
    monkeypatch.setattr("registry.views.MAX_ROWS", 4)
    put(
        tables["agents"],
        *(
            agent(
                f"a{n:02}",
                capabilities=[f"c{n}"],
                endpoint=f"https://{n // 2}.example.com",
                lastHeartbeat=MISSING,
            )
            for n in range(40)
        ),
    )
    client = client_for("viewer")
    page = visit(client, URL)
    assert "The first 30 agents, in DynamoDB's order; the registry holds more." in page.words
    assert page.response.wsgi_request.spending.calls <= 5
    assert [len(rows(page, name)) for name in ("capabilities", "stale")] == [4, 4]
    assert "The first 4 of 30, those without a ready agent first." in page.words
    assert section(page, "capabilities").one("span", class_="count").words == "30"
    # Kept a few seconds, however many look.
    assert visit(client, URL).response.wsgi_request.spending.calls == 0
    assert poll(client, page).status == 204


def test_large_texts_do_not_fill_the_page(tables: Any, client_for: Any) -> None:
    huge = "<b>model output</b> " * 3000
    put(
        tables["agents"],
        agent("a", name=huge, endpoint=huge, capabilities=[huge], status=huge, lastHeartbeat=huge),
        agent("b", name=huge, endpoint=huge, capabilities=huge),
    )
    page = visit(client_for("viewer"), URL)
    assert len(page.html) < 60_000
    assert rows(page, "endpoints")[0].startswith("<b>model output</b> <b>model")


def test_an_agent_that_is_called_fleet_has_its_own_page(
    tables: Any, client_for: Callable[[str], Client]
) -> None:
    put(tables["agents"], agent("fleet", name="Named like a page"))
    (link,) = visit(client_for("viewer"), "/agents/").links
    assert visit(client_for("viewer"), link).root.one("h1").words == "Named like a page"


@hypothesis_settings(few, max_examples=4)
@given(drawn=st.lists(AGENTS, min_size=1, max_size=4, unique_by=lambda item: item["agentId"]["S"]))
@pytest.mark.no_moto
def test_any_shape_of_agent_is_shown(tables: Any, client_for: Any, drawn: Any) -> None:
    later(1_000)
    table = tables["agents"]
    put(table, *drawn)
    page = visit(client_for("viewer"), URL)
    quiet = {item["agentId"]["S"] for item in drawn if Agent.from_item(item).health != HEALTHY}
    assert set(page.ids) == quiet
    delete(table, *(item["agentId"]["S"] for item in drawn))


@hypothesis_settings(derived, max_examples=12)
@given(drawn=st.lists(AGENTS, max_size=3))
def test_no_shape_breaks_the_survey(drawn: Any) -> None:
    agents = [Agent.from_item(fleet.as_kept(raw)) for raw in drawn]
    whole = [Agent.from_item(raw) for raw in drawn]
    assert [(one.id, one.offers, one.is_active, one.health, one.contradiction) for one in agents] == [
        (one.id, one.offers, one.is_active, one.health, one.contradiction) for one in whole
    ]
    offers = {capability for one in agents for capability in one.offers}
    found = fleet.offered(agents)
    assert {one.capability for one in found} == offers
    assert all(0 <= one.ready <= one.active <= one.agents for one in found)
    assert all(len(one.agents) > 1 for one in fleet.shared(agents))
    assert len(fleet.stale(agents)) == sum(one.health != HEALTHY for one in agents)


@derived
@given(
    endpoint=st.text(max_size=40)
    | st.sampled_from(("http://h:99999/", "https://[::1/", "//h", "HTTP://U:p@H.:80/?q"))
)
def test_any_text_is_normalized_once(endpoint: str) -> None:
    assert fleet.normalized(fleet.normalized(endpoint)) == fleet.normalized(endpoint)
