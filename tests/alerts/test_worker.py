"""The worker's task: rules evaluated, webhooks notified, and what is old deleted."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from opsportal.alerts import outgoing, worker
from opsportal.alerts.models import Delivery, Rule, Webhook
from opsportal.operations.tasks import NotNow
from tests.alerts.conftest import Weather
from tests.alerts.receivers import Receiver


def test_the_worker_evaluates_and_tells(
    weather: Weather, rule_of: Callable[..., Rule], webhook: Webhook, receiver: Receiver, capsys: Any
) -> None:
    rule_of("test.weather", webhook)
    weather.shows("oslo", since=timezone.now() + timedelta(seconds=1))
    call_command("worker", "--once", "--only", "alerts")
    assert receiver.events == ["alert.firing"]
    assert capsys.readouterr().out.splitlines()[-1] == "2 done."
    rule = Rule.objects.get()
    assert rule.next_at > timezone.now() + timedelta(seconds=50)
    call_command("worker", "--once", "--only", "alerts")
    assert len(weather.asked) == 1
    Rule.objects.update(enabled=False, next_at=timezone.now())
    call_command("worker", "--once", "--only", "alerts")
    assert len(weather.asked) == 1


def test_a_turn_is_the_same_for_all_locations_and_begins_nothing_once_it_is_over(
    weather: Weather, rule_of: Callable[..., Rule]
) -> None:
    for _ in range(3):
        rule_of()
    (table,) = worker.TASK.works_on()
    assert worker.turn(table, lambda: True) == 0
    assert not weather.asked
    assert worker.turn(table, lambda: False) == 3


def test_what_the_database_refuses_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any) -> int:
        raise OperationalError("no such table: alerts_rule")

    monkeypatch.setattr(outgoing, "deliver_due", refuses)
    (table,) = worker.TASK.works_on()
    with pytest.raises(NotNow, match=r"no such table: alerts_rule\)\. Is `manage.py migrate` done\?"):
        worker.turn(table, lambda: False)


def test_what_is_old_is_deleted_by_the_hour(webhook: Webhook) -> None:
    (table,) = worker.TASK.works_on()
    old = timezone.now() - timedelta(days=31)
    Delivery.objects.create(
        webhook=webhook, event="webhook.test", event_id="x", body="{}", state="sent", made_at=old
    )
    worker.turn(table, lambda: False)
    assert Delivery.objects.exists(), "it looked within the hour"
    with time_machine.travel(timezone.now() + timedelta(seconds=worker.FORGET_EVERY + 1)):
        worker.turn(table, lambda: False)
    assert not Delivery.objects.exists()
