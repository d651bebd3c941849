"""An attribute of an item is never hidden: what no other part of its page shows is in "Other attributes"."""

import base64
from typing import Any

import pytest

from opsportal.dynamo.models import DynamoModel
from registry.models import Agent
from requests_app.models import IntelligenceRequest
from tests.factories import Typed, agent, put, request, step, workflow
from tests.pages import Page, visit
from tracking.models import Workflow

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py

UNKNOWN = ("error", "items", "keys", "a.b", "zz", "Status", "ttl2", "<i>name</i>")
# Shown in another form: a duration.
FORMATTED = {("N", "totalDuration")}


def values(number: int) -> dict[str, tuple[dict[str, Any], str]]:
    """By DynamoDB's type: a value, and the text by which one finds it on a page."""
    mark, digits = f"mark-{number:03}-end", f"900000000000{number:03}"
    packed = base64.b64encode(mark.encode()).decode()
    return {
        "S": ({"S": mark}, mark),
        "N": ({"N": digits}, digits),
        "B": ({"B": mark.encode()}, packed),
        "SS": ({"SS": [mark]}, mark),
        "NS": ({"NS": [digits]}, digits),
        "BS": ({"BS": [mark.encode()]}, packed),
        "M": ({"M": {"inner": {"S": mark}}}, mark),
        "L": ({"L": [{"S": mark}]}, mark),
    }


def others(page: Page) -> dict[str, tuple[str, str]]:
    """Path -> type and value, of the part of the page."""
    rows = page.root.all("tr", data_other=None)
    return {row.one("th").text: (row.one("abbr").text, row.one("pre").text) for row in rows}


def keys_of_indexes(model: type[DynamoModel], table: Any) -> set[str]:
    """Attributes that the table takes as text only."""
    return {key for one in table.spec.indexes if not one.optional for key in (one.hash_key, one.range_key)}


PAGES: list[tuple[type[DynamoModel], str, str, tuple[str, ...]]] = [
    (Workflow, "workflows", "/workflows/one/", ()),
    (IntelligenceRequest, "requests", "/requests/one/", ("config", "results", "history")),
    (Agent, "agents", "/agents/one/", ()),
]


@pytest.mark.parametrize(("model", "logical", "url", "tabs"), PAGES)
def test_any_attribute_is_on_the_page(
    tables_without_index: Any,
    client_for: Any,
    model: type[DynamoModel],
    logical: str,
    url: str,
    tabs: tuple[str, ...],
) -> None:
    table, client = tables_without_index[logical], client_for("viewer")
    known = model.from_item({}).known - {table.key, ""}
    names = [*sorted(known), *(name for name in UNKNOWN if name not in known)]
    for tag in values(0):
        item, marks = {table.key: {"S": "one"}}, {}
        for number, name in enumerate(names):
            if tag == "S" or name not in keys_of_indexes(model, table):
                item[name], marks[name] = values(number)[tag]
        put(table, item)
        page = visit(client, url)
        elsewhere = "".join(visit(client, f"{url}?tab={tab}").html for tab in tabs)
        listed = others(page)
        for name, mark in marks.items():
            if name in UNKNOWN and name not in known:
                assert listed[name][0] == tag
                assert mark in listed[name][1]
            elif (tag, name) not in FORMATTED:
                assert mark in page.html or (mark in elsewhere and name not in listed), (tag, name)
        assert "<i>name</i>" not in page.html
    # What no type has a text for.
    put(table, {table.key: {"S": "one"}, "no": {"BOOL": False}, "nil": {"NULL": True}, "empty": {"S": ""}})
    assert others(visit(client, url)) == {
        "no": ("BOOL", "false"), "nil": ("NULL", "null"), "empty": ("S", '""'),
    }  # fmt: skip


def test_members_that_no_part_shows_are_in_it_too(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    tokens = {"totalTokens": 14169, "cached": 7}
    odd_step = step(lastUpdated="2026-11-01T00:00:00Z", model="m-1", tokenUsage=tokens)
    put(
        tables["workflows"],
        workflow("w", pdfAdapter=odd_step, totalTokenUsage={"totalTokens": 14169, "cached": Typed(N="12345678901234567890")}),
    )  # fmt: skip
    page = visit(client, "/workflows/w/")
    assert others(page) == {
        "pdfAdapter.lastUpdated": ("S", "2026-11-01T00:00:00Z"),
        "pdfAdapter.tokenUsage.cached": ("N", "7"),
        "totalTokenUsage.cached": ("N", "12345678901234567890"),
    }
    assert "model: m-1" in page.words
    source = {"name": "FDA", "url": "https://a", "base_url": "https://b", "type": "web", "region": "eu"}
    change = {"timestamp": "2026-11-01T00:00:00", "old_status": "a", "new_status": "b", "by": "olga"}
    put(
        tables["requests"],
        request(
            "r",
            progress={"percentage": 5, "retries": 2},
            config={"keywords": ["k"], "sources": [{"name": "plain"}, source, "text"], "depth": 1},
            processing_metadata={"status_history": [change], "worker": "w-1"},
        ),
    )
    assert others(visit(client, "/requests/r/")) == {
        "progress.retries": ("N", "2"),
        "config.sources[1].region": ("S", "eu"),
        "config.sources[1].url": ("S", "https://a"),
        "processing_metadata.status_history[0].by": ("S", "olga"),
    }
    tiers = '{"basic": {"slots": 5, "slotsFilled": 1, "queue": 9}}'
    put(
        tables["agents"],
        agent(
            "a", serviceAvailability=tiers, status="active", deployment_status="draining", emoji="too long"
        ),
        agent("b", serviceAvailability='{"basic": {"slots": 5}}', emoji="*"),
    )
    assert others(visit(client, "/agents/a/")) == {
        "serviceAvailability": ("S", tiers), "deployment_status": ("S", "draining"), "emoji": ("S", "too long"),
    }  # fmt: skip
    assert not visit(client, "/agents/b/").root.all("section", id="other-attributes")


def test_the_part_is_bounded_and_holds_the_text_of_attackers(tables: Any, client_for: Any) -> None:
    evil = "</pre><script>alert(1)</script>\u202e\x1b[31m\r"
    many = {f"n{number:03}": number for number in range(250)}
    put(tables["workflows"], workflow("w", a_long="x" * 100_000, an_evil=evil, **many))
    page = visit(client_for("viewer"), "/workflows/w/")
    section = page.root.one("section", id="other-attributes")
    listed = others(page)
    assert len(listed) == 200
    assert section.one("h2").words == "Other attributes 252"
    assert "52 more are in Raw." in section.words
    assert listed["a_long"][1] == "x" * 500
    assert "99,500 more characters in Raw" in section.words
    assert listed["an_evil"][1] == "</pre><script>alert(1)</script>⟦U+202E⟧⟦U+001B⟧[31m⟦U+000D⟧".replace(
        "⟦", "\u27e6"
    ).replace("⟧", "\u27e7")
    assert "<script>alert" not in page.html
    assert not visit(client_for("viewer"), "/workflows/w/?tab=raw").root.all("section", id="other-attributes")
