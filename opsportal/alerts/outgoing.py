"""Deliveries sent: claimed, posted, and recorded with what was answered. At least once: a worker that is killed while
it sends leaves its claim to end, and another sends the same event under the same ids.
"""

import random
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
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
# Sent side by side, one to each webhook, so that one that hangs holds up no other.
AT_ONCE = 16
# Seconds between two looks for what is due while something is sent.
LOOK_EVERY = 1.0


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


def deliver_due(over: Callable[[], bool] = lambda: False, meanwhile: Callable[[], int] = lambda: 0) -> int:
    """Send what is due until nothing is, or it is `over`; returns how much was done, with what `meanwhile` did, which is
    called again and again. A receiver holds a thread for as long as it takes, and nothing else."""
    done = 0
    under_way: dict[Future[Answer], Delivery] = {}
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="webhook") as pool:
        while True:
            before = done
            for future in [one for one in under_way if one.done()]:
                _record(under_way.pop(future), future.result(), timezone.now())
                done += 1
            going_on = not over()
            if going_on:
                for delivery in _claimed(under_way.values()):
                    # Made before any thread begins: they touch no database.
                    under_way[pool.submit(_outgoing(delivery, timezone.now()).post)] = delivery
                done += meanwhile()
            if under_way:
                # Not longer than until another is due.
                wait(under_way, 0 if done > before else LOOK_EVERY, FIRST_COMPLETED)
            elif not going_on or done == before:
                return done


def _claimed(under_way: Iterable[Delivery]) -> list[Delivery]:
    """As many as there is room for, of webhooks that nothing is sent to at present."""
    busy = [delivery.webhook_id for delivery in under_way]
    found: list[Delivery] = []
    while len(busy) < AT_ONCE:
        now = timezone.now()
        due = Delivery.objects.due(now).exclude(webhook__in=busy)
        delivery = take(due, now, CLAIM, tries=F("tries") + 1)
        if delivery is None:
            break
        found.append(delivery)
        busy.append(delivery.webhook_id)
    return found


def _outgoing(delivery: Delivery, now: datetime) -> OutgoingDelivery:
    at = int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "opsportal",
        "X-OpsPortal-Event": delivery.event,
        "X-OpsPortal-Event-Id": delivery.event_id,
        "X-OpsPortal-Delivery": str(delivery.pk),
        "webhook-id": delivery.event_id,
        "webhook-timestamp": str(at),
    }
    try:
        valid = delivery.webhook.secrets(now)
    except signing.SecretLost as lost:
        return OutgoingDelivery(delivery, headers, str(lost))
    headers["webhook-signature"] = signing.signature(delivery.event_id, at, delivery.body, valid)
    return OutgoingDelivery(delivery, headers)


def _record(delivery: Delivery, answer: Answer, now: datetime) -> None:
    """The attempt, and what comes of it. Where the claim ended meanwhile, another worker decides what comes next."""
    with transaction.atomic():
        Attempt.objects.create(
            delivery=delivery,
            at=now,
            status=answer.status,
            milliseconds=round(answer.seconds * 1000),
            # On one line: the first line of a traceback or of a page says nothing.
            answer=plain_line(" ".join(answer.body.decode(errors="replace").split()), MAX_KEPT),
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
