"""Marking a workflow failed or completed by hand, where its orchestrator says nothing any more.

Each keeps the item as it was, so that it can be undone; an orchestrator that is alive may write over it.
"""

from collections.abc import Callable
from datetime import datetime

from opsportal.console.clock import iso
from opsportal.operations.changes import Change, Raw, text
from opsportal.operations.entries import Actor
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Conflict, Done, Missing, Plan, act
from tracking.actions import GONE, cancelling, retrying, said, status_of, target
from tracking.models import Workflow
from tracking.statuses import is_known, terminal_statuses
from tracking.step_changes import failing, hold


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


def fail(session_id: str, *, by: Actor, reason: str, action_id: str, without_image: bool = False) -> Done:
    """Set `failed`, and the steps that run `error` with the reason, which is where the table's readers look for it.
    `without_image`: also where no copy for an undo fits. Raises Conflict, Missing, OtherIntent, Unknown,
    `DynamoError`."""

    def decide(raw: Raw | None, now: datetime) -> Plan:
        change = _begun(raw, may_fail)
        share = hold(change, failing(Workflow.of(change.raw), reason, text(iso(now))))
        if not share.wanted:
            change.set("error", text(reason))
        return _ended(change, "failed", by, now, without_image, note=share.sentence)

    return act(Action.WORKFLOW_FAIL, target(session_id), decide, by=by, reason=reason, action_id=action_id)


def complete(session_id: str, *, by: Actor, reason: str, action_id: str, without_image: bool = False) -> Done:
    """Set `completed`; steps and totals stay as they are. Arguments and errors as `fail`."""

    def decide(raw: Raw | None, now: datetime) -> Plan:
        return _ended(_begun(raw, may_complete), "completed", by, now, without_image)

    return act(
        Action.WORKFLOW_COMPLETE, target(session_id), decide, by=by, reason=reason, action_id=action_id
    )


def notes_before(raw: Raw, now: datetime) -> dict[str, str]:
    """What a person or a program must know before an action, by its verb: how many steps one change holds, where that
    is not all. Of a mark with a long reason it holds fewer."""
    mark = Change(raw).guard("overallStatus", "lastUpdated")
    shares = {
        "cancel": cancelling(raw, "", now)[1],
        "fail": hold(mark, failing(Workflow.of(raw), "", text(iso(now)))),
        "retry": retrying(raw, None, now)[1],
    }
    notes = {verb: share.sentence for verb, share in shares.items() if share.left}
    return notes | ({"retry": f"From the start, {notes['retry']}"} if "retry" in notes else {})


def _begun(raw: Raw | None, may: Callable[[Raw], str]) -> Change:
    if raw is None:
        raise Missing(GONE)
    if reason := may(raw):
        raise Conflict(reason)
    return Change(raw).guard("overallStatus", "lastUpdated")


def _ended(
    change: Change, status: str, by: Actor, now: datetime, without_image: bool, note: str = ""
) -> Plan:
    moment = text(iso(now))
    change.set("overallStatus", text(status)).set("lastUpdated", moment)
    change.set(f"{status}At", moment).set(f"{status}By", text(by.name))
    watch = {"overallStatus": text(status), "lastUpdated": moment}
    return Plan(change=change, watch=watch, image=True, without_image=without_image, note=note)


def renewed(raw: Raw, now: datetime) -> Raw:
    """The stamp that an undo renews."""
    return {"lastUpdated": text(iso(now))}
