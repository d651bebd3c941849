"""The cost of the tables as text: what `manage.py dynamo cost` prints."""

from collections.abc import Iterator
from decimal import Decimal

from opsportal.tables.columns import columns
from opsportal.tables.cost_report import SEED, SPANS, Report, assumptions
from opsportal.tables.costs import DAYS, Cost, money


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
    reasons: dict[str, list[str]] = {}
    for one in found.used:
        if one.why:
            reasons.setdefault(one.why, []).append(one.key)
    for why, keys in reasons.items():
        yield f"  {', '.join(keys)}: {why}"
    for one in found.used:
        for note in one.total.notes if one.total else ():
            yield f"  {one.key}: {note}"
    yield ""
    yield "Assumed"
    yield from (f"- {line}" for line in assumptions(found))
    if found.warning:
        yield ""
        yield found.warning


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


def _both(cost: Cost, part: str) -> str:
    writes, reads = cost.dollars("writes", part), cost.dollars("reads", part)
    return money(None if writes is None or reads is None else writes + reads)
