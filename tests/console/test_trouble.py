"""Trouble with a table, on every kind of page: in words, with the fix, and never a 500."""

import uuid
from typing import Any

import pytest
from botocore import exceptions as boto
from django.core.cache import caches
from django.test import RequestFactory
from django.urls import resolve

from opsportal.console.refusals import broken
from opsportal.dynamo import clients
from tests.cases import each
from tests.factories import log, put, request, workflow
from tests.operations.places import trail
from tests.pages import Page, poll, visit
from tests.trouble import denied, kinds, refused, trouble

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py

# (the table in trouble, a page that reads it).
READ = [
    ("workflows", "/workflows/"),
    ("workflows", "/workflows/w/"),
    ("workflows", "/workflows/?outside=1"),
    ("workflows", "/workflows/?q=w"),
    ("requests", "/requests/"),
    ("requests", "/requests/?sort=priority"),
    ("requests", "/requests/?user=u"),
    ("requests", "/requests/r/"),
    ("requests", "/requests/r/logs/"),
    ("request_logs", "/requests/r/logs/"),
    ("request_logs", "/requests/r/logs/?format=txt"),
    ("request_logs", "/requests/r/logs/?outside=1"),
    ("agents", "/agents/"),
    ("agents", "/agents/a/"),
]


@each(("logical", "url"), READ)
def test_every_kind_of_trouble_has_its_own_words(
    tables: Any, client_for: Any, logical: str, url: str
) -> None:
    client, table = client_for("viewer"), tables[logical]
    put(tables["requests"], request("r"))
    for kind, (fault, words) in kinds(table).items():
        caches["process"].clear()
        with trouble(table, fault) as met:
            page = visit(client, url, status=503)
            assert met
            problem = page.problem
            assert problem.attrs["data-problem"] == kind
            assert words in problem.words
            assert page.root.one("h1").words
            assert int(page.response.headers["Retry-After"]) > 0
            assert ("Try again" in problem.words) == (
                kind in ("throttled", "unreachable", "credentials", "server_fault")
            )
            assert ("IAM policy statement" in problem.words) == (kind == "access_denied")
            if kind != "throttled":
                continue
            # A poll is told as well, by a status that leaves the last known state standing.
            fragment = Page(client.get(url, headers={"HX-Request": "true"}), url)
            assert (fragment.status, fragment.is_fragment) == (503, True)
            assert fragment.problem.attrs["data-problem"] == kind
    if "format" not in url:
        assert client.get(url).status_code in (200, 302, 404)


@pytest.fixture
def populated(tables: Any) -> Any:
    put(tables["workflows"], workflow("w"))
    put(tables["requests"], request("r"))
    put(tables["request_logs"], log("r"))
    return tables


def test_what_iam_refuses_is_named_with_the_statement_that_allows_it(populated: Any, client_for: Any) -> None:
    client, table = client_for("viewer"), populated["requests"]
    arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{table.name}/index/status-index"
    with trouble(table, denied("Query", arn), "Query"):
        problem = visit(client, "/requests/", status=503).problem
    assert f"may not perform dynamodb:Query on {arn}" in problem.words
    statement = problem.one("pre").text
    assert '"Effect": "Allow"' in statement
    assert f'"{arn}"' in statement
    assert '"dynamodb:Query"' in statement


def test_a_role_that_may_not_look_for_other_statuses_still_sees_the_list(
    populated: Any, client_for: Any
) -> None:
    client = client_for("viewer")
    for logical, url, name in (("requests", "/requests/", "status-index"),
                               ("workflows", "/workflows/", "overallStatus-createdAt-index"),
                               ("requests", "/requests/?sort=priority", "strategy-index")):  # fmt: skip
        table = populated[logical]
        arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{table.name}/index/{name}"
        caches["process"].clear()
        with trouble(table, denied("Scan", arn), "Scan"):
            page = visit(client, url)
        assert len(page.ids) == 1
        assert (
            f"Others can't be found: The console's role may not perform dynamodb:Scan on {arn}" in page.words
        )


def test_a_role_that_may_not_describe_the_workflow_table_reads_its_index(
    populated: Any, client_for: Any
) -> None:
    client, table = client_for("viewer"), populated["workflows"]
    arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{table.name}"
    with trouble(table, denied("DescribeTable", arn), "DescribeTable"):
        page = visit(client, "/workflows/")
        assert page.ids == ["w"]
        # The index that is declared is tried.
        assert "Query overallStatus-createdAt-index" in page.root.one("div", class_="reading").words
        assert visit(client, "/workflows/w/").status == 200
        assert client.get("/panels/workflows/").status_code == 200


def test_a_table_without_an_index_is_listed_all_the_same(
    populated: Any, client_for: Any, settings: Any
) -> None:
    """A real table as another hand made it, rather than an error put in."""
    client, table = client_for("viewer"), populated["requests"]
    dynamo = clients.client(*table.location)
    bare = {**table.create_request(), "TableName": f"{table.name}-bare"}
    del bare["GlobalSecondaryIndexes"]
    bare["AttributeDefinitions"] = bare["AttributeDefinitions"][:1]
    dynamo.create_table(**bare)
    config = {**settings.DYNAMO_TABLES["requests"], "name": bare["TableName"]}
    settings.DYNAMO_TABLES = {**settings.DYNAMO_TABLES, "requests": config}
    dynamo.put_item(TableName=bare["TableName"], Item=request("alone"))
    for query in ("", "?user=u", "?sort=priority"):
        page = visit(client, f"/requests/{query}")
        assert page.ids == (["alone"] if "user" not in query else [])
        assert "This table has no index on" in page.words
    assert visit(client, "/requests/alone/").root.one("h1").words == "alone"
    dynamo.delete_table(TableName=bare["TableName"])
    missing = visit(client, "/requests/alone/", status=503)
    assert missing.problem.attrs["data-problem"] == "table_missing"
    assert "DYNAMODB_REQUESTS_TABLE" in missing.problem.words


def test_an_engine_that_is_not_there_is_said_to_be_away(client_for: Any) -> None:
    """Without the fixture of tables, port 9 refuses."""
    client = client_for("viewer")
    for url in ("/workflows/w/", "/agents/"):
        page = visit(client, url, status=503)
        assert page.problem.attrs["data-problem"] == "unreachable"
        assert "http://127.0.0.1:9" in page.problem.words
    panel = visit(client, "/panels/agents/")
    assert panel.problem.attrs["data-problem"] == "unreachable"
    answer = client.get("/api/workflow/x/status")
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")


def test_a_request_that_takes_too_long_is_given_up_in_words(
    populated: Any, client_for: Any, settings: Any
) -> None:
    client = client_for("viewer")
    settings.DYNAMO_REQUEST_DEADLINE = 0.000_001
    for url in ("/workflows/", "/workflows/w/", "/requests/", "/requests/r/", "/requests/r/logs/", "/agents/",
                "/requests/r/logs/?format=txt"):  # fmt: skip
        page = visit(client, url, status=503)
        assert page.problem.attrs["data-problem"] == "deadline"
        assert "longer than" in page.problem.words
        assert "narrow the filters" in page.problem.words
    for name in ("workflows", "requests", "agents"):
        panel = visit(client, f"/panels/{name}/")
        assert panel.problem.attrs["data-problem"] == "deadline"
    answer = client.get("/api/workflow/w/status")
    assert answer.status_code == 503
    assert "longer than" in answer.json()["detail"]
    settings.DYNAMO_REQUEST_DEADLINE = 5.0
    assert visit(client, "/workflows/").ids == ["w"]


def test_credentials_that_are_missing_are_told_with_the_chain(populated: Any, client_for: Any) -> None:
    for fault, words in (
        (boto.NoCredentialsError(), "No usable AWS credentials"),
        (
            refused("UnrecognizedClientException", "The security token included in the request is invalid."),
            "not known",
        ),
    ):
        with trouble(populated["agents"], fault):
            page = visit(client_for("viewer"), "/agents/", status=503)
        assert page.problem.attrs["data-problem"] == "credentials"
        assert words in page.problem.words


def test_a_page_recovers_by_its_next_poll(populated: Any, client_for: Any) -> None:
    client, table = client_for("viewer"), populated["requests"]
    page = visit(client, "/requests/")
    with trouble(table, refused("ThrottlingException", "Rate exceeded")):
        assert poll(client, page).status == 503
    assert poll(client, page).status == 204


def test_a_bug_is_a_500_that_tells_nothing_of_the_inside(populated: Any, client_for: Any) -> None:
    client = client_for("viewer")
    client.raise_request_exception = False
    with trouble(populated["workflows"], ZeroDivisionError("inside")):
        answer = client.get("/workflows/w/")
        assert answer.status_code == 500
        assert b"inside" not in answer.content
        answer = client.get("/api/workflow/w/status")
        assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
        assert b"inside" not in answer.content


@pytest.mark.parametrize(
    "where", ["opsportal.operations.resource_types.of_logical", "opsportal.operations.outbox.send_soon"]
)
def test_a_bug_after_the_commit_does_not_say_that_nothing_was_changed(
    tables: Any, client_for: Any, program: Any, settings: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """It can't know, and says where to look."""
    settings.REQUESTS_QUEUE_URL = "http://127.0.0.1:9/123456789012/requests"

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(where, broken)
    client, caller = client_for("operator"), program("operator")
    client.raise_request_exception = caller.client.raise_request_exception = False
    put(tables["requests"], request("r", status="failed", processing_strategy="sqs"))
    put(tables["requests"], request("s", status="failed", processing_strategy="sqs"))
    page = client.post("/requests/r/purge/", {"action_id": str(uuid.uuid4()), "reason": "", "confirm": "r"})
    assert page.status_code == 500
    assert "It is not known whether it was done" in Page(page, "/").words
    assert "nothing was" not in Page(page, "/").words
    assert len(trail(tables["requests"])) == 1
    answer = caller.post("/api/requests/s/retry")
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert "not known whether it was done" in answer.json()["detail"]
    assert "inside" not in answer.content.decode()


SOME = "5b6f0f0e-58a3-4d6e-9b0e-0d8d7d6c1a11"


def test_the_error_page_needs_nothing_that_may_be_broken() -> None:
    """It promises nothing of an effect, and of one that was asked for says that it is not known."""
    html = broken(RequestFactory().get("/requests/?a=b")).content.decode()
    assert "Server error" in html
    assert 'href="/requests/?a=b"' in html
    assert "not known" not in html
    assert "chang" not in html
    for form, link in (
        ({}, "/audit/"),
        ({"action_id": "no uuid"}, "/audit/"),
        ({"action_id": SOME}, f"/audit/{SOME}/"),
    ):
        html = broken(RequestFactory().post("/requests/", form)).content.decode()
        assert "It is not known whether it was done" in html
        assert f'href="{link}"' in html
    aimed = RequestFactory().post("/requests/a%2Fb/cancel/")
    aimed.resolver_match = resolve("/requests/a%2Fb/cancel/")
    assert 'href="/audit/?target=' in broken(aimed).content.decode()
