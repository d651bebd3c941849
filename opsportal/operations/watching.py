"""What an item's page says of the audit trail: what became of the newest change, and who deleted it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import AnonymousUser, User

from opsportal.dynamo.attributes import read_time
from opsportal.dynamo.errors import DynamoError
from opsportal.operations import actors, feeds, undo
from opsportal.operations.changes import Raw
from opsportal.operations.entries import Entry, Target
from opsportal.operations.observation import Fate, Observation, StillHolds, observe

# How long a change is worth a sentence, and how long a page goes on watching one that no worker has answered.
TELL, WATCH = timedelta(hours=24), timedelta(minutes=15)
# How far the index of the trail may lag behind it.
LAG = timedelta(seconds=5)


@dataclass(frozen=True)
class Watched:
    """`observation` of the newest change, if it is recent; `problem` where the trail can't be read, since
    the item's page works without it. `lately`: the item was written a moment ago, and the entry of that may
    not be in the index yet."""

    observation: Observation | None = None
    problem: str = ""
    lately: bool = False

    @property
    def unsettled(self) -> bool:
        """Whether a worker may still answer, so that the page must not stop refreshing itself."""
        found = self.observation
        return self.lately or bool(found and found.fate is Fate.REQUESTED and found.entry.age < WATCH)

    @property
    def token(self) -> str:
        found = self.observation
        # With what ends the watching, or the page would refresh itself for ever.
        state = f"{found.entry.action_id}:{found.fate}" if found else self.problem
        return f"{state}:{self.unsettled}"


def watch(target: Target, raw: Raw, stamp: str, still_holds: StillHolds) -> Watched:
    """Observe the newest change of an item. Two calls; never raises `DynamoError`."""
    try:
        entry = feeds.latest(target)
    except DynamoError as error:
        return Watched(problem=f"The audit trail can't be read: {error.sentence} {error.mend}".strip())
    lately = _lately(raw, stamp)
    if entry is None or entry.age > TELL:
        return Watched(lately=lately)
    (entry,) = actors.named([entry])
    if entry.action.verb == "purge":
        # Deleted, and there again without an undo: a worker has put back its memory.
        return Watched(Observation(Fate.OVERWRITTEN, entry), lately=lately)
    if not entry.watch:
        return Watched(lately=lately)
    return Watched(observe(entry, raw, stamp, still_holds), lately=lately)


def _lately(raw: Raw, stamp: str) -> bool:
    written = read_time(raw.get(stamp))
    return isinstance(written, datetime) and abs(datetime.now(UTC) - written) < LAG


@dataclass(frozen=True)
class Deletion:
    """The entry of the purge that an item is missing for, and whether the person can undo it."""

    entry: Entry
    undoable: bool


def deletion(target: Target, user: User | AnonymousUser) -> Deletion | None:
    """Who deleted an item that is not there; None when it was not deleted here. Never raises `DynamoError`."""
    try:
        trail = feeds.of_target(target)
        purge = next((entry for entry in trail if entry.action.verb == "purge"), None)
        if purge is None or undo.undone_by(purge, trail):
            return None
        (purge,) = actors.named([purge])
        permission = undo.permission(purge)
        may = bool(permission) and user.has_perm(permission)
        return Deletion(purge, may and not undo.why_not(purge))
    except DynamoError:
        # The page says that the item is gone in any case; only who deleted it is not known.
        return None
