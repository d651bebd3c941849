"""What operators do to workflows: what is written, what is refused, what is told to whom."""

import threading
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from opsportal.console.clock import iso
from opsportal.dynamo import clients
from opsportal.dynamo.attributes import read_time
from opsportal.operations import entries, images, outbox, undo
from opsportal.operations.changes import Change
from opsportal.operations.entries import Actor
from opsportal.operations.item_pages import watch
from opsportal.operations.observation import Outcome, observe
from opsportal.operations.transactions import Conflict, IdempotencyMismatch, NotFound
from tests import dumps
from tests.cases import each
from tests.dynamo.typed import EVERY_TYPE
from tests.tracking.conftest import Queue
from tracking import action_views, actions
from tracking.models import Workflow
from tracking.writer import StatusWriter, values

# The account of who acted is looked up for what a page says.
pytestmark = pytest.mark.django_db

BY = Actor("olga", "operator", "user:1001")
OLD = "2025-12-24T10:00:00+00:00Z"


def new_id() -> str:
    return str(uuid.uuid4())


def step(status: str, **others: Any) -> dict[str, Any]:
    return {"M": {"status": {"S": status}, "activity": {"S": "busy"}, **others}}


def spent(total: int, seconds: str) -> dict[str, Any]:
    tokens = {"inputTokens": total - 1, "outputTokens": 1, "totalTokens": total}
    return {
        "tokenUsage": {"M": {name: {"N": str(count)} for name, count in tokens.items()}},
        "duration": {"N": seconds},
    }


def workflow(status: str = "processing", **others: Any) -> dict[str, Any]:
    """Two steps done, the third at work, with odd attributes of another program."""
    return {
        "overallStatus": {"S": status},
        "createdAt": {"S": OLD},
        "lastUpdated": {"S": OLD},
        "documentId": {"S": "trade.pdf"},
        "sourceType": {"S": "BANK"},
        "correlationId": {"S": "corr-1"},
        "pdfAdapter": step("success", completedAt={"S": OLD}, **spent(2000, "17.095")),
        "tradeExtraction": step("SUCCESS", completedAt={"S": OLD}, **spent(300, "2.5")),
        "tradeMatching": step("in-progress", startedAt={"S": OLD}, invocation={"S": "i-1"}),
        "exceptionManagement": step("pending"),
        "totalTokenUsage": {"M": {"totalTokens": {"N": "9"}, "cached": {"N": "7"}}},
        "totalDuration": {"N": "1"},
        "expiresAt": {"N": "1766570400"},
        **others,
    }


def failed(**others: Any) -> dict[str, Any]:
    ended = step("error", completedAt={"S": OLD}, error={"S": "no match"}, **spent(40, "1"))
    return workflow("failed", **{"tradeMatching": ended, **others})


def cancel(session: str = "s", *, by: Actor = BY, action_id: str = "") -> Any:
    return action_views.CANCEL.act(session, by=by, reason="a test", action_id=action_id or new_id())


def retry(session: str = "s", *, action_id: str = "", **start: Any) -> Any:
    return action_views.RETRY.act(session, by=BY, reason="again", action_id=action_id or new_id(), **start)


@pytest.fixture
def table(tables: dict[str, Any]) -> Any:
    return tables["workflows"]


# --- Cancel ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["initializing", "pending", "Processing", "PENDING", "loading", "odd", ""])
def test_cancel_stops_whatever_is_not_finished(table: Any, status: str) -> None:
    item = workflow(status)
    if not status:
        del item["overallStatus"]
    before = dumps.put(table, "s", item)
    cancel()
    after = dumps.item(table, "s") or {}
    assert after["overallStatus"] == {"S": "cancelled"}
    assert after["cancelledBy"] == {"S": "olga"}
    assert after["cancelledAt"] == after["lastUpdated"]
    assert datetime.now(UTC) - read_time(after["cancelledAt"]) < timedelta(seconds=20)  # type: ignore[operator]
    assert after["cancelledAt"]["S"].endswith("Z")
    assert len(after["cancelledAt"]["S"]) == len("2025-12-24T10:00:00.000Z")
    for name in ("tradeMatching", "exceptionManagement"):
        assert after[name]["M"] == {**before[name]["M"], "status": {"S": "stopped"}}
    changed = {
        "overallStatus",
        "cancelledBy",
        "cancelledAt",
        "lastUpdated",
        "tradeMatching",
        "exceptionManagement",
    }
    assert {name for name in {*before, *after} if before.get(name) != after.get(name)} == changed


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "Cancelled", "COMPLETED"])
@pytest.mark.no_moto
def test_cancel_refuses_what_is_finished(table: Any, status: str) -> None:
    dumps.put(table, "s", workflow(status))
    with dumps.nothing_written(table), pytest.raises(Conflict, match="nothing to cancel"):
        cancel()


def test_cancel_of_what_is_gone_says_so(table: Any) -> None:
    with dumps.nothing_written(table), pytest.raises(NotFound):
        cancel()


@pytest.mark.parametrize(
    ("value", "stopped"),
    [
        (step("warning"), False),
        (step("skipped"), False),
        (step("Error"), False),
        (step("info", completedAt={"S": OLD}), False),
        (step("in-progress", completedAt={"S": OLD}), True),
        (step("info"), True),
        (step("LOADING"), True),
        ({"M": {"status": {"L": []}}}, True),
    ],
)
def test_cancel_stops_the_steps_that_have_not_ended(table: Any, value: Any, stopped: bool) -> None:
    dumps.put(table, "s", workflow(approval=value))
    cancel()
    after = (dumps.item(table, "s") or {})["approval"]["M"]
    assert after == ({**value["M"], "status": {"S": "stopped"}} if stopped else value["M"])


def test_cancel_leaves_what_is_no_step_as_it_is(table: Any) -> None:
    odd = {"tradeMatching": {"S": "done"}, "exceptionManagement": {"L": [{"S": "x"}]}}
    dumps.put(table, "s", workflow(**odd))
    cancel()
    after = dumps.item(table, "s") or {}
    assert {name: after[name] for name in odd} == odd


def test_cancel_of_a_workflow_without_any_step_or_stamp(table: Any) -> None:
    dumps.put(table, "s")
    cancel()
    assert set(dumps.item(table, "s") or {}) == {
        table.key, "overallStatus", "cancelledAt", "cancelledBy", "lastUpdated",
    }  # fmt: skip


def test_cancel_takes_a_mistyped_status_for_one_that_is_not_finished(
    tables_without_index: dict[str, Any],
) -> None:
    table = tables_without_index["workflows"]
    dumps.put(
        table, "s", workflow(overallStatus={"M": {"now": {"S": "completed"}}}, lastUpdated={"BOOL": True})
    )
    cancel()
    assert (dumps.item(table, "s") or {})["overallStatus"] == {"S": "cancelled"}


def test_an_entry_has_both_sides_of_what_cancel_changed(table: Any) -> None:
    before = dumps.put(table, "s", workflow())
    action_id = new_id()
    cancel(action_id=action_id)
    after = dumps.item(table, "s") or {}
    entry = entries.read_entry(action_id, table)
    assert entry is not None
    assert (entry.action, entry.actor, entry.target.id, entry.reason) == (
        "workflow:cancel", BY, "s", "a test",
    )  # fmt: skip
    assert "overallStatus as read and lastUpdated as read" in entry.condition
    sides = {change.path: (change.old, change.new) for change in entry.changes}
    assert sides == {
        ("overallStatus",): (before["overallStatus"], {"S": "cancelled"}),
        ("lastUpdated",): (before["lastUpdated"], after["lastUpdated"]),
        ("cancelledAt",): (None, after["cancelledAt"]),
        ("cancelledBy",): (None, {"S": "olga"}),
        ("tradeMatching", "status"): ({"S": "in-progress"}, {"S": "stopped"}),
        ("exceptionManagement", "status"): ({"S": "pending"}, {"S": "stopped"}),
    }


@pytest.mark.no_moto
def test_the_same_action_id_cancels_once(table: Any) -> None:
    dumps.put(table, "s", workflow())
    action_id = new_id()
    first = cancel(action_id=action_id)
    after = dumps.item(table, "s")
    again = cancel(action_id=action_id)
    assert (first.repeated, again.repeated) == (False, True)
    assert dumps.item(table, "s") == after
    assert len(dumps.audit(table)) == 1
    with dumps.nothing_written(table), pytest.raises(IdempotencyMismatch):
        action_views.PURGE.act("s", by=BY, reason="", action_id=action_id)
    with dumps.nothing_written(table), pytest.raises(IdempotencyMismatch):
        cancel(by=Actor("otto", "operator", "user:1002"), action_id=action_id)


@pytest.mark.no_moto
def test_of_two_operators_at_once_one_cancels_and_the_other_sees_it(table: Any) -> None:
    dumps.put(table, "s", workflow())
    results: list[Any] = []
    gate = threading.Barrier(2)

    def go(name: str) -> None:
        gate.wait()
        try:
            results.append(cancel(by=Actor(name, "operator", f"user:{len(name)}")))
        except Conflict as conflict:
            results.append(conflict)

    threads = [threading.Thread(target=go, args=(name,)) for name in ("olga", "otto")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lost = [result for result in results if isinstance(result, Conflict)]
    assert len(lost) == 1
    assert lost[0].item is not None
    assert lost[0].item["overallStatus"] == {"S": "cancelled"}
    assert len(dumps.audit(table)) == 1


def test_cancel_loses_to_an_orchestrator_that_was_quicker(
    table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dumps.put(table, "s", workflow())
    existing = actions.existing

    def slowly(*given: Any) -> Any:
        dumps.put(table, "s", workflow("completed"))
        return existing(*given)

    monkeypatch.setattr(actions, "existing", slowly)
    with pytest.raises(Conflict, match="in the meantime") as refused:
        cancel()
    assert refused.value.item is not None
    assert refused.value.item["overallStatus"] == {"S": "completed"}
    assert dumps.item(table, "s") == {**workflow("completed"), table.key: {"S": "s"}}
    assert dumps.audit(table) == []


@pytest.mark.no_moto
def test_a_step_that_moved_without_a_stamp_is_not_stopped_unseen(
    table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dumps.put(table, "s", workflow())
    existing = actions.existing

    def slowly(*given: Any) -> Any:
        dumps.put(table, "s", workflow(tradeMatching=step("success")))
        return existing(*given)

    monkeypatch.setattr(actions, "existing", slowly)
    with pytest.raises(Conflict, match="in the meantime"):
        cancel()


# --- Retry -------------------------------------------------------------------------------------------


def test_retry_of_the_whole_resets_every_step(table: Any, commands: Queue) -> None:
    dumps.put(table, "s", failed(ttl={"N": "1"}, cancelledAt={"S": OLD}, cancelledBy={"S": "otto"}))
    action_id = new_id()
    retry(action_id=action_id)
    after = dumps.item(table, "s") or {}
    assert after["overallStatus"] == {"S": "initializing"}
    assert after["retryCount"] == {"N": "1"}
    assert after["cancelledAt"] == after["cancelledBy"] == {"NULL": True}
    assert "ttl" not in after
    life = int(after["expiresAt"]["N"]) - datetime.now(UTC).timestamp()
    assert 90 * 86_400 - 60 < life <= 90 * 86_400
    waiting = {
        "pdfAdapter": "Waiting for upload",
        "tradeExtraction": "Waiting for PDF processing",
        "tradeMatching": "Waiting for extraction",
        "exceptionManagement": "No exceptions",
    }
    for name, text in waiting.items():
        assert after[name] == {"M": {"status": {"S": "pending"}, "activity": {"S": text}}}
    assert after["totalTokenUsage"]["M"] == {
        "inputTokens": {"N": "0"}, "outputTokens": {"N": "0"}, "totalTokens": {"N": "0"}, "cached": {"N": "7"},
    }  # fmt: skip
    assert after["totalDuration"] == {"N": "0"}
    assert commands.messages() == [
        {
            "action": "retry",
            "sessionId": "s",
            "documentId": "trade.pdf",
            "sourceType": "BANK",
            "correlationId": "corr-1",
            "fromStep": None,
            "action_id": action_id,
        }
    ]
    assert dumps.outbox(table) == []


@pytest.mark.no_moto
def test_retry_from_the_failed_step_keeps_what_came_before_it(table: Any, commands: Queue) -> None:
    before = dumps.put(table, "s", failed())
    retry(from_failed=True)
    after = dumps.item(table, "s") or {}
    assert after["pdfAdapter"] == before["pdfAdapter"]
    assert after["tradeExtraction"] == before["tradeExtraction"]
    assert after["tradeMatching"]["M"]["status"] == {"S": "pending"}
    assert set(after["tradeMatching"]["M"]) == {"status", "activity"}
    assert after["totalTokenUsage"]["M"]["totalTokens"] == {"N": "2300"}
    assert after["totalTokenUsage"]["M"]["inputTokens"] == {"N": "2298"}
    assert Decimal(after["totalDuration"]["N"]) == Decimal("19.595")
    assert values.sums(after)["totalTokens"] == 2300
    assert [message["fromStep"] for message in commands.messages()] == ["tradeMatching"]


def test_what_a_retry_leaves_is_what_the_status_writer_goes_on_from(table: Any, commands: Queue) -> None:
    dumps.put(table, "s", failed())
    retry(from_failed=True)
    client = clients.client(*table.location)
    writer = StatusWriter(table.name, key=table.key, client=client, raise_errors=True)
    assert writer.start_step("s", "tradeMatching", "Comparing")
    assert writer.finish_step("s", "tradeMatching", "Done", {"inputTokens": 10, "outputTokens": 5}, 3)
    found = Workflow.from_item(dumps.item(table, "s") or {})
    assert found.overall_status == "processing"
    assert found.totals.total == found.step_tokens == 2315
    assert found.total_duration == found.step_seconds


@pytest.mark.parametrize(
    "item",
    [
        workflow("FAILED"),
        workflow("cancelled"),
        workflow("processing", tradeMatching=step("error")),
        workflow("completed", tradeMatching=step("Failed")),
        workflow("processing"),  # no update for long: stuck
    ],
)
@pytest.mark.no_moto
def test_retry_is_for_what_ended_badly_or_got_stuck(table: Any, commands: Queue, item: Any) -> None:
    dumps.put(table, "s", item)
    retry()
    assert (dumps.item(table, "s") or {})["overallStatus"] == {"S": "initializing"}


@pytest.mark.parametrize("status", ["completed", "processing", "odd"])
@pytest.mark.no_moto
def test_retry_refuses_what_runs_or_went_well(table: Any, commands: Queue, status: str) -> None:
    now = {"S": values.stamp(datetime.now(UTC))}
    dumps.put(table, "s", workflow(status, lastUpdated=now))
    with dumps.nothing_written(table), pytest.raises(Conflict, match=f"It is {status}; only what failed"):
        retry()
    assert commands.messages() == []


def test_retry_from_a_failed_step_needs_one(table: Any, commands: Queue) -> None:
    dumps.put(table, "s", workflow("failed"))
    with dumps.nothing_written(table), pytest.raises(Conflict, match="No step has failed"):
        retry(from_failed=True)


def test_retry_without_the_queue_names_the_setting(table: Any) -> None:
    dumps.put(table, "s", failed())
    with (
        dumps.nothing_written(table),
        pytest.raises(Conflict, match="WORKFLOW_COMMANDS_QUEUE_URL is missing"),
    ):
        retry()


@pytest.mark.no_moto
def test_retry_counts_on_and_fixes_a_count_that_is_no_number(table: Any, commands: Queue) -> None:
    dumps.put(table, "s", failed(retryCount={"N": "4"}))
    dumps.put(table, "t", failed(retryCount={"S": "many"}))
    retry("s")
    retry("t")
    assert (dumps.item(table, "s") or {})["retryCount"] == {"N": "5"}
    assert (dumps.item(table, "t") or {})["retryCount"] == {"N": "1"}


def test_retry_makes_the_maps_that_are_missing(table: Any, commands: Queue) -> None:
    dumps.put(table, "s", {"overallStatus": {"S": "failed"}, "totalTokenUsage": {"S": "twelve"}})
    retry()
    after = dumps.item(table, "s") or {}
    assert after["pdfAdapter"]["M"]["status"] == {"S": "pending"}
    assert after["totalTokenUsage"]["M"] == {
        name: {"N": "0"} for name in ("inputTokens", "outputTokens", "totalTokens")
    }


def test_retry_renews_the_steps_of_another_orchestrator_and_adds_none_of_ours(
    table: Any, commands: Queue
) -> None:
    item = {
        "overallStatus": {"S": "failed"},
        "alpha": step("success", **spent(10, "1")),
        "beta": step("error"),
        "gamma": step("pending"),
    }
    before = dumps.put(table, "s", item)
    retry(from_failed=True)
    after = dumps.item(table, "s") or {}
    assert after["alpha"] == before["alpha"]
    assert after["beta"] == {"M": {"status": {"S": "pending"}, "activity": {"S": "Waiting"}}}
    assert "pdfAdapter" not in after
    assert after["totalTokenUsage"]["M"]["totalTokens"] == {"N": "10"}
    assert [message["fromStep"] for message in commands.messages()] == ["beta"]


def test_the_same_action_id_retries_and_sends_once(table: Any, commands: Queue) -> None:
    dumps.put(table, "s", failed())
    action_id = new_id()
    retry(action_id=action_id)
    assert retry(action_id=action_id).repeated
    assert len(commands.messages()) == 1
    assert (dumps.item(table, "s") or {})["retryCount"] == {"N": "1"}
    assert len(dumps.audit(table)) == 1


@pytest.mark.no_moto
def test_a_command_that_could_not_be_sent_is_left_to_the_worker(
    table: Any, commands: Queue, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dumps.put(table, "s", failed())
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9")
    retry()
    (left,) = dumps.outbox(table)
    assert left["message_kind"] == {"S": "workflows.command"}
    monkeypatch.undo()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", commands.client.meta.endpoint_url)
    soon = datetime.now(UTC) + timedelta(minutes=2)  # its claim is over
    assert [outbox.deliver(message, table, soon) for message in list(outbox.due(table, soon))] == [True]
    assert [message["action_id"] for message in commands.messages()] == [left["action_id"]["S"]]
    assert dumps.outbox(table) == []


def sent_update(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What every transaction from now on updates."""
    found: list[dict[str, Any]] = []
    request = Change.request

    def keep(self: Change, name: str, key: Any) -> dict[str, Any]:
        made = request(self, name, key)
        found.extend([made] if name else [])
        return made

    monkeypatch.setattr(Change, "request", keep)
    return found


@each(
    ("count", "name"), [(61, "s"), (100, "n" * 200), (200, "s"), (400, "\U0001f600" * 60), (5, "x" * 60_000)]
)
def test_of_many_steps_the_newest_change_as_far_as_one_expression_holds(
    table: Any, commands: Queue, monkeypatch: pytest.MonkeyPatch, count: int, name: str
) -> None:
    """Each limit of DynamoDB is kept, whatever the engine checks, and nothing is guarded that does not change."""
    begun = datetime(2026, 11, 20, tzinfo=UTC)
    running = {
        f"{name}{number:03}": step("in-progress", startedAt={"S": iso(begun + timedelta(minutes=number))})
        for number in range(count)
    }
    stuck = {"overallStatus": {"S": "processing"}, "lastUpdated": {"S": OLD}}
    updates = sent_update(monkeypatch)
    held = {}
    for verb in ("cancel", "retry"):
        before = dumps.put(table, verb, {**stuck, **running})
        done = cancel(verb) if verb == "cancel" else retry(verb)
        after = dumps.item(table, verb) or {}
        assert after["overallStatus"] == {"S": "cancelled" if verb == "cancel" else "initializing"}
        (update,) = updates
        for expression in (update["UpdateExpression"], update["ConditionExpression"]):
            assert len(expression) <= 4096
        assert update["ConditionExpression"].count(" AND ") * 2 + 1 <= 300
        updates.clear()
        changed = [key for key in running if after[key] != before[key]]
        held[verb] = len(changed)
        left = count - len(changed)
        # The newest changed, and what is left is of the oldest, and no part of the condition.
        assert changed == list(running)[left:]
        assert len(update["ExpressionAttributeNames"]) < len(changed) + 20
        keep = "1 step keeps what it says" if left == 1 else f"{left} steps keep what they say"
        said = f"{count} steps are to change, and one change of DynamoDB holds {len(changed)} of them: the newest "
        assert done.entry.note == (f"{said}change, and {keep}." if left else "")
        stored = entries.read_entry(done.entry.action_id, table)
        assert stored is not None
        assert len([one for one in stored.changes if one.path[0] in running]) == len(changed)
    most = {61: 61, 100: 100, 200: 130, 400: 130, 5: 1}[count]
    assert all(most <= number <= count for number in held.values()), held


def test_kept_steps_are_not_guarded_and_count_into_the_totals(table: Any, commands: Queue) -> None:
    kept = {f"step{number:03}": step("success", **spent(10, "1")) for number in range(300)}
    dumps.put(table, "t", {**kept, "step999": step("error"), "overallStatus": {"S": "failed"}})
    done = retry("t", from_failed=True)
    after = dumps.item(table, "t") or {}
    assert after["step999"]["M"]["status"] == {"S": "pending"}
    assert after["totalTokenUsage"]["M"]["totalTokens"] == {"N": "3000"}
    assert done.entry.note == "From the step step999 on."
    assert "step000" not in done.entry.condition
    # Of the whole not all are renewed: those that keep what they say keep their share of the totals.
    dumps.put(table, "t", {**kept, "step999": step("error"), "overallStatus": {"S": "failed"}})
    retry("t")
    found = Workflow.from_item(dumps.item(table, "t") or {})
    left = [one for one in found.steps if one.status == "success"]
    assert 0 < len(left) < 300
    assert found.totals.total == found.step_tokens == 10 * len(left)


@each(
    ("start", "renewed"),
    [
        (
            "pdfAdapter",
            {"pdfAdapter", "tradeExtraction", "tradeMatching", "exceptionManagement", "early", "late"},
        ),
        ("exceptionManagement", {"exceptionManagement", "early", "late", "unstarted"}),
        ("early", {"early", "late"}),
        ("late", {"late"}),
        ("unstarted", set()),
    ],
)
@pytest.mark.no_moto
def test_a_retry_from_a_step_renews_it_and_what_follows(
    table: Any, commands: Queue, start: str, renewed: set[str]
) -> None:
    """In the catalogue's order, then by recorded start, then what has not started."""
    early, late = (step("success", startedAt={"S": f"2025-12-24T1{hour}:00:00Z"}) for hour in (1, 2))
    others = {"late": late, "early": early, "unstarted": step("pending", activity={"S": "Waiting"})}
    before = dumps.put(table, "s", workflow("failed", **others))
    done = retry(from_step=start)
    after = dumps.item(table, "s") or {}
    steps = ("pdfAdapter", "tradeExtraction", "tradeMatching", "exceptionManagement", *others)
    for key in steps:
        fresh = key in renewed or key == "unstarted"
        assert after[key] == (before[key] if not fresh else after[key])
        assert not fresh or set(after[key]["M"]) == {"status", "activity"}
    assert done.entry.note == f"From the step {start} on."
    assert [message["fromStep"] for message in commands.messages()] == [start]


@pytest.mark.no_moto
def test_a_step_that_is_not_recorded_is_refused_with_those_that_are(table: Any, commands: Queue) -> None:
    item = failed()
    del item["exceptionManagement"]
    dumps.put(table, "s", item)
    for key in ("exceptionManagement", "nowhere", "totalTokenUsage", "sessionId", "PDFADAPTER"):
        with (
            dumps.nothing_written(table),
            pytest.raises(actions.NoSuchStep, match="Its steps are") as refused,
        ):
            retry(from_step=key)
        assert refused.value.more["steps"] == ["pdfAdapter", "tradeExtraction", "tradeMatching"]
    dumps.put(table, "s", {"overallStatus": {"S": "failed"}})
    with pytest.raises(actions.NoSuchStep, match="It has no recorded step"):
        retry(from_step="pdfAdapter")


def test_old_values_too_long_for_an_entry_are_cut_in_it(table: Any, commands: Queue) -> None:
    long = {f"step{n:02}": step("error", error={"S": "é" * 9_000}) for n in range(18)}
    dumps.put(table, "s", {**long, "overallStatus": {"S": "failed"}})
    action_id = new_id()
    retry(action_id=action_id)
    entry = entries.read_entry(action_id, table)
    assert entry is not None
    old = next(change.old for change in entry.changes if change.path == ("step00",))
    assert old is not None
    assert old["S"].endswith("…")


# --- Purge and undo ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "item",
    [
        workflow("completed"),
        workflow("Failed"),
        workflow("cancelled"),
        workflow(expiresAt={"N": "1735123200"}),
    ],
)
def test_purge_deletes_what_is_finished_or_expired_and_undo_brings_it_back(table: Any, item: Any) -> None:
    before = dumps.put(table, "s", {**item, **EVERY_TYPE})
    action_id = new_id()
    action_views.PURGE.act("s", by=BY, reason="", action_id=action_id)
    assert dumps.item(table, "s") is None
    entry = entries.read_entry(action_id, table)
    assert entry is not None
    assert entry.has_image
    assert not entry.stale_image
    undo.undo(entry, by=BY, reason="", action_id=new_id())
    assert dumps.item(table, "s") == before


def test_purge_refuses_what_is_neither(table: Any) -> None:
    dumps.put(table, "s", workflow(expiresAt={"N": "99999999999"}))
    with dumps.nothing_written(table), pytest.raises(Conflict, match="only what is finished or expired"):
        action_views.PURGE.act("s", by=BY, reason="", action_id=new_id())


def test_undo_does_not_overwrite_what_has_taken_the_id(table: Any) -> None:
    dumps.put(table, "s", workflow("completed"))
    done = action_views.PURGE.act("s", by=BY, reason="", action_id=new_id())
    dumps.put(table, "s", workflow("processing"))
    with dumps.nothing_written(table), pytest.raises(Conflict, match="not overwritten"):
        undo.undo(done.entry, by=BY, reason="", action_id=new_id())


def test_undo_of_an_expired_workflow_says_that_it_goes_again(table: Any) -> None:
    dumps.put(table, "s", workflow("completed", expiresAt={"N": "1735123200"}))
    dumps.put(table, "t", workflow("completed", expiresAt={"N": "99999999999"}))
    for key, said in (("s", "deletes it again"), ("t", "")):
        done = action_views.PURGE.act(key, by=BY, reason="", action_id=new_id())
        assert said in actions.note_of_undo(done.entry.action_id, key)
        assert bool(actions.note_of_undo(done.entry.action_id, key)) == bool(said)


def test_a_workflow_too_large_for_a_copy_needs_the_second_confirmation(
    table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    dumps.put(table, "s", workflow("completed"))
    with dumps.nothing_written(table), pytest.raises(Conflict, match="too large to keep a copy"):
        action_views.PURGE.act("s", by=BY, reason="", action_id=new_id())
    done = action_views.PURGE.act("s", by=BY, reason="", action_id=new_id(), without_image=True)
    assert dumps.item(table, "s") is None
    assert not done.entry.has_image
    assert undo.why_not(done.entry) == "No copy was kept: the item was too large."


# --- What others wrote stays -------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_unknown_attributes_survive_byte_for_byte(table: Any, commands: Queue, verb: str) -> None:
    foreign = {**EVERY_TYPE, "38 digits": {"N": "12345678901234567890123456789012345678"}}
    before = dumps.put(table, "s", {**failed(), **foreign, "overallStatus": {"S": "processing"}})
    cancel() if verb == "cancel" else retry(from_failed=True)
    after = dumps.item(table, "s") or {}
    assert {name: after.get(name) for name in foreign} == {name: before[name] for name in foreign}


@pytest.mark.parametrize("verb", ["cancel", "retry", "purge"])
def test_actions_follow_the_key_attribute_of_the_settings(
    engine: Any, settings: Any, commands: Queue, verb: str
) -> None:
    from tests.engines import fresh_tables

    settings.DYNAMO_TABLES = {
        **settings.DYNAMO_TABLES,
        "workflows": {**settings.DYNAMO_TABLES["workflows"], "key": "processing_id", "ttl_attribute": "ttl"},
    }
    with fresh_tables(engine, settings) as tables:
        table = tables["workflows"]
        status = "processing" if verb == "cancel" else "failed"
        dumps.put(table, "s", workflow(status, sessionId={"S": "another"}, ttl={"N": "1"}))
        if verb == "cancel":
            cancel()
        elif verb == "retry":
            retry()
            assert [message["sessionId"] for message in commands.messages()] == ["s"]
            after = dumps.item(table, "s") or {}
            assert after["ttl"] == after["expiresAt"]  # the table's own life is renewed, not taken away
        else:
            action_views.PURGE.act("s", by=BY, reason="", action_id=new_id())
        after = dumps.item(table, "s")
        assert after is None if verb == "purge" else after is not None
        if after:
            assert after["sessionId"] == {"S": "another"}


# --- What becomes of it ------------------------------------------------------------------------------


def fate(entry: Any, table: Any) -> Outcome:
    return observe(entry, dumps.item(table, "s"), "lastUpdated", action_views.ACTIONS.still_holds).fate


def later(item: dict[str, Any]) -> dict[str, Any]:
    moment = datetime.now(UTC) + timedelta(seconds=1)
    return {**item, "lastUpdated": {"S": values.stamp(moment)}}


def test_a_cancel_is_requested_then_seen_by_a_writer_that_honours_it(table: Any) -> None:
    dumps.put(table, "s", workflow())
    entry = cancel().entry
    assert fate(entry, table) is Outcome.REQUESTED
    client = clients.client(*table.location)
    writer = StatusWriter(
        table.name, key=table.key, client=client, clock=lambda: datetime.now(UTC) + timedelta(seconds=1)
    )
    assert not writer.start_step("s", "exceptionManagement", "Routing")
    assert fate(entry, table) is Outcome.REQUESTED
    assert writer.finish_step("s", "tradeMatching", "Done anyhow", {"inputTokens": 1}, 2)
    assert fate(entry, table) is Outcome.SEEN


def test_a_cancel_is_overwritten_by_an_orchestrator_that_puts_back_its_memory(table: Any) -> None:
    memory = workflow()
    dumps.put(table, "s", memory)
    entry = cancel().entry
    dumps.put(table, "s", later({**memory, "tradeMatching": step("success")}))
    observed = observe(entry, dumps.item(table, "s"), "lastUpdated", action_views.ACTIONS.still_holds)
    assert observed.fate is Outcome.OVERWRITTEN
    assert observed.at is not None
    assert observed.at > entry.time
    # A memory with its old stamp says nothing of when it was put back.
    dumps.put(table, "s", memory)
    observed = observe(entry, dumps.item(table, "s"), "lastUpdated", action_views.ACTIONS.still_holds)
    assert (observed.fate, observed.at) == (Outcome.OVERWRITTEN, None)


def test_a_cancel_is_overwritten_by_a_completion(table: Any) -> None:
    dumps.put(table, "s", workflow())
    entry = cancel().entry
    dumps.put(table, "s", later({**(dumps.item(table, "s") or {}), "overallStatus": {"S": "completed"}}))
    assert fate(entry, table) is Outcome.OVERWRITTEN
    dumps.put(table, "s", later({**(dumps.item(table, "s") or {}), "overallStatus": {"S": "Cancelled"}}))
    assert fate(entry, table) is Outcome.SEEN


def test_a_retry_is_advanced_or_forgotten(table: Any, commands: Queue) -> None:
    memory = failed()
    dumps.put(table, "s", memory)
    entry = retry().entry
    assert fate(entry, table) is Outcome.REQUESTED
    retried = dumps.item(table, "s") or {}
    dumps.put(table, "s", later({**retried, "overallStatus": {"S": "failed"}}))
    assert fate(entry, table) is Outcome.SEEN
    dumps.put(table, "s", later(memory))
    assert fate(entry, table) is Outcome.OVERWRITTEN


def test_what_comes_back_after_a_purge_was_put_back(table: Any) -> None:
    before = dumps.put(table, "s", workflow("completed"))
    done = action_views.PURGE.act("s", by=BY, reason="", action_id=new_id())
    dumps.put(table, "s", workflow("completed"))
    observation = watch(
        actions.target("s"), before, "lastUpdated", action_views.ACTIONS.still_holds
    ).observation
    assert observation is not None
    assert (observation.fate, observation.entry.action_id) == (Outcome.OVERWRITTEN, done.entry.action_id)


def test_an_undone_purge_is_not_called_overwritten(table: Any) -> None:
    before = dumps.put(table, "s", workflow("completed"))
    done = action_views.PURGE.act("s", by=BY, reason="", action_id=new_id())
    undo.undo(done.entry, by=BY, reason="", action_id=new_id())
    assert (
        watch(actions.target("s"), before, "lastUpdated", action_views.ACTIONS.still_holds).observation
        is None
    )
