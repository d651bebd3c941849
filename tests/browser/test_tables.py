"""The tables' pages in a browser: parts arrive by themselves, the probe answers in its place, nothing is too wide."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import SHELL


def test_parts_of_the_tables_pages_arrive_and_are_clean(
    page: Page, live: str, sign_in: Callable[[str], None], faults: Callable[..., list[str]], tables: Any
) -> None:
    sign_in("operator")
    refused_first: set[str] = set()

    def refuse_once(route: Route) -> None:
        if (url := route.request.url) in refused_first:
            return route.fallback()
        refused_first.add(url)
        return route.fulfill(status=503, headers={"Retry-After": "1"})

    # A busy console, or a proxy whose console is being restarted: what was asked for once is asked for again.
    page.route("**/tables/requests/row/", refuse_once)
    page.route("**/tables/requests/glance/", refuse_once)
    page.goto(f"{live}/tables/")
    expect(page.locator("tr[data-live]")).to_have_count(page.locator("tbody tr").count())
    expect(page.locator("td[id^=glance-][data-live]")).to_have_count(
        page.locator("tr:has(td[id^=glance-])").count()
    )
    assert len(refused_first) == 2
    assert faults("the tables", grave=True) == []
    page.get_by_role("link", name="Market intelligence requests").click()
    expect(page.locator("main [data-live]")).to_have_count(4)
    # A form of the page itself that is refused says so too.
    page.context.clear_cookies()
    page.get_by_role("button", name="Probe now").click()
    refused = page.get_by_role("dialog")
    expect(refused.get_by_role("alert")).to_contain_text("You were signed out")
    sign_in("operator")
    refused.get_by_role("button", name="Send again").click()
    expect(refused).to_have_count(0)
    # Recovery can't be told on dynoxide, and can on moto.
    expect(
        page.get_by_text(re.compile(r"\d+ of \d+ unknown")).or_(
            page.get_by_text(re.compile(r"All \d+ allowed"))
        )
    ).to_be_visible()
    expect(page.locator("main [data-live]")).to_have_count(4)
    assert faults("a table", grave=True, without=SHELL) == []
