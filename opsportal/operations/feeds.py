"""Reading the audit trail: per target, per actor, and the feed over everything, newest first."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings

from opsportal.dynamo import cursors
from opsportal.dynamo.expressions import AnyOf, Clause, Filter
from opsportal.dynamo.keys import Key
from opsportal.dynamo.merge import Merge, Span
from opsportal.dynamo.pages import PAGE_SIZE, Page, Raw
from opsportal.dynamo.tables import Binding, Index
from opsportal.operations import entries
from opsportal.operations.entries import FEED_SHARDS, Entry, Target
from opsportal.operations.tables import AUDIT, audit_table_for, locations
from opsportal.operations.tags import MESSAGE, ROUTINE, Action

# Calls that a page of the feed may cost in one place; days are read only as far as needed.
FEED_CALLS = 40
# Days that a feed without a start looks back, at most what entries live.
MAX_DAYS = 400
NO_ROUTINE = Clause("action", "<>", (ROUTINE.value,))


def of_target(target: Target, limit: int = 20) -> list[Entry]:
    """The newest entries of one item, without routine (eventually consistent). Raises `DynamoError`."""
    index = AUDIT.index("target-index")
    page = Merge(
        audit_table_for(target.table), index, [target.hash], filters=(NO_ROUTINE,), limit=limit
    ).read({})
    return [entries.from_item(raw) for raw in page.items]


def latest(target: Target) -> Entry | None:
    """The newest entry of one item, whole, or None; what a worker did in the course of another, or somebody with its
    message, is no change of the item. Raises `DynamoError`."""
    found = (
        entry
        for entry in of_target(target, limit=10)
        if entry.action is not Action.REQUEST_PURGE_LOGS and entry.action.subject != MESSAGE
    )
    newest = next(found, None)
    return entries.read_entry(newest.action_id, target.table) if newest else None


@dataclass(frozen=True)
class Sought:
    """Whose entries: those of `ids`, and older ones, without an id, that carry one of `names`. Or in place of both
    all that was recorded under the name `recorded`, by any account: no index serves that."""

    ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    recorded: str = ""

    @property
    def partitions(self) -> list[str]:
        """Of `actor-index`, whose key is the id, and of older entries the name."""
        return [*self.ids, *self.names]

    @property
    def clause(self) -> AnyOf | None:
        """Also what distinguishes an id from an older entry of an account that had this name."""
        if self.recorded:
            return AnyOf((Clause("actor", "=", (self.recorded,)),))
        wanted: list[Clause | tuple[Clause, ...]] = []
        if self.ids:
            wanted.append(Clause("actor_id", "in", self.ids))
        if self.names:
            wanted.append((Clause("actor_id", "not text"), Clause("actor", "in", self.names)))
        return AnyOf(tuple(wanted)) if wanted else None


ANYONE = Sought()


@dataclass(frozen=True)
class FeedFilter:
    """`start` and `end` are aware; None is open. `actor` and `target` choose an index. `routine`: whether what
    programs do by the clock is listed without being asked for by `action`."""

    actor: Sought = ANYONE
    action: str = ""
    target: str = ""
    logical: str = ""
    start: datetime | None = None
    end: datetime | None = None
    routine: bool = True

    def clauses(self) -> Filter:
        wanted = {"action": self.action, "target": self.target, "logical": self.logical}
        left_out = () if self.routine or self.action else (NO_ROUTINE,)
        by = (self.actor.clause,) if self.actor.clause else ()
        return *(Clause(name, "=", (value,)) for name, value in wanted.items() if value), *by, *left_out

    @property
    def span(self) -> Span:
        return Span(
            entries.stamp(self.start) if self.start else "", entries.stamp(self.end) if self.end else ""
        )

    @property
    def index(self) -> Index:
        by_actor = "actor-index" if self.actor.partitions else "feed-index"
        return AUDIT.index("target-index" if self.target else by_actor)

    def merge(self, audit: Binding, limit: int, until: str = "", since: str = "") -> Merge:
        """`until`: the stamp at which a page goes on; later days are not read again. `since`: the oldest
        stamp that can still be on the page."""
        index, ceilings = self.index, {}
        if self.target:
            logicals = [one for one in settings.DYNAMO_TABLES if self.logical in ("", one)]
            partitions = [Target(logical, self.target).hash for logical in logicals]
        elif self.actor.partitions:
            partitions = self.actor.partitions
        else:
            days = [f"{day:%Y-%m-%d}" for day in self._days()]
            ceilings = {
                f"{day}#{shard}": f"{day}~"
                for day in days
                if since[:10] <= day and (not until or day <= until[:10])
                for shard in range(FEED_SHARDS)
            }
            partitions = list(ceilings)
        return Merge(
            audit,
            index,
            partitions,
            span=Span(max(self.span.start, since), self.span.end),
            filters=self.clauses(),
            limit=limit,
            ceilings=ceilings,
            calls=FEED_CALLS,
        )

    def _days(self) -> list[datetime]:
        last = min(self.end or datetime.now(UTC), datetime.now(UTC))
        # Less where the calendar begins before.
        most = min(timedelta(days=MAX_DAYS), last - datetime.min.replace(tzinfo=UTC))
        first = max(self.start or last - most, last - most)
        return [last - timedelta(days=back) for back in range((last.date() - first.date()).days + 1)]


def page(wanted: FeedFilter, *, purpose: str, cursor: str = "", limit: int = PAGE_SIZE) -> Page:
    """One page over all places, merged by time. Items are the index's summaries. Raises `DynamoError`."""
    # A name may mean another account by the next page: its cursor is of another list then.
    purpose = f"{purpose}:{','.join(wanted.actor.ids)}"
    position = cursors.load(cursor, purpose=purpose) if cursor else {}
    pages: list[Page] = []
    merged: list[Raw] = []
    since = ""
    for table in locations():
        # Of the next place only what is as new as a page that is full already.
        since = merged[limit - 1]["at"]["S"] if len(merged) >= limit else ""
        merge = wanted.merge(audit_table_for(table), limit, position.get("at", ""), since)
        pages.append(merge.read(position))
        merged = together(page.items for page in pages)
    # What lies below the point to which another place was searched may not be the next.
    floor = max((found.searched_to for found in pages if not found.complete), default="")
    shown = [raw for raw in merged if raw["at"]["S"] >= floor][:limit]
    more = len(merged) > len(shown) or bool(since) or any(found.cursor for found in pages)
    complete = all(found.complete for found in pages) or len(shown) == limit
    result = Page(shown, how=f"Query {wanted.index.name}", complete=complete)
    result.searched_to = "" if complete else floor.rstrip("~")
    if more:
        at = shown[-1]["at"]["S"] if complete and shown else floor
        seen = {Key.from_item(raw, ("action_id",)).digest for raw in shown if raw["at"]["S"] == at}
        if at == position.get("at"):
            seen |= set(position.get("seen", ()))
        result.cursor = cursors.dump({"at": at, "seen": sorted(seen)}, purpose=purpose)
    return result


def together(pages: Iterable[Iterable[Raw]]) -> list[Raw]:
    """By time and action_id, newest first. An emulator that knows no regions answers from each place with
    the same entries, which are one."""
    found = {raw["action_id"]["S"]: raw for items in pages for raw in items}
    return sorted(found.values(), key=lambda raw: (raw["at"]["S"], raw["action_id"]["S"]), reverse=True)
