"""Lists, items and logs of the API: the pages' own reads, whatever foreign items hold."""

import json
from typing import Any

import pytest
from hypothesis import given

from opsportal.console.converters import quote_key
from tests.api.conftest import Program
from tests.factories import MISSING, ago, naive, raw, workflow, zulu
from tests.operations.places import put, request_item
from tests.registry.test_actions import agent, operational
from tests.shapes import HARD_KEYS, few, items
from tests.trouble import kinds, trouble

pytestmark = pytest.mark.no_moto


def pages(caller: Program, path: str) -> list[list[Any]]:
    """Every page of a list."""
    found, cursor = [], ""
    for _ in range(20):
        answer = caller.get(f"{path}{'&' if '?' in path else '?'}cursor={cursor}")
        assert answer.status_code == 200, answer.content
        found.append(answer.json()["items"])
        cursor = answer.json()["next"]
        if not cursor:
            return found
    raise AssertionError("it never ends")


def log(number: int, **more: Any) -> dict[str, Any]:
    values = {
        "log_id": f"log_{number:03}",
        "request_id": "req-1",
        "timestamp": f"2026-11-20T10:00:00.{number:06}",
        "log_level": "INFO",
        "message": f"line {number}",
    }
    return raw({**values, **more})


# --- Lists --------------------------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_every_page_of_a_list_is_reached_by_its_cursor(tables: Any, program: Any) -> None:
    for number in range(60):
        put(tables["workflows"], workflow(f"s-{number}", createdAt=zulu(ago(minutes=number + 1))))
    found = pages(program(), "/api/workflows?status=PROCESSING")
    assert [len(page) for page in found] == [50, 10]
    ids = [item["id"] for page in found for item in page]
    assert ids == [f"s-{number}" for number in range(60)]


def test_a_list_has_the_pages_filters(tables: Any, program: Any) -> None:
    caller: Program = program()
    put(tables["workflows"], workflow("s-1", overallStatus="failed", sourceType="BANK"))
    put(
        tables["workflows"],
        workflow("s-2", sourceType="OTHER", overallStatus="FAILED", createdAt=zulu(ago(days=40))),
    )
    put(tables["workflows"], raw({"sessionId": "s-3"}))
    put(tables["requests"], request_item("req-1", status="failed"))
    put(tables["requests"], request_item("req-2", user_id={"S": "user-2"}, priority={"S": "low"}))

    def ids(path: str) -> list[str]:
        return [item["id"] for item in caller.get(path).json()["items"]]

    assert ids("/api/workflows?status=failed") == ["s-1"]
    assert ids("/api/workflows?status=failed&range=all") == ["s-1", "s-2"]
    assert ids("/api/workflows?source=BANK&range=all") == ["s-1"]
    assert ids("/api/workflows?q=s-1") == ["s-1"]
    assert ids("/api/workflows?outside=true") == ["s-3"]
    # What has no time is in every range.
    assert ids(f"/api/workflows?to={zulu(ago(days=30))}") == ["s-2", "s-3"]
    assert ids("/api/requests?status=failed") == ["req-1"]
    assert ids("/api/requests?user=user-2") == ["req-2"]
    assert ids("/api/requests?sort=priority") == ["req-1", "req-2"]
    assert ids("/api/requests?project=none") == []
    # What needs somebody, as the pages' filters of that name.
    still = {"updated_at": {"S": naive(ago(hours=1))}, "created_at": {"S": naive(ago(hours=2))}}
    still |= {"started_at": {"NULL": True}, "progress": {"NULL": True}}
    put(tables["requests"], request_item("req-3", status="pending", **still))
    put(
        tables["workflows"],
        workflow("s-4", createdAt=zulu(ago(days=2)), lastUpdated=zulu(ago(days=1)), pdfAdapter=MISSING),
    )
    assert ids("/api/requests?stuck=true") == ["req-3"]
    assert ids("/api/requests?attention=true&user=user-2") == ["req-2"]  # its error
    assert "req-3" in ids("/api/requests?attention=true")
    assert ids("/api/workflows?stuck=1") == ["s-4"]
    assert ids("/api/workflows?attention=1&status=failed") == ["s-1"]
    assert "req-2" in ids("/api/requests?stuck=false")


def test_a_cursor_is_of_one_list_and_its_filters(tables: Any, program: Any) -> None:
    caller: Program = program()
    for number in range(51):
        put(tables["requests"], request_item(f"req-{number:02}"))
    cursor = caller.get("/api/requests").json()["next"]
    assert caller.get(f"/api/requests?cursor={cursor}").status_code == 200
    for other in (f"/api/requests?status=failed&cursor={cursor}", f"/api/workflows?cursor={cursor}",
                  "/api/requests?cursor=made-up", f"/api/requests?cursor={cursor[:-2]}"):  # fmt: skip
        answer = caller.get(other)
        assert answer.status_code == 400, other
        assert answer.json()["kind"] == "malformed_cursor"


@pytest.mark.parametrize(
    "query",
    [
        "range=2d",
        "from=yesterday",
        "to=1763600000",
        "sort=best",
        "outside=maybe",
        "state=failed",
        "cursor=" + "x" * 20_001,
        "status=failed&status=completed",
        "status=",
        "user=",
        "range=",
    ],
)
def test_a_parameter_that_is_nonsense_is_named(tables: Any, program: Any, query: str) -> None:
    answer = program().get(f"/api/requests?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["in"] == "query"
    assert answer.json()["errors"][0]["name"] == query.partition("=")[0]


@pytest.mark.parametrize("kind", ["workflows", "requests", "audit"])
@pytest.mark.parametrize(
    "query",
    [
        "to=2026-11-20T09:00:00Z&from=2026-11-20T10:00:00Z",
        "to=2026-11-20T09:00:00&from=2026-11-20T12:00:00%2B02:00",
    ],
)
def test_a_time_that_ends_before_it_begins_is_refused(program: Any, kind: str, query: str) -> None:
    answer = program().get(f"/api/{kind}?{query}")
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error == {"in": "query", "name": "to", "detail": "It is before `from`: swap the two."}


@pytest.mark.parametrize(
    "query",
    [
        "from=9999-12-31T23:59:59-14:00",
        "to=0001-01-01T00:00:00%2B14:00",
    ],
)
@pytest.mark.parametrize("kind", ["workflows", "requests", "audit"])
def test_a_time_at_which_nothing_can_be_lists_nothing(
    tables: Any, program: Any, kind: str, query: str
) -> None:
    """Rather than everything, as it would if it were passed over."""
    caller: Program = program()
    put(tables["workflows"], workflow("s-1"))
    put(tables["requests"], request_item())
    assert caller.post("/api/requests/req-1/cancel").status_code == 200
    answer = caller.get(f"/api/{kind}?{query}")
    assert (answer.status_code, answer.json().get("items")) == (200, []), answer.content


# --- Items, whatever they hold ----------------------------------------------------------------------------------


def test_an_item_is_answered_whole(tables: Any, program: Any) -> None:
    caller: Program = program()
    exact = {"L": [{"N": "9007199254740993"}, {"N": "0.12345678901234567890123"}]}
    put(tables["workflows"], workflow("s-1", invocationId="i", blob=b"\x00\xff") | {"exact": exact})
    answer = caller.get("/api/workflows/s-1")
    document = answer.json()
    assert b'"exact": [9007199254740993, 0.12345678901234567890123]' in answer.content
    assert document["url"] == "/api/workflows/s-1"
    assert document["attributes"]["invocationId"] == "i"
    assert document["attributes"]["blob"] == "AP8="
    assert document["steps"][0]["key"] == "pdfAdapter"
    put(tables["requests"], request_item())
    document = caller.get("/api/requests/req-1").json()
    assert (document["status"], document["progress"]["percentage"], document["error"]) == (
        "processing", 42.5, "HTTP 503",
    )  # fmt: skip


def test_ids_of_any_kind_have_an_address(tables: Any, program: Any) -> None:
    caller: Program = program()
    for key in HARD_KEYS[:22:3]:
        put(tables["requests"], request_item(key))
        put(tables["agents"], agent(agentId={"S": key}))
    urls = [item["url"] for page in pages(caller, "/api/requests") for item in page]
    assert len(urls) == 8
    for url in urls:
        answer = caller.get(url)
        assert (answer.status_code, answer.json()["url"]) == (200, url)
    for key in HARD_KEYS[:22:3]:
        assert caller.get(f"/api/agents/{quote_key(key)}").json()["agent"]["id"] == key


@few
@given(item=items(workflow("s"), "sessionId", indexed=("overallStatus", "createdAt")))
def test_any_workflow_is_answered(tables: Any, program: Any, item: Any) -> None:
    _answers(tables["workflows"], program, "workflows", item)


@few
@given(item=items(request_item(), "request_id", indexed=("user_id", "project_id", "status", "created_at", "processing_strategy", "priority")))  # fmt: skip
def test_any_request_is_answered(tables: Any, program: Any, item: Any) -> None:
    _answers(tables["requests"], program, "requests", item)


@few
@given(item=items(agent() | operational(), "agentId"))
def test_any_agent_is_answered_and_discovered(tables: Any, program: Any, item: Any) -> None:
    _answers(tables["agents"], program, "agents", item)


def _answers(table: Any, program: Any, kind: str, item: Any) -> None:
    from opsportal.accounts.tokens import ApiToken
    from registry import versions

    ApiToken.objects.all().delete()
    caller: Program = program()
    put(table, item)
    versions.written()
    key = item[table.key]["S"]
    answer = caller.get(f"/api/{kind}/{quote_key(key)}")
    assert answer.status_code == 200, answer.content
    document = answer.json()
    assert (document["agent"] if kind == "agents" else document)["id"] == key
    for path in (
        (f"/api/{kind}",) if kind == "agents" else (f"/api/{kind}?outside=true", f"/api/{kind}?range=all")
    ):
        listed = caller.get(path)
        assert listed.status_code == 200, listed.content
    if kind == "agents":
        assert key in [one["id"] for one in caller.get("/api/agents").json()["agents"]]


def test_markup_and_controls_are_data(tables: Any, program: Any) -> None:
    evil = "<script>alert(1)</script>\x00\u202e"
    put(tables["requests"], request_item(status_message={"S": evil}))
    answer = program().get("/api/requests/req-1")
    assert answer["Content-Type"].startswith("application/json")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer.json()["status_message"] == evil


# --- Logs ------------------------------------------------------------------------------------------------------------


def test_logs_come_in_pages_newest_first(tables: Any, program: Any) -> None:
    for number in range(5):
        put(tables["request_logs"], log(number, log_level="ERROR" if number % 2 else "info"))
    caller: Program = program()
    url = "/api/requests/req-1/logs"
    assert [line["message"] for line in caller.get(url).json()["items"]] == [
        f"line {n}" for n in (4, 3, 2, 1, 0)
    ]
    assert [line["id"] for line in caller.get(f"{url}?level=error").json()["items"]] == ["log_003", "log_001"]
    assert len(caller.get(f"{url}?level=info").json()["items"]) == 5, "that level and those above"
    for query in ("level=", "until=", "level=&format=ndjson"):
        assert caller.get(f"{url}?{query}").status_code == 422
    until = caller.get(url).json()["items"][3]["timestamp"]
    assert [line["id"] for line in caller.get(f"{url}?until={until}").json()["items"]] == [
        "log_001",
        "log_000",
    ]


def test_logs_are_streamed_oldest_first_with_the_same_filter(tables: Any, program: Any) -> None:
    for number in range(5):
        put(
            tables["request_logs"],
            log(number, message="two\nlines", log_level="ERROR" if number % 2 else "info"),
        )
    answer = program().get("/api/requests/req-1/logs?format=ndjson&level=ERROR")
    assert answer["Content-Type"] == "application/x-ndjson"
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["log_001", "log_003"]


def test_logs_of_nothing_are_404(tables: Any, program: Any) -> None:
    caller: Program = program()
    for query in ("", "?format=ndjson"):
        assert caller.get(f"/api/requests/none/logs{query}").status_code == 404
    put(tables["requests"], request_item())
    assert caller.get("/api/requests/req-1/logs").json()["items"] == []
    assert b"".join(caller.get("/api/requests/req-1/logs?format=ndjson").streaming_content) == b""


def test_a_stream_that_ends_early_says_so(tables: Any, program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from opsportal.dynamo.errors import Throttled
    from requests_app import log_api
    from requests_app.models import ProcessingLog

    def broken(wanted: Any) -> Any:
        yield ProcessingLog.from_item(log(1))
        raise Throttled("It is too much.")

    monkeypatch.setattr(log_api.logs, "all_lines", broken)
    answer = program().get("/api/requests/req-1/logs?format=ndjson")
    *_, last = b"".join(answer.streaming_content).decode().splitlines()
    assert json.loads(last) == {"incomplete": "It is too much."}


# --- Audit, trouble --------------------------------------------------------------------------------------------------


def test_the_trail_is_read_by_its_filters_and_entry_by_entry(tables: Any, program: Any) -> None:
    caller: Program = program()
    put(tables["requests"], request_item())
    done = caller.post("/api/requests/req-1/cancel", {"reason": "why"}).json()
    caller.post("/api/agents/register", {"profile": {"id": "a", "endpoint": "https://x.example"}})

    def actions(query: str) -> list[str]:
        return [entry["action"] for entry in caller.get(f"/api/audit?{query}").json()["items"]]

    assert actions("") == ["agent:register", "request:cancel"]
    assert actions("action=request:cancel") == ["request:cancel"]
    assert actions("target=a") == ["agent:register"]
    assert actions("kind=requests") == ["request:cancel"]
    assert actions("actor=operator%20via%20token%20ci") == ["agent:register", "request:cancel"]
    assert actions("actor=operator") == []
    entry = caller.get(f"/api/audit/{done['action_id']}").json()
    assert (entry["reason"], entry["target"]["id"]) == ("why", "req-1")
    assert {"path": ["status"], "before": "processing", "after": "cancelled"} in entry["changes"]


@pytest.mark.parametrize("key", ["nothing", "00000000-0000-4000-8000-000000000000", "a~2Fb", "x%23image"])
def test_an_entry_that_is_not_there_is_404(tables: Any, program: Any, key: str) -> None:
    assert program().get(f"/api/audit/{key}").status_code == 404


@pytest.mark.parametrize(
    ("logical", "path"),
    [
        ("workflows", "/api/workflows"),
        ("requests", "/api/requests/req-1"),
        ("request_logs", "/api/requests/req-1/logs"),
        ("agents", "/api/agents"),
    ],
)
def test_trouble_with_a_table_is_503_and_says_when_to_come_back(
    tables: Any, program: Any, logical: str, path: str
) -> None:
    caller: Program = program()
    for kind, (fault, _) in kinds(tables[logical]).items():
        if kind == "index_missing":
            continue
        with trouble(tables[logical], fault):
            answer = caller.get(path)
        document = answer.json()
        assert (answer.status_code, document["kind"]) == (503, kind), document
        assert int(answer["Retry-After"]) > 0
        assert document["request_id"] == answer["X-Request-ID"]
