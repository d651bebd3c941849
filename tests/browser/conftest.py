"""Fixtures of the browser tests: Chromium, a live server over fresh tables, signed-in pages, axe.

Every test here fails on a violation of the content security policy and on an uncaught script error.
A new context costs a second of a core, a new page half of one, a visit 0.15: the tests of a worker share one
window. Each finds it blank, and without what another left: cookies, storage, permissions, routes, sizes.
Nothing moves there (prefers-reduced-motion), or axe would measure colours half-way from one theme to the other.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from django.conf import settings as django_settings
from django.contrib.contenttypes.models import ContentType
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.db import connection
from django.http import HttpRequest, HttpResponseBase
from django.test import Client, TransactionTestCase
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, ViewportSize, expect

from opsportal.console.admission import Slot
from scripts.chromium import FLAGS, MISSING, find

# Playwright's sync API runs an event loop in this thread, where Django would refuse the ORM.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# A busy machine is slow, not wrong: as long as Playwright waits for a page, and no test names another time.
expect.set_options(timeout=30_000)

WIDE: ViewportSize = {"width": 1440, "height": 900}
NARROW: ViewportSize = {"width": 380, "height": 800}
# Layout depends on the width and contrast on the theme, so two looks cover both.
SCREENS: tuple[tuple[Literal["light", "dark"], ViewportSize], ...] = (("light", WIDE), ("dark", NARROW))
AXE = Path(__file__).parent.parent / "vendor" / "axe.min.js"
# Without preload: where a stylesheet imports another (the admin's), axe writes the imported one into a
# style element, which the policy blocks; only an experimental rule reads it. Selectors take a third of the
# time of a run, so they are made in a second one, of a page that has faults.
RUN_AXE = """async ({grave, drawn, within, without}) => {
    const passing = document.getAnimations().filter(one => one.effect.getComputedTiming().endTime < Infinity);
    await Promise.allSettled(passing.map(one => one.finished));
    const options = {resultTypes: ['violations'], preload: false, selectors: false, rules: {}};
    const light = axe._audit.rules.filter(rule => ['minor', 'moderate'].includes(rule.impact));
    if (grave) light.forEach(rule => options.rules[rule.id] = {enabled: false});
    if (drawn.length) options.runOnly = {type: 'rule', values: drawn};
    const context = {include: [within], exclude: without};
    let found = (await axe.run(context, options)).violations;
    if (found.length) found = (await axe.run(context, {...options, selectors: true})).violations;
    return found.filter(v => !grave || ['serious', 'critical'].includes(v.impact)).map(
        v => v.id + ' (' + v.impact + '): ' + v.nodes.map(n => n.target.join(' ')).slice(0, 5).join(', ')); }"""
# The rules whose answer depends on how a page is drawn: the others say the same on both screens.
DRAWN = ("color-contrast", "link-in-text-block", "scrollable-region-focusable")
SHELL = (".topbar", ".sidebar", ".footer")
REPORT_VIOLATIONS = """document.addEventListener('securitypolicyviolation',
    event => window.__violation(event.effectiveDirective + ' ' + event.blockedURI))"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any], playwright: Playwright
) -> dict[str, Any]:
    chromium = find(playwright.chromium.executable_path)
    if chromium is None:
        pytest.fail(MISSING, pytrace=False)
    return {**browser_type_launch_args, "executable_path": chromium, "args": FLAGS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "viewport": WIDE, "locale": "en-GB", "reduced_motion": "reduce"}


@pytest.fixture(scope="session")
def _styles_and_scripts_are_kept() -> Iterator[None]:
    """Lets browsers keep static files. Of those that say nothing they keep what is old, for a tenth of its
    age: after a fresh checkout each page would ask for all of them again."""
    serve = StaticFilesHandler.serve

    def kept(handler: StaticFilesHandler, request: HttpRequest) -> HttpResponseBase:
        answer = serve(handler, request)
        answer["Cache-Control"] = "max-age=3600"
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StaticFilesHandler, "serve", kept)
        yield


@pytest.fixture(scope="session")
def _database_is_put_back(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Lets a test of a live server leave the database as the first one found it, by a copy. Django empties
    it, and makes the permissions and roles of each app again, for 0.2 s of a core."""
    if connection.vendor != "sqlite":
        yield
        return
    empty_it = TransactionTestCase._fixture_teardown
    first = sqlite3.connect(":memory:")
    with django_db_blocker.unblock():
        connection.ensure_connection()
        connection.connection.backup(first)

    def put_it_back(case: TransactionTestCase) -> None:
        try:
            first.backup(connection.connection)
        except sqlite3.Error:  # somebody reads it
            empty_it(case)
        ContentType.objects.clear_cache()  # numbers differ

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", put_it_back)
        yield
    first.close()


@dataclass(frozen=True)
class Window:
    """The page that the tests share, with (URL, violation) of all that the policy blocked on it or on others
    of its context, and the uncaught errors of scripts there."""

    context: BrowserContext
    page: Page
    violations: list[tuple[str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def window(
    browser: Browser,
    browser_context_args: dict[str, Any],
    live_server: Any,
    _styles_and_scripts_are_kept: None,
    _database_is_put_back: None,
) -> Iterator[Window]:
    # The server is asked for so that it outlives the window, whose connections it would else have open.
    context = browser.new_context(**browser_context_args)
    made = Window(context, context.new_page())
    # A binding survives navigation; `bypass_csp` would hide what this is to find.
    context.expose_binding(
        "__violation", lambda source, what: made.violations.append((source["page"].url, what))
    )
    context.add_init_script(REPORT_VIOLATIONS)
    context.on("weberror", lambda event: made.errors.append(str(event.error)))
    yield made
    context.close()
    # The threads that answered it share the test's connection; the live server takes that from them as it ends. Those of
    # connections that are kept open wait for a request that never comes: ten seconds are for all.
    end = time.monotonic() + 10
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(max(end - time.monotonic(), 0))


@pytest.fixture
def context(window: Window) -> Iterator[BrowserContext]:
    """The context of the shared window, as a new one would be."""
    yield window.context
    for page in window.context.pages:
        if page is not window.page:
            page.close()
    page = window.page
    page.unroute_all(behavior="ignoreErrors")
    if page.url.startswith("http"):
        page.evaluate("localStorage.clear(); sessionStorage.clear()")
    page.goto("about:blank")
    page.mouse.move(0, 0)
    page.set_viewport_size(WIDE)
    page.emulate_media(media="null", color_scheme="light", reduced_motion="reduce", forced_colors="none")
    window.context.clear_cookies()
    window.context.clear_permissions()
    window.violations.clear()
    window.errors.clear()


@pytest.fixture
def page(window: Window, context: BrowserContext) -> Page:
    """The shared page, blank."""
    return window.page


@pytest.fixture
def csp_events(window: Window, context: BrowserContext) -> Iterator[list[tuple[str, str]]]:
    """(URL, violation) of everything the policy blocked in this test; asserted empty at its end."""
    yield window.violations
    assert window.violations == []


@pytest.fixture
def script_errors(window: Window, context: BrowserContext) -> Iterator[list[str]]:
    """Uncaught errors of scripts in this test; asserted empty at its end."""
    yield window.errors
    assert window.errors == []


@pytest.fixture(autouse=True)
def _no_violation_and_no_error(csp_events: list[Any], script_errors: list[str]) -> None:
    """Both are asserted in every test."""


@pytest.fixture
def live(live_server: Any, tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """The base URL of a live server, without a slash at its end, over this test's empty ``tables``."""
    # Django's server makes a thread for each request, and has no gate where panels wait for their turn: with the eight
    # threads of a process it would refuse some of those that a slow machine reads at once.
    monkeypatch.setattr(Slot, "threads", 64)
    url: str = live_server.url
    return url


@pytest.fixture
def sign_in(live: str, context: BrowserContext, client_for: Callable[[str], Client]) -> Callable[[str], None]:
    """``sign_in(role)``: give the browser that persona's session, without the login page."""

    def give_session(role: str) -> None:
        cookie = client_for(role).cookies[django_settings.SESSION_COOKIE_NAME]
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live}])

    return give_session


@pytest.fixture
def axe(window: Window, context: BrowserContext) -> Iterator[Callable[..., list[str]]]:
    """``axe(page)``: axe-core's violations on the page once it is loaded, as "rule (impact): elements".

    ``grave=True``: those alone that keep somebody from using the page (serious, critical). ``drawn``: these
    rules alone. ``within``, ``without``: selectors of what to look at, and of what not.
    """
    # The page has it from the start, compiled once: sent to each document it takes 0.05 s. A script element
    # would be blocked by the policy; this adds none.
    source = AXE.read_text()
    at_start = window.page.add_init_script(source)

    def violations(
        page: Page,
        *,
        grave: bool = False,
        drawn: Sequence[str] = (),
        within: str = "html",
        without: Sequence[str] = (),
    ) -> list[str]:
        page.wait_for_load_state()
        if not page.evaluate("'axe' in window"):
            page.evaluate(source)
        what = {"grave": grave, "drawn": drawn, "within": within, "without": without}
        found: list[str] = page.evaluate(RUN_AXE, what)
        return found

    yield violations
    at_start.close()


@pytest.fixture
def faults(page: Page, axe: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """``faults(name)``: what is wrong with the page as it is, wide and light, narrow and dark: violations of
    axe's, and what is too wide. Takes what ``axe`` takes. Begins with the screen that is there, and leaves the
    other: to lay a page out again takes 0.05 s.

    ``in_turn=True``: axe looks at the screen that is there alone, so of pages that are drawn alike at each second one.
    """

    def on_both_screens(name: str, *, in_turn: bool = False, **what: Any) -> list[str]:
        found = []
        screens = SCREENS if page.viewport_size != NARROW else SCREENS[::-1]
        for theme, size in screens:
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size(size)
            where = f"{name} ({theme}, {size['width']})"
            if not in_turn or size == screens[0][1]:
                drawn = DRAWN if size == NARROW and not in_turn else ()
                found += [f"{where}: {fault}" for fault in axe(page, drawn=drawn, **what)]
            found += [f"{where}: {fault}" for fault in too_wide(page)]
        return found

    return on_both_screens


def too_wide(page: Page) -> list[str]:
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [f"{overflow} px too wide"] if overflow > 0 else []
