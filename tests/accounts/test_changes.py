"""Who changed what of accounts and settings: each effect has an entry, in its transaction, that outlives its author."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client

from opsportal.accounts import tokens
from opsportal.accounts.actors import token_id, user_id
from opsportal.accounts.models import ApiToken, Change, SavedView
from opsportal.accounts.roles import create_user, set_role
from opsportal.accounts.scopes import all_scopes
from opsportal.console.clock import iso
from opsportal.console.text import exact
from tests.accounts.test_admin import USERS, fields
from tests.accounts.test_login import code_of
from tests.conftest import PASSWORD
from tests.pages import visit

NEW = "another correct staple"
PAGE = "/audit/accounts/"
Pair = list[Any]


@pytest.fixture
def entries() -> Callable[[], list[tuple[str, str, dict[str, Pair]]]]:
    """``entries()``: (verb, target's id, changed) of what was recorded since the last call, the oldest first."""
    seen: set[int] = set(Change.objects.values_list("pk", flat=True))

    def new() -> list[tuple[str, str, dict[str, Pair]]]:
        found = [one for one in Change.objects.order_by("pk") if one.pk not in seen]
        seen.update(one.pk for one in found)
        return [(one.verb, one.target_id, one.changed) for one in found]

    return new


def test_what_an_administrator_does_to_an_account_is_recorded_with_old_and_new(
    administrator: User, viewer: User, client_for: Any, entries: Any
) -> None:
    client, url, key = client_for("administrator"), f"{USERS}{viewer.pk}/change/", user_id(viewer)
    entries()

    def saved(**values: Any) -> list[Any]:
        form = fields(**{"username": User.objects.get(pk=viewer.pk).username} | values)
        answer = client.post(url, {name: value for name, value in form.items() if value is not None})
        assert answer.status_code == 302, answer.context["adminform"].form.errors
        return list(entries())

    assert saved(role="operator") == [("account:edit", key, {"role": ["viewer", "operator"]})]
    assert saved(role="operator") == []
    assert saved(role="operator", username="olga", email="o@example.com") == [
        ("account:edit", key, {"username": ["viewer", "olga"], "email": [None, "o@example.com"]})
    ]
    assert saved(role="operator", email="o@example.com", is_active=None) == [
        ("account:edit", key, {"is_active": [True, None]})
    ]
    assert saved(role="administrator", email="o@example.com", is_staff=None) == [
        (
            "account:edit",
            key,
            {"is_staff": [True, None], "role": ["operator", "administrator"]} | {"is_active": [None, True]},
        )
    ]
    client.post(
        f"{USERS}{viewer.pk}/password/", {"usable_password": "true", "password1": NEW, "password2": NEW}
    )
    assert entries() == [("account:edit", key, {"password": ["set", "changed"]})]
    client.post(f"{USERS}{viewer.pk}/password/", {"usable_password": "false", "unset-password": ""})
    assert entries() == [("account:edit", key, {"password": ["set", None]})]
    client.post(f"{USERS}add/", {"username": "new", "email": "", "role": "viewer", "usable_password": "true", "password1": NEW, "password2": NEW})  # fmt: skip
    new = User.objects.get(username="new")
    assert entries() == [
        (
            "account:make",
            user_id(new),
            {"username": [None, "new"], "is_active": [None, True], "is_staff": [None, True], "password": [None, "set"],
             "role": [None, "viewer"]},
        )
    ]  # fmt: skip
    every = Change.objects.filter(actor_id=user_id(administrator))
    assert {(one.actor, one.role, one.address) for one in every} == {
        ("administrator", "administrator", "127.0.0.1")
    }
    assert all(len(one.request_id) == 32 for one in every)
    trail = json.dumps(list(Change.objects.values()), default=str)
    assert NEW not in trail
    assert "pbkdf2" not in trail
    assert "md5$" not in trail


def test_who_makes_an_account_acts_with_it_and_deletes_it_leaves_entries(
    administrator: User, client_for: Any, entries: Any
) -> None:
    """An administrator's accomplice; and then the administrator's own account goes too."""
    client = client_for("administrator")
    evil = create_user("evil", "administrator", PASSWORD)
    token, _ = tokens.make("ci", ["audit:read"], made_by=evil, owner=evil, days=1)
    SavedView.objects.create(owner=evil, page="requests", name="shared", query="status=failed", shared=True)
    SavedView.objects.create(owner=evil, page="requests", name="private", query="q=secret")
    Authenticator.objects.create(user=evil, type="totp", data={"secret": "x"})
    key, view = user_id(evil), SavedView.objects.get(shared=True)
    entries()
    client.post(
        "/admin/auth/user/", {"action": "delete_selected", "_selected_action": [evil.pk], "post": "yes"}
    )
    found = {verb: (target, changed) for verb, target, changed in entries()}
    assert set(found) == {"account:delete", "token:delete", "view:delete", "factor:remove"}
    assert found["account:delete"] == (
        key,
        {
            "username": ["evil", None],
            "is_active": [True, None],
            "is_staff": [True, None],
            "role": ["administrator", None],
        },
    )
    assert found["token:delete"] == (token_id(token), {"state": ["live", None]})
    assert found["view:delete"][0] == f"view:{view.pk}"
    assert found["factor:remove"] == (key, {})
    administrator.delete()
    create_user("administrator", "administrator", PASSWORD)  # of the same name
    mine = Change.objects.filter(actor_id=user_id(User(pk=client.session["_auth_user_id"])))
    assert "account:delete" in set(mine.values_list("verb", flat=True))
    reader = Client()
    reader.force_login(
        User.objects.get(username="administrator"), backend="django.contrib.auth.backends.ModelBackend"
    )
    assert (
        "administrator (account deleted)" in visit(reader, f"{PAGE}?action=account:delete&target=evil").words
    )


def test_what_one_does_to_oneself_is_recorded(viewer: User, client: Client, entries: Any) -> None:
    client.post("/accounts/login/", {"login": "viewer", "password": PASSWORD})
    assert entries() == []  # a login is no change
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    client.post("/accounts/password/change/", form)
    assert entries()[-1] == ("account:edit", user_id(viewer), {"password": ["set", "changed"]})
    client.post("/accounts/reauthenticate/", {"password": NEW})
    secret = client.get("/accounts/2fa/totp/activate/").context["form"].secret
    client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})
    assert [verb for verb, _, _ in entries()] == ["factor:add", "factor:add"]
    named = Change.objects.filter(verb="factor:add").values_list("target", "actor")
    assert set(named) == {("authenticator app of viewer", "viewer"), ("recovery codes of viewer", "viewer")}
    client.post("/accounts/2fa/recovery-codes/generate/")
    assert [verb for verb, _, _ in entries()] == ["factor:remove", "factor:add"]
    client.post("/accounts/2fa/totp/deactivate/")
    assert [verb for verb, _, _ in entries()] == ["factor:remove", "factor:remove"]
    assert secret not in json.dumps(list(Change.objects.values()), default=str)


def entries_of(user: User) -> dict[str, Pair]:
    return {"username": [None, user.username], "is_active": [None, True], "is_staff": [None, True],
            "password": [None, "set"], "role": [None, "viewer"]}  # fmt: skip


def test_an_administrator_who_removes_a_second_factor_is_named(
    administrator: User, viewer: User, client_for: Any, entries: Any
) -> None:
    factor = Authenticator.objects.create(user=viewer, type="totp", data={"secret": "x"})
    entries()
    client = client_for("administrator")
    client.post(f"/admin/mfa/authenticator/{factor.pk}/delete/", {"post": "yes"})
    assert entries() == [("factor:remove", user_id(viewer), {})]
    assert Change.objects.get(verb="factor:remove").actor_id == user_id(administrator)


def test_tokens_that_are_made_and_revoked_are_recorded(
    administrator: User, client_for: Any, entries: Any
) -> None:
    client = client_for("administrator")
    entries()
    form = {"name": "ci", "whose": "service", "role": "operator", "scopes": ["audit:read"], "days": "3"}
    text = client.post("/accounts/tokens/", form).context["text"]
    token = ApiToken.objects.get()
    ((verb, target, changed),) = entries()
    assert (verb, target) == ("token:make", token_id(token))
    assert changed["scopes"] == [None, ["audit:read"]]
    assert changed["role"] == [None, "operator"]
    assert changed["expires_at"][1].startswith(f"{token.expires_at:%Y-%m-%d}")
    for _ in range(2):
        client.post(f"/accounts/tokens/{token.pk}/revoke/")
    assert entries() == [("token:revoke", token_id(token), {"state": ["live", "revoked"]})]
    # One that expired gives its name up: that is a revocation too.
    again, _ = tokens.make("ci", ["audit:read"], made_by=administrator, days=-1, role="viewer")
    entries()
    tokens.make("ci", ["audit:read"], made_by=administrator, days=1, role="viewer")
    assert entries()[0][:2] == ("token:revoke", token_id(again))
    assert text not in json.dumps(list(Change.objects.values()), default=str)


def test_shared_views_are_recorded_and_private_ones_are_not(
    viewer: User, administrator: User, client_for: Any, entries: Any
) -> None:
    client = client_for("viewer")
    entries()
    form = {"page": "requests", "name": "mine", "query": "status=failed"}
    client.post("/accounts/views/", form)
    assert entries() == []

    def replaced(**more: str) -> None:
        view = SavedView.objects.get()
        agreed = f"{view.pk} {view.updated_at.isoformat()}"
        assert client.post("/accounts/views/", form | more | {"replace": agreed}).status_code == 302

    replaced(shared="on")
    view = SavedView.objects.get()
    key, whole = (
        f"view:{view.pk}",
        {"name": "mine", "page": "requests", "query": "status=failed", "shared": True},
    )
    assert entries() == [("view:edit", key, {name: [None, value] for name, value in whole.items()})]
    replaced(shared="on", query="status=running")
    assert entries() == [("view:edit", key, {"query": ["status=failed", "status=running"]})]
    client_for("administrator").post(f"/accounts/views/{view.pk}/delete/")
    ((verb, _, changed),) = entries()
    assert (verb, changed["query"]) == ("view:delete", ["status=running", None])
    change = Change.objects.get(verb="view:delete")
    assert (change.target, change.actor) == ("mine (requests) of viewer", "administrator")


@pytest.mark.django_db
def test_commands_and_shells_are_recorded_as_commands(monkeypatch: pytest.MonkeyPatch, entries: Any) -> None:
    def run(*given: str, password: str = PASSWORD) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        call_command("create_user", "olga", *given, "--password-stdin", stdout=io.StringIO())

    run("--role", "viewer")
    olga = User.objects.get()
    assert entries() == [("account:make", user_id(olga), entries_of(olga))]
    run("--role", "administrator", "--update", password=NEW)
    changed = {"password": ["set", "changed"], "role": ["viewer", "administrator"]}
    assert entries() == [("account:edit", user_id(olga), changed)]
    assert set(Change.objects.values_list("actor_id", "role")) == {("command", "command line")}
    assert "@" in Change.objects.first().actor  # type: ignore[union-attr]
    # Django's own commands, and what somebody types.
    call_command("createsuperuser", "--noinput", username="root", email="r@example.com", verbosity=0)
    assert entries()[0][2]["is_superuser"] == [None, True]
    Group.objects.get(name="viewer").user_set.add(olga)
    assert entries()[0][2] == {"role": ["administrator", "administrator, viewer"]}
    olga.groups.clear()
    assert entries()[0][2] == {"role": ["administrator, viewer", None]}
    olga.user_permissions.add(Permission.objects.get(codename="manage_tokens"))
    assert entries()[0][2] == {"permissions": [None, ["accounts.manage_tokens"]]}
    olga.refresh_from_db()
    olga.save(update_fields=["last_login"])
    olga.save()
    assert entries() == []
    olga.set_unusable_password()
    olga.save(update_fields=["password"])
    assert entries()[0][2] == {"password": ["set", None]}
    SocialAccount.objects.create(user=olga, provider="sso", uid="42").delete()
    assert [(verb, changed) for verb, _, changed in entries()] == [
        ("sign_on:connect", {"uid": [None, "42"]}), ("sign_on:disconnect", {"uid": ["42", None]}),
    ]  # fmt: skip


def test_what_a_first_login_by_the_provider_does_is_its_owners(viewer: User, entries: Any, rf: Any) -> None:
    """At which nobody is signed in yet: allauth takes away a password that may be a stranger's."""
    entries()
    request = rf.get("/", REMOTE_ADDR="198.51.100.7")
    request.user = AnonymousUser()
    with context.request_context(request):
        viewer.set_unusable_password()
        viewer.save(update_fields=["password"])
        SocialAccount.objects.create(user=viewer, provider="sso", uid="42")
    assert [verb for verb, _, _ in entries()] == ["account:edit", "sign_on:connect"]
    newest = Change.objects.order_by("pk").last()
    assert newest is not None
    assert (newest.actor_id, newest.address) == (user_id(viewer), "198.51.100.7")
    assert Change.objects.filter(changed={"password": ["set", None]}, actor="viewer").exists()


def test_a_better_hash_of_the_same_password_is_no_change(
    viewer: User, client: Client, settings: Any, entries: Any
) -> None:
    entries()
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]
    settings_iterations = "django.contrib.auth.hashers.PBKDF2PasswordHasher.iterations"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings_iterations, 1)
        client.post("/accounts/login/", {"login": "viewer", "password": PASSWORD})
    viewer.refresh_from_db()
    assert viewer.password.startswith("pbkdf2")
    assert entries() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("effect", ["rename", "role", "token", "revoke", "view", "factor", "delete"])
def test_an_effect_without_its_entry_does_not_happen(effect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    user = create_user("olga", "viewer", PASSWORD)
    token, _ = tokens.make("ci", ["audit:read"], made_by=user, owner=user, days=1)

    def state() -> tuple[Any, ...]:
        return (
            *User.objects.values_list("username", "groups__name"), *ApiToken.objects.values_list("name", "revoked_at"),
            *SavedView.objects.values_list("name"), *Authenticator.objects.values_list("type"),
        )  # fmt: skip

    def fails(*args: Any, **kwargs: Any) -> None:
        raise IntegrityError

    effects: dict[str, Callable[[], Any]] = {
        "rename": lambda: [setattr(user, "username", "otto"), user.save()],
        "role": lambda: set_role(user, "operator"),
        "token": lambda: tokens.make("other", ["audit:read"], made_by=user, owner=user, days=1),
        "revoke": lambda: token.revoke(user),
        "view": lambda: SavedView.objects.create(owner=user, page="requests", name="shared", shared=True),
        "factor": lambda: Authenticator.objects.create(user=user, type="totp", data={}),
        "delete": user.delete,
    }
    before = state()
    monkeypatch.setattr(Change, "save", fails)
    with pytest.raises(IntegrityError):
        effects[effect]()
    assert state() == before


def test_an_entry_without_its_effect_does_not_stay(viewer: User, entries: Any) -> None:
    entries()

    @transaction.atomic
    def undone() -> None:
        set_role(viewer, "administrator")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        undone()
    assert entries() == []


def test_entries_are_never_edited_and_no_page_of_the_admin_has_them(
    administrator: User, client_for: Any
) -> None:
    change = Change.objects.first()
    assert change is not None
    change.actor = "somebody else"
    with pytest.raises(TypeError):
        change.save()
    client = client_for("administrator")
    assert client.get("/admin/accounts/change/").status_code == 404
    assert "/admin/accounts/" not in client.get("/admin/").content.decode()


# --- The page --------------------------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_the_tab_shows_all_changes_and_filters_them(
    tables: Any, administrator: User, viewer: User, client_for: Any, django_assert_max_num_queries: Any
) -> None:
    client = client_for("administrator")
    client.post(f"{USERS}{viewer.pk}/change/", fields(username="operator-tmp", role="operator"), headers={"X-Request-ID": "req-7"})  # fmt: skip
    page = visit(client, PAGE)
    assert "Username: viewer → operator-tmp" in page.words
    assert "Role: viewer → operator" in page.words
    row = page.root.one("tr", id=f"change-{Change.objects.filter(verb='account:edit').earliest('pk').pk}")
    when, _, actor, target, changes = row.all("td")
    assert iso(Change.objects.filter(verb="account:edit").earliest("pk").at) in when.words
    assert actor.words.endswith(f"{user_id(administrator)} · from 127.0.0.1 · request req-7")
    assert target.words == f"operator-tmp {user_id(viewer)}"
    assert "127.0.0.1" not in changes.words
    assert "Account edited" in page.words
    feed = client.get("/audit/").content.decode()
    assert f'href="{PAGE}"' in feed
    assert "Accounts and settings" in feed
    assert PAGE not in client_for("operator").get("/audit/").content.decode()

    def shown(query: str) -> int:
        return len(client.get(f"{PAGE}?{query}").context["changes"])

    assert shown(f"actor={user_id(administrator)}") == 1
    assert shown("actor=administrator") == 1
    assert shown("actor=command") == 2 + Change.objects.filter(target="operator").count()
    assert shown("actor=nobody") == 0
    assert shown(f"target={user_id(viewer)}") == 2
    assert shown("target=operator-t") == 1  # the start of a name
    assert shown("action=account:edit") == 1
    assert shown("actor=%00") == shown("target=%00") == 0
    assert shown("from=2001-01-01T00:00&to=2001-01-02T00:00") == 0
    assert (
        "by its id, such as user:7, or by the start of its name" in visit(client, f"{PAGE}?target=x-9").words
    )
    for number in range(60):
        create_user(f"p{number}", "viewer", PASSWORD)
    first = client.get(PAGE)
    assert len(first.context["changes"]) == 50
    assert (
        len(client.get(first.context["page"]["next_url"]).context["changes"]) == Change.objects.count() - 50
    )
    with django_assert_max_num_queries(12):
        client.get(PAGE)


def test_ranges_of_the_tab_are_as_those_of_other_lists(
    administrator: User, client_for: Any, settings: Any
) -> None:
    client = client_for("administrator")
    client.post("/accounts/preferences/", {"time_zone": "Asia/Kathmandu"})
    Change.objects.all().delete()
    at = datetime(2026, 11, 20, 10, 0, 0, 250_000, UTC)
    Change.objects.create(
        verb="rule:make", actor="olga", target="é", target_id="rule:1", changed={"name": ["", "é"]}
    )
    Change.objects.update(at=at)
    picked = {"pick_from": "2026-11-20T15:45", "pick_to": "2026-11-20T15:45", "pick_zone": "Asia/Kathmandu"}
    address = client.get(PAGE, picked)["Location"]
    assert address == f"{PAGE}?from=2026-11-20T10%3A00%3A00Z&to=2026-11-20T10%3A00%3A00Z"
    # The whole of its last second, as the times on the page have no fractions.
    assert "rule:1" in visit(client, address).words
    said = visit(client, f"{PAGE}?to=2026-11-20T15:44:59").words
    assert "names no time zone and is read in yours, Asia/Kathmandu: 2026-11-20T09:59:59Z." in said
    assert "No entries match" in said
    assert "can't be read as a time" in visit(client, f"{PAGE}?from=soon").words
    crossed = visit(client, f"{PAGE}?from=2026-11-21T00:00Z&to=2026-11-20T00:00Z")
    assert "The time range ends before it begins" in crossed.words
    assert "rule:1" in visit(client, crossed.empty.one("a").attrs["href"]).words
    excel = b"".join(client.get(f"{address}&format=csv&bom=1")).decode()
    assert excel.startswith("\ufeffat,action")
    assert '""after"": ""é""' in excel
    # The following page's address has the bound in UTC, as the first one's may not.
    Change.objects.bulk_create(Change(verb="rule:edit", actor="olga", target="r", at=at) for _ in range(50))
    following = visit(client, f"{PAGE}?from=2026-11-20T10:00").next_url
    assert "from=2026-11-20T04%3A15%3A00Z" in following
    assert len(visit(client, following).response.context["changes"]) == 1


def test_what_changed_is_said_in_labels_without_what_stayed_empty(
    administrator: User, client_for: Any
) -> None:
    changed: dict[str, list[Any]] = {
        "name": [None, "Failures"], "threshold": [None, None], "window_minutes": [None, 60], "minimum": [3, 0],
        "filters": [{}, {"source_type": "bob "}], "webhooks": [[], []], "hold_minutes": [5, 5], "is_active": [None, True],
        "shared": [True, None], "repeat_minutes": [30, None], "scopes": [["a"], ["a", "b"]],
        "expires_at": [None, "2026-11-20T10:00:00Z"], "snoozed_until": ["2026-11-20T10:00:00Z", None], "strange_thing": ["", "x"],
        "jobs": [None, True],
    }  # fmt: skip
    Change.objects.create(verb="rule:edit", actor="olga", target="r", target_id="7", changed=changed)
    Change.objects.create(verb="alert:snooze", actor="olga", target="r", target_id="8", changed={"snoozed_until": ["soon", "later"]})  # fmt: skip
    client = client_for("administrator")
    client.post("/accounts/preferences/", {"time_zone": "Asia/Kathmandu"})
    for page in (visit(client, f"{PAGE}?target=7"), visit(client, "/alerts/changes/")):
        said = page.root.all("td", class_="is-lines")[-1].words
        # PostgreSQL keeps no order of an object's members.
        assert sorted(said.split("; ")) == sorted([
            "Name: Failures", "Within (minutes): 60", "Minimum: 3 → 0", "Filters: source type: bob⟦U+0020⟧", "Active: no → yes",
            "Shared: yes → no", "Repeat every (minutes): 30 → none", "Scopes: a → a, b", "Expires: 2026-11-20 15:45:00 +0545",
            "Snoozed until: 2026-11-20 15:45:00 +0545 → none", "Strange thing: x", "Jobs: no → yes",
        ])  # fmt: skip
    # What is no time is shown as it was recorded.
    assert "Snoozed until: soon → later" in visit(client, f"{PAGE}?target=8").words


@pytest.mark.parametrize("name", ["Pager\u00a0Duty", "on\u200bcall", "\u202eabc", " two  blanks "])
def test_a_target_of_any_name_is_found_by_it(administrator: User, client_for: Any, name: str) -> None:
    Change.objects.create(
        verb="webhook:edit",
        actor="olga",
        target=name,
        target_id="webhook:1",
        changed={"name": ["b  c ", "b c"]},
    )
    Change.objects.create(verb="webhook:make", actor="olga", target="on", target_id="webhook:2")
    page = visit(client_for("administrator"), f"{PAGE}?{urlencode({'target': name})}")
    assert [one.change.target for one in page.response.context["changes"]] == [name]
    assert page.root.one("input", id="filter-target").attrs["value"] == name
    row = page.root.one("tr", id=f"change-{Change.objects.get(target_id='webhook:1').pk}")
    assert "Name: b \u27e6U+0020\u27e7c\u27e6U+0020\u27e7 → b c" in row.words
    assert exact(name) in row.words


def test_what_the_filters_show_is_exported(administrator: User, viewer: User, client_for: Any) -> None:
    client = client_for("administrator")
    viewer.first_name = "=1+1"
    viewer.username = "=cmd|x"
    viewer.save()
    lines = b"".join(client.get(f"{PAGE}?format=jsonl&target={user_id(viewer)}")).decode().splitlines()
    newest = json.loads(lines[0])
    assert (newest["action"], newest["actor_id"], newest["target_id"]) == (
        "account:edit",
        "command",
        user_id(viewer),
    )
    assert {"path": "username", "before": "viewer", "after": "=cmd|x"} in newest["changes"]
    assert len(lines) == 2
    answer = client.get(f"{PAGE}?format=csv&action=account:edit")
    assert answer["Content-Disposition"] == 'attachment; filename="changes.csv"'
    header, line = b"".join(answer).decode().splitlines()
    assert header == "at,action,actor,actor_id,role,target,target_id,changes,address,request_id,id"
    assert "'=cmd|x" in line


def test_what_a_shell_does_to_a_token_a_sign_on_and_a_group_is_recorded(
    operator: User, viewer: User, entries: Any
) -> None:
    token, _ = tokens.make("laptop", ["workflows:read"], made_by=operator, days=3, owner=operator)
    sign_on = SocialAccount.objects.create(user=operator, provider="sso", uid="u-1")
    entries()
    scopes = all_scopes()
    expires, token.expires_at = iso(token.expires_at)[:19], token.expires_at + timedelta(days=900)
    token.name, token.scopes = "desktop", list(scopes)[:2]
    token.save()
    ((verb, key, changed),) = entries()
    assert (verb, key) == ("token:edit", token_id(token))
    assert changed["name"] == ["laptop", "desktop"]
    assert changed["scopes"][1] == list(scopes)[:2]
    assert changed["expires_at"][0].startswith(expires)
    token.save()
    token.save(update_fields=["last_used_at"])
    assert entries() == []
    sign_on.user = viewer
    sign_on.save()
    assert entries() == [
        ("sign_on:disconnect", user_id(operator), {"uid": ["u-1", None]}),
        ("sign_on:connect", user_id(viewer), {"uid": [None, "u-1"]}),
    ]
    sign_on.save(update_fields=["extra_data"])  # each login of the provider's
    assert entries() == []
    Group.objects.get(name="operator").delete()
    assert entries() == [("account:edit", user_id(operator), {"role": ["operator", None]})]
