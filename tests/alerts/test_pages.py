"""The pages of the alerts: who sees what, the forms, and the trail of what was changed."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from opsportal.accounts.actors import user_id
from opsportal.alerts import edits, payloads
from opsportal.alerts.evaluation import evaluate, evaluate_next
from opsportal.alerts.models import Change, Delivery, Firing, Rule, Webhook
from opsportal.alerts.outgoing import deliver_due
from opsportal.console.clock import iso
from opsportal.console.text import exact
from tests.alerts.conftest import Weather
from tests.alerts.receivers import Receiver, Says
from tests.alerts.test_watches import failed_workflow
from tests.factories import put
from tests.pages import visit

ClientFor = Callable[[str], Client]


def rule_form(**values: Any) -> dict[str, Any]:
    return {"name": "Failures", "hold_minutes": 0, "calm_minutes": 5, "repeat_minutes": 0, **values}


@pytest.fixture
def rule(weather: Weather, rule_of: Callable[..., Rule], webhook: Webhook) -> Rule:
    return rule_of("test.weather", webhook, name="Rain")


@pytest.fixture
def firing(rule: Rule, weather: Weather) -> Firing:
    nasty = "<script>alert(1)</script>\u202e"
    weather.shows(f"oslo {nasty}", since=timezone.now() + timedelta(seconds=1), error=nasty)
    assert evaluate_next()
    return Firing.objects.get()


def page(client: Client, url: str, status: int = 200) -> str:
    answer = client.get(url)
    assert answer.status_code == status
    return answer.content.decode()


def test_the_lists_of_rules_and_webhooks_ask_the_database_as_often_for_many_as_for_one(
    firing: Firing, rule_of: Callable[..., Rule], webhook: Webhook, client_for: ClientFor,
    django_assert_num_queries: Any,
) -> None:  # fmt: skip
    client = client_for("operator")
    rules, webhooks = "/alerts/rules/", "/alerts/webhooks/"
    page(client, rules)  # who asks is read once
    counts = {}
    for url in (rules, webhooks):
        with CaptureQueriesContext(connection) as asked:
            page(client, url)
        counts[url] = len(asked)
    for number in range(3):
        other = Webhook.objects.create(name=f"other {number}", url=webhook.url)
        made = rule_of("test.weather", other, name=f"Snow {number}")
        for subject in range(number):
            Firing.objects.create(
                rule=made, subject_digest=str(subject), title="snow", state="firing", since=timezone.now(),
                first_seen_at=timezone.now(), seen_at=timezone.now(),
            )  # fmt: skip
        for event in ("first", "last")[: number + 1]:
            Delivery.objects.create(webhook=other, event=event, event_id=event, body="{}", state="sent")
    for url, count in counts.items():
        with django_assert_num_queries(count):
            answer = client.get(url)
    assert {one.name: one.firing for one in client.get(rules).context["rules"]} == {
        "Rain": 1, "Snow 0": 0, "Snow 1": 1, "Snow 2": 2,
    }  # fmt: skip
    shown = {one.name: last and last.event for one, last in answer.context["webhooks"]}
    assert shown == {"pager": "alert.firing", "other 0": "first", "other 1": "last", "other 2": "last"}


def test_who_may_not_change_alerts_reads_who_may(
    firing: Firing, webhook: Webhook, client_for: ClientFor, receiver: Receiver
) -> None:
    deliver_due()
    said = {
        "/alerts/rules/": "Administrators add and change rules.",
        "/alerts/webhooks/": "Administrators add and change webhooks.",
        firing.rule.get_absolute_url(): "Administrators change, try and delete rules.",
        webhook.get_absolute_url(): "Administrators see the whole URL, and test, change and delete webhooks.",
        Delivery.objects.get().get_absolute_url(): "Administrators send deliveries again.",
    }
    for url, sentence in said.items():
        assert sentence in visit(client_for("operator"), url).words
        assert "Administrators" not in visit(client_for("administrator"), url).words


def test_every_page_opens_with_hostile_text_in_it(
    firing: Firing, webhook: Webhook, client_for: ClientFor, receiver: Receiver
) -> None:
    receiver.says(Says(500, b"<script>alert(1)</script>"))
    deliver_due()
    delivery = Delivery.objects.get()
    urls = [
        "/alerts/", "/alerts/?state=all", "/alerts/?state=resolved", "/alerts/rules/", "/alerts/webhooks/",
        "/alerts/deliveries/", "/alerts/deliveries/?state=pending", "/alerts/changes/",
        *(one.get_absolute_url() for one in (firing, firing.rule, webhook, delivery)),
    ]  # fmt: skip
    for role in ("operator", "administrator"):
        client = client_for(role)
        for url in urls:
            html = page(client, url)
            assert "<script>alert" not in html, url
            assert "\u202e" not in html, url
    html = page(client_for("operator"), "/alerts/")
    assert "⟦U+202E⟧" in html
    assert f'href="{firing.get_absolute_url()}"' in html
    assert "500" in page(client_for("operator"), "/alerts/deliveries/")


def test_polls_are_answered_as_those_of_other_lists(firing: Firing, client_for: ClientFor) -> None:
    client = client_for("operator")
    for url in ("/alerts/", "/alerts/deliveries/", firing.get_absolute_url()):
        seen = re.search(r"X-Seen&quot;: &quot;(\w+)", page(client, url))
        assert seen, url
        fragment = client.get(url, headers={"HX-Request": "true"})
        assert b"<html" not in fragment.content
        same = client.get(url, headers={"HX-Request": "true", "X-Seen": seen[1]})
        assert same.status_code == 204, url


@pytest.mark.parametrize(
    ("path", "permission"),
    [("acknowledge/", "operator"), ("snooze/", "operator")],
)
def test_operators_acknowledge_and_snooze(
    firing: Firing, client_for: ClientFor, path: str, permission: str
) -> None:
    url = firing.get_absolute_url() + path
    assert client_for("viewer").post(url).status_code == 403
    assert client_for("operator").get(url).status_code == 405
    assert client_for("operator").post(url, {"length": "1h"})["Location"] == firing.get_absolute_url()
    firing.refresh_from_db()
    change = Change.objects.get()
    assert (change.actor, change.role, change.verb) == ("operator", "operator", f"alert:{path.strip('/')}")
    html = page(client_for("operator"), firing.get_absolute_url())
    assert ("Acknowledge</button>" in html) == (path == "snooze/")
    assert ("Snoozed until" in html) == (path == "snooze/")


def test_the_figures_of_an_alert_are_named_in_words(firing: Firing, client_for: ClientFor) -> None:
    Firing.objects.filter(pk=firing.pk).update(figures={"minutes_without_update": 45})
    html = page(client_for("operator"), firing.get_absolute_url())
    assert "Minutes without update" in html
    assert "minutes_without_update" not in html


def test_a_snooze_can_be_ended_and_nonsense_is_none(firing: Firing, client_for: ClientFor) -> None:
    client, url = client_for("operator"), f"{firing.get_absolute_url()}snooze/"
    client.post(url, {"length": "100y"})
    assert not Firing.objects.get().snoozed_until
    client.post(url, {"length": "7d"})
    assert Firing.objects.get().is_snoozed
    until = iso(Firing.objects.get().snoozed_until)
    client.post(url, {"length": ""})
    assert not Firing.objects.get().is_snoozed
    entries = Change.objects.filter(verb="alert:snooze").order_by("pk").values_list("changed", flat=True)
    assert list(entries) == [{"snoozed_until": [None, until]}, {"snoozed_until": [until, None]}]


MANAGED = [
    ("rule", "edit/"), ("rule", "try/"), ("rule", "switch/"), ("rule", "delete/"),
    ("webhook", "edit/"), ("webhook", "secret/"), ("webhook", "test/"), ("webhook", "switch/"), ("webhook", "delete/"),
    ("delivery", "again/"),
]  # fmt: skip


def test_nothing_is_changed_by_those_who_may_not(
    firing: Firing, webhook: Webhook, client_for: ClientFor, weather: Weather
) -> None:
    things: dict[str, Any] = {"rule": firing.rule, "webhook": webhook, "delivery": Delivery.objects.get()}
    before = [list(model.objects.values()) for model in (Rule, Webhook, Delivery, Firing)]
    for name, path in MANAGED:
        for role in ("viewer", "operator"):
            answer = client_for(role).post(things[name].get_absolute_url() + path, {"name": "x"})
            assert answer.status_code == 403, (role, path)
    for path in ("rules/new/?watch=test.weather", "webhooks/new/"):
        assert client_for("operator").post(f"/alerts/{path}", rule_form()).status_code == 403
    assert before == [list(model.objects.values()) for model in (Rule, Webhook, Delivery, Firing)]
    assert not Change.objects.exists()


def test_a_rule_is_made_from_what_can_be_watched(client_for: ClientFor, webhook: Webhook) -> None:
    client = client_for("administrator")
    html = page(client, "/alerts/rules/new/")
    for name in ("workflow.failed", "request.failure_rate", "agent.stale", "table.throttled"):
        assert f"?watch={name}" in html
    url = "/alerts/rules/new/?watch=request.failure_rate"
    assert "Failure rate (%)" in page(client, url)
    wanted = rule_form(
        threshold="12.5", minimum="", window_minutes="30", filter_project=" p1 ", webhooks=[webhook.pk]
    )
    answer = client.post(url, wanted)
    rule = Rule.objects.get()
    assert answer["Location"] == rule.get_absolute_url()
    assert (rule.condition, rule.threshold, rule.minimum, rule.window_minutes) == (
        "request.failure_rate", 12.5, None, 30,
    )  # fmt: skip
    assert rule.filters == {"project": " p1 "}
    assert list(rule.webhooks.all()) == [webhook]
    assert abs(rule.baseline_at - timezone.now()) < timedelta(seconds=10)
    change = Change.objects.get()
    assert (change.verb, change.target) == ("rule:make", "Failures")
    assert change.changed["webhooks"] == [[], ["pager"]]
    html = page(client, rule.get_absolute_url())
    assert "12.5" in html
    assert "\u27e6U+0020\u27e7p1\u27e6U+0020\u27e7" in html


def test_a_filter_of_a_rule_is_compared_exactly(tables: Any, client_for: ClientFor) -> None:
    client = client_for("administrator")
    values = ("bob", "bob ", " bob", "deep  dive", "deep dive", "bob\u200b", "two\nlines", " ")
    put(tables["workflows"], *(failed_workflow(f"w{at}", sourceType=value)
                               for at, value in enumerate(values)))  # fmt: skip
    for at, value in enumerate(values):
        wanted = rule_form(name=f"rule {at}", filter_source_type=value)
        rule_url = client.post("/alerts/rules/new/?watch=workflow.failed", wanted)["Location"]
        rule = Rule.objects.get(name=f"rule {at}")
        Rule.objects.filter(pk=rule.pk).update(baseline_at=timezone.now() - timedelta(hours=1))
        rule.refresh_from_db()
        look = evaluate(rule, timezone.now(), 30)
        assert [fact.subject for fact in look.reading.facts] == [f"w{at}"], value
        assert visit(client, rule_url).fact("Source type") == exact(value)
        # The form, sent back as a browser does, changes nothing, and says what can't be seen of the value.
        form = visit(client, f"{rule_url}edit/")
        field = form.root.one("input", id="id_filter_source_type")
        assert "\n" not in field.attrs["value"]
        assert (f"Exactly {exact(value)}" in form.words) == (exact(value) != value)
        data = {**wanted, "version": form.root.one("input", name="version").attrs["value"]}
        del data["filter_source_type"]
        answer = client.post(
            f"{rule_url}edit/", {**data, field.attrs["name"]: field.attrs["value"]}, follow=True
        )
        assert "No change" in answer.content.decode()
    # A form that is drawn before a change of space alone says what the change was.
    stale = visit(client, f"{rule_url}edit/").root.one("input", name="version").attrs["value"]
    Rule.objects.filter(pk=rule.pk).update(filters={"source_type": "bob "})
    answer = client.post(f"{rule_url}edit/", {**wanted, "version": stale})
    assert "“bob⟦U+0020⟧”, was “⟦U+0020⟧”" in answer.content.decode()


def test_a_rule_shows_each_number_and_filter_as_it_was_set(
    rule_of: Callable[..., Rule], client_for: ClientFor, settings: Any
) -> None:
    settings.AGENT_OFFLINE_SECONDS = 1_234_567
    client = client_for("administrator")
    for threshold, shown in ((2_591_999.25, "2591999.25"), (1_000_000, "1000000"), (None, "1234567")):
        rule = rule_of("agent.stale", threshold=threshold, filters={"capability": "two  blanks\u2800"})
        seen = visit(client, rule.get_absolute_url())
        assert seen.fact("Without a heartbeat") == f"{shown} s"
        assert seen.fact("Capability") == "two \u27e6U+0020\u27e7blanks\u27e6U+2800\u27e7"
    form = visit(client, "/alerts/rules/new/?watch=agent.stale")
    assert form.root.one("input", name="threshold").attrs["placeholder"] == "1234567"
    assert "Empty: 1234567." in form.words


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "x" * 81}, "at most 80"),
        ({"name": "Taken"}, "This name is already used."),
        ({"threshold": "0"}, "greater than or equal to 0.1"),
        ({"threshold": "101"}, "less than or equal to 100"),
        ({"threshold": "nan"}, "Enter a number"),
        ({"threshold": "inf"}, "Enter a number"),
        ({"minimum": "501"}, "less than or equal to 500"),
        ({"minimum": "2.5"}, "whole number"),
        ({"window_minutes": "4"}, "greater than or equal to 5"),
        ({"window_minutes": "99999999999999999999"}, "less than or equal to 1440"),
        ({"hold_minutes": "-1"}, "greater than or equal to 0"),
        ({"calm_minutes": ""}, "This field is required"),
        ({"filter_user": "x" * 201}, "at most 200"),
        ({"webhooks": ["00000000-0000-4000-8000-000000000000"]}, "not one of the available"),
        ({"webhooks": ["nonsense"]}, "is not a valid UUID"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    client_for: ClientFor, rule_of: Callable[..., Rule], changes: dict[str, Any], sentence: str
) -> None:
    rule_of("workflow.failed", name="Taken")
    url = "/alerts/rules/new/?watch=request.failure_rate"
    answer = client_for("administrator").post(url, rule_form(**changes))
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert Rule.objects.count() == 1


def test_what_a_change_changed_is_in_the_trail(rule: Rule, webhook: Webhook, client_for: ClientFor) -> None:
    client, url = client_for("administrator"), f"{rule.get_absolute_url()}edit/"
    html = page(client, url)
    assert 'value="Rain"' in html
    assert re.search(r'<input[^>]*name="webhooks"[^>]*checked', html)
    same = rule_form(name="Rain", calm_minutes=0, webhooks=[webhook.pk])
    client.post(url, same)
    assert not Change.objects.exists()  # nothing was changed
    client.post(url, {**same, "name": "Snow", "repeat_minutes": 60, "webhooks": []})
    change = Change.objects.get()
    assert change.changed == {
        "name": ["Rain", "Snow"],
        "repeat_minutes": [0, 60],
        "webhooks": [["pager"], []],
    }
    html = page(client, "/alerts/changes/")
    assert "Rule edited" in html
    assert "Snow" in html


def test_a_rule_is_disabled_enabled_tried_and_deleted(
    firing: Firing, weather: Weather, client_for: ClientFor
) -> None:
    client, rule = client_for("administrator"), firing.rule
    url = rule.get_absolute_url()
    html = client.post(f"{url}try/").content.decode()
    assert "What it would find now" in html
    assert "1 found" in html
    assert Firing.objects.count() == Delivery.objects.count() == 1
    client.post(f"{url}switch/")
    assert (Rule.objects.get().enabled, Firing.objects.get().state) == (False, "resolved")
    client.post(f"{url}switch/", {"enabled": "1"})
    assert Rule.objects.get().enabled
    assert client.post(f"{url}delete/")["Location"] == "/alerts/rules/"
    assert page(client, url, status=404)
    assert "Rain" in page(client, "/alerts/?state=all")  # what fired by it stays
    verbs = list(Change.objects.order_by("pk").values_list("verb", flat=True))
    assert verbs == ["rule:disable", "rule:enable", "rule:delete"]
    # Its name is free again.
    answer = client.post("/alerts/rules/new/?watch=test.weather", rule_form(name="Rain"))
    assert answer.status_code == 302


def test_a_webhooks_secret_is_shown_once(client_for: ClientFor, receiver: Receiver) -> None:
    client = client_for("administrator")
    answer = client.post("/alerts/webhooks/new/", {"name": "pager", "url": receiver.url})
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    found = re.search(r"whsec_[\w+/]{43}=", answer.content.decode())
    assert found
    webhook = Webhook.objects.get()
    assert webhook.secrets(timezone.now()) == [found[0]]
    assert "whsec_" not in page(client, webhook.get_absolute_url())
    renewed = client.post(f"{webhook.get_absolute_url()}secret/").content.decode()
    again = re.search(r"whsec_[\w+/]{43}=", renewed)
    assert again
    assert again[0] != found[0]
    webhook.refresh_from_db()
    assert webhook.secrets(timezone.now()) == [again[0], found[0]]
    assert "Old secret valid until" in renewed
    trail = json.dumps(list(Change.objects.values_list("changed", flat=True)))
    assert "whsec_" not in trail
    assert "/hook" not in trail  # the path may be a secret
    verbs = list(Change.objects.order_by("pk").values_list("verb", flat=True))
    assert verbs == ["webhook:make", "webhook:new_secret"]


def test_where_a_webhook_may_not_point_is_said_at_its_field(client_for: ClientFor, settings: Any) -> None:
    client = client_for("administrator")
    for url, sentence in (
        ("http://example.com/", "Only https"),
        ("https://169.254.169.254/latest/meta-data/", "ALERT_WEBHOOK_ALLOW"),
        ("https://[::ffff:10.0.0.1]/", "ALERT_WEBHOOK_ALLOW"),
        ("https://2130706433/", "as they are usually written"),
        ("javascript:alert(1)", "whole http or https URL"),
    ):
        answer = client.post("/alerts/webhooks/new/", {"name": "x", "url": url})
        assert answer.status_code == 422
        assert sentence in answer.content.decode(), url
    assert not Webhook.objects.exists()


def test_only_administrators_see_the_whole_url(webhook: Webhook, client_for: ClientFor) -> None:
    assert "/hook" in page(client_for("administrator"), webhook.get_absolute_url())
    html = page(client_for("operator"), webhook.get_absolute_url())
    assert "/hook" not in html
    assert webhook.origin in html
    assert "/hook" not in page(client_for("operator"), "/alerts/webhooks/")


def test_a_webhook_is_edited_tested_disabled_enabled_and_deleted(
    webhook: Webhook, client_for: ClientFor, receiver: Receiver
) -> None:
    client, url = client_for("administrator"), webhook.get_absolute_url()
    client.post(f"{url}edit/", {"name": "pager", "url": receiver.url})
    assert not Change.objects.exists()
    client.post(f"{url}edit/", {"name": "bell", "url": f"{receiver.url}/2"})
    answer = client.post(f"{url}test/")
    delivery = Delivery.objects.get()
    assert answer["Location"] == delivery.get_absolute_url()
    assert "No attempt yet" in page(client, delivery.get_absolute_url())
    deliver_due()
    assert receiver.got[0].path == "/hook/2"
    assert "thanks" in page(client, delivery.get_absolute_url())
    waiting = payloads.test_delivery(webhook, timezone.now(), User(pk=7, username="olga"))
    client.post(f"{url}switch/")
    waiting.refresh_from_db()
    assert (waiting.state, Webhook.objects.get().enabled) == ("cancelled", False)
    whose = user_id(User.objects.get(username="administrator"))
    assert f"administrator ({whose}) disabled it." in page(client, url)
    for path in (f"{url}test/", f"{delivery.get_absolute_url()}again/"):
        client.post(path)  # refused, in words
    assert Delivery.objects.count() == 2
    client.post(f"{url}switch/", {"enabled": "1"})
    answer = client.post(f"{delivery.get_absolute_url()}again/")
    assert answer["Location"] == Delivery.objects.get(again=True).get_absolute_url()
    client.post(f"{url}delete/")
    assert page(client, url, status=404)
    assert Delivery.objects.get(again=True).state == "cancelled"
    assert "bell" in page(client, "/alerts/deliveries/")
    verbs = list(Change.objects.order_by("pk").values_list("verb", flat=True))
    assert verbs == [
        "webhook:edit", "webhook:test", "webhook:disable", "webhook:enable", "delivery:again", "webhook:delete",
    ]  # fmt: skip


def test_a_lost_secret_is_told(webhook: Webhook, client_for: ClientFor, settings: Any, viewer: Any) -> None:
    Webhook.objects.update(digest="0" * 16)
    assert "SECRET_KEY was changed" in page(client_for("administrator"), webhook.get_absolute_url())


def test_lists_are_paged_by_position(webhook: Webhook, client_for: ClientFor) -> None:
    now = timezone.now()
    made = [
        payloads.test_delivery(webhook, now - timedelta(seconds=number // 2), User(pk=7, username="olga"))
        for number in range(120)
    ]
    client, url, shown = client_for("operator"), "/alerts/deliveries/", []
    while url:
        html = page(client, url)
        shown += re.findall(r'id="row-([\w-]+)"', html)
        following = re.search(r'href="([^"]+)" rel="next"', html)
        url = following[1].replace("&amp;", "&") if following else ""
        payloads.test_delivery(
            webhook, timezone.now(), User(pk=7, username="olga")
        )  # what comes in between shifts nothing
    assert sorted(shown) == sorted(str(one.pk) for one in made)


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=", "cursor=%00", "cursor=MjAyNi0xMS0yMFQxMDowMDowMFp8eA", "state=%00", "rule=%00",
              "rule=99999999999999999999999", "rule=%C2%B2", "rule=-1"],
)  # fmt: skip
def test_nonsense_in_the_address_is_the_first_page(firing: Firing, client_for: ClientFor, query: str) -> None:
    for path in ("", "deliveries/", "changes/"):
        page(client_for("operator"), f"/alerts/{path}?{query}")


def test_the_navigation_leads_there_for_those_who_may(client_for: ClientFor) -> None:
    assert 'href="/alerts/"' in page(client_for("operator"), "/alerts/")
    html = client_for("viewer").get("/accounts/preferences/").content.decode()
    assert 'href="/alerts/"' not in html


def test_with_nothing_there_each_list_says_so(client_for: ClientFor) -> None:
    client = client_for("administrator")
    for path, words in (
        ("", "No alert rules yet"), ("?state=all", "No alerts"), ("rules/", "No rules yet"),
        ("webhooks/", "No webhooks yet"), ("deliveries/", "No deliveries yet"), ("changes/", "No changes yet"),
    ):  # fmt: skip
        assert words in page(client, f"/alerts/{path}")


def test_two_people_at_once_make_one_change(rule: Rule, administrator: Any) -> None:
    first, second = Rule.objects.get(), Rule.objects.get()
    edits.switch_rule(first, False, administrator)
    edits.switch_rule(second, False, administrator)
    edits.delete_rule(first, administrator)
    edits.delete_rule(second, administrator)
    assert Change.objects.count() == 2
