"""The submission form in a browser: rows with and without scripts, keys, the preview, and how it looks to axe."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import dumps
from tests.browser.conftest import SHELL
from tests.factories import put, request

CONFIG = {
    "keywords": ["semaglutide", "wegovy"],
    "sources": [{"name": "FDA", "base_url": "https://www.fda.gov", "source_type": "government"}],
    "extraction_mode": "full",
    "language": "en",
}


@pytest.fixture
def form(page: Page, live: str, sign_in: Callable[[str], None]) -> Page:
    """The empty form, as an operator sees it."""
    sign_in("operator")
    page.goto(f"{live}/requests/new/")
    return page


def keywords(page: Page) -> list[str]:
    return [field.input_value() for field in page.locator("input[name=keyword]").all()]


def focused(page: Page) -> str:
    found: str = page.evaluate("document.activeElement.id")
    return found


def button(page: Page, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def press_submit(page: Page) -> None:
    page.locator(".form-foot").get_by_role("button", name="Submit request").click()


def press_preview(page: Page) -> None:
    page.locator(".form-foot").get_by_role("button", name="Preview").click()


def fill(page: Page) -> None:
    page.get_by_label("Project", exact=True).fill("obesity-pipeline")
    page.get_by_label("Keyword 1", exact=True).fill("semaglutide")
    page.get_by_label("Name of source 1", exact=True).fill("FDA")
    page.get_by_label("Address of source 1", exact=True).fill("https://www.fda.gov")
    page.get_by_label("Type of source 1", exact=True).fill("government")


def test_rows_come_and_go_without_a_reload(form: Page) -> None:
    form.evaluate("window.sameDocument = true")
    form.get_by_label("Keyword 1", exact=True).fill("one")
    button(form, "Add a keyword").click()
    assert focused(form) == "id_keyword-1"
    form.keyboard.type("two")
    form.keyboard.press("Enter")
    assert focused(form) == "id_keyword-2"
    form.keyboard.type("three")
    # Enter goes on to the row below, which is there already.
    form.get_by_label("Keyword 1", exact=True).press("Enter")
    assert focused(form) == "id_keyword-1"
    assert keywords(form) == ["one", "two", "three"]
    button(form, "Remove keyword 2").click()
    assert focused(form) == "id_keyword-1"
    assert keywords(form) == ["one", "three"]
    expect(form.get_by_label("Keyword 2", exact=True)).to_have_value("three")
    assert button(form, "Remove keyword 2").get_attribute("value") == "remove-keyword-1"
    for _ in range(2):
        button(form, "Remove keyword 1").click()
    assert keywords(form) == [""]

    button(form, "Add a source").click()
    assert focused(form) == "id_source-1-name"
    form.get_by_label("Address of source 2", exact=True).fill("https://x.example")
    button(form, "Remove source 1").click()
    expect(form.get_by_label("Address of source 1", exact=True)).to_have_value("https://x.example")
    assert form.evaluate("window.sameDocument")


def test_pasted_lines_become_rows(form: Page) -> None:
    paste = """([target, text]) => { const data = new DataTransfer(); data.setData('text', text);
        target.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})) }"""
    field = form.get_by_label("Keyword 1", exact=True)
    form.evaluate(paste, [field.element_handle(), "one\r\n\n  two \nthree"])
    assert keywords(form) == ["one", "two", "three"]
    form.evaluate(paste, [field.element_handle(), "four\nfive"])
    assert keywords(form) == ["one", "four", "five", "two", "three"]


def test_what_is_said_of_a_value_goes_with_it(form: Page) -> None:
    fill(form)
    form.get_by_label("Keyword 1", exact=True).fill("two  blanks ")
    press_preview(form)
    hint = form.get_by_text("Exactly two ⟦U+0020⟧blanks⟦U+0020⟧")
    expect(hint).to_be_visible()
    expect(form.get_by_label("Keyword 1", exact=True)).to_have_attribute(
        "aria-describedby", "id_keyword-0_signed"
    )
    button(form, "Add a keyword").click()
    expect(hint).to_have_count(1)
    form.get_by_label("Keyword 1", exact=True).fill("two blanks")
    expect(hint).to_have_count(0)
    assert form.get_by_label("Keyword 1", exact=True).get_attribute("aria-describedby") is None


def test_a_row_added_below_a_wrong_one_is_not_wrong(form: Page) -> None:
    fill(form)
    form.get_by_label("Address of source 1", exact=True).fill("ftp://fda.gov")
    press_preview(form)
    expect(form.get_by_label("Address of source 1", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(form.locator("#errors")).to_be_in_viewport()
    form.get_by_role("link", name="Address of source 1").click()
    expect(form.get_by_label("Address of source 1", exact=True)).to_be_in_viewport()
    button(form, "Add a source").click()
    expect(form.get_by_label("Address of source 2", exact=True)).not_to_have_attribute("aria-invalid", "true")
    expect(form.get_by_text("Enter a full URL")).to_have_count(2)  # above, and at its row


def test_a_request_is_previewed_submitted_and_watched(form: Page, tables: dict[str, Any]) -> None:
    fill(form)
    form.get_by_label("Project", exact=True).press("Enter")
    expect(form.locator("#preview pre")).to_contain_text('"S": "obesity-pipeline"')
    assert dumps.everything(tables["requests"]) == []
    form.locator("#preview").get_by_role("button", name="Submit request").click()
    expect(form.locator("[data-fate=requested]")).to_be_visible()
    (item,) = dumps.everything(tables["requests"])
    assert form.url.endswith(f"/requests/{item['request_id']['S']}/")


def test_two_quick_clicks_make_one_request(form: Page, tables: dict[str, Any]) -> None:
    fill(form)
    form.locator(".form-foot").get_by_role("button", name="Submit request").dblclick()
    expect(form.locator("[data-fate=requested]")).to_be_visible()
    assert len(dumps.everything(tables["requests"])) == len(dumps.audit(tables["requests"])) == 1


def test_the_form_works_without_scripts(
    browser: Browser, live: str, sign_in: Callable[[str], None], context: Any, tables: dict[str, Any]
) -> None:
    put(tables["requests"], request("old", config=CONFIG, claimed_by="worker-1"))
    sign_in("operator")
    silent = browser.new_context(java_script_enabled=False)
    silent.add_cookies(context.cookies())
    page = silent.new_page()
    page.goto(f"{live}/requests/old/")
    page.get_by_role("link", name="Copy to a new request").click()
    expect(page.locator("input[name=keyword]")).to_have_count(2)
    button(page, "Add a keyword").click()
    expect(page.locator("input[name=keyword]")).to_have_count(3)
    expect(page.locator("#id_keyword-2")).to_be_focused()
    page.keyboard.type("orforglipron")
    button(page, "Remove keyword 1").click()
    expect(page.locator("input[name=keyword]")).to_have_count(2)
    press_preview(page)
    expect(page.locator("#preview pre")).to_contain_text("orforglipron")
    expect(page.locator("#preview pre")).to_contain_text('"language"')
    differences = page.locator("table.differences")
    expect(differences).to_contain_text("semaglutide")
    expect(differences).to_contain_text("not copied")
    press_submit(page)
    expect(page.locator("[data-fate=requested]")).to_be_visible()
    assert len(dumps.everything(tables["requests"])) == 2
    silent.close()


def test_the_whole_form_is_worked_by_keys(form: Page) -> None:
    names = [
        "id_project_id",
        "id_request_type",
        "id_user_id",
        "medium",
        "table",
        "id_keyword-0",
        "remove-keyword-0",
    ]
    form.get_by_label("Project", exact=True).focus()
    seen = []
    for _ in names:
        seen.append(form.evaluate("(document.activeElement.id || document.activeElement.value)"))
        form.keyboard.press("Tab")
    assert seen == names
    form.get_by_role("radio", name="medium").focus()
    form.keyboard.press("ArrowRight")
    assert form.get_by_role("radio", name="low").is_checked()
    # The shell's keys are text here.
    form.get_by_label("Project", exact=True).focus()
    form.keyboard.type("jkxr/?")
    expect(form.get_by_label("Project", exact=True)).to_have_value("jkxr/?")


def test_the_form_passes_axe_and_fits_in_every_state(
    form: Page, live: str, tables: dict[str, Any], faults: Callable[..., list[str]]
) -> None:
    put(tables["requests"], request("old", config=CONFIG))
    found = faults("empty")
    press_submit(form)
    expect(form.locator("#errors")).to_be_visible()
    found += faults("wrong", without=SHELL)
    form.goto(f"{live}/requests/new/?like=old")
    expect(form.locator("table.differences")).to_be_visible()
    found += faults("like", without=SHELL)
    press_preview(form)
    expect(form.locator("#preview pre")).to_be_visible()
    found += faults("preview", without=SHELL)
    assert found == []
