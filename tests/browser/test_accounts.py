"""The pages of accounts in a real browser: nothing that the policy blocks, no axe finding."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from opsportal.accounts.models import SavedView


@pytest.fixture
def signed_in_page(page: Page, sign_in: Callable[[str], None]) -> Callable[[str], Page]:
    def of(role: str) -> Page:
        sign_in(role)
        return page

    return of


def test_accounts_pages_are_clean(
    live: str,
    signed_in_page: Callable[[str], Page],
    axe: Callable[[Page], list[str]],
    administrator: Any,
) -> None:
    SavedView.objects.create(owner=administrator, page="workflows", name="Failures", query="status=failed")
    page = signed_in_page("administrator")
    for path in ("preferences/", "views/", "password/change/", "2fa/", "logout/"):
        page.goto(f"{live}/accounts/{path}")
        assert axe(page) == [], path


def test_the_policy_blocks_nothing_of_the_admin(
    live: str, signed_in_page: Callable[[str], Page], administrator: Any
) -> None:
    """Its markup is Django's; what the policy blocks of it is ours to know (asserted after every test)."""
    page = signed_in_page("administrator")
    user = f"auth/user/{administrator.pk}"
    group = f"auth/group/{administrator.groups.get().pk}"
    paths = ["", "auth/user/", "auth/user/add/", f"{group}/change/"]
    for path in [*paths, *(f"{user}/{page_name}/" for page_name in ("change", "password", "history"))]:
        response = page.goto(f"{live}/admin/{path}")
        assert response is not None
        assert response.status == 200, path


def test_preferences_are_remembered(live: str, signed_in_page: Callable[[str], Page]) -> None:
    page = signed_in_page("viewer")
    page.goto(f"{live}/accounts/preferences/")
    main = page.get_by_role("main")
    main.get_by_label("Theme").select_option("dark")
    main.get_by_label("Time zone").select_option("Europe/Berlin")
    main.get_by_role("button", name="Save preferences").click()
    page.wait_for_url(f"{live}/accounts/preferences/")
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"
    assert main.get_by_label("Time zone").input_value() == "Europe/Berlin"
