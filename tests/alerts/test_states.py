"""The states of a rule's subjects: what fires once, what is over once, and what is not told at all."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from opsportal.alerts import edits, evaluation
from opsportal.alerts.evaluation import evaluate, evaluate_next, settle
from opsportal.alerts.models import Delivery, Firing, Rule, Webhook
from opsportal.alerts.rules import MANY
from opsportal.dynamo.errors import Unreachable
from tests.alerts.conftest import Weather

RuleOf = Callable[..., Rule]


class Clock:
    """Evaluates one rule at moments of its own."""

    def __init__(self, rule: Rule) -> None:
        self.rule, self.now = rule, rule.baseline_at

    def after(self, *, evaluate: bool = True, **length: float) -> None:
        self.now += timedelta(**length)
        if evaluate:
            Rule.objects.update(next_at=self.now)
            assert evaluate_next(self.now)

    @property
    def told(self) -> list[str]:
        return list(Delivery.objects.order_by("made_at", "number").values_list("event", flat=True))


@pytest.fixture
def clock(rule_of: RuleOf, webhook: Webhook) -> Clock:
    return Clock(rule_of("test.weather", webhook))


def since(clock: Clock) -> datetime:
    return clock.now + timedelta(seconds=1)


def test_it_fires_once_and_is_over_once(clock: Clock, weather: Weather) -> None:
    weather.shows("oslo", since=since(clock))
    clock.after(minutes=1)
    clock.after(minutes=1)
    firing = Firing.objects.get()
    assert (firing.state, firing.subject, firing.figures, clock.told) == (
        "firing",
        "oslo",
        {"mm": 3},
        ["alert.firing"],
    )
    weather.shows(since=clock.now)
    clock.after(minutes=1)
    clock.after(minutes=1)
    firing.refresh_from_db()
    assert (firing.state, firing.why_resolved) == ("resolved", "It is dry.")
    assert clock.told == ["alert.firing", "alert.resolved"]
    assert [one.event_id for one in Delivery.objects.order_by("number")] == [
        f"{firing.pk}.firing", f"{firing.pk}.resolved",
    ]  # fmt: skip


def test_what_began_before_the_rule_does_not_fire(clock: Clock, weather: Weather) -> None:
    weather.shows("oslo", "rome", since=clock.now - timedelta(seconds=1))
    clock.after(minutes=1)
    assert not Firing.objects.exists()
    weather.shows("oslo", since=clock.now)
    clock.after(minutes=1)
    assert Firing.objects.get().subject == "oslo"


def test_enabling_again_and_changing_the_threshold_begin_again(
    clock: Clock, weather: Weather, administrator: Any
) -> None:
    edits.switch_rule(clock.rule, False, administrator)
    weather.shows("oslo", since=timezone.now())
    edits.switch_rule(clock.rule, True, administrator)
    clock.now = timezone.now()
    clock.after(minutes=1)
    assert not Firing.objects.exists()
    clock.rule.refresh_from_db()
    before = clock.rule.baseline_at
    edits.edit_rule(clock.rule, {"name": "other"}, clock.rule.webhooks.all(), administrator)
    clock.rule.refresh_from_db()
    assert clock.rule.baseline_at == before
    edits.edit_rule(clock.rule, {"threshold": 3.0}, clock.rule.webhooks.all(), administrator)
    clock.rule.refresh_from_db()
    assert clock.rule.baseline_at > before


def test_it_must_hold_before_it_fires(clock: Clock, weather: Weather) -> None:
    Rule.objects.update(hold_minutes=3)
    weather.shows("oslo", since=since(clock))
    clock.after(minutes=1)
    clock.after(minutes=1)
    assert (Firing.objects.get().state, clock.told) == ("pending", [])
    weather.shows(since=clock.now)
    clock.after(minutes=1)  # it was nothing
    assert not Firing.objects.exists()
    weather.shows("oslo", since=since(clock))
    clock.after(minutes=1)
    clock.after(minutes=3)
    assert (Firing.objects.get().state, clock.told) == ("firing", ["alert.firing"])


def test_a_pause_shorter_than_the_calm_is_none(clock: Clock, weather: Weather) -> None:
    Rule.objects.update(calm_minutes=5)
    for _ in range(3):
        weather.shows("oslo", since=since(clock))
        clock.after(minutes=2)
        weather.shows(since=clock.now)
        clock.after(minutes=2)
    assert Firing.objects.get().calm_since == clock.now
    assert clock.told == ["alert.firing"]
    clock.after(minutes=5)
    assert clock.told == ["alert.firing", "alert.resolved"]


def test_what_flaps_needs_twice_the_calm_each_time(clock: Clock, weather: Weather) -> None:
    for _ in range(90):  # 3 hours of one minute of rain, one minute of none
        weather.shows("oslo", since=since(clock))
        clock.after(minutes=1)
        weather.shows(since=clock.now)
        clock.after(minutes=1)
    # Without it, 90 times; each of these is one event of a firing and one of its end.
    assert clock.told.count("alert.firing") <= 3
    firing = Firing.objects.first()
    assert firing is not None
    assert firing.calm_needed() > timedelta(minutes=1)
    clock.after(minutes=61)
    assert Firing.objects.filter(state="firing").count() == 0
    # An hour later it is forgiven.
    weather.shows("oslo", since=since(clock))
    clock.after(minutes=62)
    newest = Firing.objects.first()
    assert newest is not None
    assert (newest.state, newest.flaps) == ("firing", 0)


def test_what_cant_be_read_changes_nothing(clock: Clock, weather: Weather) -> None:
    weather.shows("oslo", since=since(clock))
    clock.after(minutes=1)
    weather.error = Unreachable("DynamoDB is away.", "Wait.")
    clock.after(minutes=1)
    clock.rule.refresh_from_db()
    assert (Firing.objects.get().state, clock.rule.trouble) == ("firing", "DynamoDB is away. Wait.")
    weather.error = None
    clock.after(minutes=1)
    clock.rule.refresh_from_db()
    assert clock.rule.trouble == ""


def test_of_an_incomplete_reading_what_is_missing_is_looked_at_by_itself(
    clock: Clock, weather: Weather
) -> None:
    weather.shows("oslo", "rome", since=since(clock))
    clock.after(minutes=1)
    weather.others = {"rome": weather.reading.facts[1]}
    weather.shows("bern", since=since(clock), complete=False)
    clock.after(minutes=1)
    found = dict(Firing.objects.values_list("subject", "state"))
    assert found == {"oslo": "resolved", "rome": "firing", "bern": "firing"}


def test_looks_at_single_subjects_are_bounded_and_take_turns(
    clock: Clock, weather: Weather, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsportal.alerts.evaluation.MAX_RECHECKS", 2)
    weather.shows("a", "b", "c", "d", since=since(clock))
    clock.after(minutes=1)
    weather.others = {fact.subject: fact for fact in weather.reading.facts}
    weather.shows(since=clock.now, complete=False)
    looked = []
    for _ in range(2):
        looked += [set(evaluate(clock.rule, clock.now).rechecked)]
        clock.after(minutes=1)
    assert [len(one) for one in looked] == [2, 2]
    assert not looked[0] & looked[1]
    assert Firing.objects.filter(state="firing").count() == 4


def test_a_storm_is_told_in_a_few_words(
    clock: Clock, weather: Weather, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "MAX_NOTIFIED", 3)
    names = [f"town {number}" for number in range(8)]
    weather.shows(*names, since=since(clock))
    clock.after(minutes=1)
    assert Firing.objects.exclude(subject=MANY).count() == 8
    assert clock.told == ["alert.firing"] * 4
    many = Firing.objects.get(subject=MANY)
    assert (many.title, many.figures) == ("5 more: it rains", {"more": 5})
    weather.shows(*names, *[f"more {number}" for number in range(4)], since=since(clock))
    clock.after(minutes=1)
    many.refresh_from_db()
    assert (many.figures, len(clock.told)) == ({"more": 6}, 7)
    weather.shows(since=clock.now)
    clock.after(minutes=1)
    assert not Firing.objects.exclude(state="resolved").exists()
    assert clock.told.count("alert.resolved") == 7  # those that were told, and the many


def test_reminders_stop_with_an_acknowledgement(clock: Clock, weather: Weather, operator: Any) -> None:
    Rule.objects.update(repeat_minutes=10)
    weather.shows("oslo", since=since(clock))
    clock.after(minutes=1)
    clock.after(minutes=9)
    assert clock.told == ["alert.firing"]
    clock.after(minutes=1)
    clock.after(minutes=1)
    assert clock.told == ["alert.firing", "alert.reminder"]
    assert edits.acknowledge(Firing.objects.get(), operator, clock.now)
    assert not edits.acknowledge(Firing.objects.get(), operator, clock.now)
    clock.after(minutes=30)
    assert len(clock.told) == 2
    weather.shows(since=clock.now)
    clock.after(minutes=1)
    assert clock.told[-1] == "alert.resolved"


def test_what_is_snoozed_is_told_when_it_goes_on_after(clock: Clock, weather: Weather, operator: Any) -> None:
    weather.shows("oslo", since=since(clock))
    clock.after(minutes=1)
    assert edits.snooze(Firing.objects.get(), 1, operator, clock.now)
    clock.after(minutes=30)
    weather.shows(since=clock.now)
    clock.after(minutes=1)
    assert clock.told == ["alert.firing", "alert.resolved"]  # who heard of it hears of its end
    weather.shows("oslo", "rome", since=since(clock))
    clock.after(minutes=1)  # it began again while it was snoozed; another did not
    assert clock.told.count("alert.firing") == 2
    clock.after(minutes=40)
    assert clock.told.count("alert.firing") == 3
    edits.snooze(Firing.objects.filter(state="firing", subject="rome").get(), 1, operator, clock.now)
    clock.after(minutes=61)
    clock.after(minutes=1)
    assert clock.told.count("alert.reminder") == 1


def test_what_fires_by_a_rule_that_ends_is_over(clock: Clock, weather: Weather, administrator: Any) -> None:
    weather.shows("oslo", since=since(clock))
    clock.after(minutes=1)
    edits.switch_rule(clock.rule, False, administrator)
    firing = Firing.objects.get()
    assert (firing.state, firing.why_resolved) == ("resolved", "The rule was disabled.")
    assert sorted(clock.told) == ["alert.firing", "alert.resolved"]
    assert not evaluate_next(clock.now + timedelta(days=1))


def test_an_evaluation_of_a_rule_that_was_changed_meanwhile_writes_nothing(
    clock: Clock, weather: Weather, administrator: Any
) -> None:
    weather.shows("oslo", since=since(clock))
    rule = Rule.objects.get()
    look = evaluate(rule, clock.now)
    edits.edit_rule(rule, {"threshold": 9.0}, [], administrator)
    assert not settle(rule, look, clock.now)
    assert not Firing.objects.exists()
    assert Rule.objects.get().evaluated_at is None


def test_texts_of_items_are_kept_as_the_database_can(clock: Clock, weather: Weather) -> None:
    weather.shows("a\x00b\ud800", since=since(clock), error="x\x00" * 5000)
    clock.after(minutes=1)
    clock.after(minutes=1)
    firing = Firing.objects.get()
    assert (firing.subject, len(firing.error)) == ("ab?", 500)


def test_a_condition_that_nobody_knows_is_told(rule_of: RuleOf) -> None:
    rule = rule_of("gone.condition")
    assert evaluate_next()
    rule.refresh_from_db()
    assert "does not know the condition gone.condition" in rule.trouble
    assert (rule.label, rule.figures) == ("gone.condition", [])


def test_a_defect_of_one_rule_is_its_trouble_alone(
    clock: Clock, weather: Weather, rule_of: RuleOf, caplog: pytest.LogCaptureFixture
) -> None:
    other = rule_of("gone.condition")
    weather.error = ZeroDivisionError("a defect")
    while evaluate_next(clock.now + timedelta(minutes=1)):
        pass
    clock.rule.refresh_from_db()
    other.refresh_from_db()
    assert clock.rule.trouble == "Its evaluation failed; the worker's log says why."
    assert clock.rule.evaluated_at
    assert other.evaluated_at
    assert "a defect" in caplog.text
