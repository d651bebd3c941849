"""The conditions that alert rules can set for items with a status: failed, the rate of failures, and stuck.

Each app says in a value, `Items`, where its items are read and in which words they are spoken of.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.urls import reverse

from opsportal.alerts.watches import MAX_FACTS, Fact, Figures, Measure, Question, Reading, Watch
from opsportal.console.tones import FAILED, SUCCESS, tone_of
from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.lists import Known, List, Wanted
from opsportal.dynamo.sampling import Sampled
from opsportal.dynamo.spans import Span
from opsportal.failures import silence

# Days: what is older is past an operator's care, and is not looked for.
MAX_DAYS = 30


@dataclass(frozen=True)
class Item:
    """An item as rules see it. Times are None where it has none that can be read.

    `facets`: what it has under each filter of a rule. `figures`: what a notification says of it; `failure`: and of
    its failure.
    """

    key: str
    is_open: bool
    updated_at: datetime | None
    facets: Mapping[str, Collection[object]] = field(default_factory=dict)
    figures: Figures = field(default_factory=dict)
    status: str = ""
    created_at: datetime | None = None
    ended_at: datetime | None = None
    failure: Figures = field(default_factory=dict)
    error: str = ""

    def fits(self, question: Question) -> bool:
        """Whether it is one of those that the rule asks for."""
        asked = question.filters.items()
        return all(value in self.facets[name] for name, value in asked if name in self.facets)


@dataclass(frozen=True)
class Items:
    """The items of one app.

    `noun`, `namespace`: "workflow" and "tracking", say. `read`: an item by its key, None where it is gone; `item`:
    one as rules see it; `listing`: those of a rule's filters, statuses and time. `is_open`: whether a status should
    move on. `stuck_minutes`: the setting. `filters`, and those of failures: parameter to label.
    """

    noun: str
    namespace: str
    model: type[Any]
    sampled: Sampled
    read: Callable[[str], Any]
    item: Callable[[Any], Item]
    listing: Callable[[Mapping[str, str], Wanted, Span], List]
    is_open: Callable[[str], bool]
    stuck_minutes: str
    filters: Mapping[str, str]
    failure_filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def no_index(self) -> str:
        index = self.sampled.index
        return (
            f"This table has no index on {index.hash_key} and {index.range_key}: "
            "only the items read so far are checked."
        )

    def _stuck_minutes(self) -> float:
        minutes: float = getattr(settings, self.stuck_minutes)
        return minutes

    def path(self, item: Item) -> str:
        return reverse(f"{self.namespace}:item", args=[item.key]) if item.key else ""

    # --- Reads. All raise `DynamoError`. ------------------------------------------------------------------

    def _known(
        self,
        question: Question,
        wanted: Wanted,
        span: Span,
        left_out: Callable[[Raw], bool] = lambda raw: False,
    ) -> tuple[list[Item], Known]:
        """At most `MAX_FACTS`, the newest first."""
        listed = replace(self.listing(question.filters, wanted, span), limit=MAX_FACTS)
        known = listed.known(purpose="alerts")
        items = [self.item(self.model.from_item(raw)) for raw in known.items if not left_out(raw)]
        # The index of a user, say, has the items of every status.
        return [one for one in items if wanted(one.status)], known

    def _reading(self, items: list[Item], known: Known, fact_of: Callable[[Item], Fact | None]) -> Reading:
        facts = tuple(fact for one in items if (fact := fact_of(one)))
        note = self.no_index if known.part else known.note
        return Reading(facts, known.certain and not known.more, note=note)

    def failed(self, question: Question) -> Reading:
        """The items that failed, of those created in the window; without those whose failure case is muted."""
        is_muted = silence.muted(self.sampled.logical, question.now)
        items, known = self._known(question, _is_failed, Span.between(question.since), is_muted)
        return self._reading(items, known, partial(self._failure, question))

    def still_failed(self, question: Question, key: str) -> Fact | None:
        found = self.read(key)
        if found is None or silence.muted(self.sampled.logical, question.now)(found.raw):
            return None
        created = self.sampled.moment(found.raw)
        return None if created and created < question.since else self._failure(question, self.item(found))

    def failure_rate(self, question: Question) -> Reading:
        """Of the items created in the window (the newest of them, where they are many), how many failed; without those
        whose failure case is muted."""
        span = Span.between(max(question.since, question.baseline))
        is_muted = silence.muted(self.sampled.logical, question.now)
        items, known = self._known(question, _has_ended, span, is_muted)
        if known.part:
            return Reading(unknown=True, note=self.no_index)
        ended = [(_is_failed(one.status), one.created_at) for one in items]
        path = f"{reverse(f'{self.namespace}:list')}?status=failed&range=24h"
        return reading(question, ended, not known.more, f"{self.noun.capitalize()}s", path)

    def stuck(self, question: Question) -> Reading:
        """The items in an open status without an update for so many minutes."""
        earliest = question.now - timedelta(days=MAX_DAYS)
        latest = question.now - timedelta(minutes=question.threshold)
        items, known = self._known(question, self.is_open, Span.between(earliest, latest))
        return self._reading(items, known, partial(self._stuck, question))

    def still_stuck(self, question: Question, key: str) -> Fact | None:
        found = self.read(key)
        return self._stuck(question, self.item(found)) if found else None

    # --- Facts: None of an item that is not one of those that are asked for -------------------------------

    def _failure(self, question: Question, item: Item) -> Fact | None:
        at = item.ended_at or item.updated_at
        if at is None or not _is_failed(item.status) or not item.fits(question):
            return None
        title = f"{self.noun.capitalize()} {item.key} failed"
        return Fact(item.key, title, at, {**item.figures, **item.failure}, self.path(item), item.error)

    def _stuck(self, question: Question, item: Item) -> Fact | None:
        updated, limit = item.updated_at, timedelta(minutes=question.threshold)
        if not item.is_open or updated is None or question.now - updated < limit or not item.fits(question):
            return None
        minutes = (question.now - updated) // timedelta(minutes=1)
        figures = {"minutes_without_update": minutes, "status": item.status, **item.figures}
        title = f"{self.noun.capitalize()} {item.key} is stuck"
        return Fact(item.key, title, updated + limit, figures, self.path(item))

    def watches(self) -> tuple[Watch, ...]:
        """The three conditions."""
        noun, minutes = self.noun, MAX_DAYS * 1440
        return (
            Watch(
                name=f"{noun}.failed",
                label=f"A {noun} failed",
                explained=f"Each {noun} whose status says failed, once. Resolved when it is retried, purged or too old. Those of a muted case are left out.",
                kind=noun,
                read=self.failed,
                still=self.still_failed,
                over="It is no longer failed, its failure case is muted, or it is older than the rule's window.",
                window=Measure("Created within (minutes)", lambda: 1440, 5, minutes),
                filters={**self.filters, **self.failure_filters},
                calm_minutes=1,
            ),
            Watch(
                name=f"{noun}.failure_rate",
                label=f"Too many {noun}s fail",
                explained=f"Failed {noun}s as a percentage of those that ended in the window, without those of a muted case.",
                kind=noun,
                read=self.failure_rate,
                over="The failure rate is below the threshold.",
                threshold=Measure("Failure rate (%)", lambda: 20, 0.1, 100),
                minimum=Measure("Minimum number that ended", lambda: 10, 1, MAX_FACTS),
                window=Measure("Created within (minutes)", lambda: 60, 5, 1440),
                filters=self.filters,
            ),
            Watch(
                name=f"{noun}.stuck",
                label=f"A {noun} is stuck",
                explained=f"Each {noun} in an open status without an update for too long.",
                kind=noun,
                read=self.stuck,
                still=self.still_stuck,
                over="It was updated again, or finished.",
                threshold=Measure("Without an update (minutes)", self._stuck_minutes, 1, minutes),
                filters=self.filters,
            ),
        )


def _is_failed(status: str) -> bool:
    return tone_of(status) == FAILED


def _has_ended(status: str) -> bool:
    return tone_of(status) in (FAILED, SUCCESS)


def reading(
    question: Question, ended: Sequence[tuple[bool, datetime | None]], complete: bool, nouns: str, path: str
) -> Reading:
    """`ended`: (failed, when it was created) of items that ended, the newest first; `complete`: all of the window.

    Where there are more than can be read, it is the rate of the newest, which the figures and a note say. Fewer
    than the minimum are no rate: whatever fired is over.
    """
    total, bad = len(ended), sum(failed for failed, _ in ended)
    minutes = question.window.total_seconds() / 60
    note = ""
    if not complete:
        oldest = min((at for _, at in ended if at), default=question.since)
        minutes = max(1, round((question.now - oldest).total_seconds() / 60))
        note = f"Too many ended to read them all. This is the rate of the newest {total}, in {minutes} min."
    if total < question.minimum or not total:
        return Reading(note=note)
    percent = round(100 * bad / total, 1)
    if 100 * bad / total < question.threshold:
        return Reading(note=note)
    figures = {"failed": bad, "ended": total, "percent": percent, "window_minutes": minutes}
    title = f"{nouns}: {percent:g} % of {total} failed"
    return Reading((Fact("", title, question.now, figures, path),), note=note)
