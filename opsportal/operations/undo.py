"""Undo of what deleted an item or changed it by hand, from the image that was kept with its entry."""

from datetime import datetime

from opsportal.dynamo.attributes import Typed, raw_text
from opsportal.operations import entries, images, resource_types
from opsportal.operations.changes import Change, Changed, Raw, at, same
from opsportal.operations.entries import Actor, Entry, Intent
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Conflict, Done, NotFound, Plan, act

VERBS = ("purge", "edit", "fail", "complete")
NEVER = "Only a purge, an edit, and a mark as failed or completed can be undone."


def _why_never(entry: Entry) -> str:
    if entry.action.verb not in VERBS:
        return NEVER
    if not entry.has_image:
        return "No copy was kept: the item was too large."
    if not entry.is_ours or not permission(entry):
        return f"It was done to the table {entry.table}, which this console does not read now."
    return ""


def permission(entry: Entry) -> str:
    """What undoing it takes; "" where nothing of its kind can be undone."""
    if not resource_types.known(entry.action.subject):
        return ""
    return resource_types.subject(entry.action.subject).undo_permissions.get(entry.action.verb, "")


def why_not(entry: Entry) -> str:
    """Why an effect can't be undone, "" when it may be. Raises `DynamoError`."""
    if reason := _why_never(entry):
        return reason
    try:
        copy_of(entry)
    except Conflict as refused:
        return refused.sentence
    return ""


def copy_of(entry: Entry) -> Raw:
    """The item as it was before. Raises Conflict when there is no copy, and `DynamoError`."""
    return image_of(entries.read_image(entry.action_id, entry.target.table))


def image_of(packed: bytes | None) -> Raw:
    """The copy that was packed. Raises Conflict where there is none (any more)."""
    if packed is None:
        raise Conflict("The copy has expired.")
    try:
        return images.unpack(packed)
    except images.Unreadable:
        raise Conflict("The copy can't be read.") from None


def tag_of(entry: Entry) -> Action:
    """Of the undo of that entry."""
    return Action(f"{entry.action.subject}:undo")


def undo(entry: Entry, *, by: Actor, reason: str, action_id: str) -> Done:
    """Bring back what `entry` deleted, provided it is still absent, or what it changed, provided it is still
    as written. Raises Conflict, NotFound, IdempotencyMismatch, OutcomeUnknown, `DynamoError`."""
    if reason_not := _why_never(entry):
        raise Conflict(reason_not)
    data = {"entry": entry, "image": copy_of(entry), "note": note(entry)}
    return act(plan, Intent(tag_of(entry), entry.target, by, reason, action_id, data))


def note(entry: Entry) -> str:
    """What a person should know before its undo, besides what every undo does."""
    if entry.action.verb != "purge":
        return ""
    return resource_types.subject(entry.action.subject).note_of_undo(entry.action_id, entry.target.id)


def plan(raw: Raw | None, now: datetime, intent: Intent) -> Plan:
    """`intent.data`: the `entry` that is undone, its `image`, and for a purge the `note` of its undo."""
    entry: Entry = intent.data["entry"]
    if entry.action.verb == "purge":
        return _restore(raw, intent)
    return _revert(
        entry, intent.data["image"], raw, resource_types.subject(entry.action.subject), intent.actor, now
    )


def _restore(raw: Raw | None, intent: Intent) -> Plan:
    if raw is not None:
        raise Conflict("There is an item with this id again; it is not overwritten.")
    entry, said = intent.data["entry"], intent.data["note"]
    if entry.stale_image:
        said = f"{said} The copy may have been a moment old: the item was too wide to compare whole.".strip()
    return Plan(put=intent.data["image"], undo_of=entry.action_id, note=said)


def _revert(
    entry: Entry, image: Raw, raw: Raw | None, subject: resource_types.ResourceType, by: Actor, now: datetime
) -> Plan:
    if raw is None:
        raise NotFound("The item was deleted since.")
    change, watch = Change(raw), Raw()
    for edited in entry.changes:
        # The history goes on, also where the change has made it.
        if edited.path in ((subject.stamp,), subject.history, subject.history[:1]):
            continue
        before = at(image, edited.path)
        if not _as_written(entry, edited, at(raw, edited.path), before):
            raise Conflict(f"{'.'.join(edited.path)} was changed since; this is how it is now.")
        change.guard(edited.path)
        if before is None:
            change.remove(edited.path)
        else:
            change.set(edited.path, before)
            watch[".".join(edited.path)] = before
    if not change.changed:
        raise Conflict("No change: it already has the values from before.")
    for name, value in subject.renewed(raw, now).items():
        change.guard(name).set(name, value)
        watch[name] = value
    subject.record_undo(change, image, by, now)
    return Plan(change=change, undo_of=entry.action_id, watch=watch)


def _as_written(entry: Entry, edited: Changed, now: Typed | None, before: Typed | None) -> bool:
    """Whether a path still holds what the change wrote."""
    # The entry cuts long values; those that are watched it holds whole.
    if same(now, entry.watch.get(".".join(edited.path), edited.new)):
        return True
    if not edited.cut or now is None:
        return False
    # Of a list that was added to, what it held before is in the image.
    if now.get("L"):
        return same({"L": now["L"][:-1]}, before or {"L": []})
    return raw_text(now).startswith(edited.cut)


def undone_by(entry: Entry, among: list[Entry]) -> Entry | None:
    """The entry that undid `entry`, among those of its target."""
    return next((one for one in among if one.undo_of == entry.action_id), None)
