"""One action is one transaction: all of it, once, or nothing."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from opsportal.dynamo import spending
from opsportal.dynamo.errors import AccessDenied, CredentialsRefused, DynamoError, TableMissing, Throttled
from opsportal.operations import action_log, entries, images, outbox, transactions
from opsportal.operations.changes import Change, Raw, text
from opsportal.operations.entries import Actor, Intent, Target, new_action_id
from opsportal.operations.tables import jobs_table_for
from opsportal.operations.tags import Action
from opsportal.operations.transactions import (
    Conflict,
    Done,
    IdempotencyMismatch,
    NotFound,
    OutcomeUnknown,
    Plan,
    Planner,
    Refused,
    act,
)
from tests.dynamo.fake_aws import Answer, error
from tests.operations import places
from tests.operations.places import actor, dump, get, put, request_item, trail
from tests.operations.proxy import LOST, Proxy, lost_after_commit

OLGA, OTTO = Actor("olga", "operator", "user:1001"), Actor("otto", "operator", "user:1002")
TARGET = Target("requests", "req-1")
TRANSACTION = "TransactWriteItems"


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[outbox.Message]:
    """Messages of the kind `test` that were carried out."""
    done: list[outbox.Message] = []
    monkeypatch.setitem(outbox.handlers(), "test", lambda message, table: done.append(message))
    monkeypatch.setattr(transactions, "PAUSE", 0.001, raising=False)
    return done


def mark(
    action_id: str = "", *, by: Actor = OLGA, value: str = "marked", action: Action = Action.REQUEST_CANCEL,
    target: Target = TARGET, reason: str = "because", plan: Planner | None = None,
) -> Done:  # fmt: skip
    """A change with every part: it sets one attribute, keeps an image and leaves a message."""
    action_id = action_id or new_action_id()

    def planned(raw: Raw | None, now: Any, intent: Intent) -> Plan:
        if raw is None:
            raise NotFound("It is gone.")
        change = Change(raw).guard("status").set("mark", text(value))
        return Plan(change=change, image=True, messages=(outbox.Message("test", {}, action_id, now),))

    return act(plan or planned, Intent(action, target, by, reason, action_id))


def test_the_change_its_entry_its_image_and_its_message_are_one_transaction(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = put(tables["requests"], request_item())
    monkeypatch.setattr(outbox, "send_soon", lambda message, table: None)
    action_id = new_action_id()
    with spending.request_budget(None) as account:
        done = mark(action_id)
    assert account.operations == ["GetItem", "GetItem", TRANSACTION]
    assert not done.repeated
    assert get(tables["requests"], "req-1") == {**before, "mark": {"S": "marked"}}
    (entry,) = trail(tables["requests"])
    assert entry["action_id"] == {"S": action_id}
    (image,) = places.images(tables["requests"])
    assert image["action_id"] == {"S": f"{action_id}#image"}
    assert images.unpack(image["image"]["B"]) == before
    (message,) = places.outbox(tables["requests"])
    assert message["action_id"] == {"S": action_id}


HUGE = {"S": "x" * 420_000}  # more than an item may hold


@pytest.mark.parametrize("part", ["item", "entry", "image", "message"])
def test_when_one_part_is_refused_nothing_is_written(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch, part: str, sent: list[Any]
) -> None:
    put(tables["requests"], request_item())
    before = dump(tables)
    entry_item, image_item, message_item = (
        entries.Entry.item,
        entries.image_item,
        outbox.Message.item,
    )
    if part == "entry":
        monkeypatch.setattr(entries.Entry, "item", lambda self: {**entry_item(self), "reason": HUGE})
    elif part == "image":
        monkeypatch.setattr(entries, "image_item", lambda *args: {**image_item(*args), "more": HUGE})
    elif part == "message":
        monkeypatch.setattr(outbox.Message, "item", lambda self: {**message_item(self), "body": HUGE})
    # It is certain that nothing was done, so this is not "unknown".
    with pytest.raises((DynamoError, Conflict)) as raised:
        mark(value=HUGE["S"] if part == "item" else "marked")
    if isinstance(raised.value, Conflict):
        assert "larger than the 400 KB that DynamoDB stores" in raised.value.sentence
    else:
        assert "size" in raised.value.sentence.lower()
        assert not raised.value.retry
    # A person can do something about the item only.
    assert isinstance(raised.value, Conflict) == (part == "item")
    assert dump(tables) == before
    assert sent == []


@pytest.mark.parametrize("moment", ["while it is read", "while it is written"])
@pytest.mark.no_moto
def test_a_condition_that_fails_writes_nothing_and_shows_the_item_as_it_is(
    proxied: Proxy, tables: dict[str, Any], moment: str
) -> None:
    put(tables["requests"], request_item())

    def overtaken(_operation: str, _arguments: Any, forward: Any) -> Answer:
        put(tables["requests"], request_item(status="completed"))
        overtaken.before = dump(tables)  # type: ignore[attr-defined]
        answer: Answer = forward()
        return answer

    proxied.on(TRANSACTION, overtaken)
    with pytest.raises(Conflict) as refused, spending.request_budget(None) as account:
        mark()
    # The entry is looked for; the item came with DynamoDB's answer.
    assert account.operations == ["GetItem", "GetItem", TRANSACTION, "GetItem"]
    assert refused.value.item is not None
    assert refused.value.item["status"] == {"S": "completed"}
    assert "changed it in the meantime" in refused.value.sentence
    assert dump(tables) == overtaken.before  # type: ignore[attr-defined]


def test_a_lost_race_says_what_the_item_is_now(proxied: Proxy, tables: dict[str, Any]) -> None:
    put(tables["requests"], request_item())

    def plan(raw: Raw | None, now: Any, intent: Intent) -> Plan:
        if raw is None:
            raise NotFound("It is gone.")
        if raw["status"]["S"] != "processing":
            raise Conflict(f"It is {raw['status']['S']}.")
        return Plan(change=Change(raw).guard("status").set("mark", text("x")))

    def overtaken(_operation: str, _arguments: Any, forward: Any) -> Answer:
        put(tables["requests"], request_item(status="completed"))
        answer: Answer = forward()
        return answer

    proxied.on(TRANSACTION, overtaken)
    with pytest.raises(Conflict, match=r"in the meantime.* It is completed\.$"):
        mark(plan=plan)


def test_an_item_deleted_in_the_meantime_is_said_to_be(proxied: Proxy, tables: dict[str, Any]) -> None:
    put(tables["requests"], request_item())

    def overtaken(_operation: str, _arguments: Any, forward: Any) -> Answer:
        table = tables["requests"]
        places.client(table).delete_item(TableName=table.name, Key={table.key: {"S": "req-1"}})
        answer: Answer = forward()
        return answer

    proxied.on(TRANSACTION, overtaken)
    with pytest.raises(NotFound, match="deleted in the meantime"):
        mark()
    assert trail(tables["requests"]) == []
    with pytest.raises(NotFound, match="It is gone"):
        mark()


def test_a_new_item_is_not_put_over_another(tables: dict[str, Any]) -> None:
    new = request_item()
    mark_new = {"plan": lambda raw, now, intent: Plan(put=new), "action": Action.REQUEST_SUBMIT}
    entry = mark(**mark_new).entry
    assert entry.condition == "does not exist"
    assert get(tables["requests"], "req-1") == new
    before = dump(tables)
    with pytest.raises(Conflict):
        mark(**mark_new)
    assert dump(tables) == before


# --- Once ---------------------------------------------------------------------------------------------


def test_the_same_action_id_again_has_no_second_effect_and_succeeds(
    tables: dict[str, Any], sent: list[Any]
) -> None:
    put(tables["requests"], request_item())
    action_id = new_action_id()
    first = mark(action_id)
    after = dump(tables)
    again = mark(action_id, reason="another word", value="other")
    assert (first.repeated, again.repeated) == (False, True)
    assert again.entry.reason == "because"
    assert dump(tables) == after
    assert len(sent) == 1


@pytest.mark.no_moto
def test_the_same_action_id_in_many_threads_is_one_effect(tables: dict[str, Any], sent: list[Any]) -> None:
    put(tables["requests"], request_item())
    action_id = new_action_id()
    barrier = threading.Barrier(8)

    def once(_: int) -> Done:
        barrier.wait(10)
        return mark(action_id)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(once, range(8)))
    assert sum(not done.repeated for done in answers) == 1
    assert {done.entry.action_id for done in answers} == {action_id}
    assert len(trail(tables["requests"])) == 1
    assert len(sent) == 1


@pytest.mark.parametrize(
    "other",
    [{"by": OTTO}, {"action": Action.REQUEST_RETRY}, {"target": Target("requests", "req-2")}],
    ids=["actor", "action", "target"],
)
@pytest.mark.no_moto
def test_the_action_id_of_another_intent_is_refused(tables: dict[str, Any], other: dict[str, Any]) -> None:
    put(tables["requests"], request_item())
    put(tables["requests"], request_item("req-2"))
    action_id = new_action_id()
    mark(action_id)
    before = dump(tables)
    with pytest.raises(IdempotencyMismatch) as refused:
        mark(action_id, **other)
    assert refused.value.status == 409
    assert "Reload the page" in refused.value.sentence
    assert dump(tables) == before


def both_at_once(*calls: Callable[[], Done]) -> list[Done | Exception]:
    def outcome(call: Callable[[], Done]) -> Done | Exception:
        try:
            return call()
        except (Refused, OutcomeUnknown, DynamoError) as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(outcome, calls))


def waiting_at(barrier: threading.Barrier) -> Callable[..., Answer]:
    """Lets a transaction through when all have read and are about to write."""

    def wait(_operation: str, _arguments: Any, forward: Any) -> Answer:
        barrier.wait(10)
        answer: Answer = forward()
        return answer

    return wait


@pytest.mark.no_moto
def test_of_two_operators_at_once_one_wins_and_the_other_sees_the_fresh_item(
    proxied: Proxy, tables: dict[str, Any]
) -> None:
    put(tables["requests"], request_item())

    def cancel(by: Actor) -> Callable[[], Done]:
        def plan(raw: Raw | None, now: Any, intent: Intent) -> Plan:
            assert raw is not None
            return Plan(change=Change(raw).guard("status").set("status", text(f"of {by.name}")))

        return lambda: mark(by=by, plan=plan)

    wait = waiting_at(threading.Barrier(2))
    proxied.on(TRANSACTION, wait, wait)
    outcomes = both_at_once(cancel(OLGA), cancel(OTTO))
    (won,) = [one for one in outcomes if isinstance(one, Done)]
    (lost,) = [one for one in outcomes if isinstance(one, Conflict)]
    assert lost.item is not None
    assert (
        lost.item["status"]
        == {"S": f"of {won.entry.actor.name}"}
        == get(tables["requests"], "req-1")["status"]
    )  # type: ignore[index]
    assert [actor(entry)[1] for entry in trail(tables["requests"])] == [won.entry.actor.id]


# --- Answers that are lost, and trouble ------------------------------------------------------------------


def test_an_answer_that_is_lost_after_the_commit_is_a_success(
    proxied: Proxy, tables: dict[str, Any], settings: Any
) -> None:
    put(tables["requests"], request_item())
    proxied.on(TRANSACTION, *[lost_after_commit] * settings.DYNAMO_MAX_ATTEMPTS)
    done = mark()
    assert proxied.operations().count(TRANSACTION) == settings.DYNAMO_MAX_ATTEMPTS
    assert done.repeated
    assert len(trail(tables["requests"])) == 1
    assert get(tables["requests"], "req-1")["mark"] == {"S": "marked"}  # type: ignore[index]


def test_one_lost_answer_is_made_good_by_the_client_itself(proxied: Proxy, tables: dict[str, Any]) -> None:
    put(tables["requests"], request_item())
    proxied.on(TRANSACTION, lost_after_commit)
    mark()
    assert len(trail(tables["requests"])) == 1


@pytest.mark.no_moto
def test_without_any_answer_it_is_unknown_and_may_be_repeated(
    proxied: Proxy, tables: dict[str, Any], settings: Any, sent: list[Any]
) -> None:
    put(tables["requests"], request_item())
    before = dump(tables)
    proxied.on(TRANSACTION, *[LOST] * settings.DYNAMO_MAX_ATTEMPTS)
    action_id = new_action_id()
    with pytest.raises(OutcomeUnknown) as unknown:
        mark(action_id)
    assert "not known whether" in unknown.value.sentence
    assert dump(tables) == before
    assert not mark(action_id).repeated
    assert mark(action_id).repeated
    assert len(trail(tables["requests"])) == 1
    assert len(sent) == 1


def test_it_is_unknown_too_when_the_trail_cannot_be_read_after_it(
    proxied: Proxy, tables: dict[str, Any], settings: Any
) -> None:
    put(tables["requests"], request_item())
    action_id = new_action_id()
    over = []

    def dead(operation: str, _arguments: Any, forward: Any) -> Answer | None:
        if operation == TRANSACTION:
            over.append(forward())
        return LOST if over else forward()  # type: ignore[no-any-return]

    proxied.interfere = dead
    with pytest.raises(OutcomeUnknown):
        mark(action_id)
    proxied.reset(proxied.engine)
    assert mark(action_id).repeated


@pytest.mark.no_moto
@pytest.mark.parametrize("code", ["ConditionalCheckFailed", "TransactionConflict"])
def test_it_is_unknown_too_where_a_refusal_may_hide_a_commit_and_the_trail_cannot_be_read(
    proxied: Proxy, tables: dict[str, Any], code: str
) -> None:
    """botocore sends it again after a lost answer, and what is refused then may be there from the first time."""
    put(tables["requests"], request_item())
    action_id = new_action_id()
    over: list[Any] = []
    refusal = error("TransactionCanceledException", "no", CancellationReasons=[{"Code": code}])

    def hides(operation: str, _arguments: Any, forward: Any) -> Answer | None:
        if operation == TRANSACTION:
            over.append(forward())
            return refusal
        return LOST if over else forward()  # type: ignore[no-any-return]

    proxied.interfere = hides
    with pytest.raises(OutcomeUnknown):
        mark(action_id)
    proxied.reset(proxied.engine)
    assert mark(action_id).repeated
    assert len(trail(tables["requests"])) == 1


def test_an_error_of_the_server_is_unknown_and_not_a_refusal(
    proxied: Proxy, tables: dict[str, Any], settings: Any
) -> None:
    put(tables["requests"], request_item())
    trouble = error("InternalServerError", "Internal server error", status=500)
    proxied.on(TRANSACTION, *[trouble] * settings.DYNAMO_MAX_ATTEMPTS)
    with pytest.raises(OutcomeUnknown):
        mark()


def cancelled(*codes: str) -> Answer:
    reasons = [{"Code": code, "Message": code} if code != "None" else {"Code": "None"} for code in codes]
    return error(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons {list(codes)}",
        CancellationReasons=reasons,
    )


@pytest.mark.parametrize(
    "answer",
    [
        cancelled("TransactionConflict", "None", "None", "None"),
        cancelled("None", "None", "TransactionConflict", "None"),
        cancelled("ThrottlingError", "None", "None", "None"),
        cancelled("None", "ProvisionedThroughputExceeded", "None", "None"),
        error("TransactionInProgressException", "Transaction is in progress"),
    ],
    ids=["conflict", "conflict at the entry", "throttled", "capacity", "in progress"],
)
def test_a_passing_hindrance_is_tried_again(proxied: Proxy, tables: dict[str, Any], answer: Answer) -> None:
    put(tables["requests"], request_item())
    proxied.on(TRANSACTION, answer, answer)
    assert not mark().repeated
    assert len(trail(tables["requests"])) == 1


@pytest.mark.no_moto  # no engine answers so: the answers are injected, and waited for
@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (cancelled("TransactionConflict", "None"), Conflict),
        (cancelled("None", "ThrottlingError"), Throttled),
        (error("ThrottlingException", "Rate exceeded"), Throttled),
        (error("ProvisionedThroughputExceededException", "Too much"), Throttled),
        (error("TransactionInProgressException", "Transaction is in progress"), OutcomeUnknown),
    ],
    ids=["conflict", "throttled", "throttling", "capacity", "in progress"],
)
def test_contention_that_stays_is_reported_by_its_cause(
    proxied: Proxy, tables: dict[str, Any], answer: Answer, raised: type[Exception]
) -> None:
    put(tables["requests"], request_item())
    before = dump(tables)
    proxied.on(TRANSACTION, *[answer] * 50)
    with pytest.raises(raised):
        mark()
    assert dump(tables) == before


def test_iam_refuses_as_iam(proxied: Proxy, tables: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    put(tables["requests"], request_item())
    before = dump(tables)
    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/requests"
    denied = error(
        "AccessDeniedException",
        f"User: arn:aws:iam::123456789012:role/console is not authorized to perform: dynamodb:UpdateItem on "
        f"resource: {arn} because no identity-based policy allows the action",
    )
    proxied.on(TRANSACTION, denied)
    action_id = new_action_id()
    with pytest.raises(AccessDenied) as refused, spending.request_budget(60):
        mark(action_id)
    assert '"dynamodb:UpdateItem"' in refused.value.statement
    assert dump(tables) == before
    (line,) = [record.getMessage() for record in caplog.records if record.name == action_log.__name__]
    assert action_id in line
    assert "dynamodb:UpdateItem" in line
    # What the log is for: to find these calls at AWS, and what they cost.
    assert "REQUEST3" in line
    assert "RCU" in line


def test_what_iam_refuses_to_read_is_logged_too(
    proxied: Proxy, tables: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    proxied.on("GetItem", error("AccessDeniedException", "not authorized to perform: dynamodb:GetItem"))
    action_id = new_action_id()
    with pytest.raises(AccessDenied):
        mark(action_id)
    assert action_id in caplog.text
    assert proxied.operations() == ["GetItem"]


def test_a_refusal_is_logged_with_its_action_and_its_cost(
    tables: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    put(tables["requests"], request_item())

    def refuse(raw: Raw | None, now: Any, intent: Intent) -> Plan:
        raise Conflict("It can't be done.")

    action_id = new_action_id()
    before = dump(tables)
    with pytest.raises(Conflict) as refused, spending.request_budget(60) as account:
        mark(action_id, plan=refuse)
    assert refused.value.item == get(tables["requests"], "req-1")
    assert dump(tables) == before
    line = caplog.records[-1].getMessage()
    for part in (
        action_id,
        "request:cancel",
        "'req-1'",
        "olga",
        "It can't be done.",
        account.request_ids[-1],
    ):
        assert part in line
    assert f"{account.read_units} RCU" in line


def test_a_table_that_is_missing_is_named_with_the_others(
    tables: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """DynamoDB does not say which of the transaction's it is."""
    put(tables["requests"], request_item())
    jobs = jobs_table_for(tables["requests"])
    places.client(jobs).delete_table(TableName=jobs.name)
    before = get(tables["requests"], "req-1")
    with pytest.raises(TableMissing) as missing:
        mark()
    assert jobs.name in missing.value.sentence
    assert "dynamo migrate" in missing.value.fix
    assert get(tables["requests"], "req-1") == before
    assert trail(tables["requests"]) == []


@pytest.mark.no_moto
def test_a_hindrance_that_hid_a_commit_is_a_success(proxied: Proxy, tables: dict[str, Any]) -> None:
    """A first try that was carried out, and whose repetitions conflict with it."""
    put(tables["requests"], request_item())
    conflict = cancelled("TransactionConflict", "None", "None", "None")

    def hides(_operation: str, _arguments: Any, forward: Any) -> Answer:
        forward()
        return conflict

    proxied.on(TRANSACTION, *[conflict] * (transactions.ATTEMPTS - 1), hides)
    assert mark().repeated
    assert len(trail(tables["requests"])) == 1


def test_a_map_that_vanished_under_a_path_is_a_lost_race(proxied: Proxy, tables: dict[str, Any]) -> None:
    put(tables["requests"], request_item())
    message = "The document path provided in the update expression is invalid for update"
    vanished = error(
        "TransactionCanceledException",
        "Transaction cancelled",
        CancellationReasons=[{"Code": "ValidationError", "Message": message}, {"Code": "None"}],
    )
    proxied.on(TRANSACTION, vanished)
    with pytest.raises(Conflict, match="in the meantime"):
        mark()
    assert trail(tables["requests"]) == []


def test_a_change_of_nothing_is_refused(tables: dict[str, Any]) -> None:
    put(tables["requests"], request_item())
    mark()
    before = dump(tables)
    with pytest.raises(Conflict, match="already has these values"):
        mark()
    assert dump(tables) == before


def test_credentials_that_are_refused_are_no_lost_answer(proxied: Proxy, tables: dict[str, Any]) -> None:
    put(tables["requests"], request_item())
    expired = error("ExpiredTokenException", "The security token included in the request is expired")
    proxied.on(TRANSACTION, *[expired] * 5)
    with pytest.raises(CredentialsRefused):
        mark()
