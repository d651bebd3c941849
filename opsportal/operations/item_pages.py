"""The page of one item, as far as it is the same for every app: its tabs, what became of the newest change, its entries,
and the page of an item that is gone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse

from opsportal.accounts.ids import user_id
from opsportal.console import polls
from opsportal.console.access import lacking
from opsportal.console.listing import Region, respond, seen_token
from opsportal.dynamo.attributes import pretty, read_time
from opsportal.dynamo.errors import DynamoError
from opsportal.operations import actors, feeds, undo
from opsportal.operations.changes import Raw
from opsportal.operations.entries import Entry, Target
from opsportal.operations.observation import Observation, Outcome, StillHolds, as_written, observe
from opsportal.operations.outbox import LATE
from opsportal.operations.pages import ItemActions
from opsportal.operations.undelivered import Undelivered, of_entry


def gone(request: HttpRequest, actions: ItemActions, key: str, template: str) -> HttpResponse:
    """404, with who purged it and the undo while there is one; else with what was done to it last, if anything was."""
    found = trail_of(actions.target(key))
    trail = found or []
    purge = deletion(trail, request.user)
    last = purge.entry if purge else next(iter(actors.named(trail[:1])), None)
    context = {"key": key, "deletion": purge, "last": last, "unread": found is None}
    # The entry of a purge may not be in the index yet: then the page looks again.
    region = Region("live", seen=seen_token(last.action_id if last else ""), finished=bool(purge))
    return respond(request, template, context, region, status=404)


@dataclass
class ItemPage:
    """The page of the item `raw`. `tabs`: (key, label) of its parts, the first of them shown by default; `stamp`: the
    attribute that says when it was last written; `others`: what else it shows that others may change, to be set before
    the digest is asked for."""

    request: HttpRequest
    actions: ItemActions
    key: str
    raw: Raw
    tabs: Sequence[tuple[str, str]]
    stamp: str
    others: object = None

    @cached_property
    def tab(self) -> str:
        """Which part is asked for."""
        asked = self.request.GET.get("tab", "")
        return asked if asked in dict(self.tabs) else self.tabs[0][0]

    @cached_property
    def watched(self) -> "Watched":
        return watch(self.actions.target(self.key), self.raw, self.stamp, self.actions.still_holds)

    @cached_property
    def entries(self) -> list[Entry]:
        """Those of the tab that lists them. Raises `DynamoError`."""
        return feeds.of_target(self.actions.target(self.key)) if self.tab == "audit" else []

    @cached_property
    def digest(self) -> str:
        entries = [entry.action_id for entry in self.entries]
        return seen_token(self.raw, self.others, self.tab, self.watched.token, entries)

    @property
    def unchanged(self) -> bool:
        """Whether this is a poll of who sees the item so already: nothing needs to be made of it."""
        return polls.unchanged(self.request, self.digest)

    def respond(
        self,
        template: str,
        context: dict[str, Any],
        *,
        until: Iterable[object] = (),
        finished: bool = False,
    ) -> HttpResponse:
        """`until`: the times at which the page shows something else without a write; `finished`: no worker will write
        it again."""
        watched, entries = self.watched.named, actors.named(self.entries)
        moments = [*until, *([datetime.now(UTC) + polls.MINUTE] if watched.observation or entries else [])]
        # A change that a worker may still overwrite is watched even on a finished item.
        region = Region(
            "live", seen=polls.lasting(self.digest, moments), finished=finished and not watched.unsettled
        )
        shared: dict[str, Any] = {
            "key": self.key,
            "watched": watched,
            "tab": self.tab,
            "tabs": self._links(),
            "entries": entries,
        }
        if self.tab == "raw":
            shared["raw"] = pretty(self.raw)
        return respond(self.request, template, shared | context, region)

    def _links(self) -> list[tuple[str, str, bool, Any]]:
        """(label, address, whether it is shown, count) of each tab."""
        first = self.tabs[0][0]
        return [
            (label, "?" if key == first else f"?tab={key}", key == self.tab, "") for key, label in self.tabs
        ]


# How long a change is worth a sentence, and how long a page goes on watching one that no worker has answered.
TELL, WATCH = timedelta(hours=24), timedelta(minutes=15)
# How far the index of the trail may lag behind it.
LAG = timedelta(seconds=5)


@dataclass(frozen=True)
class Watched:
    """`observation` of the newest change, if it is recent; `problem` where the trail can't be read, since
    the item's page works without it. `undelivered`: its message, where the queue did not get it. `lately`: the item was written a moment ago, and the entry of that may
    not be in the index yet."""

    observation: Observation | None = None
    problem: str = ""
    lately: bool = False
    undelivered: Undelivered | None = None

    @property
    def unsettled(self) -> bool:
        """Whether a worker may still answer, so that the page must not stop refreshing itself."""
        found = self.observation
        return self.lately or bool(found and found.fate is Outcome.REQUESTED and found.entry.age < WATCH)

    @property
    def named(self) -> "Watched":
        """With what became of who did it."""
        if self.observation is None:
            return self
        (entry,) = actors.named([self.observation.entry])
        return replace(self, observation=replace(self.observation, entry=entry))

    @property
    def token(self) -> str:
        found = self.observation
        # With what ends the watching, or the page would refresh itself for ever.
        state = f"{found.entry.action_id}:{found.fate}" if found else self.problem
        return f"{state}:{self.unsettled}{self.undelivered.seen if self.undelivered else ''}"


def watch(target: Target, raw: Raw, stamp: str, still_holds: StillHolds) -> Watched:
    """Observe the newest change of an item. Two calls, and two for a message; never raises `DynamoError`."""
    try:
        entry = feeds.latest(target)
    except DynamoError as error:
        return Watched(problem=f"The audit trail can't be read: {error.sentence} {error.fix}".strip())
    lately = _lately(raw, stamp)
    message = _undelivered(entry, raw) if entry else None
    if entry is None or entry.age > TELL:
        return Watched(lately=lately, undelivered=message)
    if entry.action.verb == "purge":
        # Deleted, and there again without an undo: a worker has put back its memory.
        return Watched(Observation(Outcome.OVERWRITTEN, entry), lately=lately)
    if not entry.watch:
        return Watched(lately=lately)
    return Watched(observe(entry, raw, stamp, still_holds), lately=lately, undelivered=message)


def _undelivered(entry: Entry, raw: Raw) -> Undelivered | None:
    """The message of the newest change, as long as no other was written. One that waits for its next try or was not
    tried yet says so only once it is late."""
    if not (entry.watch and as_written(entry, raw)):
        return None
    try:
        found = of_entry(entry)
    except DynamoError:
        return None  # the change is shown all the same
    return found if found and (found.given_up or entry.age > LATE) else None


def _lately(raw: Raw, stamp: str) -> bool:
    written = read_time(raw.get(stamp))
    return isinstance(written, datetime) and abs(datetime.now(UTC) - written) < LAG


@dataclass(frozen=True)
class Deletion:
    """The entry of the purge that an item is missing for, whether it is the reader's own, and why they can't undo it."""

    entry: Entry
    own: bool
    why_not: str

    @property
    def undoable(self) -> bool:
        return not self.why_not


def trail_of(target: Target) -> list[Entry] | None:
    """The newest entries of an item that is not there; None where they can't be read: the page says that it is gone in
    any case, only what was done to it is not known."""
    try:
        return feeds.of_target(target)
    except DynamoError:
        return None


def deletion(trail: list[Entry], user: User | AnonymousUser) -> Deletion | None:
    """Who deleted an item that is not there, from its entries; None when it was not deleted here. Never raises
    `DynamoError`."""
    purge = next((entry for entry in trail if entry.action.verb == "purge"), None)
    if purge is None or undo.undone_by(purge, trail):
        return None
    (purge,) = actors.named([purge])
    permission = undo.permission(purge)
    try:
        why_not = undo.why_not(purge)
    except DynamoError as problem:
        why_not = f"Its copy could not be read. {problem.sentence}"
    if not why_not and not user.has_perm(permission):
        why_not = lacking(permission).sentence
    return Deletion(purge, isinstance(user, User) and purge.actor.id == user_id(user), why_not)
