"""What the plan says that an index costs."""

from typing import Any

from opsportal.dynamo.ledger import Entry
from opsportal.dynamo.migrations import of_indexes
from opsportal.dynamo.plans import Plan, Planned
from opsportal.dynamo.steps import Backfill, Outlook
from opsportal.dynamo.tables import binding
from opsportal.tables.commands.indexes import index_lines


def lines(*backfills: Backfill, foreign: bool = True) -> list[str]:
    """Of a plan that adds as many indexes to the table of requests."""
    table = binding("requests")
    planned = [
        Planned(one, Entry(one.name, one.app, table), Outlook((), found=True, backfill=backfill), foreign)
        for one, backfill in zip(of_indexes("requests"), backfills, strict=False)
    ]
    return index_lines(Plan(tuple(planned), (), ()))


def test_the_backfill_is_priced_where_the_regions_prices_are_known(settings: Any, tmp_path: Any) -> None:
    two = Backfill(2_000_000, 4_000_000, least=False, capacity=0), Backfill(1, 1, least=True, capacity=0)
    first, second, together, later, foreign, back = lines(*two)
    # Four million write units at $0.625 a million.
    assert first == (
        "user-index: the backfill writes about 4,000,000 write units, of about 2,000,000 items, $2.50 on demand in us-east-1"
    )
    assert second == (
        "project-index: the backfill writes at least 1 write unit, of about 1 item, <$0.01 on demand in us-east-1"
    )
    assert together == "together: at least 4,000,001 write units, $2.50 on demand in us-east-1"
    assert later.startswith("From then on each write")
    assert "is another program's table" in foreign
    assert back.endswith("--drop-index NAME")
    assert not any("another program's" in line for line in lines(*two, foreign=False))
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "requests": settings.DYNAMO_TABLES["requests"] | {"region": "xx-nowhere-1"}
    }
    assert "price unknown (No prices for xx-nowhere-1" in lines(two[0])[0]
    broken = tmp_path / "prices.toml"
    broken.write_text("?")
    settings.DYNAMO_PRICES_FILE = str(broken)
    assert f"price unknown (The price file {broken} can't be read" in lines(two[0])[0]


def test_an_index_with_capacity_of_its_own_takes_its_time() -> None:
    assert lines(Backfill(6_000, 6_000, least=False, capacity=10))[0] == (
        "user-index: the backfill writes about 6,000 write units, of about 6,000 items, in the index's own capacity "
        "of 10 write units a second: 10 min or longer"
    )
    assert lines() == []
