"""Events put down for the webhooks, in the transaction of what they tell of; `outgoing` sends them."""

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import User

from opsportal.alerts import payloads
from opsportal.alerts.deliveries import Delivery
from opsportal.alerts.rules import Firing
from opsportal.alerts.webhooks import Webhook

LAST = 2**31 - 1  # a resolution comes after every reminder


def tell(firing: Firing, event: str, now: datetime) -> bool:
    """Put the event down for every webhook of its rule that is enabled; whether there is one. What was put down
    already, by whomever, is not put down twice."""
    number = {payloads.FIRED: 0, payloads.STILL: firing.reminders, payloads.OVER: LAST}[event]
    name = event.rpartition(".")[2] + (f".{number}" if event == payloads.STILL else "")
    event_id = f"{firing.pk}.{name}"
    webhooks = firing.rule.webhooks.filter(enabled=True, deleted_at=None)
    body = payloads.of_firing(firing, event, event_id, now)
    return _put(webhooks, firing, event, event_id, number, body, now)


def _put(
    webhooks: Iterable[Webhook],
    firing: Firing | None,
    event: str,
    event_id: str,
    number: int,
    body: str,
    now: datetime,
) -> bool:
    made = [
        Delivery(
            webhook=webhook, firing=firing, event=event, event_id=event_id, number=number, body=body,
            made_at=now, next_at=now,
        )
        for webhook in webhooks
    ]  # fmt: skip
    Delivery.objects.bulk_create(made, ignore_conflicts=True)
    return bool(made)


def test(webhook: Webhook, now: datetime, by: User) -> Delivery:
    """A test for one webhook, sent like all else, and tried once only."""
    delivery = Delivery(webhook=webhook, event=payloads.TEST, made_at=now, next_at=now)
    delivery.event_id = f"{delivery.pk}.test"
    delivery.body = payloads.of_test(webhook.name, delivery.event_id, now, by)
    delivery.save()
    return delivery


def again(delivery: Delivery, now: datetime) -> Delivery:
    """The same event once more, under an id of its own; receivers tell it by the event's."""
    return Delivery.objects.create(
        webhook=delivery.webhook,
        firing=delivery.firing,
        event=delivery.event,
        event_id=delivery.event_id,
        number=delivery.number,
        again=True,
        body=delivery.body,
        made_at=now,
        next_at=now,
    )
