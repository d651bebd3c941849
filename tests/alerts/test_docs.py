"""docs/alerts.md and docs/webhooks.md are true."""

import json
import re
import time
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from opsportal.alerts import outgoing, payloads, signing, watches
from opsportal.alerts.models import Rule, Webhook
from opsportal.alerts.outgoing import deliver_due
from tests.alerts.conftest import Weather
from tests.alerts.receivers import Receiver
from tests.test_docs import blocks, text_of

TEXT = text_of("docs/webhooks.md")


def test_the_example_of_a_receiver_accepts_what_is_sent_and_nothing_else(
    webhook: Webhook, receiver: Receiver, weather: Weather, rule_of: Any
) -> None:
    (example,) = blocks(TEXT, "python")
    names: dict[str, Any] = {}
    exec(compile(example, "docs/webhooks.md", "exec"), names)
    is_genuine, secret = names["is_genuine"], webhook.secret  # type: ignore[attr-defined]
    rule_of("test.weather", webhook)
    weather.shows("oslo", since=timezone.now() + timedelta(seconds=1))
    from opsportal.alerts.evaluation import evaluate_next

    evaluate_next()
    new = webhook.new_secret()
    webhook.save()
    deliver_due()
    (got,) = receiver.got
    headers = got.headers
    assert is_genuine(headers, got.body, secret)
    assert is_genuine(headers, got.body, new)
    assert not is_genuine(headers, got.body, signing.secret_of("another"))
    assert not is_genuine(headers, got.body + b" ", secret)
    assert not is_genuine({**headers, "webhook-id": "another"}, got.body, secret)
    assert not is_genuine({**headers, "webhook-signature": "v1,AAAA"}, got.body, secret)
    assert not is_genuine({}, got.body, secret)
    at = int(time.time()) - 301
    signed = signing.signature(headers["webhook-id"], at, got.body.decode(), [secret])
    late = {**headers, "webhook-timestamp": str(at), "webhook-signature": signed}
    assert not is_genuine(late, got.body, secret)
    # The body has the documented members, in their order.
    said, _ = blocks(TEXT, "json")
    assert list(got.json) == list(json.loads(said))
    for part in ("rule", "subject"):
        assert list(got.json[part]) == list(json.loads(said)[part])
    assert json.loads(said)["version"] == payloads.VERSION


def test_every_condition_has_its_row() -> None:
    named = set(
        re.findall(r"`((?:workflow|request|agent|table|message|case)\.\w+)`", text_of("docs/alerts.md"))
    )
    assert named == {watch.name for watch in watches.watches()}


def test_every_header_and_event_is_named(webhook: Webhook, receiver: Receiver) -> None:
    payloads.test_delivery(webhook, timezone.now(), User(pk=7, username="olga"))
    deliver_due()
    sent = {name for name in receiver.got[0].headers if name.startswith(("x-", "webhook-"))}
    assert sent == {name.lower() for name in re.findall(r"^\| `((?:X|webhook)-[\w-]+)`", TEXT, re.M)}
    for event in (payloads.FIRED, payloads.STILL, payloads.OVER, payloads.TEST):
        assert f"`{event}`" in TEXT


def test_documented_pauses_are_those_of_deliveries() -> None:
    said = re.search(r"tried again after 30 seconds, ([\d, ]+) and (\d+) minutes", TEXT)
    assert said
    minutes = [int(number) for number in (*said[1].split(", "), said[2])]
    assert [30, *(60 * number for number in minutes)] == list(outgoing.PAUSES)


def test_a_rule_shows_its_figures_and_filters(rule_of: Any) -> None:
    rule: Rule = rule_of("request.failure_rate", threshold=12.5, filters={"project": "p", "gone": "x"})
    assert rule.figures == [
        ("Failure rate", "12.5 %"),
        ("Minimum number that ended", "10"),
        ("Created within", "60 min"),
        ("Project", "p"),
    ]
