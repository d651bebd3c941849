"""The worker's task: evaluate the rules that are due, send what is due, delete what is old."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils import timezone

from opsportal.accounts.changes import Change
from opsportal.alerts import outgoing
from opsportal.alerts.deliveries import PENDING, Delivery
from opsportal.alerts.evaluation import evaluate_next
from opsportal.alerts.rules import RESOLVED, Firing
from opsportal.dynamo.tables import Binding
from opsportal.operations.tasks import NotNow, Over, Task

# Seconds between two looks for what is old.
FORGET_EVERY = 3_600
# Rows deleted at once.
BATCH = 500


def turn(_: Binding, over: Over) -> int:
    """Send and evaluate until nothing is due; returns how much was done. Raises `NotNow`."""
    done = 0
    try:
        if not over():
            done += outgoing.deliver_due(over, evaluate_next)
        if caches["process"].add("alerts:forgotten", True, FORGET_EVERY):
            forget(timezone.now())
    except DatabaseError as error:
        raise NotNow(f"The database refuses ({error}). Is `manage.py migrate` done?") from error
    return done


# Rules are in the database, not in a location: one turn does them all.
TASK = Task("alerts", turn, per_location=False)


def forget(now: datetime) -> int:
    """Delete what is older than `ALERT_LOG_DAYS`, and changes older than `AUDIT_ENTRY_DAYS`, some at a time."""
    before = now - timedelta(days=settings.ALERT_LOG_DAYS)
    entries = now - timedelta(days=settings.AUDIT_ENTRY_DAYS)
    old: tuple[QuerySet[Any], ...] = (
        Delivery.objects.exclude(state=PENDING).filter(made_at__lt=before),
        Firing.objects.filter(state=RESOLVED, resolved_at__lt=before),
        Change.objects.filter(at__lt=entries),
    )
    count = 0
    for rows in old:
        while keys := list(rows.order_by().values_list("pk", flat=True)[:BATCH]):
            rows.model._default_manager.filter(pk__in=keys).delete()
            count += len(keys)
    return count
