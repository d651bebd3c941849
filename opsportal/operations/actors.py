"""The actors of entries as people know them: what became of who is recorded, and whose entries a filter means."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from opsportal.accounts import actors
from opsportal.operations.entries import Actor, Entry
from opsportal.operations.feeds import ANYONE, Sought

# The console itself, where no person decides.
WORKER_ACTOR = Actor("worker", "worker", actors.WORKER)
# What the worker was called in entries from before there were ids.
FORMER_WORKER = "retention"


def named(entries: Sequence[Entry]) -> list[Entry]:
    """The entries with what became of each actor (`Actor.since`), for at most two queries of the database."""
    said = actors.sayings((entry.actor.id, entry.actor.name) for entry in entries)
    return [
        replace(entry, actor=replace(entry.actor, since=since))
        for entry, since in zip(entries, said, strict=True)
    ]


@dataclass(frozen=True)
class Found:
    """What the text of a filter stands for, and the sentences that say so."""

    sought: Sought = ANYONE
    notes: tuple[str, ...] = ()


def find(text: str) -> Found:
    """Whose entries `text` means: those of an id; or of who has that name now, under whatever name they acted.
    A name that no account has now stands for what was recorded under it."""
    if not text:
        return Found()
    holders = actors.holders(text)
    if actors.is_id(text):
        names = tuple(actors.names_now([text]).values())
        notes = [_of(names, text)]
        if text == actors.WORKER:
            names = (FORMER_WORKER,)
        if holders:  # an account may be called "worker"
            notes.append(f"An account has the name {text} too: its entries are those of {holders[0]}.")
        return Found(Sought((text,), names), tuple(notes))
    if holders:
        notes = [_of((text,), *holders)]
        if len(holders) == actors.MAX_HOLDERS:
            notes.append(
                f"These are the newest {len(holders)} tokens of that name. An older one is found by its id."
            )
        return Found(Sought(tuple(holders), (text,)), tuple(notes))
    return Found(
        Sought(recorded=text),
        (
            f"No account or token has the name {text} now. These are the entries recorded under it; the id of each "
            "says by whom.",
        ),
    )


def _of(names: tuple[str, ...], *ids: str) -> str:
    if ids[0] in actors.PROGRAMS:
        return f"Entries of the {ids[0]}, which has no account."
    if not names:
        return f"There is no account or token {ids[0]} now. Entries without an id are found by the name only."
    return (
        f"Entries of {names[0]} ({', '.join(ids)}), under every name. Older entries have no id: those under the name "
        f"{names[0]} are included, and marked."
    )
