"""Failures in a real browser: a case from the list to its end, and both pages for axe."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from opsportal.failures.case import State
from tests.browser.conftest import SHELL
from tests.factories import ago, step, workflow, zulu
from tests.factories import put as put_items
from tests.failures.cases import case_of, follow, now_of, put

ERROR = "ThrottlingException: Too many tokens in 12 s, please wait before trying again."


@pytest.mark.no_moto
def test_an_operator_takes_a_case_from_the_list_to_its_end(
    live: str, tables: Any, page: Page, sign_in: Callable[[str], None], faults: Callable[..., list[str]]
) -> None:
    failed = step("error", error=ERROR, completedAt=zulu(ago(minutes=3)))
    stamps = {"createdAt": zulu(ago(minutes=9)), "lastUpdated": zulu(ago(minutes=3))}
    for name in ("tm-1", "tm-2"):
        put_items(
            tables["workflows"], workflow(name, overallStatus="failed", tradeExtraction=failed, **stamps)
        )
    case = put(
        case_of("Timed out after 9 s", state=State.ACKNOWLEDGED, owner="maria", owner_id="user:77"),
        case_of(
            "Failed to extract content from https://a.example/x: HTTP 503",
            logical="requests",
            runs={2: 9, 3: 40},
        ),
        case_of(ERROR, runs={0: 4, 1: 9, 30: 1}),
        keys=["tm-1", "tm-2"],
    )
    follow("workflows", "requests")
    sign_in("operator")

    # The list: most urgent first, with one click to take it.
    page.goto(f"{live}/failures/")
    assert faults("the list", without=SHELL) == []
    row = page.locator(f"#rows [data-row]:has(a[href='/failures/{case.id}/'])")
    expect(page.locator(".sidebar .nav-count")).to_have_text("2")
    row.get_by_role("button", name="Assign to me").click()
    expect(row).to_contain_text("operator")
    expect(page.locator("dialog[open]")).to_have_count(0)

    # The case, and its neighbours in the list.
    row.locator("a[data-row-link]").click()
    expect(page.locator("h1")).to_contain_text("Too many tokens in")
    expect(page.locator("[data-item-nav]")).to_contain_text("of 3")
    expect(page.locator("#error-text")).to_contain_text("Too many tokens in 12 s")
    assert faults("the case", without=SHELL) == []

    # Its runs are a list: from one to the next, and back to the case.
    page.get_by_role("link", name="tm-1", exact=True).click()
    expect(page.locator("[data-item-nav]")).to_contain_text("1 of 2")
    page.keyboard.press("j")
    page.wait_for_url("**/workflows/tm-2/")
    page.keyboard.press("k")
    page.wait_for_url("**/workflows/tm-1/")
    page.get_by_role("link", name="Back to the case").click()
    page.wait_for_url(f"**/failures/{case.id}/")
    expect(page.locator("[data-item-nav]")).to_contain_text("of 3")

    # A note: typed, sent, shown, and the field is empty again.
    note = page.locator("#note-reason")
    note.fill("Quota asked for. See tm-1.")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator(".case-notes li")).to_contain_text("Quota asked for.")
    expect(note).to_have_value("")

    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".subheading .status")).to_have_text("acknowledged")
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)

    # A mute is asked for in the dialog, which refuses a time in the past.
    page.get_by_role("link", name="Mute").click()
    dialog = page.locator("#dialog")
    expect(dialog.locator(".form-check")).to_have_count(5)
    lines = [box for one in dialog.locator(".form-check").all() if (box := one.bounding_box())]
    below = dialog.get_by_text("Date", exact=True).bounding_box()
    assert below is not None
    assert all(box["height"] < 30 for box in lines), "each choice on a line of its own"
    assert lines[-1]["y"] + lines[-1]["height"] <= below["y"]
    dialog.get_by_label("Until a date").check()
    dialog.locator("[name=date]").fill("2020-01-01T08:00")
    dialog.get_by_role("button", name="Mute the case").click()
    expect(dialog.locator(".invalid-feedback")).to_contain_text("in the future")
    dialog.get_by_label("4 hours").check()
    dialog.get_by_role("button", name="Mute the case").click()
    expect(page.locator(".subheading")).to_contain_text("muted until")

    # Its runs, as a job with a preview.
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("h1")).to_contain_text("Retry")
    page.go_back()

    # Resolved without a reason it is not; with one it is among the resolved.
    page.get_by_role("button", name="Resolve", exact=True).last.click()
    assert now_of(case).state is State.ACKNOWLEDGED
    page.locator("#resolve-reason").fill("Quota raised to 400k")
    page.get_by_role("button", name="Resolve", exact=True).last.click()
    expect(page.locator(".subheading .status")).to_have_text("resolved")
    expect(page.get_by_role("link", name="Reopen")).to_be_visible()
    page.goto(f"{live}/failures/?state=resolved")
    expect(page.locator("#rows")).to_contain_text("Too many tokens")
    assert now_of(case).reason == "Quota raised to 400k"
