"""Marking a workflow failed or completed by hand, where its orchestrator says nothing any more.

Each keeps the item as it was, so that it can be undone; an orchestrator that is alive may write over it.
"""

from collections.abc import Callable
from datetime import datetime

from opsportal.console.clock import iso
from opsportal.console.text import excerpt
from opsportal.operations.changes import Change, Raw, text
from opsportal.operations.entries import Actor
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Conflict, Done, Missing, Plan, act
from tracking.actions import GONE, is_open, status_of, target
from tracking.models import Workflow
from tracking.statuses import is_known, terminal_statuses
from tracking.steps import Step

# Running steps that one change ends: each takes three values and a guard of an expression of 4 KB.
MAX_STEPS = 40


def may_fail(raw: Raw) -> str:
    return _unless_open(raw, "failed")


def may_complete(raw: Raw) -> str:
    return _unless_open(raw, "completed")


def _unless_open(raw: Raw, status: str) -> str:
    if status_of(raw) not in terminal_statuses():
        return ""
    return f"It is {status_of(raw)}; only what is not finished can be marked {status}."


def unknown_status(raw: Raw | None) -> str:
    """That the console does not know its status, in a sentence; "" where it does."""
    if raw is None or is_known(status_of(raw)):
        return ""
    if not status_of(raw):
        return "It has no status that the console can read, and counts as not finished."
    return f"Its status {excerpt(status_of(raw), 60)} is unknown to the console, and counts as not finished."


def fail(session_id: str, *, by: Actor, reason: str, action_id: str, without_image: bool = False) -> Done:
    """Set `failed`, and the steps that run `error` with the reason, which is where the table's readers look for it.
    `without_image`: also where no copy for an undo fits. Raises Conflict, Missing, OtherIntent, Unknown,
    `DynamoError`."""

    def decide(raw: Raw | None, now: datetime) -> Plan:
        change, moment = _begun(raw, may_fail), text(iso(now))
        steps = _answerable(Workflow.of(change.raw))
        for step in steps:
            change.guard((step.key, "status")).set((step.key, "status"), text("error"))
            change.set((step.key, "error"), text(reason)).set((step.key, "completedAt"), moment)
        if not steps:
            change.set("error", text(reason))
        return _ended(change, "failed", by, now, without_image)

    return act(Action.WORKFLOW_FAIL, target(session_id), decide, by=by, reason=reason, action_id=action_id)


def complete(session_id: str, *, by: Actor, reason: str, action_id: str, without_image: bool = False) -> Done:
    """Set `completed`; steps and totals stay as they are. Arguments and errors as `fail`."""

    def decide(raw: Raw | None, now: datetime) -> Plan:
        return _ended(_begun(raw, may_complete), "completed", by, now, without_image)

    return act(
        Action.WORKFLOW_COMPLETE, target(session_id), decide, by=by, reason=reason, action_id=action_id
    )


def _answerable(workflow: Workflow) -> list[Step]:
    """The steps that a failure is written to: those that run, or, where no step has failed, the first one that has
    not ended. Empty: the failure is the workflow's own."""
    steps = workflow.steps
    if running := [step for step in steps if step.running]:
        return running if len(running) <= MAX_STEPS else running[:1]
    if any(step.failed for step in steps):
        return []
    # The catalogue's steps are those of an orchestrator that has begun one of them, or none at all.
    ours = all(step.listed for step in steps if step.present)
    return [step for step in steps if is_open(step) or (ours and not step.present)][:1]


def _begun(raw: Raw | None, may: Callable[[Raw], str]) -> Change:
    if raw is None:
        raise Missing(GONE)
    if reason := may(raw):
        raise Conflict(reason)
    return Change(raw).guard("overallStatus", "lastUpdated")


def _ended(change: Change, status: str, by: Actor, now: datetime, without_image: bool) -> Plan:
    moment = text(iso(now))
    change.set("overallStatus", text(status)).set("lastUpdated", moment)
    change.set(f"{status}At", moment).set(f"{status}By", text(by.name))
    watch = {"overallStatus": text(status), "lastUpdated": moment}
    return Plan(change=change, watch=watch, image=True, without_image=without_image)


def renewed(raw: Raw, now: datetime) -> Raw:
    """The stamp that an undo renews."""
    return {"lastUpdated": text(iso(now))}
