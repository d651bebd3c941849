"""The floor does what the console does, and the benchmark reads the console's pages as a browser would."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from benchmarks import floor
from benchmarks.operators import Operator, Seen
from benchmarks.reader import Answer, live, regions
from opsportal.dynamo import clients
from tests import factories

pytestmark = pytest.mark.no_moto
STATUSES = ["processing", "completed", "failed"]


@pytest.fixture
def on_these(tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The floor on the tables of the test, with 90 items each of three statuses."""
    workflows, requests = tables["workflows"], tables["requests"]
    monkeypatch.setattr(floor, "client", clients.client(*workflows.location))
    monkeypatch.setattr(floor, "WORKFLOWS", workflows.name)
    monkeypatch.setattr(floor, "REQUESTS", requests.name)
    monkeypatch.setattr(floor, "WORKFLOW_STATUSES", STATUSES)
    monkeypatch.setattr(floor, "REQUEST_STATUSES", STATUSES)
    for number in range(90):
        # Most of the newest have one status, so that a merge asks for more of it.
        status, at = STATUSES[number % 3 if number > 60 else 1], factories.ago(minutes=number)
        made, changed = factories.zulu(at), factories.zulu(factories.ago(seconds=5))
        factories.put(
            workflows,
            factories.workflow(f"w-{number:02}", overallStatus=status, createdAt=made, lastUpdated=changed),
        )
        factories.put(
            requests, factories.request(f"r-{number:02}", status=status, created_at=factories.naive(at))
        )
    return tables


def asked(path: str) -> tuple[str, str]:
    statuses: list[str] = []
    (body,) = floor.app({"PATH_INFO": path}, lambda status, headers: statuses.append(status))
    return statuses[0], body.decode()


def test_the_floor_answers_what_the_console_answers(
    on_these: dict[str, Any], client_for: Callable[[str], Client]
) -> None:
    client = client_for("viewer")
    assert asked("/elsewhere") == ("404 Not Found", "")
    status, document = asked("/status/w-07")
    ours = client.get("/api/workflow/w-07/status").json()
    theirs = json.loads(document)
    assert status == "200 OK"
    # Of a step that has not begun the floor does not say what it waits for.
    assert theirs["agents"]["pdfAdapter"] == ours["agents"]["pdfAdapter"]
    assert {**ours, "agents": set(ours["agents"])} == {**theirs, "agents": set(theirs["agents"])}
    for ours_at, theirs_at, letter in (
        ("/workflows/?range=all", "/workflows-all", "w"),
        ("/requests/?range=all", "/requests-all", "r"),
        ("/workflows/?status=completed", "/workflows", "w"),
        ("/requests/?status=completed", "/requests", "r"),
    ):
        links = [f'href="{ours_at.partition("?")[0]}{letter}-{number:02}/' for number in range(90)]
        page, rows = client.get(ours_at).content.decode(), asked(theirs_at)[1]
        shown = [link in page for link in links]
        assert [link in rows for link in links] == shown, theirs_at
        assert sum(shown) == 50


def test_a_poll_of_the_benchmark_is_a_browsers(
    on_these: dict[str, Any], client_for: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_for("viewer")
    region = live(client.get("/requests/?status=completed").content.decode())
    assert region.url == "/requests/?status=completed"
    assert client.get(region.url, headers=region.poll).status_code == 204
    with pytest.raises(ValueError, match="no region"):
        live(asked("/requests")[1])

    # An operator opens the overview, reads its panels, and polls them with what it saw.
    seen, made = Seen(), list[tuple[str, dict[str, str]]]()
    operator = Operator.__new__(Operator)
    operator.path, operator.seen = "/", seen

    class InProcess:
        def get(self, path: str, headers: dict[str, str]) -> Answer:
            made.append((path, headers))
            answer = client.get(path, headers=headers)
            return Answer(answer.status_code, answer.content.decode())

    monkeypatch.setattr(operator, "reader", InProcess(), raising=False)
    shown = operator.turn([])
    panels = [path for path, _ in made if path.startswith("/panels/")]
    assert len(panels) >= 3
    assert {region.url.partition("?")[0] for region in shown} >= {path.partition("?")[0] for path in panels}
    made.clear()
    again = operator.turn(shown)
    assert all(headers["X-Seen"] for path, headers in made if path.startswith("/panels/"))
    assert [region.id for region in again] == [region.id for region in shown]
    assert seen.errors == 0
    operator.timed("/requests/no-such-request/", {})
    assert (seen.errors, seen.statuses[404]) == (1, 1)
    broken = Answer(200, "<div hx-get='/a' hx-headers='no json'></div>")
    monkeypatch.setattr(operator.reader, "get", lambda path, headers: broken)
    with pytest.raises(ValueError, match="Expecting value"):
        operator.run(0.0, 1.0)
    assert seen.errors == 2  # who looks no more


def test_a_region_is_what_htmx_reads() -> None:
    page = """<div id="a" hx-get="/a" hx-trigger="load"></div><p hx-get="/b" hx-trigger="every 5s, x from:body"
        hx-headers='{"X-Seen": "1"}'></p><a hx-get="/c">more</a><br hx-get="">"""
    found = [(one.id, one.url, one.loads, one.repeats, dict(one.headers)) for one in regions(page)]
    assert found == [
        ("a", "/a", True, False, {}),
        ("", "/b", False, True, {"X-Seen": "1"}),
        ("", "/c", False, False, {}),
    ]
