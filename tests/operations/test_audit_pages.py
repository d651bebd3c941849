"""The pages of the audit trail: feed, export, entry and undo."""

import csv
import io
import json
import sqlite3
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from opsportal.accounts.changes import Change
from opsportal.console import database
from opsportal.dynamo.errors import Throttled
from opsportal.operations import change_views, entries, feeds, views
from opsportal.operations.changes import Changed, text
from opsportal.operations.csv_cells import neutral
from opsportal.operations.entries import Actor, Entry, Target, new_action_id
from opsportal.operations.tables import audit_table_for
from opsportal.operations.tags import Action, UnknownAction
from requests_app import action_views
from tests.operations.places import FOREIGN, client, dump, get, put, request_item
from tests.operations.test_feeds import JUNK, entry
from tests.pages import poll, visit
from tests.trouble import refused, trouble

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py

NOW = datetime.now(UTC)
FEED = "/audit/"
ATTACKS = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7|add:7 }}", "\u202egnp.exe", "a\x00b",
    "=cmd|'/C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1", "  =1+1", "\r=1", "naïve, \"quoted\"\nsecond line", "☃",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _fewer_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MAX_DAYS", 32)


@pytest.fixture
def viewer(client_for: Callable[[str], Client]) -> Client:
    return client_for("viewer")


def write(*written: Entry) -> list[Entry]:
    """Puts entries; newest first."""
    for one in written:
        put(audit_table_for(one.target.table), one.item())
    return sorted(written, key=lambda one: (one.at, one.action_id), reverse=True)


def many(count: int = 120, **more: Any) -> list[Entry]:
    otto = Actor("otto", "administrator", "user:1002")
    return write(
        *(
            entry(
                NOW - timedelta(minutes=9 * number),
                **{
                    "actor": otto if number % 3 else Actor("olga", "operator", "user:1001"),
                    "action": Action.REQUEST_RETRY if number % 2 else Action.AGENT_EDIT,
                    "target": Target("requests" if number % 2 else "agents", f"item {number % 5}"),
                    "reason": f"reason {number}",
                    **more,
                },
            )
            for number in range(count)
        )
    )


def url_of(one: Entry | str) -> str:
    return reverse("operations:entry", args=[one if isinstance(one, str) else one.action_id])


def test_the_feed_shows_each_entry_once_over_its_pages(tables: dict[str, Any], viewer: Client) -> None:
    expected = [url_of(one) for one in many()]
    found, page = [], visit(viewer, FEED)
    while True:
        found += page.links
        assert page.cost[0] <= 2 * feeds.FEED_CALLS
        if not page.next_url:
            break
        page = visit(viewer, FEED + page.next_url if page.next_url.startswith("?") else page.next_url)
    assert found == expected
    assert poll(viewer, visit(viewer, FEED)).status == 204


FILTERS: list[tuple[dict[str, str], Callable[[Entry], bool]]] = [
    ({"actor": "otto"}, lambda one: one.actor.name == "otto"),
    ({"action": "agent:edit"}, lambda one: one.action is Action.AGENT_EDIT),
    ({"target": "item 3"}, lambda one: one.target.id == "item 3"),
    ({"kind": "agents"}, lambda one: one.target.logical == "agents"),
    ({"range": "1h"}, lambda one: one.at >= entries.stamp(NOW - timedelta(hours=1))),
    (
        {"actor": "olga", "action": "request:retry", "target": "item 3"},
        lambda one: (one.actor.name, one.action.value, one.target.id) == ("olga", "request:retry", "item 3"),
    ),
    ({"action": "rocket:launch"}, lambda one: False),
]


@time_machine.travel(NOW)  # however long ago this module was loaded
def test_a_filter_and_its_exports_show_the_same(tables: dict[str, Any], viewer: Client) -> None:
    written = many()
    for given, keeps in FILTERS:
        expected = [one for one in written if keeps(one)]
        query = "&".join(f"{name}={value.replace(' ', '+')}" for name, value in given.items())
        page = visit(viewer, f"{FEED}?{query}")
        assert page.links == [url_of(one) for one in expected[:50]], query
        links = [a.attrs["href"] for a in page.root.all("a", download=None)]
        assert len(links) == 3, query
        lines = viewer.get(next(link for link in links if "format=jsonl" in link))
        assert lines.streaming
        assert lines["Content-Disposition"] == 'attachment; filename="audit.jsonl"'
        rows = [json.loads(line) for line in lines.getvalue().decode().splitlines()]
        assert [row["action_id"] for row in rows] == [one.action_id for one in expected], query
        table = viewer.get(next(link for link in links if "format=csv" in link)).getvalue().decode()
        assert [row["action_id"] for row in csv.DictReader(io.StringIO(table, newline=""))] == [
            one.action_id for one in expected
        ], query


def test_a_range_holds_the_whole_of_its_last_second(tables: dict[str, Any], viewer: Client) -> None:
    """The times on the page have no fractions, so neither has an address that was made of one."""
    last = (NOW - timedelta(days=3)).replace(microsecond=0)
    moments = [last + timedelta(microseconds=part) for part in (-1, 0, 1, 999_999, 1_000_000)]
    written = [entry(at, target=Target("requests", "req-1")) for at in moments]
    write(*written)
    expected = [one.action_id for one in reversed(written[1:4])]
    bound = last.strftime("%Y-%m-%dT%H:%M:%SZ")
    for more in ({}, {"target": "req-1"}, {"actor": "user:1001"}, {"action": "request:cancel"}):
        query = {"from": bound, "to": bound, **more}
        seen = viewer.get(FEED, query)
        assert [one.action_id for one, _ in seen.context["entries"]] == expected, more
        exported = viewer.get(FEED, {**query, "format": "jsonl"}).getvalue().decode().splitlines()
        assert [json.loads(line)["action_id"] for line in exported] == expected, more
        answered = viewer.get("/api/audit", query).json()
        assert [one["action_id"] for one in answered["items"]] == expected, more
    # A bound with a fraction is that instant.
    exact = last.strftime("%Y-%m-%dT%H:%M:%S.000001Z")
    seen = viewer.get("/api/audit", {"from": bound, "to": exact}).json()["items"]
    assert [one["action_id"] for one in seen] == expected[1:]


def test_each_tab_leads_to_those_that_its_reader_may_see(
    tables: dict[str, Any], client_for: Callable[[str], Client]
) -> None:
    everybody = {"Actions": FEED, "Undelivered messages": "/audit/undelivered/"}
    accounts = {"Accounts and settings": "/audit/accounts/"}
    for role, expected in (
        ("viewer", everybody),
        ("operator", everybody),
        ("administrator", everybody | accounts),
    ):
        for label, url in expected.items():
            page = visit(client_for(role), url)
            links = page.root.one("nav", class_="page-tabs").all("a")
            assert {link.words: link.attrs["href"] for link in links} == expected, (role, url)
            assert [link.words for link in links if "aria-current" in link.attrs] == [label]
            assert page.root.one("h1").words == "Audit"


def test_an_export_holds_what_an_entry_says(tables: dict[str, Any], viewer: Client) -> None:
    (one,) = write(
        entry(
            NOW,
            reason='with "quotes", commas\nand lines',
            count=7,
            undo_of="x",
            table=tables["requests"].name,
        )
    )
    row = {
        "at": one.at,
        "action": "request:cancel",
        "actor": "olga",
        "actor_id": "user:1001",
        "role": "operator",
        "kind": "requests",
        "table": tables["requests"].name,
        "target": "req-1",
        "reason": one.reason,
        "count": 7,
        "undo_of": "x",
        "action_id": one.action_id,
    }
    assert json.loads(viewer.get(FEED + "?format=jsonl").getvalue()) == row
    (read,) = csv.DictReader(io.StringIO(viewer.get(FEED + "?format=csv").getvalue().decode(), newline=""))
    assert read == {name: str(value) for name, value in row.items()}
    assert list(read) == list(views.COLUMNS)


def test_an_entry_has_its_exact_time_and_leads_to_what_else_its_actor_did(
    tables: dict[str, Any], viewer: Client
) -> None:
    long_ago = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    old = Actor("olga & co", "operator", "")  # from before there were ids
    with time_machine.travel("2026-01-03T00:00:00Z", tick=False):
        for actor in (Actor("olga", "operator", "user:1001"), old):
            first, second = write(
                *(entry(long_ago + timedelta(hours=number), actor=actor) for number in (0, 1))
            )
            page = visit(viewer, url_of(second))
            assert page.fact("Time") == "2026-01-02T03:04:05.678000Z"
            (link,) = (
                one for one in page.root.one("dl", class_="summary").all("a") if actor.name in one.words
            )
            assert visit(viewer, link.attrs["href"]).links == [url_of(first), url_of(second)]
    huge = Actor("x" * 5_000, "operator", "")
    (one,) = write(entry(NOW, actor=huge))
    assert f"actor={'x' * 300}" not in visit(viewer, url_of(one)).html


def test_a_target_leads_to_its_item_and_to_all_that_was_done_to_it(
    tables: dict[str, Any], viewer: Client
) -> None:
    first, second = write(*(entry(NOW - timedelta(minutes=number)) for number in (0, 1)))
    (other,) = write(entry(NOW - timedelta(minutes=2), target=Target("agents", "a & b/c")))
    feed = visit(viewer, FEED)
    by_target = [link.attrs["href"] for link in feed.root.all("a", title="Only this target")]
    assert len(by_target) == 3
    assert visit(viewer, by_target[0]).links == [url_of(first), url_of(second)]
    only = visit(viewer, by_target[2])
    assert only.links == [url_of(other)]
    assert not only.root.all("a", title="Only this target")
    hint = feed.root.one("input", id="filter-target").attrs["aria-describedby"]
    assert "The whole id" in feed.root.one("p", id=hint).words
    page = visit(viewer, url_of(other))
    link = page.root.one("a", title="All actions on this target").attrs["href"]
    assert visit(viewer, link).links == [url_of(other)]
    # Each kind of action has words of its own.
    phrases = [action.phrase for action in Action]
    assert len({*phrases}) == len(phrases)
    assert not [phrase for phrase in phrases if ":" in phrase or "_" in phrase]


def test_a_target_that_finds_nothing_says_that_whole_ids_are_compared(
    tables: dict[str, Any], viewer: Client
) -> None:
    (one,) = write(entry(NOW, target=Target("requests", "95bfa813-7f")))
    for url in ("?target=95bfa813", "?target=95bfa813&range=30d", "?target=7f&actor=olga"):
        assert "A target is found by its whole id only." in visit(viewer, FEED + url).words
    assert visit(viewer, f"{FEED}?target=95bfa813-7f").links == [url_of(one)]
    assert "by its whole id" not in visit(viewer, f"{FEED}?actor=nobody").words


def test_no_cell_is_a_formula_and_no_text_is_markup(tables: dict[str, Any], client_for: Any) -> None:
    viewer = client_for("viewer")
    for number, attack in enumerate(ATTACKS):
        key = f"{attack} {number}"
        write(
            entry(
                NOW - timedelta(seconds=number),
                action=UnknownAction(f"request:{attack}"),
                actor=Actor(key, attack, attack),
                undo_of=attack,
                target=Target("requests", key),
                reason=attack,
                note=attack,
                condition=attack,
                changes=(Changed((attack, "x"), text(attack), {"M": {attack: text(attack)}}),),
            )
        )
    page = visit(viewer, FEED)
    assert len(page.rows) == len(ATTACKS)
    panel = visit(viewer, reverse("panel-audit"))
    pages = [page, panel, *(visit(viewer, url) for url in page.links)]
    for shown in pages:
        assert "<script>alert" not in shown.html
        assert "<img src=x" not in shown.html
        assert "\x00" not in shown.html
        assert "\u202e" not in shown.html
    table = viewer.get(FEED + "?format=csv").getvalue().decode()
    for row in csv.reader(io.StringIO(table, newline="")):
        for cell in row:
            assert cell.lstrip()[:1] not in tuple("=+-@"), cell
            assert cell[:1] not in ("\t", "\r")
    lines = viewer.get(FEED + "?format=jsonl").getvalue().decode().split("\n")
    assert [json.loads(line)["reason"] for line in lines if line] == ATTACKS
    assert not table.startswith("\ufeff")
    for_excel = next(link.attrs["href"] for link in page.root.all("a") if "for Excel" in link.words)
    assert viewer.get(for_excel).getvalue().decode() == f"\ufeff{table}"
    assert not viewer.get(f"{FEED}?format=jsonl&bom=1").getvalue().startswith(b"\xef")


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)", " =1", "\u3000\uff1d1", "\u00a0=1", "\u200b=1", "\ufeff=1", "\r=1",
        "\n=1", "\t1", "\ufe631", "\u22121", "\r", "\x00=1", "-1",
    ],
)  # fmt: skip
def test_no_spreadsheet_takes_a_cell_for_a_formula(cell: str) -> None:
    assert neutral(cell) == f"'{cell}"
    assert neutral(f"a{cell}") == f"a{cell}"


def test_whatever_lies_in_the_trail_every_page_can_be_read(tables: dict[str, Any], client_for: Any) -> None:
    administrator = client_for("administrator")
    audit = audit_table_for(tables["requests"])
    ids = []
    for number, junk in enumerate(JUNK):
        raw = {**entry(NOW - timedelta(seconds=number)).item(), "has_image": {"BOOL": True}, **junk}
        ids.append(raw["action_id"]["S"])
        put(audit, raw)
        put(
            audit,
            {"action_id": {"S": f"{ids[-1]}#image"}, "image": {"B": b"junk"}, "ttl": {"N": "9999999999"}},
        )
    # What no app's items can have had done to them, whatever the entry says.
    for word in ("agent:fail", "request:edit", "workflow:edit", "rocket:purge"):
        foreign = entry(NOW, action=UnknownAction(word), target=Target("requests", "gone"), has_image=True)
        put(audit, foreign.item())
        assert word in visit(administrator, url_of(foreign.action_id)).words
        assert administrator.get(reverse("operations:undo", args=[foreign.action_id])).status_code == 403
    assert "Undo" not in visit(administrator, reverse("requests:item", args=["gone"]), status=404).words
    odd = [
        {**entry(NOW).item(), "at": {"S": "~ not a time"}},
        {**entry(NOW).item(), "action_id": {"S": "not/a uuid"}},
    ]
    for raw in odd:
        put(audit, raw)
    bare = str(uuid.uuid4())
    put(audit, {"action_id": {"S": bare}})
    page = visit(administrator, FEED)
    assert len(page.rows) == len(JUNK) + len(odd) + 4
    for url in page.links:
        assert administrator.get(url).status_code == (404 if "uuid" in url else 200)
    for action_id in (*ids, bare):
        shown = visit(administrator, url_of(action_id))
        assert action_id in shown.words
        assert administrator.get(reverse("operations:undo", args=[action_id])).status_code in (200, 403)
        answer = administrator.post(
            reverse("operations:undo", args=[action_id]), {"action_id": new_action_id(), "confirm": ""}
        )
        assert answer.status_code in (403, 409)
    for kind in ("jsonl", "csv"):
        assert len(administrator.get(f"{FEED}?format={kind}").getvalue().splitlines()) >= len(JUNK)
    assert administrator.get("/audit/last/").status_code in (200, 404)


@pytest.mark.parametrize(
    "action_id", ["nonsense", "49872dc5-d2ca-48ad-99f2-ff6b36936781", "a/b", "..", "x" * 500]
)
def test_an_entry_that_is_not_there_is_not_found(
    tables: dict[str, Any], viewer: Client, action_id: str
) -> None:
    assert viewer.get(url_of(action_id)).status_code == 404
    assert viewer.get(reverse("operations:undo", args=[action_id])).status_code == 404


def test_a_copy_is_no_entry_and_is_shown_to_whom_may(
    tables: dict[str, Any], client_for: Callable[[str], Client]
) -> None:
    secret = {"S": "the secret of the item"}
    put(tables["requests"], request_item(status="failed", secret=secret, **FOREIGN))
    action_id = new_action_id()
    action_views.PURGE.act(
        "req-1", by=Actor("olga", "operator", "user:1001"), reason="old", action_id=action_id
    )
    operator, viewer = client_for("operator"), client_for("viewer")
    shown = visit(operator, url_of(action_id))
    assert "the secret of the item" in shown.html
    assert "The item before" in shown.words
    hidden = visit(viewer, url_of(action_id))
    assert "the secret of the item" not in hidden.html
    assert "your role may not see it. You need the permission operations.view_images, which" in hidden.words
    assert "expired" not in hidden.words
    for person in (operator, viewer):
        assert person.get(url_of(f"{action_id}#image")).status_code == 404
    # Who misses the item learns why there is no undo.
    gone = reverse("requests:item", args=["req-1"])
    assert visit(operator, gone, status=404).root.one("a", id="act-undo")
    without = visit(viewer, gone, status=404)
    assert "No undo: You need the permission requests_app.purge_requests" in without.words
    audit = audit_table_for(tables["requests"])
    client(audit).delete_item(TableName=audit.name, Key={"action_id": {"S": f"{action_id}#image"}})
    assert "No undo: The copy has expired." in visit(operator, gone, status=404).words
    assert (
        "A copy of the item was kept for an undo. The copy has expired."
        in visit(operator, url_of(action_id)).words
    )


def test_the_page_of_an_entry_shows_all_of_it(tables: dict[str, Any], viewer: Client) -> None:
    put(tables["requests"], request_item(**FOREIGN))
    action_id = new_action_id()
    action_views.CANCEL.act(
        "req-1", by=Actor("olga", "operator", "user:1001"), reason="wrong project", action_id=action_id
    )
    page = visit(viewer, url_of(action_id))
    assert page.fact("Reason") == "wrong project"
    assert page.fact("Who") == "olga (account deleted)"
    assert page.fact("Role") == "operator"
    assert page.fact("Condition").startswith("status as read")
    assert tables["requests"].name in page.fact("Table")
    assert page.root.one("a", href=reverse("requests:item", args=["req-1"]))
    rows = {row.one("th").words: row.words for row in page.root.all("tr") if row.all("th", scope="row")}
    assert "processing" in rows["status"]
    assert "cancelled" in rows["status"]
    assert not page.root.all("a", data_action="request:undo")


def test_an_undo_from_the_entry(tables: dict[str, Any], client_for: Callable[[str], Client]) -> None:
    before = put(tables["requests"], request_item(status="failed", **FOREIGN))
    action_id = new_action_id()
    action_views.PURGE.act("req-1", by=Actor("olga", "operator", "user:1001"), reason="", action_id=action_id)
    operator, viewer = client_for("operator"), client_for("viewer")
    url = reverse("operations:undo", args=[action_id])
    assert "Your role (viewer) may not do this." in visit(viewer, url_of(action_id)).words
    written = dump(tables)
    for method in ("get", "post"):
        assert getattr(viewer, method)(url, {"action_id": new_action_id()}).status_code == 403
    assert visit(operator, url).root.one("form", class_="action-form")
    assert dump(tables) == written
    fields = {"action_id": new_action_id(), "reason": "a mistake"}
    assert operator.post(url, fields)["Location"] == reverse("requests:item", args=["req-1"])
    assert get(tables["requests"], "req-1") == before
    after = dump(tables)
    assert operator.post(url, fields, headers={"HX-Request": "true"}).status_code == 204
    assert dump(tables) == after
    page = visit(operator, url_of(action_id))
    assert "Undone by operator" in page.words
    assert "It was undone already." in page.words
    refused_page = operator.post(url, {"action_id": new_action_id()})
    assert refused_page.status_code == 409
    assert "There is an item with this id again" in refused_page.content.decode()
    undo_id = fields["action_id"]
    undone = visit(operator, url_of(undo_id))
    assert undone.root.one("a", href=url_of(action_id))
    never = visit(operator, reverse("operations:undo", args=[undo_id]), status=403)
    assert (
        "This can't be undone Only a purge, an edit, and a mark as failed or completed can be undone."
        in never.words
    )
    assert "You may not do this You need the permission" in visit(viewer, url, status=403).words


def test_an_edit_is_undone_by_whom_may_edit(
    tables: dict[str, Any], client_for: Callable[[str], Client]
) -> None:
    from registry import action_views as agents

    agent = {"agentId": {"S": "agent-1"}, "name": {"S": "Anna"}, "status": {"S": "active"}}
    put(tables["agents"], agent)
    action_id = new_action_id()
    olga = Actor("olga", "operator", "user:1001")
    agents.EDIT.act("agent-1", by=olga, action_id=action_id, texts={"name": "Berta"})
    url = reverse("operations:undo", args=[action_id])
    assert client_for("viewer").post(url, {"action_id": new_action_id()}).status_code == 403
    assert client_for("operator").post(url, {"action_id": new_action_id()}).status_code == 302
    assert get(tables["agents"], "agent-1")["name"] == {"S": "Anna"}  # type: ignore[index]


# --- Trouble --------------------------------------------------------------------------------------------


def test_a_missing_table_has_its_page_with_the_command(tables: dict[str, Any], viewer: Client) -> None:
    for table in (tables["requests"], tables["agents"]):
        audit = audit_table_for(table)
        try:
            client(audit).delete_table(TableName=audit.name)
        except client(audit).exceptions.ResourceNotFoundException:
            continue
    for url in (FEED, FEED + "?format=csv", url_of(new_action_id())):
        page = visit(viewer, url, status=503)
        assert page.problem.attrs["data-problem"] == "table_missing"
        assert "python manage.py dynamo migrate" in page.words
        assert "DYNAMODB_AUDIT" not in page.words
    put(tables["requests"], request_item())
    item = visit(viewer, reverse("requests:item", args=["req-1"]))
    assert "The audit trail can't be read" in item.words


def test_an_error_of_one_location_is_shown_in_the_feed(tables: dict[str, Any], viewer: Client) -> None:
    with trouble(audit_table_for(tables["agents"]), refused("ThrottlingException", "Rate exceeded"), "Query"):
        page = visit(viewer, FEED, status=503)
    assert page.problem.attrs["data-problem"] == "throttled"


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_an_export_that_breaks_off_says_so_in_its_own_format(kind: str) -> None:
    def broken() -> Any:
        yield entry(NOW, table="t")
        raise Throttled('It is throttled, "now".')

    lines = "".join(views.lines(kind, broken()))
    sentence = 'This export is not complete: It is throttled, "now".'
    if kind == "jsonl":
        assert json.loads(lines.splitlines()[-1]) == {"incomplete": sentence}
    else:
        assert list(csv.reader(io.StringIO(lines, newline="")))[-1] == [f"# {sentence}"]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_an_export_of_accounts_that_breaks_off_says_so(kind: str) -> None:
    def broken() -> Any:
        yield Change(verb="rule:make", actor="olga", target="r", at=NOW)
        raise OperationalError("database is locked") from sqlite3_error("SQLITE_BUSY")

    *_, last = "".join(change_views.lines(kind, broken())).splitlines()
    sentence = f"This export is not complete: {database.BUSY.sentence}"
    if kind == "jsonl":
        assert json.loads(last) == {"incomplete": sentence}
    else:
        assert next(csv.reader([last])) == [f"# {sentence}"]


def sqlite3_error(name: str) -> Exception:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorname = name
    return error


def test_an_export_reads_on_past_the_first_page(tables: dict[str, Any], viewer: Client) -> None:
    with trouble(audit_table_for(tables["requests"]), refused("ThrottlingException", "x"), "Query"):
        assert viewer.get(FEED + "?format=jsonl").status_code == 503  # at its first page: a page state
    many(60)
    response = viewer.get(FEED + "?format=jsonl")
    with trouble(audit_table_for(tables["requests"]), refused("ThrottlingException", "x"), "Query"):
        lines = response.getvalue().decode().splitlines()
    assert len(lines) == 51
    assert "not complete" in lines[-1]
