"""Polls of what has not changed: 204 before a model or a template is made, until the time at which it changes by itself."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import caches
from django.db import connection
from django.template import base
from django.test.utils import CaptureQueriesContext

from opsportal.dynamo.models import DynamoModel
from opsportal.operations import entries
from opsportal.operations.entries import Actor, Entry, Target, new_action_id
from opsportal.operations.tables import audit_table_for
from opsportal.operations.tags import Action
from tests.cases import each
from tests.factories import MISSING, agent, log, naive, put, request, step, workflow, zulu
from tests.pages import poll, visit

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py

NOW = datetime.now(UTC).replace(microsecond=0)
SINCE, LATELY, LONG_AGO = (NOW - timedelta(minutes=minutes) for minutes in (3, 14, 40))


def still(at: datetime, **values: Any) -> Any:
    """A workflow that has not moved since."""
    values = {"pdfAdapter": MISSING, "totalTokenUsage": MISSING, **values}
    return workflow("w", createdAt=zulu(at), lastUpdated=zulu(at), overallStatus="processing", **values)


def waiting(at: datetime) -> Any:
    return request(
        "r", status="pending", created_at=naive(at), updated_at=naive(at), started_at=None, progress=None
    )


def written() -> Entry:
    return Entry(
        new_action_id(),
        Action.REQUEST_RETRY,
        Actor("otto", "administrator", "user:1002"),
        Target("requests", "r"),
        entries.stamp(NOW - timedelta(minutes=5)),
        watch={"status": {"S": "pending"}},
    )


# Two minutes before the end of the calendar.
FAR = datetime(9999, 12, 31, 23, 57, 59, 1000, tzinfo=UTC)
STUCK, MINUTE = NOW + timedelta(minutes=1), NOW + timedelta(minutes=1)
# (address, what is in the tables, when it changes though nothing is written, what it says then).
CASES: list[tuple[str, dict[str, Any], datetime | None, str]] = [
    ("/workflows/", {"workflows": still(LATELY)}, STUCK, "No update for 15 min"),
    ("/workflows/", {"workflows": still(LONG_AGO)}, MINUTE, "No update for 41 min"),
    ("/workflows/?range=all", {"workflows": still(NOW - timedelta(days=3))}, NOW + timedelta(hours=1), "3 d 1 h"),
    ("/workflows/", {"workflows": still(NOW + timedelta(seconds=30))}, NOW + timedelta(seconds=25), ""),
    ("/workflows/", {"workflows": still(NOW, expiresAt=int(NOW.timestamp()) + 300)}, NOW + timedelta(minutes=5),
     "Expired"),
    ("/workflows/", {"workflows": workflow("w", createdAt=zulu(LATELY), overallStatus="odd", expiresAt=MISSING)}, None, ""),
    ("/workflows/w/", {"workflows": still(LATELY)}, STUCK, "No update for 15 min"),
    ("/workflows/w/", {"workflows": still(SINCE, pdfAdapter=step("processing", startedAt=zulu(SINCE), completedAt=MISSING))}, MINUTE, ""),
    ("/workflows/w/?tab=raw", {"workflows": still(LATELY)}, STUCK, ""),
    ("/requests/", {"requests": waiting(LATELY)}, STUCK, "No worker has taken it for 15 min"),
    ("/requests/?status=pending", {"requests": waiting(LONG_AGO)}, MINUTE, "for 41 min"),
    ("/requests/?sort=priority", {"requests": waiting(LATELY)}, STUCK, "No worker has taken it"),
    ("/requests/r/", {"requests": waiting(LATELY)}, STUCK, "No worker has taken it"),
    ("/requests/r/", {"requests": waiting(SINCE), "audit": written()}, MINUTE, "otto"),
    ("/requests/r/?tab=audit", {"requests": waiting(SINCE), "audit": written()}, MINUTE, "otto"),
    ("/requests/r/logs/", {"requests": waiting(LATELY), "request_logs": log("r", LATELY)}, STUCK, ""),
    ("/agents/", {"agents": agent("a", lastHeartbeat=zulu(NOW - timedelta(seconds=60)))},
     NOW + timedelta(seconds=60, milliseconds=1), "degraded"),
    ("/agents/?health=healthy", {"agents": agent("a", lastHeartbeat=zulu(NOW))},
     NOW + timedelta(seconds=120, milliseconds=1), "No agents match"),
    ("/agents/", {"agents": agent("a", lastHeartbeat=zulu(NOW - timedelta(seconds=300)))},
     NOW + timedelta(seconds=300, milliseconds=1), "offline"),
    ("/agents/", {"agents": agent("a", lastHeartbeat=zulu(NOW + timedelta(seconds=180)))},
     NOW + timedelta(seconds=60, milliseconds=1), "healthy"),
    ("/agents/", {"agents": agent("a", lastHeartbeat="9999-12-31T23:59:59Z")}, FAR, ""),
    ("/agents/a/", {"agents": agent("a", lastHeartbeat=zulu(NOW - timedelta(seconds=60)))},
     NOW + timedelta(seconds=60, milliseconds=1), "degraded"),
    ("/agents/fleet/", {"agents": agent("a", lastHeartbeat=zulu(NOW - timedelta(seconds=300)))}, None, ""),
    ("/audit/", {"audit": written()}, MINUTE, "otto"),
    ("/audit/?target=nothing", {}, None, ""),
    ("/audit/undelivered/", {}, None, ""),
    ("/jobs/", {}, None, ""),
]  # fmt: skip
# What is asked of the database about the caller, and the shared cache.
IDENTITY = re.compile(
    r"django_session|auth_|accounts_(version|preferences|savedview|apitoken)|opsportal_cache"
)


@contextmanager
def nothing_made(monkeypatch: pytest.MonkeyPatch, url: str) -> Iterator[None]:
    """No template is rendered, no item of a list becomes a model, and only the caller is asked of the database."""

    def made(*_: Any, **__: Any) -> Any:
        raise AssertionError("made for a poll that shows nothing new")

    is_list = url.partition("?")[0].rstrip("/") in ("/workflows", "/requests") or url == "/agents/"
    with monkeypatch.context() as patched, CaptureQueriesContext(connection) as queries:
        patched.setattr(base.Template, "render", made)
        if is_list:
            patched.setattr(DynamoModel, "from_item", made)
        yield
    others = [one["sql"] for one in queries if not IDENTITY.search(one["sql"])]
    assert others == []


@each(("url", "items", "until", "says"), CASES)
def test_a_poll_is_answered_204_until_what_it_shows_changes(
    tables: Any, client_for: Any, monkeypatch: Any, url: str, items: Any, until: datetime | None, says: str
) -> None:
    client = client_for("viewer")
    for logical, item in items.items():
        if logical == "audit":
            put(audit_table_for(tables["requests"]), item.item())
        else:
            put(tables[logical], item)
    caches["process"].clear()
    with time_machine.travel(NOW, tick=False):
        page = visit(client, url)
        stop = page.live["X-Seen"].partition(".")[2]
        with nothing_made(monkeypatch, url):
            assert poll(client, page).status == 204
        # A token that a browser was not given is no reason to be silent, nor a failure.
        for odd in ("", "x", page.live["X-Seen"] + "x", page.live["X-Seen"].partition(".")[0] + ".-1"):
            assert poll(client, page, **{"X-Seen": odd}).status == 200
    assert stop == (str(int(until.timestamp() * 1000)) if until else "")
    if until in (None, FAR):
        with time_machine.travel(NOW + timedelta(seconds=30), tick=False):
            caches["process"].clear()  # read again
            assert poll(client, page).status == 204
        return
    with time_machine.travel(until - timedelta(milliseconds=1), tick=False):
        caches["process"].clear()
        assert poll(client, page).status == 204
    with time_machine.travel(until, tick=False):
        caches["process"].clear()
        renewed = poll(client, page)
        assert renewed.status == 200
        assert says in renewed.words
        assert poll(client, renewed).status == 204
