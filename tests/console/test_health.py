"""What load balancers are told."""

from typing import Any

import pytest
from django.core.cache import caches
from django.db import OperationalError, connection
from django.test import Client

from opsportal.dynamo.errors import AccessDenied, TableMissing, Unreachable


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Table -> the error that describing it raises; "calls" counts."""
    state: dict[str, Any] = {"calls": 0}

    def describe(table: Any) -> None:
        state["calls"] += 1
        if error := state.get(table.logical):
            raise error

    monkeypatch.setattr("opsportal.console.views.describe", describe)
    return state


def test_the_process_is_alive_without_database_and_tables(client: Client) -> None:
    # No database fixture: a query would fail this test.
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok")
    assert response["Content-Type"].startswith("text/plain")
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db
def test_ready_when_everything_answers(client: Client, described: dict[str, Any]) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}
    assert described["calls"] == 4


@pytest.mark.parametrize(
    "error", [TableMissing("There is no table a."), Unreachable("No answer from 10.0.0.1.")]
)
def test_not_ready_says_why_to_staff_alone(
    client_for: Any, described: dict[str, Any], error: Exception
) -> None:
    described["agents"] = error
    response = client_for("anonymous").get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable"}
    parts = client_for("viewer").get("/readyz").json()["parts"]
    assert parts["agents"]["ok"] is False
    assert parts["agents"]["problem"] == str(error)
    assert parts["workflows"]["ok"] is True
    assert parts["database"] == {"ok": True}


@pytest.mark.django_db
def test_a_role_that_may_not_describe_is_ready_all_the_same(
    client: Client, described: dict[str, Any]
) -> None:
    described["agents"] = AccessDenied("The console's role may not perform dynamodb:DescribeTable.")
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_many_probes_ask_once(client: Client, described: dict[str, Any]) -> None:
    for _ in range(3):
        client.get("/readyz")
    assert described["calls"] == 4
    caches["process"].clear()
    client.get("/readyz")
    assert described["calls"] == 8


@pytest.mark.django_db
def test_without_the_database_it_is_not_ready(
    client: Client, described: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OperationalError("database is gone")

    monkeypatch.setattr(connection, "cursor", refuse)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable"}


def test_the_real_tables_make_it_ready(client: Client, db: None, tables: dict[str, Any]) -> None:
    assert client.get("/readyz").json() == {"status": "ok"}


@pytest.mark.django_db
def test_tables_that_cannot_be_reached_make_it_unavailable(client: Client) -> None:
    # The tests' default endpoint refuses connections.
    assert client.get("/readyz").status_code == 503
