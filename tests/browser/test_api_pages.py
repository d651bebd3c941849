"""API tokens and the API's reference in a real browser: made, shown, revoked; no finding of axe's; nothing too
wide for its screen."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from opsportal.accounts import tokens
from tests.browser.conftest import NARROW, SHELL, WIDE, too_wide


@pytest.fixture
def clean(faults: Callable[..., list[str]]) -> Callable[[str], None]:
    """``clean(name)``: asserts that the page as it is is so, on both screens."""

    def look(name: str) -> None:
        assert faults(name, without=SHELL) == []

    return look


def test_a_token_is_made_shown_once_and_revoked(
    live: str, sign_in: Callable[[str], None], page: Page, clean: Callable[[str], None], administrator: Any
) -> None:
    tokens.make(
        "nightly", ["requests:read", "requests:write"], made_by=administrator, days=30, role="operator"
    )
    sign_in("administrator")
    page.goto(f"{live}/accounts/tokens/")
    clean("tokens")
    page.get_by_label("Name").fill("ci")
    page.get_by_label("workflows:read").check()
    page.get_by_label("A service").check()
    page.get_by_role("button", name="Create the token").click()
    expect(page.get_by_role("heading", name="The new token “ci”")).to_be_visible()
    text = page.get_by_role("region", name="The token").inner_text()
    assert tokens.ApiToken.objects.of_text(text) == tokens.ApiToken.objects.get(name="ci")
    clean("token-made")
    page.get_by_label("Name").fill("ci")
    page.get_by_role("button", name="Create the token").click()
    expect(page.get_by_text("Choose at least one")).to_be_visible()
    clean("token-refused")
    page.goto(f"{live}/accounts/tokens/")
    expect(page.get_by_text(text)).to_have_count(0)
    page.get_by_role("link", name="Revoke ci").click()
    expect(page.get_by_text("It was never used.")).to_be_visible()
    clean("revoke")
    page.get_by_role("button", name="Revoke the token").click()
    expect(page.get_by_text("” revoked")).to_be_visible()
    assert tokens.ApiToken.objects.get(name="ci").state == "revoked"


def test_the_reference_shows_every_operation(
    live: str, sign_in: Callable[[str], None], page: Page, clean: Callable[[str], None]
) -> None:
    sign_in("viewer")
    page.goto(f"{live}/api/docs")
    operations = page.locator(".api-operations > details")
    for operation in operations.all():
        operation.locator("summary").first.click()
    expect(page.get_by_text("config.sources[].base_url")).to_be_visible()
    for width in (NARROW, WIDE):
        page.set_viewport_size(width)
        assert too_wide(page) == []
    # One operation is drawn as another: all of them take axe seconds.
    operations.evaluate_all("all => all.slice(3).forEach(one => one.remove())")
    clean("reference-open")
