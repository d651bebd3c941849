"""The page of a workflow: its error first, its links, and the time axis that is cut where nothing happened."""

import re
from datetime import timedelta
from typing import Any

from tests.factories import MISSING, ago, put, step, workflow, zulu
from tests.pages import visit

BROKEN = step("error", error="It <broke>", completedAt=MISSING)


def test_a_failed_workflow_begins_with_its_error_and_the_retry(
    tables: Any, client_for: Any, settings: Any
) -> None:
    settings.WORKFLOW_COMMANDS_QUEUE_URL = "http://127.0.0.1:1/queue"
    put(tables["workflows"], workflow("w", overallStatus="failed", tradeExtraction=BROKEN))
    for path in ("/workflows/w/", "/workflows/w/?tab=audit", "/workflows/w/?tab=raw"):
        page = visit(client_for("operator"), path)
        error = page.root.one("section", aria_label="First error")
        assert (error.one("h2").words, error.one("pre").text) == ("Trade extraction failed", "It <broke>")
        assert error.one("a", data_action="workflow:retry").attrs["href"] == "/workflows/w/retry/"
        assert len(page.root.all("a", data_action="workflow:retry")) == 1
        assert page.root.one("div", class_="action-bar").all("button", data_action="workflow:cancel")
        assert page.html.index("First error") < page.html.index("action-bar")
    # All of one kind have one case, whatever differs in their text; what did not fail as a whole has none.
    cases = set()
    for error, status in (
        ("Page 7 of 20 is empty", "failed"),
        ("Page 8 of 21 is empty", "FAILED"),
        ("Page 7", "processing"),
    ):
        put(
            tables["workflows"],
            workflow("w", overallStatus=status, tradeExtraction=step("error", error=error)),
        )
        links = (
            visit(client_for("viewer"), "/workflows/w/")
            .root.one("section", aria_label="First error")
            .all("a")
        )
        cases |= {link.attrs["href"] for link in links}
    (case,) = cases
    assert re.fullmatch("/failures/[0-9a-f]{16}/", case)
    # Who may not retry finds the button in the bar, with the reason.
    put(tables["workflows"], workflow("w", overallStatus="failed", tradeExtraction=BROKEN))
    page = visit(client_for("viewer"), "/workflows/w/")
    assert not page.root.one("section", aria_label="First error").all("a", data_action=None)
    assert page.root.one("div", class_="action-bar").one("button", data_action="workflow:retry")
    # The error of a step that does not say it failed, and none at all.
    put(tables["workflows"], workflow("w", tradeExtraction=step(error="odd")))
    error = visit(client_for("operator"), "/workflows/w/").root.one("section", aria_label="First error")
    assert error.one("h2").words == "Error in Trade extraction"
    put(tables["workflows"], workflow("w"))
    assert not visit(client_for("operator"), "/workflows/w/").root.all("section", aria_label="First error")


def test_a_workflow_leads_to_its_steps_agents_document_and_source(
    tables: Any, client_for: Any, settings: Any
) -> None:
    settings.AGENT_STEPS = {"pdf/7": "pdfAdapter", "pdf-8": "pdfAdapter", "else": "tradeMatching", "idle": ""}
    item = workflow(
        "w", documentId="a b/ICE_1.pdf", correlationId="c&d", sourceType="BANK & CO", tradeExtraction=step(agentId="x-1"),
        tradeMatching=step(agent_id=7), **{"odd step/1": step(agent="")},
    )  # fmt: skip
    put(tables["workflows"], item)
    client = client_for("viewer")
    page = visit(client, "/workflows/w/")
    rows = {row.one("span", class_="tl-label").words: row for row in page.root.all("li", class_="tl-row")}
    links = {name: [a.attrs["href"] for a in row.all("a")] for name, row in rows.items()}
    assert links == {
        "PDF adapter": ["/workflows/steps/pdfAdapter/", "/agents/pdf~2F7/", "/agents/pdf-8/"],
        "Trade extraction": ["/workflows/steps/tradeExtraction/", "/agents/x-1/"],
        "Trade matching": ["/workflows/steps/tradeMatching/", "/agents/else/"],
        "Exception management": ["/workflows/steps/exceptionManagement/"],
        "odd step/1": ["/workflows/steps/odd~20step~2F1/"],
    }
    assert "Agents pdf/7, pdf-8" in rows["PDF adapter"].words
    assert visit(client, links["odd step/1"][0]).root.one("h1").words == "odd step/1"
    addresses = {
        name: page.fact_node(name).one("a").attrs["href"]
        for name in ("Source type", "Document", "Correlation id")
    }
    assert addresses == {
        "Source type": "/workflows/?source=BANK+%26+CO",
        "Document": "/search/?q=a+b%2FICE_1.pdf",
        "Correlation id": "/search/?q=c%26d",
    }
    (listed,) = visit(client, addresses["Source type"]).rows
    assert listed.one("td", data_label="Document").one("a").attrs["href"] == addresses["Document"]
    # What can't be an id is no link.
    for odd in (MISSING, "", " ", ["x"], "x" * 501):
        put(tables["workflows"], workflow("w", documentId=odd, correlationId=odd))
        page = visit(client, "/workflows/w/")
        assert not page.fact_node("Document").all("a")
        assert not page.fact_node("Correlation id").all("a")


def test_the_cut_axis_of_a_retried_workflow_is_drawn(tables: Any, client_for: Any) -> None:
    old, new = ago(hours=18), ago(minutes=2)

    def worked(at: Any, status: str = "success") -> Any:
        return step(status, startedAt=zulu(at), completedAt=zulu(at + timedelta(seconds=30)), duration=30)

    item = workflow(
        "w", createdAt=zulu(old), retryCount=1, pdfAdapter=worked(old), tradeExtraction=worked(new, "error")
    )
    put(tables["workflows"], item)
    page = visit(client_for("viewer"), "/workflows/w/")
    (axis,) = page.root.all("div", class_="tl-axis")
    assert [text.words for text in axis.all("text", class_="tl-idle")] == ["17 h 57 m idle"]
    assert len(axis.all("text", class_="tl-run")) == 2
    earlier, newest = page.root.all("g", class_="tl-bar")
    assert "is-earlier" in earlier.attrs["class"]
    assert "before the retry" in earlier.one("title").words
    assert "is-earlier" not in newest.attrs["class"]
    legend = page.root.one("figcaption").words
    assert "before the retry" in legend
    assert "idle, cut out" in legend
    put(tables["workflows"], workflow("w"))
    legend = visit(client_for("viewer"), "/workflows/w/").root.one("figcaption").words
    assert "before the retry" not in legend
    assert "idle" not in legend


def test_only_what_was_recorded_and_drawn_is_explained(tables: Any, client_for: Any) -> None:
    nothing = {"tokenUsage": MISSING, "duration": MISSING, "startedAt": MISSING, "completedAt": MISSING}
    steps = dict.fromkeys(
        ("pdfAdapter", "tradeExtraction", "tradeMatching", "exceptionManagement"), step("pending", **nothing)
    )
    put(tables["workflows"], workflow("w", **steps, totalTokenUsage=MISSING, totalDuration=MISSING))
    page = visit(client_for("viewer"), "/workflows/w/")
    assert not page.root.all("section", aria_label="What the steps recorded")
    assert not page.root.all("figcaption")
    put(tables["workflows"], workflow("w", **steps | {"pdfAdapter": step()}))
    page = visit(client_for("viewer"), "/workflows/w/")
    recorded = page.root.one("section", aria_label="What the steps recorded")
    assert "Other attributes" not in recorded.words
    assert page.root.one("figcaption").words == "recorded"
    put(tables["workflows"], workflow("w", **steps | {"pdfAdapter": step(model="m-1")}))
    recorded = visit(client_for("viewer"), "/workflows/w/").root.one(
        "section", aria_label="What the steps recorded"
    )
    assert "Other attributes" in recorded.words
    assert "model: m-1" in recorded.words
