"""Marking requests and workflows failed or completed by programs."""

import random
from typing import Any

import pytest
from botocore import exceptions as boto

from tests import dumps
from tests.api.conftest import Program
from tests.operations.places import dump, get, images, put, request_item, trail
from tests.tracking.test_actions import workflow
from tests.trouble import trouble

pytestmark = pytest.mark.no_moto

VERBS = {"fail": "failed", "complete": "completed"}
KINDS = {"requests": ("req-1", "status"), "workflows": ("s-1", "overallStatus")}


@pytest.fixture
def stock(tables: Any) -> Any:
    def again() -> None:
        put(tables["requests"], request_item(status="queued"))
        dumps.put(tables["workflows"], "s-1", workflow("queued"))

    again()
    return again


def replayed(answer: Any) -> bool:
    return answer.headers.get("Idempotency-Replayed") == "true"


def test_a_mark_has_one_effect_under_one_key(tables: Any, stock: Any, program: Any) -> None:
    for kind, (key, attribute) in KINDS.items():
        for verb, status in VERBS.items():
            stock()
            caller: Program = program("administrator", f"{kind[:-1]}:{verb}", name=f"{kind}-{verb}")
            path, body = f"/api/{kind}/{key}/{verb}", {"reason": "it hangs"}
            first = caller.post(path, body, Idempotency_Key="k")
            again = caller.post(path, body, Idempotency_Key="k")
            assert (first.status_code, again.status_code) == (200, 200), first.content
            assert first.json() == again.json()
            assert (replayed(first), replayed(again)) == (False, True)
            document = first.json()
            assert (document["action"], document["status"], document["reason"]) == (
                f"{kind[:-1]}:{verb}", status, "it hangs",
            )  # fmt: skip
            item = get(tables[kind], key) or {}
            assert item[attribute] == {"S": status}
            assert document["by"] == f"administrator via token {kind}-{verb}"
            assert caller.post(path, {"reason": "another"}, Idempotency_Key="k").status_code == 422
            other = caller.post(path, body)
            assert other.status_code == 409
            assert (
                other.json()["detail"] == f"It is {status}; only what is not finished can be marked {status}."
            )
            assert other.json()["current"][attribute] == status
            missing = caller.post(f"/api/{kind}/none/{verb}", body)
            assert (missing.status_code, missing.json()["current"]) == (404, None)
    assert len(trail(tables["requests"])) == 4


def test_a_failure_says_why(tables: Any, stock: Any, program: Any) -> None:
    caller: Program = program("operator")
    before = dump(tables)
    for kind, (key, _) in KINDS.items():
        for body in (
            None,
            {},
            {"reason": ""},
            {"reason": " \n "},
            {"reason": "a\x00b"},
            {"reason": "x" * 2001},
        ):
            answer = caller.post(f"/api/{kind}/{key}/fail", body)
            assert answer.status_code == 422, body
    assert dump(tables) == before
    assert caller.post("/api/requests/req-1/fail", {"reason": "  it hangs\n"}).json()["reason"] == "it hangs"
    errors = (get(tables["requests"], "req-1") or {})["errors"]["L"]
    assert errors[-1]["S"].endswith(": it hangs")
    shown = caller.get("/api/requests/req-1").json()
    assert [one["kind"] for one in shown["findings"]] == ["marked"]


def test_a_lost_answer_says_which_key_to_send(tables: Any, stock: Any, program: Any) -> None:
    caller: Program = program("operator")
    body = {"reason": "it hangs"}
    for kind, (key, attribute) in KINDS.items():
        path, lost = f"/api/{kind}/{key}/fail", boto.ReadTimeoutError(endpoint_url="http://127.0.0.1:1")
        with trouble(tables[kind], lost, "TransactWriteItems"):
            answer = caller.post(path, body)
        assert answer.status_code == 503
        again = caller.post(path, body, Idempotency_Key=answer.json()["action_id"])
        assert again.json()["action_id"] == answer.json()["action_id"]
        assert (get(tables[kind], key) or {})[attribute] == {"S": "failed"}


def test_what_is_too_large_for_a_copy_is_marked_without_one(tables: Any, program: Any) -> None:
    """Nothing is lost by it: the entry has both sides of what it changes."""
    put(tables["requests"], request_item(blob={"B": random.Random(1).randbytes(392_000)}))
    assert program("operator").post("/api/requests/req-1/fail", {"reason": "x"}).status_code == 200
    assert images(tables["requests"]) == []


def test_a_stuck_request_is_retried_by_a_program_too(tables: Any, program: Any) -> None:
    stamp = {"S": "2025-12-24T10:00:00.000000"}
    still = dict.fromkeys(("created_at", "updated_at", "started_at"), stamp)
    put(tables["requests"], request_item(**still, progress=None))
    answer = program().post("/api/requests/req-1/retry")
    assert (answer.status_code, answer.json()["status"]) == (200, "pending")
