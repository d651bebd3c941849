"""Who acted, when names change hands: renamed, deleted and made again, called like a program. Over HTTP."""

import csv
import io
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from opsportal.accounts import tokens
from opsportal.accounts.actors import user_id
from opsportal.accounts.roles import create_user
from opsportal.operations import feeds
from opsportal.operations.entries import Actor, Entry, Target, new_action_id
from opsportal.operations.tables import audit_table_for
from opsportal.operations.tags import Action
from requests_app import outgoing
from tests.conftest import PASSWORD
from tests.operations.places import actor, outbox, put, request_item, trail
from tests.operations.test_feeds import entry
from tests.pages import Page, visit

NOW = datetime.now(UTC)
USERS = "/admin/auth/user/"
MARK = "(recorded by name only)"


@pytest.fixture(autouse=True)
def _fewer_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MAX_DAYS", 5)


@pytest.fixture
def table(tables: dict[str, Any]) -> Any:
    put(tables["requests"], request_item())
    return tables["requests"]


@pytest.fixture
def admin(client_for: Callable[[str], Client]) -> Client:
    return client_for("administrator")


def rename(client: Client, user: User, name: str) -> None:
    """By the form of /admin/."""
    user.refresh_from_db()
    form = {"username": name, "email": "", "first_name": "", "last_name": "", "role": user.groups.get().name}
    answer = client.post(f"{USERS}{user.pk}/change/", form | {"is_active": "on", "is_staff": "on"})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    user.refresh_from_db()
    assert user.username == name


def delete(client: Client, user: User) -> None:
    assert client.post(f"{USERS}{user.pk}/delete/", {"post": "yes"}).status_code == 302


def make(client: Client, name: str, role: str = "operator") -> User:
    form = {"username": name, "email": "", "role": role, "usable_password": "true", "password1": PASSWORD}
    answer = client.post(f"{USERS}add/", form | {"password2": PASSWORD})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    return User.objects.get(username=name)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def cancel(client: Client, action_id: str = "", key: str = "req-1") -> Any:
    return client.post(
        reverse("requests:cancel", args=[key]), {"action_id": action_id or new_action_id(), "reason": "wrong"}
    )


def write(*written: Entry) -> list[str]:
    """Puts entries; their ids, newest first."""
    for one in written:
        put(audit_table_for(one.target.table), one.item())
    return [one.action_id for one in sorted(written, key=lambda one: (one.at, one.action_id), reverse=True)]


def listed(client: Client, who: str, **more: str) -> list[str]:
    """The action_ids that the page's filter shows, over all its pages."""
    query = "&".join(
        f"{name}={quote(value)}" for name, value in {"actor": who, "range": "7d", **more}.items()
    )
    page, found = visit(client, f"/audit/?{query}"), []
    for _ in range(20):
        found += [row.attrs["id"].removeprefix("row-") for row in page.rows]
        if not page.next_url:
            return found
        page = visit(client, page.next_url if page.next_url.startswith("/") else f"/audit/{page.next_url}")
    raise AssertionError("it goes on for ever")


def through_api(client: Client, who: str) -> list[dict[str, Any]]:
    """The same over the API."""
    found, query = [], {"actor": who, "range": "7d"}
    for _ in range(20):
        answer = client.get("/api/audit", query).json()
        found += answer["items"]
        if not answer["next"]:
            return found
        query["cursor"] = answer["next"]
    raise AssertionError("it goes on for ever")


def cell(page: Page, action_id: str) -> str:
    """What a row says of who acted."""
    return page.root.one("tr", id=f"row-{action_id}").one("td", data_label="Actor").words


def feed(client: Client, query: str = "") -> Page:
    return visit(client, f"/audit/{query}")


# --- A name that is borrowed, and given back -------------------------------------------------------------


@pytest.mark.no_moto
def test_who_borrows_a_name_is_not_taken_for_its_owner(
    table: Any, admin: Client, administrator: User, operator: User
) -> None:
    rename(admin, operator, "operator-tmp")
    rename(admin, administrator, "operator")
    assert cancel(admin).status_code == 302
    rename(admin, administrator, "administrator")
    rename(admin, operator, "operator")

    (stored,) = trail(table)
    action_id = stored["action_id"]["S"]
    assert actor(stored) == ("operator", user_id(administrator))
    assert listed(admin, "operator") == listed(admin, user_id(operator)) == []
    assert through_api(admin, "operator") == []
    assert listed(admin, "administrator") == listed(admin, user_id(administrator)) == [action_id]
    (row,) = through_api(admin, "administrator")
    assert (row["actor"], row["actor_id"]) == ("operator", user_id(administrator))
    assert (
        cell(feed(admin), action_id) == f"operator {user_id(administrator)} (now administrator) administrator"
    )
    page = visit(admin, reverse("operations:entry", args=[action_id]))
    assert page.fact("Who") == "operator (now administrator)"
    assert user_id(administrator) in page.fact("Actor")
    item = visit(admin, "/requests/req-1/")
    assert "operator (now administrator)" in item.words
    assert "operator (now administrator)" in visit(admin, "/panels/audit/").words
    line = json.loads(admin.get("/audit/?format=jsonl").getvalue())
    assert (line["actor"], line["actor_id"]) == ("operator", user_id(administrator))
    (read,) = csv.DictReader(io.StringIO(admin.get("/audit/?format=csv").getvalue().decode(), newline=""))
    assert read["actor_id"] == user_id(administrator)


@pytest.mark.no_moto
def test_a_new_account_under_a_used_name_has_not_done_what_the_deleted_one_did(
    table: Any, admin: Client
) -> None:
    first = make(admin, "olga")
    assert cancel(signed_in(first)).status_code == 302
    (stored,) = trail(table)
    action_id, old = stored["action_id"]["S"], user_id(first)
    delete(admin, first)
    assert cell(feed(admin), action_id) == f"olga {old} (account deleted) operator"
    # Nobody is called so now: what was recorded under the name, and the filter says that.
    page = feed(admin, "?actor=olga")
    assert [row.attrs["id"] for row in page.rows] == [f"row-{action_id}"]
    assert "No account or token has the name olga now." in page.words
    again = make(admin, "olga")
    assert user_id(again) != old
    assert actor(stored) == ("olga", old)
    assert listed(admin, "olga") == listed(admin, user_id(again)) == []
    assert listed(admin, old) == [action_id]
    assert [row["actor_id"] for row in through_api(admin, old)] == [old]
    assert "(account deleted)" in cell(feed(admin), action_id)


@pytest.mark.no_moto
@pytest.mark.parametrize("name", ["worker", "command", "retention", "token:3", "user:1"])
def test_an_account_named_like_a_program_or_an_id_is_not_taken_for_it(
    table: Any, admin: Client, name: str
) -> None:
    user = create_user(name, "operator", PASSWORD)  # the forms refuse some of these names
    assert cancel(signed_in(user)).status_code == 302
    (stored,) = trail(table)
    mine = stored["action_id"]["S"]
    assert actor(stored) == (name, user_id(user))
    chore, shell, older, token, first = (
        entry(NOW - timedelta(minutes=minutes), actor=Actor(called, "operator", actor_id))
        for minutes, (called, actor_id) in enumerate(
            (
                ("retention", "worker"),
                ("root@host", "command"),
                (name, ""),
                ("ana via token ci", "token:3"),
                ("ana", "user:1"),
            ),
            start=1,
        )
    )
    write(chore, shell, older, token, first)
    assert listed(admin, user_id(user)) == [mine, older.action_id]
    of_name = listed(admin, name)
    by_id = {"worker": chore, "command": shell, "token:3": token, "user:1": first}
    if name in by_id:  # an id is meant as one; the page says of whom it is the name
        assert mine not in of_name
        assert by_id[name].action_id in of_name
        assert (
            f"An account has the name {name} too: its entries are those of {user_id(user)}."
            in feed(admin, f"?actor={name}").words
        )
    else:
        assert of_name == [mine, older.action_id]
    assert cell(feed(admin, "?range=24h"), older.action_id) == f"{name} {MARK} operator"


# --- Entries without an id -------------------------------------------------------------------------------


def test_older_entries_are_found_by_the_name_of_now_and_marked(
    tables: Any, admin: Client, operator: User, administrator: User
) -> None:
    older = entry(NOW - timedelta(hours=2), actor=Actor("operator", "operator", ""))
    other = entry(NOW - timedelta(hours=3), actor=Actor("operator-tmp", "operator", ""))
    mine = entry(NOW - timedelta(hours=1), actor=Actor("operator-tmp", "operator", user_id(operator)))
    theirs = entry(NOW, actor=Actor("operator", "administrator", user_id(administrator)))
    write(older, other, mine, theirs)
    for who in ("operator", user_id(operator)):
        assert listed(admin, who) == [mine.action_id, older.action_id]
        assert listed(admin, who, target="req-1") == [mine.action_id, older.action_id]
        assert [row["actor_id"] for row in through_api(admin, who)] == [user_id(operator), None]
        page = feed(admin, f"?actor={quote(who)}")
        assert cell(page, older.action_id) == f"operator {MARK} operator"
        assert "under every name" in page.words
    assert "under every name" in admin.get("/api/audit", {"actor": "operator"}).json()["notes"][0]
    page = visit(admin, reverse("operations:entry", args=[older.action_id]))
    assert page.fact("Who") == f"operator {MARK}"
    assert "no id" in page.fact("Actor")
    # Under a name that no account has: both kinds, and not who has another.
    assert listed(admin, "operator-tmp") == [mine.action_id, other.action_id]
    assert listed(admin, "operator-tmp", target="req-1") == [mine.action_id, other.action_id]
    rename(admin, operator, "operator-tmp")
    assert listed(admin, "operator-tmp") == [mine.action_id, other.action_id]
    assert listed(admin, "operator") == [theirs.action_id, older.action_id]


@pytest.mark.no_moto
def test_the_filter_names_no_account_or_token_that_did_nothing(
    table: Any, client_for: Callable[[str], Client], administrator: User, operator: User
) -> None:
    """Who may read the trail may not read the lists of accounts and of tokens, number by number."""
    token, _ = tokens.make("nightly", ["audit:read"], made_by=administrator, days=1, owner=administrator)
    viewer = client_for("viewer")
    for who in (
        user_id(administrator),
        f"token:{token.pk}",
        "user:1",
        "nobody-of-this-name",
        "administrator",
    ):
        said = feed(viewer, f"?actor={quote(who)}").words.replace(who, "")
        assert "administrator" not in said
        assert "nightly" not in said
        assert "account or token" not in said
        assert viewer.get("/api/audit", {"actor": who}).json()["notes"] == []
    # Who did something is named, as the entry itself names them.
    cancel(signed_in(operator))
    assert "Entries of operator" in feed(viewer, f"?actor={user_id(operator)}").words


@pytest.mark.no_moto
@pytest.mark.parametrize("forged", ["user:007", "rule:5", "user:1\n", "x" * 300_000, "user:" + "9" * 5_000])
def test_an_id_that_no_console_wrote_is_marked_and_bounded(
    table: Any, client_for: Callable[[str], Client], forged: str
) -> None:
    one = entry(NOW, actor=Actor("operator", "operator", ""))
    put(audit_table_for(one.target.table), one.item() | {"actor_id": {"S": forged}})
    viewer = client_for("viewer")
    page = feed(viewer)
    assert "(unknown id)" in cell(page, one.action_id)
    assert forged[:4] in cell(page, one.action_id)
    assert "(unknown id)" in visit(viewer, reverse("operations:entry", args=[one.action_id])).fact("Who")
    for url in ("/audit/", reverse("operations:entry", args=[one.action_id]), "/api/audit"):
        assert len(viewer.get(url).content) < 100_000


@pytest.mark.no_moto
def test_a_search_by_the_name_of_many_tokens_says_that_it_takes_the_newest(
    table: Any, client_for: Callable[[str], Client], administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsportal.accounts.actors.MAX_HOLDERS", 2)
    made = []
    for _ in range(3):
        token, _ = tokens.make("ci", ["audit:read"], made_by=administrator, days=1, role="operator")
        token.revoke(administrator)
        made.append(entry(NOW, actor=Actor("service ci", "operator", f"token:{token.pk}")))
    write(*made)
    viewer = client_for("viewer")
    assert set(listed(viewer, "service ci")) == {one.action_id for one in made[1:]}
    assert "the newest 2 tokens of that name" in feed(viewer, "?actor=service+ci").words
    assert "the newest" not in feed(viewer, f"?actor={made[0].actor.id}").words


@pytest.mark.no_moto
def test_a_name_whose_former_holder_is_another_pages_over_its_own_entries(
    tables: Any, admin: Client, operator: User, viewer: User
) -> None:
    """Three pages over the partitions of an id and of a name, many entries of one moment among them."""
    former = User.objects.create(username="former", pk=operator.pk + 1000)
    names = ("operator", "before", "operator", "between")
    written = [
        entry(
            NOW - timedelta(minutes=number // 4),
            actor=Actor(names[number % 4], "operator", user_id(operator)),
        )
        for number in range(110)
    ]
    older = [
        entry(NOW - timedelta(minutes=number // 2), actor=Actor("operator", "operator", ""))
        for number in range(40)
    ]
    foreign = [
        entry(NOW - timedelta(minutes=number), actor=Actor("operator", "operator", user_id(former)))
        for number in range(30)
    ]
    write(*foreign)
    times = {one.action_id: one.at for one in (*written, *older)}
    expected = sorted(write(*written, *older))
    for who in ("operator", user_id(operator)):
        lines = admin.get("/audit/", {"actor": who, "format": "jsonl"}).getvalue().decode().splitlines()
        for found in (
            listed(admin, who),
            [row["action_id"] for row in through_api(admin, who)],
            [json.loads(line)["action_id"] for line in lines],
        ):
            assert sorted(found) == expected
            shown = [times[action_id] for action_id in found]
            assert shown == sorted(shown, reverse=True)
    assert len(listed(admin, user_id(former))) == 30


def test_a_list_by_a_name_does_not_go_on_with_who_took_the_name_meanwhile(
    tables: Any, admin: Client, operator: User
) -> None:
    mine = Actor("operator", "operator", user_id(operator))
    expected = write(*(entry(NOW - timedelta(minutes=number), actor=mine) for number in range(60)))
    by_name, by_id = (feed(admin, f"?actor={quote(who)}").next_url for who in ("operator", user_id(operator)))
    rename(admin, operator, "otto")
    make(admin, "operator")
    refused = admin.get(by_name if by_name.startswith("/") else f"/audit/{by_name}")
    assert refused.status_code == 400
    assert "Start again from the first page." in refused.content.decode()
    rest = visit(admin, by_id if by_id.startswith("/") else f"/audit/{by_id}")
    assert [row.attrs["id"].removeprefix("row-") for row in rest.rows] == expected[50:]


@pytest.mark.no_moto
def test_the_names_of_a_page_cost_two_queries_however_many(
    tables: Any, admin: Client, operator: User
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert admin.get("/audit/").status_code == 200
        return len(captured)

    write(
        entry(NOW, actor=Actor("x", "operator", user_id(operator))),
        entry(NOW, actor=Actor("y", "", "token:9")),
    )
    few = queries()
    people = [create_user(f"p{number}", "viewer", PASSWORD) for number in range(3)]
    made = [tokens.make(f"t{one.pk}", ["audit:read"], made_by=one, owner=one, days=1)[0] for one in people]
    write(
        *(entry(NOW, actor=Actor("z", "viewer", user_id(one))) for one in people),
        *(entry(NOW, actor=Actor("z", "viewer", f"token:{one.pk}")) for one in made),
    )
    assert queries() == few


@pytest.mark.parametrize(
    "who",
    [
        "user:0",
        "user:99999999999999999999",
        "user:abc",
        "token:999999999",
        "a\x00b",
        "rule:3",
        "x" * 3000,
        "☃",
    ],
)
def test_whatever_is_typed_is_answered(tables: Any, admin: Client, who: str) -> None:
    write(entry(NOW, actor=Actor("odd", "operator", who[:900])))
    assert admin.get("/audit/", {"actor": who}).status_code == 200
    assert admin.get("/audit/").status_code == 200


# --- The same action again -------------------------------------------------------------------------------


def test_a_renamed_account_gets_its_earlier_success(table: Any, admin: Client, operator: User) -> None:
    client, action_id = signed_in(operator), new_action_id()
    assert cancel(client, action_id).status_code == 302
    rename(admin, operator, "otto")
    assert cancel(client, action_id).status_code == 302
    assert len(trail(table)) == 1


def test_an_account_that_took_a_name_does_not_get_the_others_success(
    table: Any, admin: Client, operator: User
) -> None:
    action_id = new_action_id()
    assert cancel(signed_in(operator), action_id).status_code == 302
    rename(admin, operator, "otto")
    answer = cancel(signed_in(make(admin, "operator")), action_id)
    assert answer.status_code == 409
    assert "used for another action already" in answer.content.decode()
    assert len(trail(table)) == 1


def test_an_entry_without_an_id_is_compared_by_the_name(table: Any, operator: User, viewer: User) -> None:
    mine, theirs = new_action_id(), new_action_id()
    target = Target("requests", "req-1")
    for action_id, name in ((mine, "operator"), (theirs, "otto")):
        older = Entry(
            action_id,
            Action.REQUEST_CANCEL,
            Actor(name, "operator", ""),
            target,
            "2026-11-20T10:00:00.000000Z",
        )
        write(older)
    assert cancel(signed_in(operator), mine).status_code == 302
    assert cancel(signed_in(operator), theirs).status_code == 409
    assert len(trail(table)) == 2


# --- What is done later in somebody's name ---------------------------------------------------------------


def test_logs_are_deleted_in_the_name_of_who_purged_even_if_another_has_the_name_now(
    table: Any, tables: Any, admin: Client, operator: User
) -> None:
    put(table, request_item("req-2", status="completed"))
    purge = {"action_id": new_action_id(), "reason": "", "confirm": "req-2", "key": "req-2"}
    assert signed_in(operator).post(reverse("requests:purge", args=["req-2"]), purge).status_code == 302
    rename(admin, operator, "otto")
    make(admin, "operator")
    (message,) = outbox(table)
    outgoing.purge_logs(outgoing.outbox.from_item(message), table)
    (second,) = [one for one in outbox(table) if one["part"]["S"] == "logs2"]
    outgoing.purge_logs(outgoing.outbox.from_item(second), table)
    assert [actor(one)[1] for one in trail(table)] == [user_id(operator)] * 2


def test_a_message_from_before_there_were_ids_names_who_purged_and_no_more(table: Any) -> None:
    body = {"request_id": "req-9", "by": "olga", "role": "operator", "purge": new_action_id(), "deleted": 0}
    message = outgoing.Message("requests.purge_logs", body, body["purge"], NOW, part="logs2")
    outgoing.purge_logs(message, table)
    (stored,) = trail(table)
    assert (stored["actor"], stored["actor_key"]) == ({"S": "olga"}, {"S": "olga"})
    assert "actor_id" not in stored


# --- The log ---------------------------------------------------------------------------------------------


def test_log_lines_hold_the_id(table: Any, operator: User, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert cancel(signed_in(operator)).status_code == 302
    done = next(record for record in caplog.records if record.name == "opsportal.operations.action_log")
    asked = next(record for record in caplog.records if record.name == "opsportal.access")
    assert done.actor_id == asked.actor_id == user_id(operator)  # type: ignore[attr-defined]
