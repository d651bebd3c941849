"""What the stand-in of writer A leaves in a table, and the pages of it."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tests import dumps
from tests.demo.reading import item_of
from tests.engines import Engine, fresh_tables
from tests.field import resource_table
from tests.field.writer_a import STEPS, Orchestrator, StatusWriter, stamp
from tests.pages import Node, Page, visit
from tests.queues import Queue
from tests.tracking.conftest import commands

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
    for step in STEPS:
        lossy.succeed("s-2", step)
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
    for step in STEPS:
        orchestrator.status.begin("s", step)
        seen("processing")
        orchestrator.status.succeed("s", step)
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
    assert "workflow:cancel" in visit(operator, "/workflows/s/?tab=audit").words
