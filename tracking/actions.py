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
from opsportal.console.tones import FAILED, RUNNING, SUCCESS, WAITING
from opsportal.dynamo.attributes import Typed, read_number, read_text
from opsportal.operations import entries, images
from opsportal.operations.changes import NULL, Change, Raw, number, text
from opsportal.operations.entries import Actor, Entry, Target
from opsportal.operations.outbox import Message
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Conflict, Done, Missing, Plan, act
from tracking.findings import is_stuck
from tracking.models import Workflow
from tracking.statuses import ended_badly
from tracking.steps import Step

GONE = "There is no workflow with this id any more."
# The life that a retry gives a workflow again; seed 000's.
LIFE = timedelta(days=90)
# Steps that one change takes: each is guarded, and DynamoDB's expressions hold 300 operators.
MOST_STEPS = 60
# Statuses of a step that has ended, beside those that mean success or failure.
ENDED = frozenset({"cancelled", "canceled", "stopped", "skipped", "expired", "timeout", "warning"})
WAITING_TEXT = "Waiting"
# What ends by hand leave in the item, and a retry clears.
ENDS = ("cancelledAt", "cancelledBy", "failedAt", "failedBy", "completedAt", "completedBy", "error")
TOKENS = ("inputTokens", "outputTokens", "totalTokens")


def target(session_id: str) -> Target:
    return Target("workflows", session_id)


def status_of(raw: Raw) -> str:
    """The status in lower case: spellings are one to a person."""
    return str(read_text(raw.get("overallStatus")) or "").strip().lower()


def _said(raw: Raw) -> str:
    return status_of(raw) or "without a status"


def may_cancel(raw: Raw) -> str:
    workflow = Workflow.of(raw)
    if workflow.is_terminal:
        return f"It is {_said(raw)}: there is nothing to cancel."
    return _too_many(workflow)


def may_retry(raw: Raw, now: datetime | None = None) -> str:
    workflow = Workflow.of(raw)
    went_wrong = ended_badly(status_of(raw)) or first_failed(workflow) is not None
    if not went_wrong and not is_stuck(workflow, now or datetime.now(UTC)):
        return (
            f"It is {_said(raw)}; only what failed, was cancelled, has a failed step or is stuck "
            "can be retried."
        )
    if not settings.WORKFLOW_COMMANDS_QUEUE_URL:
        return "The setting WORKFLOW_COMMANDS_QUEUE_URL is missing: no orchestrator would hear of it."
    return _too_many(workflow)


def may_purge(raw: Raw) -> str:
    workflow = Workflow.of(raw)
    if workflow.is_terminal or workflow.is_expired:
        return ""
    return f"It is {_said(raw)}; only what is finished or expired can be purged."


def _too_many(workflow: Workflow) -> str:
    count = len(workflow.steps)
    return f"It has {count} steps; one change can hold {MOST_STEPS}." if count > MOST_STEPS else ""


def first_failed(workflow: Workflow) -> Step | None:
    """The first failed step, from which a retry can start."""
    return next((step for step in workflow.steps if step.failed), None)


def is_open(step: Step) -> bool:
    """Whether a step may still be worked on. One whose status is not known is, unless it has an end."""
    if not step.present or step.malformed is not None:
        return False
    if step.tone in (RUNNING, WAITING):
        return True
    ended = step.tone in (SUCCESS, FAILED) or str(step.status or "").strip().lower() in ENDED
    return not ended and not isinstance(step.completed_at, datetime)


def cancel(session_id: str, *, by: Actor, reason: str, action_id: str) -> Done:
    """Set `cancelled`, and the steps that have not ended `stopped`. Raises Conflict, Missing, OtherIntent,
    Unknown, `DynamoError`."""

    def decide(raw: Raw | None, now: datetime) -> Plan:
        raw = _there(raw)
        _only_if(may_cancel(raw))
        moment = text(iso(now))
        change = _change(raw)
        change.set("overallStatus", text("cancelled")).set("lastUpdated", moment)
        change.set("cancelledAt", moment).set("cancelledBy", text(by.name))
        for step in filter(is_open, Workflow.of(raw).steps):
            change.guard((step.key, "status")).set((step.key, "status"), text("stopped"))
        return Plan(change=change, watch={"overallStatus": text("cancelled"), "lastUpdated": moment})

    return act(Action.WORKFLOW_CANCEL, target(session_id), decide, by=by, reason=reason, action_id=action_id)


def retry(session_id: str, *, by: Actor, reason: str, action_id: str, from_failed: bool = False) -> Done:
    """Set `initializing` with fresh steps, all of them or from the first failed one on, and send the command
    to the orchestrators. Totals become those of the steps that stay. Raises as `cancel`.

    It gets a new life of `LIFE`, lest it expires while it runs.
    """

    def decide(raw: Raw | None, now: datetime) -> Plan:
        raw = _there(raw)
        _only_if(may_retry(raw, now))
        workflow = Workflow.of(raw)
        first = first_failed(workflow) if from_failed else None
        if from_failed and first is None:
            raise Conflict("No step has failed; only the whole workflow can be retried.")
        kept = workflow.steps[: workflow.steps.index(first)] if first else []
        moment, retries = text(iso(now)), number(retry_count(raw) + 1)
        change = _change(raw)
        change.set("overallStatus", text("initializing")).set("lastUpdated", moment)
        change.set("retryCount", retries)
        for name in ENDS:
            if name in raw:
                change.set(name, NULL)
        _renew(change, now)
        for step in _replaced(workflow, len(kept)):
            change.guard((step.key, "status") if "M" in raw.get(step.key, {}) else step.key)
            change.set(step.key, fresh(step.key))
        _set_totals(change, kept)
        return Plan(
            change=change,
            watch={"overallStatus": text("initializing"), "lastUpdated": moment, "retryCount": retries},
            messages=(Message("workflows.command", command(raw, session_id, first), action_id, now),),
            note=f"From the step {first.key} on." if first else "",
        )

    return act(Action.WORKFLOW_RETRY, target(session_id), decide, by=by, reason=reason, action_id=action_id)


def _renew(change: Change, now: datetime) -> None:
    ttl = target("").table.ttl_attribute
    for name in dict.fromkeys(("expiresAt", ttl or "expiresAt")):
        change.set(name, number(int((now + LIFE).timestamp())))
    if ttl != "ttl":
        change.remove("ttl")


def _replaced(workflow: Workflow, start: int) -> list[Step]:
    """The steps that a retry makes anew. Those of the catalogue that the item lacks are made too, unless its
    orchestrator is another, whose steps are none of the catalogue."""
    present = [step for step in workflow.steps if step.present]
    foreign = bool(present) and not any(step.listed for step in present)
    return [step for step in workflow.steps[start:] if step.present or not foreign]


def fresh(key: str) -> Typed:
    """The map of a step that nobody has started, as `StatusWriter.initialize` makes it."""
    waiting = next((step.get("waiting") for step in settings.WORKFLOW_STEPS if step["key"] == key), "")
    return {"M": {"status": text("pending"), "activity": text(waiting or WAITING_TEXT)}}


def _set_totals(change: Change, kept: Sequence[Step]) -> None:
    """As the status writer counts them: each figure by itself, as recorded."""
    for step in kept:
        change.guard((step.key, "tokenUsage"), (step.key, "duration"))
    spent = [(step.tokens.input, step.tokens.output, step.tokens.total) for step in kept]
    for index, name in enumerate(TOKENS):
        change.set(("totalTokenUsage", name), _sum(tokens[index] for tokens in spent))
    change.set("totalDuration", _sum(step.duration for step in kept))


def _sum(values: Iterable[object]) -> Typed:
    with localcontext(prec=38):  # DynamoDB's own precision
        total = sum((value for value in values if isinstance(value, Decimal)), Decimal(0))
        return number(format(total.normalize() if total else Decimal(0), "f"))


def command(raw: Raw, session_id: str, first: Step | None) -> dict[str, Any]:
    """What the orchestrators are told. `fromStep` is the attribute of a step, None for the whole workflow."""
    told = {name: read_text(raw.get(name)) or None for name in ("documentId", "sourceType", "correlationId")}
    return {"action": "retry", "sessionId": session_id, **told, "fromStep": first.key if first else None}


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
        # An orchestrator that put back its old copy has forgotten that retry.
        wanted = read_number(entry.watch["retryCount"])
        return not isinstance(wanted, Decimal) or retry_count(raw) >= wanted
    return status_of(raw) == str(read_text(entry.watch.get("overallStatus")) or "")


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
