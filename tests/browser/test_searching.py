"""A search that goes on in the background of its list, as a person sees it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import caches
from playwright.sync_api import Page, expect

from opsportal.console import searching
from opsportal.dynamo.searching import Step
from requests_app import queries
from tests.browser.refreshing import answered, refresh
from tests.factories import ago, naive, put, request

LIST = "/requests/?q=needle&range=7d"
# As soon as a step has replaced it.
PRESS_STOP = """() => {
    const press = () => document.getElementById('search-stop').dispatchEvent(
        new PointerEvent('pointerdown', {button: 0, bubbles: true}));
    document.addEventListener('htmx:afterSwap', function pressed({detail}) {
        if (detail.target.id !== 'search') return;
        document.removeEventListener('htmx:afterSwap', pressed);
        setTimeout(press);
    });
}"""


@dataclass
class Table:
    """A table that never ends; `coming` are its next hits, one a step, and `units` what a step reads."""

    coming: list[str] = field(default_factory=list)
    units: int = 10
    cursor: str = "on"
    steps: int = 0

    def search(self, *given: Any, **arguments: Any) -> Step:
        self.steps += 1
        items = [request(self.coming.pop(0), project_id="needle")] if self.coming else []
        return Step(items, self.cursor, naive(ago(days=3.5)), 5, Decimal(self.units))


def leases(holder: str) -> None:
    for number in range(searching.AT_ONCE):
        caches["default"].set(f"search:lease:{number}", holder, 60)


def test_hits_come_while_it_searches_on_and_it_stops_waits_asks_and_ends(
    live: str,
    tables: dict[str, Any],
    page: Page,
    sign_in: Any,
    monkeypatch: pytest.MonkeyPatch,
    axe: Callable[..., list[str]],
) -> None:
    put(tables["requests"], *(request(f"req_{number:03}", project_id="hay") for number in range(60)))
    monkeypatch.setattr("opsportal.dynamo.merge.FILTERED_CHUNK", 5)
    table = Table(["hit_1", "hit_2"])
    monkeypatch.setattr(queries, "search", table.search)
    monkeypatch.setattr(searching, "WAIT", "200ms")
    sign_in("operator")
    page.goto(live + LIST)
    page.evaluate("window.sameDocument = true")
    progress, found = page.locator("#search"), page.locator("#found [data-row-link]")
    page.locator(".empty-state").get_by_role("link", name="Search on").dblclick()
    expect(found).to_have_text(["hit_1", "hit_2"])
    expect(progress).to_contain_text("Still searching. Searched to 20")
    expect(progress).to_contain_text("50 % of the time")
    expect(progress).to_contain_text("2 found")
    expect(page.locator(".list [data-search-on]:visible, .list .empty-state:visible")).to_have_count(0)
    held = [lease for lease in searching._leases() if caches["default"].get(lease)]
    assert len(held) == 1, "of one search, whose link was clicked twice"
    # The list refreshes above it. What was found can be chosen like its rows.
    with answered(page):
        refresh(page)
    page.locator("#found").get_by_role("checkbox").first.click()
    expect(page.locator("[data-select-count]")).to_have_text("1 chosen")

    # With the focus on its button it goes on; pressed, the button is replaced before it is let go.
    progress.get_by_role("button", name="Stop").focus()
    for _ in range(2):
        with page.expect_response(lambda response: response.request.method == "POST"):
            pass
    page.evaluate(PRESS_STOP)
    expect(progress).to_contain_text("Stopped. Searched to 20")
    expect(page.locator("#live-announce")).to_contain_text("Stopped. Searched to 20")
    expect(progress).to_be_focused()
    assert not any(caches["default"].get(lease) for lease in searching._leases())
    stopped = table.steps

    leases("another")
    progress.get_by_role("button", name="Search on").click()
    expect(progress).to_contain_text("Waiting: 2 searches at a time for all users.")
    assert table.steps == stopped
    assert not axe(page, grave=True, within="#search")
    table.coming = ["hit_2", "hit_3"]  # one that was found already, as one that was written meanwhile may be
    for lease in searching._leases():
        caches["default"].delete(lease)
    expect(found).to_have_text(["hit_1", "hit_2", "hit_3"])

    table.units = 2_000
    expect(progress).to_contain_text("RCU read. Go on? Searched to 20")
    asked = table.steps
    expect(progress.get_by_role("button", name="Stop")).to_have_count(0)
    table.units = 10
    progress.get_by_role("button", name="Go on", exact=True).click()
    expect(progress).to_contain_text("Still searching")
    assert table.steps > asked

    # The console is busy: the step is asked for again.
    busy = '<section data-problem="busy">Busy.</section>'
    answer = {"status": 503, "body": busy, "content_type": "text/html", "headers": {"Retry-After": "0.05"}}
    with page.expect_response(lambda response: response.status == 503):
        page.route("**/requests/?q=*", lambda route: route.fulfill(**answer), times=2)
    asked = table.steps
    expect(page.locator("dialog[open]")).to_have_count(0)
    table.coming = ["hit_4"]
    expect(found).to_have_text(["hit_1", "hit_2", "hit_3", "hit_4"])
    assert table.steps > asked

    # The network is away for a step.
    page.route("**/requests/?q=*", lambda route: route.abort())
    expect(progress.get_by_text("No answer came. What was found stays.")).to_be_visible()
    page.unroute("**/requests/?q=*")
    table.cursor = ""
    progress.get_by_role("button", name="Go on").click()
    expect(progress).to_contain_text("Finished: everything of the last 7 days was searched.")
    expect(found).to_have_text(["hit_1", "hit_2", "hit_3", "hit_4"])
    assert page.evaluate("window.sameDocument")
    # The way from one of them to the next.
    found.last.click()
    expect(page.locator("[data-item-nav]")).to_contain_text("4 of 4")
