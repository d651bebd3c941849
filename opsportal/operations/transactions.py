"""One action, end to end: read, decide, and one TransactWriteItems that holds the change of the item, its
audit entry, its before-image and the message to the outside. All commit together or not at all.

The audit entry's key, `action_id`, makes an action happen once: a repetition finds the entry.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NoReturn

from opsportal.dynamo import clients, spending
from opsportal.dynamo.errors import DynamoError, Throttled
from opsportal.dynamo.reads import item_of
from opsportal.operations import changes, entries, images, outbox, resource_types
from opsportal.operations.action_log import logged
from opsportal.operations.changes import Change, Raw
from opsportal.operations.commits import ConditionFailed, NoAnswer, TooLarge, TransactionContention, commit
from opsportal.operations.entries import Entry, Intent, Target
from opsportal.operations.outcomes import (
    Conflict,
    Done,
    IdempotencyMismatch,
    NotFound,
    OutcomeUnknown,
    Refused,
)
from opsportal.operations.switch import check_actions_are_on
from opsportal.operations.tables import audit_table_for, jobs_table_for

__all__ = [
    "Conflict",
    "Done",
    "IdempotencyMismatch",
    "NotFound",
    "OutcomeUnknown",
    "Plan",
    "Planner",
    "Refused",
    "act",
    "after_commit",
    "dated",
    "operations_for",
    "written",
]  # fmt: skip

# Two transactions that touch one item cancel each other; the second try usually finds the way free.
ATTEMPTS = 4
TOO_LARGE = (
    "With this change the item would be larger than the 400 KB that DynamoDB stores, so nothing was done. "
    "A shorter reason may fit."
)
# Seconds before the second try, and as much more before each that follows, less a part by chance.
PAUSE = 0.1


@dataclass(frozen=True)
class Plan:
    """What an action will write.

    At most one of `change` (update), `delete` (the item as read) or `put` (a new item, provided there is none);
    without any, the entry alone, of an effect outside of the item. `watch`: typed values of the item as written,
    for `observation`. `image`: keep the item as read for an undo; `messages`: the outbox items to put with it;
    `internal`: further operations on the jobs table.
    """

    change: Change | None = None
    delete: bool = False
    put: Raw | None = None
    watch: Raw = field(default_factory=dict)
    image: bool = False
    first_guards: tuple[str, ...] = ()
    messages: tuple[outbox.Message, ...] = ()
    internal: tuple[dict[str, Any], ...] = ()
    undo_of: str = ""
    note: str = ""
    count: int | None = None


# Pure: it gets the item as read (None: absent), the time and the intent, and raises `Refused` where it can't be done.
# It may be called more than once.
Planner = Callable[[Raw | None, datetime, Intent], Plan]
# What the planner gets: the item that is acted on, None where it is absent. Raises `DynamoError`.
Reader = Callable[[Target, bool], Raw | None]


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


def _read(target: Target, background: bool) -> Raw | None:
    return item_of(target.table, target.id, consistent=True, background=background)


def act(planner: Planner, intent: Intent, *, background: bool = False, read: Reader = _read) -> Done:
    """Carry out one action: the same for a page, the API, the worker and the command line. `read`: what the planner
    decides by, where that is not the target's item.

    Raises Conflict, Missing, OtherIntent, ActionsOff (nothing was written), Unknown, or `DynamoError`.
    """
    with logged(intent) as ending:
        ending.done = done = _act(planner, intent, background, read)
    return done


def _act(planner: Planner, intent: Intent, background: bool, read: Reader) -> Done:
    target = intent.target
    for attempt in range(ATTEMPTS):
        # In this order: an item that shows the effect of this same action_id has its entry already.
        try:
            item = read(target, background)
            done = _earlier(intent, background)
        except DynamoError as error:
            if attempt:  # it was sent before, and what was answered then was not the last word
                raise OutcomeUnknown from error
            raise
        if done:
            return done
        check_actions_are_on()
        now = _dated.get() or datetime.now(UTC)
        try:
            plan = planner(item, now, intent)
            entry, operations = operations_for(plan, intent, item, now)
        except Refused as refused:
            refused.item = refused.item or item
            raise
        try:
            commit(target.table, operations, background=background)
        except TransactionContention as hindered:
            if attempt + 1 < ATTEMPTS:
                time.sleep(PAUSE * (attempt + secrets.randbelow(100) / 100))
                continue
            if done := _sent(intent, background):
                return done
            _still_hindered(hindered, item)
        except ConditionFailed as failed:
            # By the entry, when the same action_id was quicker; else by the item.
            if done := _sent(intent, background):
                return done
            _lost(planner, intent, failed.item(0) or read(target, background))
        except TooLarge:
            raise Conflict(TOO_LARGE, item) from None
        except NoAnswer as unanswered:
            written(target)  # it may have been done
            if done := _settled(intent):
                return done
            raise OutcomeUnknown from unanswered
        after_commit(plan, intent)
        return Done(entry, before=item)
    raise AssertionError("the last attempt returns or raises")


def after_commit(plan: Plan, intent: Intent) -> None:
    """What follows once an item's operations are committed: its app is notified, and the messages that are due are sent."""
    written(intent.target)
    for message in plan.messages:
        outbox.send_soon(message, intent.target.table)


def written(target: Target) -> None:
    """Notify its app that an item was written, for what it keeps of them."""
    if subject := resource_types.of_logical(target.logical):
        subject.written(target.id)


def _still_hindered(hindered: TransactionContention, item: Raw | None) -> NoReturn:
    if hindered.by == "itself":
        raise OutcomeUnknown from hindered
    if hindered.by == "throttling":
        raise Throttled(
            "DynamoDB is throttling this change; it was not made.", "Wait a moment and do it again."
        ) from hindered
    raise Conflict(
        "Other writes are changing it right now, so nothing was done. Try again.", item
    ) from hindered


def _lost(planner: Planner, intent: Intent, item: Raw | None) -> NoReturn:
    """Somebody was quicker; the sentence says what the item is now."""
    try:
        planner(item, datetime.now(UTC), intent)
    except NotFound:
        raise NotFound("It was deleted in the meantime.") from None
    except Refused as refused:
        sentence = f"Another write changed it in the meantime. {refused.sentence}"
        raise Conflict(sentence, item) from None
    raise Conflict(
        "Another write changed it in the meantime, so nothing was done. "
        "Check its current state, and try again if you still want it.",
        item,
    )


def _earlier(intent: Intent, background: bool = False) -> Done | None:
    entry = entries.read_entry(intent.action_id, intent.target.table, background=background)
    if entry is None:
        return None
    if not entry.is_of(intent):
        raise IdempotencyMismatch(
            "This form was used for another action already. Reload the page and do it again."
        )
    return Done(entry, repeated=True)


def _sent(intent: Intent, background: bool) -> Done | None:
    """As `_earlier`, once it was sent: without an answer it is not known."""
    try:
        return _earlier(intent, background)
    except DynamoError as error:
        raise OutcomeUnknown from error


def _settled(intent: Intent) -> Done | None:
    """After a lost answer: whether the entry is there. The budget of the page is spent, so a fresh one."""
    try:
        with spending.request_budget(2 * clients.read_timeout()):
            return _earlier(intent)
    except DynamoError:
        return None


def operations_for(
    plan: Plan, intent: Intent, item: Raw | None, now: datetime
) -> tuple[Entry, list[dict[str, Any]]]:
    """The entry of one item, and its part of a transaction: the item's own operation first, its entry's, and those of
    its image and its messages.

    A job puts those of many items into one transaction, as far as DynamoDB takes them (100 operations, 4 MB). By the
    index of a failure (`commits.Cancelled`) it finds the item to leave out; after the commit it does for each item what
    `act` does: log and count it (`action_log.logged`), and call `after_commit`. Raises Conflict where this item can't be done.
    """
    table, audit, jobs = (
        intent.target.table,
        audit_table_for(intent.target.table),
        jobs_table_for(intent.target.table),
    )
    own = _own_operation(plan, intent.target, item)
    image = _image(plan, intent, item)
    entry = Entry(
        action_id=intent.action_id,
        action=intent.action,
        actor=intent.actor,
        target=intent.target,
        table=table.name,
        at=entries.stamp(now),
        reason=intent.reason.strip(),
        condition=own.condition,
        changes=own.changed,
        watch=plan.watch,
        undo_of=plan.undo_of,
        has_image=image is not None,
        stale_image=image is not None and not own.whole,
        count=plan.count,
        note=plan.note,
        job=intent.job,
    )
    puts = [
        {
            "TableName": audit.name,
            "Item": entry.item(),
            "ConditionExpression": "attribute_not_exists(action_id)",
        },
        *([{"TableName": audit.name, "Item": image}] if image else []),
        *({"TableName": jobs.name, "Item": _kept(message, intent.target)} for message in plan.messages),
    ]
    return entry, [*own.operations, *({"Put": put} for put in puts), *plan.internal]


def _kept(message: outbox.Message, target: Target) -> Raw:
    """The outbox item. Raises Conflict where the message is too long to be sent."""
    message = replace(message, target=target)
    message.check()
    return message.item()


@dataclass(frozen=True)
class _Own:
    """The operation on the item itself, and what its entry says of it. `whole`: all of the item is guarded."""

    operations: list[dict[str, Any]]
    condition: str = ""
    changed: tuple[changes.Changed, ...] = ()
    whole: bool = True


def _own_operation(plan: Plan, target: Target, item: Raw | None) -> _Own:
    table = target.table
    if plan.change is not None:
        if not plan.change.changed:
            raise Conflict("No change: it already has these values.")
        update = {"Update": plan.change.request(table.name, target.key.wire)}
        return _Own([update], plan.change.condition, tuple(plan.change.changed))
    if plan.delete:
        assert item is not None
        key = target.key.wire
        request, whole = changes.delete_request(table.name, key, item, first=plan.first_guards)
        return _Own(
            [{"Delete": request}], "every attribute as read" if whole else "most as read", whole=whole
        )
    if plan.put is None:
        return _Own([])
    put = {
        "TableName": table.name,
        "Item": plan.put,
        "ConditionExpression": "attribute_not_exists(#k)",
        "ExpressionAttributeNames": {"#k": table.key},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    # What comes back stands in the entry of its purge.
    made = () if plan.undo_of else sorted(plan.put)
    changed = tuple(changes.Changed((name,), None, plan.put[name]) for name in made)
    return _Own([{"Put": put}], "does not exist", changed)


def _image(plan: Plan, intent: Intent, item: Raw | None) -> Raw | None:
    """The item that keeps the copy for an undo, None where none is kept: `without_image` in the intent's data says
    that the person has confirmed it."""
    if not plan.image or item is None:
        return None
    try:
        return entries.image_item(intent.action_id, images.pack(item))
    except images.ImageTooLarge:
        if intent.data.get("without_image"):
            return None
        raise Conflict(
            "It is too large to keep a copy for an undo. Confirm that this can't be undone."
        ) from None
