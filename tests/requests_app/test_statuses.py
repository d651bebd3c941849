"""Statuses that no document names: what settings say of them, and what is not known."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client

from requests_app import action_views, actions, descriptor, queries
from requests_app.findings import findings
from requests_app.models import IntelligenceRequest
from requests_app.statuses import terminal_statuses
from tests.factories import MISSING, ago, naive, put, request
from tests.pages import visit

pytestmark = pytest.mark.no_moto

OLD = {
    "created_at": naive(ago(minutes=50)),
    "updated_at": naive(ago(minutes=47)),
    "started_at": MISSING,
    "progress": MISSING,
}


def test_an_unknown_status_is_neither_an_end_nor_stuck(
    tables: dict[str, Any], client_for: Callable[[str], Client], settings: Any
) -> None:
    client = client_for("viewer")
    statuses = ["Queued", "running", "Archived", "processing", "completed"]
    put(tables["requests"], *[request(status.lower(), status=status, **OLD) for status in statuses])

    def stuck() -> set[str]:
        """By the query, by the findings of each item, and as the overview shows them: always the same."""
        found = {IntelligenceRequest.from_item(raw).id for raw in queries.stuck(queries.READS.figures())}
        items = [one for status in statuses if (one := queries.request(status.lower()))]
        assert found == {one.id for one in items if "stuck" in [finding.kind for finding in findings(one)]}
        assert found == {one.id for one in items if actions.has_stopped(one.raw)}
        for cache in caches.all(initialized_only=True):
            cache.clear()
        panel = visit(client, "/panels/requests/").words
        assert all(
            (f"{status.lower()} {status} last update" in panel) == (status.lower() in found)
            for status in statuses
        )
        return found

    assert stuck() == {"processing"}
    assert not visit(client, "/requests/completed/").polls
    for status in ("queued", "running", "archived", "processing"):
        assert visit(client, f"/requests/{status}/").polls
        assert visit(client, f"/requests/?status={status}").polls

    settings.REQUEST_EXTRA_STATUSES = ["queued"]
    settings.REQUEST_TERMINAL_STATUSES = ["ARCHIVED ", "timeout"]
    assert terminal_statuses() == {"completed", "failed", "cancelled", "archived", "timeout"}
    assert stuck() == {"processing", "queued"}
    assert not visit(client, "/requests/archived/").polls
    assert not visit(client, "/requests/?status=archived").polls
    assert visit(client, "/requests/running/").polls


def test_what_settings_name_an_end_is_treated_as_one(settings: Any) -> None:
    def raw(status: str) -> Any:
        return request("r", status=status, **OLD)

    assert not action_views.CANCEL.why_not("r", raw("Archived"))
    assert action_views.PURGE.why_not("r", raw("archived"), unfinished=False)
    settings.REQUEST_TERMINAL_STATUSES = ["archived", "Timeout"]
    assert action_views.CANCEL.why_not("r", raw("Archived")) == "It is Archived: there is nothing to cancel."
    assert not action_views.PURGE.why_not("r", raw("archived"), unfinished=False)
    # An end that is no success can be tried again, as a failure can.
    assert "only what failed" in action_views.RETRY.why_not("r", raw("archived"))
    assert not action_views.RETRY.why_not("r", raw("TIMEOUT"))
    # Failed in another word.
    assert not action_views.RETRY.why_not("r", request("r", status="ERROR"))
    assert IntelligenceRequest.from_item(raw("timeout")).is_terminal


def test_what_settings_name_an_end_may_expire(settings: Any) -> None:
    settings.REQUEST_TERMINAL_STATUSES = ["Archived", "processing"]
    try:
        rule = importlib.reload(descriptor).RULE
    finally:
        settings.REQUEST_TERMINAL_STATUSES = []
        importlib.reload(descriptor)
    found = {
        status: rule.is_finished(request(status=status)) for status in ("ARCHIVED", "Completed", "queued")
    }
    assert found == {"ARCHIVED": True, "Completed": True, "queued": False}
    assert rule.unfinished == {"pending", "executing"}


def test_a_configured_status_is_listed_where_iam_does_not_allow_looking(
    tables: dict[str, Any], settings: Any
) -> None:
    settings.REQUEST_TERMINAL_STATUSES = ["archived"]
    assert "archived" in queries.statuses().values
