"""What the stand-in of writer A leaves in a table, and the pages of it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.demo.reading import item_of
from tests.engines import Engine, fresh_tables
from tests.field import resource_table
from tests.field.writer_a import STEPS, Orchestrator, StatusWriter
from tests.pages import visit


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
