"""Fixtures of these tests: a receiver of webhooks, a condition that a test can turn on and off, rules."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from django.core.cache import caches

from opsportal.alerts import watches
from opsportal.alerts.models import Rule, Webhook
from opsportal.alerts.watches import Fact, Question, Reading, Watch
from opsportal.alerts.worker import FORGET_EVERY
from tests.alerts.receivers import Receiver, receiver_server


@pytest.fixture(scope="session")
def _receiver() -> Iterator[Receiver]:
    with receiver_server() as server:
        yield server


@pytest.fixture
def receiver(_receiver: Receiver) -> Receiver:
    """A real server on loopback, which development may tell without TLS."""
    _receiver.reset()
    return _receiver


class Weather:
    """What the condition `test.weather` sees."""

    def __init__(self) -> None:
        self.reading = Reading()
        self.asked: list[Question] = []
        self.others: dict[str, Fact] = {}
        self.error: Exception | None = None

    def read(self, question: Question) -> Reading:
        self.asked.append(question)
        if self.error:
            raise self.error
        return self.reading

    def shows(self, *subjects: str, since: datetime, complete: bool = True, **more: Any) -> None:
        facts = tuple(
            Fact(subject, f"{subject} rains", since, {"mm": 3}, "/", **more) for subject in subjects
        )
        self.reading = Reading(facts, complete)


@pytest.fixture
def weather(monkeypatch: pytest.MonkeyPatch) -> Weather:
    found = Weather()
    watch = Watch(
        name="test.weather",
        label="It rains",
        explained="Rain.",
        kind="place",
        read=found.read,
        still=lambda question, subject: found.others.get(subject),
        over="It is dry.",
        calm_minutes=0,
    )
    monkeypatch.setitem(watches.by_name(), watch.name, watch)
    return found


@pytest.fixture
def webhook(receiver: Receiver, db: None) -> Webhook:
    made = Webhook(name="pager", url=receiver.url)
    made.secret = made.new_secret()  # type: ignore[attr-defined]
    made.save()
    return made


@pytest.fixture
def rule_of(db: None) -> Callable[..., Rule]:
    """``rule_of("workflow.failed", webhook, ...)``: a rule that tells the webhooks."""

    def make(condition: str = "test.weather", *webhooks: Webhook, **values: Any) -> Rule:
        values = {"name": f"rule {Rule.objects.count() + 1}", "calm_minutes": 0, **values}
        rule = Rule.objects.create(condition=condition, **values)
        rule.webhooks.set(webhooks)
        return rule

    return make


@pytest.fixture(autouse=True)
def _nothing_is_old() -> None:
    """The worker looked for what is old just now."""
    caches["process"].set("alerts:forgotten", True, FORGET_EVERY)
