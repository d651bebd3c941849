"""Notifications to webhooks, and each attempt to deliver them."""

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from opsportal.alerts.leases import Leased
from opsportal.alerts.rules import Firing
from opsportal.alerts.webhooks import Webhook

PENDING, SENT, FAILED, CANCELLED = "pending", "sent", "failed", "cancelled"
STATES = [(state, state) for state in (PENDING, SENT, FAILED, CANCELLED)]
TONES = {PENDING: "waiting", SENT: "success", FAILED: "failed", CANCELLED: "attention"}


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self, now: datetime) -> "DeliveryQuerySet":
        """Those to be tried, of webhooks that are enabled. What comes before for the same firing, or job, and webhook goes
        first, so that no receiver gets the end before the beginning."""
        earlier = Delivery.objects.filter(
            Q(firing=OuterRef("firing")) | Q(job=OuterRef("job")) & ~Q(job=""),
            webhook=OuterRef("webhook"),
            state=PENDING,
            number__lt=OuterRef("number"),
        )
        waiting = self.filter(
            state=PENDING, next_at__lte=now, webhook__enabled=True, webhook__deleted_at=None
        )
        return waiting.filter(~Exists(earlier)).order_by("next_at", "made_at")


class Delivery(Leased):
    """One event for one webhook. `event_id` is the event's, the same for all its webhooks and when it is sent
    again; `number` its place among the events of its firing, or of its `job`. `body` is sent as it is."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    firing = models.ForeignKey(Firing, on_delete=models.SET_NULL, null=True, related_name="deliveries")
    job = models.CharField(max_length=40, blank=True, default="", db_default="")
    event = models.CharField(max_length=20)
    event_id = models.CharField(max_length=80)
    number = models.PositiveIntegerField(default=0)
    again = models.BooleanField(default=False)
    body = models.TextField()
    state = models.CharField(max_length=9, choices=STATES, default=PENDING)
    tries = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(default=timezone.now)
    made_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-made_at", "-pk"]
        default_permissions = ()
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["state", "next_at"], name="alerts_delivery_due"),
            models.Index(fields=["-made_at"], name="alerts_delivery_made"),
        ]
        constraints = [
            # Whoever evaluates, an event is delivered once; a person may have it sent again.
            models.UniqueConstraint(
                fields=["webhook", "event_id"], condition=Q(again=False), name="one_delivery_per_event"
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook} ({self.state})"

    def get_absolute_url(self) -> str:
        return reverse("alerts:delivery", args=[self.pk])

    @property
    def tone(self) -> str:
        return TONES[self.state]


class Attempt(models.Model):
    """One try. `status`: None where there was no HTTP answer; `error` says why. `answer`: its first characters."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    milliseconds = models.PositiveIntegerField()
    answer = models.CharField(max_length=200, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["at", "pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.status or self.error}"
