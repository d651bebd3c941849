"""What operators do to a request: the plan of each action, which is written in one transaction with its audit entry
(`operations.transactions`). `action_views` declares them.
"""

import re
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings

from opsportal.dynamo import timestamp_form
from opsportal.dynamo.attributes import Typed, plain, read_number, read_text
from opsportal.operations import entries
from opsportal.operations.changes import NULL, Change, Raw, at, number, text
from opsportal.operations.entries import Actor, Entry, Intent, Target
from opsportal.operations.outbox import Message
from opsportal.operations.outcomes import Conflict, Done, IdempotencyMismatch, existing
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Plan, act
from requests_app.dialects import DOCUMENTED, Dialect, fresh_progress
from requests_app.findings import is_stuck, mark
from requests_app.models import IntelligenceRequest
from requests_app.statuses import ended_badly, said, status_of, terminal_statuses
from requests_app.submission import Submission

GONE = "There is no request with this id."


def target(request_id: str) -> Target:
    return Target("requests", request_id)


def has_stopped(raw: Raw, now: datetime | None = None) -> bool:
    """Whether it is stuck in an open status."""
    return is_stuck(IntelligenceRequest.from_item(raw), now or datetime.now(UTC))


def uses_queue(raw: Raw) -> bool:
    return str(read_text(raw.get("processing_strategy")) or "").lower() == "sqs"


def cancel(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Set `cancelled`."""
    raw = existing(raw, GONE)
    if status_of(raw) in terminal_statuses():
        raise Conflict(f"It is {said(raw)}: there is nothing to cancel.")
    change, moment = _change(raw), stamp(now, raw.get("updated_at"))
    change.set("status", text("cancelled")).set("completed_at", moment).set("updated_at", moment)
    record_status(change, raw, moment, "cancelled", intent.reason or f"Cancelled by {intent.actor.name}")
    return Plan(change=change, watch={"status": text("cancelled"), "updated_at": moment})


def retry(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Set `pending` again, with its progress at zero and its errors kept; strategy `sqs` gets a message.

    For what ended badly, and for what is stuck in an open status. It removes `ttl`, so that the request does not
    expire while it runs.
    """
    raw = existing(raw, GONE)
    failed = ended_badly(status_of(raw))
    if not failed and not has_stopped(raw, now):
        raise Conflict(f"It is {said(raw)}; only what failed, was cancelled or is stuck can be retried.")
    if uses_queue(raw) and not settings.REQUESTS_QUEUE_URL:
        raise Conflict("Its strategy is sqs, and the setting REQUESTS_QUEUE_URL is missing.")
    change = _change(raw).guard("processing_metadata")
    if not failed:
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
    change.remove(target("").table.ttl_attribute or "ttl")
    record_status(change, raw, moment, "pending", intent.reason or f"Retried by {intent.actor.name}")
    return Plan(change=change, watch=watch, messages=queue_messages(raw, intent, now, retries))


def holds_retry(entry: Entry, raw: Raw) -> bool:
    """Whether a worker has not forgotten the retry: one that put back its old copy has."""
    wanted = read_number(entry.watch.get("processing_metadata.retry_count"))
    if not isinstance(wanted, Decimal):
        return not ended_badly(status_of(raw))
    return retry_count(raw) >= wanted


def fail(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Set `failed`, with the reason as the newest of its errors, where its worker no longer reports; one that is alive
    may write over it."""
    change, moment = _begun(raw, now, "failed")
    if {"L", "NULL"} & change.raw.get("errors", NULL).keys():
        (failed_at,) = moment.values()
        change.append("errors", text(f"{failed_at}: {intent.reason}"))
    else:  # it is no list, and left as it is
        change.set("status_message", text(intent.reason))
    return _ended(change, "failed", f"{mark('failed', intent.actor.name)}: {intent.reason}", moment)


def complete(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Set `completed`, as `fail`; progress and results stay as they are."""
    change, moment = _begun(raw, now, "completed")
    reason = f": {intent.reason}" if intent.reason else ""
    return _ended(change, "completed", f"{mark('completed', intent.actor.name)}{reason}", moment)


def _begun(raw: Raw | None, now: datetime, status: str) -> tuple[Change, Typed]:
    """The change in the making, and its stamp. Raises NotFound, Conflict."""
    raw = existing(raw, GONE)
    if status_of(raw) in terminal_statuses():
        raise Conflict(f"It is {said(raw)}; only what is not finished can be marked {status}.")
    return _change(raw), stamp(now, raw.get("updated_at"))


def _ended(change: Change, status: str, message: str, moment: Typed) -> Plan:
    change.set("status", text(status)).set("completed_at", moment).set("updated_at", moment)
    record_status(change, change.raw, moment, status, message)
    return Plan(change=change, watch={"status": text(status), "updated_at": moment}, image=True)


def record_undo(change: Change, image: Raw, by: Actor, now: datetime) -> None:
    """The line of status history that an undo adds. `image`: the item as it will be again."""
    status = str(read_text(image.get("status")) or "")
    record_status(
        change, change.raw, stamp(now, change.raw.get("updated_at")), status, f"Undone by {by.name}"
    )


def renewed(raw: Raw, now: datetime) -> Raw:
    """The stamps that an undo renews."""
    return {"updated_at": stamp(now, raw.get("updated_at"))}


def purge(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Delete the request, and its logs after settings.UNDO_LOGS_MINUTES. `intent.data["unfinished"]`: whether the
    person may also purge what is not finished."""
    raw = existing(raw, GONE)
    if status_of(raw) not in terminal_statuses() and not intent.data.get("unfinished"):
        raise Conflict(f"It is {said(raw)}; only an administrator can purge an unfinished request.")
    message = purge_logs_message(intent, now)
    return Plan(delete=True, image=True, first_guards=("status", "updated_at"), messages=(message,))


def plan_submit(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Write a new request; see `intent_to_submit`."""
    if raw is not None:
        raise Conflict("There is a request with this id already.")
    submission: Submission = intent.data["submission"]
    item = submission.item(
        by=intent.actor,
        action_id=intent.action_id,
        now=now,
        milliseconds=intent.data["milliseconds"],
        dialect=intent.data["dialect"],
    )
    like = intent.data["like"]
    return Plan(
        put=item,
        watch={name: item[name] for name in ("status", "updated_at")},
        messages=queue_messages(item, intent, now, 0),
        note=f"Started like {like}." if like else "",
    )


def intent_to_submit(
    submission: Submission,
    *,
    by: Actor,
    reason: str,
    action_id: str,
    like: str = "",
    milliseconds: int | None = None,
    dialect: Dialect = DOCUMENTED,
) -> Intent:
    """`like`: the id of the request it was drawn from; `dialect`: how the item is written; `milliseconds`: the time in
    its id, by default that of the action_id. ValueError: `submission.new_action_id` has not made that."""
    new = target(submission.request_id(action_id, milliseconds))
    data = {"submission": submission, "like": like, "milliseconds": milliseconds, "dialect": dialect}
    return Intent(Action.REQUEST_SUBMIT, new, by, reason, action_id, data)


def submit(submission: Submission, **asked: Any) -> Done:
    """Write a new request, whose id is the target of the entry; see `intent_to_submit`. Raises as
    `operations.transactions.act`, OtherIntent also where the action_id has made another request."""
    return act(plan_submit, intent_to_submit(submission, **asked))


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
    except IdempotencyMismatch:
        # Of two at once the quicker has set the time.
        return once()


def _first_time(action_id: str) -> int:
    entry = entries.read_entry(action_id, target("").table)
    found = _TIME_OF_ID.match(entry.target.id) if entry else None
    return int(found[1]) if found else time.time_ns() // 1_000_000


def queue_messages(raw: Raw, intent: Intent, now: datetime, retries: int) -> tuple[Message, ...]:
    """What a request that waits for its worker has sent with it, after so many retries."""
    if not uses_queue(raw):
        return ()
    body = queue_body(raw, intent.target.id, now, retries)
    return (Message("requests.sqs", body, intent.action_id, now, queue=settings.REQUESTS_QUEUE_URL),)


def purge_logs_message(intent: Intent, now: datetime) -> Message:
    """Due when the undo of the logs ends. The second pass follows the first, since the index lags."""
    action_id, by = intent.action_id, intent.actor
    body = {
        "request_id": intent.target.id,
        "by": by.name,
        "by_id": by.id,
        "role": by.role,
        "purge": action_id,
        **({"job": intent.job} if intent.job else {}),
    }
    return Message(
        "requests.purge_logs",
        body,
        action_id,
        now + timedelta(minutes=settings.UNDO_LOGS_MINUTES),
        part="logs",
        joins=True,
    )


def retry_count(raw: Raw) -> int:
    value = read_number(at(raw, ("processing_metadata", "retry_count")))
    return int(value) if isinstance(value, Decimal) and 0 <= value < 10**6 else 0


def queue_body(raw: Raw, request_id: str, now: datetime, retries: int) -> dict[str, Any]:
    """The message that workers of the `sqs` strategy take (docs/data.md#request-lifecycle)."""
    config = raw.get("config", {"M": {}})
    most = read_number(at(raw, ("config", "max_retries")))
    return {
        "request_id": request_id,
        **{
            name: read_text(raw.get(name)) or None
            for name in ("project_id", "user_id", "request_type", "priority")
        },
        "configuration": plain(config),
        "metadata": {
            "submitted_at": written(now, raw.get("created_at")),
            "retry_count": retries,
            "max_retries": int(most) if isinstance(most, Decimal) else None,
        },
    }


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


def stamp(moment: datetime, like: Typed | None = None) -> Typed:
    """In the form of `like`, a stamp of the item, or else in seed 002's: string order stays true."""
    return timestamp_form.written_like(moment, like, timestamp_form.DOCUMENTED)


def written(moment: datetime, like: Typed | None = None) -> str:
    """As `stamp`, as text."""
    value = stamp(moment, like)
    return str(value.get("S") or value["N"])
