"""How often something may be tried: counted before it is evaluated, in one statement of the database.

A count that is read, checked and written in steps lets through whoever comes in between, and a password takes 0.2 s to
check. The shared cache can't count in one step, and throws counts away when it is full. A window begins with the first
attempt; at its end all is forgotten.
"""

import hashlib
import ipaddress
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.cache import caches
from django.db import connection, models, transaction
from django.db.models import F

# Seconds between two deletions of what is over, in each process.
FORGET_EVERY = 3_600
# Seconds that clocks of instances may differ, and that an attempt may wait for its turn in the database.
SKEW = 60


class Attempts(models.Model):
    """`key`: a digest, since names and addresses are anyone's text. `until`: seconds since 1970, the window's end."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    until = models.FloatField(db_index=True)

    class Meta:
        default_permissions = ()
        verbose_name_plural = "attempts"

    def __str__(self) -> str:
        return f"{self.count} until {self.until}"


@dataclass(frozen=True)
class Limit:
    """At most `most` attempts of `key` in `seconds`; 0: no limit. `name` keeps the keys of limits apart."""

    name: str
    most: int
    seconds: int
    key: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.name}\n{self.key}".encode(errors="replace")).hexdigest()


@dataclass(frozen=True)
class Exceeded:
    """Which limit, and for how many whole seconds yet."""

    limit: Limit
    wait: int


def take(limits: Sequence[Limit]) -> Exceeded | None:
    """Count one attempt by each of the limits, or by none of them where one is exceeded, which is returned."""
    now = time.time()
    for position, limit in enumerate(limits):
        if exceeded := _take(limit, now):
            give_back(limits[:position])
            return exceeded
    return None


def give_back(limits: Sequence[Limit]) -> None:
    """What was taken was no failure."""
    digests = [limit.digest for limit in limits]
    Attempts.objects.filter(key__in=digests, count__gt=0).update(count=F("count") - 1)


# `latest`: a window that ends later is of a clock that was set back since.
_COUNT = """
INSERT INTO accounts_attempts (key, count, until) VALUES (%(key)s, %(more)s, %(until)s)
ON CONFLICT (key) DO UPDATE SET
  count = CASE WHEN accounts_attempts.until > %(now)s AND accounts_attempts.until <= %(latest)s
    THEN accounts_attempts.count + %(more)s ELSE %(more)s END,
  until = CASE WHEN accounts_attempts.until > %(now)s AND accounts_attempts.until <= %(latest)s
    THEN accounts_attempts.until ELSE excluded.until END
"""


def _take(limit: Limit, now: float) -> Exceeded | None:
    if limit.most <= 0:
        return None
    key = limit.digest
    latest = now + limit.seconds + SKEW
    full = Attempts.objects.filter(key=key, count__gte=limit.most, until__gt=now, until__lte=latest)
    if (until := full.values_list("until", flat=True).first()) is not None:  # what is refused writes nothing
        return Exceeded(limit, whole_seconds(until - now))
    total, until = count(limit, now, 1)
    return Exceeded(limit, whole_seconds(until - now)) if total > limit.most else None


def count(limit: Limit, now: float, more: int) -> tuple[int, float]:
    """Count `more` attempts; all that the window has then, and when it ends."""
    key, end = limit.digest, now + limit.seconds
    if caches["process"].add("attempts:forgotten", True, FORGET_EVERY):
        Attempts.objects.filter(until__lte=now).delete()
    with transaction.atomic():  # the row stays as it was written until it is read
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, {"key": key, "now": now, "more": more, "until": end, "latest": end + SKEW})
        row = Attempts.objects.get(key=key)
        if row.count > limit.most:  # what is refused was no attempt
            Attempts.objects.filter(key=key).update(count=limit.most)
    return row.count, row.until


def whole_seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds))


def network(address: str) -> str:
    """Whose address it is: of IPv6 anyone has 2^64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(parsed if parsed.version == 4 else ipaddress.ip_network((parsed, 64), strict=False))
