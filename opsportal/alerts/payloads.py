"""Events for the webhooks: their bodies, and the deliveries recorded in the transaction of what they are about, which
`outgoing` sends. A body is small, versioned, and holds of the data nothing but ids and the first line of an error."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from opsportal.accounts.actors import user_id
from opsportal.alerts.deliveries import Delivery
from opsportal.alerts.rules import MANY, Firing, Rule
from opsportal.alerts.webhooks import Webhook
from opsportal.console.text import plain_line

VERSION = 1
FIRED, STILL, OVER, TEST = "alert.firing", "alert.reminder", "alert.resolved", "webhook.test"
# Characters: an item's key may have 2,048 bytes.
MAX_ID = 2048
MAX_FIGURES = 20
LAST = 2**31 - 1  # a resolution comes after every reminder


def _figures(firing: Firing) -> dict[str, Any]:
    """Numbers and short texts."""
    found: dict[str, Any] = {}
    for name, value in list(firing.figures.items())[:MAX_FIGURES]:
        found[str(name)[:40]] = value if isinstance(value, int | float) else plain_line(str(value))
    return found


def page_url(path: str) -> str | None:
    """A page of the console for people elsewhere; None where `BASE_URL` is not set."""
    return f"{settings.BASE_URL.rstrip('/')}{path}" if settings.BASE_URL and path else None


def firing_body(firing: Firing, event: str, event_id: str, at: datetime) -> str:
    """The body about a firing. Its `firing` is what its events have in common, `id` what tells them apart."""
    rule, watch = firing.rule, firing.rule.watch
    body: dict[str, Any] = {
        **_head(event, event_id, at),
        "firing": str(firing.pk),
        "rule": _rule(rule),
        "subject": {
            "kind": watch.kind if watch else rule.condition.partition(".")[0],
            "id": "" if firing.subject == MANY else _id(firing.subject),
            "url": page_url(firing.path),
        },
        "state": firing.state,
        "title": plain_line(firing.title),
        "since": _stamp(firing.since),
        "fired_at": _stamp(firing.fired_at),
        "resolved_at": _stamp(firing.resolved_at),
        "figures": _figures(firing),
        "error": plain_line(firing.error) or None,
        "url": page_url(firing.get_absolute_url()),
    }
    if firing.why_resolved:
        body["why"] = plain_line(firing.why_resolved)
    return _json(body)


def test_body(webhook_name: str, event_id: str, at: datetime, by: User) -> str:
    title = f"A test of the webhook {webhook_name}, sent by {by.get_username()}."
    return _json({**_head(TEST, event_id, at), "title": title, "actor_id": user_id(by)})


def _rule(rule: Rule) -> dict[str, Any]:
    return {"id": rule.pk, "name": plain_line(rule.name), "condition": rule.condition}


def _head(event: str, event_id: str, at: datetime) -> dict[str, Any]:
    return {
        "version": VERSION,
        "id": event_id,
        "event": event,
        "at": _stamp(at),
        "environment": settings.OPSPORTAL_ENV,
    }


def _id(subject: str) -> str:
    return subject.encode(errors="replace").decode()[:MAX_ID]


def _stamp(moment: datetime | None) -> str | None:
    """UTC to the second: 2026-11-20T10:00:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _json(body: dict[str, Any]) -> str:
    """In ASCII, so that no receiver can take it for something else."""
    return json.dumps(body, separators=(",", ":"))


# --- Deliveries ----------------------------------------------------------------------------------------


def notify(firing: Firing, event: str, now: datetime) -> bool:
    """Record a delivery of the event to every webhook of its rule that is enabled; whether there is one. What is
    recorded already is not recorded twice, whoever did it."""
    number = {FIRED: 0, STILL: firing.reminders, OVER: LAST}[event]
    name = event.rpartition(".")[2] + (f".{number}" if event == STILL else "")
    event_id = f"{firing.pk}.{name}"
    body = firing_body(firing, event, event_id, now)
    made = [
        Delivery(
            webhook=webhook, firing=firing, event=event, event_id=event_id, number=number, body=body,
            made_at=now, next_at=now,
        )
        for webhook in firing.rule.webhooks.filter(enabled=True, deleted_at=None)
    ]  # fmt: skip
    Delivery.objects.bulk_create(made, ignore_conflicts=True)
    return bool(made)


@dataclass(frozen=True)
class JobEvent:
    """What happened to a job. `number`: its place among the events of the job; `counts`: of its items, when it was
    notified."""

    event: str
    at: datetime
    number: int
    job: str
    action: str
    state: str
    why: str
    reason: str
    by: str
    actor_id: str
    counts: Mapping[str, int]


def job_body(found: JobEvent, event_id: str) -> str:
    """The body about a job."""
    return _json(
        {
            **_head(found.event, event_id, found.at),
            "job": {"id": found.job, "action": found.action, "reason": plain_line(found.reason)},
            "by": plain_line(found.by),
            "actor_id": found.actor_id,
            "state": found.state,
            "why": plain_line(found.why) or None,
            "counts": dict(found.counts),
            "url": page_url(f"/jobs/{found.job}/"),
        }
    )


def notify_of_job(found: JobEvent) -> None:
    """Record a delivery to every webhook that takes the events of jobs. What is recorded already is not recorded twice."""
    now = timezone.now()
    event_id = f"{found.job}.{found.event.rpartition('.')[2]}.{found.number}"
    body = job_body(found, event_id)
    made = [
        Delivery(
            webhook=webhook, event=found.event, event_id=event_id, job=found.job, number=found.number, body=body,
            made_at=now, next_at=now,
        )
        for webhook in Webhook.objects.filter(enabled=True, deleted_at=None, jobs=True)
    ]  # fmt: skip
    Delivery.objects.bulk_create(made, ignore_conflicts=True)


def test_delivery(webhook: Webhook, now: datetime, by: User) -> Delivery:
    """A test for one webhook, sent like all others, and tried once only."""
    delivery = Delivery(webhook=webhook, event=TEST, made_at=now, next_at=now)
    delivery.event_id = f"{delivery.pk}.test"
    delivery.body = test_body(webhook.name, delivery.event_id, now, by)
    delivery.save()
    return delivery


def redelivery(delivery: Delivery, now: datetime) -> Delivery:
    """The same event once more, under an id of its own; its receiver knows it by the event's id."""
    return Delivery.objects.create(
        webhook=delivery.webhook,
        firing=delivery.firing,
        job=delivery.job,
        event=delivery.event,
        event_id=delivery.event_id,
        number=delivery.number,
        again=True,
        body=delivery.body,
        made_at=now,
        next_at=now,
    )
