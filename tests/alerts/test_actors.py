"""Who changed a rule and who acknowledged what, when the names change hands afterwards."""

import importlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from opsportal.accounts import changes as accounts_changes
from opsportal.accounts.actors import user_id
from opsportal.alerts import changes
from opsportal.alerts.evaluation import evaluate_next
from opsportal.alerts.models import Change, Delivery, Firing, Rule, Webhook
from tests.alerts.conftest import Weather
from tests.pages import visit

ClientFor = Callable[[str], Client]


@pytest.fixture
def firing(weather: Weather, rule_of: Callable[..., Rule], webhook: Webhook) -> Firing:
    rule_of("test.weather", webhook, name="Rain")
    weather.shows("oslo", since=timezone.now() + timedelta(seconds=1))
    assert evaluate_next()
    return Firing.objects.get()


def called(user: User, name: str) -> None:
    User.objects.filter(pk=user.pk).update(username=name)


def test_what_is_acknowledged_and_snoozed_under_a_borrowed_name_is_not_its_owners(
    firing: Firing, client_for: ClientFor, operator: User, administrator: User
) -> None:
    url, borrower, viewer = firing.get_absolute_url(), client_for("administrator"), client_for("operator")
    called(operator, "operator-tmp")
    called(administrator, "operator")
    borrower.post(f"{url}acknowledge/")
    borrower.post(f"{url}snooze/", {"length": "1h"})
    called(administrator, "administrator")
    called(operator, "operator")
    firing.refresh_from_db()
    assert firing.acknowledged_by_id == firing.snoozed_by_id == user_id(administrator)
    page = visit(viewer, url)
    assert f"by operator (now administrator) {user_id(administrator)}" in page.fact("Acknowledged")
    assert "by operator (now administrator)" in page.root.one("form", class_="filters").words
    assert {one.actor_id for one in Change.objects.all()} == {user_id(administrator)}
    trail = visit(viewer, "/alerts/changes/").words
    assert trail.count(f"operator (now administrator) administrator · {user_id(administrator)}") == 2


def test_the_trail_tells_a_deleted_account_from_who_has_its_name_and_marks_what_has_no_id(
    webhook: Webhook, client_for: ClientFor, django_assert_max_num_queries: Any
) -> None:
    first = User.objects.create(username="olga")
    changes.record(first, "webhook:edit", webhook)
    old = user_id(first)
    first.delete()
    second = User.objects.create(username="olga")
    changes.record(second, "webhook:edit", webhook)
    changes.record(None, "webhook:disable", webhook)
    Change.objects.create(actor="olga", verb="webhook:edit", target="pager", target_id="1")
    viewer = client_for("operator")
    words = visit(viewer, "/alerts/changes/").words
    assert f"olga (account deleted) — · {old}" in words
    assert f"· {user_id(second)}" in words
    assert "worker worker · worker" in words
    assert words.count("(recorded by name only)") == 1
    for number in range(20):
        changes.record(User.objects.create(username=f"p{number}"), "webhook:edit", webhook)
    with django_assert_max_num_queries(12):
        visit(viewer, "/alerts/changes/")


def test_a_test_event_and_a_disabled_webhook_name_the_id(
    webhook: Webhook, client_for: ClientFor, administrator: User
) -> None:
    client = client_for("administrator")
    client.post(f"{webhook.get_absolute_url()}test/")
    assert json.loads(Delivery.objects.get().body)["actor_id"] == user_id(administrator)
    client.post(f"{webhook.get_absolute_url()}switch/")
    called(administrator, "otto")
    assert (
        f"administrator ({user_id(administrator)}) disabled it."
        in visit(client, webhook.get_absolute_url()).words
    )


def test_entries_are_there_once_after_a_migration_that_is_taken_back_and_applied_again(
    db: None, administrator: User
) -> None:
    """A release that is rolled back and deployed again."""
    module = importlib.import_module("opsportal.alerts.migrations.0002_changes_to_accounts")
    moved = module.Migration.operations[0]
    for verb in ("rule:edit", "webhook:disable", "delivery:again", "alert:snooze"):
        accounts_changes.record(verb, "x", "1")
    before = sorted(accounts_changes.Change.objects.values_list("verb", "target_id", "actor"))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE alerts_change AS SELECT * FROM accounts_change WHERE 1 = 0")
        for statement in moved.reverse_sql:
            cursor.execute(statement)
        kept = accounts_changes.Change.objects.values_list("verb", flat=True)
        assert {verb.partition(":")[0] for verb in kept} == {"account"}
        cursor.execute(moved.sql)
        cursor.execute("DROP TABLE alerts_change")
    assert sorted(accounts_changes.Change.objects.values_list("verb", "target_id", "actor")) == before
