"""Every page and state as a browser has it: nothing that axe, the policy or the console complains of,
nothing too wide for its screen, nothing asked of another machine, and little to download."""

import gzip
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, expect

from opsportal.accounts.models import Preferences, SavedView
from opsportal.console.converters import quote_key
from opsportal.console.panels import panels
from opsportal.demo.hostile.malformed import HARD_KEYS
from opsportal.jobs import control, running, states, store
from opsportal.operations.changes import number, text
from tests import factories
from tests.browser import stock
from tests.browser.conftest import NARROW, SHELL, WIDE, too_wide
from tests.cases import short
from tests.jobs.test_jobs import OLGA, frozen
from tests.trouble import denied, refused, trouble

# A first visit may transfer so much, compressed, with everything that its page asks for.
FIRST_PAGE_BYTES = 150_000


@pytest.fixture
def noise(context: BrowserContext, live: str) -> Iterator[list[str]]:
    """What the pages complained of on the browser's console and asked of other hosts; asserted empty."""
    found: list[str] = []
    home = urlsplit(live).netloc

    def on_console(message: ConsoleMessage) -> None:
        # A page that answers 404 by design is logged too, under its own address.
        own = message.page is not None and message.location.get("url") == message.page.url
        if message.type in ("error", "warning") and not (own and "Failed to load resource" in message.text):
            found.append(f"{message.location.get('url')}: {message.text}")

    def on_request(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != home:
            found.append(f"asked {request.url}")

    context.on("console", on_console)
    context.on("request", on_request)
    yield found
    context.remove_listener("console", on_console)
    context.remove_listener("request", on_request)
    assert found == [], "\n".join(found)


@pytest.fixture
def visit(page: Page, live: str, noise: list[str]) -> Callable[[str], list[str]]:
    """``visit(path)``: what is wrong with the page there without axe: the policy's and the console's
    complaints are asserted at the end of each test."""

    def go(path: str) -> list[str]:
        response = page.goto(live + path)
        assert response is not None
        assert response.status < 500 or "trouble" in path, f"{path}: {response.status}"
        headings = page.locator("h1").count()
        return [f"{path}: {headings} first headings"] if headings != 1 else []

    return go


@pytest.fixture
def look(
    page: Page, visit: Callable[[str], list[str]], faults: Callable[..., list[str]]
) -> Callable[..., list[str]]:
    """``look(path)``: visit it and return what is wrong, on both screens, see ``in_turn`` of `faults`. ``prepare(page)``
    is done to it before that; of what is opened, ``opening`` is how to, and only that is looked at.

    The shell is the same on all pages of an app, and looked at on the first one.
    """
    seen: set[str] = set()

    def look_at(
        path: str,
        *,
        prepare: Callable[[Page], None] | None = None,
        opening: Mapping[str, Callable[[Page], None]] | None = None,
        in_turn: bool = False,
    ) -> list[str]:
        found = visit(path)
        if prepare:
            prepare(page)
        app = path.split("/")[1]
        found += faults(
            path, grave=True, without=SHELL if app in seen else (), in_turn=in_turn and app in seen
        )
        seen.add(app)
        for what, open_it in (opening or {}).items():
            page.set_viewport_size(WIDE)
            open_it(page)
            expect(page.locator(what).first).to_be_visible()
            found += faults(f"{path} {what}", grave=True, within=what)
        return found

    return look_at


def press(selector: str) -> Callable[[Page], None]:
    return lambda page: page.locator(selector).first.click()


def _pages_of_jobs() -> list[str]:
    """One whose preview is ready, one that is halted with outcomes, the items of that, and the list."""
    halted = frozen("requests.retry", filter={"status": "failed"}, at_once=True)
    running.run(control.start(halted, OLGA), most=1)
    found = store.find(halted.id)
    assert found
    outcomes = {"M": {"failed_again": number(1)}}
    ready = frozen("requests.purge", filter={})
    states.change(found, {"state": text("halted"), "why": text("1 of 1 failed again."), "outcomes": outcomes})
    return [f"/jobs/{ready.id}/", f"/jobs/{halted.id}/", f"/jobs/{halted.id}/items/", "/jobs/?state=open"]


def fits(page: Page, path: str, visit: Callable[[str], list[str]]) -> list[str]:
    """Visit it; begins with the screen that is there."""
    found = visit(path)
    for size in (NARROW, WIDE) if page.viewport_size == NARROW else (WIDE, NARROW):
        page.set_viewport_size(size)
        found += [f"{path} ({size['width']}): {fault}" for fault in too_wide(page)]
    return found


@pytest.mark.parametrize("in_turn", short([True, False], True))
def test_every_page_of_every_kind_of_item_is_clean(
    tables: dict[str, Any],
    sign_in: Any,
    administrator: Any,
    page: Page,
    visit: Callable[[str], list[str]],
    look: Callable[..., list[str]],
    in_turn: bool,
) -> None:
    stock.every_kind(tables)
    for shared in (True, False):
        SavedView.objects.create(
            owner=administrator,
            page="requests",
            name=f"Failures {shared}",
            query="status=failed",
            shared=shared,
        )
    sign_in("administrator")
    running = f"/requests/{stock.RUNNING}/"
    found = look(
        "/", prepare=lambda page: expect(page.locator(".panels [data-live]")).to_have_count(len(panels()))
    )
    for path in (
        "/workflows/", "/workflows/?q=nothing-has-this", "/workflows/bad-types/", "/workflows/bad-text/?tab=raw",
        "/workflows/never-was/", "/requests/?attention=1&sort=priority", running, f"{running}logs/",
        "/requests/bad-history/?tab=history", "/requests/never-was/logs/", "/requests/?cursor=broken",
        "/agents/", "/agents/trade-matching-agent/", "/agents/fleet/",
        "/workflows/steps/pdfAdapter/?success=0.98&fastest_ms=300&slowest_ms=2000", "/accounts/views/",
        *_pages_of_jobs(),
    ):  # fmt: skip
        found += look(path, in_turn=in_turn)
    # Of the same kinds: in `make test` they are not too wide, and axe looks at them in `make test-long`.
    for path in (
        "/workflows/?outside=1", "/workflows/demo-unlisted-steps/", f"{running}logs/?level=CRITICAL", "/requests/bad-types/",
        "/requests/bad-text/?tab=results", "/requests/bad-config/?tab=config", "/agents/bad-types/",
    ):  # fmt: skip
        found += fits(page, path, visit) if in_turn else look(path)
    # What opens, over lists without rows.
    opening = {
        "details.saved-views": press("details.saved-views summary"),
        ".toolbar details[open]": press(".toolbar summary:has-text('Filter')"),
    }
    found += look("/requests/?user=nobody", opening=opening)
    opening = {
        ".toolbar details[open]": press(".toolbar summary:has-text('Last 30 days')"),
        ".user-menu": press(".user-menu summary"),
        "dialog[open]": lambda page: page.keyboard.press("?"),
    }
    found += look("/workflows/?range=30d&source=nobody", opening=opening)
    assert found == [], "\n".join(found)


def test_pages_of_every_item_fit(
    tables: dict[str, Any], sign_in: Any, visit: Callable[[str], list[str]], page: Page
) -> None:
    """Others of the kinds above, for axe the same: what is in them is not too wide and breaks nothing."""
    stock.every_kind(tables)
    sign_in("administrator")
    running = f"/requests/{stock.RUNNING}/"
    found = []
    page.set_viewport_size(NARROW)
    for path in (
        "/workflows/demo-stuck-47-minutes/", "/workflows/bad-text/", "/workflows/nothing-but-a-key/",
        *(f"/workflows/{quote_key(key)}/" for key in HARD_KEYS[-2:]),
        "/requests/?from=2020-01-01T00:00", f"{running}?tab=config", f"{running}?tab=history", f"{running}?tab=raw",
        f"{running}logs/?level=ERROR", "/requests/never-was/", "/requests/bad-text/", "/requests/bad-config/",
        "/agents/?health=offline", "/agents/bad-text/", "/agents/never-was/",
    ):  # fmt: skip
        found += fits(page, path, visit)
    assert found == [], "\n".join(found)


def test_pages_of_empty_and_troubled_tables_are_clean(
    tables: dict[str, Any], sign_in: Any, look: Callable[..., list[str]], page: Page
) -> None:
    sign_in("viewer")
    found = [fault for path in ("/workflows/", "/requests/?range=all", "/agents/") for fault in look(path)]
    requests, agents = tables["requests"], tables["agents"]
    arn = f"arn:aws:dynamodb:{requests.region}:123456789012:table/{requests.name}"
    missing = refused("ResourceNotFoundException", "Requested resource not found")
    with trouble(requests, denied("Query", arn)), trouble(agents, missing):
        found += look(
            "/?trouble", prepare=lambda page: expect(page.locator("[data-problem]")).to_have_count(2)
        )
        expect(page.locator("#panel-workflows [data-problem]")).to_have_count(0)
        found += look("/requests/?trouble=denied")
        expect(page.get_by_role("heading", name="IAM does not allow this")).to_be_visible()
        expect(page.get_by_label("IAM policy statement")).to_contain_text("dynamodb:Query")
        found += look("/agents/?trouble=missing")
        expect(page.get_by_text("dynamo migrate")).to_be_visible()
    with trouble(requests, refused("ThrottlingException", "Rate exceeded")):
        found += look("/requests/?trouble=throttled")
        expect(page.get_by_role("link", name="Try again")).to_be_visible()
    assert found == [], "\n".join(found)


def test_who_may_not_see_a_page_is_told_so(
    tables: dict[str, Any], user_of: Any, sign_in: Any, look: Callable[..., list[str]], page: Page
) -> None:
    user_of("viewer").groups.clear()
    sign_in("viewer")
    found = look("/workflows/") + look("/requests/x/logs/") + look("/")
    expect(page.get_by_role("heading", name="Your account has no role yet")).to_be_visible()
    expect(page.locator(".sidebar a")).to_have_text(["Overview"])
    assert found == [], "\n".join(found)


def test_what_needs_attention_is_on_the_screen_without_scrolling(
    live: str, tables: dict[str, Any], sign_in: Any, page: Page
) -> None:
    stock.every_kind(tables)
    sign_in("viewer")
    page.set_viewport_size(WIDE)
    cells = (
        ("/workflows/", "demo-step-failed-but-processing", "ThrottlingException"),
        ("/requests/?status=failed&range=all", "error-of-300-kb", "Traceback"),
        ("/agents/", "silent-agent", "heartbeat stopped"),
    )
    for path, key, words in cells:
        page.goto(live + path)
        row = page.locator("tr[data-row]", has=page.locator(f"[data-copy='{key}']"))
        cell = row.locator("td.is-wide")
        expect(cell).to_contain_text(words)
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 1440, path
        assert box["width"] >= 180, path
        assert box["height"] <= 100, path


def test_a_narrow_list_shows_every_value_of_a_row(
    live: str, tables: dict[str, Any], sign_in: Any, page: Page
) -> None:
    progress = {"percentage": 65, "current_stage": "content_extraction"}
    item = factories.request("req_a", user_id="anna", errors=["It broke"], progress=progress)
    factories.put(tables["requests"], item)
    sign_in("viewer")
    page.set_viewport_size(NARROW)
    page.goto(f"{live}/requests/")
    row = page.locator("tr[data-row]")
    for words in ("processing", "req_a", "high", "65 %", "test-project-001", "anna", "table", "It broke"):
        text = row.get_by_text(words, exact=True).last
        expect(text).to_be_visible()
        box = text.bounding_box()
        assert box is not None, words
        assert box["x"] >= 0, words
        assert box["x"] + box["width"] <= 380, words


def test_a_narrow_list_shows_every_tab_and_breaks_no_word(
    live: str, tables: dict[str, Any], sign_in: Any, page: Page
) -> None:
    factories.put(tables["workflows"], factories.workflow("tm-1", sourceType="COUNTERPARTY"))
    sign_in("viewer")
    page.set_viewport_size(NARROW)
    page.goto(f"{live}/workflows/")
    for tab in page.locator(".page-tabs a").all():
        box = tab.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 380, tab.inner_text()
    source = page.get_by_text("COUNTERPARTY", exact=True).bounding_box()
    assert source is not None
    assert source["height"] < 25, "one line"
    # Its state has room for the longest word of a poll.
    assert page.locator("#live-state").evaluate("one => one.scrollWidth <= one.clientWidth")


GIVE_WAY = {"Progress", "Type", "Project", "User", "Strategy"}


def test_a_list_is_printed_whole_and_light_and_its_least_important_columns_give_way_on_screens(
    live: str, tables: dict[str, Any], sign_in: Any, page: Page, administrator: Any
) -> None:
    values = {
        "user_id": "anna.von.und.zu.example",
        "errors": ["It broke " * 12],
        "project_id": "oncology-watch-2026",
    }
    factories.put(tables["requests"], *(factories.request(f"req_{at}", **values) for at in "ab"))
    Preferences.objects.update_or_create(user=administrator, defaults={"theme": "dark"})
    sign_in("administrator")
    page.goto(f"{live}/requests/?status=processing")
    expect(page.locator("html")).to_have_css("color-scheme", "dark")
    head = page.locator("#rows th:not(.is-check)")
    for width, hidden in (
        (1440, set()),
        (1300, {"Type", "Strategy"}),
        (1200, GIVE_WAY),
        (1024, GIVE_WAY),
        (380, {"Duration"}),
    ):  # a phone leaves out what is absent
        page.set_viewport_size({"width": width, "height": 900})
        cells = page.locator("tr[data-row]").first.locator("td:not(.is-check)")
        shown = [
            name for number, name in enumerate(head.all_text_contents()) if cells.nth(number).is_visible()
        ]
        assert set(head.all_text_contents()) - set(shown) == hidden, width
        if width == 1024:  # what needs attention is seen without scrolling
            assert page.locator("#rows").evaluate("one => one.scrollWidth <= one.clientWidth")
    page.emulate_media(media="print", color_scheme="dark")
    for width in (794, 1123):  # A4, upright and across
        page.set_viewport_size({"width": width, "height": 1100})
        cut = page.locator(".table :is(th, td, td *)").evaluate_all(
            """all => all.filter(one => one.getBoundingClientRect().right > innerWidth || one.scrollWidth > one.clientWidth + 1
                && getComputedStyle(one).overflowX !== 'visible').map(one => one.textContent.trim())"""
        )
        assert cut == [], width
        assert too_wide(page) == []
    row = page.locator("tr[data-row]").first
    for words in ("anna.von.und.zu.example", "oncology-watch-2026", "table"):
        expect(row.get_by_text(words, exact=True).last).to_be_visible()
    for part in (".page-tabs", ".saved-views", ".topbar", ".copy", ".search"):
        expect(page.locator(part).first).to_be_hidden()
    expect(page.locator("html")).to_have_css("color-scheme", "light")
    expect(page.locator("body")).to_have_css("color", "rgb(20, 24, 31)")


def test_forced_colours_show_which_one_is_current(
    live: str, tables: dict[str, Any], sign_in: Any, page: Page
) -> None:
    factories.put(tables["requests"], factories.request("req_a"))
    sign_in("viewer")
    page.emulate_media(forced_colors="active")
    page.goto(f"{live}/requests/")
    looks = "one => { const {outlineStyle, borderBottomColor} = getComputedStyle(one); return [outlineStyle, borderBottomColor]; }"
    for current, other in (
        (".segmented [aria-current]", ".segmented a:not([aria-current])"),
        (".page-tabs [aria-current]", ".page-tabs a:not([aria-current])"),
    ):
        assert page.locator(current).first.evaluate(looks) != page.locator(other).first.evaluate(looks), (
            current
        )


def transferred(browser: Browser, cookies: list[Any], url: str) -> dict[str, int]:
    """The bytes of every answer of a first visit, by URL, as production sends them: compressed, where fonts
    are so by themselves."""
    context = browser.new_context()  # with nothing in its cache
    context.add_cookies(cookies)
    page = context.new_page()
    answers: list[Response] = []

    def keep(answer: Response) -> None:
        answers.append(answer)

    page.on("response", keep)
    page.goto(url, wait_until="networkidle")
    sizes = {
        answer.url: len(answer.body() if answer.url.endswith(".woff2") else gzip.compress(answer.body()))
        for answer in answers
    }
    context.close()
    return sizes


def test_a_first_visit_is_small_and_asks_for_little(
    live: str, tables: dict[str, Any], sign_in: Any, context: BrowserContext, browser: Browser
) -> None:
    stock.every_kind(tables)
    sign_in("viewer")
    for path in ("/workflows/", "/requests/", f"/requests/{stock.RUNNING}/logs/", "/"):
        sizes = transferred(browser, context.cookies(), live + path)
        assert len(sizes) >= 5, "styles, scripts and the page are counted"
        assert sum(sizes.values()) < FIRST_PAGE_BYTES, f"{path}: {sum(sizes.values()):,} bytes: {sizes}"
