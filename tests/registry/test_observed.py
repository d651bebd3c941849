"""An agent's page: which step it works, what it declares, and where what is observed comes from."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from registry.declared import declared_by, normal, step_of
from registry.models import Agent
from tests.factories import MISSING, Typed, agent, ago, put, step, workflow, zulu
from tests.pages import Node, Page, poll, visit
from tests.registry.test_shapes import AGENTS
from tests.shapes import derived


def found(**values: Any) -> tuple[str, str]:
    match = step_of(Agent.from_item(agent(**values)))
    return match.key, match.how


@pytest.mark.parametrize(
    "name",
    ["pdf-adapter", "pdfAdapter", "pdf_adapter", "PDF Adapter Agent", "PDFAdapter", "agent.pdf.adapter", "pdf adapter 2",
     "pdf_adapter_agent_01", "PDF-ADAPTER-AGENT"],
)  # fmt: skip
def test_spellings_of_a_steps_name_are_one(name: str) -> None:
    assert found(agent_id=name) == ("pdfAdapter", "its id")
    assert found(agent_id="x", name=name) == ("pdfAdapter", "its name")
    assert found(agent_id="x", name=MISSING, agent_name=name) == ("pdfAdapter", "its name")
    assert found(agent_id="x", type=name) == ("pdfAdapter", "its type")
    assert found(agent_id="x", type=MISSING, agent_type=name) == ("pdfAdapter", "its type")
    assert found(agent_id="x", role=name) == ("pdfAdapter", "its role")


@pytest.mark.parametrize(
    "name", ["adapter", "pdf", "agent", "Agent 7", "pdf adapter agent of old", "", "7", "\u202e"]
)
def test_other_names_are_no_steps(name: str) -> None:
    assert found(agent_id="x", name=name) == ("", "")


def test_a_step_may_be_called_agent_or_by_a_number(settings: Any) -> None:
    settings.WORKFLOW_STEPS = [{"key": "42", "label": "Agent", "waiting": ""}]
    assert found(agent_id="42") == ("42", "its id")
    assert found(agent_id="agent-7") == ("", "")


def test_the_setting_wins_and_can_say_that_there_is_none(settings: Any) -> None:
    settings.AGENT_STEPS = {"pdf-adapter": "riskCheck", "trade-matching": "", "x": "tradeMatching"}
    assert found(agent_id="pdf-adapter") == ("riskCheck", "the setting AGENT_STEPS")
    assert found(agent_id="trade-matching") == ("", "the setting AGENT_STEPS")
    assert step_of(Agent.from_item(agent("x"))).label == "Trade matching"


def observed(page: Page) -> Node:
    return page.root.one("section", id="observed")


def guest(page: Page) -> dict[str, list[str]]:
    """The parameters that the panel of the step is asked with."""
    node = observed(page).one("div", id="guest-step")
    url = node.one("div", hx_trigger="load").attrs["hx-get"]
    assert node.attrs["data-guest"] == url
    assert urlsplit(url).path == "/workflows/steps/pdfAdapter/"
    return parse_qs(urlsplit(url).query)


@pytest.mark.no_moto
def test_the_page_holds_the_panel_of_its_step_and_passes_what_it_declares(
    tables: Any, client_for: Any
) -> None:
    put(
        tables["agents"],
        agent(
            "pdf-adapter", successRate=Typed(N="0.98"), avg_latency_ms=1240,
            serviceAvailability='{"basic": {"responseSLA": 2000, "uptime": 99}, "pro": {"responseSLA": 300, "uptime": 99.9}}',
        ),
    )  # fmt: skip
    put(tables["workflows"], *(workflow(pdfAdapter=step(duration=Typed(N="2"))) for _ in range(6)))
    client = client_for("viewer")
    page = visit(client, "/agents/pdf-adapter/")
    assert "Step PDF adapter (by whichever agent)" in observed(page).words
    assert "Matched by its id." in observed(page).words
    assert guest(page) == {
        "success": ["0.98"], "errors": ["0.02"], "average_ms": ["1240"], "fastest_ms": ["300"], "slowest_ms": ["2000"],
    }  # fmt: skip
    assert [row.words for row in observed(page).all("tr")[1:]] == [
        "State active healthy —",
        "Uptime 99 to 99.9 % last heartbeat 5 s ago only the last heartbeat is stored",
    ]
    panel = visit(client, observed(page).one("div", hx_trigger="load").attrs["hx-get"], HX_Request="true")
    assert panel.is_fragment
    assert "Success 98.0 % 100.0 %: 6 of 6 that ended no less than declared" in panel.words
    assert (
        "Response, p95 300 ms to 2 s 2 s over 6; median 2 s slower than the fastest tier promises"
        in panel.words
    )


def test_of_an_operational_registry_the_error_rate_gives_the_success(tables: Any, client_for: Any) -> None:
    put(
        tables["agents"],
        agent("pdf_adapter_01", successRate=MISSING, error_rate=Typed(N="0.34"), avg_latency_ms=0),
    )
    page = visit(client_for("viewer"), "/agents/pdf_adapter_01/")
    assert guest(page) == {"success": ["0.66"], "errors": ["0.34"], "average_ms": ["0"]}
    assert observed(page).all("tr")[2].all("td")[0].words == "—"


@pytest.mark.no_moto
def test_an_agent_of_no_known_step_says_so(tables: Any, client_for: Any, settings: Any) -> None:
    put(
        tables["agents"],
        agent(
            "coach",
            lastHeartbeat=MISSING,
            avg_latency_ms=1200,
            serviceAvailability={"basic": {"responseSLA": 2000}, "pro": {"responseSLA": 0}},
        ),
    )
    page = visit(client_for("viewer"), "/agents/coach/")
    assert "The console does not know which workflow step this agent runs" in observed(page).words
    assert observed(page).all("div", id="guest-step") == []
    assert [row.words for row in observed(page).all("tr")[1:]] == [
        "State active unknown disagree",
        "Uptime — last heartbeat — only the last heartbeat is stored",
        "Success 94.2 % — —",
        "Errors 5.8 % — —",
        "Average 1.2 s — —",
        "Response 0 s to 2 s — —",
    ]
    settings.AGENT_STEPS = {"coach": ""}
    page = visit(client_for("viewer"), "/agents/coach/")
    assert "AGENT_STEPS says that it runs no workflow step." in observed(page).words
    # The other tabs ask for nothing of workflows.
    assert visit(client_for("viewer"), "/agents/coach/?tab=raw").root.all("section", id="observed") == []


def test_without_the_permission_for_workflows_the_page_says_so_and_reads_none(
    tables: Any, client_for: Any, viewer: Any
) -> None:
    put(tables["agents"], agent("pdf-adapter"))
    viewer.groups.clear()
    viewer.user_permissions.add(Permission.objects.get(codename="view_agents"))
    page = visit(client_for("viewer"), "/agents/pdf-adapter/")
    assert "Your role can't see workflows" in observed(page).words
    assert observed(page).all("div", id="guest-step") == []


@pytest.mark.no_moto
def test_a_refresh_passes_what_is_declared_now(tables: Any, client_for: Callable[[str], Client]) -> None:
    table, client = tables["agents"], client_for("viewer")
    put(table, agent("pdf-adapter", successRate=Typed(N="0.9")))
    page = visit(client, "/agents/pdf-adapter/")
    put(table, agent("pdf-adapter", successRate=Typed(N="0.5"), lastHeartbeat=zulu(ago(seconds=1))))
    assert (guest(page)["success"], guest(poll(client, page))["success"]) == (["0.9"], ["0.5"])


@pytest.mark.no_moto
def test_slots_are_bars_and_a_full_tier_stands_out(tables: Any, client_for: Any) -> None:
    put(
        tables["agents"],
        agent("a", serviceAvailability={"basic": {"slots": 10, "slotsFilled": 4}, "pro": {"slots": 5, "slotsFilled": 5},
                                        "premium": {"slots": 2, "slotsFilled": 3}, "odd": {"slots": "many"}}),
    )  # fmt: skip
    page = visit(client_for("viewer"), "/agents/a/")
    tiers = page.root.one("div", aria_label="Tiers")
    bars = [(bar.attrs["class"], bar.attrs["value"]) for bar in tiers.all("progress")]
    assert bars == [("tone-running", "40.0"), ("tone-attention", "100.0"), ("tone-attention", "100.0")]
    assert [row.all("td")[2].words for row in tiers.all("tr")[1:]] == ["6", "0", "-1", "—"]
    bar = page.fact_node("Reputation").one("progress")
    assert (bar.attrs["value"], page.fact("Reputation")) == ("87.0", "87")
    put(tables["agents"], agent("b", reputationScore=-5), agent("c", reputationScore="good"))
    assert (
        visit(client_for("viewer"), "/agents/b/").fact_node("Reputation").one("progress").attrs["value"]
        == "0.0"
    )
    assert visit(client_for("viewer"), "/agents/c/").fact_node("Reputation").all("progress") == []


@hypothesis_settings(derived, max_examples=20)
@given(drawn=AGENTS)
def test_no_shape_breaks_what_is_declared_or_matched(drawn: Any) -> None:
    one = Agent.from_item(drawn)
    declared = declared_by(one)
    for share in (declared.success, declared.errors):
        assert share is None or 0 <= share <= 1
    assert (declared.fastest_ms is None) == (declared.slowest_ms is None)
    assert declared.fastest_ms is None or declared.fastest_ms <= declared.slowest_ms
    assert all(0 <= uptime <= 100 for uptime in declared.uptimes)
    assert str(declared.uptime) or not declared.uptimes
    assert all(name and text for name, text in declared.unobserved)
    assert set(parse_qs(declared.query)) <= {"success", "errors", "average_ms", "fastest_ms", "slowest_ms"}
    assert all(tier.free is None or tier.free == tier.slots - tier.slots_filled for tier in one.tiers)
    assert step_of(one).key in ("", "pdfAdapter", "tradeExtraction", "tradeMatching", "exceptionManagement")


@derived
@given(name=st.text(max_size=60))
def test_separators_case_and_numbers_do_not_matter(name: str) -> None:
    letters = normal(name)
    assert letters == normal(f" {name}-") == normal(name.upper().lower()) or not name.isascii()
    if letters and not letters[-1].isdigit():
        assert normal(f"{letters}_agent_07") == letters or letters.endswith("agent")
