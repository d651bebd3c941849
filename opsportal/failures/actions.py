"""What people and programs do with a case: acknowledge, assign, note, mute, resolve, reopen. The same for a page and the API;
who may do it is looked at there. Each is one transaction of the case and its audit entry."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from opsportal.accounts.actors import names_now, user_id
from opsportal.accounts.roles import staff_with
from opsportal.console.cells import UTC_ZONE
from opsportal.console.clock import absolute
from opsportal.dynamo.errors import DynamoError
from opsportal.failures import figures, store
from opsportal.failures.case import MAX_NOTES, Case, Note, State, from_item
from opsportal.failures.words import UNTIL_CLOSED, stated
from opsportal.operations.changes import Raw
from opsportal.operations.entries import Actor, Intent, Target, new_action_id
from opsportal.operations.outcomes import (
    Conflict,
    Done,
    IdempotencyMismatch,
    Refused,
    Unreadable,
    existing,
)
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Plan, Planner, act

MANAGE = "failures.manage_cases"
GONE = "There is no case with this id (any more)."
REUSED = "This form was used already. Reload the page and do it again."


# The case as it is to be. Raises Conflict where that makes no sense.
Change = Callable[[Case, datetime, Intent], Case]


def acknowledge(case: Case, *, by: Actor, reason: str = "", action_id: str = "") -> Done:
    """Somebody has taken notice: it does not count as open. Raises as `transactions.act`, here and below."""
    return _act(Action.CASE_ACKNOWLEDGE, _acknowledged, case, by, reason, action_id)


def assign(case: Case, owner_id: str, *, by: Actor, reason: str = "", action_id: str = "") -> Done:
    """Give it an owner, an account's id; "" for nobody."""
    name = names_now([owner_id]).get(owner_id, "") if owner_id else ""
    if owner_id and not name:
        raise Invalid("owner", "There is no such account.")
    if owner_id and owner_id not in map(user_id, staff_with(MANAGE)):
        raise Invalid("owner", f"{name} may not act on cases.")
    said = f"to {name}" if name else "without an owner"
    data = {"id": owner_id, "name": name, "note": said}
    return _act(Action.CASE_ASSIGN, _assigned, case, by, reason, action_id, data)


def note(case: Case, content: str, *, by: Actor, action_id: str = "") -> Done:
    """Add a note. The oldest of more than `MAX_NOTES` is then in the audit trail alone."""
    return _act(Action.CASE_NOTE, _noted, case, by, content, action_id)


def mute(case: Case, until: datetime | None, *, by: Actor, reason: str = "", action_id: str = "") -> Done:
    """Leave it out of the badge, the overview and alerts until then; None ends that."""
    if until is None:
        said = "not muted any more"
    else:
        said = "until it is resolved" if until == UNTIL_CLOSED else f"until {absolute(until, UTC_ZONE)}"
    return _act(Action.CASE_MUTE, _muted, case, by, reason, action_id, {"until": until, "note": said})


def resolve(case: Case, reason: str, *, by: Actor, action_id: str = "") -> Done:
    """Say that it is fixed. A run that fails after this reopens it."""
    if not reason.strip():
        raise Invalid("reason", "It must say what fixed it.")
    return _act(Action.CASE_RESOLVE, _resolved, case, by, reason, action_id)


def reopen(case: Case, *, by: Actor, reason: str = "", action_id: str = "") -> Done:
    return _act(Action.CASE_REOPEN, _reopened, case, by, reason, action_id)


class Invalid(Refused):
    """A value is at fault: `field` names it."""

    status = 422

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


def why_not(action: Action, case: Case) -> str:
    """Why it can't be done now, "" where it can."""
    try:
        _checked(action, case, datetime.now(UTC))
    except Refused as refused:
        return refused.sentence
    return ""


def _checked(action: Action, case: Case, now: datetime) -> None:
    """Raises Conflict where the case's state forbids the action."""
    if action is Action.CASE_REOPEN:
        if case.state is not State.RESOLVED:
            raise Conflict(f"It is already {stated(case, now).word}.")
    elif action in (Action.CASE_ACKNOWLEDGE, Action.CASE_MUTE, Action.CASE_RESOLVE):
        if case.state is State.RESOLVED:
            raise Conflict(f"It was resolved by {case.closed_by or 'somebody'}. Reopen it first.")
        if action is Action.CASE_ACKNOWLEDGE and case.state is State.ACKNOWLEDGED:
            raise Conflict("It is already acknowledged.")


# --- What each makes of the case as it was just read -----------------------------------------------------


def _acknowledged(case: Case, now: datetime, intent: Intent) -> Case:
    return replace(case, state=State.ACKNOWLEDGED)


def _assigned(case: Case, now: datetime, intent: Intent) -> Case:
    owner_id, name = intent.data["id"], intent.data["name"]
    if case.owner_id == owner_id:
        raise Conflict(f"It is already assigned to {name}." if name else "It already has no owner.")
    return replace(case, owner=name, owner_id=owner_id)


def _noted(case: Case, now: datetime, intent: Intent) -> Case:
    mine = Note(intent.actor.name, intent.actor.id, now, intent.reason)
    return replace(case, notes=(*case.notes, mine)[-MAX_NOTES:])


def _muted(case: Case, now: datetime, intent: Intent) -> Case:
    until: datetime | None = intent.data["until"]
    if until is None and case.muted_until is None:
        raise Conflict("It is not muted.")
    if until and until <= now:
        raise Conflict("This time is in the past.")
    return replace(case, muted_until=until)


def _resolved(case: Case, now: datetime, intent: Intent) -> Case:
    return replace(
        case,
        state=State.RESOLVED,
        reopened=False,
        muted_until=None,
        reason=intent.reason,
        closed_by=intent.actor.name,
        closed_at=now,
    )


def _reopened(case: Case, now: datetime, intent: Intent) -> Case:
    return replace(case, state=State.OPEN, reopened=True, reopened_at=now)


# --- How it is written -------------------------------------------------------------------------------------


def _act(
    action: Action,
    change: Change,
    case: Case,
    by: Actor,
    reason: str,
    action_id: str,
    data: Mapping[str, Any] | None = None,
) -> Done:
    given = data or {}
    target = Target(case.logical, case.id)
    intent = Intent(action, target, by, reason.strip(), action_id or new_action_id(), given)
    done = act(_planner(change), intent, read=_read)
    # A second text, or another person, under the same id: it would be lost without a word.
    if done.repeated and (done.entry.reason, done.entry.note) != (intent.reason, given.get("note", "")):
        raise IdempotencyMismatch(REUSED)
    if not done.repeated:
        with suppress(DynamoError, Unreadable):  # it is done all the same
            figures.renew(store.find(case.id))
    return done


def _read(target: Target, background: bool) -> Raw | None:
    found = store.find(target.id)
    return found.to_item() if found else None


def _planner(change: Change) -> Planner:
    def plan(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
        case = from_item(existing(raw, GONE))
        assert isinstance(intent.action, Action)
        _checked(intent.action, case, now)
        operations = store.change(case, change(case, now, intent), now)
        return Plan(internal=tuple(operations), note=intent.data.get("note", ""))

    return plan
