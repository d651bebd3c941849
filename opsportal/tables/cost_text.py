"""The cost of the tables as text: what `manage.py dynamo cost` prints."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from opsportal.tables.columns import columns
from opsportal.tables.cost_report import SEED, SPANS, Report, Used, assumptions
from opsportal.tables.costs import DAYS, Cost, money
from opsportal.tables.modes import ON_DEMAND, PROVISIONED


def lines(found: Report) -> Iterator[str]:
    """The report for people."""
    for number, (title, per_day, cost) in enumerate(found.seed):
        if not number:
            yield f"The estimate of {SEED}, {per_day:,} workflows a day, a month of {DAYS} days"
        yield f"  {title}, lines rounded to cents:"
        rows = [(line.what, quantity(line.quantity), line.unit, money(line.dollars)) for line in cost.lines]
        yield from (f"    {line}" for line in columns([*rows, ("total", "", "", money(cost.rounded_total))]))
    yield ""
    yield "With indexes, retention and recovery, as the tables are declared, a month"
    yield from (f"  {line}" for line in columns(_estimate_rows(found)))
    for region, gigabytes in found.gigabytes().items():
        if not gigabytes:
            continue
        free = "all" if gigabytes <= found.prices.free_storage else f"{found.prices.free_storage} GB"
        yield f"  {region}: {free} of {quantity(gigabytes)} GB of storage is within the free tier, if nothing else is."
    yield ""
    yield "As really used: consumption that CloudWatch tells of as a month, and what the tables hold now"
    yield from (f"  {line}" for line in columns(_used_rows(found)))
    yield from _reasons((one.key, why) for one in found.used for why in (one.why, *_notes(one)))
    yield ""
    yield "On demand or provisioned, a month of reads and writes"
    yield from (f"  {line}" for line in columns(_mode_rows(found)))
    yield from _reasons((one.key, one.modes.why) for one in found.used)
    yield ""
    yield "Assumed"
    yield from (f"- {line}" for line in assumptions(found))
    if found.warning:
        yield ""
        yield found.warning


def _notes(one: Used) -> tuple[str, ...]:
    return one.total.notes if one.total else ()


def _reasons(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Each reason once, after all the tables that it is true of."""
    reasons: dict[str, list[str]] = {}
    for key, why in pairs:
        if why:
            reasons.setdefault(why, []).append(key)
    for why, keys in reasons.items():
        yield f"  {', '.join(keys)}: {why}"


def quantity(value: Decimal) -> str:
    """`240,000`; three significant digits below ten."""
    if value >= 10 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _estimate_rows(found: Report) -> list[list[str]]:
    rows = [
        [
            "table or index",
            "write units",
            "read units",
            "GB",
            "writes",
            "reads",
            "storage",
            "recovery",
            "total",
        ]
    ]
    for one in found.estimates:
        cost = one.cost
        rows += [
            [
                f"  {part}" if part else one.table.logical,
                *(quantity(cost.quantity(what, part)) for what in ("writes", "reads", "storage")),
                *(money(cost.dollars(what, part)) for what in ("writes", "reads", "storage")),
                "" if part else money(cost.dollars("recovery", part)),
                "" if part else money(cost.total),
            ]
            for part in dict.fromkeys(line.part for line in cost.lines)
        ]
    totals = [one.cost.total for one in found.estimates]
    priced = [total for total in totals if total is not None]
    without = ", ".join(one.table.logical for one in found.estimates if one.cost.total is None)
    title = f"total without {without}" if without else "total"
    rows.append([title, *[""] * 7, money(sum(priced, Decimal(0)))])
    return rows


def _used_rows(found: Report) -> list[list[str]]:
    spans = [f"{days} days as a month" for days in SPANS]
    rows = [["table or index", "write units", "read units", *spans, "storage", "recovery", "total"]]
    for one in found.used:
        last = one.spans.get(max(SPANS))
        parts = dict.fromkeys(["", *(line.part for line in last.lines)] if last else [""])
        for part in parts:
            months = [one.spans[days] for days in SPANS if days in one.spans]
            rows.append(
                [
                    f"  {part}" if part else one.key,
                    *(
                        quantity(last.quantity(what, part)) if last else "unknown"
                        for what in ("writes", "reads")
                    ),
                    *([_both(cost, part) for cost in months] or ["unknown"] * len(SPANS)),
                    *(
                        money(one.total.dollars(what, part))
                        if one.total and one.total.quantity(what, part)
                        else ""
                        for what in ("storage", "recovery")
                    ),
                    money(one.total.total) if one.total and last and not part else "",
                ]
            )
    return rows


def _mode_rows(found: Report) -> list[list[str]]:
    rows = [
        [
            "table",
            "now",
            "figures",
            "needs RCU",
            "needs WCU",
            "on demand",
            "provisioned",
            "cheaper",
            "by",
            "used",
            "break-even",
        ]
    ]
    for one in found.used:
        modes = one.modes
        now = {"PAY_PER_REQUEST": ON_DEMAND, "PROVISIONED": PROVISIONED}.get(one.billing, "unknown")
        if not modes.basis:
            rows.append([one.key, now, "unknown", *[""] * 8])
            continue
        rows.append(
            [
                one.key,
                now,
                modes.basis,
                f"{modes.capacity.reads:,}",
                f"{modes.capacity.writes:,}",
                money(modes.on_demand),
                money(modes.provisioned),
                modes.cheaper or "unknown",
                "" if modes.saving is None else money(modes.saving),
                percent(modes.used),
                percent(modes.break_even),
            ]
        )
    return rows


def percent(share: Decimal | None) -> str:
    """`29 %`; `<1 %` for what is not nothing."""
    if share is None:
        return ""
    return "<1 %" if 0 < share < Decimal("0.005") else f"{share * 100:.0f} %"


def _both(cost: Cost, part: str) -> str:
    writes, reads = cost.dollars("writes", part), cost.dollars("reads", part)
    return money(None if writes is None or reads is None else writes + reads)
