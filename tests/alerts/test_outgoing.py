"""Deliveries: signed, tried again for hours, put down, and in order."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from standardwebhooks.webhooks import Webhook as Verifier

from opsportal.alerts import edits, outgoing, payloads
from opsportal.alerts.evaluation import evaluate_next
from opsportal.alerts.models import Attempt, Change, Delivery, Firing, Rule, Webhook
from opsportal.alerts.outgoing import PAUSES, deliver_due, pause
from opsportal.alerts.worker import forget
from opsportal.outbound import Answer
from tests.alerts.conftest import Weather
from tests.alerts.receivers import Receiver, Says


@pytest.fixture
def fired(weather: Weather, rule_of: Callable[..., Rule], webhook: Webhook) -> Firing:
    """A firing whose beginning is to be told."""
    rule_of("test.weather", webhook, name="Rain")
    weather.shows("oslo", since=timezone.now() + timedelta(seconds=1), error="wet\n\tfeet")
    assert evaluate_next()
    return Firing.objects.get()


def again(*, hours: float = 0) -> Delivery:
    """Make what waits due, and send it."""
    Delivery.objects.filter(state="pending").update(next_at=timezone.now())
    deliver_due()
    delivery = Delivery.objects.order_by("made_at", "number").last()
    assert delivery is not None
    return delivery


def test_an_event_is_told_with_its_signature(
    fired: Firing, webhook: Webhook, receiver: Receiver, settings: Any
) -> None:
    assert deliver_due() == 1
    (got,) = receiver.got
    delivery = Delivery.objects.get()
    assert got.headers["x-opsportal-event"] == "alert.firing"
    assert got.headers["x-opsportal-event-id"] == got.json["id"] == f"{fired.pk}.firing"
    assert got.headers["x-opsportal-delivery"] == str(delivery.pk)
    assert got.headers["webhook-id"] == got.json["id"]
    assert Verifier(webhook.secret).verify(got.body, got.headers) == got.json  # type: ignore[attr-defined]
    assert abs(int(got.headers["webhook-timestamp"]) - timezone.now().timestamp()) < 60
    assert (delivery.state, delivery.tries, delivery.leased_until) == ("sent", 1, None)
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.answer) == (200, "thanks")
    assert deliver_due() == 0


def test_the_body_is_small_and_holds_nothing_but_ids_figures_and_a_line(
    weather: Weather, rule_of: Callable[..., Rule], webhook: Webhook, receiver: Receiver, settings: Any
) -> None:
    settings.BASE_URL = "https://ops.example.com/"
    rule = rule_of("test.weather", webhook, name="Rain\u202e")
    nasty = "\x00\n  \u202e<b>wet\x1b[31m\u2028 feet</b>" + "é" * 400 + "\nsecond line"
    weather.shows("o\u202esl\ud800o", since=timezone.now() + timedelta(seconds=1), error=nasty)
    evaluate_next()
    deliver_due()
    (got,) = receiver.got
    assert got.body.isascii()
    assert len(got.body) < 4_000
    body = got.json
    assert body["error"].startswith("<b>wet feet</b>éé")
    assert len(body["error"]) == 200
    assert body["rule"] == {"id": rule.pk, "name": "Rain", "condition": "test.weather"}
    assert body["subject"] == {"kind": "place", "id": "o\u202esl?o", "url": "https://ops.example.com/"}
    assert body["figures"] == {"mm": 3}
    assert body["url"] == f"https://ops.example.com/alerts/{Firing.objects.get().pk}/"
    assert (body["version"], body["environment"], body["state"]) == (1, "dev", "firing")
    settings.BASE_URL = ""
    assert (
        json.loads(payloads.firing_body(Firing.objects.get(), "alert.firing", "x", timezone.now()))["url"]
        is None
    )


def test_what_fails_is_tried_eight_times_over_six_hours(fired: Firing, receiver: Receiver) -> None:
    receiver.says(Says(500, b"oops"))
    for number, seconds in enumerate(PAUSES, 1):
        delivery = again()
        assert (delivery.state, delivery.tries) == ("pending", number)
        wait = (delivery.next_at - timezone.now()).total_seconds()
        assert 0.79 * seconds < wait < 1.21 * seconds
        assert deliver_due() == 0
    delivery = again()
    assert (delivery.state, delivery.tries, len(receiver.got)) == ("failed", 8, 8)
    assert 5.5 * 3600 < sum(PAUSES) < 6.5 * 3600
    for header in ("x-opsportal-delivery", "webhook-id"):
        assert len({got.headers[header] for got in receiver.got}) == 1
    assert [attempt.status for attempt in Attempt.objects.all()] == [500] * 8
    assert again().tries == 8


def test_the_log_keeps_the_start_of_an_answer_on_one_line(fired: Firing, receiver: Receiver) -> None:
    receiver.says(Says(500, b"x" * 5_000_000), Says(202, b"\n  queued\x07 as 7 \nmore"))
    again()
    again()
    long, short = Attempt.objects.order_by("at")
    assert (long.status, len(long.answer)) == (500, 200)
    assert (short.status, short.answer, short.error) == (202, "queued as 7 more", "")


def test_no_two_pauses_are_alike() -> None:
    assert len({pause(3, Answer(status=500)) for _ in range(20)}) > 10


@pytest.mark.parametrize(
    ("status", "wait", "least", "most"),
    [
        (429, 900, 900, 900),
        (503, 900, 900, 900),
        (500, 900, 24, 36),
        (429, 1, 24, 36),
        (429, 10**8, 21_600, 21_600),
    ],
)
def test_a_receiver_may_ask_for_more_time(status: int, wait: float, least: int, most: int) -> None:
    assert (
        least <= pause(1, Answer(status=status, headers={"Retry-After": str(wait)})).total_seconds() <= most
    )


def test_gone_disables_the_webhook_and_says_so(fired: Firing, receiver: Receiver, webhook: Webhook) -> None:
    receiver.says(Says(410))
    payloads.test_delivery(webhook, timezone.now() + timedelta(minutes=1), User(pk=7, username="olga"))
    deliver_due()
    webhook.refresh_from_db()
    assert (webhook.enabled, webhook.why_disabled) == (False, "It answered 410 Gone.")
    assert sorted(Delivery.objects.values_list("state", flat=True)) == ["cancelled", "failed"]
    change = Change.objects.get()
    assert (change.actor, change.verb) == ("worker", "webhook:disable")
    assert again().state == "cancelled"
    assert len(receiver.got) == 1


def test_an_end_waits_for_its_beginning(fired: Firing, weather: Weather, receiver: Receiver) -> None:
    receiver.says(Says(500), Says(200))
    deliver_due()
    weather.shows(since=timezone.now())
    Rule.objects.update(next_at=timezone.now())
    assert evaluate_next()
    assert deliver_due() == 0  # the beginning is to be tried again first
    Delivery.objects.update(next_at=timezone.now())
    assert deliver_due() == 2
    assert receiver.events == ["alert.firing", "alert.firing", "alert.resolved"]
    assert receiver.got[-1].json["why"] == "It is dry."


def test_a_webhook_that_hangs_does_not_hold_up_the_others(
    webhook: Webhook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [Webhook(name=f"other {number}", url=receiver.url + f"/{number}") for number in range(3)]
    for other in others:
        other.new_secret()
        other.save()
    for one in (webhook, webhook, webhook, *others):
        payloads.test_delivery(one, timezone.now(), User(pk=7, username="olga"))
    release, meanwhile = threading.Event(), []

    def holds(got: Any) -> Says:
        if got.path == "/hook":
            release.wait(30)
        return Says()

    def done() -> int:
        """While the first receiver holds its one thread: what others get, a new event too, and rules are evaluated."""
        sent = Delivery.objects.filter(state="sent").count()
        if not meanwhile and sent == 3:
            meanwhile.append(payloads.test_delivery(others[0], timezone.now(), User(pk=7, username="olga")))
            return 1
        if sent == 4 and not release.is_set():
            assert sum(got.path == "/hook" for got in receiver.got) == 1
            release.set()
        return 0

    receiver.answer = holds
    monkeypatch.setattr(outgoing, "LOOK_EVERY", 0.05)
    assert deliver_due(meanwhile=done) == 8
    assert release.is_set()
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}


def test_a_test_is_tried_once(webhook: Webhook, receiver: Receiver, administrator: Any) -> None:
    receiver.says(Says(500))
    delivery = edits.test_webhook(webhook, administrator)
    deliver_due()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries) == ("failed", 1)
    assert receiver.got[0].json["title"] == "A test of the webhook pager, sent by administrator."
    assert Change.objects.get().verb == "webhook:test"


def test_sent_again_it_is_the_same_event(fired: Firing, receiver: Receiver, administrator: Any) -> None:
    deliver_due()
    edits.redeliver(Delivery.objects.get(), administrator)
    deliver_due()
    first, second = receiver.got
    assert first.body == second.body
    assert first.headers["x-opsportal-event-id"] == second.headers["x-opsportal-event-id"]
    assert first.headers["x-opsportal-delivery"] != second.headers["x-opsportal-delivery"]


def test_while_a_secret_changes_both_sign(webhook: Webhook, receiver: Receiver, administrator: Any) -> None:
    old = webhook.secret  # type: ignore[attr-defined]
    new = edits.renew_secret(webhook, administrator)
    payloads.test_delivery(webhook, timezone.now(), User(pk=7, username="olga"))
    deliver_due()
    got = receiver.got[0]
    assert got.headers["webhook-signature"].count("v1,") == 2
    for secret in (new, old):
        Verifier(secret).verify(got.body, got.headers)


def test_without_its_secret_nothing_is_sent_and_the_log_says_why(
    fired: Firing, receiver: Receiver, settings: Any
) -> None:
    settings.SECRET_KEY = "another"
    deliver_due()
    assert receiver.got == []
    assert "give it a new secret" in Attempt.objects.get().error
    assert Delivery.objects.get().state == "pending"


def test_after_a_change_of_secret_key_a_fallback_signs_as_before(
    webhook: Webhook, receiver: Receiver, administrator: Any, settings: Any
) -> None:
    secret = webhook.secret  # type: ignore[attr-defined]
    payloads.test_delivery(webhook, timezone.now(), administrator)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    deliver_due()
    got = receiver.got[0]
    Verifier(secret).verify(got.body, got.headers)


def test_a_claim_that_ended_while_it_was_sent_decides_nothing(
    fired: Firing, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = outgoing.OutgoingDelivery.post

    taken = threading.Event()

    def slowly(one: outgoing.OutgoingDelivery) -> Answer:
        answer = send(one)
        taken.wait(30)
        return answer

    def takes_it() -> int:
        Delivery.objects.update(fence=99)  # another worker
        taken.set()
        return 0

    monkeypatch.setattr(outgoing.OutgoingDelivery, "post", slowly)
    deliver_due(meanwhile=takes_it)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.fence, Attempt.objects.count()) == ("pending", 99, 1)


def test_old_lines_are_forgotten_and_open_ones_kept(
    fired: Firing, weather: Weather, webhook: Webhook, settings: Any
) -> None:
    outgoing.deliver_due()
    long_ago = timezone.now() - timedelta(days=31)
    Firing.objects.create(
        rule=fired.rule, subject="x", subject_digest="x", title="x", state="resolved", since=long_ago,
        first_seen_at=long_ago, seen_at=long_ago, resolved_at=long_ago,
    )  # fmt: skip
    waiting = payloads.test_delivery(webhook, long_ago, User(pk=7, username="olga"))
    Delivery.objects.filter(state="sent").update(made_at=long_ago)
    Firing.objects.filter(pk=fired.pk).update(first_seen_at=long_ago)
    Change.objects.create(actor="a", verb="v", target="t", target_id="1", at=long_ago)
    assert forget(timezone.now()) == 2
    assert list(Firing.objects.all()) == [fired]
    assert list(Delivery.objects.all()) == [waiting]
    settings.AUDIT_ENTRY_DAYS = 30
    assert forget(timezone.now()) == 1
