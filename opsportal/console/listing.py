"""What every list and item page shares: its state in the URL, and the answer to a poll."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote_plus, unquote, urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from opsportal.console import pasted
from opsportal.console.column_choice import Choosable, ColumnChoice
from opsportal.console.context import Shell
from opsportal.console.converters import unquote_key
from opsportal.console.list_states import Empty as Empty
from opsportal.console.list_states import Reading as Reading
from opsportal.console.list_states import Region as Region
from opsportal.console.parameters import FLAGS, MAX_BYTES, OFF, QUOTED, cut, stamp_shown
from opsportal.console.problems import wants_fragment
from opsportal.console.text import exact
from opsportal.console.timerange import LENGTHS, TimeRange, picked, picker_value, time_range
from opsportal.dynamo.pages import Page
from opsportal.dynamo.partitions import Partitions
from opsportal.environments import is_strict

# Characters of one value where a filter is put into words.
WORDS = 40


@dataclass
class Listing:
    """The state of one list, from its URL. `name` is its key for saved views; `filters` the parameters
    it filters by, with their labels; `columns` those that can be chosen."""

    request: HttpRequest
    name: str
    filters: Mapping[str, str]
    default_range: str = "7d"
    ranged: bool = True
    columns: Sequence[Choosable] = ()
    values: dict[str, str] = field(init=False)
    _addresses: dict[str, tuple[str, str]] = field(init=False, default_factory=dict)
    _pairs: dict[tuple[str, str], str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        # Exactly as the value that it was made from, space at its ends and all; but a search is typed.
        given = {name: cut(self.given(name), MAX_BYTES) for name in self.filters}
        given |= {"q": given["q"].strip()} if "q" in given else {}
        off = {name for name in FLAGS & given.keys() if given[name].lower() in OFF}
        self.values = {name: value for name, value in given.items() if value and name not in off}

    def given(self, name: str) -> str:
        """A parameter as it was sent, "" where it was not; see `form_field`."""
        text, quoted = self.request.GET.get(name, ""), self.request.GET.get(f"{name}{QUOTED}", "")
        try:
            return text or unquote_key(quoted)
        except ValueError:
            return quoted

    def __getitem__(self, name: str) -> str:
        """A filter's value, "" when it is not set. KeyError for other names, so that templates, which try
        this first, go on to the attributes."""
        if name not in self.filters:
            raise KeyError(name)
        return self.values.get(name, "")

    @property
    def cursor(self) -> str:
        return self.request.GET.get("cursor", "")

    @property
    def anchor(self) -> str:
        """The newest stamp of the list as the browser first showed it; only polls of page one have it."""
        if self.cursor or not wants_fragment(self.request):
            return ""
        return unquote(self.request.headers.get("X-Anchor", ""))[:200]

    @property
    def keys_typed(self) -> list[str]:
        """What the search box may hold as a key: as typed, then without what came along when it was copied. Empty
        where an answer must not lead away from the list: on its further pages, and on polls."""
        if self.cursor or wants_fragment(self.request):
            return []
        return pasted.keys(self.given("q"), self.request.path)

    @cached_property
    def time_range(self) -> TimeRange:
        return time_range(self.request.GET, Shell(self.request).zone, default=self.default_range)

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The state without the cursor, as query parameters. Bounds are in UTC, so that they are the same for whoever
        gets the address, and without those that can't be read."""
        return {**self.choosing, **self.choice.parameters}

    @cached_property
    def choice(self) -> ColumnChoice:
        return ColumnChoice.given(self.columns, self.request.GET)

    @cached_property
    def choosing(self) -> dict[str, str]:
        """Of the parameters those that say which items."""
        names = [*self.filters, "range"] if self.ranged else list(self.filters)
        given = {name: value for name in names if (value := self.given(name))}
        return given | self.time_range.query if self.ranged else given

    @property
    def picked_url(self) -> str:
        """Where the form for a range of one's own leads; "" where the address is not that form's. What must be said of
        the bounds becomes a message."""
        if not self.ranged or (found := picked(self.request.GET)) is None:
            return ""
        query, said = found
        for sentence in said:
            messages.info(self.request, sentence)
        return self.url(**{"range": None, "from": None, "to": None} | query)

    @property
    def picker(self) -> dict[str, str]:
        """The values of that form's fields."""
        zone, own = Shell(self.request).zone, self.time_range.key == "custom"
        bounds = {"from": self.time_range.start, "to": self.time_range.end} if own else {}
        values = {name: picker_value(at, zone) for name, at in bounds.items()}
        return values | {f"was_{name}": at for name, at in self.time_range.query.items()}

    @property
    def whole_query(self) -> str:
        """What the list shows over all its pages, as a query string. It says the range too, so that it means the same
        where another range is the default, or none."""
        parameters = dict(self.values)
        if self.ranged:
            custom = self.time_range.key == "custom"
            parameters |= self.time_range.query if custom else {"range": self.time_range.key}
        return urlencode(parameters)

    @property
    def in_words(self) -> list[str]:
        """The same for people, in parts such as "status failed" and "last 7 days"; none where it is everything."""
        if self.values.get("outside"):
            return ["not in the index", "all time"]
        said = [
            label.lower()
            if name in FLAGS
            else f"{label.lower()} {exact(self[name][:WORDS])}{'…' if len(self[name]) > WORDS else ''}"
            for name, label in self.filters.items()
            if self[name] and label
        ]
        if not self.ranged or (self.time_range.key == "all" and not said):
            return said
        label = self.time_range.label
        return [*said, label[0].lower() + label[1:]]

    @property
    def purpose(self) -> str:
        """Binds cursors to this list and its filters. The range's length is part of it, not its instant."""
        digest = hashlib.sha256(json.dumps(self.choosing, sort_keys=True).encode()).hexdigest()
        return f"{self.name}:{digest[:16]}"

    def url(self, **changes: str | None) -> str:
        """This list with changed parameters (None or "" removes one), from its first page on."""
        parameters = {**self.parameters, **changes}
        query = "&".join(self._pair(name, value) for name, value in parameters.items() if value)
        return f"{self.request.path}?{query}" if query else self.request.path

    def _pair(self, name: str, value: str) -> str:
        """As `urlencode` has it. A page's 25 addresses differ in one parameter: they took a fiftieth of it."""
        if (name, value) not in self._pairs:
            self._pairs[name, value] = urlencode({name: value})
        return self._pairs[name, value]

    @property
    def unfiltered_url(self) -> str:
        """All of it, in the columns that were chosen."""
        return self.url(**dict.fromkeys((*self.filters, "range", "from", "to")))

    def filter_url(self, name: str, value: Any) -> str:
        """This list with one filter set, as a cell links to it. No address holds a text of 300 KB."""
        before, after = self._around(name)
        return f"{before}{quote_plus(cut(str(value), MAX_BYTES))}{after}"

    def _around(self, name: str) -> tuple[str, str]:
        """What comes before and after a filter's value in the list's address. A list has 250 such links; each address
        was encoded whole, which was a tenth of the page."""
        if name not in self._addresses:
            pairs = list({**self.parameters, name: "", "outside": ""}.items())
            at = [one for one, _ in pairs].index(name)
            before, after = (urlencode([one for one in part if one[1]]) for part in (pairs[:at], pairs[at:]))
            self._addresses[name] = (
                f"{self.request.path}?{before}{'&' if before else ''}{quote_plus(name)}=",
                f"&{after}" if after else "",
            )
        return self._addresses[name]

    @property
    def chips(self) -> list[tuple[str, str, str]]:
        chips = [
            (label, self[name], self.url(**{name: None}))
            for name, label in self.filters.items()
            if self[name] and label and name not in FLAGS
        ]
        if self.ranged and self.time_range.key == "custom":
            chips.append(("Time", self.time_range.label, self.url(**{"from": None, "to": None})))
        return chips

    def filter_menu(self, fields: Sequence[tuple[str, str, Iterable[str]]]) -> dict[str, Any]:
        """What partials/filter-menu.html shows of (parameter, label, suggestions)."""
        own = {"outside", *(name for name, *_ in fields)}
        shown = [(name, label, self[name], choices) for name, label, choices in fields]
        return {
            "filter_fields": shown,
            "filters_kept": [p for p in self.parameters.items() if p[0] not in own],
        }

    @property
    def ranges(self) -> list[tuple[str, str, bool]]:
        """(label, URL, current) for each length of time."""
        return [
            (label, self.url(**{"range": key, "from": None, "to": None}), key == self.time_range.key)
            for key, (label, _) in LENGTHS.items()
        ]

    @property
    def filtered(self) -> bool:
        return bool(self.values)

    def context(self, page: Page, region: Region) -> dict[str, Any]:
        """What the shared partials of a list need."""
        return {
            "listing": self,
            "region": region,
            "page": {
                "next_url": self.url(cursor=page.cursor) if page.cursor else "",
                "next_text": "" if page.complete else "Search on",
                "first_url": self.url() if self.cursor else "",
            },
            "reading": Reading(
                len(page.items),
                page.how,
                page.partitions,
                stamp_shown(page.searched_to),
                page.complete,
                page.sample,
            ),
            "notes": [
                *self.choice.notes,
                *(self.time_range.notices if self.ranged else ()),
                *page.notes,
            ],
            "new_rows": f"{page.newer}+" if page.newer_more else page.newer,
            "first_url": self.url(),
            "saved_views": Shell(self.request).saved_views(self.name),
            "saved_views_page": self.name,
            "saved_views_query": urlencode(self.parameters),
        }

    def status_tabs(self, statuses: Partitions) -> list[tuple[str, str, bool, str]]:
        """One tab per status, spellings together: as the first of them is written that the index holds. The one asked
        for has a tab even if nobody uses it."""
        written = {status.lower(): status for status in reversed((*statuses.seen, *statuses.values))}
        names = dict.fromkeys(status.lower() for status in (*statuses.values, self["status"]) if status)
        current = self["status"].lower()
        everything = not current and not self["outside"]
        return [
            ("All", self.url(status=None, outside=None), everything, ""),
            *(
                (
                    word := written.get(name, self["status"]),
                    self.url(status=word, outside=None),
                    name == current,
                    "",
                )
                for name in names
            ),
        ]

    def empty(self, page: Page, nouns: str, nothing_yet: str) -> Empty | None:
        """Why nothing is shown; None when something is. `nouns`: what is listed, in the plural."""
        if page.items:
            return None
        if self.ranged and self.time_range.crossed:
            query = self.time_range.query
            return Empty(
                "no_match",
                "The time range ends before it begins",
                f"It goes {self.time_range.label}: swap the two.",
                link_url=self.url(**{"from": query["to"], "to": query["from"]}),
                link_text="Swap the bounds",
            )
        if page.cursor:
            return Empty(
                "not_searched_far",
                "Nothing found so far",
                "The search reached the limit of calls for one page before it found a match.",
                link_url=self.url(cursor=page.cursor),
                link_text="Search on",
            )
        if self.filtered or (self.ranged and self.time_range.key == "custom"):
            bounded = self.ranged and self.time_range.key not in ("all", "custom")
            within = f" in the {self.time_range.label.lower()}" if bounded else ""
            return Empty(
                "no_match",
                f"No {nouns} match",
                f"Nothing{within} matches all filters.",
                link_url=self.unfiltered_url,
                link_text="Clear the filters",
            )
        if self.ranged and self.time_range.key != "all":
            return Empty(
                "no_match",
                f"No {nouns} in the {self.time_range.label.lower()}",
                link_url=self.url(range="all"),
                link_text="Search all time",
            )
        command = "" if is_strict(settings.OPSPORTAL_ENV) else "python manage.py load_demo"
        return Empty("nothing_yet", f"No {nouns} yet", nothing_yet, command=command)


def seen_token(*parts: Any) -> str:
    """A digest of what a region shows (keys, states, findings), to see whether a poll changes it."""
    return hashlib.sha256(_ORDERED.encode(parts).encode()).hexdigest()[:20]


# Without the search for a circle, which what was read can't have: a quarter of the time of a list's token.
_ORDERED = json.JSONEncoder(default=str, sort_keys=True, check_circular=False)


def respond(
    request: HttpRequest, template: str, context: dict[str, Any], region: Region, *, status: int = 200
) -> HttpResponse:
    """The page, its live region alone for htmx, or 204 where the browser shows just that already."""
    context["region"] = region
    if not wants_fragment(request):
        return render(request, template, context, status=status)
    if request.headers.get("X-Seen") == region.seen:
        return HttpResponse(status=204)
    # A failed status would leave the old state standing, so what is gone is swapped in as a fragment.
    return render(request, f"{template}#live", context)
