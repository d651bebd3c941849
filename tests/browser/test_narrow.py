"""What a phone shows is whole: no part of an item is out of sight, no word is cut into letters."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from opsportal.jobs import control, freezing
from opsportal.operations import outbox, undelivered
from opsportal.operations.entries import Actor, new_action_id
from requests_app import actions
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


def test_what_can_be_done_with_an_undelivered_message_is_in_sight(
    live: str, tables: dict[str, Any], sign_in: Any, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undelivered, "LATE", undelivered.LATE * 0)
    outbox.put(outbox.Message("no.such", {}, new_action_id(), target=actions.target("r")), tables["requests"])
    outbox.deliver_due(tables["requests"])
    sign_in("operator")
    page.set_viewport_size(NARROW)
    page.goto(f"{live}/audit/undelivered/")
    buttons = page.locator("tbody .btn")
    expect(buttons).to_have_text(["Send again", "Drop"])
    inside = "all => all.map(one => one.getBoundingClientRect().right <= one.closest('td').getBoundingClientRect().right)"
    assert buttons.evaluate_all(inside) == [True, True]


def test_names_in_the_list_of_jobs_are_cut_into_no_letters(
    live: str, tables: dict[str, Any], sign_in: Any, page: Page
) -> None:
    factories.put(tables["requests"], factories.request("r", status="failed"))
    by = Actor("maria.lindqvist", "administrator", "user:1")
    freezing.freeze(control.make("requests.purge", keys=["r"], by=by, reason="x"))
    sign_in("operator")
    page.set_viewport_size(NARROW)
    page.goto(f"{live}/jobs/")
    # Each in one line.
    for name in ("request:purge", "maria.lindqvist"):
        shown = page.locator("tbody td", has_text=name).get_by_text(name, exact=True)
        assert shown.evaluate("one => one.getClientRects().length") == 1, name
        assert shown.evaluate_all(CUT) == []
