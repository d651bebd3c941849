"""On demand against provisioned: what a table's month costs in either capacity mode, and where the two meet.

The rule: each table and each index gets the capacity that its busiest hour needs, by that hour's average a second, at
`TARGET` of utilisation and at least one unit of each kind, for the whole month. Nothing shorter than an hour is seen,
and neither auto scaling nor reserved capacity is counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from opsportal.dynamo.descriptions import Units
from opsportal.tables.costs import DAYS, Bill, Cost
from opsportal.tables.metrics import TableMetrics
from opsportal.tables.prices import STANDARD, PriceList

TARGET = Decimal("0.7")
# The busiest hour as a multiple of the average one, where only a declared workload is known.
PEAK_FACTOR = 4
MEASURED, ASSUMED = "CloudWatch", "declared workload"
ON_DEMAND, PROVISIONED, EQUAL = "on demand", "provisioned", "equal"
_MONTH = Decimal(DAYS * 86_400)
_HOURS = DAYS * 24


@dataclass(frozen=True)
class Load:
    """What a table or an index (`part`) is asked for: units in a month, and units a second in its busiest hour."""

    part: str
    reads: Decimal
    writes: Decimal
    peak_reads: Decimal
    peak_writes: Decimal

    @property
    def capacity(self) -> Units:
        """What the busiest hour needs."""
        return Units(_needed(self.peak_reads), _needed(self.peak_writes))


def _needed(peak: Decimal) -> int:
    return max(1, int((peak / TARGET).to_integral_value(ROUND_CEILING)))


@dataclass(frozen=True)
class Comparison:
    """A month of one table in either mode, in dollars; None where there is no price, and `why` then says so.

    `basis`: where the figures come from, or "" where there are none. `used` and `break_even`: the share of the needed
    capacity that is used on average, and the one at which both modes cost the same, each kind of unit weighed by
    its price on demand.
    """

    region: str
    basis: str = ""
    loads: tuple[Load, ...] = ()
    on_demand: Decimal | None = None
    provisioned: Decimal | None = None
    used: Decimal | None = None
    break_even: Decimal | None = None
    why: str = ""

    @property
    def capacity(self) -> Units:
        """Of the table and its indexes together."""
        units = [load.capacity for load in self.loads]
        return Units(sum(one.reads for one in units), sum(one.writes for one in units))

    @property
    def cheaper(self) -> str:
        """ON_DEMAND, PROVISIONED or EQUAL; "" where that can't be said."""
        if self.on_demand is None or self.provisioned is None:
            return ""
        if self.on_demand == self.provisioned:
            return EQUAL
        return ON_DEMAND if self.on_demand < self.provisioned else PROVISIONED

    @property
    def saving(self) -> Decimal | None:
        """What the cheaper one costs less."""
        if self.on_demand is None or self.provisioned is None:
            return None
        return abs(self.on_demand - self.provisioned)


def compare(
    region: str, loads: tuple[Load, ...], prices: PriceList, *, basis: str, table_class: str = STANDARD
) -> Comparison:
    """Both modes at the prices of a region and a table class."""
    known = prices.of(region, table_class)
    on_demand, full, provisioned = (Bill(known, table_class) for _ in range(3))
    for load in loads:
        capacity = load.capacity
        on_demand.reads(load.reads, load.part)
        on_demand.writes(load.writes, load.part)
        # The same capacity, used to the full, as requests on demand.
        full.reads(Decimal(capacity.reads * 3_600 * _HOURS), load.part)
        full.writes(Decimal(capacity.writes * 3_600 * _HOURS), load.part)
        provisioned.capacity(capacity.reads, capacity.writes, load.part)
    whole = full.total()
    return Comparison(
        region,
        basis,
        loads,
        on_demand.total(),
        provisioned.total(),
        _share(on_demand.total(), whole),
        _share(provisioned.total(), whole),
        on_demand.why() or provisioned.why(),
    )


def _share(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    return None if part is None or not whole else part / whole


def measured(month: Cost, metrics: TableMetrics) -> tuple[Load, ...]:
    """The loads of a table whose consumption CloudWatch knows. `month`: that consumption, as a month."""
    return tuple(
        Load(
            part,
            month.quantity("reads", part),
            month.quantity("writes", part),
            _peak(metrics.reads, part, metrics.period),
            _peak(metrics.writes, part, metrics.period),
        )
        for part in dict.fromkeys(["", *metrics.reads, *metrics.writes])
    )


def _peak(parts: Mapping[str, tuple[tuple[object, float], ...]], part: str, period: int) -> Decimal:
    busiest = max((value for _, value in parts.get(part, ())), default=0.0)
    return Decimal(str(busiest)) / period


def assumed(estimate: Cost, peak_factor: int = PEAK_FACTOR) -> tuple[Load, ...]:
    """The loads of a declared workload, by its estimate."""
    loads = []
    for part in dict.fromkeys(line.part for line in estimate.lines):
        reads, writes = estimate.quantity("reads", part), estimate.quantity("writes", part)
        peaks = (units / _MONTH * peak_factor for units in (reads, writes))
        loads.append(Load(part, reads, writes, *peaks))
    return tuple(loads)
