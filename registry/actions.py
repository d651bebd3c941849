"""What operators do to an agent: the plan of each action, which is written in one transaction with its audit entry
(`operations.transactions`). `action_views` declares them.

Its registry puts whole items from memory at each heartbeat (docs/data.md, point 13), so what is changed here may be
undone seconds later: the page compares the values that the entry watches.
"""

from collections.abc import Mapping
from datetime import datetime

from opsportal.console.text import excerpt
from opsportal.dynamo.attributes import Typed, read_text
from opsportal.dynamo.timestamp_form import TimestampForm, written_like
from opsportal.operations.changes import Change, Raw, number, same, text
from opsportal.operations.entries import Intent, Target
from opsportal.operations.outcomes import Conflict, existing
from opsportal.operations.transactions import Plan
from registry.dialects import Dialect
from registry.models import DEFAULT_SCORE, is_operational
from registry.profile import (
    FIELDS,
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
GONE = "There is no agent with this id."


def target(agent_id: str) -> Target:
    return Target("agents", agent_id)


def status_of(raw: Raw) -> str:
    """The declared status in lower case: spellings are one to a person."""
    return str(read_text(raw.get(status_name(raw))) or "").strip().lower()


def register(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Put a new, active agent, provided that there is none with this id. `intent.data`: its `texts` (`profile.FIELDS`
    by name, as a form has them), the `dialect`, and `others`: attributes that the documents do not name, by name."""
    if raw is not None:
        raise Conflict("There is an agent with this id already.")
    texts, dialect = intent.data["texts"], intent.data["dialect"]
    item = new_item(intent.target.id, texts, now, intent.action_id, dialect)
    item = {**intent.data["others"], **item}
    return Plan(put=item, watch={name: item[name] for name in item if name not in dialect.registered})


def new_item(agent_id: str, texts: Mapping[str, str], now: datetime, action_id: str, dialect: Dialect) -> Raw:
    """An agent that is active and has sent no heartbeat, in the dialect's layout."""
    like = dialect.raw
    item = dialect.new_ids(action_id)
    for name, given in texts.items():
        # An empty set can't be stored, and an empty text says nothing.
        if settled(given, FIELDS[name]):
            item[attribute_of(like, FIELDS[name])] = written(like, FIELDS[name], given)
    status = status_name(like)
    item |= {
        **target(agent_id).key.wire,
        status: text(spelled(ACTIVE, like.get(status), is_operational(like))),
        **{name: stamp(now, like.get(name)) for name in (*dialect.registered, *dialect.renewed)},
    }
    if dialect.score:
        item["reputationScore"] = number(DEFAULT_SCORE)
    return item


def edit(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Set the fields of `texts` (by name, "" clears), and keep the item as it was for an undo. `intent.data`: `texts`,
    and `drawn`: the digests of the fields as the person saw them. One that is another now is a Conflict, while
    heartbeats in between are not."""
    change, watch = _change(existing(raw, GONE)), Raw()
    drawn: Mapping[str, str] | None = intent.data.get("drawn")
    for name, given in intent.data.get("texts", {}).items():
        field = FIELDS[name]
        if drawn is not None and digest(shown(change.raw, field), field) != drawn.get(name):
            raise Conflict(
                f"{field.label} was changed meanwhile; it is now: "
                f"{excerpt(shown(change.raw, field)) or 'empty'}. Open the form again to go on from there."
            )
        attribute, value = attribute_of(change.raw, field), written(change.raw, field, given)
        if not same(change.raw.get(attribute), value):
            change.guard(attribute).set(attribute, value)
            watch[attribute] = value
    # Of what says all of this already no stamp is renewed, so that nothing is written.
    return _renewing(change, watch, now, image=True) if change.changed else Plan(change=change)


def activate(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Declare the agent active."""
    return _declare(raw, now, ACTIVE)


def deactivate(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Declare the agent inactive."""
    return _declare(raw, now, INACTIVE)


def _declare(raw: Raw | None, now: datetime, status: str) -> Plan:
    raw = existing(raw, GONE)
    if status_of(raw) == status:
        raise Conflict(f"It is {status} already.")
    name = status_name(raw)
    value = text(spelled(status, raw.get(name), is_operational(raw)))
    return _renewing(_change(raw).set(name, value), {name: value}, now)


def spelled(status: str, old: Typed | None, operational: bool) -> str:
    """A status as the item's registry writes it. Operational registries write ACTIVE, the discovery service active; the item's own way counts."""
    before = read_text(old)
    upper = before.isupper() if isinstance(before, str) and before else operational
    return status.upper() if upper else status


def purge(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """Delete an inactive agent."""
    raw = existing(raw, GONE)
    if status_of(raw) != INACTIVE:
        # As it is written.
        said = excerpt(str(read_text(raw.get(status_name(raw))) or "").strip(), 60) or "without a status"
        raise Conflict(f"It is {said}; deactivate it first: only an inactive agent can be purged.")
    return Plan(delete=True, image=True, first_guards=(status_name(raw), UPDATED))


def renewed(raw: Raw, now: datetime) -> Raw:
    """The update stamp, where the item's layout has one, in the item's form; and the heartbeat as it is, by
    which a later write of the registry is known."""
    values: Raw = {}
    if UPDATED in raw or not is_operational(raw):
        values[UPDATED] = stamp(now, raw.get(UPDATED))
    if heartbeat := heartbeat_name(raw):
        values[heartbeat] = raw[heartbeat]
    return values


def _renewing(change: Change, watch: Raw, now: datetime, *, image: bool = False) -> Plan:
    values = renewed(change.raw, now)
    for name, value in values.items():
        change.set(name, value)
    return Plan(change=change, watch=watch | values, image=image)


def _change(raw: Raw) -> Change:
    return Change(raw).guard(status_name(raw), UPDATED)


MILLISECONDS = TimestampForm(digits=3, unit="milliseconds", text=False)


def stamp(moment: datetime, like: Typed | None = None) -> Typed:
    """In the form of `like`, the stamp that the item has, or else as ISO text where that is text, as milliseconds
    where it is not."""
    is_text = like is not None and "S" in like
    return written_like(moment, like, TimestampForm(digits=3) if is_text else MILLISECONDS)
