"""What operators do to an agent. Each is one transaction with its audit entry (`operations.transactions`).

Its registry puts whole items from memory at each heartbeat (DATA.md, point 13), so what is changed here may
be undone seconds later: `keeps` tells that, by the values and the heartbeat that the entry watches.

`may_*` say why an action is not to be had, "" when it is: pages ask them to draw a button, and the action
itself asks again on the item as it is in the transaction.
"""

from collections.abc import Mapping
from datetime import datetime

from opsportal.console.text import excerpt
from opsportal.dynamo.attributes import Typed, read_text
from opsportal.operations.changes import Change, Raw, number, same, text
from opsportal.operations.entries import Actor, Entry, Target
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Conflict, Done, Missing, Plan, act
from registry import stamps
from registry.dialects import DOCUMENTED, Dialect
from registry.models import DEFAULT_SCORE, is_operational
from registry.profile import (
    FIELDS,
    HEARTBEAT,
    STATUS,
    UPDATED,
    attribute_of,
    digest,
    heartbeat_name,
    settled,
    shown,
    status_name,
    written,
)

ACTIVE, INACTIVE = "active", "inactive"
GONE = "There is no agent with this id any more."


def target(agent_id: str) -> Target:
    return Target("agents", agent_id)


def status_of(raw: Raw) -> str:
    """The declared status in lower case: spellings are one to a person."""
    return str(read_text(raw.get(status_name(raw))) or "").strip().lower()


def may_activate(raw: Raw) -> str:
    return "It is active already." if status_of(raw) == ACTIVE else ""


def may_deactivate(raw: Raw) -> str:
    return "It is inactive already." if status_of(raw) == INACTIVE else ""


def may_purge(raw: Raw) -> str:
    if status_of(raw) == INACTIVE:
        return ""
    # As it is written.
    said = excerpt(str(read_text(raw.get(status_name(raw))) or "").strip(), 60) or "without a status"
    return f"It is {said}; deactivate it first: only an inactive agent can be purged."


def register(
    agent_id: str,
    texts: Mapping[str, str],
    *,
    by: Actor,
    reason: str,
    action_id: str,
    dialect: Dialect = DOCUMENTED,
    others: Mapping[str, Typed] | None = None,
) -> Done:
    """Put a new, active agent, provided that there is none with this id. `texts`: `profile.FIELDS` by name,
    as a form has them; `others`: attributes that the documents do not name. Raises Conflict, OtherIntent, Unknown, `DynamoError`."""

    def decide(raw: Raw | None, now: datetime) -> Plan:
        if raw is not None:
            raise Conflict("There is an agent with this id already.")
        item = {**(others or {}), **new_item(agent_id, texts, now, action_id, dialect)}
        return Plan(
            put=item, watch={name: value for name, value in item.items() if name not in dialect.registered}
        )

    return act(Action.AGENT_REGISTER, target(agent_id), decide, by=by, reason=reason, action_id=action_id)


def new_item(agent_id: str, texts: Mapping[str, str], now: datetime, action_id: str, dialect: Dialect) -> Raw:
    """An agent that is active and has not been heard of, in the dialect's layout."""
    like = dialect.raw
    item = dialect.made(action_id)
    for name, given in texts.items():
        # An empty set can't be stored, and an empty text says nothing.
        if settled(given, FIELDS[name]):
            item[attribute_of(like, FIELDS[name])] = written(like, FIELDS[name], given)
    status = status_name(like)
    item |= {
        target(agent_id).table.key: text(agent_id),
        status: text(spelled(ACTIVE, like.get(status), is_operational(like))),
        **{name: stamps.written(now, like.get(name)) for name in (*dialect.registered, *dialect.renewed)},
    }
    if dialect.score:
        item["reputationScore"] = number(DEFAULT_SCORE)
    return item


def edit(
    agent_id: str,
    texts: Mapping[str, str],
    *,
    by: Actor,
    reason: str,
    action_id: str,
    drawn: Mapping[str, str] | None = None,
    without_image: bool = False,
) -> Done:
    """Set the fields of `texts` (by name, "" clears), and keep the item as it was for an undo.

    `drawn`: the digests of the fields as the person saw them; one that is another now is a Conflict, while
    heartbeats in between are not. Raises as `register`, and Missing.
    """

    def decide(raw: Raw | None, now: datetime) -> Plan:
        raw = _there(raw)
        change, watch = _change(raw), Raw()
        for name, given in texts.items():
            field = FIELDS[name]
            if drawn is not None and digest(shown(raw, field), field) != drawn.get(name):
                raise Conflict(
                    f"{field.label} was changed meanwhile; it is now: "
                    f"{excerpt(shown(raw, field)) or 'empty'}. Open the form again to go on from there."
                )
            attribute = attribute_of(raw, field)
            value = written(raw, field, given)
            if not same(raw.get(attribute), value):
                change.guard(attribute).set(attribute, value)
                watch[attribute] = value
        if not change.changed:
            raise Conflict("Nothing of it was changed: it says all of this already.")
        return _renewing(change, watch, now, image=True, without_image=without_image)

    return act(Action.AGENT_EDIT, target(agent_id), decide, by=by, reason=reason, action_id=action_id)


def activate(agent_id: str, *, by: Actor, reason: str, action_id: str) -> Done:
    """Declare the agent active. Raises as `edit`."""
    return _declare(Action.AGENT_ACTIVATE, agent_id, ACTIVE, by=by, reason=reason, action_id=action_id)


def deactivate(agent_id: str, *, by: Actor, reason: str, action_id: str) -> Done:
    """Declare the agent inactive. Raises as `edit`."""
    return _declare(Action.AGENT_DEACTIVATE, agent_id, INACTIVE, by=by, reason=reason, action_id=action_id)


def _declare(action: Action, agent_id: str, status: str, *, by: Actor, reason: str, action_id: str) -> Done:
    may = may_activate if status == ACTIVE else may_deactivate

    def decide(raw: Raw | None, now: datetime) -> Plan:
        raw = _there(raw)
        _only_if(may(raw))
        name = status_name(raw)
        value = text(spelled(status, raw.get(name), is_operational(raw)))
        return _renewing(_change(raw).set(name, value), {name: value}, now)

    return act(action, target(agent_id), decide, by=by, reason=reason, action_id=action_id)


def spelled(status: str, old: Typed | None, operational: bool) -> str:
    """A status as the item's registry writes it. Operational registries write ACTIVE, the discovery service active; the item's own way counts."""
    before = read_text(old)
    upper = before.isupper() if isinstance(before, str) and before else operational
    return status.upper() if upper else status


def purge(agent_id: str, *, by: Actor, reason: str, action_id: str, without_image: bool = False) -> Done:
    """Delete an inactive agent. Raises as `edit`."""

    def decide(raw: Raw | None, now: datetime) -> Plan:
        raw = _there(raw)
        _only_if(may_purge(raw))
        return Plan(
            delete=True,
            image=True,
            without_image=without_image,
            first_guards=(status_name(raw), UPDATED),
        )

    return act(Action.AGENT_PURGE, target(agent_id), decide, by=by, reason=reason, action_id=action_id)


def renewed(raw: Raw, now: datetime) -> Raw:
    """The update stamp, where the item's layout has one, in the item's form; and the heartbeat as it is, by
    which a later write of the registry is known."""
    values: Raw = {}
    if UPDATED in raw or not is_operational(raw):
        values[UPDATED] = stamps.written(now, raw.get(UPDATED))
    if heartbeat := heartbeat_name(raw):
        values[heartbeat] = raw[heartbeat]
    return values


def _renewing(
    change: Change, watch: Raw, now: datetime, *, image: bool = False, without_image: bool = False
) -> Plan:
    values = renewed(change.raw, now)
    for name, value in values.items():
        change.set(name, value)
    return Plan(change=change, watch=watch | values, image=image, without_image=without_image)


def keeps(entry: Entry, raw: Raw) -> bool:
    """Whether a later heartbeat keeps what the entry wrote (see `observation`)."""
    for name, value in entry.watch.items():
        if name in (UPDATED, *HEARTBEAT):
            continue
        if name in STATUS:
            if status_of(raw) != str(read_text(value) or "").lower():
                return False
        elif not same(raw.get(name), value):
            return False
    return True


def _there(raw: Raw | None) -> Raw:
    if raw is None:
        raise Missing(GONE)
    return raw


def _only_if(reason: str) -> None:
    if reason:
        raise Conflict(reason)


def _change(raw: Raw) -> Change:
    return Change(raw).guard(status_name(raw), UPDATED)
