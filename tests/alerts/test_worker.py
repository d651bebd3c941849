"""The worker's chore: once a turn whatever the places, and calm when the database is in trouble."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from opsportal.alerts import worker
from opsportal.alerts.models import Delivery, Rule, Webhook
from opsportal.operations.tables import places
from opsportal.operations.worker import CHORES
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


def test_a_turn_is_of_the_first_place_alone_and_ends_when_told(
    weather: Weather, rule_of: Callable[..., Rule], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        rule_of()
    first, *others = places()
    stop = threading.Event()
    assert others
    for other in others:
        assert CHORES["alerts"](other, stop) == 0
    assert not weather.asked
    stop.set()
    assert worker.chore(first, stop) == 0
    stop.clear()
    monkeypatch.setattr(worker, "TURN", 0.0)
    assert worker.chore(first, stop) == 0  # the outbox waits no longer than that
    monkeypatch.setattr(worker, "TURN", 5.0)
    assert worker.chore(first, stop) == 3


def test_a_database_in_trouble_is_told_once_and_left_alone_for_a_while(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    def turn(stop: threading.Event | None = None) -> int:
        asked.append(stop)
        if len(asked) < 3:
            raise OperationalError("no such table: alerts_rule")
        return 7

    monkeypatch.setattr(worker, "turn", turn)
    first, stop = places()[0], threading.Event()
    with caplog.at_level(logging.INFO, worker.__name__):
        assert worker.chore(first, stop) == 0
        assert worker.chore(first, stop) == 0
        assert len(asked) == 1
        for expected in (0, 7):
            worker._Turns.not_before = 0.0
            assert worker.chore(first, stop) == expected
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "manage.py migrate" in said[0]
    assert said[1] == "alerts: going on"


def test_what_is_old_is_forgotten_by_the_hour(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    old = timezone.now() - timedelta(days=31)
    Delivery.objects.create(
        webhook=webhook, event="webhook.test", event_id="x", body="{}", state="sent", made_at=old
    )
    worker.turn()
    assert Delivery.objects.exists()
    monkeypatch.setattr(worker._Turns, "forget_at", 0.0)
    worker.turn()
    assert not Delivery.objects.exists()
    assert worker._Turns.forget_at > 0
