"""Operators act in a real browser: with the pointer, with keys alone, without scripts, twice and too late.

A worker is played by the tests: it writes whole items, which it has in memory or has just read.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from playwright.sync_api import Browser, Page, Route, expect

from opsportal.accounts.models import Preferences
from opsportal.dynamo import clients
from opsportal.jobs import running, store
from opsportal.operations import feeds, outbox
from opsportal.operations.entries import Actor, Target, new_action_id
from requests_app import action_views
from tests import factories
from tests.browser.conftest import NARROW, SHELL, WIDE
from tests.browser.refreshing import answered, poll_often, refresh, wait_for_three_polls
from tests.cases import short
from tests.conftest import PASSWORD
from tests.factories import ago, naive, put, zulu
from tests.jobs.test_jobs import failed, frozen

DIALOG = "#dialog[open]"
KEY = "req_a"


@pytest.fixture
def act_as(page: Page, live: str, sign_in: Callable[[str], None]) -> Callable[..., Page]:
    """``act_as(role, path)``: that persona's page there, marked so that a navigation is noticed."""

    def visit(role: str, path: str) -> Page:
        sign_in(role)
        page.goto(live + path)
        page.evaluate("window.stayed = true")
        return page

    return visit


def press(page: Page, action: str) -> Any:
    """Press the action's button; returns its dialog."""
    page.locator(f'[data-action="{action}"]').click()
    dialog = page.locator(DIALOG)
    expect(dialog).to_be_visible()
    return dialog


def confirm(page: Page, title: str, *, reason: str = "", key: str = "") -> None:
    """Fill the form of the open dialog and send it; it closes."""
    dialog = page.locator(DIALOG)
    if reason:
        dialog.get_by_label("Reason").fill(reason)
    if key:
        dialog.get_by_label("Type its id to confirm").fill(key)
    dialog.get_by_role("button", name=title).click()
    expect(dialog).to_have_count(0)


def fate(page: Page, kind: str, words: str = "") -> None:
    """The banner comes to say so. The page did not navigate."""
    banner = page.locator(f'[data-fate="{kind}"]')
    refresh(page)
    expect(banner).to_contain_text(words)
    assert page.evaluate("window.stayed"), "the page was loaded again"


def read(table: Any, key: str) -> dict[str, Any]:
    client = clients.client(*table.location, background=True)
    answer = client.get_item(TableName=table.name, Key={table.key: {"S": key}}, ConsistentRead=True)
    item: dict[str, Any] = answer.get("Item", {})
    return item


def actions_on(logical: str, key: str) -> list[str]:
    """What the audit trail has of an item, oldest first."""
    return [entry.action.value for entry in reversed(feeds.of_target(Target(logical, key)))]


def status(page: Page) -> Any:
    return page.locator(".summary .status").first


# --- Requests ---------------------------------------------------------------------------------------


def test_a_cancel_is_requested_overwritten_done_again_and_seen(
    tables: dict[str, Any], act_as: Callable[..., Page]
) -> None:
    memory = factories.request(KEY)
    put(tables["requests"], memory)
    page = act_as("operator", f"/requests/{KEY}/")
    dialog = press(page, "request:cancel")
    expect(dialog).to_contain_text("may overwrite it: the page shows which")
    confirm(page, "Cancel the request", reason="Wrong keywords")
    fate(page, "requested", "Cancelled by operator")
    expect(status(page)).to_have_text("cancelled")
    # A worker that never looked puts back what it remembers, with a step forward.
    put(tables["requests"], {**memory, "updated_at": {"S": naive(ago(seconds=-1))}})
    fate(page, "overwritten", "Overwritten by the worker")
    expect(page.locator("#live-announce")).to_contain_text("Overwritten by the worker")
    expect(status(page)).to_have_text("processing")
    again = page.get_by_role("link", name="Do it again")
    again.click()
    confirm(page, "Cancel the request")
    fate(page, "requested")
    # Another that has read it writes on, and keeps it.
    seen = read(tables["requests"], KEY)
    put(tables["requests"], {**seen, "updated_at": {"S": naive(ago(seconds=-2))}})
    fate(page, "seen", "Cancelled by operator")
    assert actions_on("requests", KEY) == ["request:cancel", "request:cancel"]
    page.goto(page.url + "?tab=audit")
    expect(page.get_by_role("region", name="Audit entries")).to_contain_text("Wrong keywords")


def test_what_is_marked_failed_is_retried_and_seen_once_a_worker_takes_it(
    tables: dict[str, Any], act_as: Callable[..., Page]
) -> None:
    put(tables["requests"], factories.request(KEY, status="queued"))
    page = act_as("operator", f"/requests/{KEY}/")
    expect(page.locator('[data-action="request:complete"]')).to_have_attribute("aria-disabled", "true")
    dialog = press(page, "request:fail")
    expect(dialog).to_contain_text("Its status queued is unknown to the console")
    reason = dialog.get_by_label("Reason")
    # The browser asks for it first; what comes past that, the console refuses.
    expect(reason).to_have_attribute("required", "")
    reason.fill("  ")
    dialog.get_by_role("button", name="Mark the request failed").click()
    expect(dialog.get_by_text("Enter a reason: it becomes the item's error.")).to_be_visible()
    confirm(page, "Mark the request failed", reason="It broke")
    fate(page, "requested", "Marked failed by operator")
    expect(page.locator('[data-finding="marked"]')).to_contain_text("Marked failed by operator: It broke")
    expect(page.locator('[data-action="request:cancel"]')).to_have_attribute("aria-disabled", "true")
    press(page, "request:retry")
    confirm(page, "Retry the request")
    fate(page, "requested", "Retried by operator")
    expect(status(page)).to_have_text("pending")
    taken = read(tables["requests"], KEY)
    put(
        tables["requests"],
        {**taken, "status": {"S": "processing"}, "updated_at": {"S": naive(ago(seconds=-1))}},
    )
    fate(page, "seen", "Retried by operator")
    expect(status(page)).to_have_text("processing")
    expect(page.get_by_text(": It broke")).to_be_visible()
    assert actions_on("requests", KEY) == ["request:fail", "request:retry"]


def test_a_purge_asks_for_the_id_and_is_undone_from_the_page_and_from_the_entry(
    tables: dict[str, Any], act_as: Callable[..., Page]
) -> None:
    item = factories.request(KEY, status="completed", completed_at=naive(ago(minutes=1)))
    put(tables["requests"], item)
    page = act_as("operator", f"/requests/{KEY}/")
    dialog = press(page, "request:purge")
    typed = dialog.get_by_label("Type its id to confirm")
    dialog.get_by_label("Reason").fill("A trial")
    typed.fill("req_b")
    dialog.get_by_role("button", name="Purge the request").click()
    expect(dialog.get_by_text("This is not its id")).to_be_visible()
    expect(typed).to_be_focused()
    expect(dialog.get_by_label("Reason")).to_have_value("A trial")
    confirm(page, "Purge the request", key=KEY)
    purged = page.locator("[data-empty=purged]")
    expect(purged.get_by_role("heading", name="Purged by you")).to_be_visible()
    expect(purged).to_contain_text("A trial")
    expect(purged).to_be_focused()
    assert read(tables["requests"], KEY) == {}
    press(page, "undo")
    confirm(page, "Undo the purge")
    expect(status(page)).to_have_text("completed")
    assert page.evaluate("window.stayed")
    assert read(tables["requests"], KEY) == item
    press(page, "request:purge")
    confirm(page, "Purge the request", key=KEY)
    page.get_by_role("link", name="Audit entry").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Request purged")
    press(page, "request:undo")
    confirm(page, "Undo the purge", reason="It was needed")
    expect(page.locator(".banner")).to_contain_text("Undone by operator")
    assert read(tables["requests"], KEY) == item
    assert actions_on("requests", KEY) == ["request:purge", "request:undo"] * 2


# --- Twice, late, and without an answer ---------------------------------------------------------------


def test_a_double_click_two_tabs_and_the_back_button_make_one_effect(
    live: str, tables: dict[str, Any], act_as: Callable[..., Page]
) -> None:
    put(tables["requests"], factories.request(KEY), factories.request("req_b"))
    page = act_as("operator", f"/requests/{KEY}/")
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    dialog = press(page, "request:cancel")
    dialog.get_by_role("button", name="Cancel the request").dblclick()
    expect(dialog).to_have_count(0)
    fate(page, "requested")
    assert len(posts) == 1
    assert actions_on("requests", KEY) == ["request:cancel"]

    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(f"{live}/requests/req_b/cancel/")
    page.get_by_role("button", name="Cancel the request").click()
    page.wait_for_url(f"{live}/requests/req_b/")
    expect(page.locator(".message")).to_contain_text("Cancelled.")
    other.get_by_role("button", name="Cancel the request").click()
    expect(other.get_by_text("It is cancelled: there is nothing to cancel.").first).to_be_visible()
    other.close()
    # Back to the form as it was sent, and once more: the same action, done already.
    page.go_back()
    again = page.get_by_role("button", name="Cancel the request")
    if again.count():
        again.click()
        page.wait_for_url(f"{live}/requests/req_b/")
    else:
        expect(page.get_by_text("there is nothing to cancel")).to_be_visible()
    assert actions_on("requests", "req_b") == ["request:cancel"]


def test_an_answer_that_is_lost_says_so_and_the_action_can_be_sent_again(
    tables: dict[str, Any], act_as: Callable[..., Page]
) -> None:
    put(tables["requests"], factories.request(KEY))
    page = act_as("operator", f"/requests/{KEY}/")
    dialog = press(page, "request:cancel")
    dialog.get_by_label("Reason").fill("Too slow")

    def lose(route: Route) -> None:
        route.fetch()  # it reaches the console, and is done
        route.abort()

    page.route("**/cancel/", lose)
    dialog.get_by_role("button", name="Cancel the request").click()
    alert = dialog.get_by_role("alert")
    expect(alert).to_contain_text("it is done only once")
    expect(alert).to_be_focused()
    expect(dialog.get_by_label("Reason")).to_have_value("Too slow")
    page.unroute("**/cancel/")
    confirm(page, "Cancel the request")
    fate(page, "requested")
    assert actions_on("requests", KEY) == ["request:cancel"]


def test_a_dialog_that_is_closed_while_its_answer_is_under_way_says_what_came_of_it(
    tables: dict[str, Any], act_as: Callable[..., Page], operator: Any
) -> None:
    Preferences.objects.create(user=operator, refresh_seconds=0)  # nothing else would ask
    put(tables["requests"], factories.request(KEY))
    page = act_as("operator", f"/requests/{KEY}/")
    busy = '<section data-problem="busy" role="alert">Busy.</section>'

    def close() -> None:
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)

    def refused(route: Route) -> None:
        close()
        route.fulfill(status=503, body=busy, content_type="text/html")

    def done(route: Route) -> None:
        answer = route.fetch()
        close()
        route.fulfill(response=answer)

    dialog = press(page, "request:cancel")
    dialog.get_by_label("Reason").fill("Too slow")
    page.route("**/cancel/", refused, times=1)
    dialog.get_by_role("button", name="Cancel the request").click()
    expect(dialog.get_by_role("alert")).to_have_text("Busy.")
    expect(dialog.get_by_label("Reason")).to_have_value("Too slow")
    page.route("**/cancel/", done, times=1)
    dialog.get_by_role("button", name="Cancel the request").click()
    # The refresh at the close of the dialog may have brought the outcome already: then the answer itself is said.
    expect(page.locator("[data-fate=requested]:focus, #said:focus")).to_have_count(1)
    expect(status(page)).to_have_text("cancelled")
    expect(dialog).to_have_count(0)
    assert actions_on("requests", KEY) == ["request:cancel"]


def test_who_comes_second_gets_a_sentence_and_the_item_as_it_is_now(
    tables: dict[str, Any], act_as: Callable[..., Page]
) -> None:
    put(tables["requests"], factories.request(KEY))
    page = act_as("operator", f"/requests/{KEY}/")
    dialog = press(page, "request:cancel")
    first = Actor("another", "operator", "user:1004")
    action_views.CANCEL.act(KEY, by=first, reason="I was quicker", action_id=new_action_id())
    dialog.get_by_role("button", name="Cancel the request").click()
    sentence = dialog.get_by_text("It is cancelled: there is nothing to cancel.")
    expect(sentence).to_have_count(1)
    expect(dialog.get_by_role("alert")).to_be_focused()
    dialog.get_by_role("link", name="Back").click()
    expect(status(page)).to_have_text("cancelled")
    expect(page.locator('[data-fate="requested"]')).to_contain_text("Cancelled by another")
    assert page.evaluate("window.stayed")
    assert actions_on("requests", KEY) == ["request:cancel"]


def test_a_dialog_closes_by_a_click_beside_it_but_not_when_a_selection_ends_there(
    tables: dict[str, Any], act_as: Callable[..., Page]
) -> None:
    put(tables["requests"], factories.request(KEY))
    page = act_as("operator", f"/requests/{KEY}/")
    dialog = press(page, "request:cancel")
    reason = dialog.get_by_label("Reason")
    reason.fill("Too slow")
    reason.hover()
    page.mouse.down()
    page.mouse.move(20, 400)
    page.mouse.up()
    expect(dialog).to_be_visible()
    expect(reason).to_have_value("Too slow")
    page.mouse.click(20, 400)
    expect(dialog).to_have_count(0)
    expect(page.locator('[data-action="request:cancel"]')).to_be_focused()


def sign_in_in_a_new_tab(page: Page) -> None:
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Sign in in a new tab").click()
    tab = opened.value
    tab.get_by_label("User name or e-mail").fill("operator")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", name="Overview")).to_be_visible()
    tab.close()


def test_a_session_that_ends_before_the_form_is_sent_loses_nothing(
    live: str, tables: dict[str, Any], act_as: Callable[..., Page]
) -> None:
    put(tables["requests"], factories.request(KEY))
    page = act_as("operator", f"/requests/{KEY}/")
    dialog = press(page, "request:cancel")
    dialog.get_by_label("Reason").fill("Too slow")
    page.context.clear_cookies(name=django_settings.SESSION_COOKIE_NAME)
    dialog.get_by_role("button", name="Cancel the request").click()
    expect(dialog.get_by_role("alert")).to_be_focused()
    expect(dialog.get_by_role("alert")).to_contain_text("You were signed out")
    dialog.get_by_role("button", name="Send again").click()
    expect(dialog.get_by_role("status")).to_have_text("You are still signed out. Nothing was sent.")
    sign_in_in_a_new_tab(page)
    expect(dialog.get_by_label("Reason")).to_have_value("Too slow")
    assert actions_on("requests", KEY) == []
    dialog.get_by_role("button", name="Send again").click()
    expect(dialog).to_have_count(0)
    fate(page, "requested", "Cancelled by operator")
    # Signed out and in again elsewhere: the token of the page is out of date, and the form's own button is enough.
    dialog = press(page, "request:retry")
    dialog.get_by_label("Reason").fill("By mistake")
    page.context.clear_cookies()
    dialog.get_by_role("button", name="Retry the request").click()
    sign_in_in_a_new_tab(page)
    dialog.get_by_role("button", name="Retry the request").click()
    expect(dialog).to_have_count(0)
    assert actions_on("requests", KEY) == ["request:cancel", "request:retry"]
    # The same form as a page of its own.
    page.goto(f"{live}/requests/{KEY}/cancel/")
    page.get_by_label("Reason").fill("On second thoughts")
    page.context.clear_cookies(name=django_settings.SESSION_COOKIE_NAME)
    page.get_by_role("button", name="Cancel the request").click()
    expect(page.get_by_role("alert")).to_contain_text("You were signed out")
    expect(page.get_by_role("alert")).to_contain_text("On second thoughts")
    sign_in_in_a_new_tab(page)
    page.get_by_role("button", name="Send again").click()
    page.wait_for_url(f"{live}/requests/{KEY}/")
    entries = feeds.of_target(Target("requests", KEY))
    assert [entry.reason for entry in entries] == ["On second thoughts", "By mistake", "Too slow"]


def test_trouble_that_has_a_name_is_told_in_the_dialog(
    live: str, tables: dict[str, Any], act_as: Callable[..., Page], operator: Any
) -> None:
    put(tables["requests"], factories.request(KEY))
    page = act_as("operator", f"/requests/{KEY}/")
    dialog = press(page, "request:cancel")
    dialog.get_by_label("Reason").fill("Too slow")
    operator.groups.clear()
    dialog.get_by_role("button", name="Cancel the request").click()
    expect(dialog.get_by_role("alert")).to_be_focused()
    expect(dialog.locator("[data-problem=refused]")).to_be_visible()
    expect(dialog.get_by_label("Reason")).to_have_value("Too slow")
    page.keyboard.press("Escape")
    assert actions_on("requests", KEY) == []
    page.locator('[data-action="request:purge"]').or_(
        page.locator('[data-action="request:cancel"]')
    ).first.click()
    expect(page.locator(DIALOG).locator("[data-problem=refused]")).to_be_visible()


# --- With keys, while the page refreshes itself ---------------------------------------------------------


def focused(page: Page) -> str:
    found: str = page.evaluate("document.activeElement?.dataset?.action || document.activeElement?.tagName")
    return found


def test_an_action_by_keys_alone_keeps_its_dialog_and_returns_the_focus(
    tables: dict[str, Any], act_as: Callable[..., Page]
) -> None:
    put(tables["requests"], factories.request(KEY))
    page = act_as("operator", f"/requests/{KEY}/")
    opener = page.locator('[data-action="request:cancel"]')
    for _ in range(40):
        if focused(page) == "request:cancel":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    dialog = page.locator(DIALOG)
    expect(dialog.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("by hand")
    # A refresh was due, and the item has changed: neither the dialog nor what is beneath it moves.
    put(tables["requests"], factories.request(KEY, status="executing"))
    refresh(page)
    poll_often(page)
    wait_for_three_polls(page)
    expect(dialog.get_by_label("Reason")).to_have_value("by hand")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    expect(status(page)).to_have_text("processing")
    expect(page.locator("#live-state")).to_contain_text("paused: dialog open")
    order = []
    for _ in range(3):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.innerText.trim()"))
    assert order[:2] == ["Back", "Cancel the request"]
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()
    # It goes on by itself, and the focus stays on the button that the refresh brought.
    expect(status(page)).to_have_text("executing")
    expect(opener).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    # Swapped while the dialog was open: another element is in its place.
    page.evaluate(
        "{ const old = document.querySelector('[data-action=\"request:cancel\"]'); old.replaceWith(old.cloneNode(true)); }"
    )
    page.keyboard.press("Enter")  # in the reason: sends the form
    expect(dialog).to_have_count(0)
    expect(status(page)).to_have_text("cancelled")
    # The sentence that says what came of it, not the button, whose reason would read like a refusal.
    expect(page.locator("[data-fate]")).to_be_focused()
    expect(opener).to_have_attribute("aria-disabled", "true")
    expect(opener).to_have_accessible_description(re.compile("there is nothing to cancel"))
    expect(page.locator(".why-not:visible")).to_have_count(0)
    # It is read out because it has the focus, and not a second time.
    expect(page.locator("#live-announce")).to_have_text("")
    assert actions_on("requests", KEY) == ["request:cancel"]


def test_a_refresh_under_way_does_not_slip_past_a_dialog_that_opens(
    tables: dict[str, Any], act_as: Callable[..., Page]
) -> None:
    put(tables["requests"], factories.request(KEY))
    page = act_as("operator", f"/requests/{KEY}/")
    held: list[Route] = []
    page.route(f"**/requests/{KEY}/", lambda route: held.append(route))
    put(tables["requests"], factories.request(KEY, status="executing"))
    refresh(page)
    dialog = press(page, "request:cancel")
    assert len(held) == 1
    with answered(page):
        held[0].continue_()
    expect(status(page)).to_have_text("processing")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    page.unroute(f"**/requests/{KEY}/")
    page.keyboard.press("Escape")
    refresh(page)
    expect(status(page)).to_have_text("executing")


def test_a_viewer_reaches_every_button_and_hears_why_it_is_not_to_be_had(
    tables: dict[str, Any], act_as: Callable[..., Page]
) -> None:
    put(tables["requests"], factories.request(KEY))
    page = act_as("viewer", f"/requests/{KEY}/")
    bar = page.get_by_role("group", name="Actions")
    expect(bar.get_by_role("link")).to_have_count(0)
    buttons = bar.get_by_role("button")
    expect(buttons).to_have_count(6)
    bar.get_by_role("button").first.focus()
    for at in range(6):
        expect(buttons.nth(at)).to_be_focused()
        expect(buttons.nth(at)).to_have_accessible_description("Your role (viewer) may not do this.")
        reason = page.locator(".why-not:visible")
        expect(reason).to_have_text("Your role (viewer) may not do this.")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
    assert page.locator(DIALOG).count() == 0
    refused = page.goto(page.url + "cancel/")
    assert refused is not None
    assert refused.status == 403


# --- Workflows ------------------------------------------------------------------------------------------


@pytest.fixture
def commands(settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The queues are set; what would be sent to them at once stays in the outbox."""
    settings.WORKFLOW_COMMANDS_QUEUE_URL = settings.REQUESTS_QUEUE_URL = "http://127.0.0.1:9/0/q"
    sent: list[Any] = []
    monkeypatch.setattr(outbox, "send_soon", lambda *given, **named: sent.append(given))
    return sent


def test_a_workflow_is_cancelled_retried_from_where_it_failed_and_whole_and_purged(
    tables: dict[str, Any], act_as: Callable[..., Page], commands: list[Any]
) -> None:
    failed = factories.workflow(
        "w-1",
        overallStatus="failed",
        tradeExtraction=factories.step("error", activity="ValidationError"),
    )
    put(tables["workflows"], factories.workflow("w-2"), failed)
    page = act_as("operator", "/workflows/w-2/")
    press(page, "workflow:cancel")
    confirm(page, "Cancel the workflow")
    fate(page, "requested", "Cancelled by operator")
    put(tables["workflows"], factories.workflow("w-2", lastUpdated=zulu(ago(seconds=-1))))
    fate(page, "overwritten")

    page = act_as("operator", "/workflows/w-1/")
    dialog = press(page, "workflow:retry")
    choice = dialog.get_by_label("Steps to run again")
    expect(choice).to_be_focused()
    expect(choice.locator("option:checked")).to_have_text("From Trade extraction on (error)")
    confirm(page, "Retry the workflow")
    fate(page, "requested", "Retried by operator")
    item = read(tables["workflows"], "w-1")
    assert item["pdfAdapter"] == failed["pdfAdapter"], "what went before the failed step stays"
    assert item["tradeExtraction"]["M"]["status"] == {"S": "pending"}
    put(
        tables["workflows"],
        {**item, "overallStatus": {"S": "failed"}, "lastUpdated": {"S": zulu(ago(seconds=-1))}},
    )
    fate(page, "seen", "Retried by operator")
    press(page, "workflow:retry")
    confirm(page, "Retry the workflow")
    fate(page, "requested")
    assert read(tables["workflows"], "w-1")["pdfAdapter"]["M"]["status"] == {"S": "pending"}
    press(page, "workflow:cancel")
    confirm(page, "Cancel the workflow")
    fate(page, "requested", "Cancelled")
    press(page, "workflow:purge")
    confirm(page, "Purge the workflow", key="w-1")
    expect(page.locator("[data-empty=purged]")).to_contain_text("Purged by you")
    press(page, "undo")
    confirm(page, "Undo the purge")
    expect(status(page)).to_have_text("cancelled")
    assert actions_on("workflows", "w-1") == [
        *("workflow:retry", "workflow:retry", "workflow:cancel", "workflow:purge", "workflow:undo")
    ]


# --- Agents ---------------------------------------------------------------------------------------------


def test_an_agent_is_registered_edited_undone_put_to_rest_woken_and_purged(
    live: str, tables: dict[str, Any], act_as: Callable[..., Page]
) -> None:
    put(tables["agents"], factories.agent("a-0"))
    page = act_as("operator", "/agents/")
    page.locator('[data-action="agent:register"]').click()
    page.wait_for_url("**/agents/register/")
    form = page.get_by_role("main")
    form.get_by_label("Id", exact=True).fill("a-1")
    form.get_by_label("Name", exact=True).fill("Matcher")
    form.get_by_label("Endpoint").fill("ftp://agent.example.com")
    form.get_by_role("button", name="Register").click()
    expect(form.get_by_label("Endpoint")).to_have_attribute("aria-invalid", "true")
    form.get_by_label("Endpoint").fill("https://agent.example.com")
    form.get_by_label("Capabilities").fill("matching")
    form.get_by_role("button", name="Register").click()
    page.wait_for_url(f"{live}/agents/a-1/")
    page.evaluate("window.stayed = true")
    fate(page, "requested", "Registered by operator")
    memory = read(tables["agents"], "a-1")

    press(page, "agent:edit").get_by_label("Name", exact=True).fill("Matcher 2")
    confirm(page, "Edit the agent")
    fate(page, "requested", "Edited by operator")
    expect(page.get_by_role("heading", level=1)).to_have_text("Matcher")  # outside of what refreshes
    beat = {"lastHeartbeat": {"N": str(int(ago(seconds=-1).timestamp() * 1000))}}
    put(tables["agents"], {**memory, **beat})
    fate(page, "overwritten", "Overwritten")
    press(page, "agent:edit").get_by_label("Name", exact=True).fill("Matcher 3")
    confirm(page, "Edit the agent")
    fate(page, "requested")
    page.goto(f"{live}/agents/a-1/?tab=audit")
    page.get_by_role("region", name="Audit entries").get_by_role("link").first.click()
    changes = page.get_by_role("region", name="Changes")
    expect(changes).to_contain_text("Matcher 3")
    press(page, "agent:undo")
    confirm(page, "Undo the edit")
    expect(page.locator(".banner")).to_contain_text("Undone by operator")
    assert read(tables["agents"], "a-1")["name"] == {"S": "Matcher"}

    page = act_as("operator", "/agents/a-1/")
    expect(page.locator('[data-action="agent:purge"]')).to_have_attribute("aria-disabled", "true")
    press(page, "agent:deactivate")
    confirm(page, "Deactivate the agent")
    fate(page, "requested", "Deactivated")
    press(page, "agent:activate")
    confirm(page, "Activate the agent")
    fate(page, "requested", "Activated")
    press(page, "agent:deactivate")
    confirm(page, "Deactivate the agent")
    fate(page, "requested", "Deactivated")
    press(page, "agent:purge")
    confirm(page, "Purge the agent", key="a-1")
    expect(page.locator("[data-empty=purged]")).to_contain_text("Purged by you")
    # A registry that has it in memory puts it back.
    put(tables["agents"], {**memory, **beat})
    fate(page, "overwritten", "Overwritten")


# --- Submission -----------------------------------------------------------------------------------------


def test_a_request_is_submitted_by_the_form_watched_and_started_again_like_it_was(
    live: str, tables: dict[str, Any], act_as: Callable[..., Page]
) -> None:
    page = act_as("operator", "/requests/")
    page.get_by_role("link", name="New request").first.click()
    page.get_by_label("Project", exact=True).fill("oncology-watch")
    page.get_by_label("Keyword 1", exact=True).fill("semaglutide")
    page.get_by_label("Name of source 1", exact=True).fill("FDA")
    page.get_by_label("Address of source 1", exact=True).fill("https://www.fda.gov")
    page.get_by_label("Type of source 1", exact=True).fill("government")
    page.locator(".form-foot").get_by_role("button", name="Preview").click()
    expect(page.locator("#preview pre").first).to_contain_text("oncology-watch")
    page.locator(".form-foot").get_by_role("button", name="Submit request").click()
    page.wait_for_url(re.compile(r"/requests/req_\d+_\w{8}/$"))
    page.evaluate("window.stayed = true")
    assert page.evaluate("sessionStorage.getItem('soon-until') > Date.now()"), "it polls soon"
    key = page.url.rstrip("/").rsplit("/", 1)[1]
    fate(page, "requested", "Submitted by operator")
    expect(status(page)).to_have_text("pending")
    item = read(tables["requests"], key)
    put(
        tables["requests"],
        {**item, "status": {"S": "processing"}, "updated_at": {"S": naive(ago(seconds=-1))}},
    )
    refresh(page)
    expect(status(page)).to_have_text("processing")
    assert actions_on("requests", key) == ["request:submit"]
    page.get_by_role("link", name="Copy to a new request").click()
    expect(page.get_by_label("Project", exact=True)).to_have_value("oncology-watch")
    page.get_by_label("Project", exact=True).fill("rare-disease")
    page.locator(".form-foot").get_by_role("button", name="Preview").click()
    expect(page.get_by_role("region", name="Differences to the original")).to_contain_text("rare-disease")


# --- Without scripts ------------------------------------------------------------------------------------


def test_every_action_works_without_scripts(
    live: str, browser: Browser, tables: dict[str, Any], client_for: Callable[[str], Any], commands: list[Any]
) -> None:
    put(tables["requests"], factories.request(KEY))
    put(
        tables["workflows"],
        factories.workflow("w-1", overallStatus="failed", tradeExtraction=factories.step("error")),
    )
    put(tables["agents"], factories.agent("a-1"))
    context = browser.new_context(java_script_enabled=False, viewport=NARROW)
    cookie = client_for("operator").cookies[django_settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live}])
    try:
        page = context.new_page()

        def act(item: str, action: str, title: str, key: str = "", name: str = "") -> None:
            page.goto(live + item)
            page.locator(f'[data-action="{action}"]').click()
            if name:
                page.get_by_label("Name", exact=True).fill(name)
            if key:
                page.get_by_label("Type its id to confirm").fill(key)
            page.get_by_role("main").get_by_role("button", name=title).click()
            page.wait_for_url(live + item)

        request = f"/requests/{KEY}/"
        act(request, "request:cancel", "Cancel the request")
        expect(page.locator('[data-fate="requested"]')).to_be_visible()
        act(request, "request:retry", "Retry the request")
        act(request, "request:cancel", "Cancel the request")
        act(request, "request:purge", "Purge the request", KEY)
        expect(page.locator("[data-empty=purged]")).to_contain_text("Purged by you")
        act(request, "undo", "Undo the purge")
        expect(status(page)).to_have_text("cancelled")
        act("/workflows/w-1/", "workflow:retry", "Retry the workflow")
        act("/workflows/w-1/", "workflow:cancel", "Cancel the workflow")
        act("/workflows/w-1/", "workflow:purge", "Purge the workflow", "w-1")
        act("/agents/a-1/", "agent:edit", "Edit the agent", name="Matcher")
        act("/agents/a-1/", "agent:deactivate", "Deactivate the agent")
        act("/agents/a-1/", "agent:purge", "Purge the agent", "a-1")
        expect(page.locator("[data-empty=purged]")).to_contain_text("Purged by you")
    finally:
        context.close()
    assert len(actions_on("requests", KEY)) == 5


# --- How it looks ---------------------------------------------------------------------------------------


CUT_OFF = """[...document.querySelectorAll('dialog[open]')].some(one => {
    const box = one.getBoundingClientRect();
    return box.left < 0 || box.right > innerWidth || box.bottom > innerHeight; })"""


@pytest.mark.parametrize("in_turn", short([True, False], True))
def test_dialogs_banners_and_the_audit_trail_are_clean_in_both_themes_wide_and_narrow(
    live: str,
    tables: dict[str, Any],
    act_as: Callable[..., Page],
    faults: Callable[..., list[str]],
    commands: list[Any],
    in_turn: bool,
) -> None:
    done = naive(ago(minutes=1))
    memory = factories.request(KEY)
    put(tables["requests"], memory, factories.request("req_b", status="completed", completed_at=done))
    put(
        tables["workflows"],
        factories.workflow("w-1", overallStatus="failed", tradeExtraction=factories.step("error")),
    )
    put(tables["agents"], factories.agent("a-1"))
    found: list[str] = []

    def look(name: str) -> None:
        found.extend(faults(name, grave=True, without=SHELL, in_turn=in_turn))

    def look_at_dialog(name: str) -> None:
        found.extend(faults(name, grave=True, within=DIALOG))
        for size in (NARROW, WIDE):
            page.set_viewport_size(size)
            if page.evaluate(CUT_OFF):
                found.append(f"{name}: the dialog is cut off at {size['width']} px")

    page = act_as("operator", f"/requests/{KEY}/")
    press(page, "request:cancel")
    look_at_dialog("cancel dialog")
    confirm(
        page,
        "Cancel the request",
        reason="A reason that is rather long, so that it must be wrapped somewhere",
    )
    fate(page, "requested")
    page.locator('[data-action="request:cancel"]').focus()
    look("requested, with the reason why not")
    put(tables["requests"], {**memory, "updated_at": {"S": naive(ago(seconds=-1))}})
    fate(page, "overwritten")
    look("overwritten")
    page.goto(f"{live}/requests/{KEY}/?tab=audit")
    look("audit tab")
    page.goto(f"{live}/requests/req_b/")
    dialog = press(page, "request:purge")
    dialog.get_by_role("button", name="Purge the request").click()
    expect(dialog.get_by_text("This is not its id")).to_be_visible()
    look_at_dialog("purge dialog with an error")
    confirm(page, "Purge the request", key="req_b")
    expect(page.locator("[data-empty=purged]")).to_contain_text("Purged by")
    look("gone")
    page.get_by_role("link", name="Audit entry").click()
    look("entry of a purge")
    for path, action in (("/workflows/w-1/", "workflow:retry"), ("/agents/a-1/", "agent:edit")):
        page.goto(live + path)
        press(page, action)
        look_at_dialog(f"dialog of {action}")
    page.locator(DIALOG).get_by_label("Description").fill("A new description.\nOn two lines.")
    confirm(page, "Edit the agent")
    assert actions_on("agents", "a-1") == ["agent:edit"]
    page.goto(f"{live}/agents/a-1/?tab=audit")
    page.get_by_role("region", name="Audit entries").get_by_role("link").first.click()
    look("entry of an edit")
    for path in (
        "/audit/",
        "/audit/?actor=nobody",
        f"/requests/{KEY}/cancel/",
        "/agents/register/",
    ):
        page.goto(live + path)
        look(path)
    page = act_as("viewer", f"/requests/{KEY}/")
    expect(page.locator('[data-fate="overwritten"]')).to_be_visible()
    expect(page.get_by_role("link", name="Do it again")).to_have_count(0)
    page.locator('[data-action="request:purge"]').focus()
    look("viewer")
    assert found == []


def test_a_job_is_started_and_paused_and_its_end_is_said_on_another_page(
    tables: dict[str, Any], live: str, act_as: Any
) -> None:
    put(tables["requests"], *failed(3))
    job = frozen("requests.purge", filter={"status": "failed"})
    page = act_as("operator", f"/jobs/{job.id}/")
    count = page.get_by_label("Type 3 to confirm")
    count.fill("2")
    count.press("Enter")
    expect(page.get_by_text("Type 3: that many items are deleted.")).to_be_visible()
    refresh(page)  # a poll leaves the form as it was sent
    expect(page.get_by_text("Type 3: that many items are deleted.")).to_be_visible()
    count.fill("3")
    count.press("Enter")
    expect(page.locator("h1")).to_contain_text("running")
    page.evaluate("window.stayed = true")
    press(page, "pause")
    confirm(page, "Pause the job", reason="wait")
    expect(page.locator("h1")).to_contain_text("paused")
    press(page, "resume")
    confirm(page, "Resume the job")
    expect(page.locator("h1")).to_contain_text("running")
    assert page.evaluate("window.stayed")
    page.goto(f"{live}/requests/")
    pill = page.locator(".job-pill")
    expect(pill).to_contain_text("0 %")
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    found = store.find(job.id)
    assert found
    page.goto("about:blank")  # no page hears of its end before the next one
    running.run(found)
    page.goto(f"{live}/agents/")
    expect(pill).to_contain_text("finished")
    expect(page.locator("#live-announce")).to_have_text("Purge: 3 requests is finished: 3 done.")
    page.reload()
    expect(page.locator("#job-notice")).to_have_count(0)


def test_the_focus_goes_to_what_came_of_an_action_and_reasons_open_by_a_mark_under_a_finger(
    live: str,
    tables: dict[str, Any],
    act_as: Callable[..., Page],
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(tables["requests"], factories.request(KEY), factories.request("req_b"))
    put(tables["agents"], factories.agent("agent-1"))
    page = act_as("operator", f"/requests/{KEY}/")
    # The trail's index lags behind: the answer to the form says it, and later the item's own sentence is announced.
    latest = feeds.latest
    monkeypatch.setattr(feeds, "latest", lambda target: None)
    press(page, "request:cancel")
    confirm(page, "Cancel the request")
    expect(page.locator("#said")).to_have_text("Cancelled.")
    expect(page.locator("#said")).to_be_focused()
    monkeypatch.setattr(feeds, "latest", latest)
    fate(page, "requested", "Cancelled by operator")
    expect(page.locator("#said")).to_be_focused()
    expect(page.locator("#live-announce")).to_contain_text("Cancelled by operator")
    # A second action: its sentence takes the place of the first.
    press(page, "request:retry")
    confirm(page, "Retry the request")
    expect(page.locator("[data-fate]")).to_be_focused()
    expect(page.locator("[data-fate]")).to_contain_text("Retried by operator")
    expect(page.locator("#said")).to_have_count(0)
    # By a form that is a page, as without scripts: the message has the focus from the start.
    page.goto(f"{live}/requests/req_b/cancel/")
    page.get_by_role("button", name="Cancel the request").click()
    expect(page.locator("#messages .message")).to_be_focused()
    expect(page.locator("#messages .message")).to_have_text("Cancelled.")
    expect(page.locator(".why-not:visible")).to_have_count(0)
    # Agents, whose actions no worker takes up.
    page.goto(f"{live}/agents/agent-1/")
    press(page, "agent:deactivate")
    confirm(page, "Deactivate the agent")
    expect(page.locator("[data-fate]")).to_be_focused()
    # A finger has no hover: a tap on the button shows nothing, one on the mark shows why, at the foot of the screen.
    phone = browser.new_context(
        has_touch=True, is_mobile=True, viewport=NARROW, storage_state=page.context.storage_state()
    )
    page = phone.new_page()
    page.goto(f"{live}/requests/req_b/")
    page.locator('[data-action="request:cancel"]').tap(force=True)
    reason = page.locator(".why-not:visible")
    expect(reason).to_have_count(0)
    time = page.locator("#summary time").first
    time.tap()
    expect(time).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d .* UTC"))
    time.tap()
    expect(time).to_have_text(re.compile(r" ago$|now"))
    page.get_by_role("button", name="Why not: Cancel").tap()
    expect(reason).to_contain_text("there is nothing to cancel")
    expect(reason).to_be_in_viewport(ratio=1)
    put(tables["requests"], factories.request("req_b", status="cancelled", priority="low"))
    refresh(page)
    expect(page.locator("#summary")).to_contain_text("low")
    expect(reason).to_have_count(1)
    page.locator("h1").tap()
    expect(reason).to_have_count(0)
    phone.close()
