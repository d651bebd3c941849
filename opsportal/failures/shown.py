"""One case as its page shows it: what is read for it, and what can be done with it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from html import escape
from typing import Any, Self
from urllib.parse import quote_plus
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString

from opsportal.alerts.rules import OPEN, Firing
from opsportal.console.clock import bound, in_zone
from opsportal.console.converters import quote_key
from opsportal.console.text import visible
from opsportal.console.timerange import Window
from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.reads import item_of
from opsportal.failures import actions, charts, figures, offers, store
from opsportal.failures.case import Case, Key
from opsportal.failures.columns import CaseRow, row_of
from opsportal.failures.failure import Failure, all_sources
from opsportal.failures.fingerprint import OTHERS, fingerprint
from opsportal.failures.trend import FALLING, HOUR, RISING, RULE, per_hour
from opsportal.failures.words import UNTIL_CLOSED, list_url_name, marked, table_label, title_of
from opsportal.operations.bulk import all_bulk
from opsportal.operations.entries import new_action_id
from opsportal.operations.item_actions import ItemAction, Offer
from opsportal.operations.pages import Button, button
from opsportal.operations.resource_types import of_logical

# Seconds that the newest run is not read again by the same process, however many look.
NEWEST_SECONDS = 30
# What a link of the note leads to the search: an id has a digit, and letters or a sign that joins.
_ID = re.compile(
    r"(?<![\w/.:@-])(?=[\w.:@-]{0,199}\d)(?=[\w.:@-]{0,199}[A-Za-z_-])[A-Za-z0-9][\w.:@-]{6,198}[A-Za-z0-9](?![\w/@-])"
)
# What a filter of a list names, by which all runs of a case are found, and how far back.
FILTER, RANGE = "case", "7d"


@dataclass(frozen=True)
class Shown:
    """`keys`: the newest runs; `newest`: the newest of them as it is now, None where it is gone."""

    case: Case
    row: CaseRow
    keys: tuple[Key, ...]
    newest: Raw | None
    alerts: tuple[Firing, ...]
    window: Window
    zone: ZoneInfo
    now: datetime

    @classmethod
    def read(cls, case: Case, window: Window, zone: ZoneInfo) -> Self:
        """Two items of DynamoDB, and the shared figures. Raises `DynamoError`."""
        now = datetime.now(UTC)
        found = figures.of(figures.at_hand().value)
        keys = store.keys_of(case)
        alerts = Firing.objects.filter(rule__condition="case.unacknowledged", subject=case.id, state__in=OPEN)
        return cls(
            case,
            row_of(case, found, window, figures.ended([case.logical], window.key), now),
            keys,
            _newest(case, keys),
            tuple(alerts.select_related("rule")[:5]),
            window,
            zone,
            now,
        )

    @property
    def seen(self) -> tuple[Any, ...]:
        """What its page shows."""
        return (
            self.case.to_item(),
            (self.row.stated.word, self.row.runs, self.row.share_text, self.row.trend.word, self.window.key),
            [(key.key, key.status, str(key.failed_at)) for key in self.keys],
            self.newest,
            [(one.pk, one.state) for one in self.alerts],
        )

    @property
    def title(self) -> str:
        return title_of(self.case)

    @property
    def where(self) -> str:
        return table_label(self.case.logical)

    # --- In sentences -----------------------------------------------------------------------------------------

    @property
    def sentence(self) -> str:
        """How it goes."""
        trend = self.row.trend
        since = f"{in_zone(trend.since, self.zone):%H:%M}"
        runs = f"{trend.runs} run{'' if trend.runs == 1 else 's'} since {since}"
        if not trend.word:
            return f"{runs}, too little history for a trend"
        return f"{trend.word.capitalize()}: {runs}, typical {trend.typical_text} an hour"

    @property
    def rule(self) -> str:
        return RULE

    @property
    def tone(self) -> str:
        return {RISING: "failed", FALLING: "success"}.get(self.row.trend.word, "waiting")

    @property
    def muted(self) -> str:
        """Until when, "" where it is not."""
        until = self.case.muted_until
        if until is None or not self.case.is_muted(self.now):
            return ""
        return "until it is resolved" if until >= UNTIL_CLOSED else f"until {bound(until, self.zone)}"

    # --- Chart, error, runs -------------------------------------------------------------------------------------

    @property
    def chart(self) -> SafeString:
        hours = 168 if self.window.key == "7d" else 24
        series = per_hour(figures.hours_of(self.case), self.now - HOUR * (hours - 1), self.now)
        return charts.large(series, self.row.trend.typical, self.case.first_seen, self.zone)

    @property
    def sample(self) -> SafeString:
        """The newest error, cleaned."""
        return marked(self.case.sample or self.case.line)

    @property
    def has_marks(self) -> bool:
        return 'class="var"' in self.sample

    @property
    def as_recorded(self) -> str:
        """The error text of the newest run, "" where `sample` is the same."""
        error = self.failure.error if self.failure else ""
        return "" if visible(error) == (self.case.sample or self.case.line) else error

    @cached_property
    def failure(self) -> Failure | None:
        """Of the newest run as it is now; None where it is gone, was retried, or failed otherwise since."""
        source = all_sources().get(self.case.logical)
        found = source.failure_of(self.newest) if source and self.newest else None
        return found if found and fingerprint(self.case.logical, found).id == self.case.id else None

    @property
    def runs(self) -> Iterator[tuple[Key, str, SafeString]]:
        """Each with its address, and its error."""
        kind = of_logical(self.case.logical)
        return ((key, kind.item_url(key.key) if kind else "", marked(key.line)) for key in self.keys)

    @property
    def is_of_others(self) -> bool:
        """Whether it holds the rest of a flood: then nothing in its runs says that they are of it."""
        return self.case.line == OTHERS

    @property
    def all_url(self) -> str:
        """The list of all its runs; "" where no list finds them."""
        if self.is_of_others:
            return ""
        bulk, name = all_bulk().get(self.case.logical), list_url_name(self.case.logical)
        if not (bulk and FILTER in bulk.filters and name):
            return ""
        return f"{reverse(name)}?{self.query}"

    @property
    def query(self) -> str:
        return f"{FILTER}={self.case.id}&range={RANGE}"

    @property
    def failed_lately(self) -> int:
        return self.case.in_hours(self.now - Window(RANGE, "").length)

    @property
    def step_url(self) -> str:
        """The page of the step, where its app has one."""
        name = list_url_name(self.case.logical).partition(":")[0]
        try:
            return reverse(f"{name}:step", args=[self.case.step]) if self.case.step else ""
        except NoReverseMatch:
            return ""

    @property
    def notes(self) -> Iterator[tuple[Any, SafeString]]:
        """The newest last, with ids as links."""
        return ((one, linked(one.text)) for one in self.case.notes)

    @property
    def audit_url(self) -> str:
        return f"{reverse('operations:feed')}?target={self.case.id}&range=all"

    # --- What can be done ---------------------------------------------------------------------------------------

    def buttons(self, request: HttpRequest) -> list[Button]:
        """What opens a dialog."""
        mute = offers.CHANGE_MUTE if self.muted else offers.MUTE
        return [self._button(request, mute if self.case.is_active else offers.REOPEN)]

    def _button(self, request: HttpRequest, offer: Offer) -> Button:
        url = reverse(f"failures:{offer.tag.verb}", args=[self.case.id])
        return button(request, offer, url, actions.why_not(offer.tag, self.case))

    def forms(self, request: HttpRequest) -> dict[str, Any]:
        """The forms that are part of the page, by verb: (offer with address, form)."""
        mine = (offers.ACKNOWLEDGE, offers.ASSIGN, offers.NOTE, offers.RESOLVE)
        found = {}
        for offer in mine:
            options: dict[str, Any] = {"owner": self.case.owner_id} if offer is offers.ASSIGN else {}
            made = self._button(request, offer)
            if not made.why_not:
                # An id of its own, so that a second click is no second action.
                form = offer.form_class(
                    initial={"action_id": new_action_id()}, auto_id=f"{offer.tag.verb}-%s", **options
                )
                found[offer.tag.verb] = {"button": made, "form": form}
        return found

    def bulk(self, request: HttpRequest) -> list[dict[str, Any]]:
        """What a job can do with its runs: for a retry all that match, or those that are kept where none is found by its
        case; for a mark those that are kept, where the newest is not finished."""
        bulk = all_bulk().get(self.case.logical)
        if bulk is None or settings.ACTIONS_OFF or not request.user.has_perm("jobs.run_jobs"):
            return []
        offered = {one.tag.verb: one for one in bulk.offered}
        found = []
        retry, fail = offered.get("retry"), offered.get("fail")
        kept = [quote_key(key.key) for key in self.keys]
        if retry and self.is_of_others and kept:
            found.append(self._job(request, retry, keys=kept, count=len(kept)))
        elif retry and FILTER in bulk.filters and self.failed_lately:
            found.append(self._job(request, retry, all="1", count=self.failed_lately))
        if fail and self.newest and not fail.why_not(self.keys[0].key, self.newest):
            found.append(self._job(request, fail, keys=kept))
        return [one for one in found if one["may"]]

    def _job(self, request: HttpRequest, action: ItemAction, **more: Any) -> dict[str, Any]:
        return {
            "action": action,
            "name": f"{self.case.logical}.{action.tag.verb}",
            "may": request.user.has_perm(action.permission),
            "query": self.query,
            "keys": (),  # or else a template finds the method of the dictionary
            **more,
        }


def _newest(case: Case, keys: tuple[Key, ...]) -> Raw | None:
    if not keys:
        return None
    cache, name = caches["process"], f"case-newest:{case.id}:{case.count}:{case.edition}"
    known: tuple[Raw | None] | None = cache.get(name)
    if known is None:
        try:
            known = (item_of(case.table, keys[0].key),)
        except DynamoError:
            known = (None,)  # the case is shown all the same
        cache.set(name, known, NEWEST_SECONDS)
    return known[0]


def linked(content: str) -> SafeString:
    """A note, with each word that looks like an id as a link to the search for it."""
    shown = visible(content)
    parts, at = [], 0
    search = _search_url()
    for found in _ID.finditer(shown) if search else ():
        parts += [escape(shown[at : found.start()])]
        parts += [f'<a href="{search}?q={quote_plus(found[0])}">{escape(found[0])}</a>']
        at = found.end()
    return SafeString("".join([*parts, escape(shown[at:])]))


def _search_url() -> str:
    try:
        return reverse("search:page")
    except NoReverseMatch:
        return ""
