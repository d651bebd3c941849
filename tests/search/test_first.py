"""The first step of the search: what it finds, where it leads, and what it costs."""

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from opsportal.dynamo.clients import client as client_of
from opsportal.dynamo.spending import READS, request_budget
from opsportal.dynamo.tables import Binding
from opsportal.operations.tables import audit_table_for, jobs_table_for
from opsportal.search import first
from opsportal.search.first import Query, first_step
from tests.cases import each
from tests.factories import agent, put, raw, request, workflow
from tests.failures import cases
from tests.pages import Page, visit

pytestmark = [pytest.mark.no_moto, pytest.mark.django_db]

AWS = "https://eu-north-1.console.aws.amazon.com/dynamodbv2/home?region=us-east-1#edit-item?itemMode=2&pk={}&route=ROUTE_ITEM_EXPLORER&sk=&table=T"


def find(client: Client, text: str, **more: str) -> Page:
    query = "".join(f"&{name}={value}" for name, value in more.items())
    return visit(client, f"/search/?q={quote(text)}{query}")


@pytest.fixture
def client(client_for: Callable[[str], Client], tables: Any) -> Client:
    return client_for("operator")


def log_line(key: str, request_id: str, **more: Any) -> Any:
    return raw(
        {
            "log_id": key,
            "request_id": request_id,
            "timestamp": "2026-11-20T10:00:00",
            "message": "Page read",
            **more,
        }
    )


def stocked(tables: dict[str, Binding]) -> tuple[str, str]:
    """One of each kind; the ids of a job and of an audit entry."""
    job, entry = str(uuid.UUID(int=7)), str(uuid.UUID(int=8))
    put(
        tables["workflows"],
        workflow("tm-1/a", correlationId="corr-1"),
        workflow("tm-2", correlationId="corr-2"),
    )
    put(tables["requests"], request("req_1", user_id="maria", project_id="apollo"))
    put(tables["request_logs"], log_line("log_1_001", "req_1"))
    put(tables["agents"], agent("agent-1", name="Extractor", capabilities=["content_extraction"]))
    put(jobs_table_for(tables["workflows"]), raw({"pk": f"job#{job}", "sk": "meta", "state": "running"}))
    at = "2026-11-20T10:00:00.000000Z"
    put(
        audit_table_for(tables["agents"]),
        raw({"action_id": entry, "at": at, "action": "agent:purge", "target": "agent-1"}),
    )
    return job, entry


def test_an_exact_key_leads_straight_to_its_item_in_any_table(client: Client, tables: Any) -> None:
    job, entry = stocked(tables)
    pages = {
        "tm-1/a": "/workflows/tm-1~2Fa/",
        "req_1": "/requests/req_1/",
        "agent-1": "/agents/agent-1/",
        "log_1_001": "/requests/req_1/logs/?until=",
        job: f"/jobs/{job}/",
        entry.upper(): f"/audit/{entry}/",
        "REQ_1": "/requests/req_1/",
    }
    for text, address in pages.items():
        answer = client.get("/search/", {"q": text})
        assert (answer.status_code, answer["Location"][: len(address)]) == (302, address)
        stayed = find(client, text, stay="1")
        assert len(stayed.rows) == 1
        assert stayed.rows[0].one("a", data_row_link=None).attrs["href"].startswith(address)


@each(
    "around",
    [
        " {} ", "“{}”,", "`{}`", "<{}>.", "\u200b{}\ufeff", "{}\n", "'{}';", "({})", "https://ops.example/requests/{}/",
        "https://ops.example/requests/{}/logs/?level=ERROR#L-1", "“https://ops.example/api/requests/{}”.",
        "/requests/{}/cancel/", AWS,
    ],
)  # fmt: skip
def test_what_came_along_when_it_was_copied_is_forgiven(client: Client, tables: Any, around: str) -> None:
    put(tables["requests"], request("req_1"))
    answer = client.get("/search/", {"q": around.format("req_1")})
    assert (answer.status_code, answer.headers.get("Location")) == (302, "/requests/req_1/")


def test_a_failure_case_is_found_by_its_id_and_its_address(client: Client, tables: Any) -> None:
    case = cases.put(cases.case_of())
    for text in (case.id, f"({case.id.upper()})", f"https://x.example/failures/{case.id}/mute/"):
        assert client.get("/search/", {"q": text}).headers.get("Location") == f"/failures/{case.id}/"
    page = find(client, case.id, stay="1")
    assert [cell.words for cell in page.rows[0].all("td")][:4] == ["open", case.id, "Failure case", "id"]
    assert client.get("/search/", {"q": "0" * 16}).status_code == 200


def test_addresses_of_each_kind_lead_to_their_item(client: Client, tables: Any) -> None:
    job, entry = stocked(tables)
    for address, item in {
        "https://x.example/workflows/tm-1~2Fa/": "/workflows/tm-1~2Fa/",
        "http://x.example/workflow/tm-2/status": "/workflows/tm-2/",
        f"https://x.example/jobs/{job}/items/?outcome=failed": f"/jobs/{job}/",
        f"/audit/{entry}/undo/": f"/audit/{entry}/",
        "https://x.example/api/agents/agent-1": "/agents/agent-1/",
        AWS.format("tm-1%2Fa"): "/workflows/tm-1~2Fa/",
    }.items():
        assert client.get("/search/", {"q": address}).headers.get("Location") == item, address


def test_a_key_of_two_tables_shows_both_first(client: Client, tables: Any) -> None:
    put(tables["workflows"], workflow("same"))
    put(tables["requests"], request("same"), request("req_2", user_id="same"))
    found = find(client, "same")
    assert found.response.status_code == 200
    kinds = [[cell.words for cell in row.all("td")][2:4] for row in found.rows]
    assert kinds == [["Workflow", "id"], ["Request", "id"], ["Request", "user"]]
    assert len({row.attrs["id"] for row in found.rows}) == 3
    assert found.rows[0].one("mark").words == "same"


def test_indexes_serve_users_and_projects_and_the_fleet_capabilities(client: Client, tables: Any) -> None:
    stocked(tables)
    for text, match in {"maria": "user", "apollo": "project"}.items():
        found = find(client, text)
        assert [[cell.words for cell in row.all("td")][2:4] for row in found.rows] == [["Request", match]]
    # Agents by a part of what they say, from the fleet's figures.
    for text, match in {"content_EXTR": "capability", "extractor": "name", "agent-": "id"}.items():
        found = find(client, text)
        assert [[cell.words for cell in row.all("td")][2:4] for row in found.rows] == [["Agent", match]]


def test_without_an_index_the_start_of_an_id_is_at_hand(tables_without_index: Any, client_for: Any) -> None:
    stocked(tables_without_index)
    for text, match in {"corr-": "correlation id", "tm-": "id", "TM-": "id"}.items():
        found = find(client_for("viewer"), text)
        assert [row.all("td")[3].words for row in found.rows] == [match, match]


def test_an_index_by_the_correlation_id_is_found_whatever_its_name(
    engine: Any, tables: Any, client: Client
) -> None:
    table: Binding = tables["workflows"]
    client_of(*table.location).update_table(
        TableName=table.name,
        AttributeDefinitions=[{"AttributeName": "correlationId", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[
            {"Create": {
                "IndexName": "by-corr", "KeySchema": [{"AttributeName": "correlationId", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }}
        ],
    )  # fmt: skip
    put(table, workflow("tm-1", correlationId="corr-1"), workflow("tm-2", correlationId="corr-2"))
    lookup = next(one for one in first.lookups(first.sources()) if one.attribute == "correlationId")
    index = lookup.index()
    assert index is not None
    assert index.name == "by-corr"
    assert [hit.key for hit in lookup.hits(lookup.read("corr-2"))] == ["tm-2"]


def test_its_calls_and_units_are_bounded_whatever_there_is(tables: Any, settings: Any) -> None:
    stocked(tables)
    big = "x" * 300_000
    put(tables["requests"], *(request(f"big-{n}", user_id="many", results={"text": big}) for n in range(12)))
    put(tables["workflows"], workflow("many", big=big))
    for text in (
        "many",
        "“many”",
        str(uuid.uuid4()),
        f"(https://x.example/requests/{uuid.uuid4()}/)",
        "x" * 5000,
    ):
        for _ in range(2):  # with nothing in the process's memory, and again
            with request_budget(None) as account:
                found = first_step(Query.typed(text), lambda permission: True)
            assert account.calls <= 5, account.operations
            assert sum(part.calls for part in found.parts) == account.calls
            assert sum(part.units for part in found.parts) == account.read_units
            # No call but those that were under way together passes the bound.
            assert account.read_units <= 100 + 2 * 130


def test_no_lookup_follows_exact_reads_that_cost_enough(tables: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tables["requests"], request("req_1", user_id="req_1"))
    monkeypatch.setattr(first, "SEARCH_UNITS", 0.1)
    with request_budget(None) as account:
        found = first_step(Query.typed("req_1"), lambda permission: True)
    assert set(account.operations) == {"BatchGetItem"}
    assert [one.attribute for one in found.left] == ["correlationId", "documentId", "project_id", "user_id"]
    assert set(account.operations) <= READS


@each(
    "text",
    [
        "", " ", "\"'`", "x" * 10_240, "a\x00b", "\ud800", "\u202ereq_1", "é" * 2_000, "%00%ff", "a\r\nb", "/", "https://", "//x",
        "<script>alert(1)</script>", "{{ 7 }}", "1" * 40, "https://x.example/requests/~FF/", "🚀 rocket 👩‍🚀",
    ],
)  # fmt: skip
def test_hostile_text_gets_a_page(client: Client, text: str) -> None:
    answer = client.get("/search/", {"q": text.encode("utf-8", "surrogatepass")})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.content.decode()
    assert client.get("/api/search", {"q": text.encode("utf-8", "surrogatepass")}).status_code in (200, 422)


def test_hostile_items_are_shown_as_text(client: Client, tables: Any) -> None:
    nasty = "<script>alert(1)</script>\u202e{{ 7 }}"
    put(tables["requests"], request(nasty, user_id="nasty", status=nasty, progress={"current_stage": nasty}))
    put(tables["requests"], raw({"request_id": "odd", "user_id": "nasty", "created_at": "x", "progress": 7}))
    for text in (nasty, "nasty"):
        page = find(client, text, stay="1")
        assert page.response.status_code == 200
        assert page.rows
        assert "<script>alert" not in page.html
        assert not any("\u202e" in row.text for row in page.rows)
