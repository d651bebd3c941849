"""Deliveries sent: claimed, posted, and recorded with what was answered. At least once: a worker that is killed while
it sends leaves its claim to end, and another sends the same event under the same ids.
"""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from opsportal.alerts import changes, payloads, sending, signing
from opsportal.alerts.deliveries import CANCELLED, FAILED, PENDING, SENT, Attempt, Delivery
from opsportal.alerts.leases import give_back, take
from opsportal.alerts.webhooks import Webhook
from opsportal.console.text import plain_line
from opsportal.outbound import Answer

# Seconds after each try until the next: eight tries in about six hours.
PAUSES = (30, 120, 480, 1_200, 2_700, 5_400, 10_800)
JITTER = 0.2
# What a receiver may ask for at most.
MAX_WAIT = timedelta(hours=6)
# Characters of an answer that are kept.
MAX_KEPT = 200
# Longer than a try can take.
CLAIM = timedelta(seconds=60)
# Sent side by side, and of them to one webhook, so that one that hangs does not hold up the others.
AT_ONCE, AT_ONCE_EACH = 8, 2


@dataclass(frozen=True)
class OutgoingDelivery:
    """What goes out, made before any thread begins: they touch no database."""

    delivery: Delivery
    headers: dict[str, str]
    error: str = ""

    def post(self) -> Answer:
        if self.error:
            return Answer(error=self.error)
        return sending.post(self.delivery.webhook.url, self.delivery.body.encode(), self.headers)


def deliver_due(now: datetime | None = None) -> int:
    """Send some of what is due; returns how many were tried."""
    now = now or timezone.now()
    claimed = _claimed(now)
    if not claimed:
        return 0
    outgoing = [_outgoing(delivery, timezone.now()) for delivery in claimed]
    if len(outgoing) == 1:
        answers: Sequence[Answer] = [outgoing[0].post()]
    else:
        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="webhook") as pool:
            answers = list(pool.map(OutgoingDelivery.post, outgoing))
    for delivery, answer in zip(claimed, answers, strict=True):
        _record(delivery, answer, timezone.now())
    return len(claimed)


def _claimed(now: datetime) -> list[Delivery]:
    found: list[Delivery] = []
    while len(found) < AT_ONCE:
        webhooks = [delivery.webhook_id for delivery in found]
        busy = {webhook for webhook in webhooks if webhooks.count(webhook) >= AT_ONCE_EACH}
        due = Delivery.objects.due(now).exclude(webhook__in=busy).exclude(pk__in=[one.pk for one in found])
        delivery = take(due, now, CLAIM, tries=F("tries") + 1)
        if delivery is None:
            break
        found.append(delivery)
    return found


def _outgoing(delivery: Delivery, now: datetime) -> OutgoingDelivery:
    at = int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "opsportal",
        "X-OpsPortal-Event": delivery.event,
        "X-OpsPortal-Event-Id": delivery.event_id,
        "X-OpsPortal-Delivery": str(delivery.pk),
    }
    try:
        valid = delivery.webhook.secrets(now)
    except signing.SecretLost as lost:
        return OutgoingDelivery(delivery, headers, str(lost))
    headers["X-OpsPortal-Signature"] = signing.signature(delivery.body.encode(), at, valid)
    return OutgoingDelivery(delivery, headers)


def _record(delivery: Delivery, answer: Answer, now: datetime) -> None:
    """The attempt, and what comes of it. Where the claim ended meanwhile, another worker decides what comes next."""
    with transaction.atomic():
        Attempt.objects.create(
            delivery=delivery,
            at=now,
            status=answer.status,
            milliseconds=round(answer.seconds * 1000),
            answer=plain_line(answer.body.decode(errors="replace"), MAX_KEPT),
            error=answer.error.replace("\x00", ""),
        )
        give_back(delivery, **_next(delivery, answer, now))
        if answer.status == 410:
            _gone(delivery.webhook, now)


def _next(delivery: Delivery, answer: Answer, now: datetime) -> dict[str, Any]:
    if answer.is_success:
        return {"state": SENT, "done_at": now}
    most = 1 if delivery.event == payloads.TEST else len(PAUSES) + 1
    if delivery.tries >= most or answer.status == 410:
        return {"state": FAILED, "done_at": now}
    return {"next_at": now + pause(delivery.tries, answer)}


def pause(tries: int, answer: Answer) -> timedelta:
    """Until the next try, after so many. A Retry-After of 429 and 503 can make it longer, not shorter."""
    usual = PAUSES[min(tries, len(PAUSES)) - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
    asked = answer.wait if answer.wait and answer.status in (429, 503) else 0
    return min(timedelta(seconds=max(usual, asked)), MAX_WAIT)


def _gone(webhook: Webhook, now: datetime) -> None:
    """410: the receiver wants nothing any more."""
    why = "It answered 410 Gone."
    if Webhook.objects.filter(pk=webhook.pk, enabled=True).update(enabled=False, why_disabled=why):
        changes.record(None, "webhook:disable", webhook, {"why": ["", why]})
    cancel_all(webhook, now)


def cancel_all(webhook: Webhook, now: datetime) -> None:
    """Nothing that waits for this webhook is sent any more."""
    webhook.deliveries.filter(state=PENDING).update(
        state=CANCELLED, done_at=now, fence=F("fence") + 1, leased_until=None
    )
