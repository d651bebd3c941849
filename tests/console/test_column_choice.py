"""Which columns a list shows: by its address, in that order, never giving way, and kept by all that it links to."""

from typing import Any

import pytest

from tests.factories import agent, put, request, workflow
from tests.pages import visit

pytestmark = pytest.mark.no_moto


def heads(page: Any) -> list[str]:
    return [
        head.words
        for head in page.root.one("thead").all("th")
        if "is-check" not in head.attrs.get("class", "")
    ]


def boxes(page: Any) -> dict[str, bool]:
    return {
        box.attrs["value"]: "checked" in box.attrs
        for box in page.root.all("input", name="columns", type="checkbox")
    }


def test_the_address_chooses_columns_and_their_order(tables: Any, client_for: Any) -> None:
    put(tables["requests"], request("r", user_id="maria", status="pending"))
    client = client_for("viewer")
    page = visit(client, "/requests/?columns=strategy,status,request_id,nothing&status=pending")
    assert heads(page) == ["Strategy", "Status", "Request"]
    assert "This list has no column nothing. It has: status, request_id," in page.root.one("main").words
    # What was chosen is shown at every width.
    assert not page.root.one("table").all(class_="is-priority-3")
    ticked = boxes(page)
    assert list(ticked)[:3] == ["strategy", "status", "request_id"]
    assert [key for key, on in ticked.items() if on] == ["strategy", "status", "request_id"]
    assert "Columns 3 of 11" in [summary.words for summary in page.root.all("summary")]
    # All that leads on keeps them: tabs, ranges, filters, the forms, the saved view.
    kept = [
        node.attrs["href"] for node in page.root.all("a") if "status=failed" in node.attrs.get("href", "")
    ]
    assert kept
    assert all("columns=strategy%2Cstatus%2Crequest_id" in url for url in kept)
    hidden = [node.attrs["value"] for node in page.root.all("input", name="columns", type="hidden")]
    assert set(hidden) == {"strategy,status,request_id"}
    view = page.root.one("input", name="query").attrs["value"]
    assert "columns=strategy%2Cstatus%2Crequest_id" in view
    clear = visit(client, "/requests/?columns=status&status=nope").root
    assert [a.attrs["href"] for a in clear.all("a", class_="btn") if a.words == "Clear the filters"] == [
        "/requests/?columns=status"
    ]
    reset = [a.attrs["href"] for a in page.root.all("a") if a.words == "All that fit"]
    assert reset == ["/requests/?status=pending"]


def test_a_form_sends_each_ticked_column_and_none_is_all_that_fit(tables: Any, client_for: Any) -> None:
    put(tables["workflows"], workflow("w"))
    put(tables["agents"], agent("a"))
    client = client_for("viewer")
    assert heads(visit(client, "/workflows/?columns=session_id&columns=tokens")) == ["Session", "Tokens"]
    whole = visit(client, "/workflows/?columns=")
    assert len(heads(whole)) == 9
    assert all(boxes(whole).values())
    # As many as have no room say so, by CSS alone.
    counts = {node.attrs["class"]: node.words for node in whole.root.all("span", class_="count")}
    assert counts["count no-room-3"] == "1 hidden"
    assert counts["count no-room-2"] == "4 hidden"
    few = visit(client, "/agents/?columns=agent_id,reputation")
    assert heads(few) == ["Agent", "Reputation"]
    assert not few.root.all("span", class_="no-room-2")


def test_a_page_further_on_is_the_same_list_in_other_columns(tables: Any, client_for: Any) -> None:
    put(tables["requests"], *(request(f"r{n:03}", user_id="maria") for n in range(60)))
    client = client_for("viewer")
    page = visit(client, "/requests/?user=maria")
    (older,) = [a.attrs["href"] for a in page.root.all("a", rel="next")]
    assert visit(client, f"{older}&columns=status").status == 200


def test_the_search_in_the_background_has_the_chosen_columns(tables: Any, client_for: Any) -> None:
    put(tables["requests"], request("r", user_id="needle"))
    answer = client_for("viewer").post("/requests/?q=eedl&columns=user,status", {})
    assert answer.status_code == 200
    found = answer.content.decode()
    assert found.index(">User</th>") < found.index(">Status</th>")
    assert ">Priority</th>" not in found
