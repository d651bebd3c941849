"""Panels of the overview: each its own poll, with its own state when its table has a problem.

Their figures are read once for the whole deployment (`opsportal.dynamo.shared`): by the worker while somebody looks, and
by a page only where there are none or no worker runs. So many browsers, processes and hosts cost what one costs.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from typing import Any
from urllib.parse import quote

from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import Context
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from opsportal.console import access, drawn, trends
from opsportal.console.admission import Busy, Load, admission, is_better_kept
from opsportal.console.context import Shell
from opsportal.console.drawn import STALE_SECONDS, Form, title_query
from opsportal.console.listing import Region, seen_token
from opsportal.console.templatetags.console import live
from opsportal.console.timerange import WINDOWS, Window, window_of
from opsportal.console.tones import ATTENTION, FAILED, RUNNING, SUCCESS, UNKNOWN, WAITING, tone_of
from opsportal.descriptors import Panel, descriptors
from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.pages import Sampling
from opsportal.dynamo.partitions import Count
from opsportal.dynamo.sampling import FRESH_SECONDS
from opsportal.dynamo.shared import Shared, kept, shared
from opsportal.dynamo.statuses import Figures

# Seconds that figures are kept when nobody looks: in the morning those of the evening are there at once, with their age.
LIFE_SECONDS = 86_400
# Seconds after which a panel that is STALE_SECONDS old asks again, and that the worker's last round counts.
SOON_SECONDS, WORKER_SECONDS = 2, 30
VIEWED, WORKER = "panels:looks", "panels:worker"


def panels() -> list[Panel]:
    """Of the overview, in its order."""
    return [descriptor.panel for descriptor in descriptors() if descriptor.panel]


# --- Who looks, and who reads ---------------------------------------------------------------------------------


def note_viewer(key: str = "", look: str = "") -> None:
    """Have the worker read for a while, all panels or that one, and draw them for those who look so."""
    drawn.note(_viewed(key), look)


def is_viewed(key: str = "") -> bool:
    return drawn.is_noted(_viewed(key))


def looks() -> list[str]:
    return drawn.looks(VIEWED)


def _viewed(key: str) -> str:
    return f"{VIEWED}:{key}" if key else VIEWED


def note_worker() -> None:
    """A worker is there to read: no page has to."""
    caches["default"].set(WORKER, True, WORKER_SECONDS)


def _worker_reads() -> bool:
    return bool(caches["process"].get_or_set(WORKER, lambda: bool(caches["default"].get(WORKER)), 5))


def figures(key: str, window: str) -> tuple[Shared[Any], dict[str, Any]]:
    """Of the panel of that key, and what the overview shows of them. Raises `DynamoError`."""
    note_viewer()
    panel = next(one for one in panels() if one.key == key)
    found = figures_of(panel)
    return found, panel.shown(found.value, window)


def figures_of(panel: Panel) -> Shared[Any]:
    """Its figures: those that a worker has read, else read now. Raises `DynamoError`."""
    name = panel.figures_name

    def at_hand() -> Shared[Any] | None:
        return kept([name], fresh=panel.fresh()).get(name)

    if _worker_reads() and (found := at_hand()):
        return found
    try:
        with admission(Load.PANEL):
            return shared(name, panel.figures, fresh=fresh_of(panel), life=LIFE_SECONDS)
    except Busy:
        if found := at_hand():
            return found
        raise


def fresh_of(panel: Panel) -> Callable[[Shared[Any]], float]:
    """Seconds: not past the minute's sample that figures are made with, so that what is in no index is on an open
    overview as soon as in a list."""

    def fresh(found: Shared[Any]) -> float:
        at, _, used, _ = found.value.get("sample", NO_SAMPLE) if isinstance(found.value, dict) else NO_SAMPLE
        left = FRESH_SECONDS - (found.at - at).total_seconds() if at and used else 0
        return min(panel.fresh(), left) if left > 0 else panel.fresh()

    return fresh


NO_SAMPLE = (None, "0", False, "")


# --- As HTML ---------------------------------------------------------------------------------------------------


def view_of(panel: Panel) -> Callable[..., HttpResponse]:
    """The panel's view: always 200 (or 204 when the browser shows it already): htmx swaps no error, and a panel that
    can't be read must say so. 503 where the console is busy and the browser shows older figures."""

    def view(request: HttpRequest) -> HttpResponse:
        look = Look(request)
        try:
            found = figures_of(panel)
        except DynamoError as problem:
            if is_better_kept(request, problem):
                raise
            return _problem(request, panel, look.window, problem)
        form = look.form(panel)
        if request.headers.get("X-Seen") == form.seen(found):
            return HttpResponse(status=204)
        name = form.name(panel.figures_name)
        ahead = kept([name], fresh=panel.fresh()).get(name)
        return HttpResponse(look.section(panel, name, found, ahead))

    view.__name__ = view.__qualname__ = f"panel_{panel.key}"
    mark = access.requires(panel.permission) if panel.permission else access.staff
    return mark(view)


def on_page(request: HttpRequest) -> list[dict[str, Any]]:
    """The panels that the person may see: as HTML those whose figures are kept, by one read of the shared cache; of the
    others what loads them. With `read` in the address, as of a browser without scripts, these are read now."""
    look = Look(request)
    seen = [panel for panel in panels() if panel.key in look.list_urls]
    names = [(one.figures_name, look.form(one).name(one.figures_name)) for one in seen]
    found = kept(chain.from_iterable(names), fresh=min((one.fresh() for one in seen), default=0))
    shown = []
    for panel, (figures_name, html_name) in zip(seen, names, strict=True):
        one: dict[str, Any] = {
            "panel": panel,
            "url": _url(panel, look.window, reserved=True),
            "list_url": look.list_urls[panel.key],
            "title_query": title_query(panel, look.window),
        }
        if figures := found.get(figures_name):
            one["html"] = look.section(panel, html_name, figures, found.get(html_name))
        elif "read" in request.GET:
            one["html"] = SafeString(view_of(panel)(request).content.decode())
        shown.append(one)
    return shown


class Look:
    """One person looks at the overview, or at a panel of it. `list_urls`: of the panels that they may see, by key; "" of those
    whose list there is not, or is not for them."""

    def __init__(self, request: HttpRequest) -> None:
        self.request, self.shell, self.window = request, Shell(request), window_of(request)
        self.list_urls = self.shell.kept("panels", self._list_urls)
        linked = (key for key, url in self.list_urls.items() if url)
        note_viewer(look=drawn.look_of(self.window, self.shell.zone.key, linked))

    def _list_urls(self) -> dict[str, str]:
        may = self.request.user.has_perm
        return {
            panel.key: reverse(panel.list_url_name)
            if panel.list_url_name and (not panel.list_permission or may(panel.list_permission))
            else ""
            for panel in panels()
            if not panel.permission or may(panel.permission)
        }

    def form(self, panel: Panel) -> Form:
        return Form(self.window, self.shell.zone.key, bool(self.list_urls[panel.key]))

    def section(self, panel: Panel, name: str, found: Shared[Any], ahead: Shared[Any] | None) -> SafeString:
        """The panel, as its HTML of that name is or is to be kept."""
        form, reserved = self.form(panel), "reserved" in self.request.GET
        inside = drawn.html(panel, form, name, found, ahead)
        soon = SOON_SECONDS if found.age > max(STALE_SECONDS, 2 * panel.fresh()) else 0
        url = _url(panel, self.window, reserved=reserved)
        region = Region(panel.name, seen=form.seen(found), url=url, at_least_every=soon)
        attributes = live(Context({"request": self.request, "shell": self.shell}), region)
        css = "panel is-reserved" if reserved else "panel"
        return format_html('<section class="{}" {}>{}</section>', css, attributes, mark_safe(inside))  # noqa: S308 (a template's)


def _url(panel: Panel, window: Window, *, reserved: bool = False) -> str:
    """`reserved`: of a panel that the page has loaded, which keeps the height that was reserved for it: nothing moves."""
    return f"{reverse(panel.name)}?window={window.key}{'&reserved=1' if reserved else ''}"


def _problem(request: HttpRequest, panel: Panel, window: Window, problem: DynamoError) -> HttpResponse:
    seen = seen_token(problem.kind, problem.sentence, window.key)
    if request.headers.get("X-Seen") == seen:
        return HttpResponse(status=204)
    soon, reserved = SOON_SECONDS if isinstance(problem, Busy) else 0, "reserved" in request.GET
    # To try again is to load the overview: by itself a panel is no page.
    context = {
        "problem": problem,
        "panel": panel.name,
        "title": panel.title,
        "again_url": f"{reverse('overview')}{window.query}",
        "region": Region(
            panel.name, seen=seen, url=_url(panel, window, reserved=reserved), at_least_every=soon
        ),
        "reserved": reserved,
    }
    return render(request, "console/panel-problem.html", context)


# --- Figures of items that come to an end ---------------------------------------------------------------------

# Failures first: the overview answers "is anything wrong?".
TONE_ORDER = (FAILED, ATTENTION, UNKNOWN, RUNNING, WAITING, SUCCESS)


def tiles(counted: Iterable[tuple[str, Count]], url_of: Callable[[str], str]) -> list[tuple[str, Count, str]]:
    """(status, count, URL of the list) with failures first; spellings of one status are one tile, written as most of
    its items write it. The status "" is of items that have none."""
    spellings: dict[str, list[tuple[str, Count]]] = {}
    for status, number in counted:
        spellings.setdefault(status.lower(), []).append((status, number))
    summed = []
    for alike in spellings.values():
        word, _ = max(alike, key=lambda pair: pair[1].number)
        count = Count(sum(one.number for _, one in alike), any(one.more for _, one in alike))
        summed.append((word or "no status", count, url_of(word)))
    return sorted(summed, key=lambda tile: TONE_ORDER.index(tone_of(tile[0])))


def figures_of_statuses(found: Figures, failures: Iterable[Raw], stuck: Iterable[Raw]) -> dict[str, Any]:
    """Plain, for every window: counts by status, trends, the newest failures, what is stuck, and what must be said of
    them."""
    now, windows = datetime.now(UTC), {}
    for key in WINDOWS:
        since = now - Window(key, "").length
        recent = found.recent(since)
        made = trends.of(recent, since, now)
        counts = tuple((status, one.count.number, one.count.more) for status, one in recent)
        windows[key] = {"counts": counts, "trends": made.plain if made else None}
    sample = found.sampling
    return {
        "windows": windows,
        "sample": (sample.at, str(sample.units), sample.used, sample.statement),
        "notes": tuple(found.notes),
        "filling": not found.whole,
        "behind": found.behind,
        "oldest": found.oldest,
        "failures": tuple(failures),
        "stuck": tuple(stuck),
    }


def shown_of_statuses(
    figures: Mapping[str, Any], window: str, list_url: str, model_of: Callable[[Raw], Any]
) -> dict[str, Any]:
    """What `figures_of_statuses` made, for a template."""
    at, units, used, statement = figures["sample"]
    chosen = figures["windows"][window]

    def url_of(status: str) -> str:
        # An item without a status is in no index, and its list is of those.
        return list_url + (f"?status={quote(status)}&range={window}" if status else "?outside=1")

    return {
        "counts": tiles(((status, Count(*count)) for status, *count in chosen["counts"]), url_of),
        "trends": trends.Trends.from_plain(*chosen["trends"]) if chosen["trends"] else None,
        "sample": Sampling(at, Decimal(units), used, statement),
        "notes": figures["notes"],
        "filling": figures["filling"] or figures["behind"],
        "oldest": figures["oldest"],
        "failures": [model_of(raw) for raw in figures["failures"]],
        "stuck": [model_of(raw) for raw in figures["stuck"]],
    }
