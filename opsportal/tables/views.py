"""Pages of the tables. Each part that costs AWS calls is a fragment with its own address, account and
deadline, so that a region that does not answer holds up nothing but its own parts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from opsportal.console import tones
from opsportal.console.access import requires
from opsportal.console.admission import Load, admission, is_better_kept, queued
from opsportal.console.listing import Region, respond, seen_token
from opsportal.console.problems import wants_fragment
from opsportal.dynamo.deployed import Unknown
from opsportal.dynamo.errors import DynamoError, TableMissing
from opsportal.dynamo.migrations import ledger_of, states
from opsportal.tables import overview, rights
from opsportal.tables.cost_text import quantity
from opsportal.tables.costs import READ_CAPACITY, WRITE_CAPACITY, Cost, money, month_cost
from opsportal.tables.drift import Agreement, Difference, points
from opsportal.tables.metrics import Series, TableMetrics, table_metrics, total
from opsportal.tables.overview import Shown, shown_tables
from opsportal.tables.prices import Prices, price_list

VIEW = "tables.view_tables"
# The parts of a table's page, in order: the name in template and URL, and the heading until it is loaded.
PARTS = (
    ("deployed", "As deployed"),
    ("load", "Load and cost"),
    ("permissions", "Permissions"),
    ("migrations", "Migrations"),
)


@requires(VIEW)
def list_(request: HttpRequest) -> HttpResponse:
    """All tables; asks AWS for nothing itself."""
    return render(request, "tables/list.html", {"tables": overview.shown_tables()})


@requires(VIEW)
def item(request: HttpRequest, key: str) -> HttpResponse:
    """One table; asks AWS for nothing itself."""
    shown = _shown(key)
    parts = [(name, title, reverse(f"tables:{name}", args=[key])) for name, title in PARTS]
    return render(request, "tables/item.html", {"shown": shown, "parts": parts})


@requires(VIEW)
@queued(Load.PANEL)
def part(request: HttpRequest, key: str, name: str) -> HttpResponse:
    """A part of a table's page, or of its row in the list: a key of `READS`."""
    return _part(request, key, name, READS[name])


@requires(VIEW)
@require_POST
def probe(request: HttpRequest, key: str) -> HttpResponse:
    """Probe the permissions on the table now. It has no effect on it."""
    shown = _shown(key)
    found = rights.probe_now(shown.table)
    if not wants_fragment(request):
        return redirect("tables:permissions", key)
    return _part(request, key, "permissions", lambda _: {"rights": found})


def _shown(key: str) -> Shown:
    found = overview.shown_table(key)
    if found is None:
        raise Http404(f"There is no table {key!r}.")
    return found


def _part(
    request: HttpRequest, key: str, name: str, read: Callable[[Shown], Mapping[str, Any]]
) -> HttpResponse:
    """One part of a page, or what is wrong with it. Always 200 (204 where the browser shows just that), as
    htmx swaps no error; 503 where the console is busy, and an older one is shown."""
    shown = _shown(key)
    context: dict[str, Any] = {"shown": shown, "part": name, "problem": None, "settled": True}
    try:
        with admission(Load.PANEL):
            context.update(read(shown))
    except DynamoError as problem:
        if is_better_kept(request, problem):
            raise
        missing = isinstance(problem, TableMissing)
        # What is missing may be created any moment; other trouble shows at the next look, too.
        context.update(problem=problem, missing=missing, settled=False)
        if missing and name == "deployed":
            context["sighting"] = overview.sighting(shown)
    seen = seen_token({name: repr(value) for name, value in context.items() if name != "as_of"})
    return respond(
        request,
        f"tables/{name}.html",
        context,
        Region(f"{name}-{shown.key}", seen=seen, finished=context["settled"]),
    )


def _deployed(shown: Shown) -> dict[str, Any]:
    reading = overview.read(shown.table)
    found = reading.found
    compared = list(points(shown.table, found))
    differing = [point for point in compared if isinstance(point, Difference)]
    return {
        "found": found,
        "as_of": reading.at,
        "indexes": overview.index_rows(found),
        "differences": differing,
        "known_differences": [point for point in differing if not point.unknown],
        "breaking": any(point.breaks for point in differing),
        "agreements": [point for point in compared if isinstance(point, Agreement)],
        "untold": [part for part in (found.ttl, found.recovery, found.tags) if isinstance(part, Unknown)],
        "state_tone": overview.state_tone(found.state),
        "settled": not reading.changing,
    }


def _load(shown: Shown) -> dict[str, Any]:
    found = metrics_of(shown)
    cost = month_cost(shown.table.logical, overview.read(shown.table).found, found)
    context: dict[str, Any] = {
        "metrics": found,
        "known": False,
        "cost": cost,
        "cost_rows": cost_rows(cost),
        "total": money(cost.total) if cost.lines else "",
        "priced": bool(cost.lines) and all(line.dollars is not None for line in cost.lines),
        "prices": _dated(shown),
    }
    if isinstance(found, TableMetrics):
        context |= {
            "known": True,
            "charts": list(charts(found)),
            "read_total": round(total(found.read)),
            "write_total": round(total(found.write)),
            "throttled": total(found.read_throttles) + total(found.write_throttles),
        }
    return context


def _dated(shown: Shown) -> Prices | None:
    """The prices of the table's region; None where there are none, which its cost says."""
    try:
        found = price_list().of(shown.table.region)
    except ImproperlyConfigured:
        return None
    return found if found.storage is not None else None


def _migrations(shown: Shown) -> dict[str, Any]:
    found = [one for one in states(location=shown.table.location) if one.table.name == shown.table.name]
    problem = next((one.problem for one in found if one.problem), None)
    if problem:
        raise problem
    return {"states": found, "ledger": ledger_of(shown.table).name}


# What each part reads. The last probes are shown; a new probe is a POST.
READS: dict[str, Callable[[Shown], Mapping[str, Any]]] = {
    "row": _deployed,
    "glance": _load,
    "deployed": _deployed,
    "load": _load,
    "permissions": lambda shown: {"rights": rights.known(shown.table)},
    "migrations": _migrations,
}


@dataclass(frozen=True)
class Chart:
    """A series in bars of an hour: (label, value, tone) each. `whose`: "" or a remark on what it counts."""

    title: str
    unit: str
    total: float
    bars: tuple[tuple[str, float, str], ...]
    tone: str
    whose: str = ""


def metrics_of(shown: Shown) -> TableMetrics | Unknown:
    """The last day of a table, asked for together with the others of its place. Raises nothing."""
    beside = [one.table for one in shown_tables() if one.table.location == shown.table.location]
    return table_metrics(beside)[shown.table.logical]


def charts(metrics: TableMetrics) -> Iterator[Chart]:
    everyones = "of all tables of the account in this region, which AWS counts together"
    for title, unit, series, trouble, whose in (
        ("Read capacity consumed", "RCU", metrics.read, False, ""),
        ("Write capacity consumed", "WCU", metrics.write, False, ""),
        ("Throttled reads", "events", metrics.read_throttles, True, ""),
        ("Throttled writes", "events", metrics.write_throttles, True, ""),
        ("System errors", "errors", metrics.system_errors, True, ""),
        ("User errors", "errors", metrics.user_errors, True, everyones),
    ):
        amount = total(series)
        tone = tones.RUNNING if not trouble else tones.FAILED if amount else tones.SUCCESS
        yield Chart(title, unit, amount, tuple(_bars(series, tone)), tone, whose)


def _bars(series: Series, tone: str) -> Iterator[tuple[str, float, str]]:
    for moment, value in series:
        yield f"{moment:%H:%M} UTC", round(value, 1), tone


def cost_rows(cost: Cost) -> list[tuple[str, str, str, str]]:
    """What is paid for, over the table and its indexes together: (what, quantity, its unit, money)."""
    units = {line.what: line.unit for line in cost.lines if line.what != "capacity"}
    rows = [
        (what, quantity(cost.quantity(what)), unit, money(cost.dollars(what))) for what, unit in units.items()
    ]
    for unit in (WRITE_CAPACITY, READ_CAPACITY):
        if lines := [line for line in cost.lines if line.unit == unit]:
            bill = Cost(cost.logical, cost.region, tuple(lines))
            rows.append(("capacity", quantity(bill.quantity("capacity")), unit, money(bill.total)))
    return rows
