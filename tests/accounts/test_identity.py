"""Who makes a request is kept in the process, and every change of it acts on the next request."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as configured
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.signals import post_migrate
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from opsportal.accounts import cache_version, tokens
from opsportal.accounts.identity import Kept, identity_of, user_of
from opsportal.accounts.models import Preferences, SavedView
from opsportal.accounts.scopes import all_scopes
from opsportal.accounts.sessions import SessionStore
from opsportal.accounts.tokens import ApiToken
from opsportal.console.context import Shell
from tests.conftest import PASSWORD
from tests.factories import put, request, workflow

pytestmark = pytest.mark.no_moto
LIST, STATUS, ADMIN = "/workflows/", "/api/workflow/s-1/status", "/admin/auth/user/"
on_postgresql = pytest.mark.skipif(
    not configured.DATABASES["default"]["ENGINE"].endswith("postgresql"),
    reason="SQLite has one writer at a time: scripts/postgres.py",
)


@pytest.fixture(autouse=True)
def _calls_are_not_counted(settings: Any) -> None:
    settings.API_RATE_LIMIT = 0


def header_of(owner: User) -> dict[str, str]:
    """Of the calls with a new token."""
    _, text = tokens.make("ci", list(all_scopes()), made_by=owner, days=30, owner=owner)
    return {"Authorization": f"Bearer {text}"}


# --- What it costs -------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_request_of_someone_known_asks_the_database_once(
    tables: Any, client_for: Any, operator: User, administrator: User
) -> None:
    put(tables["workflows"], workflow("s-1"))
    put(tables["requests"], request("r-1"))
    SavedView.objects.create(owner=operator, page="workflows", name="Mine", query="status=failed")
    client, program, header = client_for("operator"), Client(), header_of(operator)
    others, others_header = Client(), header_of(administrator)
    pages = (LIST, "/workflows/s-1/", "/requests/", "/requests/r-1/", STATUS, "/api/workflows")
    calls: list[Callable[[], Any]] = [lambda path=path: client.get(path) for path in pages]  # type: ignore[misc]
    calls += [lambda path=path: program.get(path, headers=header) for path in pages[-2:]]  # type: ignore[misc]

    def queries() -> list[list[str]]:
        asked = []
        for call in calls:
            with CaptureQueriesContext(connection) as captured:
                assert call().status_code == 200
            asked.append([query["sql"] for query in captured.captured_queries])
        return asked

    assert max(len(asked) for asked in queries()) > 1  # no one is known yet
    for asked in queries():
        assert len(asked) == 1
        assert "accounts_cache_version" in asked[0]
    # The login of another, and the use of tokens, change nothing that is kept.
    assert (
        others.post("/accounts/login/", {"login": "administrator", "password": PASSWORD}).status_code == 302
    )
    assert others.get(STATUS, headers=others_header).status_code == 200
    assert [len(asked) for asked in queries()] == [1] * len(calls)
    ApiToken.objects.update(
        last_used_at=timezone.now() - timedelta(minutes=2)
    )  # this process has a later time
    assert [len(asked) for asked in queries()] == [1] * len(calls)


@pytest.mark.django_db
def test_the_use_of_a_token_is_written_once_a_minute(tables: Any, client: Client, operator: User) -> None:
    header = header_of(operator)
    assert client.get(STATUS, headers=header).status_code == 200
    long_ago = timezone.now() - timedelta(minutes=2)
    ApiToken.objects.update(last_used_at=long_ago, name="again")  # the name: it is read again
    counts = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as captured:
            client.get(STATUS, headers=header)
        counts.append(sum("UPDATE" in query["sql"] for query in captured.captured_queries))
    assert counts == [1, 0, 0]
    assert ApiToken.objects.get().last_used_at > long_ago  # type: ignore[operator]


# --- What acts on the next request ------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., None]]:
    """``elsewhere(sql, *values)``: on another connection, as another process or somebody in the database's shell."""
    other = connection.copy()

    def execute(sql: str, *values: Any) -> None:
        with other.cursor() as cursor:
            cursor.execute(sql, values)
            assert cursor.rowcount, sql

    yield execute
    other.close()


@pytest.mark.django_db(transaction=True)
def test_what_another_process_changes_acts_on_the_next_request(
    django_db_serialized_rollback: None, tables: Any, client_for: Any, operator: User, elsewhere: Any
) -> None:
    client, program, header = client_for("operator"), Client(), header_of(operator)
    view = SavedView.objects.create(owner=operator, page="workflows", name="Mine", query="status=failed")
    Preferences.objects.create(user=operator)
    pk = operator.pk
    (group,) = operator.groups.values_list("pk", flat=True)
    session = client.cookies[configured.SESSION_COOKIE_NAME].value

    def page() -> int:
        return int(client.get(LIST).status_code)

    def admin() -> int:
        return int(client.get(ADMIN).status_code)

    def call() -> int:
        return int(program.get(STATUS, headers=header).status_code)

    def shown() -> str:
        return str(client.get(LIST).content.decode())

    def changed(sql: str, *values: Any, look: Callable[[], Any], before: Any, after: Any) -> None:
        assert look() == before, sql
        assert look() == before, sql  # kept, if it was not
        elsewhere(sql, *values)
        assert look() == after, sql

    user = "UPDATE auth_user SET {} WHERE id = %s"
    for look, refused in ((page, 302), (call, 401)):
        changed(user.format("is_active = false"), pk, look=look, before=200, after=refused)
        changed(user.format("is_active = true"), pk, look=look, before=refused, after=200)
    for look in (page, call):
        changed(user.format("is_staff = false"), pk, look=look, before=200, after=403)
        changed(user.format("is_staff = true"), pk, look=look, before=403, after=200)
        changed("DELETE FROM auth_user_groups WHERE user_id = %s", pk, look=look, before=200, after=403)
        changed("INSERT INTO auth_user_groups (user_id, group_id) VALUES (%s, %s)", pk, group,
            look=look, before=403, after=200)  # fmt: skip
    changed(user.format("is_superuser = true"), pk, look=admin, before=403, after=200)
    changed(user.format("is_superuser = false"), pk, look=admin, before=200, after=403)
    permission = "SELECT %s, id FROM auth_permission WHERE codename = 'view_user'"
    for kind, key in (("user_user", pk), ("group", group)):
        column = kind.rpartition("_")[2]
        changed(f"INSERT INTO auth_{kind}_permissions ({column}_id, permission_id) {permission}", key,
            look=admin, before=403, after=200)  # fmt: skip
        changed(f"DELETE FROM auth_{kind}_permissions WHERE permission_id ="
            " (SELECT id FROM auth_permission WHERE codename = 'view_user')", look=admin, before=200, after=403)  # fmt: skip
    changed("UPDATE auth_group SET name = 'former' WHERE id = %s", group,
        look=lambda: ">no role</span>" in shown(), before=False, after=True)  # fmt: skip
    changed("UPDATE auth_permission SET codename = 'other' WHERE codename = 'view_workflows'",
        look=call, before=200, after=403)  # fmt: skip
    elsewhere("UPDATE auth_permission SET codename = 'view_workflows' WHERE codename = 'other'")
    changed(user.format("username = 'otto'"), pk,
        look=lambda: ">otto</span>" in shown(), before=False, after=True)  # fmt: skip
    changed("UPDATE accounts_preferences SET theme = 'dark'",
        look=lambda: 'data-bs-theme="dark"' in shown(), before=False, after=True)  # fmt: skip
    changed("UPDATE accounts_savedview SET name = 'Yours' WHERE id = %s", view.pk,
        look=lambda: "Yours" in shown(), before=False, after=True)  # fmt: skip
    changed("DELETE FROM accounts_savedview", look=lambda: "Yours" in shown(), before=True, after=False)

    for column, value, status in (
        ("scopes", '["requests:read"]', 403), ("scopes", '["workflows:read"]', 200),
        ("expires_at", timezone.now() - timedelta(seconds=1), 401), ("expires_at", timezone.now() + timedelta(days=1), 200),
        ("revoked_at", timezone.now(), 401), ("revoked_at", None, 200),
        ("owner_id", None, 403), ("role", "viewer", 200), ("digest", "0", 401),
    ):  # fmt: skip
        elsewhere(f"UPDATE accounts_apitoken SET {column} = %s", value)
        assert (call(), call()) == (status, status), (column, value)

    stored = "UPDATE django_session SET {} = %s WHERE session_key = %s"
    changed(stored.format("expire_date"), timezone.now() - timedelta(seconds=1), session,
        look=page, before=200, after=302)  # fmt: skip
    client = client_for("operator")
    session = client.cookies[configured.SESSION_COOKIE_NAME].value
    empty = SessionStore().encode({})
    changed(stored.format("session_data"), empty, session, look=page, before=200, after=302)
    client = client_for("operator")
    session = client.cookies[configured.SESSION_COOKIE_NAME].value
    changed("DELETE FROM django_session WHERE session_key = %s", session, look=page, before=200, after=302)
    client = client_for("operator")
    changed(user.format("password = 'other'"), pk, look=page, before=200, after=302)


@pytest.mark.django_db
def test_a_session_and_a_token_end_by_time_alone(
    tables: Any, client_for: Any, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, program, header = client_for("operator"), Client(), header_of(operator)
    for _ in range(2):
        assert (client.get(LIST).status_code, program.get(STATUS, headers=header).status_code) == (200, 200)
    later = timezone.now() + timedelta(days=31)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert (client.get(LIST).status_code, program.get(STATUS, headers=header).status_code) == (302, 401)


@pytest.mark.django_db
def test_what_was_rolled_back_is_never_taken_for_what_came_after(client_for: Any, viewer: User) -> None:
    """By a number that is counted, the second change would have that of the first."""
    client, page = client_for("viewer"), "/accounts/preferences/"
    assert client.get(page).status_code == 200
    with transaction.atomic():
        User.objects.filter(pk=viewer.pk).update(is_staff=False)
        assert client.get(page).status_code == 403
        transaction.set_rollback(True)
    Preferences.objects.create(user=viewer)
    assert client.get(page).status_code == 200


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_two_who_write_accounts_do_not_wait_for_each_other(
    django_db_serialized_rollback: None, viewer: User, operator: User, elsewhere: Any
) -> None:
    version, _ = cache_version.read()
    rename = "UPDATE auth_user SET first_name = 'x' WHERE id = %s"
    elsewhere("SET lock_timeout = '2s'")  # in place of a test that waits for itself
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(rename, [viewer.pk])
        elsewhere(rename, operator.pk)
    versions = {version, cache_version.read()[0]}
    elsewhere(rename, viewer.pk)
    assert len({*versions, cache_version.read()[0]}) == 3


# --- What is kept ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_request_changes_its_own_copy(client_for: Any, rf: Any, viewer: User) -> None:
    client = client_for("viewer")
    key = client.cookies[configured.SESSION_COOKIE_NAME].value
    session = client.session
    session["many"] = [["one"]]
    session.save()

    def loaded() -> Any:
        return SessionStore(key)

    first, second = loaded(), loaded()
    first["many"][0].append("two")  # and not saved
    assert second["many"] == loaded()["many"] == [["one"]]

    made = rf.get("/")
    made.session = loaded()
    assert user_of(made) == viewer
    made.session.flush()
    assert not user_of(made).is_authenticated
    client = client_for("viewer")

    users = [client.get("/accounts/preferences/").wsgi_request.user for _ in range(3)]
    assert identity_of(users[1]) is identity_of(users[2])
    users[1].username = "other"
    assert users[2].username == client.get("/accounts/preferences/").wsgi_request.user.username == "viewer"
    # What it does not hold it does not write.
    login = timezone.now() + timedelta(minutes=1)
    User.objects.update(last_login=login)
    users[2].save()
    assert User.objects.get().last_login == users[2].last_login == login


@pytest.mark.django_db
def test_what_is_drawn_for_somebody_is_drawn_once_until_something_changes(
    client_for: Any, viewer: User
) -> None:
    client, drawn = client_for("viewer"), []

    def menu() -> str:
        shell = Shell(client.get("/accounts/preferences/").wsgi_request)
        return shell.kept("menu", lambda: drawn.append(shell.theme) or f"<b>{shell.theme}</b>")  # type: ignore[func-returns-value]

    assert [menu() for _ in range(3)] == ["<b>system</b>"] * 3
    client.post("/accounts/preferences/", {"theme": "dark"})
    assert [menu(), menu()] == ["<b>dark</b>"] * 2
    assert drawn == ["system", "dark"]


def test_no_more_is_kept_than_there_is_room_for() -> None:
    kept = Kept(2)
    for key in ("a", "b", "a", "c"):
        kept.put(key, "1", key)
    assert [kept.get(key, "1") for key in "abc"] == ["a", None, "c"]
    assert kept.get("a", "2") is None


@pytest.mark.django_db
def test_a_table_that_a_migration_has_copied_is_watched_again() -> None:
    """Django on SQLite changes a table by a copy, which has no triggers."""

    def names() -> set[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'" if connection.vendor == "sqlite"
                else "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'cache_version%%'")  # fmt: skip
            return {name for (name,) in cursor.fetchall()}

    before, version = names(), cache_version.read()
    assert len(before) == len(cache_version.WATCHED) * (3 if connection.vendor == "sqlite" else 1)
    cache_version.install("default")
    assert (names(), cache_version.read()) == (before, version)
    gone = next(name for name in before if "savedview" in name)
    with connection.cursor() as cursor:
        cursor.execute(
            f"DROP TRIGGER {gone}" + ("" if connection.vendor == "sqlite" else " ON accounts_savedview")
        )
    config = apps.get_app_config("accounts")
    post_migrate.send(config, app_config=config, using="default", apps=apps, verbosity=0, interactive=False)
    assert names() == before
    assert cache_version.read() != version
