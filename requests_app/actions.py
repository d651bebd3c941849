"""What operators do to a request. Each is one transaction with its audit entry (`operations.transactions`).

`may_*` say why an action is not to be had, "" when it is: pages ask them to draw a button, and the action
itself asks again on the item as it is in the transaction.
"""

import re
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings

from opsportal.console.text import excerpt
from opsportal.dynamo.attributes import Typed, plain, read_number, read_text
from opsportal.operations import entries
from opsportal.operations.changes import NULL, Change, Raw, at, number, text
from opsportal.operations.entries import Actor, Entry, Target
from opsportal.operations.outbox import Message
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Conflict, Done, Missing, OtherIntent, Plan, act
from requests_app.dialects import DOCUMENTED, Dialect, fresh_progress
from requests_app.findings import is_stuck
from requests_app.models import IntelligenceRequest
from requests_app.stamps import stamp, written
from requests_app.statuses import ended_badly, terminal_statuses
from requests_app.submission import Submission

GONE = "There is no request with this id any more."


def target(request_id: str) -> Target:
    return Target("requests", request_id)


def status_of(raw: Raw) -> str:
    """The status in lower case: spellings are one to a person."""
    return str(read_text(raw.get("status")) or "").strip().lower()


def said(raw: Raw) -> str:
    """The status as it is written."""
    return excerpt(str(read_text(raw.get("status")) or "").strip(), 60) or "without a status"


def may_cancel(raw: Raw) -> str:
    if status_of(raw) not in terminal_statuses():
        return ""
    return f"It is {said(raw)}: there is nothing to cancel."


def may_retry(raw: Raw, now: datetime | None = None) -> str:
    if not ended_badly(status_of(raw)) and not has_stopped(raw, now):
        return f"It is {said(raw)}; only what failed, was cancelled or is stuck can be retried."
    if uses_queue(raw) and not settings.REQUESTS_QUEUE_URL:
        return "Its strategy is sqs, and the setting REQUESTS_QUEUE_URL is missing."
    return ""


def has_stopped(raw: Raw, now: datetime | None = None) -> bool:
    """Whether it is stuck in an open status."""
    return is_stuck(IntelligenceRequest.of(raw), now or datetime.now(UTC))


def may_purge(raw: Raw, *, unfinished: bool) -> str:
    """`unfinished`: whether the person may also purge what is not finished."""
    if status_of(raw) in terminal_statuses() or unfinished:
        return ""
    return f"It is {said(raw)}; purging what is not finished needs a separate permission."


def uses_queue(raw: Raw) -> bool:
    return str(read_text(raw.get("processing_strategy")) or "").lower() == "sqs"


def cancel(request_id: str, *, by: Actor, reason: str, action_id: str) -> Done:
    """Set `cancelled`. Raises Conflict, Missing, OtherIntent, Unknown, `DynamoError`."""

    def decide(raw: Raw | None, now: datetime) -> Plan:
        raw = _there(raw)
        _only_if(may_cancel(raw))
        change = _change(raw)
        moment = stamp(now, raw.get("updated_at"))
        change.set("status", text("cancelled")).set("completed_at", moment).set("updated_at", moment)
        record_status(change, raw, moment, "cancelled", reason or f"Cancelled by {by.name}")
        return Plan(change=change, watch={"status": text("cancelled"), "updated_at": moment})

    return act(Action.REQUEST_CANCEL, target(request_id), decide, by=by, reason=reason, action_id=action_id)


def retry(request_id: str, *, by: Actor, reason: str, action_id: str) -> Done:
    """Set `pending` again, with its progress at zero and its errors kept; strategy `sqs` gets a message.

    For what ended badly, and for what is stuck in an open status. It removes `ttl`, so that the request does not
    expire while it runs. Raises as `cancel`.
    """

    def decide(raw: Raw | None, now: datetime) -> Plan:
        raw = _there(raw)
        _only_if(may_retry(raw, now))
        change = _change(raw).guard("processing_metadata")
        if not ended_badly(status_of(raw)):
            # A worker that is alive after all may renew no other stamp.
            change.guard(("progress", "last_updated"), "started_at")
        moment = stamp(now, raw.get("updated_at"))
        retries = retry_count(raw) + 1
        watch = {"status": text("pending"), "updated_at": moment}
        change.set("status", text("pending")).set("updated_at", moment)
        change.set("completed_at", NULL).set("started_at", NULL)
        if "status_message" in raw:
            change.set("status_message", NULL)
        _reset_progress(change, fresh_progress(moment))
        if _has_metadata(raw):
            change.set(("processing_metadata", "retry_count"), number(retries))
            watch["processing_metadata.retry_count"] = number(retries)
        change.remove(ttl_name())
        record_status(change, raw, moment, "pending", reason or f"Retried by {by.name}")
        messages: tuple[Message, ...] = ()
        if uses_queue(raw):
            messages = (Message("requests.sqs", queue_body(raw, request_id, now, retries), action_id, now),)
        return Plan(change=change, watch=watch, messages=messages)

    return act(Action.REQUEST_RETRY, target(request_id), decide, by=by, reason=reason, action_id=action_id)


def submit(
    submission: Submission,
    *,
    by: Actor,
    reason: str,
    action_id: str,
    like: str = "",
    milliseconds: int | None = None,
    dialect: Dialect = DOCUMENTED,
) -> Done:
    """Write a new request; strategy `sqs` gets a message. `like`: the id of the request it was drawn from.
    `dialect`: how the item is written.

    The id of the request is the target of the entry. `milliseconds`: the time in it. Raises as `cancel`,
    OtherIntent where the action_id has made another request; without `milliseconds`, ValueError for one that
    `submission.new_action_id` has not made.
    """

    def decide(raw: Raw | None, now: datetime) -> Plan:
        if raw is not None:
            raise Conflict("There is a request with this id already.")
        item = submission.item(
            by=by, action_id=action_id, now=now, milliseconds=milliseconds, dialect=dialect
        )
        return Plan(
            put=item,
            watch={name: item[name] for name in ("status", "updated_at")},
            messages=submit_messages(item, request_id, action_id, now),
            note=f"Started like {like}." if like else "",
        )

    request_id = submission.request_id(action_id, milliseconds)
    return act(Action.REQUEST_SUBMIT, target(request_id), decide, by=by, reason=reason, action_id=action_id)


_TIME_OF_ID = re.compile(r"req_(\d{1,15})_")


def submit_once(
    submission: Submission, *, by: Actor, reason: str, action_id: str, dialect: Dialect = DOCUMENTED
) -> Done:
    """As `submit`, for an action_id that a program chose: the time in the request's id is that of the first
    submission under it. Raises as `submit`."""

    def once() -> Done:
        milliseconds = _first_time(action_id)
        return submit(
            submission, by=by, reason=reason, action_id=action_id, milliseconds=milliseconds, dialect=dialect
        )

    try:
        return once()
    except OtherIntent:
        # Of two at once the quicker has set the time.
        return once()


def _first_time(action_id: str) -> int:
    entry = entries.read_entry(action_id, target("").table)
    found = _TIME_OF_ID.match(entry.target.key) if entry else None
    return int(found[1]) if found else time.time_ns() // 1_000_000


def submit_messages(item: Raw, request_id: str, action_id: str, now: datetime) -> tuple[Message, ...]:
    """What a new request has sent with it."""
    if not uses_queue(item):
        return ()
    return (Message("requests.sqs", queue_body(item, request_id, now, 0), action_id, now),)


def ttl_name() -> str:
    return target("").table.ttl_attribute or "ttl"


def purge(
    request_id: str,
    *,
    by: Actor,
    reason: str,
    action_id: str,
    unfinished: bool = False,
    without_image: bool = False,
) -> Done:
    """Delete the request, and its logs after settings.UNDO_LOGS_MINUTES. Raises as `cancel`."""

    def decide(raw: Raw | None, now: datetime) -> Plan:
        raw = _there(raw)
        _only_if(may_purge(raw, unfinished=unfinished))
        return Plan(
            delete=True,
            image=True,
            without_image=without_image,
            first_guards=("status", "updated_at"),
            messages=(purge_logs_message(request_id, action_id, by, now),),
        )

    return act(Action.REQUEST_PURGE, target(request_id), decide, by=by, reason=reason, action_id=action_id)


def purge_logs_message(request_id: str, action_id: str, by: Actor, now: datetime) -> Message:
    """Due when the undo of the logs ends. The second pass follows the first, since the index lags."""
    body = {"request_id": request_id, "by": by.name, "by_id": by.id, "role": by.role, "purge": action_id}
    return Message(
        "requests.purge_logs",
        body,
        action_id,
        now + timedelta(minutes=settings.UNDO_LOGS_MINUTES),
        part="logs",
    )


def keeps(entry: Entry, raw: Raw) -> bool:
    """Whether a later write of a worker keeps or advances what the entry wrote (see `observation`)."""
    if entry.undo_of:
        return True  # whatever follows goes on from what came back
    wrote, status = str(read_text(entry.watch.get("status")) or ""), status_of(raw)
    if wrote != "pending":
        return status == wrote
    # A worker that put back its old copy has forgotten that retry.
    expected = entry.watch.get("processing_metadata.retry_count")
    wanted = read_number(expected)
    if not isinstance(wanted, Decimal):
        return not ended_badly(status)
    return retry_count(raw) >= wanted


def retry_count(raw: Raw) -> int:
    value = read_number(at(raw, ("processing_metadata", "retry_count")))
    return int(value) if isinstance(value, Decimal) and 0 <= value < 10**6 else 0


def queue_body(raw: Raw, request_id: str, now: datetime, retries: int) -> dict[str, Any]:
    """The message that workers of the `sqs` strategy take (DATA.md, "Request lifecycle")."""
    config = raw.get("config", {"M": {}})
    most = read_number(at(raw, ("config", "max_retries")))
    return {
        "request_id": request_id,
        **{
            name: read_text(raw.get(name)) or None
            for name in ("project_id", "user_id", "request_type", "priority")
        },
        "configuration": _json(plain(config)),
        "metadata": {
            "submitted_at": written(now, raw.get("created_at")),
            "retry_count": retries,
            "max_retries": int(most) if isinstance(most, Decimal) else None,
        },
    }


def _json(value: Any) -> Any:
    """Plain data with JSON's numbers in place of decimals."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _json(member) for name, member in value.items()}
    return [_json(member) for member in value] if isinstance(value, list) else value


def _there(raw: Raw | None) -> Raw:
    if raw is None:
        raise Missing(GONE)
    return raw


def _only_if(reason: str) -> None:
    if reason:
        raise Conflict(reason)


def _change(raw: Raw) -> Change:
    return Change(raw).guard("status", "updated_at")


def _reset_progress(change: Change, fresh: Typed) -> None:
    """Member by member, so that what else a worker keeps there stays."""
    if "M" not in change.raw.get("progress", NULL):
        change.set("progress", fresh)
        return
    for name, value in fresh["M"].items():
        change.set(("progress", name), value)


def _has_metadata(raw: Raw) -> bool:
    """Whether `processing_metadata` is a map or may become one; what is there and is none is left alone."""
    metadata = raw.get("processing_metadata", NULL)
    return "M" in metadata or "NULL" in metadata


def record_status(change: Change, raw: Raw, moment: Typed, new_status: str, message: str) -> None:
    """Append to `processing_metadata.status_history`, as every change of status does."""
    entry: Typed = {
        "M": {
            "timestamp": moment,
            "old_status": raw.get("status", NULL),
            "new_status": text(new_status),
            "message": text(message),
        }
    }
    if _has_metadata(raw):
        change.append(("processing_metadata", "status_history"), entry)
