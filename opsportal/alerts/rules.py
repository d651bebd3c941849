"""Rules, and what fired by them."""

import hashlib
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from opsportal.alerts import watches
from opsportal.alerts.leases import Leased
from opsportal.alerts.watches import Question, Watch
from opsportal.alerts.webhooks import Webhook
from opsportal.console.numbers import setting
from opsportal.console.text import exact

PENDING, FIRING, RESOLVED = "pending", "firing", "resolved"
OPEN = (PENDING, FIRING)
STATES = [(state, state) for state in (PENDING, FIRING, RESOLVED)]
# The subject of the one firing that stands for all that were too many to be notified one by one.
MANY = "\N{HORIZONTAL ELLIPSIS}"
# A subject that fires again within that time flaps; the calm that it needs doubles each time, up to this.
FLAPS_WITHIN = MAX_CALM = timedelta(hours=1)
# As the labels of forms have them, and as they stand after a number.
UNITS = {"minutes": "min", "seconds": "s", "%": "%"}


def subject_digest(subject: str) -> str:
    """Keys may be 2,048 bytes long; what is unique is this."""
    return hashlib.sha256(subject.encode(errors="surrogatepass")).hexdigest()


class RuleQuerySet(models.QuerySet["Rule"]):
    def kept(self) -> "RuleQuerySet":
        """Those that nobody deleted."""
        return self.filter(deleted_at=None)

    def due(self, now: datetime) -> "RuleQuerySet":
        return self.kept().filter(enabled=True, next_at__lte=now).order_by("next_at", "pk")


class Rule(Leased):
    """One thing to be notified of. `condition` names a watch. Nothing that began before `baseline_at` fires."""

    name = models.CharField(max_length=80)
    condition = models.CharField(max_length=40)
    threshold = models.FloatField(null=True, blank=True)
    minimum = models.PositiveIntegerField(null=True, blank=True)
    window_minutes = models.PositiveIntegerField(null=True, blank=True)
    filters = models.JSONField(default=dict, blank=True)
    hold_minutes = models.PositiveIntegerField(default=0)
    calm_minutes = models.PositiveIntegerField(default=5)
    repeat_minutes = models.PositiveIntegerField(default=0)
    enabled = models.BooleanField(default=True)
    webhooks = models.ManyToManyField(Webhook, blank=True, related_name="rules")
    baseline_at = models.DateTimeField(default=timezone.now)
    made_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)
    # What the last evaluation found out.
    next_at = models.DateTimeField(default=timezone.now)
    evaluated_at = models.DateTimeField(null=True, blank=True)
    trouble = models.TextField(blank=True)
    note = models.TextField(blank=True)
    calls = models.PositiveIntegerField(default=0)
    read_units = models.FloatField(default=0)

    objects = RuleQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        default_permissions = ()
        permissions = [
            ("view_alerts", "Can see alerts, their rules and what was delivered"),
            ("acknowledge_alerts", "Can acknowledge and snooze alerts"),
            ("manage_alerts", "Can make and change alert rules and webhooks"),
        ]
        indexes = [models.Index(fields=["enabled", "next_at"], name="alerts_rule_due")]
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(deleted_at=None), name="one_alert_rule_per_name"
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("alerts:rule", args=[self.pk])

    @property
    def watch(self) -> Watch | None:
        return watches.watch(self.condition)

    @property
    def label(self) -> str:
        return self.watch.label if self.watch else self.condition

    def question(self, now: datetime) -> Question:
        """What it asks its watch; what it does not set is as the watch has it now (a setting may have moved)."""
        found = self.watch
        assert found is not None

        def value(own: Any, measure: watches.Measure | None) -> float:
            if own is not None:
                return float(own)
            return measure.default() if measure else 0

        return Question(
            now=now,
            baseline=self.baseline_at,
            threshold=value(self.threshold, found.threshold),
            minimum=int(value(self.minimum, found.minimum)),
            window=timedelta(minutes=value(self.window_minutes, found.window)),
            filters={
                name: str(text) for name, text in self.filters.items() if text and name in found.filters
            },
        )

    @property
    def figures(self) -> list[tuple[str, str]]:
        """(label, value) of what it is set to, for a page."""
        found = self.watch
        if found is None:
            return []
        asked = self.question(timezone.now())
        shown = [
            _with_unit(measure.label, setting(number))
            for measure, number in (
                (found.threshold, asked.threshold),
                (found.minimum, asked.minimum),
                (found.window, asked.window.total_seconds() / 60),
            )
            if measure
        ]
        return [*shown, *((found.filters[name], exact(text)) for name, text in asked.filters.items())]


def _with_unit(label: str, number: str) -> tuple[str, str]:
    """The unit of a form's label, put where a page has it: after the number."""
    name, _, unit = label.removesuffix(")").partition(" (")
    return (name, f"{number} {UNITS[unit]}") if unit in UNITS else (label, number)


class FiringQuerySet(models.QuerySet["Firing"]):
    def open(self) -> "FiringQuerySet":
        return self.filter(state__in=OPEN)


class Firing(models.Model):
    """One time that a rule's condition held for a subject, from when it was seen to when it was over.

    `told`: a webhook is notified of it, and so of its end too. `quiet`: one of many, for which the one of the
    subject `MANY` speaks. `calm_since`: the condition has not been seen since then.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="firings")
    subject = models.TextField(blank=True)
    subject_digest = models.CharField(max_length=64)
    title = models.TextField()
    path = models.TextField(blank=True)
    error = models.TextField(blank=True)
    figures = models.JSONField(default=dict)
    state = models.CharField(max_length=8, choices=STATES)
    since = models.DateTimeField()
    first_seen_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    fired_at = models.DateTimeField(null=True)
    calm_since = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    why_resolved = models.TextField(blank=True)
    flaps = models.PositiveIntegerField(default=0)
    told = models.BooleanField(default=False)
    quiet = models.BooleanField(default=False)
    reminders = models.PositiveIntegerField(default=0)
    reminded_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    # The names then, and whose they were; no id before there were any.
    acknowledged_by = models.CharField(max_length=200, blank=True)
    acknowledged_by_id = models.CharField(max_length=40, blank=True, default="", db_default="")
    snoozed_until = models.DateTimeField(null=True)
    snoozed_by = models.CharField(max_length=200, blank=True)
    snoozed_by_id = models.CharField(max_length=40, blank=True, default="", db_default="")

    objects = FiringQuerySet.as_manager()

    class Meta:
        ordering = ["-first_seen_at", "-pk"]
        default_permissions = ()
        indexes = [
            models.Index(fields=["state", "-first_seen_at"], name="alerts_firing_state"),
            models.Index(fields=["rule", "subject_digest", "-resolved_at"], name="alerts_firing_subject"),
        ]
        constraints = [
            # Whatever else fails, a subject can't fire twice at once.
            models.UniqueConstraint(
                fields=["rule", "subject_digest"],
                condition=Q(state__in=OPEN),
                name="one_open_firing_per_rule_and_subject",
            )
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.state})"

    def get_absolute_url(self) -> str:
        return reverse("alerts:firing", args=[self.pk])

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def is_snoozed(self) -> bool:
        return self.snoozed_until is not None and self.snoozed_until > timezone.now()

    @property
    def tone(self) -> str:
        return {PENDING: "waiting", FIRING: "failed", RESOLVED: "success"}[self.state]

    def calm_needed(self) -> timedelta:
        """How long the condition must be away before this is over: the rule's, doubled for each time it flapped."""
        calm = timedelta(minutes=self.rule.calm_minutes)
        if not self.flaps:
            return calm
        doubled: timedelta = max(calm, timedelta(minutes=1)) * 2 ** min(self.flaps, 10)
        return max(calm, min(doubled, MAX_CALM))
