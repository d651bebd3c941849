"""Who acted, on the pages of the trail: renamed, deleted, a token's, and recorded by the name only."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from opsportal.accounts import tokens
from opsportal.accounts.actors import token_id, user_id
from opsportal.operations.entries import Actor, Entry
from opsportal.operations.tables import audit_table_for
from opsportal.operations.tags import Action
from tests.operations.places import put, request_item
from tests.operations.test_feeds import entry


@pytest.fixture
def stock(live: str, tables: dict[str, Any], operator: User, administrator: User) -> dict[str, Entry]:
    put(tables["requests"], request_item("req-1"))
    token, _ = tokens.make("nightly-import", ["requests:write"], made_by=operator, owner=operator, days=30)
    who = {
        "as ever": Actor("administrator", "administrator", user_id(administrator)),
        "renamed": Actor("administrator", "administrator", user_id(operator)),
        "deleted": Actor("olga.with.a.long.name@example.com", "operator", f"user:{operator.pk + 100}"),
        "token": Actor("operator via token nightly-import", "operator", token_id(token)),
        "token, renamed": Actor("former-operator via token nightly-import", "operator", token_id(token)),
        "worker": Actor("retention", "worker", "worker"),
        "older": Actor("operator", "operator", ""),
    }
    made = {
        kind: entry(
            timezone.now() - timedelta(minutes=7 * number),
            actor=actor,
            action=Action.REQUEST_CANCEL if number % 2 else Action.REQUEST_RETRY,
            reason="The source was taken down" if number % 2 else "",
        )
        for number, (kind, actor) in enumerate(who.items())
    }
    for one in made.values():
        put(audit_table_for(one.target.table), one.item())
    return made


def test_who_acted_is_readable_on_every_page_of_the_trail(
    page: Page,
    live: str,
    stock: dict[str, Entry],
    sign_in: Callable[[str], None],
    faults: Callable[..., list[str]],
) -> None:
    sign_in("operator")
    found = []
    # The list holds every kind; the others are drawn as these.
    urls = ["/audit/?actor=operator", "/requests/req-1/?tab=audit", "/audit/"]
    urls += [reverse("operations:entry", args=[stock[kind].action_id]) for kind in ("deleted", "older")]
    for url in urls:
        page.goto(f"{live}{url}")
        found += faults(url)
    assert found == []


def test_an_actor_leads_to_what_the_same_account_did(
    page: Page, live: str, stock: dict[str, Entry], sign_in: Callable[[str], None], operator: User
) -> None:
    sign_in("operator")
    page.goto(f"{live}/audit/")
    page.locator(f"#row-{stock['renamed'].action_id} td[data-label=Actor] a").click()
    expect(page.locator("tr[data-row]")).to_have_count(2)
    expect(page.get_by_text(f"Entries of operator ({user_id(operator)}), under every name")).to_be_visible()
    page.locator(f"#row-{stock['older'].action_id} a[data-row-link]").click()
    expect(page.get_by_text("no id: an older entry")).to_be_visible()
