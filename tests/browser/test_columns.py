"""Every column of every list can be seen at every width; columns are chosen, and the list is saved as a file."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from opsportal.failures.columns import COLUMNS as FAILURES
from registry.columns import COLUMNS as AGENTS
from requests_app.columns import COLUMNS as REQUESTS
from tests import factories
from tests.browser import stock
from tests.browser.conftest import WIDE
from tests.cases import short
from tests.failures import cases
from tracking.columns import COLUMNS as WORKFLOWS

WIDTHS = [380, 768, 1024, 1280, 1440, 1920]
FEW = WIDTHS[::2]
LISTS: dict[str, Any] = {
    "/workflows/": WORKFLOWS, "/requests/": REQUESTS, "/agents/": AGENTS, "/failures/": FAILURES,
}  # fmt: skip
# Of the heads: those that no width shows, and those that scrolling can't bring into the view of the table. Of a stack,
# the cells that hold something and are not shown.
LOOK = """() => {
    const table = document.querySelector('.list .table'), region = table.parentElement;
    const heads = [...table.tHead.rows[0].cells].filter(cell => !cell.matches('.is-check'));
    const stacked = getComputedStyle(table).display === 'block';
    const shown = cell => cell.getClientRects().length > 0;
    const hidden = stacked
        ? [...table.tBodies[0].querySelectorAll('td:not(.is-check)')].filter(cell => !shown(cell)
            && cell.textContent.trim() && !cell.querySelector('.none')).map(cell => cell.outerHTML.slice(0, 80))
        : heads.filter(cell => !shown(cell)).map(cell => cell.textContent);
    const beyond = stacked ? [] : heads.filter(cell => {
        if (!shown(cell)) return false;
        region.scrollLeft = cell.offsetLeft;
        const place = cell.getBoundingClientRect(), view = region.getBoundingClientRect();
        return place.right < view.left + 10 || place.left > view.right - 10;
    }).map(cell => cell.textContent);
    region.scrollLeft = 0;
    const said = [...document.querySelectorAll('.no-room-2, .no-room-3')].filter(shown).map(one => one.textContent);
    const scrolls = region.scrollWidth > region.clientWidth + 1;
    return {stacked, hidden, beyond, said, scrolls, shade: getComputedStyle(region).backgroundImage !== 'none'}; }"""


@pytest.fixture
def operated(live: str, page: Page, sign_in: Any, tables: dict[str, Any]) -> Page:
    stock.every_kind(tables)
    cases.put(cases.case_of(), cases.case_of("Timed out after 9 s", owner="maria", owner_id="user:77"))
    cases.follow("workflows", "requests")
    sign_in("operator")
    return page


def resized(page: Page, width: int) -> Any:
    page.set_viewport_size(ViewportSize(width=width, height=900))
    return page.evaluate(LOOK)


@pytest.mark.parametrize("widths", short([FEW, WIDTHS], FEW), ids=len)
def test_each_column_is_seen_at_each_width(live: str, operated: Page, widths: list[int]) -> None:
    page = operated
    for path, columns in LISTS.items():
        page.goto(live + path)
        for width in widths:
            found = resized(page, width)
            where = f"{path} at {width}"
            assert found["stacked"] is (width < 768), where
            assert found["beyond"] == [], where
            # Cards hold all; of a table the menu counts what has no room.
            hidden = len(found["hidden"])
            assert not (found["stacked"] and hidden), where
            assert found["said"] == ([f"{hidden} hidden"] if hidden else []), where
            assert not found["scrolls"] or found["shade"], where
        # Chosen, each is there.
        page.set_viewport_size(WIDE)
        page.goto(f"{live}{path}?columns={','.join(column.key for column in columns)}")
        for width in widths:
            found = resized(page, width)
            assert (found["hidden"], found["beyond"]) == ([], []), f"{path} at {width}"


def test_columns_are_chosen_and_the_list_is_saved_as_a_file(
    live: str, operated: Page, faults: Any, tables: dict[str, Any], tmp_path: Path
) -> None:
    page = operated
    factories.put(tables["requests"], factories.request("negative", user_id="=SUM(A1)", status="failed"))
    page.goto(f"{live}/requests/?status=failed")
    menu = page.locator("details", has=page.get_by_text("Columns to show"))
    menu.locator("summary").click()
    for name in ("Priority", "Progress", "Created", "Duration", "Attention", "Type", "Project", "Strategy"):
        menu.get_by_role("checkbox", name=name, exact=True).uncheck()
    menu.get_by_role("button", name="Show these").click()
    expect(page.locator(".list th:not(.is-check)")).to_have_text(["Status", "Request", "User"])
    listed = page.locator(".list [data-row-link]").all_inner_texts()
    page.get_by_role("link", name="Export").click()
    expect(page.get_by_role("heading", name="Export requests")).to_be_visible()
    expect(page.get_by_role("checkbox", name="User")).to_be_checked()
    expect(page.get_by_role("checkbox", name="Strategy")).not_to_be_checked()
    assert faults("export") == []
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download").click()
    file = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(file)
    assert file.name == "requests.csv"
    rows = list(csv.DictReader(io.StringIO(file.read_text(), newline="")))
    assert list(rows[0]) == ["status", "request_id", "user"]
    assert len(rows) == len(listed)
    assert {row["status"].lower() for row in rows} == {"failed"}
    assert next(row["user"] for row in rows if row["request_id"] == "negative") == "'=SUM(A1)"
    # A file of the worker's has a page.
    page.get_by_role("button", name="Make a file").click()
    expect(page.get_by_role("heading", name="Requests as CSV")).to_be_visible()
    assert faults("file") == []
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("The file is not complete: operator stopped it.")).to_be_visible()
    page.get_by_role("link", name="Exported files").first.click()
    assert faults("exports") == []
