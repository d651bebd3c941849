"""A month's cost: seed 000's (docs/data.md) estimate to the cent, by declaration, and by what was really consumed."""

import json
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from opsportal.dynamo.deployed import Deployed, Recovery, Ttl, Unknown
from opsportal.dynamo.descriptions import DeployedIndex, Replica, Units
from opsportal.dynamo.tables import Binding, binding, internal_table
from opsportal.operations.tables import AUDIT
from opsportal.tables.costs import consumed, estimate, money, month_cost, rounded, seed_estimate
from opsportal.tables.metrics import Series, TableMetrics
from opsportal.tables.modes import ASSUMED, MEASURED, TARGET, Load, assumed, compare, measured
from opsportal.tables.prices import BUILT_IN, FIGURES, HALVED, INFREQUENT, STANDARD, price_list
from opsportal.tables.views import cost_rows
from tests.test_docs import assert_printed

GIB = 2**30


@pytest.fixture
def workflows(settings: Any) -> Binding:
    return binding("workflows")


def elsewhere(table: Binding, region: str = "us-east-1") -> Binding:
    return replace(table, region=region)


# --- Seed 000's ------------------------------------------------------------------------------------------


def test_seed_000s_estimate_is_reproduced_to_the_cent(workflows: Binding) -> None:
    cost = seed_estimate(workflows, 1_000, price_list().seed)
    assert cost.quantity("writes") == 240_000
    assert cost.quantity("reads") == 300_000
    assert cost.quantity("storage") == Decimal("0.03")
    figures = [rounded(line.dollars or Decimal(0)) for line in cost.lines]
    assert figures == [Decimal("0.30"), Decimal("0.08"), Decimal("0.01")]
    assert cost.rounded_total == Decimal("0.39")


def test_todays_prices_halve_its_requests(workflows: Binding) -> None:
    today = price_list().of("us-east-1")
    cost = seed_estimate(workflows, 1_000, today)
    assert cost.dollars("writes") == Decimal("0.15")
    assert cost.dollars("reads") == Decimal("0.0375")


def test_the_estimate_grows_with_the_workflows(workflows: Binding) -> None:
    one, ten = (seed_estimate(workflows, number, price_list().seed) for number in (1_000, 10_000))
    assert ten.total == 10 * (one.total or 0)


# --- By declaration ----------------------------------------------------------------------------------------


def test_each_index_is_written_and_stored_too() -> None:
    table = binding("requests")
    cost = estimate(table, 100)
    assert cost is not None
    # 2,200 bytes are 3 units; 8 writes of 100 requests on 30 days.
    assert cost.quantity("writes", "") == 3 * 8 * 3_000
    assert cost.quantity("writes", "user-index") == 3 * 8 * 3_000
    # Three of them move the item to another status: a deletion and an insertion.
    assert cost.quantity("writes", "status-index") == 3 * 11 * 3_000
    assert cost.quantity("writes") == 3 * (4 * 8 + 11) * 3_000
    assert cost.quantity("storage") == 5 * cost.quantity("storage", "")


def test_retention_and_recovery_are_counted(workflows: Binding) -> None:
    cost = estimate(workflows, 1_000)
    assert cost is not None
    kept = Decimal(90 * 1_000 * (1_024 + 100)) / GIB
    assert abs(cost.quantity("storage") - kept) < Decimal("1e-12")
    assert cost.quantity("recovery") == cost.quantity("storage")
    agents = estimate(elsewhere(binding("agents")))
    assert agents is not None
    assert "recovery" not in {line.what for line in agents.lines}


def test_an_optional_index_counts_where_it_is_deployed(workflows: Binding) -> None:
    index = "overallStatus-createdAt-index"
    without, with_it = estimate(workflows), estimate(workflows, optional_indexes={index})
    assert without is not None
    assert with_it is not None
    assert without.quantity("writes", index) == 0
    assert with_it.quantity("writes", index) == (8 + 2) * 30_000


def test_seed_004s_registry_costs_less_than_a_cent() -> None:
    cost = estimate(elsewhere(binding("agents")))
    assert cost is not None
    assert money(cost.total) == "<$0.01"


def test_a_table_without_a_workload_is_not_estimated(workflows: Binding) -> None:
    audit = internal_table(AUDIT, workflows)
    assert estimate(audit) is None
    with pytest.raises(ValueError, match="audit"):
        seed_estimate(audit, 1, price_list().seed)


def test_a_region_without_prices_is_not_guessed(workflows: Binding) -> None:
    cost = estimate(elsewhere(workflows, "mars-north-1"))
    assert cost is not None
    assert cost.total is None
    assert cost.quantity("writes") == 240_000
    assert cost.dollars("writes") is None
    assert cost.why.startswith("No prices for mars-north-1")
    assert money(cost.total) == "no price"


# --- As really used ------------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def daily(*values: float) -> Series:
    """Points of whole days, the last of which began twelve hours ago."""
    today = NOW.replace(hour=0)
    return tuple((today - timedelta(days=len(values) - 1 - n), value) for n, value in enumerate(values))


def metrics_of(writes: dict[str, Series], reads: dict[str, Series], **more: Any) -> TableMetrics:
    return TableMetrics(hours=240, period=86_400, asked_at=NOW, writes=writes, reads=reads, **more)


def deployed(**more: Any) -> Deployed:
    fields: dict[str, Any] = {
        "name": "t", "state": "ACTIVE", "key": "k", "range_key": "", "indexes": (), "items": 1, "size": GIB,
        "arn": "", "region": "us-east-1", "created_at": None, "billing_mode": "PAY_PER_REQUEST",
        "read_capacity": 0, "write_capacity": 0, "attribute_types": {}, "encryption": "", "kms_key": "",
        "deletion_protection": False, "ttl": Ttl("DISABLED"), "recovery": Recovery(enabled=False), "tags": {},
    }  # fmt: skip
    return Deployed(**fields | more)


def test_consumption_is_stretched_to_a_month_by_the_time_that_it_took(workflows: Binding) -> None:
    """Ten days, the last half over, are nine and a half."""
    series = daily(*[1_000_000.0] * 9, 500_000.0)
    cost = consumed(workflows, metrics_of({"": series}, {"": series}), price_list())
    assert round(cost.quantity("writes")) == 30_000_000
    assert rounded(cost.dollars("writes") or Decimal(0)) == Decimal("18.75")
    assert rounded(cost.dollars("reads") or Decimal(0)) == Decimal("3.75")


def test_the_last_days_alone_can_be_asked_for(workflows: Binding) -> None:
    series = daily(9_999.0, 9_999.0, 100.0, 50.0)
    cost = consumed(workflows, metrics_of({"": series}, {}), price_list(), days=2)
    assert round(cost.quantity("writes")) == 3_000


def test_a_months_cost_adds_indexes_storage_and_recovery() -> None:
    metrics = metrics_of({"": daily(0, 500_000.0), "by-user": daily(0, 250_000.0)}, {"": daily(0, 0)})
    index = DeployedIndex("by-user", "u", "", "ALL", usable=True, size=2 * GIB)
    found = deployed(indexes=(index,), recovery=Recovery(enabled=True))
    cost = month_cost("requests", found, metrics)
    assert cost.why == ""
    assert cost.quantity("writes", "by-user") == 5_000_000
    assert cost.dollars("storage") == Decimal("0.75")
    assert cost.dollars("recovery") == Decimal("0.20")
    assert rounded(cost.total or Decimal(0)) == Decimal("9.375").quantize(Decimal("0.01")) + Decimal("0.95")


def test_without_metrics_the_rest_is_told() -> None:
    cost = month_cost("requests", deployed(recovery=Unknown("unknown here")), Unknown("may not look"))
    assert {line.what for line in cost.lines} == {"storage"}
    assert cost.total == Decimal("0.25")
    assert cost.why == "Consumption: may not look"
    assert cost.notes == ("Recovery: unknown here",)


def test_metrics_without_points_cost_nothing() -> None:
    cost = month_cost("requests", deployed(size=0), metrics_of({"": ()}, {"": ()}))
    assert (cost.total, cost.why) == (0, "")


def test_part_of_an_answer_is_told_as_a_part() -> None:
    cost = month_cost("requests", deployed(), metrics_of({"": daily(1)}, {}, complete=False))
    assert cost.notes == ("CloudWatch reported only a part of the consumption.",)


def test_a_provisioned_table_pays_for_its_capacity_whatever_it_consumes() -> None:
    found = deployed(billing_mode="PROVISIONED", read_capacity=5, write_capacity=5, size=0)
    cost = month_cost("requests", found, metrics_of({"": daily(1e9)}, {}))
    # 5 units for 720 h at $0.00065, and 5 at $0.00013.
    assert cost.total == Decimal("2.34") + Decimal("0.468")
    index = DeployedIndex("i", "h", "", "ALL", usable=True, capacity=Units(10, 0))
    replicas = (Replica("eu-west-1", "ACTIVE"),)
    with_index = month_cost("requests", replace(found, indexes=(index,), replicas=replicas), Unknown("x"))
    assert with_index.total == Decimal("2.808") + Decimal("0.936")
    assert with_index.notes == ("Without its replicas in eu-west-1, which are written and stored there too.",)
    assert cost_rows(with_index)[-2:] == [
        ("capacity", "5", "write capacity units", "$2.34"),
        ("capacity", "15", "read capacity units", "$1.40"),
    ]


def test_a_table_class_has_prices_of_its_own() -> None:
    found = deployed(table_class="STANDARD_INFREQUENT_ACCESS", recovery=Recovery(enabled=True))
    cost = month_cost("requests", found, metrics_of({"": daily(0, 500_000.0)}, {"": ()}))
    assert cost.dollars("writes") == Decimal("7.8")
    assert cost.dollars("storage") == Decimal("0.10")
    assert cost.dollars("recovery") == Decimal("0.20"), "the same for either"


# --- On demand or provisioned ------------------------------------------------------------------------------


def test_the_break_even_is_where_both_modes_cost_the_same() -> None:
    """At the share of its capacity that is said, whatever the region's prices and the mix of reads and writes."""
    prices = price_list()
    for region, reads, writes in (("us-east-1", 500, 0), ("eu-north-1", 0, 70), ("ap-east-1", 90, 1_000)):
        peaks = (Decimal(reads) * TARGET, Decimal(writes) * TARGET)
        idle = compare(region, (Load("", Decimal(0), Decimal(0), *peaks),), prices, basis=ASSUMED)
        assert idle.capacity == Units(max(reads, 1), max(writes, 1))
        assert (idle.on_demand, idle.cheaper, idle.used) == (0, "on demand", 0)
        assert idle.break_even is not None
        assert Decimal("0.28") < idle.break_even < Decimal("0.30")
        seconds = Decimal(30 * 86_400)
        month = [units * seconds * idle.break_even for units in (idle.capacity.reads, idle.capacity.writes)]
        met = compare(region, (Load("", *month, *peaks),), prices, basis=ASSUMED)
        assert met.on_demand is not None
        assert met.provisioned == idle.provisioned
        assert met.saving is not None
        assert met.saving < Decimal("1e-15")
        more = compare(region, (Load("", *(one * 2 for one in month), *peaks),), prices, basis=ASSUMED)
        assert more.cheaper == "provisioned"
        assert round(more.saving or 0, 10) == round(met.provisioned or 0, 10)


def test_the_busiest_hour_makes_the_capacity_and_an_index_has_its_own(workflows: Binding) -> None:
    hours = tuple(
        (NOW - timedelta(hours=3 - at), value) for at, value in enumerate((3_600.0, 36_000.0, 0.0, 0.0))
    )
    metrics = TableMetrics(4, 3_600, NOW, reads={"": hours}, writes={"": (), "by-status": hours})
    month = consumed(workflows, metrics, price_list())
    found = measured(month, metrics)
    # Ten a second at 70 % are 15 units; nothing at all is 1.
    assert {load.part: load.capacity for load in found} == {"": Units(15, 1), "by-status": Units(1, 15)}
    assert round(found[0].reads) == 39_600 * 240
    declared = estimate(workflows)
    assert declared is not None
    # 240,000 writes a month are 0.09 a second; in its busiest hour, twenty times as many, that is 1.85 of 0.7.
    assert assumed(declared)[0].capacity == Units(1, 1)
    assert assumed(declared, 20)[0].capacity == Units(4, 3)


# --- The price file --------------------------------------------------------------------------------------------


def test_every_large_region_has_prices_with_their_source_and_date() -> None:
    """Each block of the file says so for itself, and none is older than AWS's cut of November 2024."""
    blocks = tomllib.loads(BUILT_IN.read_text())
    prices = price_list()
    for region in (
        "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-west-1", "eu-west-2",
        "eu-west-3", "eu-central-1", "eu-north-1", "eu-south-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
        "ap-northeast-1", "ap-northeast-2", "ap-east-1", "me-south-1", "af-south-1",
    ):  # fmt: skip
        assert {*FIGURES, "dated", "source", "infrequent"} == blocks[region].keys(), region
        assert blocks[region]["source"].startswith("https://"), region
        assert blocks[region]["dated"] > HALVED, region
        for table_class in (STANDARD, INFREQUENT):
            found = prices.of(region, table_class)
            figures = [getattr(found, figure) for figure in FIGURES]
            assert all(figure is not None and figure > 0 for figure in figures), region
    assert len({region for region, _ in prices.classes}) == 34, (
        "as docs/cost.md and docs/configuration.md say"
    )
    assert prices.source.startswith("https://aws.amazon.com/dynamodb/pricing")
    registry = prices.of("eu-north-1")
    assert [getattr(registry, figure) for figure in FIGURES] == [
        *map(Decimal, ("0.67", "0.1345", "0.269", "0.21", "0.10", "0.000698", "0.00014"))
    ]
    assert (prices.seed.write_million, prices.seed.read_million) == (Decimal("1.25"), Decimal("0.25"))
    assert prices.free_storage == 25


def test_prices_older_than_a_year_are_shown_with_a_warning() -> None:
    prices = price_list()
    assert prices.warning(prices.dated + timedelta(days=365)) == ""
    assert "366 days old" in prices.warning(prices.dated + timedelta(days=366))
    # The oldest of the regions that are used, whatever the file's own date is.
    older = replace(prices.of("us-east-1"), dated=date(2024, 10, 1))
    mixed = replace(prices, classes=prices.classes | {("us-east-1", STANDARD): older})
    assert mixed.warning(prices.dated, ["eu-north-1", "mars-1"]) == ""
    assert mixed.warning(date(2025, 12, 1), ["eu-north-1", "us-east-1"]).endswith(
        "halved on 1 November 2024."
    )


def test_a_price_file_of_ones_own_is_used(settings: Any, tmp_path: Path, workflows: Binding) -> None:
    own = tmp_path / "prices.toml"
    own.write_text(
        BUILT_IN.read_text().replace("[us-east-1]", "[mars-north-1]").replace("2025-06-05", "2026-11-01")
    )
    settings.DYNAMO_PRICES_FILE = str(own)
    assert price_list().dated == date(2026, 11, 1)
    cost = estimate(elsewhere(workflows, "mars-north-1"))
    assert cost is not None
    assert cost.total is not None
    assert estimate(workflows).total is None  # type: ignore[union-attr]


def test_a_missing_figure_is_named_with_the_way_to_give_it_and_the_rest_is_priced(
    settings: Any, tmp_path: Path, workflows: Binding
) -> None:
    own = tmp_path / "prices.toml"
    text = 'dated = 2026-11-01\nsource = "ours"\nfree_storage = 25\n[us-east-1]\n'
    own.write_text(text + 'write_million = "0.6"\nread_million = "0.1"\n')
    settings.DYNAMO_PRICES_FILE = str(own)
    cost = estimate(workflows)
    assert cost is not None
    assert cost.dollars("writes") == Decimal("0.144")
    assert cost.dollars("storage") is cost.total is None
    assert cost.why.startswith(
        f"No price storage, recovery for us-east-1 in {own}: copy that file, add storage, recovery"
    )
    assert cost.why.endswith("under [us-east-1], and set DYNAMO_PRICES_FILE to the copy.")
    infrequent = month_cost("workflows", deployed(table_class="STANDARD_INFREQUENT_ACCESS"), Unknown("x"))
    assert "for us-east-1, class STANDARD_INFREQUENT_ACCESS in" in infrequent.why
    assert "[us-east-1] infrequent" in infrequent.why
    modes = compare("us-east-1", (Load("", *[Decimal(1)] * 4),), price_list(), basis=MEASURED)
    assert modes.on_demand is not None
    assert (modes.provisioned, modes.cheaper, modes.saving) == (None, "", None)
    assert "read_hour" in modes.why


@pytest.mark.parametrize(
    "text",
    ["dated = ", 'dated = "yesterday"\nsource = ""\nfree_storage = 25', "dated = 2026-01-01", "\xff", None,
     'dated = 2026-01-01\nsource = ""\nfree_storage = 25\n[us-east-1]\nwrites = 1',
     'dated = 2026-01-01\nsource = ""\nfree_storage = 25\n[us-east-1]\nstorage = -1',
     'dated = 2026-01-01\nsource = ""\nfree_storage = 25\n[us-east-1]\ndated = "old"',
     'dated = 2026-01-01\nsource = ""\nfree_storage = 25\n[us-east-1]\ninfrequent = 1'],
    ids=["no TOML", "a text for a date", "incomplete", "not UTF-8", "missing", "another field", "below nothing",
         "a text for a region's date", "a class that is none"],
)  # fmt: skip
def test_a_price_file_that_cant_be_read_is_named(settings: Any, tmp_path: Path, text: str | None) -> None:
    own = tmp_path / "prices.toml"
    if text is not None:
        own.write_text(text, encoding="latin-1")
    settings.DYNAMO_PRICES_FILE = str(own)
    with pytest.raises(ImproperlyConfigured, match=r"prices\.toml"):
        price_list()
    cost = month_cost("requests", deployed(), Unknown("x"))
    assert (cost.total, cost.lines) == (None, ())
    assert "prices.toml" in cost.why


@pytest.mark.parametrize(
    ("dollars", "text"),
    [("0", "$0.00"), ("0.004", "<$0.01"), ("0.005", "$0.01"), ("0.075", "$0.08"), ("1234.5", "$1,234.50")],
)
def test_money_is_told_in_cents(dollars: str, text: str) -> None:
    assert money(Decimal(dollars)) == text


# --- The command -------------------------------------------------------------------------------------------------


def told(*arguments: str) -> str:
    out = StringIO()
    call_command("dynamo", "cost", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.no_moto
def test_the_command_tells_all_three_and_what_it_assumed(tables: dict[str, Binding], settings: Any) -> None:
    printed = told()
    assert_printed("cost", "python manage.py dynamo cost", printed)
    said = " ".join(printed.split())
    assert (
        "writes 240,000 write units $0.30 reads 300,000 read units $0.08 storage 0.03 GB $0.01 total $0.39"
        in said
    )
    # The workflow table of the tests has its optional index.
    assert "overallStatus-createdAt-index 300,000" in said
    assert "agents 6,000 6,000 0 <$0.01 <$0.01 $0.00 $0.00 <$0.01" in said
    assert "No price" not in said
    # Said once, of all that it is true of.
    assert "requests, request_logs, agents, audit-us-east-1, jobs-us-east-1" in said
    assert said.count("Recovery: unknown here") <= 1
    assert (
        "1,000 workflows a day, each with 8 writes and 10 reads of items of 1,024 bytes, kept 90 days (seed 000)"
        in said
    )
    assert "kept 365 days (the entry of seed 002; a year, and ten of them per request, are assumed)" in said
    assert (
        "200 registry updates a day, each with 1 write and 1 read of items of 1,024 bytes, which adds no item"
        in said
    )
    assert "- Prices of eu-north-1, us-east-1 are of 2025-06-05 (https://github.com/" in said
    # A busiest hour of four times the average needs 1 unit of each in the table, whatever the registry does.
    assert "agents on demand declared workload 1 1 <$0.01 $0.60 on demand $0.60 <1 % 29 %" in said
    assert "the busiest hour is 4 times the average of the declared workload" in said


@pytest.mark.no_moto
def test_a_region_without_prices_leaves_the_other_tables_priced(
    tables: dict[str, Binding], settings: Any
) -> None:
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "agents": settings.DYNAMO_TABLES["agents"] | {"region": "mars-north-1"}
    }
    said = " ".join(told().split())
    assert "agents 6,000 6,000 0 no price" in said
    assert "total without agents" in said
    why = "No prices for mars-north-1 in prices.toml: copy that file, add them under [mars-north-1], and set"
    assert f"agents, audit-mars-north-1, jobs-mars-north-1: {why}" in said
    assert "requests on demand declared workload" in said


@pytest.mark.no_moto
def test_the_command_counts_what_it_is_told_to(tables: dict[str, Binding]) -> None:
    found = json.loads(told("--json", "--workflows-per-day", "10", "--requests-per-day", "0"))
    assert found["seed_000"][0]["lines"][0]["quantity"] == 8 * 10 * 30
    by_table = {one["table"]: one for one in found["estimates"]}
    assert by_table["workflows"]["per_day"] == 10
    assert by_table["requests"]["total"] == 0
    assert by_table["request_logs"]["per_day"] == 0
    assert by_table["agents"]["lines"][0]["dollars"] > 0
    used = {one["key"]: one for one in found["used"]}
    assert used["requests"]["capacity_modes"]["basis"] == "declared workload"
    assert used["requests"]["capacity_modes"]["on_demand"] == 0
    assert used["requests"]["billing"] == "PAY_PER_REQUEST"
    assert used["audit-us-east-1"]["capacity_modes"]["why"] == "Consumption: unknown here"
    assert found["prices"]["regions"][0]["region"] == "eu-north-1"
    assert {one["key"] for one in found["used"]} >= {"workflows", "audit-us-east-1", "jobs-eu-north-1"}


@pytest.mark.no_moto
def test_the_command_prices_what_was_consumed(
    tables: dict[str, Binding], monkeypatch: pytest.MonkeyPatch
) -> None:
    def metrics(group: list[Binding], hours: int, *, background: bool, period: int) -> dict[str, Any]:
        assert (hours, background, period) == (720, True, 3_600)
        now = datetime.now(UTC)
        series = tuple((now - timedelta(days=30 - n), 1_000_000.0) for n in range(30))
        used = TableMetrics(720, 86_400, now, reads={"": series}, writes={"": series, "user-index": series})
        return {table.logical: used if table.logical == "requests" else Unknown("no") for table in group}

    monkeypatch.setattr("opsportal.tables.cost_report.table_metrics", metrics)
    said = told()
    (line,) = (line for line in said.splitlines() if "30,000,000" in line and "requests " in line)
    assert line.split() == ["requests", "30,000,000", "30,000,000", "$22.50", "$22.50", "$41.25"]
    # A million a day are 11.57 a second, and 17 units at 70 %, in the table and the index; 1 where nothing is read.
    (line,) = (line for line in said.splitlines() if "CloudWatch" in line and "requests " in line)
    assert " ".join(line.split()) == (
        "requests on demand CloudWatch 18 34 $41.25 $17.60 provisioned $23.65 68 % 29 %"
    )
    found = json.loads(told("--json"))
    (used,) = (one for one in found["used"] if one["key"] == "requests")
    assert used["consumption"]["7"]["total"] == used["consumption"]["30"]["total"] == 41.25
    assert used["month"]["total"] == 41.25
    modes = used["capacity_modes"]
    assert (modes["cheaper"], modes["saving"], modes["provisioned"]) == ("provisioned", 23.65, 17.6)
    assert modes["capacity"] == [
        {"part": "", "read_units": 17, "write_units": 17},
        {"part": "user-index", "read_units": 1, "write_units": 17},
    ]


@pytest.mark.no_moto
def test_a_table_that_is_missing_is_priced_as_far_as_may_be(
    tables: dict[str, Binding], settings: Any
) -> None:
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "requests": settings.DYNAMO_TABLES["requests"] | {"name": "missing"}
    }
    assert "requests: There is no table missing in us-east-1." in told()


@pytest.mark.no_moto
def test_old_prices_are_told_to_be_old(tables: dict[str, Binding], time_machine: Any) -> None:
    time_machine.move_to("2025-08-01", tick=True)
    assert "days old" not in told()
    time_machine.move_to("2026-08-01", tick=True)
    assert "422 days old" in told()


def test_the_command_says_what_is_wrong_with_a_price_file(settings: Any) -> None:
    settings.DYNAMO_PRICES_FILE = "/nowhere/prices.toml"
    with pytest.raises(CommandError, match=r"/nowhere/prices\.toml can't be read"):
        told()


@pytest.mark.parametrize("number", ["0", "-1", "721", "4.5"])
def test_a_peak_factor_that_is_none_is_refused(number: str) -> None:
    with pytest.raises(CommandError, match=r"peak-factor: .* is not a number from 1 to 720"):
        told("--peak-factor", number)


@pytest.mark.parametrize("number", ["-1", "many", "1e3", "1000000001"])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    with pytest.raises(CommandError, match=r"workflows-per-day: .* is not a number from 0 to 1,000,000,000"):
        told("--workflows-per-day", number)
