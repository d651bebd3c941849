"""The status API, answered as its front ends know it (seed 003 of docs/data.md)."""

import logging
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
import time_machine
from botocore import exceptions as boto
from django.urls import reverse

from opsportal.accounts import tokens
from opsportal.console.converters import quote_key
from tests.cases import each
from tests.factories import MISSING, Typed, put, raw, step, workflow
from tests.shapes import HARD_KEYS
from tests.trouble import denied, kinds, refused, trouble

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
PENDING = {
    "status": "pending", "startedAt": None, "completedAt": None, "duration": None, "error": None, "subSteps": [],
}  # fmt: skip


def status(client: Any, session: str, **headers: str) -> Any:
    return client.get(f"/api/workflow/{session}/status", headers=headers)


def test_a_session_that_nobody_wrote_is_pending(tables: Any, client_for: Any) -> None:
    answer = status(client_for("viewer"), "nonexistent-session")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    document = answer.json()
    assert document.pop("lastUpdated").endswith("Z")
    assert document == {
        "sessionId": "nonexistent-session",
        "agents": {
            "pdfAdapter": {**PENDING, "activity": "Waiting for upload"},
            "tradeExtraction": {**PENDING, "activity": "Waiting for PDF processing"},
            "tradeMatching": {**PENDING, "activity": "Waiting for extraction"},
            "exceptionManagement": {**PENDING, "activity": "No exceptions"},
        },
        "overallStatus": "pending",
    }


def test_the_documents_example_is_answered_literally(tables: Any, client_for: Any) -> None:
    put(
        tables["workflows"],
        raw(
            {
                "sessionId": "session-123",
                "correlationId": "corr",
                "overallStatus": "processing",
                "pdfAdapter": {
                    "status": "success",
                    "activity": "Text extraction complete",
                    "startedAt": "2025-12-24T10:00:00.000Z",
                    "completedAt": "2025-12-24T10:00:05.123+00:00Z",
                    "duration": Typed(N="5.123"),
                    "tokenUsage": {"inputTokens": 11689, "outputTokens": 2480, "totalTokens": 14169},
                },
                "tradeExtraction": {
                    "status": "error",
                    "error": "No trade found",
                    "duration": Typed(N="17.995"),
                },
                "createdAt": "2025-12-24T10:00:00Z",
                "lastUpdated": "2025-12-24T10:00:05.123Z",
            }
        ),
    )
    assert status(client_for("viewer"), "session-123").json() == {
        "sessionId": "session-123",
        "agents": {
            "pdfAdapter": {
                "status": "success",
                "activity": "Text extraction complete (Tokens: 14,169)",
                "startedAt": "2025-12-24T10:00:00.000Z",
                "completedAt": "2025-12-24T10:00:05.123Z",
                "duration": 5,
                "error": None,
                "subSteps": [],
            },
            "tradeExtraction": {
                **PENDING, "status": "error", "activity": None, "duration": 17, "error": "No trade found",
            },
            "tradeMatching": {**PENDING, "activity": "Waiting for extraction"},
            "exceptionManagement": {**PENDING, "activity": "No exceptions"},
        },
        "overallStatus": "processing",
        "lastUpdated": "2025-12-24T10:00:05.123Z",
    }  # fmt: skip


def test_tokens_are_told_beside_an_activity_only_when_there_are_any(tables: Any, client_for: Any) -> None:
    used = {"totalTokens": 2000}
    put(
        tables["workflows"],
        workflow(
            "tokens",
            pdfAdapter=step(tokenUsage=used),
            tradeExtraction=step(tokenUsage={"totalTokens": 0}),
            tradeMatching=step(tokenUsage=used, activity=MISSING),
            exceptionManagement=step(tokenUsage={"totalTokens": "many"}),
            extraStep=step("loading", tokenUsage=used, activity=Typed(L=[])),
        ),
    )
    agents = status(client_for("viewer"), "tokens").json()["agents"]
    assert [agent["activity"] for agent in agents.values()] == [
        "Text extraction complete (Tokens: 2,000)", "Text extraction complete", None, "Text extraction complete",
        '{"L": []} (Tokens: 2,000)',
    ]  # fmt: skip
    assert list(agents)[-1] == "extraStep"
    assert agents["extraStep"]["status"] == "loading"


@each(
    ("values", "expected"),
    [
        ({"duration": Typed(N="5.999")}, 5),
        ({"duration": "17.2"}, 17),
        ({"duration": MISSING}, 17),
        ({"duration": MISSING, "startedAt": MISSING}, None),
        ({"duration": -3, "startedAt": "2025-12-24T10:00:00Z", "completedAt": "2025-12-24T09:00:00Z"}, None),
        ({"duration": "long", "completedAt": "soon"}, None),
    ],
)
def test_durations_are_whole_seconds(tables: Any, client_for: Any, values: Any, expected: int | None) -> None:
    put(tables["workflows"], workflow("s", pdfAdapter=step(**values)))
    agent = status(client_for("viewer"), "s").json()["agents"]["pdfAdapter"]
    assert agent["duration"] == expected
    assert not isinstance(agent["duration"], float | Decimal)


def test_what_is_missing_or_odd_is_answered_as_it_is(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    put(tables["workflows"], raw({"sessionId": "bare"}))
    document = status(client, "bare").json()
    assert (document["overallStatus"], document["lastUpdated"]) == ("pending", None)
    put(
        tables["workflows"],
        workflow(
            "odd", overallStatus="WARNING", pdfAdapter="done", tradeMatching=step(["x"], error={"code": 1})
        ),
    )
    document = status(client, "odd").json()
    assert document["overallStatus"] == "WARNING"
    assert document["agents"]["pdfAdapter"]["status"] == "pending"
    assert document["agents"]["tradeMatching"]["status"] == '{"L": [{"S": "x"}]}'
    assert document["agents"]["tradeMatching"]["error"] == '{"M": {"code": {"N": "1"}}}'


def test_a_derived_start_is_answered_as_the_start(tables: Any, client_for: Any) -> None:
    values = {"startedAt": MISSING, "completedAt": "2025-12-24T10:00:17Z", "duration": 17}
    put(tables["workflows"], workflow("d", pdfAdapter=step(**values)))
    agent = status(client_for("viewer"), "d").json()["agents"]["pdfAdapter"]
    assert agent["startedAt"] == "2025-12-24T10:00:00.000Z"


@each(
    "path", ["a/b", "a%2Fb", "100%25", "x/status", "with%20space", "%F0%9F%9A%80", "x%0Ay", "~", "a%3Fb%23c"]
)
@pytest.mark.no_moto
def test_any_id_is_asked_for_by_its_path(tables: Any, client_for: Any, path: str) -> None:
    client = client_for("viewer")
    assert status(client, path).json()["sessionId"] == unquote(path)
    put(tables["workflows"], workflow(unquote(path)))
    document = status(client, path).json()
    assert (document["sessionId"], document["overallStatus"]) == (unquote(path), "processing")


@pytest.mark.no_moto
def test_the_pages_ids_never_break_the_api(tables: Any, client_for: Any) -> None:
    for key in HARD_KEYS:
        assert status(client_for("viewer"), quote_key(key)).status_code == 200


def test_nobody_without_a_right_is_answered(tables: Any, client_for: Any, django_user_model: Any) -> None:
    answer = status(client_for("anonymous"), "s")
    assert (answer.status_code, answer.json()["title"]) == (401, "Not signed in")
    assert "WWW-Authenticate" in answer.headers
    client = client_for("anonymous")
    client.force_login(
        django_user_model.objects.create_user("lone", is_staff=True),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    answer = status(client, "s")
    assert answer.status_code == 403
    assert "tracking.view_workflows" in answer.json()["detail"]
    assert client_for("viewer").post("/api/workflow/s/status").status_code == 405
    assert client_for("viewer").get("/api/workflow/s").status_code == 404


def test_trouble_is_a_503_with_the_documents_detail_and_a_trace(
    tables: Any, client_for: Any, caplog: pytest.LogCaptureFixture
) -> None:
    table, client = tables["workflows"], client_for("viewer")
    arn = f"arn:aws:dynamodb:us-east-1:1:table/{table.name}"
    caplog.set_level(logging.ERROR, "tracking.status_api")
    for fault, words in (
        (refused("ThrottlingException", "Rate exceeded"), "Rate exceeded"),
        (denied("GetItem", arn), "is not authorized to perform: dynamodb:GetItem"),
        (boto.ReadTimeoutError(endpoint_url="http://127.0.0.1:1"), "Read timeout"),
    ):
        caplog.clear()
        with trouble(table, fault):
            answer = status(client, "session%0A1", **{"X-Correlation-ID": "corr-77"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["X-Correlation-ID"] == "corr-77"
        document = answer.json()
        assert set(document) == {"type", "title", "status", "detail", "request_id"}
        assert document["status"] == 503
        assert document["detail"].startswith("Failed to get workflow status: ")
        assert words in document["detail"]
        (record,) = [record for record in caplog.records if record.name == "tracking.status_api"]
        # One line, whatever the id holds.
        assert record.getMessage().startswith(r"['session\n1'] DynamoDB query failed: ")
        assert words in record.getMessage()
        assert "corr-77" in record.getMessage()


@each("given", ["", "x" * 200, "with space", "a\tb"])
def test_a_correlation_id_that_is_no_id_is_replaced(tables: Any, client_for: Any, given: str) -> None:
    fault, _ = kinds(tables["workflows"])["throttled"]
    with trouble(tables["workflows"], fault):
        answer = status(client_for("viewer"), "s", **({"X-Correlation-ID": given} if given else {}))
    assert len(answer.headers["X-Correlation-ID"]) == 32
    assert answer.headers["X-Correlation-ID"].isalnum()


def test_the_documents_own_address_answers_the_same(
    tables: Any, client_for: Any, user_of: Any, settings: Any
) -> None:
    for key in ("s", "a/b", "x/status", "100%", "a\nb", "\N{ROCKET}"):
        put(tables["workflows"], workflow(key, pdfAdapter=step()))
    viewer, anonymous = client_for("viewer"), client_for("anonymous")
    owner = user_of("viewer")
    texts = [tokens.make(scope, [scope], made_by=owner, days=1, owner=owner, role="")[1]
             for scope in ("workflows:read", "agents:read")]  # fmt: skip
    bearers = [{"Authorization": f"Bearer {text}"} for text in (*texts, "nothing")]
    trace = {"X-Request-ID": "mine", "X-Correlation-ID": "corr"}

    def both(client: Any, path: str, method: str = "get", **sent: Any) -> Any:
        """The answers of both addresses, once they are the same."""
        headers = trace | sent.pop("headers", {})
        found = [getattr(client, method)(prefix + path, headers=headers, **sent) for prefix in ("/api", "")]
        one, other = ((answer.status_code, dict(answer.headers), answer.content) for answer in found)
        assert one == other
        return found[1]

    with time_machine.travel(NOW, tick=False):
        for quoted in (
            "s",
            "a/b",
            "a%2Fb",
            "x/status",
            "100%25",
            "a%0Ab",
            "%F0%9F%9A%80",
            "nobody/wrote%3Fit",
        ):
            answer = both(viewer, f"/workflow/{quoted}/status")
            assert (answer.status_code, answer.json()["sessionId"]) == (200, unquote(quoted))
            assert answer.headers["Cache-Control"] == "no-store"
        assert both(viewer, "/workflow/s/status", "head").content == b""
        assert (
            both(anonymous, "/workflow/s/status", headers=bearers[0]).json()["overallStatus"] == "processing"
        )
        for status, client, path, sent in (
            (401, anonymous, "/workflow/s/status", {}),
            (401, anonymous, "/workflow/s/status", {"headers": bearers[2]}),
            (403, anonymous, "/workflow/s/status", {"headers": bearers[1]}),
            (400, viewer, "/workflow/s/status?token=x", {}),
            (405, viewer, "/workflow/s/status", {"method": "post"}),
            (403, viewer, "/workflow/s/status", {"method": "post", "headers": {"Sec-Fetch-Site": "cross-site"}}),
            (415, viewer, "/workflow/s/status", {"headers": {"Content-Type": "text/plain; charset=hex"}}),
            (400, viewer, "/workflow/s/status", {"headers": {"Host": "not.ours"}}),
            (404, viewer, "/workflow/s", {}),
            (404, viewer, "/workflow//status", {}),
            (404, viewer, "/workflow/s/status/", {}),
        ):  # fmt: skip
            answer = both(client, path, **sent)
            assert (answer.status_code, answer.headers["Content-Type"]) == (
                status,
                "application/problem+json",
            )
        with trouble(tables["workflows"], refused("ThrottlingException", "Rate exceeded")):
            answer = both(viewer, "/workflow/s/status")
        assert (answer.status_code, answer.headers["X-Correlation-ID"]) == (503, "corr")
        settings.API_RATE_LIMIT = 1  # counted together, whichever address
        assert viewer.get("/workflow/s/status").status_code == 429
        assert viewer.get("/api/workflow/s/status").status_code == 429


def test_both_addresses_are_one_route_in_metrics_and_logs(
    tables: Any, client_for: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "opsportal.access")
    for path in ("/api/workflow/s/status", "/workflow/s/status"):
        client_for("viewer").get(path)
    lines = [record.route for record in caplog.records if record.name == "opsportal.access"]  # type: ignore[attr-defined]
    assert lines == ["api:workflow_status"] * 2
    assert reverse("api:workflow_status", args=["s"]) == "/api/workflow/s/status"
