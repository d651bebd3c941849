"""Statuses of a workflow that no document names: what settings say of them, and what is not known."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client

from tests.factories import MISSING, ago, put, workflow, zulu
from tests.pages import visit
from tracking import action_views, queries
from tracking.findings import findings
from tracking.models import Workflow

pytestmark = pytest.mark.no_moto

OLD = {"createdAt": zulu(ago(minutes=50)), "lastUpdated": zulu(ago(minutes=47)), "pdfAdapter": MISSING}


def test_an_unknown_status_is_neither_an_end_nor_stuck(
    tables: dict[str, Any], client_for: Callable[[str], Client], settings: Any
) -> None:
    client = client_for("viewer")
    settings.WORKFLOW_COMMANDS_QUEUE_URL = "http://127.0.0.1:9/queue"
    statuses = ["Queued", "InProgress", "Archived", " Processing", "completed"]
    names = {status.strip().lower(): status for status in statuses}
    put(tables["workflows"], *[workflow(name, overallStatus=status, **OLD) for name, status in names.items()])
    put(tables["workflows"], workflow("none", **{**OLD, "overallStatus": MISSING}))

    def stuck() -> set[str]:
        """By the query, by the findings of each item, by what may be retried, and as the overview shows them."""
        found = {Workflow.from_item(raw).id for raw in queries.stuck(queries.READS.figures())}
        items = [one for name in (*names, "none") if (one := queries.workflow(name))]
        assert found == {one.id for one in items if "stuck" in [finding.kind for finding in findings(one)]}
        assert found == {one.id for one in items if not action_views.RETRY.why_not("s", one.raw)}
        for cache in caches.all(initialized_only=True):
            cache.clear()
        panel = visit(client, "/panels/workflows/").words.split("Stuck")[1]
        assert found == {name for name in (*names, "none") if f" {name} " in panel}
        return found

    assert stuck() == {"processing"}
    # Failed in another word.
    assert not action_views.RETRY.why_not("s", workflow("r", overallStatus="Errored"))
    assert visit(client, "/workflows/queued/").polls
    settings.WORKFLOW_EXTRA_STATUSES = ["queued"]
    settings.WORKFLOW_TERMINAL_STATUSES = ["ARCHIVED "]
    assert stuck() == {"processing", "queued"}
    assert not visit(client, "/workflows/archived/").polls
    assert visit(client, "/workflows/inprogress/").polls
