"""The demo's two alert rules, evaluated at moments of the past: one fires, one has fired and is resolved."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from opsportal.alerts import evaluation, item_watches, watches
from opsportal.alerts.edits import acknowledge, make_rule
from opsportal.alerts.leases import take
from opsportal.alerts.models import Rule
from opsportal.alerts.watches import Reading
from opsportal.demo import requests
from opsportal.demo.workflows import HANGING_SINCE

STUCK_MINUTES = 30
STUCK = {"name": "Workflows without progress", "threshold": float(STUCK_MINUTES)}
FAILING = {"name": "Requests failing", "threshold": 25.0, "minimum": 5, "window_minutes": 60}
MADE = timedelta(days=12)


def make(now: datetime, people: dict[str, User]) -> None:
    """Make the rules that are not there. Raises DynamoError."""
    if rule := _rule(now, "workflow.stuck", STUCK, people["chen.wei"]):
        # A minute after each of the two had been silent for that long.
        for minutes in sorted(HANGING_SINCE, reverse=True):
            at = now - timedelta(minutes=minutes - STUCK_MINUTES - 1)
            _settle(rule, at, evaluation.evaluate(rule, at).reading)
        oldest = rule.firings.order_by("first_seen_at").first()
        if oldest:
            at = oldest.first_seen_at + timedelta(minutes=6)
            acknowledge(oldest, people["j.okafor"], at)
    if rule := _rule(now, "request.failure_rate", FAILING, people["maria.lindqvist"]):
        begun, over = (now - timedelta(minutes=minutes) for minutes in (min(requests.DENIED_AT) - 2, 61))
        total = len(requests.DENIED_AT) + 4
        ended = [(number < len(requests.DENIED_AT), None) for number in range(total)]
        reading = item_watches.reading(
            rule.question(begun), ended, True, "Requests", "/requests/?status=failed&range=24h"
        )
        _settle(rule, begun, reading)
        for after in (timedelta(0), timedelta(minutes=rule.calm_minutes, seconds=5)):
            _settle(rule, over + after, Reading())


def _rule(now: datetime, condition: str, values: dict[str, Any], by: User) -> Rule | None:
    """The new rule, which looks at what began after it was made; None where there is one of this name."""
    watch = watches.watch(condition)
    if watch is None or Rule.objects.kept().filter(name=values["name"]).exists():
        return None
    made = now - MADE
    rule = make_rule(watch, {**values}, [], by)
    Rule.objects.filter(pk=rule.pk).update(baseline_at=made, made_at=made)
    rule.refresh_from_db()
    return rule


def _settle(rule: Rule, at: datetime, reading: Reading) -> None:
    """One evaluation of the rule, at that time."""
    held = take(Rule.objects.filter(pk=rule.pk), at, evaluation.LEASE)
    if held:
        evaluation.settle(held, evaluation.EvaluationResult(reading), at)
