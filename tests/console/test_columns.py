"""The columns of lists: nothing of an item becomes markup in any cell, and an export has each value as it is stored."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from opsportal.console import columns
from opsportal.console.columns import Column, PageState, plain
from opsportal.console.invisible import has_invisible
from opsportal.console.listing import Listing
from opsportal.dynamo.attributes import Malformed
from opsportal.dynamo.json_values import as_json
from registry.columns import COLUMNS as AGENTS
from registry.models import Agent
from registry.views import FILTERS as AGENT_FILTERS
from requests_app.columns import COLUMNS as REQUESTS
from requests_app.columns import RequestRow
from requests_app.findings import findings_of_row
from requests_app.models import IntelligenceRequest
from requests_app.views import FILTERS as REQUEST_FILTERS
from tests.factories import MISSING, Raw, Typed, agent, ago, raw, request, step, workflow
from tests.pages import Node, parsed
from tests.shapes import ATTACKS, derived, values
from tracking.columns import COLUMNS as WORKFLOWS
from tracking.columns import WorkflowRow
from tracking.findings import findings
from tracking.models import Workflow
from tracking.views import FILTERS as WORKFLOW_FILTERS

NOW = datetime(2026, 11, 20, 14, 2, 11, 250_000, tzinfo=UTC)


def request_row(item: Raw) -> RequestRow:
    one = IntelligenceRequest.from_item(item)
    return RequestRow(one, findings_of_row(one, NOW))


def workflow_row(item: Raw) -> WorkflowRow:
    one = Workflow.from_item(item)
    return WorkflowRow(one, findings(one, NOW))


LISTS: dict[str, tuple[tuple[Column[Any], ...], Any, Raw, str, dict[str, str]]] = {
    "requests": (REQUESTS, request_row, request("r"), "requests:item", REQUEST_FILTERS),
    "workflows": (WORKFLOWS, workflow_row, workflow("w"), "tracking:item", WORKFLOW_FILTERS),
    "agents": (AGENTS, Agent.from_item, agent("a"), "registry:item", AGENT_FILTERS),
}

# All that a cell of the three lists may hold; `xlink`, `style`, `on...` and whatever else an item tries are not among it.
ELEMENTS = {
    "a": {"href", "class", "title", "data-row-link", "tabindex"},
    "span": {"class", "title", "aria-hidden"},
    "bdi": set(),
    "time": {"datetime", "data-when", "title"},
    "button": {
        "type", "class", "data-copy", "data-copy-json", "data-invisible", "title", "aria-label",
    },
    "svg": {"class", "width", "height", "aria-hidden", "role", "aria-label"},
    "use": {"href"},
    "g": {"class", "transform"},
    "title": set(),
    "rect": {"class", "x", "y", "rx", "width", "height"},
    "circle": {"class", "cx", "cy", "r"},
    "path": {"class", "d"},
    "progress": {"class", "max", "value", "aria-label"},
}  # fmt: skip
CLASSES = re.compile(r"[a-z0-9-]+( [a-z0-9-]+)*")
ADDRESSES = re.compile(r"/static/[\w./-]+#[\w-]+|/(requests|workflows|agents|search|failures)/[^\"<>\s]*")

NASTY = "<script>\"'&`\x00\x1b[31m\x07\u202e\u2066\u200b\ufeff\u3164 \r\n\t</td></tr>{{ 7 }}javascript:" * 3
TEXTS = (NASTY, "x" * 5000 + NASTY, "\U0001f3f4\u200d\u2620\ufe0f", *ATTACKS)
attack = st.one_of(st.sampled_from(TEXTS).map(lambda text: Typed(S=text)), values)


def asked(path: str, query: dict[str, str] | None = None) -> HttpRequest:
    """By who may see everything."""
    found = RequestFactory().get(path, query)
    found.user = User(is_superuser=True)
    return found


def page_of(view: str, filters: dict[str, str], path: str) -> PageState:
    found = asked(path, {"q": NASTY, "status": "x&y"})
    return PageState(NOW, ZoneInfo("Europe/Berlin"), Listing(found, "list", filters), columns.item_urls(view))


def assert_only_known(cell: Node) -> None:
    for node in cell.all(""):
        assert node.tag in ELEMENTS, node.tag
        assert node.attrs.keys() <= ELEMENTS[node.tag], (node.tag, node.attrs)
        assert CLASSES.fullmatch(node.attrs.get("class", "x")), node.attrs
        assert ADDRESSES.fullmatch(node.attrs.get("href", "/static/x#y")), node.attrs
        assert not has_invisible("".join(node.attrs.get(name, "") for name in ("title", "aria-label")))
    assert not has_invisible(cell.text)


@derived
@given(st.sampled_from(sorted(LISTS)), st.data())
def test_no_cell_of_any_list_holds_more_than_the_known_elements(name: str, data: st.DataObject) -> None:
    declared, row_of, whole, view, filters = LISTS[name]
    key = next(iter(whole))
    item = {attribute: dict(data.draw(attack)) for attribute in whole if attribute != key}
    item[key] = {"S": data.draw(st.one_of(st.sampled_from(TEXTS), st.text(min_size=1)))}
    if name == "workflows":
        item["pdfAdapter"] = step(
            **{part: Typed(data.draw(attack)) for part in ("status", "error", "activity")}
        )
    if name == "requests":
        item |= raw(
            {"errors": [Typed(data.draw(attack))], "progress": {"percentage": Typed(data.draw(attack))}}
        )
        item |= {"status": {"S": data.draw(st.sampled_from(("failed", "processing", NASTY)))}}
    row, page = row_of(item), page_of(view, filters, f"/{name}/")
    html = columns.table(declared, [row], page, choose="it<em>")
    (tr,) = parsed(html).one("tbody").all("tr")
    cells = [cell for cell in tr.children if isinstance(cell, Node)]
    assert [cell.tag for cell in cells] == ["td"] * (1 + len(declared))
    (box,) = cells[0].all("")
    assert box.tag == "input"
    assert box.attrs.keys() == {"type", "class", "name", "value", "form", "autocomplete", "aria-label"}
    for cell in cells[1:]:
        assert cell.attrs.keys() <= {"class", "data-label"}
        assert_only_known(cell)
    for column in declared:
        as_json(plain(column.value(row)))  # whatever it is, an export can write it


@pytest.mark.parametrize("name", sorted(LISTS))
def test_a_list_is_its_declared_columns(name: str) -> None:
    declared, row_of, whole, view, filters = LISTS[name]
    page = page_of(view, filters, f"/{name}/")
    root = parsed(columns.table(declared, [row_of(whole)], page))
    assert [head.words for head in root.one("thead").all("th")] == [column.label for column in declared]
    assert not root.all("input")
    keys = Counter(column.key for column in declared)
    assert set(keys.values()) == {1}
    # The first two and what needs attention stay at every width; on a narrow screen the cells are stacked, with labels.
    stay = {column.key for column in declared if column.priority == 1}
    assert {declared[0].key, declared[1].key, "attention"} <= stay < keys.keys()
    cells = root.one("tbody").all("td")
    assert [cell.attrs.get("data-label") for cell in cells] == [
        column.label if column.stacked else None for column in declared
    ]
    # A choice of columns is the same list, shorter.
    chosen = [column for column in declared if column.key in ("status", "health", "attention")]
    few = parsed(columns.table(chosen, [row_of(whole)], page))
    assert [head.words for head in few.all("th")] == [column.label for column in chosen]


def test_an_export_has_what_is_stored() -> None:
    item = request(
        "r\u202e",
        status="failed",
        created_at="2026-11-20T14:02:11.250000",
        started_at="2026-11-20T14:02:11.250000",
        completed_at="2026-11-20T15:02:11.250001",
        progress={"percentage": Typed(N="65.50000000000000000001")},
        errors=["first\nline", "second"],
        user_id=Typed(L=[Typed(N="1")]),
        project_id=MISSING,
    )
    assert {column.key: plain(column.value(request_row(item))) for column in REQUESTS} == {
        "request_id": "r\u202e", "status": "failed", "priority": "high", "type": "semaglutide_intelligence",
        "progress": Decimal("65.50000000000000000001"), "created_at": "2026-11-20T14:02:11.250000Z",
        "duration": Decimal("3600.000001"), "attention": "first\nline", "project": None,
        "user": '{"L": [{"N": "1"}]}', "strategy": "table",
    }  # fmt: skip
    found = {column.key: plain(column.value(workflow_row(workflow("w")))) for column in WORKFLOWS}
    assert found["steps"]["pdfAdapter"] == "success"
    assert (found["tokens"], found["duration"]) == (Decimal(14169), Decimal("17.095"))
    agents = Agent.from_item(agent("a", capabilities=["one", "two"], successRate=Typed(N="0.985")))
    found = {column.key: plain(column.value(agents)) for column in AGENTS}
    assert (found["capabilities"], found["success"]) == (["one", "two"], Decimal("98.500"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (Decimal("1E+30"), Decimal("1E+30")),
        (NOW, "2026-11-20T14:02:11.250000Z"),
        (NOW.astimezone(ZoneInfo("Asia/Tokyo")), "2026-11-20T14:02:11.250000Z"),
        (timedelta(days=400, microseconds=1), Decimal("34560000.000001")),
        (timedelta(seconds=100), Decimal(100)),
        (Malformed({"BOOL": True}, "expected a number"), '{"BOOL": true}'),
        ({"a": [NOW, Decimal(1)]}, {"a": ["2026-11-20T14:02:11.250000Z", Decimal(1)]}),
    ],
)
def test_a_value_of_an_export_is_plain(value: Any, expected: Any) -> None:
    assert plain(value) == expected


def test_a_filter_link_is_the_lists_address_with_that_filter() -> None:
    values = {"user": "a&b", "q": "\u00e4 +", "outside": "1", "range": "24h", "cursor": "c"}
    listing = Listing(RequestFactory().get("/requests/", values), "requests", REQUEST_FILTERS)
    for value in ("x", "a/b?c=d#e%2F\u202e", "\ud800", "k" * 3000):
        for name in ("user", "project", "priority"):
            expected = listing.url(**{name: value.encode(errors="replace").decode()[:2048], "outside": None})
            assert listing.filter_url(name, value) == expected


def test_the_address_of_an_item_is_what_reverse_makes_of_its_key() -> None:
    from django.urls import reverse

    for view in ("requests:item", "tracking:item", "registry:item"):
        url = columns.item_urls(view)
        for key in (*TEXTS, "key", "new", ".", "..", "~41", "a b/c", "\u00fcml\u00e4ut", "@:=+,-_"):
            assert url(key) == reverse(view, args=[key])


def test_fifty_rows_ask_for_their_addresses_once(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses: Counter[str] = Counter()
    for module, name in ((columns, "reverse"), (columns, "item_urls")):
        real = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *a, real=real, name=name, **k: (addresses.update([name]), real(*a, **k))[1]
        )
    listing = Listing(asked("/requests/"), "requests", REQUEST_FILTERS)
    monkeypatch.setattr(listing, "url", lambda **_: pytest.fail("an address was made whole for a cell"))
    rows = [request_row(request(created_at=ago(minutes=1).isoformat())) for _ in range(50)]
    html = columns.table(REQUESTS, rows, PageState.of(listing, "requests:item"))
    assert html.count("data-row-link") == 50
    assert addresses == {"reverse": 1, "item_urls": 1}
