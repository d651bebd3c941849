"""The overview's panel "Last actions"."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from opsportal.dynamo import calls
from opsportal.operations import entries
from opsportal.operations.changes import text
from opsportal.operations.entries import Actor, Entry, Target, new_action_id
from opsportal.operations.tables import audit_table_for, locations
from opsportal.operations.tags import Action
from tests.operations.places import client as dynamodb
from tests.operations.places import put, request_item
from tests.samples import later

NASTY = '<script>alert("x")</script>'


def entry(
    target: Target, minutes: float, actor: str = "olga", action: Action = Action.REQUEST_CANCEL
) -> Entry:
    """One of so many minutes ago, written beside its target."""
    made = Entry(
        new_action_id(),
        action,
        Actor(actor, "operator", ""),
        target,
        entries.stamp(datetime.now(UTC) - timedelta(minutes=minutes)),
    )
    put(audit_table_for(target.table), made.item())
    return made


def panel(client: Client, query: str = "", **headers: str) -> tuple[int, str]:
    response = client.get(f"/panels/audit/{query}", headers=headers)
    return response.status_code, response.content.decode()


def entries_in(page: str) -> list[str]:
    """The action ids that the panel links to, in order."""
    return re.findall(r'href="/audit/([0-9a-f-]{36})/"', page)


@pytest.mark.no_moto
def test_it_shows_the_newest_eight_of_all_places_with_who_what_and_when(
    tables: dict[str, Any], client_for: Callable[[str], Client]
) -> None:
    targets = [Target("requests", "req-1"), Target("agents", "agent/1"), Target("workflows", "s 1")]
    made = [entry(targets[number % 3], number, f"actor-{number}") for number in range(11)]
    status, page = panel(client_for("viewer"))
    assert status == 200
    assert entries_in(page) == [one.action_id for one in made[:8]]
    for one in made[:8]:
        assert one.actor.name in page
    for name, key in (("requests:item", "req-1"), ("registry:item", "agent/1"), ("tracking:item", "s 1")):
        assert f'href="{reverse(name, args=[key])}"' in page
    assert page.count("Request cancelled") == 8
    assert "<time" in page
    assert "All actions" in page


@pytest.mark.no_moto
def test_its_window_is_that_of_the_overview(
    tables: dict[str, Any], client_for: Callable[[str], Client]
) -> None:
    target = Target("requests", "req-1")
    fresh, older = entry(target, 30), entry(target, 3 * 60)
    client = client_for("viewer")
    assert entries_in(panel(client, "?window=1h")[1]) == [fresh.action_id]
    assert entries_in(panel(client, "?window=24h")[1]) == [fresh.action_id, older.action_id]
    assert "All actions" not in panel(client)[1]


@pytest.mark.no_moto
def test_an_empty_trail_is_looked_through_a_day_at_a_time(
    tables: dict[str, Any], client_for: Callable[[str], Client]
) -> None:
    """Its index has four partitions a day in each location."""
    client = client_for("viewer")
    asked: list[calls.Call] = []
    calls.watch(asked.append)
    old = entry(Target("requests", "req-1"), 4 * 24 * 60)
    asked.clear()
    days = len(locations()) * entries.FEED_SHARDS
    assert "No actions in this period." in panel(client, "?window=1h")[1]
    turns = 0
    while "still being read" in panel(client, "?window=7d")[1]:
        turns += 1
        asked.clear()
        later(10 * len(locations()) + 1)
        page = panel(client, "?window=7d")[1]
        # What is new, of today or around midnight of two days; and one day more.
        assert len(asked) <= 3 * days
        assert turns < 20
    assert entries_in(page) == [old.action_id]
    newest = entry(Target("requests", "req-1"), 1)
    later(10 * len(locations()) + 1)
    assert entries_in(panel(client, "?window=7d")[1]) == [newest.action_id, old.action_id]


@pytest.mark.no_moto
def test_what_is_foreign_or_hostile_in_the_trail_is_text(
    tables: dict[str, Any], client_for: Callable[[str], Client]
) -> None:
    made = entry(Target("requests", NASTY), 1, NASTY)
    junk = {**made.item(), "action_id": text("junk"), "action": text(f"x:{NASTY}"), "logical": text("none")}
    put(audit_table_for(tables["requests"]), junk)
    status, page = panel(client_for("viewer"))
    assert status == 200
    assert "<script>alert" not in page
    assert escape(NASTY) in page
    assert "/audit/junk/" in page


@pytest.mark.no_moto
def test_a_poll_is_answered_with_nothing_until_something_is_done(
    tables: dict[str, Any], client_for: Callable[[str], Client]
) -> None:
    client = client_for("viewer")
    entry(Target("requests", "req-1"), 5)
    seen = re.search(r"X-Seen&quot;: &quot;(\w+)&quot;", panel(client)[1])
    assert seen
    assert panel(client, **{"X-Seen": seen[1]})[0] == 204
    newest = entry(Target("requests", "req-1"), 1)
    later(10 * len(locations()) + 1)
    status, page = panel(client, **{"X-Seen": seen[1]})
    assert (status, entries_in(page)[0]) == (200, newest.action_id)


def test_a_missing_audit_table_is_told_in_the_panel_alone_with_the_command(
    tables: dict[str, Any], client_for: Callable[[str], Client]
) -> None:
    audit = audit_table_for(tables["requests"])
    dynamodb(audit).delete_table(TableName=audit.name)
    client = client_for("viewer")
    status, page = panel(client)
    assert status == 200
    assert f"There is no table {audit.name}" in page
    assert "python manage.py dynamo migrate" in page
    assert client.get("/panels/requests/").status_code == 200
    # So do the pages that read or write it.
    feed = client.get("/audit/")
    assert feed.status_code == 503
    assert "python manage.py dynamo migrate" in feed.content.decode()
    put(tables["requests"], request_item("req-1"))
    item = client.get("/requests/req-1/")
    assert item.status_code == 200
    assert re.search("audit trail can.{1,6}t be read: There is no table", item.content.decode())
    assert "python manage.py dynamo migrate" in item.content.decode()
    data = {"action_id": new_action_id()}
    action = client_for("operator").post("/requests/req-1/cancel/", data)
    assert action.status_code == 503
    assert "python manage.py dynamo migrate" in action.content.decode()


def test_the_overview_has_it_for_those_who_may_see_the_trail(
    db: None, client: Client, client_for: Callable[[str], Client]
) -> None:
    overview = client_for("viewer").get("/").content.decode()
    assert 'id="panel-audit"' in overview
    assert 'href="/audit/"' in overview
    person = User.objects.create_user("half", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_requests"))
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    overview = client.get("/").content.decode()
    assert 'id="panel-requests"' in overview
    assert 'id="panel-audit"' not in overview
    assert panel(client)[0] == 403
