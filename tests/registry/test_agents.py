"""The registry's pages: both layouts, filters, and health that is derived and never trusted."""

from email.utils import format_datetime
from typing import Any

import pytest
import time_machine

from opsportal.dynamo import pages
from tests.cases import each
from tests.factories import MISSING, Typed, agent, ago, put, zulu
from tests.pages import Page, poll, visit


@pytest.fixture
def shown(tables: Any, client_for: Any) -> Any:
    """``shown(item)``: the agent's page, after the item was put."""

    def page(item: Any) -> Page:
        put(tables["agents"], item)
        return visit(client_for("viewer"), f"/agents/{item['agentId']['S']}/")

    return page


def stamp(**length: float) -> int:
    """Epoch milliseconds, as writers give heartbeats."""
    return int(ago(**length).timestamp() * 1000)


def tier_rows(page: Page) -> list[str]:
    return [row.words for row in page.root.one("div", aria_label="Tiers").all("tr")][1:]


OPERATIONAL = dict.fromkeys(
    ("name", "endpoint", "capabilities", "status", "type", "protocol", "reputationScore", "successRate",
     "lastHeartbeat", "registeredAt", "pricing"),
    MISSING,
)  # fmt: skip


@pytest.mark.no_moto
def test_filters_take_whole_capabilities_declared_status_and_derived_health(
    tables: Any, client_for: Any
) -> None:
    put(
        tables["agents"],
        agent("set", name="B set", capabilities={"fitness", "fitness_analysis"}),
        agent("list", name="a list", capabilities=["fitness_analysis", 5], lastHeartbeat=stamp(minutes=5)),
        agent("text", name="c text", capabilities="fitness", status="inactive"),
        agent("none", name="d none", capabilities=MISSING, lastHeartbeat=MISSING),
        agent(
            "odd", name="e odd", capabilities={"map": "fitness"}, status="ACTIVE", lastHeartbeat=stamp(days=2)
        ),
        agent(
            "ops",
            **OPERATIONAL,
            agent_name="f ops",
            deployment_status="stopped",
            last_heartbeat=zulu(ago(seconds=3)),
        ),
    )
    client = client_for("viewer")
    everyone = visit(client, "/agents/")
    # The unhealthy first, then by name, whatever its case and its attribute.
    assert everyone.ids == ["odd", "list", "none", "set", "text", "ops"]
    assert "Sorted by health, offline first, then by name." in everyone.words
    row = everyone.rows[0]
    assert [link.words for link in row.all("a", href="/agents/odd/")] == ["e odd", "odd"]
    assert "f ops" in everyone.words
    assert visit(client, "/agents/?q=f+op").ids == ["ops"]
    for query, expected in (
        ("capability=fitness", ["set", "text"]),
        ("capability=fitness_analysis", ["list", "set"]),
        ("capability=fit", []),
        ("capability=5", ["list"]),
        ("status=active", ["odd", "list", "none", "set"]),
        ("status=stopped", ["ops"]),
        ("health=healthy", ["set", "text", "ops"]),
        ("health=degraded", ["list"]),
        ("health=offline", ["odd"]),
        ("health=unknown", ["none"]),
        ("health=nonsense", []),
        ("q=SE", ["set"]),
        ("q=p", ["ops"]),
        ("capability=fitness_analysis&status=active&health=healthy&q=b", ["set"]),
    ):
        page = visit(client, f"/agents/?{query}")
        assert page.ids == expected, query
        assert bool(page.root.all("section", data_empty="no_match")) == (not expected)
    assert list(everyone.tabs) == ["All", "healthy", "degraded", "offline", "unknown"]
    offered = [
        option.attrs["value"]
        for option in everyone.root.one("datalist", id="capability-choices").all("option")
    ]
    assert offered == ["5", "fitness", "fitness_analysis"]
    statuses = [
        option.attrs["value"] for option in everyone.root.one("datalist", id="status-choices").all("option")
    ]
    assert statuses == ["active", "inactive", "stopped"]
    assert client.get("/agents/?q=set").url == "/agents/set/"


@each(
    ("age", "health"),
    [(0, "healthy"), (119, "healthy"), (121, "degraded"), (599, "degraded"), (601, "offline")],
)
@pytest.mark.no_moto
def test_health_follows_the_age_of_the_heartbeat_and_the_settings(
    shown: Any, settings: Any, age: int, health: str
) -> None:
    settings.AGENT_DEGRADED_SECONDS, settings.AGENT_OFFLINE_SECONDS = 120, 600
    with time_machine.travel(ago(), tick=False):
        for heartbeat in (stamp(seconds=age), int(ago(seconds=age).timestamp()), zulu(ago(seconds=age))):
            page = shown(agent("beating", lastHeartbeat=heartbeat, status="inactive"))
            assert page.fact("Health, from heartbeats") == health
            assert page.fact("Declared status") == "inactive"
        settings.AGENT_DEGRADED_SECONDS, settings.AGENT_OFFLINE_SECONDS = 10_000, 20_000
        assert (
            shown(agent("beating", lastHeartbeat=stamp(seconds=age))).fact("Health, from heartbeats")
            == "healthy"
        )


STOPPED = "Declared active, but its heartbeat stopped."
UNREADABLE = "Declared active, but its heartbeat is unreadable: it is no time."


@each(
    ("values", "sentence"),
    [
        ({"lastHeartbeat": stamp(days=1)}, STOPPED),
        ({"lastHeartbeat": MISSING}, "Declared active, but it never sent a heartbeat."),
        ({"lastHeartbeat": "soon"}, UNREADABLE),
        ({"lastHeartbeat": {"at": "soon"}}, UNREADABLE),
        ({"lastHeartbeat": Typed(N="1" + "0" * 25)}, UNREADABLE),
        # Micro- and nanoseconds, RFC 2822.
        ({"lastHeartbeat": Typed(N=f"{ago(days=1).timestamp():.6f}".replace(".", ""))}, STOPPED),
        ({"lastHeartbeat": lambda: Typed(N=f"{ago(seconds=9).timestamp():.6f}000".replace(".", ""))}, ""),
        ({"lastHeartbeat": format_datetime(ago(days=1))}, STOPPED),
        ({"lastHeartbeat": lambda: format_datetime(ago(seconds=9))}, ""),
        ({"status": "Inactive"}, "Declared inactive, but it sends heartbeats."),
        ({"status": "inactive", "lastHeartbeat": stamp(days=1)}, ""),
        ({}, ""),
    ],
)
@pytest.mark.no_moto
def test_declared_and_observed_states_that_disagree_are_named(
    shown: Any, client_for: Any, values: Any, sentence: str
) -> None:
    # What is seconds old is so when the test runs, which may be long after it was collected.
    now = {name: value() if callable(value) else value for name, value in values.items()}
    page = shown(agent("contradicting", **now))
    assert page.findings == ({"contradiction": sentence} if sentence else {})
    assert not sentence or sentence in visit(client_for("viewer"), "/agents/").rows[0].words
    panel = visit(client_for("viewer"), "/panels/agents/")
    assert (sentence or "Declared and observed state agree for every agent.") in panel.words


@pytest.mark.no_moto
def test_the_discovery_services_layout_is_shown_with_its_json_in_text(shown: Any) -> None:
    """Point 8, and point 7's milliseconds."""
    item = agent(
        "coach-1",
        name="Coach",
        emoji="\U0001f916",
        description="Plans\nmeals",
        tags={"b", "a"},
        pricing='{"baseFee": "0.05", "asset": "USDC"}',
        tieredPricing='{"basic": {"baseFee": "0.05"}, "gold": {"baseFee": 9}}',
        serviceAvailability='{"basic": {"slots": 100, "slotsFilled": 45, "responseSLA": 5000, "uptime": 99.5}}',
        registeredAt=1765792800000,
    )
    page = shown(item)
    assert page.root.one("h1").words == "\U0001f916 Coach"
    assert page.fact("Capabilities") == "fitness_analysis nutrition_planning"
    assert page.fact("Tags") == "a, b"
    assert page.fact("Pricing") == '{ "baseFee": "0.05", "asset": "USDC" }'
    assert (page.fact("Reputation"), page.fact("Success")) == ("87", "94.2 %")
    assert page.fact_node("Registered").one("time").attrs["datetime"] == "2025-12-15T10:00:00.000Z"
    rows = tier_rows(page)
    assert rows[0] == 'basic 45 45 % 100 55 5000 99.5 { "baseFee": "0.05" }'
    assert rows[1].startswith("gold")
    assert rows[1].endswith('{ "baseFee": 9 }')
    assert "Not as documented" not in page.words
    same = shown(
        agent(
            "coach-1",
            pricing={"baseFee": "0.05", "asset": "USDC"},
            capabilities=["fitness_analysis", "nutrition_planning"],
            serviceAvailability={
                "basic": {"slots": 100, "slotsFilled": 45, "responseSLA": 5000, "uptime": Typed(N="99.5")}
            },
            tieredPricing={"basic": {"baseFee": "0.05"}, "gold": {"baseFee": 9}},
        )
    )
    assert tier_rows(same) == rows
    assert same.fact("Capabilities") == page.fact("Capabilities")
    assert '"asset": "USDC"' in same.fact("Pricing")


def test_the_operational_layout_is_shown_too(shown: Any, client_for: Any) -> None:
    item = agent(
        "ops-1", **OPERATIONAL, agent_type="matcher", deployment_status="active", last_heartbeat=zulu(ago(seconds=9)),
        avg_latency_ms=120, throughput_per_hour=Typed(N="33.5"), error_rate=Typed(N="0.02"), active_tasks=0,
    )  # fmt: skip
    page = shown(item)
    facts = {
        name: page.fact(name)
        for name in ("Health, from heartbeats", "Declared status", "Type", "Success", "Average latency (ms)",
                     "Throughput per hour", "Error rate", "Active tasks")
    }  # fmt: skip
    assert list(facts.values()) == ["healthy", "active", "matcher", "98.0 %", "120", "33.5", "0.02", "0"]
    assert page.root.one("h1").words == "ops-1"
    assert "98.0 %" in visit(client_for("viewer"), "/agents/").rows[0].words


@pytest.mark.no_moto
def test_a_heartbeat_that_undoes_a_deactivation_is_seen(tables: Any, client_for: Any) -> None:
    """Point 13: the writer puts whole items from memory; the page shows what is there at each look."""
    table, client = tables["agents"], client_for("viewer")
    put(table, agent("a", status="inactive", name="Edited"))
    page = visit(client, "/agents/a/")
    assert poll(client, page).status == 204
    put(table, agent("a", status="active", name="As remembered"))
    again = poll(client, page)
    assert (again.status, again.fact("Declared status")) == (200, "active")
    assert visit(client, "/agents/a/").root.one("h1").words == "As remembered"
    assert again.polls


@pytest.mark.no_moto
def test_what_can_not_be_read_is_shown_as_it_is_written(shown: Any, client_for: Any) -> None:
    item = agent(
        "bad-types", name=["n"], endpoint={"url": "x"}, capabilities=["fine", {"k": "v"}, None], status=[],
        reputationScore="excellent", successRate=17, lastHeartbeat="a moment ago", pricing="{not json",
        tieredPricing=5, serviceAvailability="[1, 2]", tags=3, registeredAt={"at": 1}, description=Typed(B=b"\x00"),
    )  # fmt: skip
    page = shown(item)
    for text in ('{"L": [{"S": "n"}]}', '{"M": {"url": {"S": "x"}}}', '{"M": {"k": {"S": "v"}}}', '{"L": []}',
                 '{"S": "excellent"}', '{"N": "17"}', '{"S": "a moment ago"}', '{"S": "{not json"}', '{"N": "5"}',
                 '{"S": "[1, 2]"}', '{"N": "3"}', '{"M": {"at": {"N": "1"}}}', '{"B": "AA=="}', "fine"):  # fmt: skip
        assert text in page.words
    assert page.root.one("h1").words == "bad-types"
    assert "Could not be read as documented" in visit(client_for("viewer"), "/agents/").rows[0].words
    odd = shown(
        agent("odd-tier", serviceAvailability={"basic": 5, "pro": [1]}, pricing="null", successRate="x")
    )
    rows = tier_rows(odd)
    assert rows[0].startswith("basic 5")
    assert rows[1].startswith("pro [ 1 ]")
    assert odd.fact("Success") == 'malformed: {"S": "x"}'


def test_a_large_registry_is_scanned_in_bounded_pages(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(
        tables["agents"],
        *(agent(f"a{number:03}", status="active" if number % 50 else "rare") for number in range(230)),
    )
    client = client_for("viewer")
    found, url = [], "/agents/"
    while url:
        page = visit(client, url)
        assert page.response.wsgi_request.spending.calls <= 5
        names = [row.one("a").words for row in page.rows]
        assert names == sorted(names, key=str.lower)
        found += page.ids
        url = page.next_url
    assert sorted(found) == [f"a{number:03}" for number in range(230)]
    assert "The registry has no index" in visit(client, "/agents/").words
    assert "Scan" in page.root.one("div", class_="reading").words
    monkeypatch.setattr(pages, "EVALUATED_PER_CALL", 20)
    rare, url, seen = [], "/agents/?status=rare", 0
    while url:
        page = visit(client, url)
        assert page.response.wsgi_request.spending.calls <= 5
        rare += page.ids
        assert page.next_url == "" or "status=rare" in page.next_url
        url, seen = page.next_url, seen + 1
    assert sorted(rare) == ["a000", "a050", "a100", "a150", "a200"]
    assert seen > 1


def test_the_panel_counts_by_health_and_says_when_there_are_more(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(
        tables["agents"],
        *(agent(f"h{number}") for number in range(3)),
        agent("old", lastHeartbeat=stamp(days=3)),
        agent("lone", status="inactive", lastHeartbeat=MISSING),
    )
    panel = visit(client_for("viewer"), "/panels/agents/")
    tiles = [
        (tile.one("span", class_="figure").words, tile.attrs["href"])
        for tile in panel.root.all("a", class_="tile")
    ]
    assert tiles == [
        ("1", "/agents/?health=offline"), ("0", "/agents/?health=degraded"), ("1", "/agents/?health=unknown"),
        ("3", "/agents/?health=healthy"),
    ]  # fmt: skip
    assert "its heartbeat stopped" in panel.words


def test_an_agent_that_is_gone_is_a_404(tables: Any, client_for: Any) -> None:
    page = visit(client_for("viewer"), "/agents/gone~2Fbefore/", status=404)
    assert page.empty.attrs["data-empty"] == "gone"
    assert "gone/before" in page.words


def test_a_heartbeat_from_the_future_proves_nothing(shown: Any) -> None:
    page = shown(agent("fast-clock", lastHeartbeat=4_102_444_800_000))
    assert page.fact("Health, from heartbeats") == "unknown"
    assert "Its heartbeat is in the future" in page.words
