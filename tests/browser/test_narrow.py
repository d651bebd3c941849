"""What a phone shows is whole: no part of an item is out of sight, no word is cut into letters."""

from typing import Any

from playwright.sync_api import Page, expect

from tests import factories
from tests.browser.conftest import NARROW

# Of each: its text, and whether all of it lies within its box and the window.
CUT = """all => all.filter(one => one.scrollWidth > one.clientWidth || one.getBoundingClientRect().right > innerWidth)
    .map(one => one.textContent.trim())"""


def test_the_parts_of_an_item_and_what_refreshes_it_are_seen_whole(
    live: str, tables: dict[str, Any], sign_in: Any, page: Page
) -> None:
    done = factories.request("r", status="completed", completed_at=factories.naive(factories.ago(minutes=1)))
    factories.put(tables["requests"], done)
    sign_in("operator")
    page.set_viewport_size(NARROW)
    page.goto(f"{live}/requests/r/?tab=raw")
    expect(page.locator("#live-state")).to_contain_text("finished")
    assert page.locator("#live-state, .page-tabs, .page-tabs a").evaluate_all(CUT) == []
    # Nothing takes room where there is nothing to do.
    expect(page.locator(".page-actions")).to_be_hidden()
    page.goto(f"{live}/requests/r/logs/")
    expect(page.locator(".page-actions")).to_be_visible()


def test_a_table_in_a_panel_keeps_its_words_whole(
    live: str, tables: dict[str, Any], sign_in: Any, page: Page
) -> None:
    factories.put(tables["workflows"], factories.workflow("w"))
    sign_in("viewer")
    page.set_viewport_size(NARROW)
    page.goto(f"{live}/workflows/w/")
    page.locator(".tl-table > summary").click()
    name = page.locator(".tl-table th", has_text="Exception management")
    # The first word has one line.
    lines = """one => {
        const text = document.createTreeWalker(one, NodeFilter.SHOW_TEXT).nextNode(), word = document.createRange();
        word.setStart(text, 0);
        word.setEnd(text, "Exception".length);
        return word.getClientRects().length; }"""
    assert name.evaluate(lines) == 1
