"""The relational database away, full or read-only: pages, the API and the login say so, and recover by themselves."""

import contextlib
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.db import DatabaseError, Error, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import DatabaseErrorWrapper
from django.test import Client
from psycopg import errors

from opsportal.accounts.models import ApiToken
from opsportal.console import database
from opsportal.dynamo import shared
from tests.conftest import PASSWORD
from tests.factories import put, request, workflow
from tests.operations.places import trail
from tests.pages import Page

pytestmark = pytest.mark.no_moto

WRITES = ("INSERT", "UPDATE", "DELETE", "BEGIN", "SAVEPOINT")


@pytest.fixture
def opened(django_db_blocker: Any) -> Iterator[Callable[[Path], BaseDatabaseWrapper]]:
    """Opens a file as the console opens its own."""
    made: list[BaseDatabaseWrapper] = []

    def open_(file: Path) -> BaseDatabaseWrapper:
        alias = f"file-{len(made)}"
        connections.settings[alias] = connections.settings["default"] | {
            "ENGINE": "django.db.backends.sqlite3", "NAME": str(file), "OPTIONS": {"timeout": 0.01},
        }  # fmt: skip
        made.append(connections.create_connection(alias))
        made[-1].inc_thread_sharing()
        return made[-1]

    with django_db_blocker.unblock():
        yield open_
        for one in made:
            one.close()
            del connections.settings[one.alias]


def error_of(one: BaseDatabaseWrapper, *statements: str) -> BaseException:
    """What Django raises at the last of them."""
    try:
        with one.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    except DatabaseError as error:
        return error
    pytest.fail(f"{statements[-1]} raised nothing")


WRITE = "CREATE TABLE more (a)"


def test_each_state_of_a_sqlite_file_has_its_sentence(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    causes: dict[str, database.Cause | None] = {}
    file = tmp_path / "one.sqlite3"
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE there (a)")
        other.execute("BEGIN EXCLUSIVE")
        causes["locked"] = database.cause_of(error_of(opened(file), WRITE))
    full = "PRAGMA max_page_count=2"
    causes["full"] = database.cause_of(error_of(opened(file), full, WRITE))
    causes["read-only"] = database.cause_of(error_of(opened(file), "PRAGMA query_only=1", WRITE))
    causes["no folder"] = database.cause_of(error_of(opened(tmp_path / "none" / "a"), WRITE))
    causes["new"] = database.cause_of(error_of(opened(tmp_path / "new"), "SELECT * FROM django_session"))
    (tmp_path / "other").write_bytes(b"no database" * 1000)
    causes["damaged"] = database.cause_of(error_of(opened(tmp_path / "other"), WRITE))
    causes["a defect"] = database.cause_of(error_of(opened(file), "SELEKT 1"))
    assert causes == {
        "locked": database.BUSY, "full": database.FULL, "read-only": database.READ_ONLY,
        "no folder": database.NO_FILE, "new": database.BEHIND, "damaged": database.DAMAGED, "a defect": None,
    }  # fmt: skip
    # Where the disk has no room, it is that which keeps the files beside the database from being made.
    monkeypatch.setattr(database, "FULL_BELOW", 2**80)
    monkeypatch.setitem(database.settings.DATABASES["default"], "NAME", tmp_path / "none" / "a")
    assert database.cause_of(error_of(opened(tmp_path / "none" / "a"), WRITE)) == database.NO_FILE
    monkeypatch.setitem(database.settings.DATABASES["default"], "NAME", tmp_path / "a")
    assert database.cause_of(error_of(opened(tmp_path / "none" / "a"), WRITE)) == database.FULL


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (psycopg.OperationalError('connection failed: connection to server at "10.0.0.9" failed: Connection refused'), database.AWAY),
        (psycopg.OperationalError("[Errno -2] Name or service not known"), database.AWAY),
        (psycopg.OperationalError("connection timeout expired"), database.AWAY),
        (psycopg.OperationalError("consuming input failed: server closed the connection unexpectedly"), database.AWAY),
        (psycopg.OperationalError("connection failed: FATAL: sorry, too many clients already"), database.NO_CONNECTIONS),
        (psycopg.OperationalError("FATAL: remaining connection slots are reserved for non-replication superuser connections"), database.NO_CONNECTIONS),
        (psycopg.OperationalError('FATAL: password authentication failed for user "ops"'), database.NOT_LET_IN),
        (psycopg.OperationalError('FATAL: database "ops" does not exist'), database.NO_DATABASE),
        (errors.AdminShutdown("terminating connection due to administrator command"), database.AWAY),
        (errors.CannotConnectNow("the database system is starting up"), database.AWAY),
        (errors.TooManyConnections("too many connections for role"), database.NO_CONNECTIONS),
        (errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"), database.STANDBY),
        (errors.DiskFull("could not extend file"), database.SERVER_FULL),
        (errors.LockNotAvailable("canceling statement due to lock timeout"), database.BUSY),
        (errors.DeadlockDetected("deadlock detected"), database.BUSY),
        (errors.UndefinedTable('relation "django_session" does not exist'), database.BEHIND),
        (errors.SyntaxError("syntax error"), None),
        (errors.UniqueViolation("duplicate key"), None),
    ],
)  # fmt: skip
def test_each_state_of_postgresql_has_its_sentence(
    cause: psycopg.Error, expected: database.Cause | None
) -> None:
    with pytest.raises(Error) as raised, as_django_raises_it():
        raise cause
    assert database.cause_of(raised.value) == expected


def as_django_raises_it() -> DatabaseErrorWrapper:
    return DatabaseErrorWrapper(SimpleNamespace(Database=psycopg, errors_occurred=False))


@contextlib.contextmanager
def failing(cause: psycopg.Error, only: tuple[str, ...] = ("",)) -> Iterator[None]:
    """The statements that begin with one of `only` fail so."""

    def execute(run: Any, sql: str, *more: Any) -> Any:
        if sql.startswith(only):
            with as_django_raises_it():
                raise cause
        return run(sql, *more)

    with connection.execute_wrapper(execute):
        yield


AWAY = psycopg.OperationalError("connection failed: Connection refused")
FULL = errors.DiskFull("could not extend file: No space left on device")
UNKNOWN = "not known whether it was done"


def test_while_it_is_away_everything_says_so_and_then_recovers(
    tables: Any, client_for: Any, program: Any, caplog: pytest.LogCaptureFixture
) -> None:
    put(tables["workflows"], workflow("w"))
    client, caller, anonymous = client_for("operator"), program("operator"), Client()
    for one in (client, caller.client, anonymous):
        one.raise_request_exception = False
    title = database.AWAY.title
    with failing(AWAY):
        for url in (
            "/",
            "/workflows/",
            "/workflows/w/",
            "/workflows/w/cancel/",
            "/accounts/preferences/",
            "/admin/",
        ):
            answer = client.get(url)
            words = Page(answer, url).words
            assert answer.status_code == 503, url
            assert title in words
            assert answer["X-Request-ID"] in words
            assert UNKNOWN not in words
            assert int(answer["Retry-After"]) > 0
        fragment = client.get("/workflows/", headers={"HX-Request": "true"})
        assert (fragment.status_code, fragment.content.lstrip()[:8]) == (503, b"<section")
        assert fragment["X-Request-ID"] in fragment.content.decode()
        action = {"action_id": str(uuid.uuid4()), "reason": ""}
        for headers in ({}, {"HX-Request": "true"}):
            answer = client.post("/workflows/w/cancel/", action, headers=headers)
            assert answer.status_code == 503
            assert UNKNOWN in answer.content.decode()
            assert f"/audit/{action['action_id']}/" in answer.content.decode()
        answer = anonymous.post("/accounts/login/", {"login": "operator", "password": PASSWORD})
        assert (answer.status_code, UNKNOWN in answer.content.decode()) == (503, False)
        for answer in (client.get("/api/workflows"), caller.get("/api/workflows")):
            problem = answer.json()
            assert (answer.status_code, problem["kind"], problem["title"]) == (503, "database", title)
            assert UNKNOWN not in problem["detail"]
            assert problem["request_id"] == answer["X-Request-ID"]
            assert int(answer["Retry-After"]) > 0
        problem = caller.post("/api/workflows/w/cancel", Idempotency_Key=str(uuid.uuid4())).json()
        assert problem["status"] == 503
        assert UNKNOWN in problem["detail"]
        assert "same Idempotency-Key" in problem["detail"]
        assert Client().get("/readyz").status_code == 503
        assert Client().get("/healthz").status_code == 200
    assert client.get("/workflows/w/").status_code == caller.get("/api/workflows").status_code == 200
    (record, *_) = [record for record in caplog.records if record.exc_info]
    assert database.NoTrace().filter(record)  # settings.LOGGING has it, those of the tests have no logger
    assert (record.getMessage(), record.exc_info) == (f"{title}. {database.AWAY.sentence} ({AWAY})", None)
    assert not trail(tables["workflows"])


@pytest.fixture
def shared_cache(settings: Any) -> None:
    """The one of production, in its table."""
    backend = {"BACKEND": "opsportal.console.shared_cache.SharedCache", "LOCATION": "opsportal_cache"}
    settings.CACHES = settings.CACHES | {"default": backend}
    call_command("createcachetable", verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_where_nothing_can_be_written_who_is_known_reads_on(
    django_db_serialized_rollback: None,
    tables: Any,
    client_for: Any,
    program: Any,
    shared_cache: None,
    settings: Any,
) -> None:
    put(tables["workflows"], workflow("w"))
    client, caller = client_for("operator"), program("operator")
    client.raise_request_exception = False
    caches["default"].set("old", 1, -1)  # Django deletes it when it is read
    settings.ACCOUNT_RATE_LIMITS = {"login": "30/m/ip"}  # which count first
    settings.API_RATE_LIMIT = 2
    with failing(FULL, WRITES):
        for url in ("/", "/workflows/", "/workflows/w/", "/requests/", "/agents/", "/alerts/", "/audit/", "/tables/",
                    "/accounts/preferences/", "/panels/workflows/", "/panels/requests/"):  # fmt: skip
            assert client.get(url).status_code == 200, url
        for _ in range(3):
            assert caller.get("/api/workflows").status_code == 200
        assert caches["default"].get("old") is None
        with pytest.raises(DatabaseError):
            caches["default"].add("new", 1)
        assert shared.shared("nothing", lambda before: 7, fresh=10).value == 7
        for url, form in (
            ("/accounts/login/", {"login": "operator", "password": PASSWORD}),
            ("/accounts/preferences/", {"theme": "dark", "time_zone": "UTC", "refresh_seconds": 30}),
        ):
            one = Client(raise_request_exception=False) if "login" in url else client
            answer = one.post(url, form)
            assert answer.status_code == 503, url
            assert database.SERVER_FULL.title in Page(answer, url).words
    assert ApiToken.objects.filter(last_used_at=None).exists()
    assert caches["default"].add("new", 1)
    assert caches["default"].add("new", 1) is False
    assert caller.get("/api/workflows").status_code == 200
    assert not ApiToken.objects.filter(last_used_at=None).exists()


def test_after_the_commit_the_page_leads_to_the_entry(
    tables: Any, client_for: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REQUESTS_QUEUE_URL = "http://127.0.0.1:9/123456789012/requests"
    put(tables["requests"], request("r", status="failed", processing_strategy="sqs"))

    def full(*_: Any) -> None:
        with as_django_raises_it():
            raise FULL

    monkeypatch.setattr("opsportal.operations.outbox.send_soon", full)
    client = client_for("operator")
    client.raise_request_exception = False
    action = str(uuid.uuid4())
    page = client.post("/requests/r/retry/", {"action_id": action, "reason": ""})
    assert page.status_code == 503
    assert UNKNOWN in Page(page, "/").words
    assert f'href="/audit/{action}/"' in page.content.decode()
    assert client.get(f"/audit/{action}/").status_code == 200
