"""Why a request waits: on its page, for programs, and at what cost."""

from typing import Any

import pytest
from django.core.cache import caches

from opsportal.alerts import throttling
from opsportal.dynamo.calls import Call
from opsportal.dynamo.errors import Throttled
from registry import fleet
from requests_app import queue
from tests.factories import MISSING, agent, ago, naive, put, request
from tests.pages import poll, visit

pytestmark = pytest.mark.no_moto

PENDING: dict[str, Any] = {"status": "pending", "started_at": None, "progress": None}


def made(**ages: Any) -> dict[str, Any]:
    """Created and written so long ago."""
    return {"created_at": naive(ago(**ages)), "updated_at": naive(ago(**ages))}


def forget() -> None:
    """What the console read within the last minute."""
    for name in ("default", "process"):
        caches[name].clear()


def waiting(page: Any) -> str:
    """What the page says first of why."""
    found = page.root.all("li", data_finding="waiting")
    return found[0].words if found else ""


def test_it_says_who_is_ahead_and_that_workers_have_stopped(tables: Any, client_for: Any) -> None:
    table, client = tables["requests"], client_for("operator")
    put(
        table,
        request("me", priority="medium", **PENDING, **made(minutes=8)),
        request("older", priority="medium", **PENDING, **made(minutes=9)),
        request("HIGH", priority="HIGH", **PENDING | {"status": "PENDING"}, **made(minutes=2)),
        request("newer", priority="medium", **PENDING, **made(minutes=1)),
        request("low", priority="low", **PENDING, **made(hours=1)),
        request("other", priority="high", processing_strategy="sqs", **PENDING, **made(hours=1)),
        request("undated", priority="high", **PENDING, created_at=MISSING),
        request("busy", status="executing", started_at=naive(ago(seconds=30))),
    )
    page = visit(client, "/requests/me/")
    # A worker has taken one just now.
    assert waiting(page) == "2 are ahead of it by priority and age."
    assert client.get("/api/requests/me").json()["waiting"] == {
        "reason": "ahead", "sentence": "2 are ahead of it by priority and age.",
    }  # fmt: skip
    logs = visit(client, "/requests/me/logs/")
    assert waiting(logs) == "2 are ahead of it by priority and age."
    assert poll(client, logs).status == 204
    assert waiting(visit(client, "/requests/HIGH/")) == ""
    assert client.get("/api/requests/HIGH").json()["waiting"] is None
    assert client.get("/api/requests/busy").json()["waiting"] is None
    assert waiting(visit(client, "/requests/low/")) == "4 are ahead of it by priority and age."
    # In the order of a queue of messages nobody knows who is ahead; and no worker took one of that strategy.
    assert waiting(visit(client, "/requests/other/")) == ""

    # The page is made again as soon as that changes, and not before.
    assert poll(client, page).status == 204
    forget()
    put(table, request("busy", status="executing", started_at=naive(ago(minutes=10, seconds=5))))
    put(table, request("older", status="completed", started_at=naive(ago(minutes=12)), **made(minutes=12)))
    said = "No worker has taken any of the newest requests of the strategy table for 10 min; 1 is ahead of it by priority and age."
    assert waiting(poll(client, page)) == said
    assert waiting(poll(client, logs)) == said


def test_workers_are_idle_for_as_long_as_one_of_its_strategy_waits(tables: Any, client_for: Any) -> None:
    """The night was quiet: nobody had anything to take until this one came, or was retried."""
    taken = request("taken", status="completed", started_at=naive(ago(hours=5)), **made(hours=5))
    other = request("other", processing_strategy="sqs", **PENDING, **made(hours=1))
    client = client_for("viewer")
    put(tables["requests"], taken, other, request("me", **PENDING, **made(minutes=1)))
    assert waiting(visit(client, "/requests/me/")) == ""
    retried = {"created_at": naive(ago(hours=6)), "updated_at": naive(ago(seconds=50))}
    put(tables["requests"], request("me", **PENDING, **retried))
    forget()
    assert waiting(visit(client, "/requests/me/")) == ""
    put(tables["requests"], request("older", **PENDING, **made(minutes=4, seconds=5)))
    forget()
    assert "the strategy table for 4 min" in waiting(visit(client, "/requests/me/"))


def test_one_that_an_old_request_was_taken_before_says_nothing_of_workers_that_stopped(
    tables: Any, client_for: Any
) -> None:
    """The newest 20 were taken long ago; what a worker took just now was created before them, and retried."""
    put(
        tables["requests"],
        *(
            request(f"r{n}", status="completed", started_at=naive(ago(hours=2)), **made(hours=3))
            for n in range(25)
        ),
        request("old", status="processing", started_at=naive(ago(seconds=20)), **made(days=3)),
        request("me", **PENDING, **made(minutes=3)),
    )
    assert waiting(visit(client_for("viewer"), "/requests/me/")) == ""


def test_of_more_than_are_read_it_says_what_is_sure(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "OLDEST", 3)
    put(
        tables["requests"],
        *(request(f"r{n}", priority="high", **PENDING, **made(minutes=20 - n)) for n in range(8)),
        request("low", priority="low", **PENDING, **made(minutes=30)),
        request("late", priority="high", **PENDING, **made(minutes=1)),
        request("first", priority="high", **PENDING, **made(minutes=40)),
    )
    client = client_for("viewer")
    assert waiting(visit(client, "/requests/late/")) == "At least 2 are ahead of it by priority and age."
    assert waiting(visit(client, "/requests/first/")) == ""


def test_newer_ones_of_a_higher_priority_do_not_pass_over_it(tables: Any, client_for: Any) -> None:
    put(
        tables["requests"],
        request("me", priority="medium", **PENDING, **made(hours=1)),
        *(request(f"h{n}", priority="high", started_at=naive(ago(seconds=5))) for n in range(3)),
    )
    client = client_for("viewer")
    assert "taken since" not in visit(client, "/requests/me/").words
    put(tables["requests"], request("low", priority="low", started_at=naive(ago(seconds=5))))
    forget()
    page = visit(client, "/requests/me/")
    assert "1 newer request was taken since" in page.words
    assert waiting(page) == ""  # that finding says it
    assert client.get("/api/requests/me").json()["waiting"]["reason"] == "overtaken"


def test_it_says_that_no_agent_is_ready_for_it(tables: Any, client_for: Any) -> None:
    silent = int(ago(hours=3).timestamp() * 1000)
    stuck = {**made(hours=2), "started_at": None}
    put(
        tables["requests"],
        request("me", request_type="brief", **PENDING, **made(minutes=1)),
        request("left", status="executing", progress={"current_stage": "ocr"}, **stuck),
        request("known", status="executing", progress={"current_stage": "nobody"}, **stuck),
        request(
            "runs", status="executing", progress={"current_stage": "ocr"}, started_at=naive(ago(seconds=1))
        ),
    )
    put(
        tables["agents"],
        agent("one", capabilities={"brief", "ocr"}, lastHeartbeat=silent),
        agent("two", capabilities={"brief"}, status="inactive"),
    )
    client = client_for("viewer")
    assert waiting(visit(client, "/requests/me/")) == (
        "No ready agent offers brief: one is offline and two is not active."
    )
    assert waiting(visit(client, "/requests/left/")) == "No ready agent offers ocr: one is offline."
    assert [waiting(visit(client, f"/requests/{key}/")) for key in ("known", "runs")] == ["", ""]
    put(tables["agents"], agent("three", capabilities={"brief", "ocr"}))
    forget()
    assert [waiting(visit(client, f"/requests/{key}/")) for key in ("me", "left")] == ["", ""]


def test_a_registry_that_can_not_be_read_holds_up_one_page_a_minute(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tables["requests"], request("me", **PENDING, **made(minutes=1)))
    asked = []

    def unreadable() -> Any:
        asked.append(1)
        raise Throttled("The registry is throttled.")

    monkeypatch.setattr(fleet, "fleet", unreadable)
    for _ in range(3):
        assert waiting(visit(client_for("viewer"), "/requests/me/")) == ""
    assert asked == [1]


def test_it_says_that_the_table_is_throttled(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tables["requests"], request("me", **PENDING, **made(minutes=1)), request("runs"))
    name = tables["requests"].name
    monkeypatch.setattr(throttling, "_sightings", throttling.deque())
    throttling.saw(Call("dynamodb", "Query", (name,), throttled=1))
    client = client_for("viewer")
    assert waiting(visit(client, "/requests/me/")) == (
        f"DynamoDB throttled calls to the table {name} within the last minute."
    )
    assert waiting(visit(client, "/requests/runs/")) == ""


def test_a_retry_whose_message_can_not_be_sent_says_why(tables: Any, client_for: Any, settings: Any) -> None:
    settings.REQUESTS_QUEUE_URL = "http://127.0.0.1:1/queue"
    put(tables["requests"], request("me", status="failed", processing_strategy="sqs", errors=["Boom"]))
    put(tables["requests"], request("foreign", processing_strategy="sqs", **PENDING, **made(minutes=1)))
    client = client_for("operator")
    assert client.post("/api/requests/me/retry", content_type="application/json").status_code == 200
    assert waiting(visit(client, "/requests/me/")) == ""
    settings.REQUESTS_QUEUE_URL = ""
    missing = "Its message has not reached the queue: The setting REQUESTS_QUEUE_URL is missing."
    assert waiting(visit(client, "/requests/me/")) == missing
    assert waiting(visit(client, "/requests/me/logs/")) == missing
    assert client.get("/api/requests/me").json()["waiting"]["reason"] == "undelivered"
    # What another program submitted it sends itself.
    assert waiting(visit(client, "/requests/foreign/")) == ""


def test_it_costs_little_and_once_a_minute(tables: Any, client_for: Any) -> None:
    put(
        tables["requests"],
        *(request(f"r{n}", note="x" * 2_000, **PENDING, **made(minutes=n + 5)) for n in range(70)),
        *(
            request(
                f"t{n}",
                note="x" * 2_000,
                status="completed",
                started_at=naive(ago(seconds=1)),
                **made(hours=5),
            )
            for n in range(30)
        ),
    )
    client = client_for("viewer")
    visit(client, "/requests/r3/")
    found = queue.known()
    assert found
    assert found.calls <= 20
    assert found.units <= 40
    page = visit(client, "/requests/r60/")
    assert waiting(page) == "At least 9 are ahead of it by priority and age."
    assert page.response.wsgi_request.spending.calls <= 3
