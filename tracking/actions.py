"""What operators do to a workflow: the plan of each action, which is written in one transaction with its audit entry
(`operations.transactions`). `action_views` declares them.

A mark as failed or completed is for a workflow whose orchestrator is gone; one that is alive may overwrite it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings

from opsportal.aws import send_message
from opsportal.console.clock import iso
from opsportal.console.text import excerpt
from opsportal.dynamo.attributes import Typed, read_number, read_text, read_time
from opsportal.dynamo.json_values import number_text, shortest, total
from opsportal.dynamo.tables import Binding
from opsportal.operations import entries, images
from opsportal.operations.changes import NULL, Change, Raw, number, text
from opsportal.operations.entries import Entry, Intent, Target
from opsportal.operations.outbox import Message
from opsportal.operations.outcomes import Conflict, Refused, existing
from opsportal.operations.transactions import Plan
from tracking.findings import is_stuck
from tracking.models import Workflow
from tracking.statuses import ended_badly, is_terminal, said, status_of
from tracking.step_changes import StepShare, failing, hold, renewing, stopping
from tracking.steps import Step

GONE = "There is no workflow with this id."
# The life that a retry gives a workflow again; seed 000's (docs/data.md).
LIFE = timedelta(days=90)
# What ends by hand leave in the item, and a retry clears.
ENDS = ("cancelledAt", "cancelledBy", "failedAt", "failedBy", "completedAt", "completedBy", "error")
TOKENS = ("inputTokens", "outputTokens", "totalTokens")
# Names of steps in a sentence.
MAX_NAMED = 50


def target(session_id: str) -> Target:
    return Target("workflows", session_id)


def _change(raw: Raw) -> Change:
    return Change(raw).guard("overallStatus", "lastUpdated")


# --- Cancel -----------------------------------------------------------------------------------------------


def cancel(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Set `cancelled`, and the steps that have not ended `stopped`."""
    raw = existing(raw, GONE)
    if is_terminal(status_of(raw)):
        raise Conflict(f"It is {said(raw)}: there is nothing to cancel.")
    change, share = _cancelling(raw, intent.actor.name, now)
    watch = {"overallStatus": text("cancelled"), "lastUpdated": text(iso(now))}
    return Plan(change=change, watch=watch, note=share.sentence)


def _cancelling(raw: Raw, by: str, now: datetime) -> tuple[Change, StepShare]:
    """What a cancel writes, and how many of the steps it can stop."""
    moment = text(iso(now))
    change = _change(raw).set("overallStatus", text("cancelled")).set("lastUpdated", moment)
    change.set("cancelledAt", moment).set("cancelledBy", text(by))
    return change, hold(change, stopping(Workflow.from_item(raw)))


# --- Retry ------------------------------------------------------------------------------------------------


def retry(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Set `initializing` with fresh steps, and send the command to the orchestrators. Totals become those of the steps
    that stay, and it gets a new life of `LIFE`, so that it does not expire while it runs.

    `intent.data`: `from_step` (an attribute: from that step on) or `from_failed` (from the first failed one on), or
    `from_failed_or_start` (the whole where none has failed); the whole without any. Raises NoSuchStep too.
    """
    raw = existing(raw, GONE)
    workflow = Workflow.from_item(raw)
    went_wrong = ended_badly(status_of(raw)) or first_failed(workflow) is not None
    if not went_wrong and not is_stuck(workflow, now):
        raise Conflict(
            f"It is {said(raw)}; only what failed, was cancelled, has a failed step or is stuck can be retried."
        )
    if not settings.WORKFLOW_COMMANDS_QUEUE_URL:
        raise Conflict(
            "The setting WORKFLOW_COMMANDS_QUEUE_URL is missing: no orchestrator would get the command."
        )
    first = _start_of(workflow, intent)
    change, share = _retrying(raw, first, now)
    body = command(raw, intent.target.id, first)
    queue = settings.WORKFLOW_COMMANDS_QUEUE_URL
    return Plan(
        change=change,
        watch={
            "overallStatus": text("initializing"),
            "lastUpdated": text(iso(now)),
            "retryCount": number(retry_count(raw) + 1),
        },
        messages=(Message("workflows.command", body, intent.action_id, now, queue=queue),),
        note=f"{note_of_start(first.key) if first else ''} {share.sentence}".strip(),
    )


def first_failed(workflow: Workflow) -> Step | None:
    """The first failed step, from which a retry can start."""
    return next((step for step in workflow.steps if step.failed), None)


class NoSuchStep(Refused):
    """The item records no such step; `more` has those that it does."""

    status = 422
    field = "from_step"

    def __init__(self, key: str, workflow: Workflow) -> None:
        steps = [step.key for step in workflow.steps if step.present]
        self.more = {"steps": steps}
        listed = ", ".join(excerpt(name, 60) for name in steps[:MAX_NAMED])
        others = f" and {len(steps) - MAX_NAMED} more" if len(steps) > MAX_NAMED else ""
        known = f"Its steps are: {listed}{others}." if steps else "It has no recorded step."
        super().__init__(f"It has no recorded step {excerpt(key, 60)!r}. {known}", workflow.raw)


def _start_of(workflow: Workflow, intent: Intent) -> Step | None:
    """None: the whole. Raises NoSuchStep, Conflict."""
    if key := intent.data.get("from_step"):
        if step := next((one for one in workflow.steps if one.present and one.key == key), None):
            return step
        raise NoSuchStep(key, workflow)
    if intent.data.get("from_failed_or_start"):
        return first_failed(workflow)
    if intent.data.get("from_failed"):
        if step := first_failed(workflow):
            return step
        raise Conflict("No step has failed; only the whole workflow can be retried.")
    return None


_FROM = "From the step"


def note_of_start(key: str) -> str:
    """What the entry of a retry notes of where it starts."""
    return f"{_FROM} {key} on."


def started_from(entry: Entry, from_step: str, from_failed: bool) -> bool:
    """Whether a retry's entry is of one that started so."""
    if from_step:
        return entry.note.startswith(note_of_start(from_step))
    return entry.note.startswith(f"{_FROM} ") == from_failed


def _retrying(raw: Raw, first: Step | None, now: datetime) -> tuple[Change, StepShare]:
    """What a retry writes, and how many of the steps it can renew."""
    workflow = Workflow.from_item(raw)
    change = _change(raw).set("overallStatus", text("initializing")).set("lastUpdated", text(iso(now)))
    change.set("retryCount", number(retry_count(raw) + 1))
    for name in ENDS:
        if name in raw:
            change.set(name, NULL)
    _renew(change, now)
    parts = renewing(workflow, first)
    share = hold(change, parts)
    renewed = {part.guard[0] for part in parts[: share.held]}
    _set_totals(change, [step for step in workflow.steps if step.key not in renewed])
    return change, share


def _renew(change: Change, now: datetime) -> None:
    ttl = target("").table.ttl_attribute
    for name in dict.fromkeys(("expiresAt", ttl or "expiresAt")):
        change.set(name, number(int((now + LIFE).timestamp())))
    if ttl != "ttl":
        change.remove("ttl")


def _set_totals(change: Change, kept: Sequence[Step]) -> None:
    """As the status writer counts them: each figure by itself, as recorded."""
    spent = [(step.tokens.input, step.tokens.output, step.tokens.total) for step in kept]
    for index, name in enumerate(TOKENS):
        change.set(("totalTokenUsage", name), _sum(tokens[index] for tokens in spent))
    change.set("totalDuration", _sum(step.duration for step in kept))


def _sum(values: Iterable[object]) -> Typed:
    return number(number_text(shortest(total(value for value in values if isinstance(value, Decimal)))))


def command(raw: Raw, session_id: str, first: Step | None) -> dict[str, Any]:
    """What the orchestrators are sent. `fromStep` is the attribute of a step, None for the whole workflow; a wish,
    which an orchestrator need not know of."""
    about = {name: read_text(raw.get(name)) or None for name in ("documentId", "sourceType", "correlationId")}
    return {"action": "retry", "sessionId": session_id, **about, "fromStep": first.key if first else None}


def send_command(message: Message, table: Binding) -> None:
    """Put a command into the queue that the orchestrators read."""
    send_message(settings.WORKFLOW_COMMANDS_QUEUE_URL, {**message.body, "action_id": message.action_id})


def holds_retry(entry: Entry, raw: Raw) -> bool:
    """Whether a worker has not forgotten the retry. An orchestrator that put back its old copy has; one that takes it
    up may begin with an item of its own, which knows of no retry either."""
    wanted = read_number(entry.watch.get("retryCount"))
    return not isinstance(wanted, Decimal) or retry_count(raw) >= wanted or began_after(entry, raw)


def began_after(entry: Entry, raw: Raw) -> bool:
    """Whether the item is of a run that began after the entry: no stamp in it is from before, and its creation or a
    step, or that nothing has begun, shows that it is new.

    Before is what the item said of its last update when the entry was made, by the clock of who writes it; without
    that, the entry's own time.
    """
    workflow, before = Workflow.from_item(raw), _updated_before(entry)
    steps = [step.touched_at for step in workflow.steps if step.touched_at]
    created, updated = workflow.created_at, workflow.last_updated
    if before is None or not isinstance(updated, datetime) or min([updated, *steps]) <= before:
        return False
    created_after = isinstance(created, datetime) and created > before
    untouched = status_of(raw) in ("initializing", "pending")
    return created_after or bool(steps) or untouched


def _updated_before(entry: Entry) -> datetime | None:
    old = next((change.old for change in entry.changes if change.path == ("lastUpdated",)), None)
    return next((at for at in (read_time(old), entry.time) if isinstance(at, datetime)), None)


def retry_count(raw: Raw) -> int:
    value = read_number(raw.get("retryCount"))
    return int(value) if isinstance(value, Decimal) and 0 <= value < 10**6 else 0


# --- Marks ------------------------------------------------------------------------------------------------


def fail(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Set `failed`, and the steps that run `error` with the reason, which is where the table's readers look for it."""
    change = _markable(raw, "failed")
    share = hold(change, failing(Workflow.from_item(change.raw), intent.reason, text(iso(now))))
    if not share.wanted:
        change.set("error", text(intent.reason))
    return _marked(change, "failed", now, intent, note=share.sentence)


def complete(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Set `completed`; steps and totals stay as they are."""
    return _marked(_markable(raw, "completed"), "completed", now, intent)


def _markable(raw: Raw | None, status: str) -> Change:
    raw = existing(raw, GONE)
    if is_terminal(status_of(raw)):
        raise Conflict(f"It is {said(raw)}; only what is not finished can be marked {status}.")
    return _change(raw)


def _marked(change: Change, status: str, now: datetime, intent: Intent, note: str = "") -> Plan:
    moment = text(iso(now))
    change.set("overallStatus", text(status)).set("lastUpdated", moment)
    change.set(f"{status}At", moment).set(f"{status}By", text(intent.actor.name))
    watch = {"overallStatus": text(status), "lastUpdated": moment}
    return Plan(change=change, watch=watch, image=True, note=note)


def renewed(raw: Raw, now: datetime) -> Raw:
    """The stamp that an undo renews."""
    return {"lastUpdated": text(iso(now))}


def notes_before(raw: Raw, now: datetime) -> dict[str, str]:
    """What a person or a program must know before an action, by its verb: how many steps one change holds, where that
    is not all. Of a mark with a long reason it holds fewer."""
    shares = {
        "cancel": _cancelling(raw, "", now)[1],
        "fail": hold(_change(raw), failing(Workflow.from_item(raw), "", text(iso(now)))),
        "retry": _retrying(raw, None, now)[1],
    }
    notes = {verb: share.sentence for verb, share in shares.items() if share.left}
    return notes | ({"retry": f"From the start, {notes['retry']}"} if "retry" in notes else {})


# --- Purge ------------------------------------------------------------------------------------------------


def purge(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Delete the workflow."""
    raw = existing(raw, GONE)
    workflow = Workflow.from_item(raw)
    if not workflow.is_terminal and not workflow.is_expired:
        raise Conflict(f"It is {said(raw)}; only what is finished or expired can be purged.")
    return Plan(delete=True, image=True, first_guards=("overallStatus", "lastUpdated"))


def note_of_undo(purge_id: str, session_id: str) -> str:
    """What an undo can't bring back for long: a workflow whose life was over."""
    packed = entries.read_image(purge_id, target(session_id).table)
    if packed and Workflow.from_item(images.unpack(packed)).is_expired:
        return "It has expired: DynamoDB deletes it again within days unless it is retried."
    return ""
