"""A search that goes on in the background of its list. The page drives it: each of its requests is one step, of at most
5 calls or 100 read units, so that a search ends with its page.

A list's view hands a POST to its own address to `answer`. Two searches at a time may read for the whole deployment:
each step takes or keeps one of two leases in the shared cache, which run out when no step follows.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

from django.core.cache import caches
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from opsportal.console.listing import Listing
from opsportal.console.parameters import stamp_shown
from opsportal.dynamo import cursors, spending
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.pages import Raw
from opsportal.dynamo.searching import Step
from opsportal.dynamo.spans import Span

AT_ONCE = 2
# Read units after which a search asks whether to go on, and hits, since a page of many more gets slow.
ASK_AFTER, ASK_AFTER_FOUND = 2_000, 1_000
# Seconds that a lease holds: for a step at its deadline, the pause after it, and a slow line.
LEASE_SECONDS = 15
# What the page waits between steps, and before it asks for a lease again, as htmx has it.
PAUSE, WAIT = "250ms", "2s"
# Of what the page carries: an older or newer console can't read it.
FORMAT = 1

State = Literal["runs", "waits", "asks", "stopped", "failed", "done"]


class Read(Protocol):
    """One step of a table's search, such as `requests_app.queries.search`."""

    def __call__(self, values: dict[str, str], span: Span, *, purpose: str, cursor: str) -> Step: ...


@dataclass(frozen=True)
class Search:
    """How far a search is; the page carries it, signed. `id`: holds the lease. `cursor`: of the next step. `units`:
    read units, a decimal's text; `limit`, `most`: where it asks, of `units` and of `found`. `parts`: of a search in
    several parts, what each was: its `name` and `label`, its `state` (next, runs, done), `why` it could not be searched,
    and its own `calls`, `units` and `found`."""

    id: str
    cursor: str
    calls: int = 0
    units: str = "0"
    found: int = 0
    searched_to: str = ""
    limit: int = 0
    most: int = 0
    parts: list[dict[str, Any]] = field(default_factory=list)

    def paid(self, calls: int, units: Decimal) -> "Search":
        return replace(self, calls=self.calls + calls, units=str(self.read_units + units))

    def after(self, step: Step) -> "Search":
        found, paid = self.found + len(step.items), self.paid(step.calls, step.units)
        at = next((n for n, part in enumerate(self.parts) if part["name"] == step.part), 0)
        # Before it are those that took no step of their own.
        parts = [{**part, "state": "done"} for part in self.parts[:at]]
        parts += [_part_after(part, step) for part in self.parts[at : at + 1]] + self.parts[at + 1 :]
        return replace(paid, cursor=step.cursor, found=found, searched_to=step.covered_to, parts=parts)

    @property
    def read_units(self) -> Decimal:
        return Decimal(self.units)

    @property
    def asks(self) -> bool:
        return self.read_units >= self.limit or self.found >= self.most

    @property
    def allowed(self) -> "Search":
        """The same, which may go on for as much again."""
        limit, most = int(self.read_units) + ASK_AFTER, self.found + ASK_AFTER_FOUND
        return replace(self, limit=limit, most=most)


def _part_after(part: Mapping[str, Any], step: Step) -> dict[str, Any]:
    return {
        **part,
        "state": "done" if step.ended else "runs",
        "why": step.why,
        "calls": part["calls"] + step.calls,
        "units": str(Decimal(part["units"]) + step.units),
        "found": part["found"] + len(step.items),
    }


def in_parts(cursor: str, parts: Iterable[tuple[str, str]]) -> Search:
    """A search that has not begun, of parts with these names and labels."""
    begun = {"state": "next", "why": "", "calls": 0, "units": "0", "found": 0}
    named = [{"name": name, "label": label, **begun} for name, label in parts]
    return Search(uuid.uuid4().hex, cursor, parts=named).allowed


def answer(
    request: HttpRequest,
    listing: Listing,
    read: Read,
    table: Callable[[Sequence[Raw]], str],
    template: str = "console/searching.html",
) -> HttpResponse:
    """Start a search at the cursor of the address, or do what the form `do` says with the one in `state`: "" a step,
    "more" a step although it asks, "stop". The answer is the progress, with `table` of the items that the step found.

    Raises MalformedCursor for a state of another list.
    """
    purpose, span = _purpose(listing), listing.time_range.span
    do = request.POST.get("do", "")
    search = (
        Search(**cursors.load(state, purpose=purpose))
        if (state := request.POST.get("state", ""))
        else Search(uuid.uuid4().hex, listing.cursor).allowed
    )
    if do == "more":
        search = search.allowed
    items: Sequence[Raw] = ()
    problem = None
    now: State = "stopped" if do == "stop" else "asks" if search.asks else "waits"
    if now == "waits" and _take_lease(search.id):
        with spending.account() as account:
            calls, units = account.calls, account.read_units
            try:
                step = read(listing.values, span, purpose=listing.purpose, cursor=search.cursor)
            except DynamoError as error:
                problem, now = error, "failed"
                search = search.paid(account.calls - calls, account.read_units - units)
            else:
                items, search = step.items, search.after(step)
                now = "done" if not step.cursor else "asks" if search.asks else "runs"
    if now not in ("runs", "waits"):
        _give_back(search.id)
        # Where it goes on from here it is another: a step that was under way may come after its stop.
        search = replace(search, id=uuid.uuid4().hex)
    context = shown(listing, search, now)
    return render(request, template, {**context, "problem": problem, "found": table(items) if items else ""})


def _purpose(listing: Listing) -> str:
    return f"search:{FORMAT}:{listing.purpose}"


def shown(listing: Listing, search: Search, now: State) -> dict[str, Any]:
    """What the templates need of a search."""
    return {
        "listing": listing,
        "url": listing.url(),
        "state": cursors.dump(asdict(search), purpose=_purpose(listing)),
        "search": search,
        "parts": [{**part, "units": Decimal(part["units"])} for part in search.parts],
        "now": now,
        "again": {"runs": PAUSE, "waits": WAIT}.get(now),
        "searched_to": stamp_shown(search.searched_to),
        "percent": _percent(listing, search),
        "within": _within(listing),
        "at_once": AT_ONCE,
    }


def _within(listing: Listing) -> str:
    """What the search was over, after "everything"."""
    found = listing.time_range
    if found.key in ("all", "custom"):
        return f" {found.label}" if found.key == "custom" else ""
    return f" of the {found.label[0].lower()}{found.label[1:]}"


def _percent(listing: Listing, search: Search) -> int | None:
    """How much of the time range was searched; None where the range or the search has no bounds of time."""
    start, end = listing.time_range.start, listing.time_range.end or datetime.now(UTC)
    at = stamp_shown(search.searched_to)
    if not start or not isinstance(at, datetime) or start >= end:
        return None
    return round(100 * min(max((end - at) / (end - start), 0.0), 1.0))


def _leases() -> list[str]:
    return [f"search:lease:{number}" for number in range(AT_ONCE)]


def _take_lease(holder: str) -> bool:
    """Keep the holder's lease, or take a free one. False where there is none, or none can be written."""
    cache = caches["default"]
    if cache.get(f"search:ended:{holder}"):
        return False
    for lease in _leases():
        if cache.get(lease) == holder:
            cache.set(lease, holder, LEASE_SECONDS)
            return True
    with suppress(DatabaseError):
        return any(cache.add(lease, holder, LEASE_SECONDS) for lease in _leases())
    return False


def _give_back(holder: str) -> None:
    cache = caches["default"]
    cache.set(f"search:ended:{holder}", True, LEASE_SECONDS)
    for lease in _leases():
        if cache.get(lease) == holder:
            cache.delete(lease)
