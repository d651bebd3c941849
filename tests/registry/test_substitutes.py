"""An agent that is not ready: who else offers what it offers, and what waits for it."""

from typing import Any

import pytest

from tests.factories import MISSING, agent, ago, naive, put, request, workflow, zulu
from tests.pages import Node, Page, poll, visit
from tests.trouble import denied, trouble

OLD = int(ago(hours=3).timestamp() * 1000)
PATH = "/agents/down/"


def cover(page: Page) -> Node:
    return page.root.one("section", id="cover")


def lines(page: Page) -> list[str]:
    return [line.words for line in cover(page).one("ul", class_="cover").all("li")]


@pytest.mark.no_moto
def test_an_agent_that_is_down_names_who_else_is_ready_and_what_nobody_else_offers(
    tables: Any, client_for: Any
) -> None:
    offers = ["plan", "run", "lonely", "late", "plan"]
    put(
        tables["agents"],
        agent("down", name="Di", capabilities=offers, lastHeartbeat=OLD, reputationScore=99),
        agent("good", name="Good", capabilities=["plan", "run"], reputationScore=80),
        agent("best", name=MISSING, capabilities=["plan"], reputationScore=90),
        agent("odd", name="Odd", capabilities=["plan"], reputationScore="high"),
        agent("off", name="Off", capabilities=["plan", "late"], status="inactive"),
        agent("also", name="Also", capabilities=["late"], lastHeartbeat=OLD),
    )
    client = client_for("viewer")
    page = visit(client, PATH)
    assert cover(page).one("h2").words == "While it is offline"
    assert lines(page) == [
        "lonely No other agent offers it.",
        "late 2 others are not ready: offline Also healthy Off not active",
        "plan 3 others are ready: healthy best healthy Good healthy Odd",
        "run 1 other is ready: healthy Good",
    ]
    red = [one.words for one in cover(page).all("span", class_="text-tone tone-failed")]
    assert red == ["No other agent offers it.", "2 others are not ready:"]
    assert cover(page).one("a", class_="tagged").attrs["href"] == "/agents/?capability=lonely"
    # Where others change, the page does; what is as it was is not sent again.
    assert poll(client, page).status == 204
    # In short on the overview: of what the fewest others are ready for.
    (line,) = [one for one in visit(client, "/panels/agents/").root.all("li") if one.words.startswith("Di ")]
    assert line.one("span", class_="text-tone").words == "No other ready agent for lonely."
    put(tables["agents"], agent("down", name="Di", capabilities=["run"], status="inactive"))
    assert cover(visit(client, PATH)).one("h2").words == "While it is not active"
    assert not visit(client, "/agents/good/").root.all("section", id="cover")


def test_of_a_registry_that_may_not_be_scanned_the_page_says_so(tables: Any, client_for: Any) -> None:
    put(tables["agents"], agent("down", lastHeartbeat=OLD))
    with trouble(tables["agents"], denied("Scan", "table"), "Scan"):
        page = visit(client_for("viewer"), PATH)
    assert "Who else offers it could not be read:" in cover(page).words


@pytest.mark.no_moto
def test_what_is_stuck_at_its_step_or_stage_is_shown_from_the_overviews_figures(
    tables: Any, client_for: Any
) -> None:
    old = {"createdAt": zulu(ago(hours=3)), "lastUpdated": zulu(ago(hours=2))}
    done, runs = {"status": "success"}, {"status": "in-progress"}
    put(
        tables["workflows"],
        workflow("at-work", **old, pdfAdapter=done, tradeExtraction=runs, tradeMatching=MISSING),
        workflow("before", **old, pdfAdapter=runs, tradeExtraction=MISSING, tradeMatching=MISSING),
        workflow("between", **old, pdfAdapter=done, tradeExtraction={"status": "pending"}),
        workflow("moves", createdAt=zulu(ago(hours=3)), lastUpdated=zulu(ago(seconds=5)), tradeExtraction=runs),
    )  # fmt: skip
    naively = {"created_at": naive(ago(hours=3)), "updated_at": naive(ago(hours=2)), "started_at": None}
    put(
        tables["requests"],
        *(
            request(f"r{at}", **naively, progress={"current_stage": stage, "last_updated": None})
            for at, stage in enumerate(("Web Search", "web_search", "aggregation", 7))
        ),
    )
    put(
        tables["agents"],
        agent("down", type="tradeExtraction", capabilities=["web-search", "x&y"], lastHeartbeat=OLD),
    )
    client = client_for("viewer")
    guests = {
        one.attrs["id"]: one.attrs["data-guest"] for one in cover(visit(client, PATH)).all(data_guest=None)
    }
    assert guests == {
        "guest-workflows": "/workflows/steps/tradeExtraction/stuck/",
        "guest-requests": "/requests/stages/stuck/?offers=web-search&offers=x%26y",
    }
    workflows, requests = (visit(client, url, **{"HX-Request": "true"}) for url in guests.values())
    found = [[link.words for link in page.root.all("a", class_="cell-id")] for page in (workflows, requests)]
    assert list(map(sorted, found)) == [["at-work", "between"], ["r0", "r1"]]
    assert "2 workflows stuck at the step Trade extraction:" in workflows.words
    assert "/requests/?stuck=1" in [link.attrs["href"] for link in requests.root.all("a")]
    again = visit(client, guests["guest-workflows"])
    assert again.response.wsgi_request.spending.calls == 0, "the overview's figures are kept"
    assert again.root.one("h1").words == "Stuck workflows"
    assert (
        "No request is stuck at the stage other."
        in visit(client, "/requests/stages/stuck/?offers=other").words
    )
    assert client_for("anonymous").get(guests["guest-workflows"]).status_code == 302


def test_a_table_in_trouble_is_a_state_of_the_fragment(tables: Any, client_for: Any) -> None:
    with trouble(tables["workflows"], denied("Query", "table")):
        page = visit(client_for("viewer"), "/workflows/steps/x/stuck/", **{"HX-Request": "true"})
    assert "what is stuck could not be read" in page.words
