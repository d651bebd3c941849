"""The admin's pages in a real browser: nothing that the policy blocks. Those of accounts are in test_shell."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page


@pytest.fixture
def signed_in_page(page: Page, sign_in: Callable[[str], None]) -> Callable[[str], Page]:
    def of(role: str) -> Page:
        sign_in(role)
        return page

    return of


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
