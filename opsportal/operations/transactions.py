"""One action, end to end: read, decide, and one TransactWriteItems that holds the change of the item, its
audit entry, its before-image and the message to the outside. All commit together or not at all.

The audit entry's key, `action_id`, makes an action happen once: whoever repeats it finds the entry.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

from botocore.exceptions import ClientError

from opsportal.dynamo import clients, spending
from opsportal.dynamo.errors import CredentialsRefused, DynamoError, Throttled, translated
from opsportal.operations import changes, entries, images, outbox
from opsportal.operations.changes import Change, Raw
from opsportal.operations.entries import Actor, Entry, Target
from opsportal.operations.tables import audit_beside, jobs_beside
from opsportal.operations.tags import Action

logger = logging.getLogger(__name__)

# Two transactions that touch one item cancel each other; the second try usually finds the way free.
ATTEMPTS = 4


class Refused(Exception):
    """Nothing was written. `sentence` is for a person; `item` is the item as it is now, where known."""

    status = 409

    def __init__(self, sentence: str, item: Raw | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.item = item


class Conflict(Refused):
    """The item's state forbids the action, or somebody else was quicker."""


class Missing(Refused):
    """There is no such item (any more)."""

    status = 404


class OtherIntent(Refused):
    """The action_id belongs to another action."""


class Unknown(Exception):
    """DynamoDB did not say whether the change was made. The same action_id may be sent again."""

    status = 503
    sentence = (
        "DynamoDB did not answer in time, so it is not known whether this was done. "
        "Do it again: what was done already is not done twice."
    )


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


@dataclass(frozen=True)
class Done:
    """The action took effect. `repeated`: it had done so before this call."""

    entry: Entry
    repeated: bool = False


Decide = Callable[[Raw | None, datetime], Plan]


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
    for attempt in range(ATTEMPTS):
        if done := _earlier(action, target, by, action_id, patient=patient):
            return done
        now = datetime.now(UTC)
        item = _read(target, patient=patient)
        try:
            plan = decide(item, now)
            entry, operations = _transaction(action, target, by, reason, action_id, plan, item, now)
        except Refused as refused:
            refused.item = refused.item or item
            _log(action, target, by, action_id, refused.sentence)
            raise
        try:
            _commit(target, operations, patient=patient)
        except _TryAgain as again:
            if attempt + 1 < ATTEMPTS and again.transient:
                continue
            if done := _earlier(action, target, by, action_id, patient=patient):
                return done
            if again.transient:
                raise Unknown from again
            _lost(action, target, by, action_id)
        except DynamoError as error:
            # The transaction may have been carried out though its answer was lost.
            if error.retry and not isinstance(error, Throttled | CredentialsRefused):
                if done := _settled(action, target, by, action_id):
                    return done
                raise Unknown from error
            _log(action, target, by, action_id, error.sentence)
            raise
        else:
            for message in plan.messages:
                outbox.send_soon(message, target.table)
            return Done(entry)
    raise AssertionError("the last attempt returns or raises")


def _lost(action: Action, target: Target, by: Actor, action_id: str) -> NoReturn:
    item = _read(target)
    sentence = "Somebody or something else changed it in the meantime; this is how it is now."
    if item is None:
        sentence = "It was deleted in the meantime."
    _log(action, target, by, action_id, sentence)
    raise Conflict(sentence, item)


def _earlier(
    action: Action, target: Target, by: Actor, action_id: str, *, patient: bool = False
) -> Done | None:
    entry = entries.read_entry(action_id, target.table, patient=patient)
    if entry is None:
        return None
    if not entry.same_intent(action, by, target):
        sentence = "This form was used for another action already. Reload the page and do it again."
        _log(action, target, by, action_id, sentence)
        raise OtherIntent(sentence)
    return Done(entry, repeated=True)


def _settled(action: Action, target: Target, by: Actor, action_id: str) -> Done | None:
    """After a lost answer: whether the entry is there. The budget of the page is spent, so a fresh one."""
    try:
        with spending.request_budget(3.0):
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


class _TryAgain(Exception):
    """The transaction was cancelled. `transient`: by another one under way, not by a condition."""

    def __init__(self, *, transient: bool) -> None:
        super().__init__()
        self.transient = transient


def _commit(target: Target, operations: list[dict[str, Any]], *, patient: bool) -> None:
    table = target.table
    try:
        with translated(table):
            clients.client(*table.place, patient=patient).transact_write_items(TransactItems=operations)
    except ClientError as error:
        # Reasons come in the order of the operations.
        reasons = [reason.get("Code", "None") for reason in error.response.get("CancellationReasons", [])]
        codes = {code for code in reasons if code != "None"}
        if error.response["Error"]["Code"] == "TransactionInProgressException" or codes <= {
            "TransactionConflict",
            "ThrottlingError",
            "ProvisionedThroughputExceeded",
        }:
            raise _TryAgain(transient=True) from error
        if "ConditionalCheckFailed" in codes:
            raise _TryAgain(transient=False) from error
        message = "; ".join(
            f"{reason.get('Code')}: {reason.get('Message', '')}"
            for reason in error.response.get("CancellationReasons", [])
            if reason.get("Code") not in (None, "None")
        )
        raise DynamoError(f"DynamoDB refused the change: {message}") from error


def _log(action: Action, target: Target, by: Actor, action_id: str, sentence: str) -> None:
    """A refusal writes nothing to the tables; the log has it, with what AWS calls the requests."""
    account = spending.current()
    logger.warning(
        "refused %s on %s %r by %s (action_id %s): %s [AWS requests %s, %s RCU, %s WCU]",
        action.value,
        target.logical,
        target.key,
        by.name,
        action_id,
        sentence,
        ",".join(account.request_ids[-4:]) if account else "",
        account.read_units if account else "",
        account.write_units if account else "",
    )
