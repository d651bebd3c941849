"""The shell in a browser: how it looks to axe, how it lives, and that it works without scripts."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.conf import settings as django_settings
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from opsportal.accounts.encryption import encrypt
from opsportal.accounts.models import Preferences
from tests.browser import gallery
from tests.browser.conftest import NARROW
from tests.browser.refreshing import answered, poll_often, polls_of, refresh, wait_for_three_polls
from tests.conftest import PASSWORD

pytestmark = pytest.mark.urls("tests.browser.gallery")

PAGES = (
    "/", "/item/sess-0001-a08ac7ad/", "/states/", "/nothing/here/", "/accounts/preferences/",
    "/accounts/password/change/", "/accounts/2fa/", "/accounts/logout/", "/admin/", "/admin/auth/user/", "/admin/auth/user/add/",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _first_state() -> Iterator[None]:
    before = dict(gallery.state)
    yield
    gallery.state.update(before)


@pytest.fixture
def prefer(user_of: Callable[[str], Any]) -> Callable[..., None]:
    def save(role: str, **values: Any) -> None:
        Preferences.objects.update_or_create(user=user_of(role), defaults=values)

    return save


def test_every_page_passes_axe_and_fits(
    live: str, page: Page, sign_in: Any, prefer: Any, faults: Callable[..., list[str]], settings: Any
) -> None:
    settings.OPSPORTAL_ENV = "w" * 20  # as wide as any
    sign_in("administrator")
    prefer("administrator", theme="system", time_zone="Europe/Berlin")
    found = []
    for path in PAGES:
        page.goto(live + path)
        found += faults(path)
    assert found == []


def test_every_component_passes_axe_narrow_and_in_the_dark_theme_that_one_chose(
    live: str, page: Page, sign_in: Any, prefer: Any, axe: Callable[[Page], list[str]]
) -> None:
    """By all rules: what is only there on a narrow screen has names and roles too."""
    sign_in("administrator")
    prefer("administrator", theme="dark")
    page.set_viewport_size(NARROW)
    for path in PAGES[:3]:
        page.goto(live + path)
        assert axe(page) == [], path


def test_the_pages_before_one_is_in_pass_axe(
    live: str, page: Page, faults: Callable[..., list[str]], axe: Callable[[Page], list[str]]
) -> None:
    page.goto(live + "/accounts/login/")
    assert faults("login") == []
    page.get_by_label("User name or e-mail").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert axe(page) == []


def test_the_way_through_the_second_factor_passes_axe(
    live: str, page: Page, operator: Any, settings: Any, axe: Callable[[Page], list[str]]
) -> None:
    settings.MFA_TOTP_TOLERANCE = 1  # a code may be some seconds old when it is sent

    def sign_in_by_form() -> None:
        page.goto(live + "/accounts/login/")
        page.get_by_label("User name or e-mail").fill("operator")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()

    def seen(path: str) -> None:
        page.wait_for_url(f"**{path}*")
        assert axe(page) == []

    sign_in_by_form()
    page.wait_for_url(live + "/")
    page.goto(live + "/accounts/2fa/totp/activate/")
    seen("/accounts/reauthenticate/")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    seen("/accounts/2fa/totp/activate/")
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    secret = page.get_by_label("Authenticator secret").input_value()
    page.locator("#id_code").fill(code_now(secret))
    page.get_by_role("button", name="Activate").click()
    seen("/accounts/2fa/recovery-codes/")
    page.goto(live + "/accounts/2fa/totp/deactivate/")
    seen("/accounts/2fa/totp/deactivate/")
    page.context.clear_cookies()
    sign_in_by_form()
    seen("/accounts/2fa/authenticate/")
    page.get_by_role("button", name="Use another account").click()
    page.wait_for_url("**/accounts/login/")


def test_the_pages_of_an_unreadable_second_factor_pass_axe(
    live: str, page: Page, operator: Any, faults: Callable[..., list[str]]
) -> None:
    """With the app unreadable alone, then with the recovery codes too."""
    Authenticator.objects.create(user=operator, type="totp", data={"secret": "JBSWY3DPEHPK3PXP"})
    codes = Authenticator.objects.create(
        user=operator, type="recovery_codes", data={"seed": encrypt("5eed" * 20), "used_mask": 0}
    )
    code = codes.wrap().get_unused_codes()[0]
    page.goto(live + "/accounts/login/")
    page.get_by_label("User name or e-mail").fill("operator")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/accounts/2fa/authenticate/*")
    expect(page.get_by_role("alert")).to_contain_text("A recovery code still works.")
    assert faults("second factor, app unreadable") == []
    codes.data = {}
    codes.save()
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("Your second factor can't be checked")
    expect(page.get_by_label("Code")).to_have_count(0)
    assert faults("second factor, both unreadable") == []
    codes.data = {"seed": encrypt("5eed" * 20), "used_mask": 0}
    codes.save()
    page.reload()
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(live + "/")
    page.goto(live + "/accounts/2fa/")
    expect(page.get_by_role("alert")).to_contain_text("You can deactivate it below")
    assert faults("second factors, app unreadable") == []
    page.goto(live + "/accounts/2fa/reauthenticate/")
    assert faults("confirm, app unreadable") == []


def code_now(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def test_the_systems_theme_is_followed_without_a_script(
    live: str, page: Page, sign_in: Any, prefer: Any
) -> None:
    sign_in("viewer")
    prefer("viewer", theme="system")
    colours = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(live)
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2


def test_a_refresh_brings_what_is_new_and_keeps_what_the_reader_did(
    live: str, page: Page, sign_in: Any
) -> None:
    sign_in("viewer")
    page.goto(live)
    expect(page.locator("#live-state")).to_contain_text("live · ")
    page.locator("#more summary").click()
    page.get_by_label("Note").fill("half a thought")
    page.locator("#row-sess-0001-a08ac7ad a[data-row-link]").focus()
    page.evaluate("document.querySelector('#row-sess-0002-a08ac7ad').marked = true")
    gallery.state["version"] = 2
    refresh(page)
    expect(page.locator("#version")).to_have_text("version 2")
    assert page.locator("#more").get_attribute("open") is not None
    expect(page.get_by_label("Note")).to_have_value("half a thought")
    expect(page.locator("#row-sess-0001-a08ac7ad a[data-row-link]")).to_be_focused()
    assert page.evaluate("document.querySelector('#row-sess-0002-a08ac7ad').marked"), (
        "rows are patched in place"
    )
    assert page.title().startswith("Workflows")


def test_an_unchanged_page_is_left_alone(live: str, page: Page, sign_in: Any) -> None:
    sign_in("viewer")
    page.goto(live)
    page.evaluate("""() => { window.changes = 0;
        new MutationObserver(found => window.changes += found.filter(m => !m.target.closest?.('time')).length)
            .observe(document.querySelector('#rows'), {subtree: true, childList: true}); }""")
    with page.expect_response(lambda response: response.status == 204), answered(page):
        refresh(page)
    assert page.evaluate("window.changes") == 0


def test_an_open_dialog_typing_and_selected_text_hold_the_refresh(
    live: str, page: Page, sign_in: Any
) -> None:
    sign_in("viewer")
    page.goto(live)
    page.locator("#rows").evaluate(
        "region => { region.setAttribute('hx-trigger', 'console:refresh from:body'); htmx.process(region); }"
    )
    asked = polls_of(page)  # but for its own interval, which would pass on a slow machine
    state = page.locator("#live-state")

    def held(reason: str) -> None:
        refresh(page)
        expect(state).to_contain_text(f"paused: {reason}")

    page.keyboard.press("?")
    held("dialog open")
    page.keyboard.press("Escape")
    page.locator("#more summary").click()
    page.get_by_label("Note").fill("typing")
    held("typing")
    page.get_by_label("Note").fill("")
    page.get_by_label("Note").blur()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#version'))")
    held("text selected")
    assert asked == []
    page.evaluate("getSelection().removeAllRanges()")
    with page.expect_response(lambda response: response.status == 204):
        refresh(page)
    expect(state).to_contain_text("live · ")


def test_a_refresh_keeps_ticked_rows(live: str, page: Page, sign_in: Any) -> None:
    sign_in("viewer")
    page.goto(live)
    page.get_by_label("Select sess-0002-a08ac7ad").check()
    gallery.state["version"] = 2
    page.get_by_label("Select sess-0002-a08ac7ad").blur()
    refresh(page)
    expect(page.locator("#version")).to_have_text("version 2")
    expect(page.get_by_label("Select sess-0002-a08ac7ad")).to_be_checked()
    gallery.state["version"] = 3
    page.keyboard.press("r")
    expect(page.locator("#version")).to_have_text("version 3")
    expect(page.get_by_label("Select sess-0002-a08ac7ad")).to_be_checked()


def test_a_failing_refresh_keeps_the_last_state_says_since_when_and_recovers(
    live: str, page: Page, sign_in: Any
) -> None:
    sign_in("viewer")
    page.goto(live)
    gallery.state.update(status=503, version=2)
    refresh(page)
    expect(page.locator("#live-state")).to_have_text(re.compile(r"^stale since \d\d:\d\d:\d\d$"))
    expect(page.locator("#version")).to_have_text("version 1")
    expect(page.locator("#live-announce")).to_contain_text("Stale since")
    gallery.state["status"] = 200
    page.route(f"{live}/", lambda route: route.abort(), times=1)
    with answered(page):
        page.keyboard.press("r")
    expect(page.locator("#version")).to_have_text("version 1")
    page.keyboard.press("r")
    expect(page.locator("#version")).to_have_text("version 2")
    expect(page.locator("#live-state")).to_contain_text("live · ")


def test_an_item_that_is_gone_is_shown_as_gone(live: str, page: Page, sign_in: Any) -> None:
    sign_in("viewer")
    page.goto(live)
    gallery.state.update(status=404, version=2)
    refresh(page)
    expect(page.locator("#version")).to_have_text("version 2")
    expect(page.locator("#live-state")).to_contain_text("live · ")


def test_polling_runs_at_the_chosen_interval_and_stops_when_all_is_finished(
    live: str, page: Page, sign_in: Any, prefer: Any
) -> None:
    sign_in("viewer")
    prefer("viewer", refresh_seconds=2)
    page.goto(live)
    expect(page.locator("#rows")).to_have_attribute("hx-trigger", re.compile(r"^every 2s, "))
    poll_often(page)
    gallery.state.update(version=2, finished=True)
    expect(page.locator("#version")).to_have_text("version 2")
    expect(page.locator("#live-state")).to_contain_text("finished")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    wait_for_three_polls(page)
    assert asked == []


def test_the_interval_is_changed_in_place_and_remembered(
    live: str, page: Page, sign_in: Any, viewer: Any
) -> None:
    sign_in("viewer")
    page.goto(live)
    choice = page.get_by_label("Refresh every")
    with page.expect_response(lambda response: response.request.method == "POST" and response.status == 204):
        choice.select_option("0")
    expect(page.locator("#rows")).to_have_attribute("data-live", "off")
    assert "every" not in (page.locator("#rows").get_attribute("hx-trigger") or "")
    with page.expect_response(lambda response: response.request.method == "POST" and response.status == 204):
        choice.select_option("2")
    gallery.state["version"] = 2
    expect(page.locator("#version")).to_have_text("version 2")
    assert Preferences.objects.get(user=viewer).refresh_seconds == 2


def test_an_answer_of_before_the_interval_was_changed_does_not_bring_the_old_one_back(
    live: str, page: Page, sign_in: Any
) -> None:
    sign_in("viewer")
    page.goto(live)
    rows = page.locator("#rows")

    def late(route: Route) -> None:
        gallery.state["version"] = 2
        answer = route.fetch()
        page.get_by_label("Refresh every").select_option("0")
        expect(rows).to_have_attribute("data-live", "off")
        gallery.state["version"] = 3
        route.fulfill(response=answer)

    page.route(f"{live}/", late, times=1)
    refresh(page)
    expect(page.locator("#version")).to_have_text("version 3")
    expect(rows).to_have_attribute("data-live", "off")
    assert "every" not in (rows.get_attribute("hx-trigger") or "")


def test_the_theme_is_changed_in_place_and_remembered(
    live: str, page: Page, sign_in: Any, viewer: Any
) -> None:
    sign_in("viewer")
    page.goto(live)
    page.locator(".user-menu summary").click()
    with page.expect_response(lambda response: response.request.method == "POST" and response.status == 204):
        page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    assert Preferences.objects.get(user=viewer).theme == "dark"


def test_keys_move_select_open_search_and_return_the_focus(live: str, page: Page, sign_in: Any) -> None:
    def press(key: str, code: str) -> None:
        """A key of another layout."""
        page.evaluate(
            "what => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {...what, bubbles: true}))",
            {"key": key, "code": code},
        )

    sign_in("viewer")
    page.goto(live)
    page.keyboard.press("J")  # Caps Lock
    press("\u043e", "KeyJ")  # Russian
    expect(page.locator("#row-sess-0001-a08ac7ad")).to_have_class("is-current")
    press("\u00f6", "KeyJ")  # a Latin letter is itself
    expect(page.locator("#row-sess-0001-a08ac7ad")).to_have_class("is-current")
    press("\u03ba", "KeyK")  # Greek
    expect(page.locator("#row-sess-0001-a08ac7ad")).not_to_have_class("is-current")
    press("j", "KeyC")  # Dvorak
    press("\u0638", "Slash")  # Arabic
    expect(page.get_by_label("Find in all tables")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#row-sess-0001-a08ac7ad")).to_have_class("is-current")
    page.keyboard.press("x")
    expect(page.get_by_label("Select sess-0001-a08ac7ad")).to_be_checked()
    page.keyboard.press("x")
    link = page.locator("#row-sess-0001-a08ac7ad a[data-row-link]")
    link.focus()
    page.keyboard.press("f")
    expect(page.locator("[data-search]")).to_be_focused()
    page.keyboard.type("jk?")
    expect(page.locator("[data-search]")).to_have_value("jk?")
    page.keyboard.press("Escape")
    expect(link).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    expect(page.get_by_text("Choose the row")).to_be_visible()
    page.locator("tr[data-row] input").evaluate_all("all => all.forEach(one => one.remove())")
    expect(page.get_by_text("Choose the row")).to_be_hidden()  # where nothing can be selected
    page.keyboard.press("Escape")
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/item/sess-0001-a08ac7ad/")


def test_an_item_knows_its_neighbours_in_the_list_one_came_from(live: str, page: Page, sign_in: Any) -> None:
    sign_in("viewer")
    page.goto(live + "/?status=failed")
    page.goto(live + "/item/sess-0001-a08ac7ad/")
    expect(page.locator(".item-position")).to_have_text("2 of 6")
    page.keyboard.press("j")
    page.wait_for_url("**/item/sess-0002-a08ac7ad/")
    page.keyboard.press("k")
    page.wait_for_url("**/item/sess-0001-a08ac7ad/")
    page.get_by_role("link", name="Back to the list").click()
    page.wait_for_url("**/?status=failed")


def test_a_running_step_shows_how_long_it_has_run(live: str, page: Page, sign_in: Any) -> None:
    sign_in("viewer")
    page.goto(live + "/item/sess-0001-a08ac7ad/")
    ran = page.locator(".tl-duration time")
    expect(ran).to_have_count(1)
    # The scripts keep it ticking, in the server's words.
    page.evaluate("document.querySelector('.tl-duration time').textContent = ''")
    expect(ran).to_have_text(re.compile(r"^(\d+ s|\d+ m \d+ s)$"))


def test_log_lines_are_searched_wrapped_and_linked(live: str, page: Page, sign_in: Any) -> None:
    sign_in("viewer")
    page.goto(live + "/item/sess-0001-a08ac7ad/#L5")
    page.get_by_label("Search in the lines shown").fill("LINE 1")
    expect(page.locator(".log-hits")).to_have_text("3 of 12 lines")
    expect(page.locator(".log-line:visible")).to_have_count(3)
    page.get_by_label("Search in the lines shown").fill("")
    assert page.locator(".log-line:target").get_attribute("id") == "L5"
    wrap = page.get_by_role("button", name="Wrap")
    before = wrap.get_attribute("aria-pressed")
    wrap.click()
    assert wrap.get_attribute("aria-pressed") != before


# A button says "Copied" for 1.2 s, which a slow machine may miss: here until the test has seen it.
HOLD_LABELS = """() => { const timer = window.setTimeout; window.heldLabels = [];
    window.setTimeout = (run, ms) => ms === 1200 ? window.heldLabels.push(run) : timer(run, ms); }"""


def test_an_id_is_copied_with_a_click(live: str, page: Page, context: BrowserContext, sign_in: Any) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in("viewer")
    page.goto(live + "/item/sess-0001-a08ac7ad/")
    page.evaluate(HOLD_LABELS)
    page.get_by_role("button", name="Copy the id").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "sess-0001-a08ac7ad"
    # Without a secure context there is no such object: a selection is copied, inside the dialog where one is open, and
    # the focus stays. What could not be copied is never said to have been.
    page.evaluate(
        """() => {
            window.real = navigator.clipboard;
            Object.defineProperty(navigator, "clipboard", { value: undefined, configurable: true });
            const dialog = document.createElement("dialog");
            dialog.innerHTML = '<p><button data-copy="a&#13;\\nb  c\u200d" data-invisible="true" aria-label="Copy this">c</button></p>';
            document.body.append(dialog);
            dialog.showModal();
        }"""
    )
    # What HTML can't hold comes as JSON.
    page.evaluate("""() => document.querySelector("dialog[open] p").insertAdjacentHTML("beforeend",
        '<button data-copy="" data-copy-json="&quot;a\\\\u0000b&quot;" aria-label="Copy that">d</button>')""")
    page.get_by_role("button", name="Copy that").click()
    expect(page.locator("[data-copy-json]")).to_have_attribute("aria-label", "Copied")
    assert page.evaluate("window.real.readText()") == "a\x00b"
    button = page.get_by_role("button", name="Copy this")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copied, with its invisible characters")).to_be_focused()
    assert page.evaluate("window.real.readText()") == "a\r\nb  c\u200d"
    page.evaluate("document.execCommand = () => false; window.heldLabels.forEach(put => put())")
    expect(button).to_be_visible()
    button.click()
    by_hand = page.get_by_label("Press Ctrl+C")
    expect(by_hand.and_(page.locator("textarea"))).to_be_focused()
    expect(page.get_by_role("button", name="Not copied")).to_be_visible()
    assert page.evaluate("document.activeElement.selectionEnd - document.activeElement.selectionStart") == 7
    expect(page.locator("#live-announce")).to_contain_text("Not copied")
    expect(page.locator(".is-copied")).to_have_count(0)


def test_everything_but_the_comforts_works_without_scripts(
    live: str, browser: Browser, client_for: Any, administrator: Any
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=NARROW)
    try:
        cookie = client_for("administrator").cookies[django_settings.SESSION_COOKIE_NAME]
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live}])
        page = context.new_page()
        page.goto(live)
        assert page.locator(".js-only:visible").count() == 0
        page.locator(".narrow-nav summary").click()
        expect(page.locator(".narrow-nav").get_by_role("link", name="Accounts")).to_be_visible()
        page.locator(".narrow-nav summary").click()
        page.get_by_label("Refresh every").select_option("5")
        with page.expect_navigation():
            page.get_by_role("button", name="Set", exact=True).click()
        page.locator(".user-menu summary").click()
        page.get_by_role("button", name="Dark").click()
        expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
        saved = Preferences.objects.get(user=administrator)
        assert (saved.refresh_seconds, saved.theme) == (5, "dark")
        page.locator(".user-menu summary").click()
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/accounts/login/")
    finally:
        context.close()
