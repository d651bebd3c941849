"""`make screenshots`: every page, light and dark, wide and narrow, into .screenshots/.

Starts a console of its own, with demo data in a folder that is thrown away. Add a page to PAGES.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # started as a file, not as a module

from opsportal.supervisor import free_port  # noqa: E402
from scripts.chromium import FLAGS, find_or_install  # noqa: E402

OUTPUT = ROOT / ".screenshots"
WIDTHS = {"wide": 1440, "narrow": 380}
THEMES = ("light", "dark")
# Name and path. "{id}" is the first item that the list at the path before it shows.
PAGES: list[tuple[str, str]] = [
    ("overview", "/"),
    ("failures", "/failures/"),
    ("failures-case", "/failures/{id}/"),
    ("workflows", "/workflows/"),
    ("workflows-failed", "/workflows/?status=failed"),
    ("workflows-item", "/workflows/{id}/"),
    ("workflows-unknown", "/workflows/no-such-workflow/"),
    ("requests", "/requests/"),
    ("requests-filtered", "/requests/?status=failed"),
    ("requests-new", "/requests/new/"),
    ("requests-item", "/requests/{id}/"),
    ("requests-logs", "/requests/{id}/logs/"),
    ("agents", "/agents/"),
    ("agents-item", "/agents/{id}/"),
    ("agents-step", "/agents/trade_extraction_agent_01/"),
    ("agents-fleet", "/agents/fleet/"),
    ("workflows-step", "/workflows/steps/pdfAdapter/"),
    ("search", "/search/?q=trade"),
    ("alerts", "/alerts/"),
    ("alerts-rules", "/alerts/rules/"),
    ("alerts-rule-new", "/alerts/rules/new/?watch=workflow.failed"),
    ("alerts-webhooks", "/alerts/webhooks/"),
    ("audit", "/audit/"),
    ("tables", "/tables/"),
    ("tables-item", "/tables/requests/"),
    ("preferences", "/accounts/preferences/"),
    ("saved-views", "/accounts/views/"),
    ("tokens", "/accounts/tokens/"),
    ("api", "/api/docs"),
    ("password", "/accounts/password/change/"),
    ("second-factor", "/accounts/2fa/"),
    ("admin", "/admin/"),
    ("admin-users", "/admin/auth/user/"),
    ("not-found", "/no-such-page/"),
]
SIGNED_OUT = [("login", "/accounts/login/")]
START_SECONDS = 120


@contextmanager
def console() -> Iterator[tuple[str, str]]:
    """A running console with demo data; its address without a slash at the end, and the password."""
    with tempfile.TemporaryDirectory(prefix="screenshots-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        if (fetched := ROOT / ".data" / "engine").exists():
            (home / "engine").symlink_to(fetched)
        environ = {
            key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "OPSPORTAL_"))
        }
        environ |= {"DATA_DIR": name, "PORT": str(free_port()), "DEMO": "1", "SIMULATE": "1"}
        output = home / "output"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "opsportal.run"], cwd=ROOT, env=environ, stdout=file, stderr=file
            )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not (password := re.search(r"password (\S+)", output.read_text())):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"The console did not start:\n{output.read_text()}")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{environ['PORT']}", password[1]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def sign_in(page: Page, url: str, password: str) -> None:
    page.goto(f"{url}/accounts/login/")
    page.fill("[name=login]", "admin")
    page.fill("[name=password]", password)
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{url}/")


def first_item(page: Page, url: str, path: str) -> str:
    """``path`` with "{id}" replaced by that of the first item on its list page."""
    section = path.partition("{id}")[0]
    page.goto(url + section)
    links = [link.get_attribute("href") or "" for link in page.locator(f"main a[href^='{section}']").all()]
    items = [link.removeprefix(section).partition("/")[0] for link in links]
    for item in items:
        if item and not item.startswith(("?", "#")) and item not in ("new", "fleet", "register"):
            return path.replace("{id}", item)
    raise SystemExit(f"{section} lists no item.")


def take(browser: Browser, url: str, password: str) -> int:
    """Take every page in every theme and width; how many pictures."""
    count = 0
    paths: dict[str, str] = {}
    for theme in THEMES:
        for width_name, width in WIDTHS.items():
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
            page = context.new_page()
            for name, path in [*SIGNED_OUT, *PAGES]:
                if (name, path) == PAGES[0]:
                    sign_in(page, url, password)
                if path not in paths:
                    paths[path] = first_item(page, url, path) if "{id}" in path else path
                page.goto(url + paths[path])
                page.wait_for_timeout(400)  # panels load after the page
                page.screenshot(path=OUTPUT / f"{name}.{theme}.{width_name}.png", full_page=True)
                count += 1
            context.close()
    return count


def main() -> None:
    OUTPUT.mkdir(exist_ok=True)
    chromium = find_or_install()
    with console() as (url, password), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        count = take(browser, url, password)
        browser.close()
    print(f"{count} pictures in {OUTPUT.relative_to(ROOT)}/")


if __name__ == "__main__":
    main()
