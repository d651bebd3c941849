"""What the console keeps in the relational database, on whichever the tests run: SQLite, or by scripts/postgres.py
PostgreSQL."""

import importlib
import io
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as configured
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.core.management import call_command
from django.db import OperationalError, connection, connections
from django.test import Client
from django.utils import timezone
from django.utils.module_loading import module_has_submodule

from opsportal.accounts.roles import ROLES, create_user, permissions_of
from opsportal.accounts.throttle import Attempts, Limit, give_back, take
from opsportal.alerts.models import Change as AlertChange
from opsportal.api import guards
from opsportal.console.database import AWAY, NO_DATABASE, STANDBY, cause_of
from tests.conftest import PASSWORD

ON_POSTGRESQL = configured.DATABASES["default"]["ENGINE"].endswith("postgresql")
postgresql = pytest.mark.skipif(not ON_POSTGRESQL, reason="many writers at once: scripts/postgres.py")


@pytest.fixture
def shared_cache(settings: Any) -> Iterator[None]:
    """The cache of production, in its table."""
    settings.CACHES = settings.CACHES | {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "opsportal_cache"}
    }
    call_command("createcachetable", verbosity=0)
    yield
    caches["default"].clear()


@pytest.mark.django_db
def test_the_database_is_the_one_that_was_asked_for() -> None:
    assert connection.vendor == ("postgresql" if ON_POSTGRESQL else "sqlite")


@pytest.mark.django_db
def test_migrations_are_whole() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    call_command("migrate", check_unapplied=True, verbosity=0)
    out = io.StringIO()
    call_command("showmigrations", stdout=out)
    assert "[ ]" not in out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_every_app_migrates_from_nothing() -> None:
    own = {
        config.label
        for config in apps.get_app_configs()
        if "site-packages" not in config.path and module_has_submodule(config.module, "migrations")
    }
    try:
        for label in own:
            call_command("migrate", label, "zero", verbosity=0)
        left = connection.introspection.table_names()
        assert not [table for table in left if table.partition("_")[0] in own]
    finally:
        call_command("migrate", verbosity=0)
    assert {"accounts_apitoken", "alerts_rule"} <= set(connection.introspection.table_names())
    for role in ROLES:
        held = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
        assert {f"{label}.{codename}" for label, codename in held} == permissions_of(role)


@pytest.mark.django_db(transaction=True)
def test_changes_of_alerts_keep_their_entries_when_accounts_get_the_table() -> None:
    text = "INSERT INTO {} (at, actor, actor_id, role, verb, target, target_id, changed) VALUES (%s, 'olga', 'user:7', 'operator', %s, 'pager', '1', %s)"
    try:
        call_command("migrate", "alerts", "0001", verbosity=0)
        with connection.cursor() as cursor:
            for verb in ("rule:make", "webhook:edit"):
                given = [
                    "2026-11-20 10:00:00Z" if ON_POSTGRESQL else "2026-11-20 10:00:00",
                    verb,
                    '{"name": ["a", "b"]}',
                ]
                cursor.execute(text.format("alerts_change"), given)
        call_command("migrate", "alerts", verbosity=0)
        kept = AlertChange.objects.order_by("pk").values_list("verb", "actor_id", "changed", "address")
        assert list(kept) == [
            (verb, "user:7", {"name": ["a", "b"]}, "") for verb in ("rule:make", "webhook:edit")
        ]
        create_user("otto", "viewer", PASSWORD)
        call_command("migrate", "alerts", "0001", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("SELECT verb FROM alerts_change ORDER BY id")
            assert [verb for (verb,) in cursor.fetchall()] == ["rule:make", "webhook:edit"]
    finally:
        call_command("migrate", verbosity=0)


@pytest.mark.django_db
def test_the_shared_cache_keeps_counts_and_forgets(shared_cache: None) -> None:
    cache = caches["default"]
    assert cache.add("once", 1, 60)
    assert not cache.add("once", 2, 60)
    assert cache.incr("once") == 2
    cache.set("text", "é\u2028" * 1000, 60)
    assert cache.get("text") == "é\u2028" * 1000
    cache.set("gone", 1, -1)
    assert cache.get("gone") is None


@pytest.mark.django_db
def test_the_api_counts_requests(settings: Any) -> None:
    settings.API_RATE_LIMIT = 3
    waits = [guards.seconds_to_wait("token-1") for _ in range(5)]
    assert waits[:3] == [0, 0, 0]
    assert min(waits[3:]) > 0
    assert guards.seconds_to_wait("token-2") == 0


@pytest.mark.django_db
def test_expired_sessions_are_cleared(client_for: Any) -> None:
    client_for("viewer")
    assert Session.objects.count() == 1
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    call_command("clearsessions")
    assert Session.objects.count() == 0


def at_once(work: Any, count: int = 8) -> list[Any]:
    """What `work` answered in `count` threads that began together, each with a connection of its own."""
    barrier, answers = threading.Barrier(count), []

    def run() -> None:
        barrier.wait()
        try:
            answers.append(work())
        except Exception as error:
            answers.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.fixture
def many_connections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Threads get connections as production's do: with SQLite to a file, since the tests' is in memory, and locks
    whole tables."""
    if ON_POSTGRESQL:
        return
    deployed: Any = importlib.import_module("opsportal.settings")
    given = {"NAME": tmp_path / "console.sqlite3", "OPTIONS": deployed.DATABASES["default"]["OPTIONS"]}
    for name, value in given.items():
        monkeypatch.setitem(connections.settings["default"], name, value)

    def create() -> None:
        with connection.schema_editor() as editor:
            editor.create_model(Attempts)

    assert at_once(create, 1) == [None]


@pytest.mark.django_db(transaction=True)
def test_of_many_attempts_at_once_no_more_are_let_through_than_the_limit(many_connections: None) -> None:
    limit, wide = Limit("password", 5, 300, "olga"), Limit("password", 7, 300, "everyone")
    answers = at_once(lambda: take([limit]), 60)
    refused = [answer for answer in answers if answer is not None]
    assert (len(refused), {answer.limit for answer in refused}) == (55, {limit})
    assert all(0 < answer.wait <= 360 for answer in refused)

    numbers = iter(range(40))

    def of_one() -> Any:  # of forty names, from one address
        return take([Limit("password", 1, 300, f"user {next(numbers)}"), wide])

    answers = at_once(of_one, 40)
    assert [answer.limit for answer in answers if answer is not None] == [wide] * 33
    assert at_once(lambda: give_back([limit]), 1) == [None]
    assert at_once(lambda: take([limit]), 8).count(None) == 1


@postgresql
@pytest.mark.django_db(transaction=True)
def test_of_many_that_add_a_key_at_once_one_does(shared_cache: None) -> None:
    assert sorted(at_once(lambda: caches["default"].add("once", 1, 60))) == [False] * 7 + [True]


@postgresql
@pytest.mark.django_db(transaction=True)
def test_of_many_that_make_an_account_at_once_one_does(django_db_serialized_rollback: None) -> None:
    answers = at_once(lambda: create_user("olga", "viewer", PASSWORD))
    assert User.objects.filter(username="olga").count() == 1
    # Whoever came after found the account, or was told by the database.
    assert any(isinstance(answer, User) for answer in answers)


@postgresql
@pytest.mark.django_db(transaction=True)
def test_many_sign_in_at_once(django_db_serialized_rollback: None) -> None:
    names = [create_user(f"olga{number}", "operator", PASSWORD).get_username() for number in range(8)]
    left = iter(names)
    answers = at_once(
        lambda: Client().post("/accounts/login/", {"login": next(left), "password": PASSWORD}).status_code
    )
    assert answers == [302] * 8
    assert Session.objects.count() == 8


@postgresql
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_cut_off_and_a_standby_are_named(
    django_db_serialized_rollback: None, client_for: Any
) -> None:
    client = client_for("viewer")
    client.raise_request_exception = False
    page = "/accounts/preferences/"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    other.close()
    answer = client.get(page)  # the tests' client looks at no connection before a request
    assert (answer.status_code, AWAY.title in answer.content.decode()) == (503, True)
    connection.close()
    assert client.get(page).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    assert client.get(page).status_code == 200
    form = {"theme": "dark", "time_zone": "UTC", "refresh_seconds": 30}
    answer = client.post(page, form)
    assert (answer.status_code, STANDBY.title in answer.content.decode()) == (503, True)
    connection.close()
    assert client.post(page, form).status_code == 302
    # What fails before there is a connection has no SQLSTATE.
    for changes, expected in (({"HOST": "127.0.0.1", "PORT": "9"}, AWAY), ({"NAME": "none"}, NO_DATABASE)):
        lost = connection.copy()
        lost.settings_dict |= changes
        with pytest.raises(OperationalError) as raised:
            lost.ensure_connection()
        assert cause_of(raised.value) == expected
