"""The pages of the alerts in a real browser: no axe finding in either theme and width, and a whole round by hand."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from opsportal.alerts.evaluation import evaluate_next
from opsportal.alerts.models import Change, Delivery, Firing, Rule, Webhook
from opsportal.alerts.outgoing import deliver_due
from tests.alerts.receivers import Receiver, Says, receiver_server
from tests.browser.conftest import SHELL
from tests.cases import short
from tests.factories import ago, put, step, workflow, zulu


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiver_server() as server:
        yield server


@pytest.fixture
def stock(live: str, tables: dict[str, Any], receiver: Receiver, administrator: Any) -> Firing:
    """A rule that fired, is told and acknowledged, one in trouble, and a webhook that failed."""
    good, bad = (Webhook(name=name, url=receiver.url) for name in ("On-call pager", "Team channel"))
    for webhook in (good, bad):
        webhook.new_secret()
        webhook.save()
    bad.new_secret()
    bad.enabled, bad.why_disabled = False, "It answered 410 Gone."
    bad.save()
    rule = Rule.objects.create(
        name="Failed workflows",
        condition="workflow.failed",
        baseline_at=ago(hours=1),
        filters={"source_type": "BANK"},
    )
    rule.webhooks.set([good, bad])
    Rule.objects.create(
        name="Silent agents", condition="agent.stale", next_at=ago(days=-1), evaluated_at=ago(minutes=1),
        trouble="There is no table AgentRegistry in eu-north-1. If it has another name or region, set DYNAMODB_AGENTS_TABLE.",
    )  # fmt: skip
    Rule.objects.create(name="Stuck requests", condition="request.stuck", enabled=False)
    error = step(
        "error", error="ValidationError: no counterparty for 918273", completedAt=zulu(ago(minutes=9))
    )
    put(
        tables["workflows"],
        *[
            workflow(
                f"session-{name}",
                overallStatus="failed",
                tradeMatching=error,
                lastUpdated=zulu(ago(minutes=9)),
            )
            for name in ("a08ac7ad", "b19bd8be", "c20ce9cf")
        ],
    )
    receiver.says(Says(503, b"busy"), Says(200, b"queued"))
    assert evaluate_next()
    deliver_due()
    Firing.objects.filter(subject="session-b19bd8be").update(
        acknowledged_at=timezone.now(), acknowledged_by="olga", snoozed_until=timezone.now() + timedelta(hours=1),
        snoozed_by="olga",
    )  # fmt: skip
    Change.objects.create(
        actor="administrator", role="administrator", verb="rule:edit", target="Failed workflows", target_id="1",
        changed={"threshold": [None, 5], "webhooks": [[], ["On-call pager"]]},
    )  # fmt: skip
    return Firing.objects.get(subject="session-a08ac7ad")


def paths(firing: Firing) -> list[str]:
    things = [firing, *Rule.objects.all()[:2], *Webhook.objects.all()[:1], *Delivery.objects.all()[:1]]
    rule = firing.rule.get_absolute_url()
    return [
        *(f"/alerts/{path}" for path in ("", "rules/", "webhooks/", "deliveries/", "changes/", "rules/new/")),
        "/audit/accounts/", "/audit/accounts/?target=nobody",  # whose entries these are too
        "/alerts/rules/new/?watch=request.failure_rate", f"{rule}edit/", "/alerts/webhooks/new/",
        *(thing.get_absolute_url() for thing in things),
    ]  # fmt: skip


@pytest.mark.parametrize("in_turn", short([True, False], True))
def test_the_pages_are_clean(
    live: str,
    stock: Firing,
    page: Page,
    sign_in: Callable[[str], None],
    faults: Callable[..., list[str]],
    in_turn: bool,
) -> None:
    sign_in("administrator")
    found = []
    for at, path in enumerate(paths(stock)):
        page.goto(live + path)
        found += faults(path, without=SHELL if at else (), in_turn=in_turn and at > 0)
    assert found == []


def test_a_rule_is_made_and_tells(
    live: str, stock: Firing, receiver: Receiver, page: Page, sign_in: Callable[[str], None]
) -> None:
    sign_in("administrator")
    page.goto(f"{live}/alerts/webhooks/")
    page.get_by_role("link", name="New webhook").click()
    page.get_by_label("Name").fill("Bell")
    page.get_by_label("URL").fill("http://example.com/")
    page.get_by_role("button", name="Create the webhook").click()
    expect(page.get_by_text("Only https")).to_be_visible()
    page.get_by_label("URL").fill(receiver.url)
    page.get_by_role("button", name="Create the webhook").click()
    expect(page.get_by_role("region", name="The secret")).to_contain_text("whsec_")
    page.get_by_role("link", name="Alerts", exact=True).first.click()
    page.get_by_role("navigation", name="Alerts").get_by_role("link", name="Rules").click()
    page.get_by_role("link", name="New rule").click()
    page.get_by_role("link", name="Too many workflows fail").click()
    page.get_by_label("Name").fill("Failure rate")
    page.get_by_label("Minimum number that ended").fill("1")
    page.get_by_label("Bell").check()
    page.get_by_role("button", name="Create the rule").click()
    expect(page.get_by_role("heading", name="Failure rate")).to_be_visible()
    page.get_by_role("button", name="Try it now").click()
    expect(page.get_by_text("Nothing found.", exact=False).first).to_be_visible()
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete the rule").click()
    expect(page.get_by_text("” deleted")).to_be_visible()
    page.goto(live + stock.get_absolute_url())
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("by administrator")).to_be_visible()
