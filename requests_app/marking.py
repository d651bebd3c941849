"""Marking a request failed or completed by hand, where its worker no longer reports.

Each keeps the item as it was, so that it can be undone; a worker that is alive may write over it.
"""

from datetime import datetime

from opsportal.dynamo.attributes import Typed, read_text
from opsportal.operations.changes import NULL, Change, Raw, text
from opsportal.operations.entries import Actor, Intent
from opsportal.operations.outcomes import Conflict, existing
from opsportal.operations.transactions import Plan
from requests_app import stamps
from requests_app.actions import GONE, record_status
from requests_app.findings import mark
from requests_app.statuses import said, status_of, terminal_statuses


def fail(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Set `failed`, with the reason as the newest of its errors."""
    change, moment = _begun(raw, now, "failed")
    if {"L", "NULL"} & change.raw.get("errors", NULL).keys():
        (stamp,) = moment.values()
        change.append("errors", text(f"{stamp}: {intent.reason}"))
    else:  # it is no list, and left as it is
        change.set("status_message", text(intent.reason))
    return _ended(change, "failed", f"{mark('failed', intent.actor.name)}: {intent.reason}", moment)


def complete(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Set `completed`; progress and results stay as they are."""
    change, moment = _begun(raw, now, "completed")
    reason = f": {intent.reason}" if intent.reason else ""
    return _ended(change, "completed", f"{mark('completed', intent.actor.name)}{reason}", moment)


def _begun(raw: Raw | None, now: datetime, status: str) -> tuple[Change, Typed]:
    """The change in the making, and its stamp. Raises Missing, Conflict."""
    raw = existing(raw, GONE)
    if status_of(raw) in terminal_statuses():
        raise Conflict(f"It is {said(raw)}; only what is not finished can be marked {status}.")
    return Change(raw).guard("status", "updated_at"), _moment(raw, now)


def _ended(change: Change, status: str, message: str, moment: Typed) -> Plan:
    change.set("status", text(status)).set("completed_at", moment).set("updated_at", moment)
    record_status(change, change.raw, moment, status, message)
    return Plan(change=change, watch={"status": text(status), "updated_at": moment}, image=True)


def record_undo(change: Change, image: Raw, by: Actor, now: datetime) -> None:
    """The line of status history that an undo adds. `image`: the item as it will be again."""
    status = str(read_text(image.get("status")) or "")
    record_status(change, change.raw, _moment(change.raw, now), status, f"Undone by {by.name}")


def renewed(raw: Raw, now: datetime) -> Raw:
    """The stamps that an undo renews."""
    return {"updated_at": _moment(raw, now)}


def _moment(raw: Raw, now: datetime) -> Typed:
    return stamps.stamp(now, raw.get("updated_at"))
