"""Why a workflow waits: before its first step, between two, or in one that does not move."""

from typing import Any

import pytest

from tests.factories import MISSING, agent, ago, put, step, workflow, zulu
from tests.pages import poll, visit

pytestmark = pytest.mark.no_moto


def begun(minutes: float, status: str = "success", **values: Any) -> Any:
    """A step that began so long ago."""
    ended = MISSING if status == "in-progress" else zulu(ago(minutes=minutes))
    return step(status, startedAt=zulu(ago(minutes=minutes)), completedAt=ended, duration=MISSING, **values)


def waiting(page: Any) -> str:
    found = page.root.all("li", data_finding="waiting")
    return found[0].words if found else ""


def test_each_says_what_is_known_and_no_other_a_word(tables: Any, client_for: Any, settings: Any) -> None:
    settings.AGENT_STEPS = {"scribe": "tradeExtraction"}
    created = {"createdAt": zulu(ago(minutes=50)), "lastUpdated": zulu(ago(minutes=40))}
    put(
        tables["workflows"],
        workflow("fresh", overallStatus="pending", pdfAdapter=MISSING, **created),
        workflow("between", pdfAdapter=begun(41), **created),
        workflow("stopped", pdfAdapter=begun(41), tradeExtraction=begun(40, "in-progress"), **created),
        workflow("runs", pdfAdapter=begun(5), tradeExtraction=begun(4, "in-progress"), lastUpdated=zulu(ago(minutes=3))),
        workflow("done", overallStatus="completed", pdfAdapter=begun(41), **created),
        # Of an orchestrator that has other steps than the catalogue's.
        workflow("other", pdfAdapter=MISSING, own=begun(41), **created),
    )  # fmt: skip
    put(tables["agents"], agent("scribe", lastHeartbeat=int(ago(hours=3).timestamp() * 1000)))
    client = client_for("viewer")
    pages = {
        key: visit(client, f"/workflows/{key}/")
        for key in ("fresh", "between", "stopped", "runs", "done", "other")
    }
    unready = "No ready agent offers Trade extraction: scribe is offline."
    assert {key: waiting(page) for key, page in pages.items()} == {
        # Nobody is known for its first step: that a step began 4 min ago is what is known.
        "fresh": "No step of the newest workflows has begun for 4 min.",
        "between": unready,
        "stopped": unready,
        "runs": "", "done": "", "other": "",
    }  # fmt: skip
    assert client.get("/api/workflows/between").json()["waiting"] == {
        "reason": "no_ready_agent", "sentence": unready,
    }  # fmt: skip
    assert client.get("/api/workflows/runs").json()["waiting"] is None
    assert poll(client, pages["between"]).status == 204
    assert pages["between"].response.wsgi_request.spending.calls <= 3


def test_orchestrators_are_idle_for_as_long_as_it_waits(tables: Any, client_for: Any) -> None:
    """The night was quiet: nobody had a step to begin until this one came."""
    put(
        tables["workflows"],
        workflow("before", overallStatus="completed", createdAt=zulu(ago(hours=9)), pdfAdapter=begun(500)),
        *(
            workflow(
                key, overallStatus="pending", pdfAdapter=MISSING, createdAt=zulu(at), lastUpdated=zulu(at)
            )
            for key, at in (("now", ago(minutes=1)), ("late", ago(minutes=5, seconds=5)))
        ),
    )
    client = client_for("viewer")
    assert waiting(visit(client, "/workflows/now/")) == ""
    assert (
        waiting(visit(client, "/workflows/late/")) == "No step of the newest workflows has begun for 5 min."
    )


def test_one_that_newer_ones_began_before_says_how_many(tables: Any, client_for: Any) -> None:
    put(
        tables["workflows"],
        workflow("me", overallStatus="initializing", pdfAdapter=MISSING, createdAt=zulu(ago(minutes=10))),
        *(workflow(f"w{n}", createdAt=zulu(ago(minutes=5)), pdfAdapter=begun(0.2)) for n in range(3)),
        workflow("before", createdAt=zulu(ago(hours=1)), pdfAdapter=begun(50)),
    )
    client = client_for("viewer")
    assert (
        waiting(visit(client, "/workflows/me/"))
        == "No step of it has begun. 3 newer workflows have begun since."
    )
