"""The cost of all tables: seed 000's (docs/data.md) estimate, by declaration, as really used, and what was assumed."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from opsportal.dynamo.circuit_breaker import CircuitBreaker
from opsportal.dynamo.deployed import Unknown, deployed
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.tables import Binding, bindings
from opsportal.tables.costs import Cost, consumed, estimate, month_cost, rounded, seed_estimate
from opsportal.tables.metrics import HOUR, TableMetrics, table_metrics
from opsportal.tables.modes import (
    ASSUMED,
    MEASURED,
    PEAK_FACTOR,
    TARGET,
    Comparison,
    assumed,
    compare,
    measured,
)
from opsportal.tables.overview import Shown, shown_tables
from opsportal.tables.prices import STANDARD, PriceList, Prices, price_list

SEED = "seed 000"
SEED_REGION = "us-east-1"
# The days that consumption is reported for; the longest is asked for.
SPANS = (7, 30)


@dataclass(frozen=True)
class Estimated:
    """A table's declared workload and its cost. `per_day`: events of the workload's kind."""

    table: Binding
    per_day: int
    cost: Cost


@dataclass(frozen=True)
class Used:
    """A table's month by its consumption of each of `SPANS`, and by what it holds now; `why` where that is
    not known. `total` counts the longest span. `billing`: as deployed, "" where that is not known."""

    key: str
    name: str
    region: str
    spans: Mapping[int, Cost]
    total: Cost | None
    modes: Comparison
    billing: str = ""
    why: str = ""


@dataclass(frozen=True)
class Report:
    prices: PriceList
    seed: tuple[tuple[str, int, Cost], ...]  # title, workflows a day, cost
    estimates: tuple[Estimated, ...]
    used: tuple[Used, ...]
    warning: str
    peak_factor: int = PEAK_FACTOR

    @property
    def regions(self) -> list[Prices]:
        """The prices of every region that a table is in and that has some."""
        regions = sorted({one.region for one in self.used} | {one.cost.region for one in self.estimates})
        return [self.prices.of(region) for region in regions if (region, STANDARD) in self.prices.classes]

    def gigabytes(self) -> dict[str, Decimal]:
        """Estimated storage per region, which the free tier is counted against."""
        regions: dict[str, Decimal] = {}
        for one in self.estimates:
            regions[one.cost.region] = regions.get(one.cost.region, Decimal(0)) + one.cost.quantity("storage")
        return regions


def report(per_day: Mapping[str, int], peak_factor: int = PEAK_FACTOR) -> Report:
    """`per_day`: event of a workload ("workflow", "request") -> how many, in place of the declared number.
    `peak_factor`: the busiest hour as a multiple of the average one, where CloudWatch does not know it.

    Asks DynamoDB and CloudWatch what they know, and goes on without what they do not say. Raises
    ImproperlyConfigured where the price file can't be read.
    """
    prices, breaker = price_list(), CircuitBreaker()
    tables = [table for table in bindings() if table.spec.workload]
    estimates = tuple(_estimated(table, prices, per_day, breaker) for table in tables)
    used = tuple(_used(prices, breaker, estimates, peak_factor))
    regions = {one.region for one in used} | {one.cost.region for one in estimates}
    return Report(
        prices=prices,
        seed=tuple(_seed(tables, prices, per_day)),
        estimates=estimates,
        used=used,
        warning=prices.warning(datetime.now(UTC).date(), regions),
        peak_factor=peak_factor,
    )


def _per_day(table: Binding, per_day: Mapping[str, int]) -> int:
    workload = table.spec.workload
    assert workload is not None
    return per_day.get(workload.event, workload.per_day)


def _seed(
    tables: list[Binding], prices: PriceList, per_day: Mapping[str, int]
) -> Iterator[tuple[str, int, Cost]]:
    for table in tables:
        if table.spec.workload and table.spec.workload.source == SEED:
            number = _per_day(table, per_day)
            yield "at its prices", number, seed_estimate(table, number, prices.seed)
            today = prices.of(SEED_REGION)
            if today.write_million is not None:
                yield f"at those of {today.dated}", number, seed_estimate(table, number, today)


def _estimated(
    table: Binding, prices: PriceList, per_day: Mapping[str, int], breaker: CircuitBreaker
) -> Estimated:
    there: set[str] = set()
    with suppress(DynamoError):
        there = {index.name for index in breaker.ask(table, partial(describe, background=True)).indexes}
    number = _per_day(table, per_day)
    cost = estimate(table, number, prices=prices, optional_indexes=there)
    assert cost is not None
    return Estimated(table, number, cost)


def _used(
    prices: PriceList, breaker: CircuitBreaker, estimates: tuple[Estimated, ...], peak_factor: int
) -> Iterator[Used]:
    shown = shown_tables()
    workloads = {one.table.fingerprint: one.cost for one in estimates}
    metrics: dict[str, TableMetrics | Unknown] = {}
    for group in _groups(shown):
        asked = table_metrics([one.table for one in group], max(SPANS) * 24, background=True, period=HOUR)
        metrics |= {one.key: asked[one.table.logical] for one in group}
    for one in shown:
        table, known = one.table, metrics[one.key]
        found, why = None, ""
        try:
            found = breaker.ask(table, deployed)
        except DynamoError as problem:
            why = problem.sentence
        table_class = found.table_class if found else STANDARD
        spans: dict[int, Cost] = {}
        # Both capacity modes, by what CloudWatch knows, else by the declared workload.
        compared = partial(compare, table.region, prices=prices, table_class=table_class)
        if isinstance(known, TableMetrics):
            spans = {days: consumed(table, known, prices, days, table_class) for days in SPANS}
            modes = compared(measured(spans[max(SPANS)], known), basis=MEASURED)
        elif workload := workloads.get(table.fingerprint):
            modes = compared(assumed(workload, peak_factor), basis=ASSUMED)
        else:
            modes = Comparison(table.region, why=f"Consumption: {known.why}")
        total = month_cost(table.logical, found, known) if found else None
        yield Used(
            key=one.key,
            name=table.name,
            region=table.region,
            spans=spans,
            total=total,
            modes=modes,
            billing=found.billing_mode if found else "",
            why=total.why if total else why,
        )


def _groups(shown: list[Shown]) -> list[list[Shown]]:
    """The tables of the settings together, and the console's own of each place: metrics go by logical name."""
    groups: dict[tuple[str, ...], list[Shown]] = {}
    for one in shown:
        groups.setdefault(one.table.location if one.own else (), []).append(one)
    return list(groups.values())


def _times(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def assumptions(found: Report) -> Iterator[str]:
    """What the estimates rest on, a sentence each."""
    for one in found.estimates:
        workload = one.table.spec.workload
        assert workload is not None
        grows = f"kept {workload.kept_days} days" if workload.items else "which adds no item"
        yield (
            f"{one.table.logical}: {one.per_day:,} {workload.event}{'s' * (one.per_day != 1)} a day, each with "
            f"{_times(workload.writes, 'write')} and {_times(workload.reads, 'read')} of items of "
            f"{workload.item_bytes:,} bytes, {grows} ({workload.source})."
        )
    yield "A write is 1 unit per KB begun, a read 1 unit per 4 KB begun; half of that if eventually consistent."
    yield "An index holds whole items; a write that changes its key is two. Optional indexes count where deployed."
    yield f"Each item has 100 bytes of overhead, in the table and in each index; {SEED} counts neither these nor indexes."
    yield f"{SEED} counts the items of one month, though its TTL keeps them for three."
    yield from _mode_assumptions(found)
    sources: dict[tuple[date, str], list[str]] = {}
    for prices in found.regions:
        sources.setdefault((prices.dated, prices.source), []).append(prices.region)
    for (dated, source), regions in sources.items():
        yield f"Prices of {', '.join(regions)} are of {dated} ({source})."
    yield (
        "Prices are on demand, where nothing else is said, and before the free tier, tax and discounts; without KMS "
        "requests, backups, exports and data transfer."
    )
    yield "AWS halved the prices on demand on 1 November 2024; those of seed 000 are the older ones."
    yield "Units that CloudWatch reports are as billed; a table's figure does not include its indexes."


def _mode_assumptions(found: Report) -> Iterator[str]:
    yield (
        f"Provisioned: the table and each index get what their busiest hour of {max(SPANS)} days needs, by its average a "
        f"second, at {TARGET * 100:.0f} % utilisation, at least 1 unit of each kind, all month; without auto scaling and "
        "reserved capacity. Peaks that are shorter than an hour are not seen."
    )
    yield (
        f"Where CloudWatch has no figures, the busiest hour is {found.peak_factor} times the average of the declared "
        "workload (--peak-factor)."
    )
    yield (
        "Break-even: the share of that capacity that has to be used on average for both modes to cost the same; below "
        "it on demand is cheaper."
    )


# --- As JSON ------------------------------------------------------------------------------------------------


def as_json(found: Report) -> dict[str, Any]:
    """The report for programs: quantities and dollars as Decimals, None where there is no price."""
    return {
        "prices": {
            "dated": found.prices.dated.isoformat(),
            "source": found.prices.source,
            "free_storage_gb": found.prices.free_storage,
            "regions": [
                {"region": one.region, "dated": one.dated.isoformat(), "source": one.source}
                for one in found.regions
            ],
            "warning": found.warning,
        },
        "seed_000": [
            {"prices": title, "workflows_per_day": per_day, **_cost(cost), "total": cost.rounded_total}
            for title, per_day, cost in found.seed
        ],
        "estimates": [{"per_day": one.per_day, **_cost(one.cost)} for one in found.estimates],
        "used": [
            {
                "key": one.key,
                "name": one.name,
                "region": one.region,
                "why": one.why,
                "consumption": {str(days): _cost(cost) for days, cost in one.spans.items()},
                "month": _cost(one.total) if one.total else None,
                "billing": one.billing,
                "capacity_modes": _modes_json(one.modes),
            }
            for one in found.used
        ],
        "assumptions": list(assumptions(found)),
    }


def _modes_json(modes: Comparison) -> dict[str, Any]:
    dollars = {name: getattr(modes, name) for name in ("on_demand", "provisioned", "saving")}
    return {
        **{name: None if amount is None else rounded(amount) for name, amount in dollars.items()},
        **{name: getattr(modes, name) for name in ("basis", "cheaper", "used", "break_even", "why")},
        "capacity": [
            {"part": load.part, "read_units": load.capacity.reads, "write_units": load.capacity.writes}
            for load in modes.loads
        ],
    }


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "table": cost.logical,
        "region": cost.region,
        "lines": [asdict(line) for line in cost.lines],
        "total": None if cost.total is None else rounded(cost.total),
        "why": cost.why,
        "notes": list(cost.notes),
    }
