"""Cancel and retry of a request: what they allow, what they write, and what they leave alone."""

import json
import random
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from opsportal.aws import QueueTrouble, message_text
from opsportal.operations import outbox as outgoing
from opsportal.operations.changes import delete_request
from opsportal.operations.entries import Actor, new_action_id
from opsportal.operations.item_actions import ItemAction
from opsportal.operations.observation import Outcome, observe
from opsportal.operations.transactions import Conflict, NotFound
from requests_app import action_views, actions
from requests_app.action_views import ACTIONS
from tests.operations.places import (
    FOREIGN,
    client,
    dump,
    get,
    outbox,
    put,
    request_item,
    trail,
)

OLGA = Actor("olga", "operator", "user:1001")
NULL = {"NULL": True}
NAIVE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")


def do(verb: str, request_id: str = "req-1", reason: str = "", **more: Any) -> Any:
    action: ItemAction = getattr(action_views, verb.upper())
    return action.act(request_id, by=more.pop("by", OLGA), reason=reason, **more)


def why_not(verb: str, raw: dict[str, Any], **data: Any) -> str:
    """Why the button of that action can't be pressed."""
    action: ItemAction = getattr(action_views, verb.upper())
    return action.why_not("req-1", raw, **data)


def told(entry: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The changes of a stored entry: path -> (old, new)."""
    found = {}
    for change in entry["changes"]["L"]:
        members = change["M"]
        sides = [members.get(side, {"M": {"value": None}})["M"].get("value") for side in ("old", "new")]
        found[".".join(part["S"] for part in members["path"]["L"])] = (sides[0], sides[1])
    return found


# --- Which are allowed ----------------------------------------------------------------------------------

# What nobody knows may go on, and is no end.
CANCELLABLE = ["pending", "processing", "executing", "PENDING", " Processing ", "queued", "archived", ""]
RETRYABLE = ["failed", "cancelled", "FAILED", "Cancelled"]
OTHERS = ["completed", "COMPLETED"]


@pytest.mark.parametrize(
    ("verb", "allowed"), [("cancel", CANCELLABLE), ("retry", RETRYABLE)], ids=["cancel", "retry"]
)
@pytest.mark.no_moto
def test_the_status_in_any_case_decides(tables: dict[str, Any], verb: str, allowed: list[str]) -> None:
    for number, status in enumerate([*CANCELLABLE, *RETRYABLE, *OTHERS]):
        put(tables["workflows"], {"sessionId": {"S": "bystander"}})
        request_id = f"req-{number}"
        item = put(tables["requests"], request_item(request_id, status))
        if status in allowed:
            do(verb, request_id)
            assert get(tables["requests"], request_id) != item
            continue
        before = dump(tables)
        with pytest.raises(Conflict) as refused:
            do(verb, request_id)
        assert refused.value.item == item
        assert status.strip() in refused.value.sentence
        assert dump(tables) == before


@pytest.mark.parametrize("verb", ["cancel", "retry", "purge"])
@pytest.mark.no_moto
def test_what_is_not_there_is_missing(tables: dict[str, Any], verb: str) -> None:
    before = dump(tables)
    with pytest.raises(NotFound, match="no request with this id"):
        do(verb, "no such")
    assert dump(tables) == before


# Stuck, where its status is an open one.
STAMP = {"S": "2025-12-24T10:00:00.000000"}
LONG_AGO = {
    "created_at": STAMP,
    "updated_at": STAMP,
    "started_at": STAMP,
    "progress": {"M": {"percentage": {"N": "42.5"}, "last_updated": STAMP}},
}


@pytest.mark.no_moto
def test_what_is_stuck_is_retried_in_one_step(tables: dict[str, Any], settings: Any) -> None:
    """In an open status that a document or a setting names, and has not moved by any of its stamps."""
    table = tables["requests"]
    for number, status in enumerate(["pending", "Processing", "executing", "queued"]):
        settings.REQUEST_EXTRA_STATUSES = ["Queued"] if status == "queued" else []
        put(table, request_item(f"req-{number}", status, **LONG_AGO))
        entry = do("retry", f"req-{number}").entry
        after = get(table, f"req-{number}") or {}
        assert after["status"] == {"S": "pending"}
        assert after["started_at"] == NULL
        assert after["progress"]["M"]["percentage"] == {"N": "0"}
        assert after["processing_metadata"]["M"]["retry_count"] == {"N": "1"}
        line = after["processing_metadata"]["M"]["status_history"]["L"][-1]["M"]
        assert (line["old_status"], line["new_status"]) == ({"S": status}, {"S": "pending"})
        # A worker that was alive after all, and puts back what it remembers.
        memory = request_item(
            f"req-{number}", status, **{**LONG_AGO, "updated_at": {"S": "2099-01-01T00:00:00"}}
        )
        assert fate(entry, memory) == (Outcome.OVERWRITTEN, True)
    settings.REQUEST_EXTRA_STATUSES = []
    now = {"S": datetime.now(UTC).isoformat()}
    moved = [{name: now} for name in ("created_at", "updated_at", "started_at")]
    for status, more in [
        ("queued", {}),
        ("archived", {}),
        *(("processing", one) for one in [*moved, {"progress": {"M": {"last_updated": now}}}]),
    ]:
        put(table, request_item("other", status, **{**LONG_AGO, **more}))
        before = dump(tables)
        with pytest.raises(Conflict, match=f"It is {status}; only what failed, was cancelled or is stuck"):
            do("retry", "other")
        assert dump(tables) == before


@pytest.mark.no_moto
def test_a_worker_that_moves_in_between_keeps_its_stuck_request(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that renews the stamp of its progress alone."""
    item = put(tables["requests"], request_item(**LONG_AGO))
    moved = {**item, "progress": {"M": {"last_updated": {"S": datetime.now(UTC).isoformat()}}}}
    has_stopped = actions.has_stopped

    def slowly(raw: Any, now: Any = None) -> bool:
        put(tables["requests"], moved)
        return has_stopped(raw, now)

    monkeypatch.setattr(actions, "has_stopped", slowly)
    with pytest.raises(Conflict, match="in the meantime") as refused:
        do("retry")
    assert refused.value.item == moved
    assert get(tables["requests"], "req-1") == moved


@pytest.mark.parametrize(
    "status", [{"N": "5"}, {"L": [{"S": "pending"}]}, {"M": {"S": {"S": "failed"}}}, {"B": b"failed"}, NULL]
)
def test_a_status_of_another_type_is_no_end(status: dict[str, Any]) -> None:
    raw = request_item(status=None, **LONG_AGO) | {"status": status}
    assert not why_not("cancel", raw)
    assert why_not("retry", raw)
    assert why_not("purge", raw)
    assert not why_not("purge", raw, unfinished=True)


# --- What they write ------------------------------------------------------------------------------------


def test_a_cancel_writes_this(tables: dict[str, Any]) -> None:
    before = put(tables["requests"], request_item(**FOREIGN))
    action_id = new_action_id()
    do("cancel", reason="wrong project", action_id=action_id)
    after = get(tables["requests"], "req-1")
    assert after is not None
    moment = after["updated_at"]["S"]
    assert NAIVE.fullmatch(moment)
    history = before["processing_metadata"]["M"]["status_history"]["L"]
    change = {
        "M": {
            "timestamp": {"S": moment},
            "old_status": {"S": "processing"},
            "new_status": {"S": "cancelled"},
            "message": {"S": "wrong project"},
        }
    }
    assert after == {
        **before,
        "status": {"S": "cancelled"},
        "completed_at": {"S": moment},
        "updated_at": {"S": moment},
        "processing_metadata": {
            "M": {"retry_count": {"N": "0"}, "status_history": {"L": [*history, change]}}
        },
    }
    (entry,) = trail(tables["requests"])
    changes = told(entry)
    assert changes["status"] == ({"S": "processing"}, {"S": "cancelled"})
    assert changes["completed_at"] == (NULL, {"S": moment})
    assert set(changes) == {"status", "completed_at", "updated_at", "processing_metadata.status_history"}
    assert entry["condition"]["S"].startswith("status as read and updated_at as read")
    assert entry["watch"]["M"] == {"status": {"S": "cancelled"}, "updated_at": {"S": moment}}
    assert outbox(tables["requests"]) == []


def test_a_retry_writes_this(tables: dict[str, Any]) -> None:
    progress = {
        "M": {
            "percentage": {"N": "42.5"},
            "current_stage": {"S": "content_extraction"},
            "worker's own": {"M": FOREIGN},
        }
    }
    metadata = {"retry_count": {"N": "1"}, "status_history": {"L": []}, "worker": {"M": FOREIGN}}
    before = put(
        tables["requests"],
        request_item(
            status="failed",
            progress=progress,
            processing_metadata={"M": metadata},
            completed_at={"S": "2025-12-24T10:00:00.000000"},
            results={"M": {"part": {"N": "1"}}},
            ttl={"N": "1766570400"},
            **FOREIGN,
        ),
    )
    do("retry")
    after = get(tables["requests"], "req-1")
    assert after is not None
    moment = after["updated_at"]
    cleared = {"status_message": NULL, "completed_at": NULL, "started_at": NULL}
    rest = {
        name: value
        for name, value in before.items()
        if name not in ("progress", "processing_metadata", "ttl")
    }
    assert {name: after[name] for name in rest} == {
        **rest,
        **cleared,
        "status": {"S": "pending"},
        "updated_at": moment,
    }
    assert "ttl" not in after
    assert after["progress"]["M"] == {
        "current_stage": {"S": "initialization"},
        "percentage": {"N": "0"},
        "urls_found": {"N": "0"},
        "content_extracted": {"N": "0"},
        "processing_errors": {"N": "0"},
        "estimated_completion": NULL,
        "last_updated": moment,
        "worker's own": before["progress"]["M"]["worker's own"],
    }
    kept = after["processing_metadata"]["M"]
    assert kept["worker"] == before["processing_metadata"]["M"]["worker"]
    assert kept["retry_count"] == {"N": "2"}
    (entry,) = kept["status_history"]["L"]
    assert entry["M"]["message"] == {"S": "Retried by olga"}
    changes = told(trail(tables["requests"])[0])
    assert changes["ttl"] == ({"N": "1766570400"}, None)
    assert changes["progress.percentage"] == ({"N": "42.5"}, {"N": "0"})
    assert changes["processing_metadata.retry_count"] == ({"N": "1"}, {"N": "2"})


def test_it_writes_its_stamps_as_the_item_has_them(tables: dict[str, Any]) -> None:
    put(tables["requests"], request_item(updated_at={"S": "2025-12-24T10:00:00Z"}))
    do("cancel")
    after = get(tables["requests"], "req-1")
    assert after is not None
    for stamp in (after["updated_at"]["S"], after["completed_at"]["S"]):
        assert stamp.endswith("Z")
        assert NAIVE.fullmatch(stamp[:-1])


@pytest.mark.parametrize("missing", [None, NULL], ids=["missing", "null"])
@pytest.mark.parametrize(("verb", "status"), [("cancel", "processing"), ("retry", "failed")])
def test_maps_that_are_missing_are_made(tables: dict[str, Any], verb: str, status: str, missing: Any) -> None:
    absent = {
        "progress": missing,
        "processing_metadata": missing,
        "updated_at": missing,
        "status_message": None,
    }
    put(tables["requests"], request_item(status=status, **absent))
    do(verb)
    after = get(tables["requests"], "req-1")
    assert after is not None
    made = after["processing_metadata"]["M"]
    assert [change["M"]["old_status"] for change in made["status_history"]["L"]] == [{"S": status}]
    assert made.get("retry_count") == ({"N": "1"} if verb == "retry" else None)
    if verb == "retry":
        assert after["progress"]["M"]["percentage"] == {"N": "0"}
        assert after["completed_at"] == after["started_at"] == NULL
        assert "status_message" not in after


@pytest.mark.parametrize(
    "junk",
    [{"S": "metadata as text"}, {"L": [{"S": "x"}]}, {"N": "7"}, {"SS": ["a"]}],
    ids=["text", "list", "number", "set"],
)
@pytest.mark.parametrize(("verb", "status"), [("cancel", "processing"), ("retry", "failed")])
def test_what_is_no_map_or_no_list_is_left_alone(
    tables: dict[str, Any], verb: str, status: str, junk: dict[str, Any]
) -> None:
    put(tables["requests"], request_item("whole", status, processing_metadata=junk))
    do(verb, "whole")
    after = get(tables["requests"], "whole")
    assert after is not None
    assert after["processing_metadata"] == junk
    assert after["status"]["S"] == {"cancel": "cancelled", "retry": "pending"}[verb]
    if "L" in junk:
        return
    put(tables["requests"], request_item("part", status, processing_metadata={"M": {"status_history": junk}}))
    do(verb, "part")
    after = get(tables["requests"], "part")
    assert after is not None
    assert after["processing_metadata"]["M"]["status_history"] == junk


def test_a_mistyped_progress_becomes_a_fresh_one_that_the_entry_remembers(tables: dict[str, Any]) -> None:
    put(tables["requests"], request_item(status="failed", progress={"S": "half"}))
    do("retry")
    assert get(tables["requests"], "req-1")["progress"]["M"]["percentage"] == {"N": "0"}  # type: ignore[index]
    assert told(trail(tables["requests"])[0])["progress"][0] == {"S": "half"}


@pytest.mark.parametrize("count", [{"S": "two"}, {"N": "-3"}, {"N": "1E+100"}, {"L": []}, NULL])
def test_a_retry_count_that_can_not_be_read_counts_as_zero(count: dict[str, Any]) -> None:
    assert actions.retry_count({"processing_metadata": {"M": {"retry_count": count}}}) == 0
    assert actions.retry_count({"processing_metadata": {"M": {"retry_count": {"S": "4"}}}}) == 4


def test_a_table_with_another_key_and_another_ttl_attribute(tables: dict[str, Any], settings: Any) -> None:
    settings.DYNAMO_TABLES = {
        **settings.DYNAMO_TABLES,
        "requests": {**settings.DYNAMO_TABLES["requests"], "ttl_attribute": "expires"},
    }
    put(tables["requests"], request_item(status="failed", expires={"N": "1"}, ttl={"S": "of another"}))
    do("retry")
    after = get(tables["requests"], "req-1")
    assert after is not None
    assert "expires" not in after
    assert after["ttl"] == {"S": "of another"}


# --- Strategy sqs ---------------------------------------------------------------------------------------


def test_a_retry_by_queue_needs_the_queue(tables: dict[str, Any], settings: Any) -> None:
    settings.REQUESTS_QUEUE_URL = ""
    put(tables["requests"], request_item(status="failed", processing_strategy={"S": "SQS"}))
    before = dump(tables)
    with pytest.raises(Conflict, match="REQUESTS_QUEUE_URL is missing"):
        do("retry")
    assert dump(tables) == before
    put(tables["requests"], request_item(processing_strategy={"S": "sqs"}))
    do("cancel")  # which sends nothing


def test_a_retry_by_queue_sends_the_message_of_the_documents(
    tables: dict[str, Any], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REQUESTS_QUEUE_URL = "http://127.0.0.1:9/123456789012/requests"
    sent: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr("requests_app.outgoing.send_message", lambda url, body: sent.append((url, body)))
    config = {
        "M": {
            "keywords": {"L": [{"S": "insulin"}]},
            "quality_threshold": {"N": "0.7"},
            "batch_size": {"N": "5"},
            "max_retries": {"N": "3"},
            "tags": {"SS": ["b", "a"]},
            "signature": {"B": b"\x00"},
            "limits": {"NS": ["2", "1.5"]},
            "none": NULL,
        }
    }
    put(tables["requests"], request_item(status="failed", processing_strategy={"S": "sqs"}, config=config))
    action_id = new_action_id()
    do("retry", action_id=action_id)
    ((url, body),) = sent
    assert url == settings.REQUESTS_QUEUE_URL
    submitted = body["metadata"].pop("submitted_at")
    assert NAIVE.fullmatch(submitted)
    assert json.loads(message_text(body)) == {
        "request_id": "req-1",
        "project_id": "project-1",
        "user_id": "user-1",
        "request_type": "market_intelligence",
        "priority": "high",
        "configuration": {
            "keywords": ["insulin"],
            "quality_threshold": 0.7,
            "batch_size": 5,
            "max_retries": 3,
            "tags": ["a", "b"],
            "signature": "AA==",
            "limits": [1.5, 2],
            "none": None,
        },
        "metadata": {"retry_count": 1, "max_retries": 3},
        "action_id": action_id,
    }
    assert outbox(tables["requests"]) == []


def test_the_message_of_a_broken_request_is_made_all_the_same() -> None:
    raw = {"config": {"S": "not a map"}, "priority": {"L": []}, "user_id": {"N": "7"}}
    body = actions.queue_body(raw, "req-1", datetime.now(UTC), 1)
    assert body["user_id"] == "7"
    assert body["configuration"] == "not a map"
    assert body["priority"] is None
    assert body["metadata"]["max_retries"] is None
    assert json.loads(message_text(body))


# --- What became of it ----------------------------------------------------------------------------------


def fate(entry: Any, raw: Any) -> tuple[Outcome, bool]:
    found = observe(entry, raw, "updated_at", ACTIONS.still_holds)
    return found.fate, found.at is not None


def test_what_became_of_a_cancel(tables: dict[str, Any]) -> None:
    """By workers that read the item, or that put their memory of it back whole."""
    memory = put(tables["requests"], request_item())
    entry = do("cancel").entry
    ours = get(tables["requests"], "req-1")
    assert ours is not None
    later = {"updated_at": {"S": "2099-01-01T00:00:00.000000"}}
    assert fate(entry, ours) == (Outcome.REQUESTED, False)
    # A write that renews nothing says nothing.
    assert fate(entry, {**ours, "progress": {"M": {}}}) == (Outcome.REQUESTED, False)
    assert fate(entry, {**ours, **later}) == (Outcome.SEEN, True)
    assert fate(entry, {**ours, **later, "status": {"S": "CANCELLED"}}) == (Outcome.SEEN, True)
    assert fate(entry, memory) == (Outcome.OVERWRITTEN, False)
    assert fate(entry, {**memory, **later}) == (Outcome.OVERWRITTEN, True)
    assert fate(entry, {**memory, **later, "status": {"S": "completed"}}) == (Outcome.OVERWRITTEN, True)
    assert fate(entry, {**ours, "status": {"L": []}}) == (Outcome.OVERWRITTEN, False)
    assert fate(entry, {**ours, "updated_at": {"L": []}}) == (Outcome.SEEN, False)
    assert fate(entry, None) == (Outcome.GONE, False)


def test_what_became_of_a_retry(tables: dict[str, Any]) -> None:
    memory = put(tables["requests"], request_item(status="failed"))
    entry = do("retry").entry
    ours = get(tables["requests"], "req-1")
    assert ours is not None
    later = {"updated_at": {"S": "2099-01-01T00:00:00.000000"}}
    assert fate(entry, ours) == (Outcome.REQUESTED, False)
    for status in ("processing", "completed", "failed"):
        assert fate(entry, {**ours, **later, "status": {"S": status}}) == (Outcome.SEEN, True)
    assert fate(entry, memory) == (Outcome.OVERWRITTEN, False)
    # A worker that was not done with the earlier run goes on with it.
    assert fate(entry, {**memory, **later, "status": {"S": "processing"}}) == (Outcome.OVERWRITTEN, True)


def test_what_became_of_a_retry_that_could_not_count(tables: dict[str, Any]) -> None:
    memory = put(tables["requests"], request_item(status="failed", processing_metadata={"S": "text"}))
    entry = do("retry").entry
    later = {"updated_at": {"S": "2099-01-01T00:00:00.000000"}}
    assert fate(entry, {**memory, **later}) == (Outcome.OVERWRITTEN, True)
    assert fate(entry, {**memory, **later, "status": {"S": "processing"}}) == (Outcome.SEEN, True)


# --- Purge ----------------------------------------------------------------------------------------------


def test_a_purge_deletes_the_item_and_keeps_a_copy(tables: dict[str, Any], settings: Any) -> None:
    put(tables["requests"], request_item(status="Completed", **FOREIGN))
    action_id = new_action_id()
    do("purge", action_id=action_id)
    assert get(tables["requests"], "req-1") is None
    (entry,) = trail(tables["requests"])
    assert entry["has_image"] == {"BOOL": True}
    assert "stale_image" not in entry
    assert "changes" not in entry
    (message,) = outbox(tables["requests"])
    found = outgoing.from_item(message)
    assert (found.kind, found.action_id, found.part) == ("requests.purge_logs", action_id, "logs")
    who = {"by": "olga", "by_id": OLGA.id, "role": "operator"}
    assert found.body == {"request_id": "req-1", "purge": action_id, **who}


@pytest.mark.parametrize("attribute", ["status", "updated_at", "errors", "foreign binaries", "exact"])
def test_a_purge_sees_a_change_of_any_attribute(tables: dict[str, Any], attribute: str) -> None:
    raw = put(tables["requests"], request_item(status="failed", **FOREIGN))
    table = tables["requests"]
    request, whole = delete_request(
        table.name, {table.key: {"S": "req-1"}}, raw, first=("status", "updated_at")
    )
    assert whole
    put(table, {**raw, attribute: {"S": "changed"}})
    with pytest.raises(client(table).exceptions.ConditionalCheckFailedException):
        client(table).delete_item(**request)
    put(table, raw)
    client(table).delete_item(**request)
    assert get(table, "req-1") is None


def test_a_very_wide_item_is_purged_with_a_copy_that_may_be_stale(tables: dict[str, Any]) -> None:
    wide = {f"attribute with a long name {number}": {"N": str(number)} for number in range(400)}
    put(tables["requests"], request_item(status="failed", **wide))
    do("purge")
    assert get(tables["requests"], "req-1") is None
    (entry,) = trail(tables["requests"])
    assert entry["stale_image"] == {"BOOL": True}
    assert entry["condition"] == {"S": "most as read"}


def test_an_item_too_large_for_a_copy_needs_a_second_word(tables: dict[str, Any]) -> None:
    noise = random.Random(1).randbytes(392_000)
    put(tables["requests"], request_item(status="failed", blob={"B": noise}))
    before = dump(tables)
    with pytest.raises(Conflict, match="too large to keep a copy"):
        do("purge")
    assert dump(tables) == before
    do("purge", without_image=True)
    (entry,) = trail(tables["requests"])
    assert "has_image" not in entry
    assert get(tables["requests"], "req-1") is None


def test_what_is_not_finished_is_purged_only_by_who_may(tables: dict[str, Any]) -> None:
    for number, status in enumerate(("processing", "archived", "Pending")):
        put(tables["requests"], request_item(f"req-{number}", status))
        before = dump(tables)
        with pytest.raises(Conflict, match="only an administrator"):
            do("purge", f"req-{number}")
        assert dump(tables) == before
        do("purge", f"req-{number}", unfinished=True)
        assert get(tables["requests"], f"req-{number}") is None


def test_a_message_waits_while_its_queue_is_not_set(tables: dict[str, Any], settings: Any) -> None:
    settings.REQUESTS_QUEUE_URL = "http://127.0.0.1:9/123456789012/requests"
    put(tables["requests"], request_item(status="failed", processing_strategy={"S": "sqs"}))
    do("retry")  # nobody answers at that address
    settings.REQUESTS_QUEUE_URL = ""
    (raw,) = outbox(tables["requests"])
    with pytest.raises(QueueTrouble, match="REQUESTS_QUEUE_URL is missing"):
        outgoing.handlers()["requests.sqs"](outgoing.from_item(raw), tables["requests"])
    assert outbox(tables["requests"]) == [raw]
