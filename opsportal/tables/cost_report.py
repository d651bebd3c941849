"""The cost of all tables: seed 000's estimate, by declaration, as really used, and what was assumed."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from opsportal.dynamo.deployed import Unknown, deployed
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.tables import Binding, bindings
from opsportal.tables.costs import Cost, consumed, estimate, month_cost, rounded, seed_estimate
from opsportal.tables.metrics import TableMetrics, table_metrics
from opsportal.tables.overview import Shown, shown_tables
from opsportal.tables.prices import PriceList, price_list

SEED = "seed 000"
SEED_REGION = "us-east-1"
# The days that consumption is told of; the longest is asked for.
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
    not known. `total` counts the longest span."""

    key: str
    name: str
    region: str
    spans: Mapping[int, Cost]
    total: Cost | None
    why: str = ""


@dataclass(frozen=True)
class Report:
    prices: PriceList
    seed: tuple[tuple[str, int, Cost], ...]  # title, workflows a day, cost
    estimates: tuple[Estimated, ...]
    used: tuple[Used, ...]
    warning: str

    def gigabytes(self) -> dict[str, Decimal]:
        """Estimated storage per region, which the free tier is counted against."""
        regions: dict[str, Decimal] = {}
        for one in self.estimates:
            regions[one.cost.region] = regions.get(one.cost.region, Decimal(0)) + one.cost.quantity("storage")
        return regions


def report(per_day: Mapping[str, int]) -> Report:
    """`per_day`: event of a workload ("workflow", "request") -> how many, in place of the declared number.

    Asks DynamoDB and CloudWatch what they know, and goes on without what they do not tell. Raises
    ImproperlyConfigured where the price file can't be read.
    """
    prices = price_list()
    tables = [table for table in bindings() if table.spec.workload]
    return Report(
        prices=prices,
        seed=tuple(_seed(tables, prices, per_day)),
        estimates=tuple(_estimated(table, prices, per_day) for table in tables),
        used=tuple(_used(prices)),
        warning=prices.warning(datetime.now(UTC).date()),
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
            if today := prices.of(SEED_REGION):
                yield f"at those of {prices.dated}", number, seed_estimate(table, number, today)


def _estimated(table: Binding, prices: PriceList, per_day: Mapping[str, int]) -> Estimated:
    there: set[str] = set()
    with suppress(DynamoError):
        there = {index.name for index in describe(table, patient=True).indexes}
    number = _per_day(table, per_day)
    cost = estimate(table, number, prices=prices, optional_indexes=there)
    assert cost is not None
    return Estimated(table, number, cost)


def _used(prices: PriceList) -> Iterator[Used]:
    shown = shown_tables()
    metrics: dict[str, TableMetrics | Unknown] = {}
    for group in _groups(shown):
        told = table_metrics([one.table for one in group], max(SPANS) * 24, patient=True)
        metrics |= {one.key: told[one.table.logical] for one in group}
    for one in shown:
        table, known = one.table, metrics[one.key]
        spans: dict[int, Cost] = {}
        if isinstance(known, TableMetrics):
            spans = {days: consumed(table, known, prices, days) for days in SPANS}
        try:
            total = month_cost(table.logical, deployed(table), known)
            yield Used(one.key, table.name, table.region, spans, total, total.why)
        except DynamoError as trouble:
            yield Used(one.key, table.name, table.region, spans, None, trouble.sentence)


def _groups(shown: list[Shown]) -> list[list[Shown]]:
    """The tables of the settings together, and the console's own of each place: metrics go by logical name."""
    groups: dict[tuple[str, ...], list[Shown]] = {}
    for one in shown:
        groups.setdefault(one.table.place if one.own else (), []).append(one)
    return list(groups.values())


def assumptions(found: Report) -> Iterator[str]:
    """What the estimates rest on, a sentence each."""
    for one in found.estimates:
        workload = one.table.spec.workload
        assert workload is not None
        yield (
            f"{one.table.logical}: {one.per_day:,} a day of: {workload.event}, each {workload.writes} writes and "
            f"{workload.reads} reads of items of {workload.item_bytes:,} bytes, kept {workload.kept_days} days "
            f"({workload.source})."
        )
    yield "A write is 1 unit per KB begun, a read 1 unit per 4 KB begun; half of that if eventually consistent."
    yield "An index holds whole items; a write that changes its key is two. Optional indexes count where deployed."
    yield f"Each item has 100 bytes of overhead, in the table and in each index; {SEED} counts neither these nor indexes."
    yield f"{SEED} counts the items of one month, though its TTL keeps them for three."
    yield (
        f"Prices of {found.prices.dated} ({found.prices.source}), on demand, Standard class, before the free tier, "
        "tax and discounts; without KMS requests, backups, exports and data transfer."
    )
    yield "AWS halved the prices on demand on 1 November 2024; those of seed 000 are the older ones."
    yield "Units that CloudWatch tells of are as billed; its figure of a table does not contain those of its indexes."


# --- As JSON ------------------------------------------------------------------------------------------------


def as_json(found: Report) -> dict[str, Any]:
    """The report for programs: quantities and dollars as numbers, null where there is no price."""
    return {
        "prices": {
            "dated": found.prices.dated.isoformat(),
            "source": found.prices.source,
            "free_storage_gb": float(found.prices.free_storage),
            "warning": found.warning,
        },
        "seed_000": [
            {"prices": title, "workflows_per_day": per_day, **_cost(cost), "total": float(cost.rounded_total)}
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
            }
            for one in found.used
        ],
        "assumptions": list(assumptions(found)),
    }


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "table": cost.logical,
        "region": cost.region,
        "lines": [
            {
                "what": line.what,
                "part": line.part,
                "quantity": float(line.quantity),
                "unit": line.unit,
                "dollars": None if line.dollars is None else float(line.dollars),
            }
            for line in cost.lines
        ],
        "total": None if cost.total is None else float(rounded(cost.total)),
        "why": cost.why,
        "notes": list(cost.notes),
    }
