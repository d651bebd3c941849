"""Rows that one worker at a time works on: a lease that ends by itself, and a fencing number that tells whose
it is. Whoever took the row later has the higher one, and what an earlier holder still writes finds nothing.
"""

from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import connections, models, transaction
from django.db.models import F, Q

# A conditional update that found the row taken is another worker's success; a few of them in a row are enough.
TRIES = 5


class Leased(models.Model):
    """`leased_until` is the end of the lease, None when there is none."""

    fence = models.PositiveBigIntegerField(default=0)
    leased_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


Row = TypeVar("Row", bound=Leased)


def take(due: "models.QuerySet[Row]", now: datetime, length: timedelta, **changes: Any) -> Row | None:
    """The first of these rows that nobody holds, now held; None when there is none. `changes` are written with
    the lease.

    The update is conditional on the fencing number, so two workers never have the same row, on any database.
    Where rows can be locked and skipped (PostgreSQL), workers do not wait for one another either.
    """
    model = due.model
    using = due.db
    for _ in range(TRIES):
        with transaction.atomic(using=using):
            free = due.filter(Q(leased_until=None) | Q(leased_until__lt=now))
            if connections[using].features.has_select_for_update_skip_locked:
                free = free.select_for_update(skip_locked=True, of=("self",))
            row = free.first()
            if row is None:
                return None
            mine = model._default_manager.using(using).filter(pk=row.pk, fence=row.fence)
            if mine.update(fence=F("fence") + 1, leased_until=now + length, **changes):
                row.refresh_from_db()
                return row
    return None


def give_back(row: Leased, **changes: Any) -> bool:
    """Write `changes` and end the lease; False, and nothing is written, where the row is another's by now."""
    mine = type(row)._default_manager.filter(pk=row.pk, fence=row.fence)
    return bool(mine.update(leased_until=None, **changes))
