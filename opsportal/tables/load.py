"""A table's traffic as the page draws it: CloudWatch's last day, and what a month like it would cost."""

from collections.abc import Iterator
from dataclasses import dataclass

from opsportal.console import tones
from opsportal.dynamo.deployed import Unknown
from opsportal.tables.cost_text import quantity
from opsportal.tables.costs import READ_CAPACITY, WRITE_CAPACITY, Cost, money
from opsportal.tables.metrics import Series, TableMetrics, table_metrics, total
from opsportal.tables.overview import Shown, shown_tables


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
    beside = [one.table for one in shown_tables() if one.table.place == shown.table.place]
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
