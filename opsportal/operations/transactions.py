"""One action, end to end: read, decide, and one TransactWriteItems that holds the change of the item, its
audit entry, its before-image and the message to the outside. All commit together or not at all.

The audit entry's key, `action_id`, makes an action happen once: whoever repeats it finds the entry.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

from opsportal.dynamo import clients, spending
from opsportal.dynamo.errors import DynamoError, Throttled, translated
from opsportal.operations import changes, entries, images, outbox, subjects
from opsportal.operations.changes import Change, Raw
from opsportal.operations.commits import ConditionFailed, Hindered, TooLarge, Unanswered, commit
from opsportal.operations.endings import told
from opsportal.operations.entries import Actor, Entry, Target
from opsportal.operations.outcomes import Conflict, Done, Missing, OtherIntent, Refused, Unknown
from opsportal.operations.tables import audit_beside, jobs_beside
from opsportal.operations.tags import Action

__all__ = ["Conflict", "Done", "Missing", "OtherIntent", "Plan", "Refused", "Unknown", "act", "dated"]

# Two transactions that touch one item cancel each other; the second try usually finds the way free.
ATTEMPTS = 4
TOO_LARGE = (
    "With this change the item would be larger than the 400 KB that DynamoDB stores, so nothing was done. "
    "A shorter reason may fit."
)
# Seconds before the second try, and as much more before each that follows, less a part by chance.
PAUSE = 0.1


@dataclass
class Plan:
    """What an action will write.

    One of `change` (update), `delete` (the item as read) or `put` (a new item, provided there is none).
    `watch`: typed values of the item as written, for `observation`. `image`: keep the item as read for an
    undo; `messages`: the outbox items to put with it.
    """

    change: Change | None = None
    delete: bool = False
    put: Raw | None = None
    watch: Raw = field(default_factory=dict)
    image: bool = False
    without_image: bool = False  # the person has confirmed that no undo can be kept
    first_guards: tuple[str, ...] = ()
    messages: tuple[outbox.Message, ...] = ()
    undo_of: str = ""
    note: str = ""
    count: int | None = None


Decide = Callable[[Raw | None, datetime], Plan]


# The time of an action that was made before: the demo's past is made of real actions.
_dated: ContextVar[datetime | None] = ContextVar("dated", default=None)


@contextmanager
def dated(moment: datetime) -> Iterator[None]:
    """Actions in this block bear that time, in their item and in their entry."""
    token = _dated.set(moment)
    try:
        yield
    finally:
        _dated.reset(token)


def act(
    action: Action,
    target: Target,
    decide: Decide,
    *,
    by: Actor,
    reason: str,
    action_id: str,
    patient: bool = False,
) -> Done:
    """Carry out one action. `decide` gets the item as read (None: absent) and the time, and returns the
    plan or raises `Refused`.

    Raises Conflict, Missing, OtherIntent (nothing was written), Unknown, or `DynamoError`.
    """
    with told(action, target, by, action_id) as ending:
        ending.done = done = _act(action, target, decide, by, reason, action_id, patient=patient)
    return done


def _act(
    action: Action, target: Target, decide: Decide, by: Actor, reason: str, action_id: str, *, patient: bool
) -> Done:
    for attempt in range(ATTEMPTS):
        # In this order: an item that shows the effect of this same action_id has its entry already.
        try:
            item = _read(target, patient=patient)
            done = _earlier(action, target, by, action_id, patient=patient)
        except DynamoError as error:
            if attempt:  # it was sent before, and what was answered then was not the last word
                raise Unknown from error
            raise
        if done:
            return done
        now = _dated.get() or datetime.now(UTC)
        try:
            plan = decide(item, now)
            entry, operations = _transaction(action, target, by, reason, action_id, plan, item, now)
        except Refused as refused:
            refused.item = refused.item or item
            raise
        try:
            commit(target.table, operations, patient=patient)
        except Hindered as hindered:
            if attempt + 1 < ATTEMPTS:
                time.sleep(PAUSE * (attempt + secrets.randbelow(100) / 100))
                continue
            if done := _sent(action, target, by, action_id, patient=patient):
                return done
            _still_hindered(hindered, item)
        except ConditionFailed:
            # By the entry, when the same action_id was quicker; else by the item.
            if done := _sent(action, target, by, action_id, patient=patient):
                return done
            _lost(decide, _read(target, patient=patient))
        except TooLarge:
            raise Conflict(TOO_LARGE, item) from None
        except Unanswered as unanswered:
            _tell(target)  # it may have been done
            if done := _settled(action, target, by, action_id):
                return done
            raise Unknown from unanswered
        _tell(target)
        for message in plan.messages:
            outbox.send_soon(message, target.table)
        return Done(entry)
    raise AssertionError("the last attempt returns or raises")


def _tell(target: Target) -> None:
    """Let its app know that an item was written, for what it keeps of them."""
    if subject := subjects.of_logical(target.logical):
        subject.written(target.key)


def _still_hindered(hindered: Hindered, item: Raw | None) -> NoReturn:
    if hindered.by == "itself":
        raise Unknown from hindered
    if hindered.by == "throttling":
        raise Throttled(
            "DynamoDB is throttling this change; it was not made.", "Wait a moment and do it again."
        ) from hindered
    raise Conflict(
        "Others are changing it at this very moment, so nothing was done. Do it again.", item
    ) from hindered


def _lost(decide: Decide, item: Raw | None) -> NoReturn:
    """Somebody was quicker; the sentence says what the item is now."""
    try:
        decide(item, datetime.now(UTC))
    except Missing:
        raise Missing("It was deleted in the meantime.") from None
    except Refused as refused:
        sentence = f"Somebody or something else changed it in the meantime. {refused.sentence}"
        raise Conflict(sentence, item) from None
    raise Conflict(
        "Somebody or something else changed it in the meantime, so nothing was done. "
        "Look at it as it is now, and do it again if you still want it.",
        item,
    )


def _earlier(
    action: Action, target: Target, by: Actor, action_id: str, *, patient: bool = False
) -> Done | None:
    entry = entries.read_entry(action_id, target.table, patient=patient)
    if entry is None:
        return None
    if not entry.same_intent(action, by, target):
        raise OtherIntent("This form was used for another action already. Reload the page and do it again.")
    return Done(entry, repeated=True)


def _sent(action: Action, target: Target, by: Actor, action_id: str, *, patient: bool) -> Done | None:
    """As `_earlier`, once it was sent: without an answer it is not known."""
    try:
        return _earlier(action, target, by, action_id, patient=patient)
    except DynamoError as error:
        raise Unknown from error


def _settled(action: Action, target: Target, by: Actor, action_id: str) -> Done | None:
    """After a lost answer: whether the entry is there. The budget of the page is spent, so a fresh one."""
    try:
        with spending.request_budget(2 * clients.read_timeout()):
            return _earlier(action, target, by, action_id)
    except DynamoError:
        return None


def _read(target: Target, *, patient: bool = False) -> Raw | None:
    table = target.table
    with translated(table):
        answer: dict[str, Any] = clients.client(*table.place, patient=patient).get_item(
            TableName=table.name, Key={table.key: {"S": target.key}}, ConsistentRead=True
        )
    return answer.get("Item")


def _transaction(
    action: Action,
    target: Target,
    by: Actor,
    reason: str,
    action_id: str,
    plan: Plan,
    item: Raw | None,
    now: datetime,
) -> tuple[Entry, list[dict[str, Any]]]:
    """The entry, and the operations with the item's own first."""
    table, audit, jobs = target.table, audit_beside(target.table), jobs_beside(target.table)
    key = {table.key: {"S": target.key}}
    whole, condition = True, ""
    changed: tuple[changes.Changed, ...] = ()
    if plan.change is not None:
        if not plan.change.changed:
            raise Conflict("It is so already: there is nothing to change.")
        operation = {"Update": plan.change.request(table.name, key)}
        condition, changed = plan.change.condition, tuple(plan.change.changed)
    elif plan.delete:
        assert item is not None
        request, whole = changes.delete_request(table.name, key, item, first=plan.first_guards)
        operation, condition = {"Delete": request}, "every attribute as read" if whole else "most as read"
    else:
        assert plan.put is not None
        operation = {
            "Put": {
                "TableName": table.name,
                "Item": plan.put,
                "ConditionExpression": "attribute_not_exists(#k)",
                "ExpressionAttributeNames": {"#k": table.key},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }
        condition = "does not exist"
        if not plan.undo_of:  # what comes back stands in the entry of its purge
            changed = tuple(changes.Changed((name,), None, plan.put[name]) for name in sorted(plan.put))
    operations = [operation]
    has_image = False
    if plan.image and item is not None:
        try:
            packed = images.pack(item)
            operations.append(
                {"Put": {"TableName": audit.name, "Item": entries.image_item(action_id, packed)}}
            )
            has_image = True
        except images.ImageTooLarge:
            if not plan.without_image:
                raise Conflict(
                    "It is too large to keep a copy for an undo. Confirm that it may be lost for good."
                ) from None
    entry = Entry(
        action_id=action_id,
        action=action,
        actor=by,
        target=target,
        table=table.name,
        at=entries.stamp(now),
        reason=reason.strip(),
        condition=condition,
        changes=changed,
        watch=plan.watch,
        undo_of=plan.undo_of,
        has_image=has_image,
        stale_image=has_image and not whole,
        count=plan.count,
        note=plan.note,
    )
    operations.append(
        {
            "Put": {
                "TableName": audit.name,
                "Item": entry.item(),
                "ConditionExpression": "attribute_not_exists(action_id)",
            }
        }
    )
    operations += [{"Put": {"TableName": jobs.name, "Item": message.item()}} for message in plan.messages]
    return entry, operations
