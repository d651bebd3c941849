"""A list as a file through the API: the same rows, with a scope of its own."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from opsportal.accounts import tokens
from tests.exports.reading import entries, rows_of, text_of
from tests.factories import agent, put, request, workflow

pytestmark = pytest.mark.no_moto


@pytest.fixture
def program(user_of: Callable[[str], Any]) -> Callable[..., Client]:
    """``program(role, *scopes)``: a client with such a token of that person's."""

    def made(role: str, *scopes: str) -> Client:
        owner = user_of(role)
        name = f"{role}-{len(scopes)}"
        _, text = tokens.make(name, list(scopes), made_by=owner, days=1, owner=owner, role="")
        return Client(headers={"Authorization": f"Bearer {text}"})

    return made


def test_a_list_comes_as_a_file_with_the_lists_own_filters(
    tables: Any, client_for: Any, program: Callable[..., Client]
) -> None:
    put(
        tables["requests"],
        *(request(f"r{n:03}", status="failed", user_id="maria") for n in range(60)),
        request("x"),
    )
    put(tables["workflows"], workflow("w"))
    caller = program("operator", "requests:read", "workflows:read", "lists:export")
    text = text_of(caller, "/api/requests?status=FAILED&user=maria&format=csv&columns=request_id,status")
    page = text_of(
        client_for("operator"), "/requests/?status=failed&user=maria&format=csv&columns=request_id,status"
    )
    assert text == page
    assert len(rows_of(text)) == 60
    (line,) = text_of(caller, "/api/workflows?format=ndjson&columns=session_id,tokens").splitlines()
    assert json.loads(line) == {"session_id": "w", "tokens": 14169}
    first = entries(tables)[0]
    assert first.actor.name.startswith("operator via token")
    assert "Filter: status=FAILED user=maria from 20" in first.note
    assert text_of(caller, "/api/workflows?outside=true&format=ndjson") == ""
    # As a session, too.
    assert len(text_of(client_for("operator"), "/api/requests?format=ndjson&range=all").splitlines()) == 61


def test_a_file_asks_for_its_own_scope_and_for_what_it_understands(
    tables: Any, client_for: Any, program: Callable[..., Client]
) -> None:
    put(tables["requests"], request("r"))
    refused = program("operator", "requests:read").get("/api/requests?format=csv")
    assert (refused.status_code, refused.json()["scope"]) == (403, "lists:export")
    assert client_for("viewer").get("/api/requests?format=csv").status_code == 403
    caller = program("operator", "requests:read", "lists:export")
    for query, field in (
        ("format=csv&columns=nothing", "columns"),
        ("columns=status", "columns"),
        ("format=csv&cursor=x", "cursor"),
        ("format=csv&numbers=text", "numbers"),
    ):
        answer = caller.get(f"/api/requests?{query}")
        assert answer.status_code == 400, query
        assert field in answer.content.decode()
    assert caller.get("/api/requests?format=xls").status_code == 422
    assert entries(tables) == []


def test_the_registry_comes_whole(tables: Any, program: Callable[..., Client]) -> None:
    put(tables["agents"], agent("a"), agent("b", status="inactive"))
    caller = program("operator", "agents:read", "lists:export")
    lines = text_of(caller, "/api/agents?format=ndjson&columns=agent_id,declared&minReputation=").splitlines()
    assert sorted(json.loads(line)["agent_id"] for line in lines) == ["a", "b"]
    refused = caller.get("/api/agents?format=csv&capability=x")
    assert (refused.status_code, refused.json()["errors"][0]["name"]) == (400, "capability")
    assert caller.get("/api/agents").json()["count"] == 2


def test_a_program_is_told_in_json_why_there_is_no_file(
    tables: Any, program: Callable[..., Client], settings: Any
) -> None:
    settings.ACTIONS_OFF = True
    answer = program("operator", "requests:read", "lists:export").get("/api/requests?format=ndjson")
    assert (answer.status_code, answer.json()["title"]) == (409, "Nothing was exported")
    assert "Actions are off" in answer.json()["detail"]
