"""What a table costs a month of 30 days: as its documents estimate, by its declaration, and as really used.

The rules are those of DynamoDB's pricing page: a write unit is 1 KB of one written item, a read unit 4 KB of one
read item (a half, if eventually consistent); each write that changes what an index holds is written to that
index too, twice where it changes the index's key; a GB is 2^30 bytes, and each item has 100 bytes of overhead
for storage, in the table and in each index. Recovery is billed by the table's own size.
"""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from django.core.exceptions import ImproperlyConfigured

from opsportal.dynamo.deployed import Deployed, Recovery, Unknown
from opsportal.dynamo.tables import Binding
from opsportal.tables.metrics import TableMetrics, total
from opsportal.tables.prices import FIGURES, STANDARD, PriceList, Prices, price_list, without_price

DAYS = 30
MILLION = Decimal(1_000_000)
GB = Decimal(2**30)
OVERHEAD = 100
PROVISIONED = "PROVISIONED"
# As seed 000 of docs/data.md counts: 1 KB for each of 30,000 items is 30 MB.
SEED_GB = Decimal(10**9)
CENT = Decimal("0.01")
WRITE_CAPACITY, READ_CAPACITY = "write capacity units", "read capacity units"


@dataclass(frozen=True)
class Line:
    """One thing that is paid for. `what`: writes, reads, storage, recovery or capacity; `part`: an index, or "".

    `unit`: what `quantity` counts. `dollars` is None where the region has no prices.
    """

    what: str
    quantity: Decimal
    unit: str
    dollars: Decimal | None
    part: str = ""


@dataclass(frozen=True)
class Cost:
    """A month's cost of one table. `why`: the reason for what is missing of it, or ""."""

    logical: str
    region: str
    lines: tuple[Line, ...]
    why: str = ""
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> Decimal | None:
        """The sum; None where a line has no price, or there is nothing to add."""
        dollars = [line.dollars for line in self.lines if line.dollars is not None]
        return sum(dollars, Decimal(0)) if dollars and len(dollars) == len(self.lines) else None

    @property
    def rounded_total(self) -> Decimal:
        """The sum of the lines, each rounded to cents, as seed 000 adds them."""
        return sum((rounded(line.dollars or Decimal(0)) for line in self.lines), Decimal(0))

    def quantity(self, what: str, part: str | None = None) -> Decimal:
        """How much of it, in all parts together or in one."""
        return sum((line.quantity for line in self._of(what, part)), Decimal(0))

    def dollars(self, what: str, part: str | None = None) -> Decimal | None:
        """What that costs; None without a price."""
        found = [line.dollars for line in self._of(what, part)]
        return None if None in found else sum((one for one in found if one is not None), Decimal(0))

    def _of(self, what: str, part: str | None) -> list[Line]:
        return [line for line in self.lines if line.what == what and part in (None, line.part)]


def rounded(dollars: Decimal) -> Decimal:
    return dollars.quantize(CENT, ROUND_HALF_UP)


def money(dollars: Decimal | None) -> str:
    """`$0.39`; `<$0.01` for what is not nothing; `no price`."""
    if dollars is None:
        return "no price"
    return "<$0.01" if 0 < dollars < CENT / 2 else f"${rounded(dollars):,}"


class Bill:
    """Lines, as they are added, at the prices of a region. `missing`: the figures that its prices lack, in order."""

    def __init__(self, prices: Prices, table_class: str = STANDARD) -> None:
        self.prices = prices
        self.table_class = table_class
        self.lines: list[Line] = []
        self.missing: dict[str, None] = {}

    def writes(self, units: Decimal, part: str = "") -> None:
        self._add("writes", units / MILLION, "write_million", units, "write units", part)

    def reads(self, units: Decimal, part: str = "") -> None:
        self._add("reads", units / MILLION, "read_million", units, "read units", part)

    def storage(self, gigabytes: Decimal, part: str = "") -> None:
        self._add("storage", gigabytes, "storage", gigabytes, "GB", part)

    def recovery(self, gigabytes: Decimal) -> None:
        self._add("recovery", gigabytes, "recovery", gigabytes, "GB")

    def capacity(self, reads: int, writes: int, part: str = "") -> None:
        hours = DAYS * 24
        self._add("capacity", Decimal(writes * hours), "write_hour", Decimal(writes), WRITE_CAPACITY, part)
        self._add("capacity", Decimal(reads * hours), "read_hour", Decimal(reads), READ_CAPACITY, part)

    def _add(
        self, what: str, paid: Decimal, figure: str, quantity: Decimal, unit: str, part: str = ""
    ) -> None:
        price = getattr(self.prices, figure)
        if price is None:
            self.missing[figure] = None
        self.lines.append(Line(what, quantity, unit, None if price is None else paid * price, part))

    def total(self) -> Decimal | None:
        """The sum; None where a line has no price."""
        dollars = [line.dollars for line in self.lines if line.dollars is not None]
        return sum(dollars, Decimal(0)) if len(dollars) == len(self.lines) else None

    def why(self) -> str:
        """Which prices it lacks and how to give them; "" where it lacks none."""
        if not self.missing:
            return ""
        region = self.prices.region
        whole = all(getattr(self.prices, figure) is None for figure in FIGURES)
        return without_price(region, () if whole else self.missing, self.table_class)


# --- As documented, and as declared ----------------------------------------------------------------------


def seed_estimate(table: Binding, per_day: int, prices: Prices) -> Cost:
    """The estimate as seed 000 makes it: no index, one month of items, one unit per read and write."""
    workload = table.spec.workload
    if workload is None:
        raise ValueError(f"{table.logical} declares no workload")
    bill = Bill(prices)
    bill.writes(Decimal(workload.writes * per_day * DAYS))
    bill.reads(Decimal(workload.reads * per_day * DAYS))
    bill.storage(1_000 * workload.items * per_day * DAYS / SEED_GB)
    return Cost(table.logical, table.region, tuple(bill.lines))


def estimate(
    table: Binding,
    per_day: int | None = None,
    *,
    prices: PriceList | None = None,
    optional_indexes: Collection[str] = (),
) -> Cost | None:
    """The declared workload of a table, with its indexes, its retention and its recovery; None without one.

    `per_day`: events, in place of the workload's own number. `optional_indexes`: those that are counted too.
    """
    spec, workload = table.spec, table.spec.workload
    if workload is None:
        return None
    events = Decimal((workload.per_day if per_day is None else per_day) * DAYS)
    bill = Bill((prices or price_list()).of(table.region))
    unit = -(-workload.item_bytes // 1_024)
    kept = events / DAYS * workload.items * workload.kept_days
    gigabytes = kept * (workload.item_bytes + OVERHEAD) / GB
    bill.writes(events * workload.writes * unit)
    bill.reads(events * workload.reads * -(-workload.item_bytes // 4_096))
    bill.storage(gigabytes)
    for index in spec.indexes:
        if not index.optional or index.name in optional_indexes:
            bill.writes(events * (workload.writes + workload.moved(index.name)) * unit, index.name)
            bill.storage(gigabytes, index.name)
    if spec.point_in_time_recovery:
        bill.recovery(gigabytes)
    return Cost(table.logical, table.region, tuple(bill.lines), bill.why())


# --- As really used ----------------------------------------------------------------------------------------


def month_cost(logical: str, found: Deployed, metrics: TableMetrics | Unknown) -> Cost:
    """A month like the last hours or days of `metrics`, with what the table holds now.

    Without metrics the cost is that of storage and recovery alone, and `why` says so. Raises nothing.
    """
    try:
        prices = price_list()
    except ImproperlyConfigured as error:
        return Cost(logical, found.region, (), str(error))
    bill = Bill(prices.of(found.region, found.table_class), found.table_class)
    notes, why = [], ""
    if found.billing_mode == PROVISIONED:
        bill.capacity(found.read_capacity, found.write_capacity)
        for index in found.indexes:
            bill.capacity(index.capacity.reads, index.capacity.writes, index.name)
    elif isinstance(metrics, TableMetrics):
        _consumed(bill, metrics)
        if not metrics.complete:
            notes.append("CloudWatch reported only a part of the consumption.")
    else:
        why = f"Consumption: {metrics.why}"
    bill.storage(Decimal(found.size) / GB)
    for index in (*found.indexes, *found.local_indexes):
        bill.storage(Decimal(index.size) / GB, index.name)
    if isinstance(found.recovery, Recovery):
        if found.recovery.enabled:
            bill.recovery(Decimal(found.size) / GB)
    else:
        notes.append(f"Recovery: {found.recovery.why}")
    if found.replicas:
        regions = ", ".join(replica.region for replica in found.replicas)
        notes.append(f"Without its replicas in {regions}, which are written and stored there too.")
    return Cost(logical, found.region, tuple(bill.lines), bill.why() or why, tuple(notes))


def consumed(
    table: Binding,
    metrics: TableMetrics,
    prices: PriceList,
    days: float | None = None,
    table_class: str = STANDARD,
) -> Cost:
    """What the consumption of the last `days` would cost in a month, on demand."""
    bill = Bill(prices.of(table.region, table_class), table_class)
    _consumed(bill, metrics, days)
    return Cost(table.logical, table.region, tuple(bill.lines), bill.why())


def _consumed(bill: Bill, metrics: TableMetrics, days: float | None = None) -> None:
    for add, parts in ((bill.writes, metrics.writes), (bill.reads, metrics.reads)):
        for part, series in parts.items():
            if not series:
                continue
            points = len(series) if days is None else min(len(series), round(days * 86_400 / metrics.period))
            # The last point is not over yet: the time is counted until it was asked about.
            elapsed = (metrics.asked_at - series[-points][0]).total_seconds()
            share = Decimal(DAYS * 86_400) / Decimal(max(elapsed, 1))
            add(Decimal(str(total(series[-points:]))) * share, part)
