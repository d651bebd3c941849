"""What load balancers are told."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.db import OperationalError, connection
from django.test import Client

from opsportal.console.views import Condition
from opsportal.dynamo.errors import AccessDenied, TableMissing, Unreachable
from opsportal.dynamo.tables import binding, bindings
from tests.engines import Engine
from tests.tables.deployments import Deployments, deployments, drop_index


@pytest.fixture
def deploying(engine: Engine, settings: Any) -> Iterator[Deployments]:
    with deployments(engine, settings) as made:
        yield made


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Table -> the error that describing it raises; "calls" counts. Those without one are as declared."""
    state: dict[str, Any] = {"calls": 0}

    def describe(table: Any) -> None:
        state["calls"] += 1
        if error := state.get(table.logical):
            raise error

    monkeypatch.setattr("opsportal.console.views.describe", describe)
    monkeypatch.setattr(
        "opsportal.console.views.condition", lambda table: Condition(table, "active", "success")
    )
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


def test_a_table_that_lacks_an_index_makes_it_degraded(client_for: Any, deploying: Deployments) -> None:
    """It serves, slower, and another console would do no better."""
    for table in bindings():
        deploying.deploy(table)
    deploying.configure("agents", key="id")
    requests = deploying.configure("requests", name=f"{binding('requests').name}-2")
    deploying.deploy(requests, lambda request: drop_index(request, "user-index"))
    answer = client_for("viewer").get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    parts = answer.json()["parts"]
    assert {name for name, part in parts.items() if part.get("degraded")} == {"requests", "agents"}
    assert "lacks the index user-index" in parts["requests"]["problem"]
    assert "python manage.py dynamo migrate --table requests --add-indexes" in parts["requests"]["problem"]
    assert "set DYNAMODB_AGENTS_KEY=agentId" in parts["agents"]["problem"]
    caches["process"].clear()
    assert client_for("anonymous").get("/readyz").json() == {"status": "degraded"}


@pytest.mark.django_db
def test_tables_that_cannot_be_reached_make_it_unavailable(client: Client) -> None:
    # The tests' default endpoint refuses connections.
    assert client.get("/readyz").status_code == 503
