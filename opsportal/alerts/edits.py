"""Changes of rules, webhooks and firings by people: each in one transaction with its entry (`changes`)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from opsportal.accounts.actors import user_id
from opsportal.alerts import outgoing, payloads
from opsportal.alerts.changes import record
from opsportal.alerts.deliveries import Delivery
from opsportal.alerts.evaluation import end_all
from opsportal.alerts.rules import OPEN, Firing, Rule
from opsportal.alerts.watches import Watch
from opsportal.alerts.webhooks import Webhook
from opsportal.console.clock import iso

# What of a rule decides which past it looks at: a change of it starts afresh.
DECIDING = ("threshold", "minimum", "window_minutes", "filters")


def _names(webhooks: Iterable[Webhook]) -> list[str]:
    return sorted(webhook.name for webhook in webhooks)


def make_rule(watch: Watch, values: dict[str, Any], webhooks: Iterable[Webhook], by: User) -> Rule:
    with transaction.atomic():
        rule = Rule.objects.create(condition=watch.name, **values)
        rule.webhooks.set(webhooks)
        values_set = {name: [None, value] for name, value in values.items()}
        record(by, "rule:make", rule, {**values_set, "webhooks": [[], _names(webhooks)]})
    return rule


def edit_rule(rule: Rule, values: dict[str, Any], webhooks: Iterable[Webhook], by: User) -> bool:
    """Whether anything changed. An evaluation under way finds the rule taken, and writes nothing."""
    webhooks = list(webhooks)
    with transaction.atomic():
        rule = Rule.objects.select_for_update().get(pk=rule.pk)
        before, after = _names(rule.webhooks.filter(deleted_at=None)), _names(webhooks)
        changed = {
            name: [getattr(rule, name), value]
            for name, value in values.items()
            if getattr(rule, name) != value
        }
        if before != after:
            changed["webhooks"] = [before, after]
        if not changed:
            return False
        now = timezone.now()
        fields = {name: value for name, value in values.items() if name in changed}
        if set(changed) & set(DECIDING):
            fields["baseline_at"] = now
        _update(rule, next_at=now, **fields)
        rule.webhooks.set(webhooks)
        record(by, "rule:edit", rule, changed)
    return True


def _update(rule: Rule, **fields: Any) -> None:
    """With a new fencing number: what an evaluation under way found is of the rule as it was."""
    Rule.objects.filter(pk=rule.pk).update(fence=F("fence") + 1, leased_until=None, **fields)


def switch_rule(rule: Rule, enabled: bool, by: User) -> None:
    """Enable, from now on; or disable, which ends what fires."""
    now = timezone.now()
    with transaction.atomic():
        rule = Rule.objects.select_for_update().get(pk=rule.pk)
        if rule.enabled == enabled:
            return
        if enabled:
            _update(rule, enabled=True, baseline_at=now, next_at=now, trouble="", note="")
        else:
            _update(rule, enabled=False)
            end_all(rule, "The rule was disabled.", now)
        record(by, "rule:enable" if enabled else "rule:disable", rule)


def delete_rule(rule: Rule, by: User) -> None:
    """For good; what fired by it stays in the log for as long as all else."""
    now = timezone.now()
    with transaction.atomic():
        rule = Rule.objects.select_for_update().get(pk=rule.pk)
        if rule.deleted_at:
            return
        _update(rule, enabled=False, deleted_at=now)
        end_all(rule, "The rule was deleted.", now)
        record(by, "rule:delete", rule)


# --- Webhooks --------------------------------------------------------------------------------------------


def make_webhook(name: str, url: str, by: User, *, jobs: bool = False) -> tuple[Webhook, str]:
    """The webhook and its secret, which is not shown again."""
    webhook = Webhook(name=name, url=url, jobs=jobs)
    secret = webhook.new_secret()
    with transaction.atomic():
        webhook.save()
        record(
            by,
            "webhook:make",
            webhook,
            {"url": [None, webhook.origin], **({"jobs": [None, True]} if jobs else {})},
        )
    return webhook, secret


def edit_webhook(webhook: Webhook, name: str, url: str, by: User, *, jobs: bool = False) -> bool:
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update().get(pk=webhook.pk)
        changed: dict[str, list[Any]] = {}
        if webhook.name != name:
            changed["name"] = [webhook.name, name]
        if webhook.url != url:
            # The path may be a secret itself.
            before, webhook.url = webhook.origin, url
            changed["url"] = [before, webhook.origin]
        if webhook.jobs != jobs:
            changed["jobs"] = [webhook.jobs, jobs]
        if not changed:
            return False
        webhook.name, webhook.jobs = name, jobs
        webhook.save(update_fields=["name", "url", "jobs"])
        record(by, "webhook:edit", webhook, changed)
    return True


def renew_secret(webhook: Webhook, by: User) -> str:
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update().get(pk=webhook.pk)
        secret = webhook.new_secret()
        webhook.save(update_fields=["nonce", "digest", "old_nonce", "old_digest", "old_until"])
        record(by, "webhook:new_secret", webhook)
    return secret


def switch_webhook(webhook: Webhook, enabled: bool, by: User) -> None:
    with transaction.atomic():
        changed = Webhook.objects.filter(pk=webhook.pk, enabled=not enabled).update(
            enabled=enabled,
            why_disabled="" if enabled else f"{by.get_username()} ({user_id(by)}) disabled it.",
        )
        if not changed:
            return
        if not enabled:
            outgoing.cancel_all(webhook, timezone.now())
        record(by, "webhook:enable" if enabled else "webhook:disable", webhook)


def delete_webhook(webhook: Webhook, by: User) -> None:
    now = timezone.now()
    with transaction.atomic():
        if Webhook.objects.filter(pk=webhook.pk, deleted_at=None).update(enabled=False, deleted_at=now):
            outgoing.cancel_all(webhook, now)
            record(by, "webhook:delete", webhook)


def test_webhook(webhook: Webhook, by: User) -> Delivery:
    with transaction.atomic():
        delivery = payloads.test_delivery(webhook, timezone.now(), by)
        record(by, "webhook:test", webhook, {"delivery": [None, str(delivery.pk)]})
    return delivery


def redeliver(delivery: Delivery, by: User) -> Delivery:
    with transaction.atomic():
        made = payloads.redelivery(delivery, timezone.now())
        record(by, "delivery:again", delivery, {"delivery": [str(delivery.pk), str(made.pk)]})
    return made


# --- Firings ---------------------------------------------------------------------------------------------


def acknowledge(firing: Firing, by: User, now: datetime) -> bool:
    """Somebody takes care of it: no reminders. False where it is over, or acknowledged already."""
    with transaction.atomic():
        mine = Firing.objects.filter(pk=firing.pk, state__in=OPEN, acknowledged_at=None)
        who = {"acknowledged_by": by.get_username(), "acknowledged_by_id": user_id(by)}
        done = bool(mine.update(acknowledged_at=now, **who))
        if done:
            record(by, "alert:acknowledge", firing)
    return done


def snooze(firing: Firing, hours: int, by: User, now: datetime) -> bool:
    """No notifications of this subject by this rule until then, even if it fires again; 0 ends it."""
    until = now + timedelta(hours=hours) if hours else None
    with transaction.atomic():
        mine = Firing.objects.filter(pk=firing.pk, state__in=OPEN)
        before = mine.select_for_update().values_list("snoozed_until", flat=True).first()
        name, whose = (by.get_username(), user_id(by)) if hours else ("", "")
        done = bool(mine.update(snoozed_until=until, snoozed_by=name, snoozed_by_id=whose))
        if done:
            pair = [iso(moment) if moment else None for moment in (before, until)]
            record(by, "alert:snooze", firing, {"snoozed_until": pair})
    return done
