"""What changes something: once per key, told the same, refused with the state as it is."""

import json
import threading
import time
import uuid
from typing import Any

import pytest
from botocore import exceptions as boto

from tests.api.conftest import Program
from tests.operations.places import actor, dump, get, outbox, put, request_item, scan, trail
from tests.requests_app.submitting import data
from tests.trouble import trouble

pytestmark = pytest.mark.no_moto

CANCEL = "/api/requests/req-1/cancel"


@pytest.fixture
def table(tables: Any) -> Any:
    put(tables["requests"], request_item())
    return tables["requests"]


def replayed(answer: Any) -> bool:
    return answer.headers.get("Idempotency-Replayed") == "true"


def test_a_cancel_says_what_was_written_and_where_the_item_is(table: Any, program: Any) -> None:
    answer = program().post(CANCEL, {"reason": "wrong keywords"})
    document = answer.json()
    (entry,) = trail(table)
    item = get(table, "req-1")
    assert item is not None
    assert item["status"] == {"S": "cancelled"}
    assert answer.status_code == 200
    assert document == {
        "action_id": entry["action_id"]["S"],
        "action": "request:cancel",
        "target": {"kind": "requests", "id": "req-1"},
        "status": "cancelled",
        "by": "operator via token ci",
        "actor_id": actor(entry)[1],
        "at": entry["at"]["S"],
        "reason": "wrong keywords",
        "note": None,
        "url": "/api/requests/req-1",
    }
    assert not replayed(answer)


@pytest.mark.parametrize(
    "key",
    [
        "nightly-17",
        "x" * 200,
        "~!{}",
        "7d0f3c1e-5a9b-4f2d-9c8e-6b5a4d3c2f1e",
        "0C9D2F5E-3B1A-4D7C-8E6F-1A2B3C4D5E6F",
    ],
)
def test_the_same_key_and_content_have_one_effect_and_one_answer(table: Any, program: Any, key: str) -> None:
    caller: Program = program()
    first = caller.post(CANCEL, {"reason": "x"}, Idempotency_Key=key)
    again = caller.post(CANCEL, {"reason": "x"}, Idempotency_Key=key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert (replayed(first), replayed(again)) == (False, True)
    (entry,) = trail(table)
    if len(key) == 36:
        assert entry["action_id"]["S"] == key.lower()


def test_the_same_key_and_other_content_is_refused(table: Any, program: Any) -> None:
    caller: Program = program()
    put(table, request_item("req-2"))
    caller.post(CANCEL, {"reason": "x"}, Idempotency_Key="k")
    before = scan(table)
    for path, body in ((CANCEL, {"reason": "y"}), (CANCEL, None), ("/api/requests/req-2/cancel", {"reason": "x"}),
                       ("/api/requests/req-1/retry", {"reason": "x"})):  # fmt: skip
        answer = caller.post(path, body, Idempotency_Key="k")
        assert answer.status_code == 422, (path, body)
        assert answer.json()["errors"][0] == {
            "in": "header",
            "name": "Idempotency-Key",
            "detail": "This key was used for something else already.",
        }
    assert scan(table) == before


def test_two_callers_may_use_the_same_text(table: Any, program: Any) -> None:
    put(table, request_item("req-2"))
    one, two = program(), program(name="two")
    assert one.post(CANCEL, Idempotency_Key="k").status_code == 200
    answer = two.post("/api/requests/req-2/cancel", Idempotency_Key="k")
    assert (answer.status_code, replayed(answer)) == (200, False)


@pytest.mark.parametrize("key", ["", " ", "two words", "x" * 201, "é"])
def test_what_can_t_be_a_key_is_refused(table: Any, program: Any, key: str) -> None:
    before = scan(table)
    answer = program().post(CANCEL, Idempotency_Key=key)
    assert answer.status_code == 422
    assert scan(table) == before


def test_a_conflict_has_the_state_as_it_is(tables: Any, program: Any) -> None:
    put(tables["requests"], request_item(status="completed"))
    before = dump(tables)
    answer = program().post(CANCEL)
    document = answer.json()
    assert answer.status_code == 409
    assert document["detail"] == "It is completed: there is nothing to cancel."
    assert document["current"]["status"] == "completed"
    assert document["current"]["updated_at"]
    assert dump(tables) == before


def test_what_is_not_there_is_404(tables: Any, program: Any) -> None:
    before = dump(tables)
    for kind in ("requests", "workflows", "agents"):
        verb = "deactivate" if kind == "agents" else "cancel"
        answer = program(name=kind).post(f"/api/{kind}/none/{verb}")
        assert answer.status_code == 404
        assert answer.json()["current"] is None
    assert dump(tables) == before


@pytest.mark.parametrize(
    "body",
    [{"reason": 7}, {"reason": "x" * 2001}, {"reason": "a\x00b"}, {"why": "x"}, [], "x"],
)
def test_a_reason_has_bounds(table: Any, program: Any, body: Any) -> None:
    before = scan(table)
    answer = program().post(CANCEL, body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["in"] == "body"
    assert scan(table) == before


def test_where_aws_is_away_the_same_key_is_sent_again(table: Any, program: Any) -> None:
    caller: Program = program()
    away = boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
    with trouble(table, away):
        answer = caller.post(CANCEL, Idempotency_Key="k")
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert answer.json()["kind"] == "unreachable"
    answer = caller.post(CANCEL, Idempotency_Key="k")
    assert (answer.status_code, replayed(answer)) == (200, False)


def test_a_lost_answer_says_which_key_to_send(table: Any, program: Any, settings: Any) -> None:
    caller: Program = program()
    with trouble(table, boto.ReadTimeoutError(endpoint_url="http://127.0.0.1:1"), "TransactWriteItems"):
        answer = caller.post(CANCEL)
    document = answer.json()
    assert answer.status_code == 503
    assert f"Idempotency-Key: {document['action_id']}" in document["detail"]
    again = caller.post(CANCEL, Idempotency_Key=document["action_id"])
    assert again.json()["action_id"] == document["action_id"]


# --- Submissions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["k", "7d0f3c1e-5a9b-4f2d-9c8e-6b5a4d3c2f1e", "01939a5e-7c00-7000-8000-000000000000"]
)
def test_a_submission_under_one_key_is_one_request(tables: Any, program: Any, key: str) -> None:
    caller: Program = program()
    first = caller.post("/api/requests", data(), Idempotency_Key=key)
    again = caller.post("/api/requests", data(), Idempotency_Key=key)
    assert (first.status_code, again.status_code) == (201, 201), again.content
    assert first.json() == again.json()
    assert first["Location"] == first.json()["url"]
    assert replayed(again)
    (item,) = scan(tables["requests"])
    assert item["request_id"]["S"] == first.json()["target"]["id"]
    # The time in its id is that of the submission, whatever time a key may hold.
    milliseconds = int(item["request_id"]["S"].split("_")[1])
    assert abs(milliseconds / 1000 - time.time()) < 300


def test_null_for_an_optional_member_is_as_if_it_were_not_sent(tables: Any, program: Any) -> None:
    caller: Program = program()
    body = data() | {"extra": None}
    body["config"] = body["config"] | {"custom_params": None}
    sent = caller.post("/api/requests", body)
    assert sent.status_code == 201, sent.content
    (item,) = scan(tables["requests"])
    assert "extra" not in item
    assert item["config"]["M"]["custom_params"] == {"M": {}}
    cancelled = caller.post(f"/api/requests/{item['request_id']['S']}/cancel", {"reason": None})
    assert cancelled.status_code == 200, cancelled.content
    assert cancelled.json()["reason"] == ""


def test_a_submission_under_a_used_key_must_be_the_same(tables: Any, program: Any) -> None:
    caller: Program = program()
    caller.post("/api/requests", data(), Idempotency_Key="k")
    for changed in (data(priority="low"), data(keywords=["other"]), {**data(), "reason": "other"}):
        assert caller.post("/api/requests", changed, Idempotency_Key="k").status_code == 422
    assert len(scan(tables["requests"])) == 1


@pytest.mark.no_moto
def test_the_same_submission_sent_at_once_is_one_request(tables: Any, operator: Any) -> None:
    from opsportal.operations.entries import Actor
    from requests_app import actions, submission

    asked, action_id = submission.read(data()), str(uuid.uuid4())
    ends: list[Any] = []

    def submit() -> None:
        try:
            ends.append(
                actions.submit_once(
                    asked, by=Actor("service ci", "operator", "token:7"), reason="", action_id=action_id
                )
            )
        except Exception as error:
            ends.append(error)

    threads = [threading.Thread(target=submit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {end.entry.target.id for end in ends} == {scan(tables["requests"])[0]["request_id"]["S"]}
    assert len(scan(tables["requests"])) == 1
    assert [end.repeated for end in ends].count(False) == 1


def test_what_is_wrong_with_a_submission_is_said_with_its_path(tables: Any, program: Any) -> None:
    wrong = data(keywords=["ok", ""], batch_size=21, quality_threshold=2)
    wrong["config"]["sources"][0]["base_url"] = "ftp://x"
    wrong["surplus"] = 1
    wrong["priority"] = "soon"
    answer = program().post("/api/requests", wrong)
    assert answer.status_code == 422
    locations = {error["pointer"] for error in answer.json()["errors"]}
    assert locations == {
        "/config/keywords/1",
        "/config/batch_size",
        "/config/quality_threshold",
        "/config/sources/0/base_url",
        "/surplus",
        "/priority",
    }
    assert scan(tables["requests"]) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", "5"),
        ("max_retries", "0"),
        ("quality_threshold", "5e-1"),
        ("quality_threshold", "0.12345678"),
        ("custom_params", "{}"),
        ("custom_params", ""),
        ("custom_params", {"": 1}),
    ],
)
def test_what_a_form_has_as_text_is_of_its_own_type_in_json(
    tables: Any, program: Any, name: str, value: Any
) -> None:
    answer = program().post("/api/requests", data(**{name: value}))
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/config/{name}"]
    assert scan(tables["requests"]) == []


def test_an_unknown_type_is_refused_as_in_the_form(tables: Any, program: Any) -> None:
    answer = program().post("/api/requests", data(request_type="unheard_of"))
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {
            "in": "body",
            "pointer": "/request_type",
            "detail": "No recent request has this type, and it is not in the setting REQUEST_TYPES.",
        }
    ]


def test_numbers_of_a_submission_are_exact(tables: Any, program: Any) -> None:
    exact = b"0.1234567890123456789012345678901234567"
    body = json.dumps(data(custom_params={"x": 1})).encode().replace(b'{"x": 1}', b'{"x": ' + exact + b"}")
    assert program().post("/api/requests", body).status_code == 201
    (item,) = scan(tables["requests"])
    assert item["config"]["M"]["custom_params"]["M"]["x"] == {"N": exact.decode()}


def test_a_queue_s_request_sends_its_message(tables: Any, program: Any, settings: Any) -> None:
    answer = program().post("/api/requests", data(processing_strategy="sqs"))
    assert answer.json()["errors"][0]["pointer"] == "/processing_strategy"
    settings.REQUESTS_QUEUE_URL = "http://127.0.0.1:9/000000000000/requests"
    answer = program(name="two").post("/api/requests", data(processing_strategy="sqs"))
    assert answer.status_code == 201
    (message,) = outbox(tables["requests"])
    assert answer.json()["action_id"] in message["sk"]["S"]
