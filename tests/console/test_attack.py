"""Text of items is attacker's text: escaped and visible in every place that shows it."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import caches

from opsportal.console.converters import quote_key
from opsportal.console.text import readable, visible
from tests.factories import Raw, agent, ago, log, naive, put, raw, request, typed, workflow, zulu
from tests.pages import Page, visit
from tests.shapes import ATTACKS

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py

MOST = 250_000  # characters of a page, whatever one text holds; the raw view is the exception
NESTED = {
    "pdfAdapter": ("error", "status", "activity"),
    "progress": ("current_stage",),
    "config": ("keywords", "extraction_mode"),
    "serviceAvailability": ("basic",),
}
HUGE = "<b>model output</b> \u202e" * 13_000  # 300 KB


def hostile(item: Raw, text: str, *kept: str) -> Raw:
    """The item with `text` in place of every text at every depth, and as name of a member, but in `kept`."""

    def replaced(value: Raw) -> Raw:
        if "S" in value:
            return {"S": text}
        if "SS" in value:
            return {"SS": [text]}
        if "L" in value:
            return {"L": [replaced(member) for member in value["L"]]}
        if "M" in value:
            return {
                "M": {name: replaced(member) for name, member in value["M"].items()} | {text: {"S": text}}
            }
        return value

    return {name: value if name in kept else replaced(value) for name, value in item.items()} | {
        text: raw(
            {"x": {"status": text, "error": text, "activity": text, "startedAt": "2025-12-24T10:00:00Z"}}
        )["x"]
    }


def assert_harmless(page: Page) -> None:
    """Nothing of an item became markup, and nothing on the page is invisible or reorders it."""
    for script in page.root.all("script"):
        assert script.attrs.get("src", "").startswith("/static/")
        assert script.text == ""
    for node in page.root.all(""):
        assert not [name for name in node.attrs if name.startswith("on")]
        assert not node.attrs.get("href", "").lower().startswith(("javascript:", "data:"))
    assert not page.root.all("img", src="x")
    assert settings.SECRET_KEY not in page.html
    for character in "\x00\x07\x1b\u202e\u200f\u2028":
        assert character not in page.root.text


WORKFLOW = workflow("w", overallStatus="failed")
REQUEST = request(
    "r", status="failed", errors=["x"], warnings=["x"], results={"summary": {"findings": ["x"]}}
)
AGENT = agent("a", emoji="x", description="x", tags=["x"], tieredPricing={"basic": {"x": "x"}}, role="x", location="x",
              serviceAvailability={"basic": {"slots": "x"}}, lastHeartbeat=5)  # fmt: skip


@pytest.mark.parametrize("attack", [" ".join(ATTACKS[:-3]) + ATTACKS[-1], "".join(ATTACKS[-3:-1])])
def test_attacks_are_escaped_and_visible_wherever_an_item_is_shown(
    tables: Any, client_for: Any, attack: str
) -> None:
    client = client_for("viewer")
    caches["process"].clear()
    put(tables["workflows"], hostile(WORKFLOW, attack, "sessionId", "overallStatus", "createdAt"),
        hostile({**WORKFLOW, "sessionId": typed(attack)}, attack, "createdAt"))  # fmt: skip
    put(tables["requests"], hostile(REQUEST, attack, "request_id", "status", "created_at"),
        hostile({**REQUEST, "request_id": typed(attack)}, attack, "created_at"))  # fmt: skip
    put(tables["request_logs"], hostile(log("r", log_id=attack), attack, "request_id", "timestamp"))
    put(tables["agents"], hostile(AGENT, attack, "agentId", "lastHeartbeat"),
        hostile({**AGENT, "agentId": typed(attack), "status": typed("active")}, attack, "status"))  # fmt: skip
    shown = readable(attack)
    first = next(line for line in visible(attack).split("\n") if line)[:40].strip()
    message = next(line for line in readable(attack).split("\n") if line)[:40].strip()
    urls = [
        "/workflows/", "/workflows/w/", "/workflows/w/?tab=raw", "/requests/", "/requests/?sort=priority&range=all",
        "/requests/r/", "/requests/r/?tab=config", "/requests/r/?tab=results", "/requests/r/?tab=history",
        "/requests/r/?tab=raw", "/requests/r/logs/", "/agents/", "/agents/a/", "/agents/a/?tab=raw",
        "/panels/workflows/", "/panels/requests/", "/panels/agents/", "/agents/fleet/",
        f"/workflows/steps/{quote_key(attack)}/",
    ]  # fmt: skip
    for url in urls:
        page = visit(client, url)
        assert_harmless(page)
        wanted = {visible(json.dumps(attack, ensure_ascii=False))} if "raw" in url else {first, message}
        assert any(one in page.root.text for one in wanted), f"{url}: {wanted!r}"
    for url in ("/workflows/", "/requests/", "/agents/"):
        assert_harmless(visit(client, url, **{"HX-Request": "true"}))
        filtered = client.get(url, dict.fromkeys(("q", "status", "user", "source", "capability"), attack))
        if filtered.status_code == 302:  # the text is a key
            filtered = client.get(filtered.url)
        assert_harmless(Page(filtered, url))
    text = client.get("/requests/r/logs/?format=txt").getvalue().decode()
    assert shown.replace("\n", "\n    ") in text
    assert "\x1b" not in text
    (line,) = client.get("/requests/r/logs/?format=ndjson").getvalue().decode().rstrip("\n").split("\n")
    assert json.loads(line)["message"] == attack
    answer = client.get("/api/workflow/w/status")
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert attack in [step["error"] for step in answer.json()["agents"].values()]


@pytest.mark.parametrize(
    ("logical", "whole", "url", "listed"),
    [
        ("workflows", WORKFLOW, "/workflows/w/", "/workflows/?range=all"),
        ("requests", REQUEST, "/requests/r/", "/requests/?range=all"),
        ("agents", AGENT, "/agents/a/", "/agents/"),
    ],
)
@pytest.mark.no_moto  # megabytes through it take its time
def test_a_text_of_300_kb_in_any_attribute_does_not_fill_a_page(
    tables: Any, client_for: Any, logical: str, whole: Raw, url: str, listed: str
) -> None:
    client, table = client_for("viewer"), tables[logical]
    indexed = {name for index in table.spec.indexes for name in (index.hash_key, index.range_key)}
    shapes = [{name: {"S": HUGE}} for name in whole if name != table.key and name not in indexed]
    for name, members in NESTED.items():
        if name in whole:
            within = whole[name].get("M", {})
            shapes += [{name: {"M": {**within, member: {"S": HUGE}}}} for member in members]
    put(table, whole)
    tabs = [tab for label, tab in visit(client, url).tabs.items() if label != "Raw"]
    addresses = [listed, *(url + tab if tab.startswith("?") else tab for tab in tabs)]
    for number, shape in enumerate(shapes):
        put(table, {**whole, **shape})
        # Each attribute in the list and in two of the tabs, which in turn are all of them.
        for address in {listed, addresses[number % len(addresses)], addresses[-1 - number % len(addresses)]}:
            answer = client.get(address)
            assert answer.status_code == 200
            assert len(answer.content) < MOST, (list(shape), address, len(answer.content))


def test_a_log_line_of_300_kb_is_cut_on_the_page_and_whole_in_the_download(
    tables: Any, client_for: Any
) -> None:
    put(tables["request_logs"], *(log("r", log_id=f"l{number}", message=HUGE) for number in range(12)))
    client = client_for("viewer")
    page = visit(client, "/requests/r/logs/")
    assert len(page.root.all("div", data_log_line=None)) > 0
    assert len(page.html) < MOST
    assert_harmless(page)
    assert len(client.get("/requests/r/logs/?format=ndjson").getvalue().decode()) > 12 * len(HUGE)


def test_an_index_key_of_the_longest_kind_is_one_more_status(tables: Any, client_for: Any) -> None:
    longest = "\u00fc<b>" * 400 + "x" * 48
    put(tables["workflows"], workflow("w", overallStatus=longest, createdAt=zulu(ago(minutes=1))))
    put(tables["requests"], request("r", status=longest, created_at=naive(ago(minutes=1)), user_id=longest))
    client = client_for("viewer")
    caches["process"].clear()
    for url in ("/workflows/", "/requests/", "/"):
        page = visit(client, url)
        assert_harmless(page)
        if url != "/":
            assert page.ids
            tab = visit(client, page.tabs[longest.lower()]) if longest.lower() in page.tabs else page
            assert tab.ids == page.ids
