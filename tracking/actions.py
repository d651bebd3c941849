"""What operators do to a workflow. Each is one transaction with its audit entry (`operations.transactions`).

`may_*` say why an action is not to be had, "" when it is: pages ask them to draw a button, and the action
itself asks again on the item as it is in the transaction.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

from django.conf import settings

from opsportal.console.clock import iso
from opsportal.console.text import excerpt
from opsportal.dynamo.attributes import Typed, read_number, read_text, read_time
from opsportal.operations import entries, images
from opsportal.operations.changes import NULL, Change, Raw, number, text
from opsportal.operations.entries import Actor, Entry, Target
from opsportal.operations.outbox import Message
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Conflict, Done, Missing, Plan, Refused, act
from tracking.findings import is_stuck
from tracking.models import Workflow
from tracking.statuses import ended_badly
from tracking.step_changes import StepShare, hold, renewing, stopping
from tracking.steps import Step

GONE = "There is no workflow with this id any more."
# The life that a retry gives a workflow again; seed 000's.
LIFE = timedelta(days=90)
# What ends by hand leave in the item, and a retry clears.
ENDS = ("cancelledAt", "cancelledBy", "failedAt", "failedBy", "completedAt", "completedBy", "error")
TOKENS = ("inputTokens", "outputTokens", "totalTokens")


def target(session_id: str) -> Target:
    return Target("workflows", session_id)


def status_of(raw: Raw) -> str:
    """The status in lower case: spellings are one to a person."""
    return str(read_text(raw.get("overallStatus")) or "").strip().lower()


def said(raw: Raw) -> str:
    """The status as it is written."""
    return excerpt(str(read_text(raw.get("overallStatus")) or "").strip(), 60) or "without a status"


def may_cancel(raw: Raw) -> str:
    workflow = Workflow.of(raw)
    return f"It is {said(raw)}: there is nothing to cancel." if workflow.is_terminal else ""


def may_retry(raw: Raw, now: datetime | None = None) -> str:
    workflow = Workflow.of(raw)
    went_wrong = ended_badly(status_of(raw)) or first_failed(workflow) is not None
    if not went_wrong and not is_stuck(workflow, now or datetime.now(UTC)):
        return (
            f"It is {said(raw)}; only what failed, was cancelled, has a failed step or is stuck "
            "can be retried."
        )
    if not settings.WORKFLOW_COMMANDS_QUEUE_URL:
        return "The setting WORKFLOW_COMMANDS_QUEUE_URL is missing: no orchestrator would hear of it."
    return ""


def may_purge(raw: Raw) -> str:
    workflow = Workflow.of(raw)
    if workflow.is_terminal or workflow.is_expired:
        return ""
    return f"It is {said(raw)}; only what is finished or expired can be purged."


def first_failed(workflow: Workflow) -> Step | None:
    """The first failed step, from which a retry can start."""
    return next((step for step in workflow.steps if step.failed), None)


def step_named(workflow: Workflow, key: str) -> Step | None:
    """The recorded step of that attribute."""
    return next((step for step in workflow.steps if step.present and step.key == key), None)


class NoSuchStep(Refused):
    """The item records no such step. `steps`: those that it does, by attribute."""

    status = 422

    def __init__(self, key: str, workflow: Workflow) -> None:
        self.steps = [step.key for step in workflow.steps if step.present]
        listed = ", ".join(excerpt(name, 60) for name in self.steps[:MAX_NAMED])
        more = f" and {len(self.steps) - MAX_NAMED} more" if len(self.steps) > MAX_NAMED else ""
        steps = f"Its steps are: {listed}{more}." if self.steps else "It has no recorded step."
        super().__init__(f"It has no recorded step {excerpt(key, 60)!r}. {steps}", workflow.raw)


def cancel(session_id: str, *, by: Actor, reason: str, action_id: str) -> Done:
    """Set `cancelled`, and the steps that have not ended `stopped`. Raises Conflict, Missing, OtherIntent,
    Unknown, `DynamoError`."""

    def decide(raw: Raw | None, now: datetime) -> Plan:
        raw = _there(raw)
        _only_if(may_cancel(raw))
        change, share = cancelling(raw, by.name, now)
        watch = {"overallStatus": text("cancelled"), "lastUpdated": text(iso(now))}
        return Plan(change=change, watch=watch, note=share.sentence)

    return act(Action.WORKFLOW_CANCEL, target(session_id), decide, by=by, reason=reason, action_id=action_id)


def cancelling(raw: Raw, by: str, now: datetime) -> tuple[Change, StepShare]:
    """What a cancel writes, and how many of the steps it can stop."""
    moment = text(iso(now))
    change = _change(raw).set("overallStatus", text("cancelled")).set("lastUpdated", moment)
    change.set("cancelledAt", moment).set("cancelledBy", text(by))
    return change, hold(change, stopping(Workflow.of(raw)))


# Names of steps in a sentence.
MAX_NAMED = 50


def retry(
    session_id: str, *, by: Actor, reason: str, action_id: str, from_step: str = "", from_failed: bool = False
) -> Done:
    """Set `initializing` with fresh steps, and send the command to the orchestrators: all of them, those from the
    step `from_step` (its attribute) on, or from the first failed one on. Totals become those of the steps that stay.
    Raises as `cancel`, and NoSuchStep.

    It gets a new life of `LIFE`, so that it does not expire while it runs.
    """

    def decide(raw: Raw | None, now: datetime) -> Plan:
        raw = _there(raw)
        _only_if(may_retry(raw, now))
        first = _start_of(Workflow.of(raw), from_step, from_failed)
        change, share = retrying(raw, first, now)
        retries = number(retry_count(raw) + 1)
        note = f"{note_of_start(first.key)} {share.sentence}" if first else share.sentence
        return Plan(
            change=change,
            watch={
                "overallStatus": text("initializing"),
                "lastUpdated": text(iso(now)),
                "retryCount": retries,
            },
            messages=(Message("workflows.command", command(raw, session_id, first), action_id, now),),
            note=note.strip(),
        )

    return act(Action.WORKFLOW_RETRY, target(session_id), decide, by=by, reason=reason, action_id=action_id)


def _start_of(workflow: Workflow, from_step: str, from_failed: bool) -> Step | None:
    """None: the whole. Raises NoSuchStep, Conflict."""
    if from_step:
        if step := step_named(workflow, from_step):
            return step
        raise NoSuchStep(from_step, workflow)
    if from_failed:
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


def retrying(raw: Raw, first: Step | None, now: datetime) -> tuple[Change, StepShare]:
    """What a retry writes, and how many of the steps it can renew."""
    workflow = Workflow.of(raw)
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
    with localcontext(prec=38):  # DynamoDB's own precision
        total = sum((value for value in values if isinstance(value, Decimal)), Decimal(0))
        return number(format(total.normalize() if total else Decimal(0), "f"))


def command(raw: Raw, session_id: str, first: Step | None) -> dict[str, Any]:
    """What the orchestrators are sent. `fromStep` is the attribute of a step, None for the whole workflow; a wish,
    which an orchestrator need not know of."""
    about = {name: read_text(raw.get(name)) or None for name in ("documentId", "sourceType", "correlationId")}
    return {"action": "retry", "sessionId": session_id, **about, "fromStep": first.key if first else None}


def purge(session_id: str, *, by: Actor, reason: str, action_id: str, without_image: bool = False) -> Done:
    """Delete the workflow. Raises as `cancel`."""

    def decide(raw: Raw | None, now: datetime) -> Plan:
        _only_if(may_purge(_there(raw)))
        return Plan(
            delete=True,
            image=True,
            without_image=without_image,
            first_guards=("overallStatus", "lastUpdated"),
        )

    return act(Action.WORKFLOW_PURGE, target(session_id), decide, by=by, reason=reason, action_id=action_id)


def note_of_undo(purge_id: str, session_id: str) -> str:
    """What an undo can't bring back for long: a workflow whose life was over."""
    packed = entries.read_image(purge_id, target(session_id).table)
    if packed and Workflow.of(images.unpack(packed)).is_expired:
        return "Its life is over, so DynamoDB deletes it again within days unless it is retried."
    return ""


def keeps(entry: Entry, raw: Raw) -> bool:
    """Whether a later write of a worker keeps or advances what the entry wrote (see `observation`)."""
    if entry.undo_of:
        return True  # whatever follows goes on from what came back
    if "retryCount" in entry.watch:
        # An orchestrator that put back its old copy has forgotten that retry; one that takes it up may begin with an
        # item of its own, which knows of no retry either.
        wanted = read_number(entry.watch["retryCount"])
        return not isinstance(wanted, Decimal) or retry_count(raw) >= wanted or began_after(entry, raw)
    return status_of(raw) == str(read_text(entry.watch.get("overallStatus")) or "")


def began_after(entry: Entry, raw: Raw) -> bool:
    """Whether the item is of a run that began after the entry: no stamp in it is from before, and its creation or a
    step, or that nothing has begun, shows that it is new.

    Before is what the item said of its last update when the entry was made, by the clock of who writes it; without
    that, the entry's own time.
    """
    workflow, before = Workflow.of(raw), _updated_before(entry)
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


def _there(raw: Raw | None) -> Raw:
    if raw is None:
        raise Missing(GONE)
    return raw


def _only_if(reason: str) -> None:
    if reason:
        raise Conflict(reason)


def _change(raw: Raw) -> Change:
    return Change(raw).guard("overallStatus", "lastUpdated")
