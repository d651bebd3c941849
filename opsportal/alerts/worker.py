"""The worker's chore: evaluate the rules that are due, send what is due, forget what is old."""

import logging
import threading
import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connections
from django.db.models import QuerySet
from django.utils import timezone

from opsportal.alerts import outgoing
from opsportal.alerts.changes import Change
from opsportal.alerts.deliveries import PENDING, Delivery
from opsportal.alerts.evaluation import evaluate_next
from opsportal.alerts.rules import RESOLVED, Firing
from opsportal.dynamo.tables import Binding
from opsportal.operations.tables import places

logger = logging.getLogger(__name__)

# Seconds that one turn may evaluate rules for: the outbox waits meanwhile.
TURN = 5.0
# Seconds between two looks for what is old, and after trouble with the database, which is told once.
FORGET_EVERY, AFTER_TROUBLE = 3_600.0, 30.0
# Rows deleted at once.
BATCH = 500


class _Turns:
    """When this process does what next (monotonic seconds)."""

    forget_at = 0.0
    not_before = 0.0
    told = ""


def chore(table: Binding, stop: threading.Event) -> int:
    """One turn; returns how much was done. Called for each place, and done for the first alone: rules are not of
    a place."""
    if table.place != places()[0].place or time.monotonic() < _Turns.not_before:
        return 0
    _renew_connections()
    try:
        done = turn(stop)
    except DatabaseError as error:
        _Turns.not_before = time.monotonic() + AFTER_TROUBLE
        if _Turns.told != str(error):
            logger.warning("alerts: the database refuses (%s). Is `manage.py migrate` done?", error)
        _Turns.told = str(error)
        return 0
    if _Turns.told:
        logger.warning("alerts: going on")
        _Turns.told = ""
    return done


def _renew_connections() -> None:
    """As Django does around a request, for a process that has none; not within a transaction, which a caller may
    have begun."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def turn(stop: threading.Event | None = None) -> int:
    """Send, evaluate, send what that put down."""
    done = outgoing.deliver_due()
    until = time.monotonic() + TURN
    while time.monotonic() < until and not (stop and stop.is_set()) and evaluate_next():
        done += 1
    done += outgoing.deliver_due()
    if time.monotonic() >= _Turns.forget_at:
        _Turns.forget_at = time.monotonic() + FORGET_EVERY
        forget(timezone.now())
    return done


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
