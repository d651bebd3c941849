"""Rows of a list are chosen, by keys and by mouse, over its pages, and an action is taken to many of them."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.conf import settings as django_settings
from playwright.sync_api import Browser, Page, expect

from opsportal.accounts.models import Preferences
from opsportal.dynamo import clients
from opsportal.jobs import freezing, store
from opsportal.jobs.job import Job
from tests import factories
from tests.browser import stock
from tests.browser.conftest import NARROW, WIDE
from tests.browser.refreshing import poll_often

BAR = "#select"
SENT_FROM_BOXES = """document.getElementById('select').addEventListener('submit', event => {
    if (document.activeElement.type !== 'checkbox') return;
    event.preventDefault();
    window.sentFromBox = true; })"""
# These keys were chosen on another page, from which one comes back to this one by the browser's own memory of it.
COMES_BACK = """keys => {
    const kept = JSON.parse(sessionStorage.getItem('chosen:requests'));
    sessionStorage.setItem('chosen:requests', JSON.stringify({...kept, keys}));
    dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true})); }"""


@pytest.fixture
def choosing(live: str, page: Page, sign_in: Any) -> Callable[[str], Page]:
    """``choosing(path)``: the list there, signed in as an operator."""

    def visit(path: str) -> Page:
        sign_in("operator")
        page.goto(live + path)
        return page

    return visit


def box(page: Page, key: str) -> Any:
    return page.get_by_role("checkbox", name=f"Choose request {key}", exact=True)


def shows_chosen(page: Page, *keys: str) -> None:
    """These rows of the page are chosen, and no others."""
    expect(page.locator("tr[data-row]:has(:checked) [data-row-link]")).to_have_text(list(keys))


def says(page: Page, sentence: str) -> None:
    expect(page.locator("[data-select-count]")).to_have_text(sentence)
    expect(page.locator("#live-announce")).to_have_text(sentence)


def made(page: Page) -> Job:
    """The job of the page that the list led to, once its reason is given; its set is frozen."""
    page.wait_for_url("**/jobs/new/")
    page.get_by_label("Reason").fill("after the outage")
    page.get_by_role("button", name="Preview").press("Enter")
    page.wait_for_url(lambda url: "/jobs/" in url and not url.endswith("/new/"))
    job = store.find(page.url.split("/jobs/")[1].split("/")[0])
    assert job
    freezing.freeze(job)
    found = store.find(job.id, job.table)
    assert found
    return found


def test_rows_are_chosen_by_keys_alone_over_two_pages(
    live: str, tables: dict[str, Any], choosing: Callable[[str], Page], sign_in: Any
) -> None:
    stock.many_requests(tables, 60)
    page = choosing("/requests/")
    press = page.keyboard.press
    expect(page.locator(BAR)).to_be_hidden()
    press("x")  # no row is the current one
    press("a")  # and nothing is chosen
    expect(page.locator(BAR)).to_be_hidden()
    press("j")
    press("x")
    says(page, "1 chosen")
    for _ in range(3):
        press("j")
    press("Shift+X")
    says(page, "4 chosen")
    shows_chosen(page, "req_000", "req_001", "req_002", "req_003")
    expect(page.locator("tr.is-current [data-row-link]")).to_be_focused()
    press("k")
    press("x")
    says(page, "3 chosen")
    assert page.evaluate("document.querySelector('#select-page').indeterminate")
    # Shift leaves out what it took, as well.
    press("k")
    press("k")
    press("Shift+X")
    says(page, "1 chosen")
    shows_chosen(page, "req_003")
    # Escape closes one thing at a time.
    press("?")
    expect(page.get_by_text("Choose the row", exact=True)).to_be_visible()
    press("Escape")
    page.locator(".toolbar summary", has_text="Filter").press("Enter")
    press("Escape")
    press("f")
    press("Escape")
    says_still = page.locator("[data-select-count]")
    expect(says_still).to_have_text("1 chosen")
    press("a")
    expect(page.locator(BAR).get_by_role("button", name="Retry")).to_be_focused()
    press("Escape")
    expect(page.locator(BAR)).to_be_hidden()
    expect(page.locator("#live-announce")).to_have_text("Nothing chosen")
    expect(page.locator("tr.is-current [data-row-link]")).to_be_focused()
    press("j")
    press("x")
    page.get_by_role("link", name="Older").press("Enter")
    page.wait_for_url("**cursor=**")
    expect(says_still).to_have_text("1 chosen, none of them on this page")
    for _ in range(2):
        press("j")
    press("x")
    press("j")
    press("Shift+X")
    says(page, "3 chosen, 1 of them not on this page")
    page.reload()
    # In a box Enter opens the row, and sends nothing; one comes back to what was chosen.
    box(page, "req_052").press("Enter")
    page.wait_for_url("**/requests/req_052/")
    page.go_back()
    shows_chosen(page, "req_051", "req_052")
    expect(says_still).to_have_text("3 chosen, 1 of them not on this page")
    page.get_by_role("link", name="Newest", exact=True).press("Enter")
    page.wait_for_url("**/requests/")
    shows_chosen(page, "req_001")
    expect(says_still).to_have_text("3 chosen, 2 of them not on this page")
    # What is gone is chosen all the same: the server says that it is skipped.
    factories.delete(tables["requests"], "req_051")
    press("j")
    page.evaluate(SENT_FROM_BOXES)
    page.get_by_label("All that match").press("Enter")
    assert not page.evaluate("window.sentFromBox")
    press("a")
    press("Enter")
    job = made(page)
    assert (job.action, job.matched, job.eligible) == ("request:retry", 3, 1), job.reasons
    assert "It is not there any more." in job.reasons
    # Back on the list the choice is there, and another filter has one of its own.
    page.goto(f"{live}/requests/")
    expect(says_still).to_have_text("3 chosen, 2 of them not on this page")
    page.get_by_role("navigation", name="Status").get_by_role("link", name="failed", exact=True).press(
        "Enter"
    )
    page.wait_for_url("**status=failed")
    expect(page.locator(BAR)).to_be_hidden()
    page.go_back()
    page.wait_for_url("**/requests/")
    expect(page.locator(BAR)).to_be_hidden()
    # What one person chose is not another's.
    box(page, "req_000").check()
    sign_in("administrator")
    page.reload()
    expect(box(page, "req_000")).to_be_visible()
    expect(page.locator(BAR)).to_be_hidden()


def test_all_that_match_are_chosen_by_mouse_over_three_pages(
    live: str, tables: dict[str, Any], choosing: Callable[[str], Page]
) -> None:
    stock.many_requests(tables, 210)  # half of them failed
    page = choosing("/requests/?status=failed")
    count = page.locator("[data-select-count]")
    page.locator("tr[data-row] td.is-num").nth(6).click()  # a selection begins there
    box(page, "req_003").click()
    # Next to the box is as good as on it.
    cells = page.locator("tr[data-row] .is-check")
    cells.nth(3).click(position={"x": 2, "y": 2}, modifiers=["Shift"])
    shows_chosen(page, "req_003", "req_005", "req_007")
    assert page.evaluate("getSelection().isCollapsed")
    cells.nth(5).click(position={"x": 2, "y": 2})
    says(page, "4 chosen")
    page.locator("#select-page").click()
    says(page, "50 chosen")
    page.get_by_label("All that match: status failed, last 7 days").check()
    says(page, "All that match are chosen")
    for n in (50, 5):
        page.get_by_role("link", name="Older").click()
        expect(page.locator("tr[data-row] :checked")).to_have_count(n)
        expect(count).to_have_text("All that match are chosen")
    # Of all that match one is left out: then it is what the pages show.
    box(page, "req_207").click()
    says(page, "54 chosen, 50 of them not on this page")
    page.get_by_label("All that match").check()
    with page.expect_request("**/jobs/new/") as sent:
        page.locator(BAR).get_by_role("button", name="Purge").click()
    fields = parse_qs(sent.value.post_data or "")
    assert fields["all"] == ["1"]
    assert fields["query"] == ["status=failed&range=7d"]
    assert "key~" not in fields
    job = made(page)
    assert (job.action, job.matched, job.eligible) == ("request:purge", 105, 105), job.reasons
    page.goto(f"{live}/requests/?status=failed")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(BAR)).to_be_hidden()
    expect(page.locator("tr[data-row] :checked")).to_have_count(0)
    expect(page.locator("#rows")).to_be_focused()
    # Chosen one by one they are 1,000.
    others = [f"other_{at}" for at in range(998)]
    page.evaluate(COMES_BACK, others)
    expect(count).to_have_text("998 chosen, none of them on this page")
    page.locator("#select-page").click()
    expect(count).to_have_text("1,000 chosen, 998 of them not on this page")
    shows_chosen(page, "req_001", "req_003")
    limit = "At most 1,000 can be chosen one by one."
    expect(page.locator("[data-select-limit]")).to_contain_text(f"{limit} “All that match: status failed")
    expect(page.locator("#live-announce")).to_have_text(limit)
    box(page, "req_003").click()
    expect(page.locator("[data-select-limit]")).to_be_hidden()
    # All of them are sent, however they are written, up to what a form may hold.
    page.evaluate(COMES_BACK, [f"{at:04}" + "~F0~9F~9A~80" * 83 for at in range(500)])
    box(page, "req_001").click()
    expect(page.locator("[data-select-limit]")).to_contain_text("too long to be sent together")
    with page.expect_response("**/jobs/new/") as answer:
        page.locator(BAR).get_by_role("button", name="Retry").click()
    assert answer.value.status == 200
    assert len(parse_qs(answer.value.request.post_data or "")["key~"]) == 500


def test_chosen_rows_hold_still_while_the_table_moves(
    tables: dict[str, Any], choosing: Callable[[str], Page], user_of: Callable[[str], Any]
) -> None:
    stock.many_requests(tables, 9)
    Preferences.objects.create(user=user_of("operator"), refresh_seconds=0)  # it polls on request only
    page = choosing("/requests/?status=processing")
    rows = page.locator("[data-row-link]")
    before = rows.all_text_contents()
    assert before == ["req_002", "req_006"]
    state = page.locator("#live-state")

    page.locator("tr[data-row] input").first.check()
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(0, 0)
    poll_often(page)
    # What changes in place is seen.
    table = tables["requests"]
    client = clients.client(*table.location)
    first, item = (
        client.get_item(TableName=table.name, Key={table.key: {"S": key}})["Item"] for key in before
    )
    factories.put(
        table,
        factories.request("req_new", created_at=factories.naive(factories.ago(seconds=1))),
        {**item, "project_id": {"S": "moved"}},
    )
    expect(page.locator(".new-rows")).to_have_text("1 new")
    expect(page.locator("tr[data-row]").nth(1)).to_contain_text("moved")
    expect(rows).to_have_text(before)
    shows_chosen(page, "req_002")
    # What would move a row waits, ...
    factories.put(table, {**first, "status": {"S": "completed"}})
    poll_often(page)
    expect(state).to_have_text("paused: rows would move")
    expect(rows).to_have_text(before)
    shows_chosen(page, "req_002")
    # ... until it is asked for, and what has left the list stays chosen.
    page.keyboard.press("r")
    expect(rows).to_have_text(["req_006"])
    expect(page.locator("[data-select-count]")).to_have_text("1 chosen, none of them on this page")

    # What comes back to it is seen to be chosen, and holds the rows again.
    factories.put(table, first)
    poll_often(page)
    expect(rows).to_have_text(before)
    shows_chosen(page, "req_002")
    page.keyboard.press("Escape")
    expect(page.locator(BAR)).to_be_hidden()
    factories.put(table, {**first, "status": {"S": "completed"}})
    poll_often(page)
    expect(rows).to_have_text(["req_006"])
    page.locator("tr[data-row] input").check()
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(0, 0)
    factories.put(table, factories.request("req_006", status="completed"))
    poll_often(page)
    expect(state).to_have_text("paused: rows would move")
    expect(rows).to_have_text(["req_006"])
    # Or until nothing is chosen: that asks for it by itself.
    page.evaluate("document.dispatchEvent(new CustomEvent('console:interval', {detail: {seconds: 0}}))")
    page.keyboard.press("Escape")
    expect(page.locator("[data-empty]")).to_be_visible()


def test_what_is_chosen_is_seen_on_each_screen(
    live: str, tables: dict[str, Any], choosing: Callable[[str], Page], faults: Callable[..., list[str]]
) -> None:
    made_of = {"requests": factories.request, "workflows": factories.workflow, "agents": factories.agent}
    found = []
    for logical, item in made_of.items():
        factories.put(tables[logical], *(item(key) for key in ("one", "two", "<script>alert(1)</script>\n")))
        page = choosing(f"/{logical}/")
        page.set_viewport_size(WIDE)
        page.locator("#select-page").check()
        expect(page.locator("[data-select-count]")).to_have_text("3 chosen")
        found += faults(f"/{logical}/ chosen")
    # Below the last screen's width each card has its box, and there is one for all of the page.
    page.set_viewport_size(NARROW)
    expect(page.get_by_text("All on this page")).to_be_visible()
    page.get_by_label("All on this page").uncheck()
    page.get_by_label("Choose agent two").check()
    bar = page.locator(BAR)
    expect(bar).to_be_in_viewport(ratio=1)
    # What can't be done says why, within the screen.
    page.goto(f"{live}/requests/")
    page.locator("#select-page").check()
    page.get_by_role("button", name="Mark completed").hover()
    reason = bar.locator(".why-not")
    expect(reason).to_have_text("Your role (operator) may not do this.")
    expect(reason).to_be_in_viewport(ratio=1)
    # Where backgrounds are gone, the system draws the boxes.
    page.emulate_media(forced_colors="active")
    expect(page.locator("#select-page")).to_have_css("appearance", "auto")
    assert found == [], "\n".join(found)


@pytest.fixture
def scriptless(live: str, browser: Browser, client_for: Callable[[str], Any]) -> Iterator[Page]:
    """A narrow page of a browser without scripts, signed in as an operator."""
    context = browser.new_context(java_script_enabled=False, viewport=NARROW)
    cookie = client_for("operator").cookies[django_settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live}])
    try:
        yield context.new_page()
    finally:
        context.close()


def test_rows_are_chosen_without_scripts(live: str, tables: dict[str, Any], scriptless: Page) -> None:
    page = scriptless
    odd = ["two\nlines", "\u200b", "a&b=c/~0A", "é" * 1024]
    factories.put(
        tables["requests"], *(factories.request(key, status="failed") for key in (*odd, "plain", "left"))
    )
    page.goto(f"{live}/requests/")
    bar = page.locator(BAR)
    expect(bar).to_be_visible()
    for row in page.locator("tr[data-row]").all():
        if row.locator("[data-row-link]").text_content() != "left":
            row.locator("input").check()
    bar.get_by_role("button", name="Purge").click()
    job = made(page)
    assert (job.action, job.matched, job.eligible) == ("request:purge", 5, 5), job.reasons
    assert {key for key, _ in job.sample} == {*odd, "plain"}
    page.goto(f"{live}/requests/?status=failed")
    page.get_by_label("All that match: status failed, last 7 days").check()
    bar.get_by_role("button", name="Retry").click()
    job = made(page)
    assert (job.action, job.matched) == ("request:retry", 6)
