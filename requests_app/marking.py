"""Marking a request failed or completed by hand, where its worker says nothing any more.

Each keeps the item as it was, so that it can be undone; a worker that is alive may write over it.
"""

from collections.abc import Callable
from datetime import datetime

from opsportal.dynamo.attributes import Typed, read_text
from opsportal.operations.changes import NULL, Change, Raw, text
from opsportal.operations.entries import Actor
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Conflict, Done, Missing, Plan, act
from requests_app import stamps
from requests_app.actions import GONE, record_status, said, status_of, target
from requests_app.findings import mark
from requests_app.statuses import is_known, terminal_statuses


def may_fail(raw: Raw) -> str:
    return _unless_open(raw, "failed")


def may_complete(raw: Raw) -> str:
    return _unless_open(raw, "completed")


def _unless_open(raw: Raw, status: str) -> str:
    if status_of(raw) not in terminal_statuses():
        return ""
    return f"It is {said(raw)}; only what is not finished can be marked {status}."


def unknown_status(raw: Raw | None) -> str:
    """That the console does not know its status, in a sentence; "" where it does."""
    if raw is None or is_known(status_of(raw)):
        return ""
    if not status_of(raw):
        return "It has no status that the console can read, and counts as not finished."
    return f"Its status {said(raw)} is unknown to the console, and counts as not finished."


def fail(request_id: str, *, by: Actor, reason: str, action_id: str, without_image: bool = False) -> Done:
    """Set `failed`, with the reason as the newest of its errors. `without_image`: also where no copy for an undo
    fits. Raises Conflict, Missing, OtherIntent, Unknown, `DynamoError`."""

    def decide(raw: Raw | None, now: datetime) -> Plan:
        change = _begun(raw, may_fail)
        moment = _moment(change.raw, now)
        if {"L", "NULL"} & change.raw.get("errors", NULL).keys():
            (stamp,) = moment.values()
            change.append("errors", text(f"{stamp}: {reason}"))
        else:  # it is no list, and left as it is
            change.set("status_message", text(reason))
        return _ended(change, "failed", f"{mark('failed', by.name)}: {reason}", moment, without_image)

    return act(Action.REQUEST_FAIL, target(request_id), decide, by=by, reason=reason, action_id=action_id)


def complete(request_id: str, *, by: Actor, reason: str, action_id: str, without_image: bool = False) -> Done:
    """Set `completed`; progress and results stay as they are. Arguments and errors as `fail`."""

    def decide(raw: Raw | None, now: datetime) -> Plan:
        change = _begun(raw, may_complete)
        message = f"{mark('completed', by.name)}{f': {reason}' if reason else ''}"
        return _ended(change, "completed", message, _moment(change.raw, now), without_image)

    return act(Action.REQUEST_COMPLETE, target(request_id), decide, by=by, reason=reason, action_id=action_id)


def _begun(raw: Raw | None, may: Callable[[Raw], str]) -> Change:
    if raw is None:
        raise Missing(GONE)
    if reason := may(raw):
        raise Conflict(reason)
    return Change(raw).guard("status", "updated_at")


def _ended(change: Change, status: str, message: str, moment: Typed, without_image: bool) -> Plan:
    change.set("status", text(status)).set("completed_at", moment).set("updated_at", moment)
    record_status(change, change.raw, moment, status, message)
    watch = {"status": text(status), "updated_at": moment}
    return Plan(change=change, watch=watch, image=True, without_image=without_image)


def record_undo(change: Change, image: Raw, by: Actor, now: datetime) -> None:
    """The line of status history that an undo adds. `image`: the item as it will be again."""
    status = str(read_text(image.get("status")) or "")
    record_status(change, change.raw, _moment(change.raw, now), status, f"Undone by {by.name}")


def renewed(raw: Raw, now: datetime) -> Raw:
    """The stamps that an undo renews."""
    return {"updated_at": _moment(raw, now)}


def _moment(raw: Raw, now: datetime) -> Typed:
    return stamps.stamp(now, raw.get("updated_at"))
