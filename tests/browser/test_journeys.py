"""What operators come for, from the login to the line of the log, in a real browser."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.conf import settings as django_settings
from playwright.sync_api import Browser, Page, expect

from opsportal.accounts.models import Preferences, SavedView
from tests import factories
from tests.browser import stock
from tests.conftest import PASSWORD

Arrive = Callable[[str], Page]


@pytest.fixture
def arrive(live: str, page: Page, sign_in: Any) -> Arrive:
    """``arrive(path)``: the page at that path, signed in as a viewer."""

    def visit(path: str) -> Page:
        sign_in("viewer")
        page.goto(live + path)
        return page

    return visit


@pytest.fixture
def scriptless(live: str, browser: Browser, user_of: Any) -> Iterator[Page]:
    """A narrow page of a browser without scripts, signed in as the operator by the login form."""
    user_of("operator")
    context = browser.new_context(java_script_enabled=False, viewport={"width": 380, "height": 800})
    try:
        page = context.new_page()
        page.goto(f"{live}/accounts/preferences/")
        log_in(page, "operator")
        page.wait_for_url(f"{live}/accounts/preferences/")
        yield page
    finally:
        context.close()


def log_in(page: Page, name: str) -> None:
    page.get_by_label("User name or e-mail").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def shows_rows(page: Page, keys: list[str]) -> None:
    """The list shows these items in this order."""
    expect(page.locator("[data-row-link]")).to_have_text(keys)


def shows_lines(page: Page, numbers: Iterable[int]) -> None:
    """The log shows these lines of `stock.log` in this order."""
    expected = [f"initialization line {number} of the log" for number in numbers]
    expect(page.locator(".log-text")).to_have_text(expected)


def numbered(condition: Callable[[int], bool], number: int = 60) -> list[str]:
    """The keys of `stock.many_requests` whose number fulfils the condition, newest first."""
    return [f"req_{at:03}" for at in range(number) if condition(at)]


def query(page: Page) -> str:
    return urlsplit(page.url).query


def whole(page: Page) -> None:
    """The page has its shell: no fragment stands in for it."""
    expect(page.locator(".topbar")).to_be_visible()
    expect(page.locator("h1")).to_have_count(1)


def test_from_the_login_over_the_overview_to_the_failing_step_and_back(
    live: str, tables: dict[str, Any], user_of: Any, page: Page
) -> None:
    user_of("operator")
    broken = factories.step("error", error="ThrottlingException: slow down")
    factories.put(
        tables["workflows"], factories.workflow("sess-bad", overallStatus="failed", pdfAdapter=broken)
    )
    factories.put(tables["workflows"], factories.workflow("sess-good", overallStatus="completed"))
    page.goto(f"{live}/")
    page.wait_for_url("**/accounts/login/**")
    log_in(page, "operator")
    page.wait_for_url(f"{live}/")
    failures = page.locator("#panel-workflows")
    expect(failures.locator(".tile", has_text="failed").locator(".figure")).to_have_text("1")
    expect(failures).to_contain_text("PDF adapter: ThrottlingException: slow down")
    failures.locator(".tile", has_text="failed").click()
    page.wait_for_url("**/workflows/?status=failed&range=24h")
    shows_rows(page, ["sess-bad"])
    page.locator("[data-row-link]").click()
    page.wait_for_url("**/workflows/sess-bad/")
    expect(page.get_by_role("heading", name="PDF adapter failed")).to_be_visible()
    page.get_by_role("link", name="Raw").click()
    expect(page.locator("pre.raw")).to_contain_text('"overallStatus": {\n    "S": "failed"')
    page.get_by_role("link", name="Back to the list").click()
    page.wait_for_url("**/workflows/?status=failed&range=24h")
    page.locator(".user-menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/**")


def test_a_list_is_narrowed_shared_and_walked_back_through(
    live: str, tables: dict[str, Any], arrive: Arrive, browser: Browser, client_for: Any
) -> None:
    base = stock.many_requests(tables)
    page = arrive("/requests/")
    shows_rows(page, numbered(lambda at: at < 50))
    steps: list[tuple[str, list[str]]] = []

    def shows(condition: Callable[[int], bool]) -> None:
        expected = numbered(condition)[:50]
        expect(page.locator("[data-row]")).to_have_count(len(expected))
        shows_rows(page, expected)
        steps.append((page.url, expected))

    tabs = page.get_by_role("navigation", name="Status")
    tabs.get_by_role("link", name="failed").click()
    page.wait_for_url("**status=failed**")
    shows(lambda at: at % 4 in (1, 3))
    page.locator(".toolbar summary", has_text="Filter").click()
    page.get_by_role("textbox", name="User").fill("anna")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**user=anna**")
    shows(lambda at: at % 4 in (1, 3) and at % 3 == 0)
    # A cell filters by what it shows.
    page.locator("[data-row]").first.get_by_role("link", name="rare-disease").click()
    page.wait_for_url("**project=rare-disease**")
    shows(lambda at: at % 4 in (1, 3) and at % 3 == 0 and at % 2 == 1)
    page.locator(".filter-chip", has_text="Status").click()
    page.wait_for_url(re.compile(r"^(?!.*status=)"))
    shows(lambda at: at % 3 == 0 and at % 2 == 1)
    page.locator(".toolbar summary", has_text="Last 7 days").click()
    page.get_by_label("From").fill(f"{base - stock.minutes(30):%Y-%m-%dT%H:%M}")
    page.get_by_label("To").fill(f"{base - stock.minutes(10):%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="Show this time").click()
    page.wait_for_url(re.compile(r"[?&]from=[^&]+Z&to=[^&]+Z"))
    shows(lambda at: at % 3 == 0 and at % 2 == 1 and 10 <= at < 30)
    # Both bounds of the chip can be read whole.
    chip = page.locator(".filter-chip", has_text="Time").locator(".chip-value")
    expect(chip).to_contain_text(re.compile(r"from .* to \d{4}-\d\d-\d\d \d\d:\d\d .*UTC"))
    assert chip.evaluate("node => node.clientWidth > 0 && node.scrollWidth <= node.clientWidth")

    # Whoever gets the address sees the same, and so does whoever reloads.
    other = browser.new_context()
    cookie = client_for("operator").cookies[django_settings.SESSION_COOKIE_NAME]
    other.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live}])
    shared = other.new_page()
    shared.goto(page.url)
    shows_rows(shared, steps[-1][1])
    other.close()
    page.reload()
    shows_rows(page, steps[-1][1])

    # A refresh has asked for each of these addresses as a fragment; back and forward must not show one.
    page.evaluate("document.dispatchEvent(new CustomEvent('console:refresh-now'))")
    page.locator("[data-row-link]").first.click()
    page.wait_for_url("**/requests/req_*/")
    for url, expected in reversed(steps):
        page.go_back()
        page.wait_for_url(url)
        whole(page)
        shows_rows(page, expected)
    page.go_forward()
    page.wait_for_url(steps[1][0])
    whole(page)
    shows_rows(page, steps[1][1])


def test_every_filter_of_requests_and_their_order_hold_on_the_next_page(
    tables: dict[str, Any], arrive: Arrive
) -> None:
    stock.many_requests(tables)
    for filters, condition in (
        ({"strategy": "sqs", "sort": "newest"}, lambda at: at % 5 == 0),
        ({"priority": "low", "sort": "newest"}, lambda at: at % 3 == 2),
        ({"type": "semaglutide_intelligence", "status": "processing"}, lambda at: at % 4 == 2),
        ({"q": "rare"}, lambda at: at % 2 == 1),
    ):
        page = arrive(f"/requests/?{urlencode(filters)}")
        shows_rows(page, numbered(condition))
    page = arrive("/requests/")
    page.get_by_role("link", name="Highest priority first").click()
    page.wait_for_url("**sort=priority**")
    order = ["high"] * 20 + ["medium"] * 20 + ["low"] * 20
    expect(page.locator("td[data-label=Priority]")).to_have_text(order[:50])
    first = page.locator("[data-row-link]").all_inner_texts()
    page.get_by_role("link", name="Older").click()
    page.wait_for_url("**cursor=**")
    assert "sort=priority" in query(page)
    expect(page.locator("td[data-label=Priority]")).to_have_text(order[50:])
    rest = page.locator("[data-row-link]").all_inner_texts()
    assert sorted(first + rest) == numbered(lambda at: True), "each exactly once"
    page.go_back()
    page.wait_for_url(re.compile(r"^(?!.*cursor=)"))
    shows_rows(page, first)
    page.go_forward()
    page.get_by_role("link", name="Newest", exact=True).click()
    page.wait_for_url(re.compile(r"^(?!.*cursor=)"))
    shows_rows(page, first)


def test_search_opens_an_id_finds_a_text_and_leads_out_of_nothing(
    tables: dict[str, Any], arrive: Arrive
) -> None:
    stock.many_requests(tables, 8)
    now = factories.naive(factories.ago())
    outside = factories.request("req_outside", created_at=factories.MISSING, updated_at=now)
    factories.put(tables["requests"], outside)
    page = arrive("/requests/?priority=high")
    search = page.get_by_role("searchbox", name="Search")
    search.fill("req_003")
    search.press("Enter")
    page.wait_for_url("**/requests/req_003/")
    page.go_back()
    search.fill("nobody")
    search.press("Enter")
    page.wait_for_url("**q=nobody**")
    expect(page.locator("[data-empty=no_match]")).to_contain_text("in the last 7 days")
    assert "priority=high" in query(page), "searching keeps the filters"
    page.get_by_role("link", name="Clear the filters").click()
    # What is in no index stands at its last update.
    everything = ["req_outside", *numbered(lambda at: True, 8)]
    shows_rows(page, everything)
    page.get_by_role("link", name="show only those").click()
    page.wait_for_url("**outside=1")
    shows_rows(page, ["req_outside"])
    expect(page.get_by_text("Only requests without a text in status")).to_be_visible()
    page.get_by_role("link", name="Back to the list").click()
    shows_rows(page, everything)


def test_lists_and_items_are_worked_by_keys_alone(tables: dict[str, Any], arrive: Arrive) -> None:
    stock.many_requests(tables, 52)
    page = arrive("/requests/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tr.is-current")).to_contain_text("req_001")
    page.keyboard.press("k")
    expect(page.locator("tr.is-current")).to_contain_text("req_000")
    page.keyboard.press("Enter")
    page.wait_for_url("**/requests/req_000/")
    expect(page.locator(".item-position")).to_have_text("1 of 50+")
    page.keyboard.press("j")
    page.wait_for_url("**/requests/req_001/")
    # One looks at the same part of the next.
    page.get_by_role("link", name="Logs", exact=True).press("Enter")
    page.wait_for_url("**/requests/req_001/logs/")
    page.get_by_role("link", name="Warning and above").press("Enter")
    page.wait_for_url("**/requests/req_001/logs/?level=WARNING")
    expect(page.locator(".item-position")).to_have_text("2 of 50+")
    page.keyboard.press("k")
    page.wait_for_url("**/requests/req_000/logs/?level=WARNING")
    page.goto(page.url.replace("req_000/logs/?level=WARNING", "req_049/?tab=raw"))
    expect(page.locator(".item-position")).to_have_text("50 of 50+")
    # The list's next page is read on the way, and Back leads to the page that has the item.
    page.keyboard.press("j")
    page.wait_for_url("**/requests/req_050/?tab=raw")
    expect(page.locator(".item-position")).to_have_text("51 of 52")
    expect(page.get_by_role("link", name="Back to the list")).to_have_attribute(
        "href", re.compile("^/requests/.*cursor=")
    )
    page.keyboard.press("j")
    page.wait_for_url("**/requests/req_051/?tab=raw")
    expect(page.get_by_title("Next in the list (j)")).to_have_attribute("aria-disabled", "true")
    for before in ("req_050", "req_049"):
        page.keyboard.press("k")
        page.wait_for_url(f"**/requests/{before}/?tab=raw")
    page.get_by_role("link", name="Progress", exact=True).press("Enter")
    page.wait_for_url("**/requests/req_049/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    # A refresh leaves the focus on the way to the next.
    onward = page.get_by_title("Next in the list (j)")
    onward.focus()
    factories.put(tables["requests"], factories.request("req_049", status="executing"))
    page.keyboard.press("r")
    expect(page.locator("#summary")).to_contain_text("executing")
    expect(onward).to_be_focused()
    page.get_by_role("link", name="Back to the list").press("Enter")
    page.wait_for_url("**/requests/")
    for key, text in (("f", "req_002"), ("/", "“req_001”,")):
        page.keyboard.press(key)
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/requests/{text.strip('“”,')}/")
        page.go_back()
        page.wait_for_url("**/requests/")
    page.keyboard.press("/")
    page.keyboard.type("req_002")
    page.keyboard.press("Enter")
    page.wait_for_url("**/requests/req_002/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_theme_and_time_zone_are_remembered_and_tell_times_in_both(
    tables: dict[str, Any], arrive: Arrive, viewer: Any
) -> None:
    at = factories.ago(hours=2).replace(microsecond=0)
    factories.put(tables["workflows"], factories.workflow("sess-1", createdAt=factories.zulu(at)))
    arrive("/accounts/preferences/")
    page = arrive("/accounts/preferences/")
    main = page.get_by_role("main")
    main.get_by_label("Theme").select_option("dark")
    main.get_by_label("Time zone").select_option("Asia/Tokyo")
    main.get_by_role("button", name="Save preferences").click()
    expect(page.get_by_text("Preferences saved.")).to_be_visible()
    page = arrive("/workflows/")
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"
    shown = page.locator("td[data-label=Started] time")
    expect(shown).to_have_text("2 h ago")
    title = shown.get_attribute("title") or ""
    assert title.startswith(f"{at:%Y-%m-%d %H:%M:%S}"), title
    assert "Asia/Tokyo" in title
    saved = Preferences.objects.get(user=viewer)
    assert (saved.theme, saved.time_zone) == ("dark", "Asia/Tokyo")


def test_a_view_is_saved_shared_opened_and_deleted(
    live: str, tables: dict[str, Any], arrive: Arrive, sign_in: Any
) -> None:
    stock.many_requests(tables, 12)
    page = arrive("/requests/?status=failed&user=anna&range=30d")
    shown = ["req_003", "req_009"]
    shows_rows(page, shown)
    page.locator(".saved-views summary").click()
    page.get_by_label("Save what is shown").fill("Anna's failures")
    page.get_by_label("Share with the team").check()
    page.get_by_role("button", name="Save view").click()
    expect(page.get_by_text("View “Anna's failures” saved.")).to_be_visible()
    shows_rows(page, shown)
    sign_in("operator")
    page.goto(f"{live}/requests/")
    page.locator(".saved-views summary").click()
    expect(page.get_by_role("button", name="Delete the view")).to_have_count(0)
    page.get_by_role("link", name="Anna's failures").click()
    page.wait_for_url("**user=anna**")
    shows_rows(page, shown)
    page = arrive("/requests/")
    page.locator(".saved-views summary").click()
    page.get_by_role("button", name="Delete the view").click()
    expect(page.get_by_text("deleted")).to_be_visible()
    assert not SavedView.objects.exists()


def test_a_log_is_filtered_linked_paged_and_downloaded_as_shown(
    tables: dict[str, Any], arrive: Arrive
) -> None:
    factories.put(tables["requests"], factories.request("req_1", status="completed"))
    stock.log(tables, "req_1", 230)
    page = arrive("/requests/req_1/")
    page.get_by_role("link", name="Logs").click()
    page.wait_for_url("**/logs/")
    shows_lines(page, range(30, 230))
    page.get_by_role("link", name="Older lines").click()
    page.wait_for_url("**cursor=**")
    shows_lines(page, range(30))
    page.go_back()
    levels = page.get_by_role("navigation", name="Level")
    levels.get_by_role("link", name="Warning").click()
    page.wait_for_url("**level=WARNING")
    shows_lines(page, range(0, 230, 5))
    with page.expect_download() as download:
        page.get_by_role("link", name="Text").click()
    saved = download.value.path().read_text().splitlines()
    warned = [f"line {number} of the log" for number in range(0, 230, 5)]
    assert [line[line.index("line ") :] for line in saved] == warned
    assert download.value.suggested_filename == "req_1-logs.txt"
    levels.get_by_role("link", name="All").click()
    line = page.locator(".log-line", has_text="line 77 of the log")
    line.locator(".log-time").click()
    page.wait_for_url("**until=**#L-*")
    expect(page.locator(".log-line:target")).to_contain_text("line 77 of the log")
    expect(page.locator(".log-line:target")).to_be_in_viewport()
    page.get_by_role("link", name="Newest lines").click()
    shows_lines(page, range(30, 230))


def test_all_of_it_works_without_scripts(live: str, tables: dict[str, Any], scriptless: Page) -> None:
    page = scriptless
    stock.many_requests(tables)
    factories.put(tables["workflows"], factories.workflow("sess-1"))
    factories.put(tables["agents"], factories.agent("agent-1"))
    stock.log(tables, "req_001", 12)

    page.goto(f"{live}/")
    expect(page.get_by_role("link", name="Open the list of requests")).to_be_visible()
    page.get_by_role("link", name="Open the list of requests").click()
    shows_rows(page, numbered(lambda at: at < 50))
    page.get_by_role("link", name="Older").click()
    shows_rows(page, numbered(lambda at: at >= 50))
    page.locator(".toolbar summary", has_text="Filter").click()
    page.get_by_role("textbox", name="User").fill("anna")
    page.get_by_role("button", name="Apply").click()
    shows_rows(page, numbered(lambda at: at % 3 == 0))
    page.locator(".toolbar summary", has_text="Last 7 days").click()
    page.get_by_role("link", name="Last 30 days").click()
    page.get_by_role("navigation", name="Status").get_by_role("link", name="failed").click()
    shows_rows(page, numbered(lambda at: at % 3 == 0 and at % 4 in (1, 3)))
    page.get_by_role("searchbox", name="Search").fill("req_001")
    page.get_by_role("searchbox", name="Search").press("Enter")
    page.wait_for_url("**/requests/req_001/")
    for tab in ("Config", "Results", "History", "Raw"):
        page.get_by_role("navigation", name="Parts of this request").get_by_role("link", name=tab).click()
        whole(page)
    page.get_by_role("link", name="Logs").click()
    shows_lines(page, range(12))
    page.get_by_role("navigation", name="Level").get_by_role("link", name="Error").click()
    shows_lines(page, (0, 10))
    for path, words in (("/workflows/", "sess-1"), ("/agents/", "agent-1")):
        page.goto(live + path)
        page.locator("[data-row-link]").click()
        expect(page.get_by_role("main")).to_contain_text(words)
        expect(page.locator(".summary")).to_be_visible()
