"""Fixtures of the browser tests: Chromium, a live server over fresh tables, signed-in pages, axe.

Every test here fails on a violation of the content security policy and on an uncaught script error.
A visit costs 40 ms and a test half a second: few tests, many visits.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page, Playwright, expect

from scripts.chromium import FLAGS, MISSING, find

# Playwright's sync API runs an event loop in this thread, where Django would refuse the ORM.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# A busy machine is slow, not wrong.
expect.set_options(timeout=15_000)

AXE = Path(__file__).parent.parent / "vendor" / "axe.min.js"
# Without preload: where a stylesheet imports another (the admin's), axe writes the imported one into a
# style element, which the policy blocks; only an experimental rule reads it. Selectors take a third of the
# time of a run, so they are made in a second one, of a page that has faults.
RUN_AXE = """async grave => {
    const options = {resultTypes: ['violations'], preload: false, selectors: false, rules: {}};
    const light = axe._audit.rules.filter(rule => ['minor', 'moderate'].includes(rule.impact));
    if (grave) light.forEach(rule => options.rules[rule.id] = {enabled: false});
    let found = (await axe.run(document, options)).violations;
    if (found.length) found = (await axe.run(document, {...options, selectors: true})).violations;
    return found.filter(v => !grave || ['serious', 'critical'].includes(v.impact)).map(
        v => v.id + ' (' + v.impact + '): ' + v.nodes.map(n => n.target.join(' ')).slice(0, 5).join(', ')); }"""
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
    return {**browser_context_args, "viewport": {"width": 1440, "height": 900}, "locale": "en-GB"}


@pytest.fixture
def csp_events(context: BrowserContext) -> Iterator[list[tuple[str, str]]]:
    """(URL, violation) of everything the policy blocked in this test; asserted empty at its end."""
    seen: list[tuple[str, str]] = []
    # A binding survives navigation; `bypass_csp` would hide what this is to find.
    context.expose_binding("__violation", lambda source, what: seen.append((source["page"].url, what)))
    context.add_init_script(REPORT_VIOLATIONS)
    yield seen
    assert seen == []


@pytest.fixture
def script_errors(context: BrowserContext) -> Iterator[list[str]]:
    """Uncaught errors of scripts in this test; asserted empty at its end."""
    seen: list[str] = []
    context.on("weberror", lambda event: seen.append(str(event.error)))
    yield seen
    assert seen == []


@pytest.fixture(autouse=True)
def _no_violation_and_no_error(csp_events: list[Any], script_errors: list[str]) -> None:
    """Both are asserted in every test."""


@pytest.fixture
def live(live_server: Any, tables: dict[str, Any]) -> str:
    """The base URL of a live server, without a slash at its end, over this test's empty ``tables``."""
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
def axe() -> Callable[..., list[str]]:
    """``axe(page)``: axe-core's violations on the page as it is, as "rule (impact): elements".

    ``grave=True``: those alone that keep somebody from using the page (serious, critical).
    """
    source = AXE.read_text()

    def violations(page: Page, *, grave: bool = False) -> list[str]:
        if not page.evaluate("'axe' in window"):
            page.evaluate(source)  # a script element would be blocked by the policy; this adds none
        found: list[str] = page.evaluate(RUN_AXE, grave)
        return found

    return violations
