"""The cost of the tables as text: what `manage.py dynamo cost` prints."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from opsportal.tables.columns import columns, table
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
    yield from (f"  {line}" for line in table(_estimate_rows(found)))
    for region, gigabytes in found.gigabytes().items():
        if not gigabytes:
            continue
        free = "all" if gigabytes <= found.prices.free_storage else f"{found.prices.free_storage} GB"
        yield f"  {region}: {free} of {quantity(gigabytes)} GB of storage is within the free tier, if nothing else is."
    yield ""
    yield "As really used: the consumption that CloudWatch reports as a month, and what the tables hold now"
    yield from (f"  {line}" for line in table(_used_rows(found)))
    yield from _reasons((one.key, why) for one in found.used for why in (one.why, *_notes(one)))
    yield ""
    yield "On demand or provisioned, a month of reads and writes"
    yield from (f"  {line}" for line in table(_mode_rows(found)))
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


def _estimate_rows(found: Report) -> list[dict[str, str]]:
    rows = [
        _estimate_row(one.table.logical, one.cost, part)
        for one in found.estimates
        for part in dict.fromkeys(line.part for line in one.cost.lines)
    ]
    priced = [one.cost.total for one in found.estimates if one.cost.total is not None]
    without = ", ".join(one.table.logical for one in found.estimates if one.cost.total is None)
    title = f"total without {without}" if without else "total"
    return [*rows, {"table or index": title, "total": money(sum(priced, Decimal(0)))}]


def _estimate_row(logical: str, cost: Cost, part: str) -> dict[str, str]:
    return {
        "table or index": f"  {part}" if part else logical,
        "write units": quantity(cost.quantity("writes", part)),
        "read units": quantity(cost.quantity("reads", part)),
        "GB": quantity(cost.quantity("storage", part)),
        **{what: money(cost.dollars(what, part)) for what in ("writes", "reads", "storage")},
        "recovery": "" if part else money(cost.dollars("recovery", part)),
        "total": "" if part else money(cost.total),
    }


def _used_rows(found: Report) -> list[dict[str, str]]:
    rows = []
    for one in found.used:
        last, held = one.spans.get(max(SPANS)), one.total
        for part in dict.fromkeys(["", *(line.part for line in (last.lines if last else ()))]):
            row = {"table or index": f"  {part}" if part else one.key}
            for what in ("write", "read"):
                row[f"{what} units"] = quantity(last.quantity(f"{what}s", part)) if last else "unknown"
            for days in SPANS:
                known = one.spans.get(days)
                row[f"{days} days as a month"] = _both(known, part) if known else "unknown"
            for what in ("storage", "recovery"):
                has = held and held.quantity(what, part)
                row[what] = money(held.dollars(what, part)) if held and has else ""
            row["total"] = money(held.total) if held and last and not part else ""
            rows.append(row)
    return rows


def _mode_rows(found: Report) -> list[dict[str, str]]:
    rows = []
    for one in found.used:
        modes = one.modes
        row = {
            "table": one.key,
            "now": {"PAY_PER_REQUEST": ON_DEMAND, "PROVISIONED": PROVISIONED}.get(one.billing, "unknown"),
            "figures": modes.basis or "unknown",
        }
        if modes.basis:
            row |= {
                "needs RCU": f"{modes.capacity.reads:,}",
                "needs WCU": f"{modes.capacity.writes:,}",
                "on demand": money(modes.on_demand),
                "provisioned": money(modes.provisioned),
                "cheaper": modes.cheaper or "unknown",
                "by": "" if modes.saving is None else money(modes.saving),
                "used": percent(modes.used),
                "break-even": percent(modes.break_even),
            }
        rows.append(row)
    return rows


def percent(share: Decimal | None) -> str:
    """`29 %`; `<1 %` for what is not nothing."""
    if share is None:
        return ""
    return "<1 %" if 0 < share < Decimal("0.005") else f"{share * 100:.0f} %"


def _both(cost: Cost, part: str) -> str:
    writes, reads = cost.dollars("writes", part), cost.dollars("reads", part)
    return money(None if writes is None or reads is None else writes + reads)
