"""One search from every page, and the palette, by keys and by hand."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from tests.factories import agent, put, request, workflow


def test_an_operator_finds_what_a_customer_names_from_any_page(
    live: str,
    tables: dict[str, Any],
    page: Page,
    sign_in: Any,
    csp_events: Any,
    script_errors: Any,
    axe: Callable[..., list[str]],
) -> None:
    put(
        tables["workflows"],
        workflow("tm-1", correlationId="corr_abc"),
        workflow("tm-2", documentId="corr_abc.pdf"),
    )
    put(tables["requests"], request("req_1"), request("same"), request("req_2", project_id="corr_abc"))
    put(tables["agents"], agent("same"))
    sign_in("operator")

    def in_both_themes(look: Callable[[], list[str]]) -> list[str]:
        light = look()
        page.emulate_media(color_scheme="dark")
        dark = look()
        page.emulate_media(color_scheme="light")
        return light + dark

    # An id with what came along opens its item.
    page.goto(f"{live}/agents/")
    page.keyboard.press("/")
    expect(page.get_by_label("Find in all tables")).to_be_focused()
    page.keyboard.insert_text("“req_1”,")
    page.keyboard.press("Enter")
    page.wait_for_url("**/requests/req_1/")

    # One of two tables shows both, and a text is searched for while one looks.
    page.keyboard.press("/")
    page.keyboard.type("same")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/?q=same")
    found = page.locator("#found [data-row-link]")
    expect(found).to_have_text(["same", "same"])
    page.keyboard.press("/")
    page.keyboard.type("corr_abc")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/?q=corr_abc")
    expect(page.locator("#search")).to_contain_text("Finished: everything of the last 7 days was searched.")
    expect(page.locator("#live-announce")).to_contain_text("Finished")
    assert sorted(found.all_inner_texts()) == ["req_2", "tm-1", "tm-2"]
    expect(page.locator("[data-found-count]")).to_have_text("3")
    expect(page.locator(".search-none")).to_be_hidden()
    assert in_both_themes(lambda: axe(page)) == []
    page.keyboard.press("j")
    expect(page.locator("tr.is-current [data-row-link]")).to_be_focused()
    page.keyboard.press("f")
    expect(page.get_by_role("main").get_by_role("searchbox")).to_be_focused()
    page.get_by_label("Ignore case").check()
    page.wait_for_url("**anycase=1**")
    expect(page.get_by_text("Case is ignored.")).to_be_visible()

    # The palette: recent items, pages, actions, and the search; the focus returns.
    page.goto(f"{live}/requests/")
    link = page.locator("[data-row-link]").first
    link.focus()
    page.keyboard.press("Control+k")
    palette, box = page.get_by_role("dialog", name="Commands"), page.get_by_role("combobox", name="Command")
    expect(box).to_be_focused()
    options = palette.get_by_role("option")
    expect(options.first).to_have_text("req_1 requests")
    expect(options.first).to_have_attribute("aria-selected", "true")
    expect(palette.get_by_role("option", name="New request")).to_have_count(1)
    assert in_both_themes(lambda: axe(page, within="#palette")) == []
    page.keyboard.press("Escape")
    expect(palette).to_be_hidden()
    expect(link).to_be_focused()
    page.keyboard.press("Meta+k")
    page.keyboard.type("audi")
    expect(options).to_have_text(["Audit", "Search all tables for “audi”"])
    page.keyboard.press("ArrowDown")
    expect(box).to_have_attribute("aria-activedescendant", "palette-option-1")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit/")
    page.keyboard.press("Control+k")
    page.keyboard.type("tm-2")
    page.keyboard.press("Enter")
    page.wait_for_url("**/workflows/tm-2/")
    page.keyboard.press("Control+k")
    expect(options.first).to_have_text("tm-2 workflows")
    options.get_by_text("req_1").click()
    page.wait_for_url("**/requests/req_1/")

    # On a narrow screen it has a page of its own; nothing is left of what was visited after signing out.
    page.set_viewport_size({"width": 380, "height": 800})
    page.get_by_role("banner").get_by_role("link", name="Find").click()
    page.wait_for_url("**/search/")
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    assert not axe(page, grave=True)
    kept = "Object.keys(localStorage).filter(key => key.startsWith('recent:'))"
    assert page.evaluate(kept) == ["recent:operator"]
    page.locator(".user-menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/**")
    assert page.evaluate(kept) == []


def test_f_leads_to_what_a_list_without_a_text_field_is_filtered_by(
    live: str, tables: dict[str, Any], page: Page, sign_in: Any
) -> None:
    sign_in("operator")
    for path, name in (("/audit/", "Actor"), ("/failures/", "Active"), ("/jobs/", "All")):
        page.goto(live + path)
        page.keyboard.press("f")
        focused = page.locator(":focus")
        expect(focused).to_be_visible()
        assert name in focused.evaluate("it => it.labels?.[0]?.innerText ?? it.innerText"), path
