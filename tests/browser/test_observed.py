"""An agent's page in a browser: the panel of another app within it, its refreshes, and the probe."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.factories import Typed, agent, put, step, workflow


def test_the_panel_of_the_step_loads_stays_through_refreshes_and_follows_what_is_declared(
    live: str, tables: dict[str, Any], sign_in: Any, page: Page
) -> None:
    put(tables["agents"], agent("pdf-adapter", name="Before", successRate=Typed(N="0.9")))
    put(tables["workflows"], *(workflow(pdfAdapter=step(duration=Typed(N="2"))) for _ in range(6)))
    sign_in("viewer")
    page.goto(f"{live}/agents/pdf-adapter/")
    figures = page.locator("#step-figures")
    expect(figures).to_contain_text("6 of 6 that ended")
    expect(figures).to_contain_text("90.0 %")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    # What is put into the guest by another than the page stays as long as the page asks for the same.
    page.evaluate("document.getElementById('guest-step').append('a mark')")

    def refresh() -> None:
        page.evaluate("document.dispatchEvent(new Event('console:refresh-now'))")

    put(tables["agents"], agent("pdf-adapter", name="Renamed", status="inactive", successRate=Typed(N="0.9")))
    refresh()
    expect(page.locator("#summary")).to_contain_text("inactive")
    expect(page.locator("#guest-step")).to_contain_text("a mark")
    put(tables["agents"], agent("pdf-adapter", name="Renamed", successRate=Typed(N="0.5")))
    refresh()
    expect(figures).to_contain_text("50.0 %")
    expect(page.locator("#guest-step")).not_to_contain_text("a mark")
    assert [url for url in asked if "success=0.5" in url]


def test_a_probe_is_answered_beside_its_button_and_stays_through_a_refresh(
    live: str, tables: dict[str, Any], sign_in: Any, page: Page, settings: Any, monkeypatch: Any
) -> None:
    settings.AGENT_PROBE_HOSTS = ["agents.example.com"]
    monkeypatch.setattr("opsportal.outbound.addresses_of", lambda host, port: ["10.0.0.9"])
    put(tables["agents"], agent("a", endpoint="https://agents.example.com/"))
    sign_in("operator")
    page.goto(f"{live}/agents/a/")
    page.get_by_role("button", name="Probe").click()
    answer = page.locator("#guest-probe")
    expect(answer).to_contain_text("has the address 10.0.0.9, which is not public.")
    put(tables["agents"], agent("a", status="inactive", endpoint="https://agents.example.com/"))
    page.evaluate("document.dispatchEvent(new Event('console:refresh-now'))")
    expect(page.locator("#summary")).to_contain_text("inactive")
    expect(answer).to_contain_text("10.0.0.9")
