"""Pages that stay open while the tables move: what is written appears, and nothing of the reader's is lost."""

import contextlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import caches
from playwright.sync_api import BrowserContext, Page, Route, expect

from opsportal.accounts.models import Preferences
from opsportal.console.admission import Load, admission, limit
from opsportal.console.panels import panels
from opsportal.dynamo import clients
from opsportal.dynamo.tables import Binding
from opsportal.operations import item_pages
from tests import factories
from tests.browser import stock
from tests.browser.refreshing import answered, is_poll, poll_often, polls_of, refresh, wait_for_three_polls
from tests.conftest import PASSWORD
from tests.samples import forget, later
from tests.trouble import refused, trouble
from tracking.writer import StatusWriter

STEPS = ("pdfAdapter", "tradeExtraction", "tradeMatching", "exceptionManagement")
THROTTLED = refused("ThrottlingException", "Rate exceeded")
SHOW = """hidden => { Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
    document.dispatchEvent(new Event('visibilitychange')); }"""


@pytest.fixture
def prefer(user_of: Callable[[str], Any]) -> Callable[..., None]:
    def save(role: str, **values: Any) -> None:
        Preferences.objects.update_or_create(user=user_of(role), defaults=values)

    return save


@pytest.fixture
def viewing(live: str, page: Page, sign_in: Any) -> Callable[[str], Page]:
    """``viewing(path)``: the page at that path, signed in as a viewer, where a reload would be noticed."""

    def visit(path: str) -> Page:
        sign_in("viewer")
        page.goto(live + path)
        page.evaluate("window.sameDocument = true")
        return page

    return visit


def writer_of(table: Binding) -> StatusWriter:
    client = clients.client(*table.location, background=True)
    return StatusWriter(table.name, key=table.key, client=client, raise_errors=True)


def shows_rows(page: Page, keys: list[str]) -> None:
    """The list shows these items in this order."""
    expect(page.locator("[data-row-link]")).to_have_text(keys)


def test_a_workflow_is_watched_to_its_end_without_a_reload(
    live: str,
    tables: dict[str, Any],
    viewing: Any,
    prefer: Any,
    context: BrowserContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(item_pages, "LAG", timedelta(seconds=1))
    prefer("viewer", refresh_seconds=2)
    writer = writer_of(tables["workflows"])
    writer.initialize("sess-1", correlation_id="corr-1", document_id="trade.pdf", source_type="BANK")
    page = viewing("/workflows/sess-1/")
    overview = context.new_page()
    overview.goto(f"{live}/workflows/?status=initializing")
    expect(page.locator(".summary")).to_contain_text("initializing")
    writer.start_step("sess-1", STEPS[0], "Reading page 4 of 12")
    expect(page.locator(".tl-rows")).to_contain_text("Reading page 4 of 12")
    writer.finish_step("sess-1", STEPS[0], "12 pages read", {"inputTokens": 900, "outputTokens": 100})
    writer.start_step("sess-1", STEPS[1], "Extracting trades")
    refresh(page)  # polling has been seen, and this need not wait for it
    expect(page.locator(".tl-rows")).to_contain_text("Extracting trades")
    expect(page.locator(".tl-rows")).to_contain_text("12 pages read")
    expect(page.locator(".summary")).to_contain_text("1,000")
    # The list of another status shows that it left.
    refresh(overview)
    expect(overview.locator("[data-empty]")).to_be_visible()
    overview.close()
    writer.fail_step("sess-1", STEPS[2], "ValidationError: field 'notional' is missing")
    writer.finalize("sess-1", "failed")
    refresh(page)
    expect(page.get_by_role("heading", name="Trade matching failed")).to_be_visible()
    poll_often(page)
    # A moment after the last write: until then an operator's change may not be in the index yet.
    expect(page.locator("#live-state")).to_contain_text("finished")
    assert page.evaluate("window.sameDocument")
    # Nothing is asked once all is over.
    expect(page.locator("[data-live]")).not_to_have_attribute("hx-trigger", re.compile("every"))


# A reader's clock that is off by as many milliseconds as the page's storage says.
WRONG_CLOCK = """(() => {
    let shift = 0;
    try { shift = Number(localStorage.getItem("shift") || 0); } catch { /* about:blank has no storage */ }
    const Real = Date;
    window.Date = class extends Real {
      constructor(...given) { super(...(given.length ? given : [Real.now() + shift])); }
      static now() { return Real.now() + shift; }
    };
})()"""


def ticks_by_the_servers_clock(page: Page, seconds: int) -> None:
    """With a reader's clock that is so far off, on a list of an item of now and one of 20 minutes ago."""
    page.evaluate("shift => localStorage.setItem('shift', shift)", seconds * 1000)
    page.reload()
    fresh, older = (
        page.locator(f"tr[data-row]:has([data-copy={key}]) time[data-when]")
        for key in ("req_fresh", "req_older")
    )
    # The scripts have ticked.
    page.evaluate("document.querySelectorAll('time[data-when]').forEach(one => { one.textContent = '' })")
    expect(fresh).to_have_text(re.compile(r"^(now|\d+ s ago|1 min ago)$"))
    expect(older).to_have_text(re.compile(r"^2[01] min ago$"))
    with page.expect_response(lambda answer: is_poll(answer.request)):
        refresh(page)
    expect(page.locator("#live-state")).to_contain_text("live · ")
    clock = page.locator("#live-state").text_content() or ""
    said = timedelta(
        **dict(zip(("hours", "minutes", "seconds"), map(int, clock.split()[-1].split(":")), strict=True))
    )
    now = datetime.now(UTC)
    off = (timedelta(hours=now.hour, minutes=now.minute, seconds=now.second) - said) % timedelta(days=1)
    assert off < timedelta(minutes=1), (seconds, clock, now)


def test_new_rows_are_announced_and_wait_to_be_asked_for(
    tables: dict[str, Any], viewing: Any, context: BrowserContext
) -> None:
    stock.many_requests(tables, 6)
    page = viewing("/requests/")
    before = [f"req_{number:03}" for number in range(6)]
    shows_rows(page, before)
    newer = [
        factories.request(f"req_new_{number}", created_at=factories.naive(factories.ago(seconds=number)))
        for number in (2, 1)
    ]
    factories.put(tables["requests"], *newer)
    factories.put(
        tables["requests"], factories.request("req_002", status="completed", created_at=_stamp(tables))
    )
    row = page.locator("tr[data-row]", has=page.locator("[data-copy='req_002']"))
    expect(row).to_contain_text("processing")
    refresh(page)
    expect(page.locator(".new-rows")).to_contain_text("2 new")
    expect(row).to_contain_text("completed")
    shows_rows(page, before)
    page.locator(".new-rows").click()
    expect(page.locator(".new-rows")).to_have_count(0)
    shows_rows(page, ["req_new_1", "req_new_2", *before])
    for key, age in (("req_fresh", 3), ("req_older", 1200)):
        created = factories.naive(factories.ago(seconds=age))
        factories.put(tables["requests"], factories.request(key, created_at=created))
    wrong = context.new_page()
    wrong.add_init_script(WRONG_CLOCK)
    wrong.goto(page.url)
    for seconds in (-300, -5, 300, 3 * 3600):
        ticks_by_the_servers_clock(wrong, seconds)
    wrong.close()


def test_no_row_moves_while_the_pointer_or_the_focus_is_on_the_list(
    tables: dict[str, Any], viewing: Any
) -> None:
    stock.many_requests(tables, 9)
    page = viewing("/requests/?status=processing")
    before = page.locator("[data-row-link]").all_text_contents()
    row = page.locator("tr[data-row]").nth(1)

    def ends(key: str) -> None:
        """That one leaves the list, and the one below it changes in place or not at all."""
        factories.put(tables["requests"], factories.request(key, status="completed"))

    row.hover()
    ends(before[0])
    with answered(page):
        refresh(page)
    shows_rows(page, before)
    expect(page.locator("#live-state")).to_have_text("paused: rows would move")
    assert "req" in (page.evaluate("document.querySelector('[data-row]:hover [data-row-link]').textContent"))
    page.mouse.move(0, 0)
    shows_rows(page, before[1:])
    expect(page.locator("#live-state")).to_contain_text("live")
    # By keys: the focus is on a row.
    page.keyboard.press("j")
    ends(before[-1])
    with answered(page):
        refresh(page)
    shows_rows(page, before[1:])
    # Who asks for it gets it.
    page.keyboard.press("r")
    shows_rows(page, before[1:-1])
    ends(before[1])
    with answered(page):
        refresh(page)
    shows_rows(page, before[1:-1])
    page.evaluate("document.activeElement.blur()")
    shows_rows(page, before[2:-1])


@pytest.mark.parametrize("ask", [refresh, lambda page: page.keyboard.press("r")], ids=["event", "key"])
def test_what_is_asked_for_while_an_answer_is_under_way_is_asked_after_it(
    tables: dict[str, Any], viewing: Any, prefer: Any, ask: Callable[[Page], None]
) -> None:
    prefer("viewer", refresh_seconds=0)  # nothing else would ask
    factories.put(tables["workflows"], factories.workflow("sess-1"))
    page = viewing("/workflows/sess-1/")

    def late(route: Route) -> None:
        """The answer, which changes the page, was read before the item changed again."""
        factories.put(tables["workflows"], factories.workflow("sess-1", overallStatus="info"))
        answer = route.fetch()
        factories.put(tables["workflows"], factories.workflow("sess-1", overallStatus="warning"))
        ask(page)
        route.fulfill(response=answer)

    page.route("**/workflows/sess-1/", late, times=1)
    refresh(page)
    expect(page.locator(".summary")).to_contain_text("warning")


# The page's timers go ten times as fast as the clock on the wall, which its time goes by: what was read is as old as the
# test says, and the minute passes when it says so.
HASTE = """(() => {
    const now = Date.now, timer = window.setInterval;
    window.shift = 0;
    Date.now = () => now() + window.shift;
    window.setInterval = (run, ms) => timer(run, ms / 10);
})()"""
OLD = "window.shift += 2_000"  # what was read is no longer new


def test_after_an_action_the_page_polls_soon_for_a_minute_also_where_refreshing_is_off(
    live: str, tables: dict[str, Any], viewing: Any, prefer: Any, context: BrowserContext
) -> None:
    prefer("viewer", refresh_seconds=0)
    factories.put(
        tables["requests"], factories.request("req_1"), factories.request("req_2", status="completed")
    )
    viewing("/requests/req_1/")
    page = context.new_page()
    page.add_init_script(HASTE)
    page.goto(f"{live}/requests/req_1/")
    polls = polls_of(page)
    page.evaluate(OLD)
    wait_for_three_polls(page)
    assert polls == []
    for what in ("htmx.trigger(document.body, 'console:done', {action: 'request:retry'})", "0"):
        with page.expect_request(is_poll):
            page.evaluate(f"{OLD}; {what}")
    # The page that one goes on to expects the answer too.
    page.goto(f"{live}/requests/?status=processing")
    with page.expect_request(is_poll):
        page.evaluate(OLD)
    page.evaluate("document.dispatchEvent(new CustomEvent('console:done')); window.shift += 60_001")
    page.evaluate("fetch('/healthz')")  # what was asked for before this is over
    polls.clear()
    wait_for_three_polls(page)
    assert polls == [], "the minute is over"
    # Nothing more is expected of what is finished.
    page.goto(f"{live}/requests/req_2/")
    page.evaluate(f"{OLD}; htmx.trigger(document.body, 'console:done', {{action: 'request:cancel'}})")
    polls.clear()
    wait_for_three_polls(page)
    assert polls == []
    page.close()


def _stamp(tables: dict[str, Any]) -> str:
    """When req_002 was created: it stays where it is in the list."""
    table = tables["requests"]
    client = clients.client(*table.location)
    item = client.get_item(TableName=table.name, Key={table.key: {"S": "req_002"}})["Item"]
    return str(item["created_at"]["S"])


def test_a_refresh_keeps_what_is_open_focused_typed_and_scrolled(
    tables: dict[str, Any], viewing: Any
) -> None:
    factories.put(tables["workflows"], factories.workflow("sess-1"))
    page = viewing("/workflows/sess-1/")
    page.set_viewport_size({"width": 1440, "height": 400})
    page.locator(".tl-table summary").click()
    page.locator(".page-tabs a", has_text="Raw").focus()
    page.evaluate("scrollTo(0, 150)")
    top = "document.querySelector('.page-tabs').getBoundingClientRect().top"
    before = page.evaluate(top)
    # What is new stands above what one reads: findings, an error, a pill.
    broken = factories.step("error", error="It broke")
    factories.put(
        tables["workflows"], factories.workflow("sess-1", overallStatus="warning", pdfAdapter=broken)
    )
    refresh(page)
    expect(page.locator(".findings")).to_contain_text("failed, but the workflow says warning")
    expect(page.locator("#first-error")).to_contain_text("It broke")
    assert page.locator(".tl-table").get_attribute("open") is not None
    expect(page.locator(".page-tabs a", has_text="Raw")).to_be_focused()
    # What one reads stays where it is on the screen, from the next frame on.
    page.wait_for_function(f"Math.abs({top} - {before}) < 2")

    stock.many_requests(tables, 40)
    page = viewing("/requests/")
    page.get_by_role("searchbox", name="Search").fill("half a thou")
    page.evaluate("scrollTo(0, 150)")
    page.locator(".partitions summary").click()
    factories.put(
        tables["requests"], factories.request("req_new", created_at=factories.naive(factories.ago()))
    )
    refresh(page)
    expect(page.locator(".new-rows")).to_contain_text("1 new")
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("half a thou")
    assert page.locator(".partitions").get_attribute("open") is not None


def test_a_failing_refresh_keeps_the_page_says_since_when_and_recovers(
    tables: dict[str, Any], viewing: Any
) -> None:
    stock.many_requests(tables, 3)
    page = viewing("/requests/")
    with trouble(tables["requests"], THROTTLED):
        refresh(page)
        state = page.locator("#live-state")
        expect(state).to_have_text(re.compile(r"^stale since \d\d:\d\d:\d\d$"))
        shows_rows(page, ["req_000", "req_001", "req_002"])
    factories.put(tables["requests"], factories.request("req_001", status="executing"))
    with contextlib.ExitStack() as others:
        for _ in range(limit(Load.LIST)):
            others.enter_context(admission(Load.LIST))
        page.keyboard.press("r")
        expect(state).to_have_text(re.compile(r"^busy · as of \d\d:\d\d:\d\d$"))
        shows_rows(page, ["req_000", "req_001", "req_002"])
    page.keyboard.press("r")
    expect(page.locator("#live-state")).to_contain_text("live · ")
    expect(page.locator("tbody")).to_contain_text("executing")
    assert page.evaluate("window.sameDocument")


def test_a_hidden_tab_asks_nothing_and_catches_up_when_it_is_seen(
    tables: dict[str, Any], viewing: Any, prefer: Any
) -> None:
    prefer("viewer", refresh_seconds=2)
    factories.put(tables["workflows"], factories.workflow("sess-1"))
    page = viewing("/workflows/sess-1/")
    poll_often(page)
    with page.expect_request(is_poll):
        pass  # it does ask, as long as it is seen
    page.evaluate(SHOW, True)
    asked = polls_of(page)
    factories.put(tables["workflows"], factories.workflow("sess-1", overallStatus="info"))
    wait_for_three_polls(page)
    assert asked == []
    page.evaluate(SHOW, False)
    expect(page.locator(".summary")).to_contain_text("info")


def test_a_finished_list_asks_once_when_somebody_comes_back_to_it(
    tables: dict[str, Any], viewing: Any, prefer: Any
) -> None:
    prefer("viewer", refresh_seconds=2)
    factories.put(tables["workflows"], factories.workflow("sess-1", overallStatus="completed"))
    page = viewing("/workflows/")
    expect(page.locator("#live-state")).to_contain_text("finished")
    asked = polls_of(page)
    factories.put(tables["workflows"], factories.workflow("sess-2", overallStatus="completed"))
    page.evaluate("Date.now = (now => () => now() + 10_000)(Date.now)")
    page.evaluate(SHOW, True)
    page.evaluate(SHOW, False)
    expect(page.get_by_text("1 new")).to_be_visible()
    assert len(asked) == 1
    expect(page.locator("#live-state")).to_contain_text("finished")


def test_refreshing_can_be_off_and_asked_for(tables: dict[str, Any], viewing: Any, prefer: Any) -> None:
    prefer("viewer", refresh_seconds=0)
    factories.put(tables["workflows"], factories.workflow("sess-1"))
    page = viewing("/workflows/sess-1/")
    expect(page.locator("#live-state")).to_contain_text("as of ")
    assert "every" not in (page.locator("[data-live]").get_attribute("hx-trigger") or "")
    factories.put(tables["workflows"], factories.workflow("sess-1", overallStatus="info"))
    page.keyboard.press("r")
    expect(page.locator(".summary")).to_contain_text("info")


def test_a_session_that_ends_during_a_refresh_leads_to_the_login_and_back(
    live: str, tables: dict[str, Any], viewing: Any, context: BrowserContext
) -> None:
    stock.many_requests(tables, 8)
    page = viewing("/requests/?status=failed&user=j.okafor")
    shown, url = ["req_001", "req_007"], page.url
    shows_rows(page, shown)
    context.clear_cookies()
    refresh(page)
    page.wait_for_url("**/accounts/login/**")
    page.get_by_label("User name or e-mail").fill("viewer")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(url)
    shows_rows(page, shown)
    assert urlsplit(page.url).netloc == urlsplit(live).netloc


def test_a_page_left_open_over_an_upgrade_says_so(
    tables: dict[str, Any], viewing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock.many_requests(tables, 2)
    page = viewing("/requests/")
    notice = page.locator("#new-version")
    with answered(page):
        refresh(page)
    expect(notice).to_have_count(0)
    monkeypatch.setattr("opsportal.console.context.version", lambda: "the next one")
    with answered(page):
        refresh(page)
    expect(notice).to_contain_text("There is a new version of the console.")
    with page.expect_navigation(wait_until="load"):
        notice.get_by_role("link", name="Reload").click()
    expect(notice).to_have_count(0)
    assert not page.evaluate("window.sameDocument")
    with answered(page):
        refresh(page)
    expect(notice).to_have_count(0)


def test_an_item_that_is_deleted_while_one_looks_says_so(tables: dict[str, Any], viewing: Any) -> None:
    factories.put(tables["workflows"], factories.workflow("sess-1"))
    page = viewing("/workflows/sess-1/")
    factories.delete(tables["workflows"], "sess-1")
    refresh(page)
    expect(page.get_by_role("heading", name="There is no workflow with this id")).to_be_visible()
    assert page.evaluate("window.sameDocument")


# The sum of the page's layout shifts so far, but for those that follow an input.
LAYOUT_SHIFT = """() => new Promise((done) => {
  let sum = 0;
  const add = (entry) => { if (!entry.hadRecentInput) sum += entry.value; };
  new PerformanceObserver((list) => list.getEntries().forEach(add)).observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(sum), 50)));
})"""


def test_the_overviews_panels_bring_themselves_up_to_date(tables: dict[str, Any], viewing: Any) -> None:
    stock.many_requests(tables, 4)
    hours_ago = factories.naive(factories.ago(hours=3))
    factories.put(
        tables["requests"],
        factories.request(
            "req_1795971192895_9f3d2069",
            status="executing",
            created_at=hours_ago,
            started_at=hours_ago,
            updated_at=hours_ago,
            progress=None,
        ),
    )
    page = viewing("/")
    page.set_viewport_size({"width": 1024, "height": 900})  # two panels side by side, as narrow as they get
    lines = page.locator("#panel-requests .digest li > *")
    expect(lines.filter(has_text="last update 3 h ago")).to_be_visible()
    assert lines.evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth)") == []
    failed = page.locator("#panel-requests .tile", has_text="failed")
    expect(failed.locator(".figure")).to_have_text("2")
    expect(page.locator("#panel-requests")).to_contain_text("66.7 % 2 of 3 ended")
    expect(page.locator(".panel[data-live]")).to_have_count(len(panels()))  # none is being read any more
    factories.put(tables["requests"], factories.request("req_new", status="failed", errors=["It broke"]))
    later()  # figures may be ten seconds old
    refresh(page)
    expect(failed.locator(".figure")).to_have_text("3")
    expect(page.locator("#panel-requests .digest").last).to_contain_text("It broke")
    shifts = []
    for width, height in ((1440, 900), (380, 800)):
        for kept in (False, True):
            if not kept:
                forget()
                caches["process"].clear()
            page.set_viewport_size({"width": width, "height": height})
            page.goto(page.url)
            expect(page.locator(".panel[data-live]")).to_have_count(len(panels()))
            # Below 0.005: a line of one panel, or the time in the bar, that a slow machine shows a moment later.
            shifts.append((width, kept, round(page.evaluate(LAYOUT_SHIFT), 2)))
    assert [shift for *_, shift in shifts] == [0] * 4, shifts
    failed.click()
    page.wait_for_url("**/requests/?status=failed&range=24h")
    shows_rows(page, ["req_001", "req_003", "req_new"])


def test_a_panel_that_was_refused_is_asked_for_again_when_the_answer_says(
    tables: dict[str, Any], viewing: Any
) -> None:
    stock.many_requests(tables, 2)
    page = viewing("/")
    panel = page.locator("#panel-requests")
    failed = panel.locator(".tile", has_text="failed").locator(".figure")
    expect(failed).to_have_text("1")
    factories.put(tables["requests"], factories.request("req_new", status="failed", errors=["It broke"]))
    later()
    asked: list[str] = []

    def refuse_once(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            return route.fulfill(status=503, headers={"Retry-After": "1"})
        return route.fallback()

    page.route(re.compile("/panels/requests/"), refuse_once)
    refresh(page)
    # Its next poll is half a minute away.
    expect(failed).to_have_text("2")
    expect(page.locator("#live-state")).to_contain_text("live · ")
    assert len(asked) == 2


def test_a_log_grows_while_its_request_runs_and_keeps_the_readers_tools(
    tables: dict[str, Any], viewing: Any
) -> None:
    factories.put(tables["requests"], factories.request("req_1"))
    stock.log(tables, "req_1", 40)
    page = viewing("/requests/req_1/logs/")
    shown = page.locator(".log-line:not(.is-miss)")
    expect(shown).to_have_count(40)
    page.get_by_label("Search in the lines shown").fill("LINE 3")
    expect(page.locator(".log-hits")).to_have_text("11 of 40 lines")
    page.get_by_role("button", name="Wrap").click()
    at = factories.ago()
    factories.put(
        tables["request_logs"], factories.log("req_1", at, message="line 3,000 of the log", metadata=None)
    )
    factories.put(
        tables["requests"], factories.request("req_1", progress={"percentage": 77, "current_stage": "search"})
    )
    page.locator("[data-action]").first.focus()
    refresh(page)
    expect(page.locator(".log-hits")).to_have_text("12 of 41 lines")
    expect(page.locator("#log-head #summary")).to_contain_text("77 %")
    expect(page.locator("[data-action]").first).to_be_focused()
    expect(shown).to_have_count(12)
    expect(shown.last).to_contain_text("line 3,000 of the log")
    expect(page.get_by_label("Search in the lines shown")).to_have_value("LINE 3")
    expect(page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", "false")
    page.get_by_label("Search in the lines shown").fill("")
    # Following keeps the newest line in sight, however far up one was.
    page.set_viewport_size({"width": 1440, "height": 400})
    page.get_by_role("button", name="Follow").click()
    expect(page.locator(".log-line").last).to_be_in_viewport()
    page.evaluate("scrollTo(0, 0)")
    later = at + timedelta(seconds=1)
    factories.put(tables["request_logs"], factories.log("req_1", later, message="the very last"))
    refresh(page)
    expect(page.locator(".log-line").last).to_contain_text("the very last")
    expect(page.locator(".log-line").last).to_be_in_viewport()
    factories.put(tables["requests"], factories.request("req_1", status="completed"))
    factories.put(tables["request_logs"], factories.log("req_1", later, message="Request completed"))
    refresh(page)
    # A moment after the last write: until then an operator's change may not be in the index yet.
    expect(page.locator("#live-state")).to_contain_text("finished")
