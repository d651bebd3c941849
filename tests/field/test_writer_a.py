"""What the stand-in of writer A leaves in a table, and the pages of it."""

import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from tests import dumps
from tests.demo.reading import item_of
from tests.engines import Engine, fresh_tables
from tests.factories import ago, put, step, workflow, zulu
from tests.field.writer_a import STEPS, Orchestrator, StatusWriter, resource_table, stamp
from tests.pages import Node, Page, visit
from tests.queues import Queue
from tests.tracking.conftest import commands
from tests.tracking.test_deployed_writers import step_row

__all__ = ["commands"]


def act(client: Client, session: str, verb: str, **data: str) -> None:
    """Carry out an action by its form."""
    sent = {"action_id": str(uuid.uuid4()), "reason": "", **data}
    assert client.post(f"/workflows/{session}/{verb}/", sent).status_code == 302


def banner(page: Page) -> Node:
    """What the page says became of the newest action."""
    return page.root.one("div", data_fate=None)


@pytest.fixture
def tracked(engine: Engine, settings: Any) -> Iterator[Any]:
    """The workflow table keyed ``processing_id``, without the optional index."""
    workflows = {**settings.DYNAMO_TABLES["workflows"], "key": "processing_id"}
    settings.DYNAMO_TABLES = {**settings.DYNAMO_TABLES, "workflows": workflows}
    with fresh_tables(engine, settings, workflow_index=False) as bindings:
        yield bindings["workflows"]


def test_runs_of_both_programs_are_shown(tracked: Any, client_for: Any) -> None:
    orchestrator = Orchestrator(resource_table(tracked))
    orchestrator.run({"sessionId": "good", "documentId": "d.pdf"})
    orchestrator.run({"sessionId": "bad"}, fails_at="tradeMatching")
    client = client_for("viewer")
    assert sorted(visit(client, "/workflows/").ids) == ["bad", "good"]
    page = visit(client, "/workflows/bad/")
    assert page.fact("Status") == "failed"
    assert "quota exceeded" in page.words
    assert visit(client, "/workflows/good/").fact("Document").endswith("d.pdf")


def test_the_status_writer_never_writes_when_it_began(tables: Any) -> None:
    writer = StatusWriter(resource_table(tables["workflows"]))
    writer.initialize("s-1")
    assert item_of(tables["workflows"], "s-1") == {}
    writer.begin("s-1", "pdfAdapter")
    writer.succeed("s-1", "pdfAdapter")
    item = item_of(tables["workflows"], "s-1")
    assert set(item) == {"sessionId", "overallStatus", "lastUpdated", "pdfAdapter"}
    assert "startedAt" not in item["pdfAdapter"]["M"]
    lossy = StatusWriter(resource_table(tables["workflows"]), float_durations=True)
    for name in STEPS:
        lossy.succeed("s-2", name)
    assert item_of(tables["workflows"], "s-2") == {}


def test_a_retry_that_the_orchestrator_takes_up_by_a_whole_new_item_is_seen(
    tracked: Any, client_for: Any, commands: Queue
) -> None:
    """From its initial PutItem to the completion; that the retry count is lost is said."""
    orchestrator, operator = Orchestrator(resource_table(tracked)), client_for("operator")
    orchestrator.run({"sessionId": "s"}, fails_at="tradeMatching")
    act(operator, "s", "retry", start="step:tradeMatching")
    assert banner(visit(operator, "/workflows/s/")).attrs["data-fate"] == "requested"
    (command,) = commands.messages()
    assert command["fromStep"] == "tradeMatching"

    def seen(status: str) -> None:
        page = visit(operator, "/workflows/s/")
        said = banner(page)
        assert (page.fact("Status"), said.attrs["data-fate"]) == (status, "seen"), said.words
        assert "seen by the worker" in said.words
        assert "retryCount" in said.words
        assert "is lost" in said.words
        assert not page.root.all("a", id="act-again")

    orchestrator.take_up(command)
    assert "retryCount" not in item_of(tracked, "s")
    seen("initializing")
    for name in STEPS:
        orchestrator.status.begin("s", name)
        seen("processing")
        orchestrator.status.succeed("s", name)
        seen("processing")
    orchestrator.status.complete("s")
    seen("completed")
    # A worker that puts back what it remembered of the failed run has not seen it.
    orchestrator.run({"sessionId": "t"}, fails_at="tradeMatching")
    memory = item_of(tracked, "t")
    act(operator, "t", "retry", start="whole")
    for stamps in ({}, {"lastUpdated": {"S": stamp()}}):
        dumps.put(tracked, "t", {**memory, **stamps})
        assert banner(visit(operator, "/workflows/t/")).attrs["data-fate"] == "overwritten"


def test_a_retry_is_seen_where_the_writer_keeps_the_count(
    tables: Any, client_for: Any, commands: Queue
) -> None:
    table, operator = tables["workflows"], client_for("operator")
    writer = StatusWriter(resource_table(table))
    writer.begin("s", "pdfAdapter")
    writer.fail("s", "pdfAdapter", "no text")
    act(operator, "s", "retry", start="whole")
    writer.initialize("s")  # which is lost
    writer.begin("s", "pdfAdapter")
    said = banner(visit(operator, "/workflows/s/"))
    assert said.attrs["data-fate"] == "seen"
    assert "is lost" not in said.words


def test_a_cancel_is_no_headline_of_what_runs_again(tables: Any, client_for: Any) -> None:
    """The writer keeps what it does not know: the stamp and the name of the cancel stay in the item."""
    table, operator = tables["workflows"], client_for("operator")
    writer = StatusWriter(resource_table(table))
    writer.begin("s", "pdfAdapter")

    def headline() -> list[str]:
        summary = visit(operator, "/workflows/s/").root.one("dl", id="summary")
        return [term.words for term in summary.all("dt")]

    act(operator, "s", "cancel")
    assert "Cancelled" in headline()
    writer.begin("s", "tradeExtraction")
    assert "cancelledBy" in item_of(table, "s")
    assert "Cancelled" not in headline()
    writer.complete("s")
    assert "Cancelled" not in headline()
    assert "Workflow cancelled" in visit(operator, "/workflows/s/?tab=audit").words


def test_a_status_is_shown_as_it_is_written(tables: Any, client_for: Any) -> None:
    """Spellings share a tab and a tile: those of the index before the documented, and as most items write it."""
    table, client = tables["workflows"], client_for("operator")
    now = zulu(ago(seconds=5))
    for number, status in enumerate(("InProgress", "inprogress", "InProgress", "PENDING")):
        steps = {"pdfAdapter": step("Errored")} if not number else {}
        put(table, workflow(f"s{number}", overallStatus=status, createdAt=now, lastUpdated=now, **steps))
    page = visit(client, "/workflows/")
    assert [tab for tab in page.tabs if tab.lower() in ("inprogress", "pending")] == ["PENDING", "InProgress"]
    for status in ("InProgress", "inprogress", "INPROGRESS"):
        found = visit(client, f"/workflows/?status={status}")
        assert (sorted(found.ids), found.current_tab) == (["s0", "s1", "s2"], "InProgress")
    panel = visit(client, "/panels/workflows/").root
    tiles = {link.words for link in panel.one("ul", class_="tiles").all("a")}
    assert any(tile.startswith(("3 InProgress", "InProgress 3")) for tile in tiles), tiles
    assert not any("inprogress" in tile for tile in tiles)
    item = visit(client, "/workflows/s0/")
    assert (item.fact("Status"), item.findings["step_failed"].split()[-1]) == ("InProgress", "InProgress.")
    assert "It is InProgress; only" in visit(client, "/workflows/s2/").words
    assert step_row(item, "PDF adapter")[0] == "Errored"


def test_an_attribute_that_a_later_version_adds_is_on_the_page(tracked: Any, client_for: Any) -> None:
    """With its type and its digits as stored, whatever its name; the part is not there without one."""
    table = resource_table(tracked)
    Orchestrator(table).run({"sessionId": "s"}, fails_at="tradeExtraction")
    client = client_for("viewer")
    assert not visit(client, "/workflows/s/").root.all("section", id="other-attributes")
    added = {"problem": "half <b>written</b>", "items": Decimal("12345678901234567890"), "tags": {"b", "a"}}
    table.put_item(Item={**table.get_item(Key={"processing_id": "s"})["Item"], **added})
    rows = (
        visit(client, "/workflows/s/").root.one("section", id="other-attributes").all("tr", data_other=None)
    )
    assert [[cell.text for cell in (row.one("th"), row.one("abbr"), row.one("pre"))] for row in rows] == [
        ["items", "N", "12345678901234567890"],
        ["problem", "S", "half <b>written</b>"],
        ["tags", "SS", '{"SS": ["a", "b"]}'],
    ]
