"""Tokens whose names are used again, and keys that are sent again after a name has changed hands."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import caches
from django.test import Client

from opsportal.accounts import tokens
from opsportal.accounts.actors import token_id, user_id
from opsportal.api.effects import NAMESPACE
from opsportal.operations.entries import Actor, Entry, Target
from opsportal.operations.tables import audit_table_for
from opsportal.operations.tags import Action
from tests.api.conftest import Program
from tests.api.test_heartbeats import milliseconds
from tests.operations.places import actor, put, request_item, trail
from tests.registry.test_actions import agent

CANCEL = "/api/requests/{}/cancel"
Make = Callable[..., Program]


@pytest.fixture
def table(tables: Any) -> Any:
    for number in range(1, 5):
        put(tables["requests"], request_item(f"req-{number}"))
    return tables["requests"]


def cancel(program: Program, number: int = 1, **headers: str) -> Any:
    return program.post(CANCEL.format(f"req-{number}"), **headers)


def reads(client: Client, who: str) -> dict[str, str | None]:
    """Target -> actor_id of what the filter finds."""
    answer = client.get("/api/audit", {"actor": who})
    assert answer.status_code == 200
    return {row["target"]["id"]: row["actor_id"] for row in answer.json()["items"]}


@pytest.mark.parametrize("service", [False, True], ids=["a person's", "a service's"])
def test_a_token_of_a_name_that_was_used_before_has_not_done_what_the_other_did(
    table: Any, program: Make, client_for: Any, operator: User, administrator: User, service: bool
) -> None:
    first = program("operator", service=service)
    answer = cancel(first).json()
    assert answer["actor_id"] == token_id(first.token)
    first.token.revoke(administrator)
    second = program("operator", service=service)
    assert second.token.actor_name == first.token.actor_name
    assert cancel(second, 2).status_code == 200
    assert [actor(entry) for entry in trail(table)] == [
        (one.token.actor_name, token_id(one.token)) for one in (first, second)
    ]
    viewer = client_for("viewer")
    assert reads(viewer, token_id(first.token)) == {"req-1": token_id(first.token)}
    assert reads(viewer, token_id(second.token)) == {"req-2": token_id(second.token)}
    # Both have that name, and each entry says which it was.
    assert reads(viewer, first.token.actor_name) == {
        "req-1": token_id(first.token),
        "req-2": token_id(second.token),
    }


def test_a_token_called_like_a_person_is_not_taken_for_them(
    table: Any, program: Make, client_for: Any, operator: User
) -> None:
    service = program("operator", service=True, name="operator")
    assert cancel(service).status_code == 200
    viewer = client_for("viewer")
    assert reads(viewer, "operator") == reads(viewer, user_id(operator)) == {}
    assert reads(viewer, "service operator") == {"req-1": token_id(service.token)}


def test_what_a_token_did_is_not_taken_for_its_owner_and_follows_no_rename(
    table: Any, program: Make, client_for: Any, operator: User
) -> None:
    caller = program("operator")
    assert cancel(caller).status_code == 200
    User.objects.filter(pk=operator.pk).update(username="otto")
    assert cancel(caller, 2).status_code == 200
    viewer = client_for("viewer")
    assert reads(viewer, "otto") == {}
    both = {"req-1": token_id(caller.token), "req-2": token_id(caller.token)}
    assert reads(viewer, "otto via token ci") == both
    page = viewer.get("/audit/").content.decode()
    assert "owner now otto" in page
    # Whoever is called so now, with a token of that name, has done nothing.
    other = User.objects.create(username="operator")
    tokens.make("ci", ["audit:read"], made_by=other, owner=other, days=1)
    assert reads(viewer, "operator via token ci") == {}
    User.objects.get(pk=operator.pk).delete()
    assert "account deleted" in viewer.get("/audit/").content.decode()
    assert reads(viewer, token_id(caller.token)) == both


KEYS = ["nightly-17", "7d0f3c1e-5a9b-4f2d-9c8e-6b5a4d3c2f1e"]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_sent_again_after_a_rename_is_the_earlier_success(
    table: Any, program: Make, operator: User, key: str
) -> None:
    caller = program("operator")
    first = cancel(caller, Idempotency_Key=key)
    User.objects.filter(pk=operator.pk).update(username="otto")
    again = cancel(caller, Idempotency_Key=key)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(trail(table)) == 1


@pytest.mark.parametrize("key", KEYS)
def test_a_key_sent_by_who_took_the_name_is_not_answered_with_anothers_success(
    table: Any, program: Make, operator: User, administrator: User, key: str
) -> None:
    first = program("operator", service=True)
    assert cancel(first, Idempotency_Key=key).status_code == 200
    first.token.revoke(administrator)
    second = program("operator", service=True)
    answer = cancel(second, Idempotency_Key=key)
    # A UUID is the same for everybody; another text is each caller's own, and theirs finds the item cancelled.
    assert answer.status_code == (422 if key == KEYS[1] else 409)
    assert "Idempotency-Replayed" not in answer.headers
    assert len(trail(table)) == 1


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_before_there_were_ids_is_known_by_the_name(
    table: Any, program: Make, operator: User, key: str
) -> None:
    name = "operator via token ci"
    older = Entry(
        key if key == KEYS[1] else str(uuid.uuid5(NAMESPACE, f"{name}\n{key}")),
        Action.REQUEST_CANCEL,
        Actor(name, "operator", ""),
        Target("requests", "req-1"),
        "2026-11-20T10:00:00.000000Z",
    )
    put(audit_table_for(table), older.item())
    answer = cancel(program("operator"), Idempotency_Key=key)
    assert (answer.status_code, answer.json()["actor_id"]) == (200, None)
    assert answer.headers["Idempotency-Replayed"] == "true"
    assert cancel(program("operator", name="other"), Idempotency_Key=key).status_code in (200, 422)
    assert len(trail(table)) == (1 if key == KEYS[1] else 2)


def test_a_key_is_not_looked_for_under_an_id_that_is_somebodys_name(table: Any, program: Make) -> None:
    """A service whose name spells how another's key is stored."""
    first = program("operator", service=True)
    assert cancel(first, Idempotency_Key="k").status_code == 200
    User.objects.filter(username="operator").delete()
    named = User.objects.create(username=token_id(first.token), is_staff=True, is_active=True)
    named.groups.add(Group.objects.get(name="operator"))
    client = Client()
    client.force_login(named, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post(
        CANCEL.format("req-1"), content_type="application/json", headers={"Idempotency-Key": "k"}
    )
    assert answer.status_code == 409
    assert len(trail(table)) == 1


def test_every_audit_document_names_the_id(
    table: Any, program: Make, client_for: Any, operator: User
) -> None:
    caller = program("operator")
    action_id = cancel(caller).json()["action_id"]
    for path in ("/api/audit", f"/api/audit/{action_id}"):
        document = client_for("viewer").get(path).json()
        row = document["items"][0] if "items" in document else document
        assert (row["actor"], row["actor_id"]) == (caller.token.actor_name, token_id(caller.token))
    described = client_for("viewer").get("/api/openapi.json").json()["components"]["schemas"]
    assert "never goes to another" in described["EntryOut"]["properties"]["actor_id"]["description"]


def test_the_heartbeats_of_a_day_are_each_senders_whatever_it_is_called(
    tables: Any, program: Make, operator: User, administrator: User
) -> None:
    table = tables["agents"]
    put(table, agent(agentId={"S": "a"}, lastHeartbeat=milliseconds(seconds=30)))

    def heartbeat(caller: Program) -> None:
        caches["process"].clear()  # as another process would
        assert caller.post("/api/agents/heartbeat", {"id": "a"}).status_code == 200

    mine = program("operator")
    heartbeat(mine)
    User.objects.filter(pk=operator.pk).update(username="otto")
    heartbeat(mine)
    first = program("operator", service=True)
    heartbeat(first)
    first.token.revoke(administrator)
    second = program("operator", service=True)
    heartbeat(second)
    senders = [token_id(one.token) for one in (mine, first, second)]
    assert [actor(entry)[1] for entry in trail(table)] == senders
