"""The picture of a request's stages: what is done, where it is or ended, and what is ahead."""

from datetime import timedelta
from typing import Any

import pytest

from opsportal.failures.failure import Failure
from opsportal.failures.fingerprint import fingerprint
from requests_app.models import IntelligenceRequest
from requests_app.stages import stages
from tests.factories import MISSING, Typed, ago, naive, put, request
from tests.pages import Node, visit

KNOWN = ["waiting", "initialization", "serp_discovery", "content_extraction", "aggregation", "completed"]


def picture(*, is_stuck: bool = False, **values: Any) -> str:
    """A letter a stage: `+` done, `.` ahead; of the current one its icon's name."""
    found = stages(IntelligenceRequest.from_item(request("r", **values)), is_stuck=is_stuck)
    marks = {"done": "+", "ahead": "."}
    return " ".join(f"{stage.key}{marks.get(stage.state, f'={stage.icon}')}" for stage in found)


def known(at: int, icon: str) -> str:
    marks = ["+"] * at + [f"={icon}"] + ["."] * (len(KNOWN) - at - 1)
    return " ".join(f"{key}{mark}" for key, mark in zip(KNOWN, marks, strict=True))


def at(stage: Any, percentage: Any = 30) -> Any:
    return {"current_stage": stage, "percentage": percentage}


BEGUN, DONE = (
    {"progress": at("initialization", 0), "started_at": MISSING},
    " ".join(f"{key}+" for key in KNOWN),
)
OTHERS = {"progress": at("Read the pages")}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"status": "pending", **BEGUN}, known(0, "clock")),
        # Retried: what the run before left does not count.
        ({"status": "pending", "progress": at("aggregation", 90)}, known(0, "clock")),
        ({"status": "processing"}, known(3, "progress")),
        ({"status": "Executing", "progress": at("Content-Extraction")}, known(3, "progress")),
        ({"status": "processing", "progress": at(" SERP discovery ")}, known(2, "progress")),
        ({"status": "processing", "progress": at("completed", 100)}, known(5, "progress")),
        ({"status": "processing", "is_stuck": True}, known(3, "hourglass")),
        ({"status": "failed"}, known(3, "circle-x")),
        ({"status": "failed", **BEGUN}, known(0, "circle-x")),
        ({"status": "failed", **BEGUN, "started_at": "yesterday"}, known(1, "circle-x")),
        ({"status": "cancelled"}, known(3, "ban")),
        ({"status": "cancelled", **BEGUN}, known(0, "ban")),
        ({"status": "completed"}, DONE),
        ({"status": "completed", "progress": at("initialization", 0)}, DONE),
        ({"status": "PARKED"}, known(3, "help-hexagon")),
        # Other workers' stages: where the request is, and no more than is known.
        ({"status": "processing", **OTHERS}, "waiting+ Read the pages=progress completed."),
        ({"status": "pending", **OTHERS}, "waiting=clock Read the pages. completed."),
        ({"status": "failed", **OTHERS}, "waiting+ Read the pages=circle-x completed."),
        ({"status": "completed", **OTHERS}, "waiting+ Read the pages+ completed+"),
        ({"status": "processing", "progress": MISSING}, "waiting+ =progress completed."),
        ({"status": "pending", "progress": MISSING}, known(0, "clock")),
        ({"status": "completed", "progress": "half"}, "waiting+ completed+"),
        ({"status": "failed", "progress": None, "started_at": MISSING}, known(0, "circle-x")),
        ({"status": MISSING, "progress": MISSING}, "waiting+ =help-hexagon completed."),
        ({"status": ["x"], "progress": []}, "waiting+ =help-hexagon completed."),
    ],
)  # fmt: skip
def test_the_stages_before_the_current_one_are_done_and_those_after_it_ahead(
    values: dict[str, Any], expected: str
) -> None:
    assert picture(**values) == expected


def test_counts_times_and_shares_stand_at_their_stage(tables: Any, client_for: Any) -> None:
    def shown(**values: Any) -> list[Node]:
        put(tables["requests"], request("r", **values))
        page = visit(client_for("viewer"), "/requests/r/")
        return page.root.one("ol", class_="stages").all("li")

    taken = ago(minutes=5)
    items = shown(created_at=naive(taken - timedelta(seconds=2.5)), started_at=naive(taken))
    assert [one.words for one in items] == [
        "Waiting: done 2.5 s taken 5 min ago",
        "Initialization: done",
        "SERP discovery: done 15 URLs found",
        "Content extraction: processing 12 extracted 1 error 73.6 %",
        "Aggregation: not reached",
        "Completed: not reached",
    ]
    assert [one.attrs.get("aria-current") for one in items] == [None, None, None, "step", None, None]
    assert "tone-running" in items[3].attrs["class"]
    # One that was retried waits since then, and not since it was created.
    history = [
        {
            "timestamp": naive(ago(hours=3)),
            "old_status": "pending",
            "new_status": "processing",
            "message": "Taken",
        },
        {
            "timestamp": naive(ago(minutes=4)),
            "old_status": "failed",
            "new_status": "pending",
            "message": "Retried",
        },
    ]
    again = {
        "status": "pending",
        "created_at": naive(ago(hours=3)),
        "processing_metadata": {"status_history": history},
    }
    assert shown(**again, started_at=None)[0].words == "Waiting: pending since 4 min ago"
    taken_again = shown(**again | {"status": "processing"}, started_at=naive(ago(minutes=3)))
    assert taken_again[0].words == "Waiting: done 1 m 0 s taken 3 min ago"
    # What has ended waits no more.
    ended = shown(status="cancelled", progress=at("initialization", 0), started_at=None)
    assert ended[0].words == "Waiting: cancelled"
    # A share outside of its stage's bounds is none of it; counts of an unknown stage stand there.
    odd = shown(
        progress={
            **at("<b>crawl</b>", 140),
            "urls_found": 7,
            "processing_errors": "many",
            "last_updated": "now",
        }
    )
    assert odd[1].words == '<b>crawl</b>: processing 7 URLs found malformed: {"S": "many"} errors'
    assert shown(progress=at("aggregation", 12))[4].words == "Aggregation: processing"
    assert shown(progress=at({"k": 1}))[1].words.startswith("malformed:")


def test_a_failed_request_begins_with_its_error_and_the_retry(tables: Any, client_for: Any) -> None:
    put(tables["requests"], request("r", status="failed", errors=["It <broke>", "again", Typed(N="7")]))
    for path in ("/requests/r/", "/requests/r/?tab=raw", "/requests/r/logs/"):
        page = visit(client_for("operator"), path)
        error = page.root.one("section", aria_label="First error")
        assert error.one("h2").words == "The request failed"
        assert error.one("pre").text == "It <broke>"
        assert [one.words for one in error.all("li")] == ["again", "7"]
        assert error.one("a", data_action="request:retry").attrs["href"] == "/requests/r/retry/"
        (case,) = [a.attrs["href"] for a in error.all("a") if a.attrs["href"].startswith("/failures/")]
        assert (
            case
            == f"/failures/{fingerprint('requests', Failure('content_extraction', '', 'It <broke>', None)).id}/"
        )
        bar = page.root.one("div", class_="action-bar")
        assert not bar.all("a", data_action="request:retry")
        assert bar.all("a", data_action="request:fail") or bar.all("button", data_action="request:fail")
    # Who may not retry has the button in the bar, with the reason.
    page = visit(client_for("viewer"), "/requests/r/")
    assert not page.root.one("section", aria_label="First error").all("a", data_action=None)
    assert page.root.one("div", class_="action-bar").all("button", data_action="request:retry")
    # Errors of what goes on are part of its progress.
    put(tables["requests"], request("r", errors=["One source is away"]))
    page = visit(client_for("operator"), "/requests/r/")
    assert not page.root.all("section", aria_label="First error")
    assert "One source is away" in page.root.one("section", aria_label="Errors").words


def test_a_requests_facts_lead_to_others_of_their_kind(tables: Any, client_for: Any) -> None:
    item = request(
        "r", project_id="a&b", user_id='"x"', request_type=7, config={"custom_params": {"correlationId": "corr 1"}},
        processing_metadata={"worker_id": "worker/7"},
    )  # fmt: skip
    put(tables["requests"], item)
    page = visit(client_for("viewer"), "/requests/r/")
    links = {name: page.fact_node(name).one("a").attrs["href"] for name in ("Project", "User", "Strategy")}
    assert links == {
        "Project": "/requests/?project=a%26b", "User": "/requests/?user=%22x%22", "Strategy": "/requests/?strategy=table",
    }  # fmt: skip
    assert visit(client_for("viewer"), links["Project"]).ids == ["r"]
    assert page.fact("Type") == "7"
    assert page.fact_node("Worker").one("a").attrs["href"] == "/search/?q=worker%2F7"
    assert page.fact_node("Correlation id").one("a").attrs["href"] == "/search/?q=corr+1"
    for odd in ({"worker_id": 7}, {"worker_id": ""}, {}, [], "x"):
        put(tables["requests"], request("r", processing_metadata=odd, config={"custom_params": odd}))
        assert "Correlation id" not in visit(client_for("viewer"), "/requests/r/").words
