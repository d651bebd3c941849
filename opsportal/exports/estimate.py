"""How many rows an export has and what it costs, estimated from one page of the list and DynamoDB's own counts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.pages import Page
from opsportal.dynamo.tables import binding
from opsportal.exports.asked import Asked

# Rows of the page that the estimate is made from, as many as a page of a list is likely to have.
SAMPLE_ROWS = 100
# Bytes that half a read unit reads.
HALF_UNIT_BYTES = 4_096


@dataclass(frozen=True)
class Estimate:
    """`rows`: the number, or the best guess at it (None: there is none); `least`: as many were read; `most`: items of
    the table; `units`: read units of the whole (None: unknown). `exact`: nothing of it is a guess."""

    least: int
    exact: bool
    rows: int | None = None
    most: int | None = None
    units: Decimal | None = None

    @property
    def large(self) -> int:
        """As many as it may well have."""
        return self.rows if self.rows is not None else self.least


def estimate(asked: Asked) -> Estimate:
    """Raises `DynamoError` where the list can't be read."""
    page, units = asked.read("export:estimate", limit=SAMPLE_ROWS)
    found = len(page.items)
    if not page.cursor:
        return Estimate(found, exact=True, rows=found, units=units)
    items, whole = _of_table(asked)
    share = _share(asked, page)
    if share:
        rows = max(found, min(round(found / share), items or round(found / share)))
        return Estimate(found, exact=False, rows=rows, most=items, units=round(units * rows / found, 1))
    if not asked.values and asked.since is None and items:
        return Estimate(found, exact=False, rows=max(items, found), units=whole)
    return Estimate(found, exact=False, most=items, units=whole)


def _share(asked: Asked, page: Page) -> float | None:
    """How much of the time range the page covers, if the list is in the order of time."""
    moment, end = asked.exportable.moment, asked.until or datetime.now(UTC)
    if moment is None or asked.since is None or not page.items or end <= asked.since:
        return None
    oldest = moment(page.items[-1])
    if oldest is None or not page.complete or not asked.since < oldest < end:
        return None
    return (end - oldest) / (end - asked.since)


def _of_table(asked: Asked) -> tuple[int | None, Decimal | None]:
    """Items of the table, and what to read all of it costs: DynamoDB's counts, about six hours old."""
    if not asked.exportable.of_table:
        return None, None
    try:
        found = describe(binding(asked.exportable.logical))
    except DynamoError:  # not allowed, say: then the page says less
        return None, None
    return found.items or None, round(Decimal(found.size) / (2 * HALF_UNIT_BYTES), 1) or None
