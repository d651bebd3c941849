"""The first visit, as Chromium makes it: bytes, requests, and how far what is there already is moved."""

from playwright.sync_api import BrowserContext, Request, sync_playwright

from benchmarks.figures import Figure
from benchmarks.plan import Bench, Figures, Site
from benchmarks.wrk import CannotRun
from scripts.chromium import FLAGS, MISSING, find

WIDTHS = {"desktop": (1440, 900), "phone": (380, 800)}
PAGES = {"first-page": "/", "list-page": "/requests/"}
OBSERVE = """
window.shifted = 0;
new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({type: 'layout-shift', buffered: true});
"""


def pages(bench: Bench) -> Figures:
    """In a new context each, so that nothing is in its cache."""
    found: dict[str, float] = {}
    with sync_playwright() as playwright:
        try:
            program = find(playwright.chromium.executable_path)
        except FileNotFoundError as error:
            raise CannotRun(str(error)) from error
        if program is None:
            raise CannotRun(MISSING)
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        for width, (across, down) in WIDTHS.items():
            for label, path in PAGES.items():
                context = browser.new_context(viewport={"width": across, "height": down})
                shift, sizes = visit(context, bench.small, path)
                context.close()
                found[f"{label}-{width}-shift"] = shift
                if width == "desktop":
                    found |= {f"{label}-bytes": sum(sizes) / 1000, f"{label}-requests": len(sizes)}
        browser.close()
    return {name: Figure.of([value]) for name, value in found.items()}


def visit(context: BrowserContext, site: Site, path: str) -> tuple[float, list[int]]:
    """The sum of its layout shifts, and the bytes of each request's answer."""
    name, _, value = site.cookies[0].partition("=")
    context.add_cookies([{"name": name, "value": value, "url": site.console.base}])
    context.add_init_script(OBSERVE)
    page, requests = context.new_page(), list[Request]()
    page.on("requestfinished", lambda request: requests.append(request))
    page.goto(site.console.base + path, wait_until="networkidle")
    # Two frames later all shifts of what was drawn are noted.
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    shift: float = page.evaluate("window.shifted")
    return shift, [_bytes(request) for request in requests]


def _bytes(request: Request) -> int:
    sizes = request.sizes()
    return int(sizes["responseHeadersSize"] + sizes["responseBodySize"])
