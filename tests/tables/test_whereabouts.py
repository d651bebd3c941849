"""A table that is missing is found by the other spelling of its name, in another region, or at another
endpoint, by asking for the candidates alone."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.core.cache import caches

from opsportal.console.views import condition
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import TableMissing
from opsportal.dynamo.tables import Binding, binding, name_setting, other_spellings
from opsportal.operations.tables import audit_table_for
from opsportal.tables.locate import Candidate, candidates, endpoint_hint, look_for
from tests.dynamo.fake_aws import Answer, FakeDynamo, error
from tests.tables.deployments import Deployments, deployments


@pytest.fixture
def at(engine: Any, settings: Any) -> Iterator[Deployments]:
    with deployments(engine, settings) as made:
        yield made


@pytest.fixture
def in_regions(engines: Any, settings: Any) -> Iterator[Deployments]:
    """On the one engine whose regions are apart."""
    with deployments(engines("moto"), settings) as made:
        yield made


@pytest.fixture
def documented(settings: Any) -> Any:
    """The settings with their default names and places, at Amazon's."""
    settings.DYNAMO_TABLES = {
        logical: table | {"endpoint": "", "region": ""} for logical, table in settings.DYNAMO_TABLES.items()
    }
    return settings


def looked_for(logical: str) -> list[tuple[str, str, str]]:
    return [(table.name, *table.location) for table in candidates(binding(logical))]


@pytest.mark.parametrize(
    ("configured", "deployed"),
    [
        ("dev-market_intelligence_requests", "dev-market-intelligence-requests"),
        ("dev-market-intelligence-requests", "dev-market_intelligence_requests"),
        ("dev-market-intelligence-requests", "dev_market_intelligence_requests"),
    ],
)
def test_the_other_spelling_is_found(at: Deployments, configured: str, deployed: str) -> None:
    prefix = at.prefix.replace("-", "")
    table = at.configure("requests", name=f"{prefix}{configured}")
    at.deploy(table, name=f"{prefix}{deployed}")
    with pytest.raises(TableMissing):
        describe(table)
    sighting = look_for(table)
    assert sighting.fix.endswith(f": set DYNAMODB_REQUESTS_TABLE={prefix}{deployed}")
    assert sighting.table is not None
    assert sighting.table.name == f"{prefix}{deployed}"


def test_the_setting_of_the_spelling_is_named_where_it_leads_there(fake: FakeDynamo, settings: Any) -> None:
    names = settings.REQUEST_TABLE_NAMES
    assert names["hyphen"]["request_logs"] == "dev-request-processing-logs"
    for here, there in (("underscore", "hyphen"), ("hyphen", "underscore")):
        for logical in ("requests", "request_logs"):
            entry = settings.DYNAMO_TABLES[logical] | {"name": names[here][logical]}
            settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {logical: entry}
            exists = names[there][logical]
            fake.answer = lambda _, arguments, exists=exists: (
                Answer({"Table": {"TableName": exists}})
                if arguments["TableName"] == exists
                else error("ResourceNotFoundException", "Requested resource not found")
            )
            hint = (
                f"set REQUEST_TABLES_SPELLING={there}, or for this table alone set "
                f"DYNAMODB_{logical.upper()}_TABLE={exists}"
            )
            assert look_for(binding(logical)).fix.endswith(f": {hint}")
            caches["process"].clear()
            assert condition(binding(logical)).fix == f"There is a table {exists}: {hint}"
    # Another name that somebody chose is not spelled by that setting.
    assert name_setting(binding("requests"), "theirs") == "set DYNAMODB_REQUESTS_TABLE=theirs"


def test_a_hyphen_of_the_environment_is_none_of_the_name(settings: Any) -> None:
    settings.OPSPORTAL_ENV = "eu-qa"
    table = replace(binding("requests"), name="eu-qa-market-intelligence-requests")
    assert "eu-qa-market_intelligence_requests" in list(other_spellings(table))
    assert table.name not in list(other_spellings(table))


def test_the_documents_other_name_is_found(at: Deployments) -> None:
    at.deploy(binding("workflows"), name="ai-trade-matching-processing-status")
    assert look_for(binding("workflows")).fix == (
        "There is a table ai-trade-matching-processing-status in us-east-1: "
        "set DYNAMODB_WORKFLOWS_TABLE=ai-trade-matching-processing-status"
    )


def test_another_region_is_found(in_regions: Deployments) -> None:
    at = in_regions
    table = at.configure("agents", region="us-east-1")
    at.deploy(table, region="eu-north-1")
    assert look_for(table).fix == (
        f"There is a table {table.name} in eu-north-1: set DYNAMODB_AGENTS_REGION=eu-north-1"
    )


def test_another_region_and_spelling_are_found_together(in_regions: Deployments) -> None:
    at = in_regions
    table = at.configure("requests", region="eu-north-1")
    name = table.name.replace("_", "-")
    at.deploy(table, region="us-east-1", name=name)
    assert look_for(table).fix.endswith(
        f": set DYNAMODB_REQUESTS_TABLE={name} and set DYNAMODB_REQUESTS_REGION=us-east-1"
    )


def test_another_endpoint_of_the_settings_is_found(at: Deployments, fake: FakeDynamo) -> None:
    fake.says(error("ResourceNotFoundException", "Requested resource not found"))
    at.settings.DYNAMO_TABLES = {
        logical: table | {"endpoint": at.engine.endpoint}
        for logical, table in at.settings.DYNAMO_TABLES.items()
    }
    at.deploy(binding("agents"))
    table = at.configure("agents", endpoint=fake.endpoint)
    assert look_for(table).fix == (
        f"There is a table {table.name} in {table.region} at {at.engine.endpoint}: "
        f"set DYNAMODB_AGENTS_ENDPOINT_URL={at.engine.endpoint}"
    )


def test_nothing_is_found_where_nothing_is(at: Deployments) -> None:
    assert look_for(binding("requests")) == Candidate()


def test_only_the_candidates_are_asked_for(fake: FakeDynamo) -> None:
    fake.says(error("ResourceNotFoundException", "Requested resource not found"))
    table = binding("requests")
    assert look_for(table).table is None
    assert set(fake.operations) == {"DescribeTable"}
    assert [arguments["TableName"] for _, arguments in fake.asked] == [
        candidate.name for candidate in candidates(table)
    ]
    assert len(fake.asked) < 10


def test_what_iam_does_not_allow_to_look_at_is_named(fake: FakeDynamo) -> None:
    fake.answer = lambda _, arguments: (
        error("AccessDeniedException", "not authorized to perform: dynamodb:DescribeTable on resource: x")
        if arguments["TableName"] == "dev-market-intelligence-requests"
        else error("ResourceNotFoundException", "Requested resource not found")
    )
    sighting = look_for(binding("requests"))
    assert sighting.table is None
    assert sighting.denied[0] == "dev-market-intelligence-requests in us-east-1"


def test_a_place_that_fails_is_passed_by(fake: FakeDynamo) -> None:
    wanted = "dev-market-intelligence-requests"
    fake.answer = lambda _, arguments: (
        Answer({"Table": {"TableName": wanted}})
        if arguments["TableName"] == wanted
        else error("ValidationException", "no such name")
    )
    assert look_for(binding("requests")).table is not None


def test_names_come_before_regions_and_each_once(documented: Any) -> None:
    asked = looked_for("workflows")
    assert len(set(asked)) == len(asked)
    assert asked[0] == ("ai-trade-matching-processing-status", "us-east-1", "")
    regions = [region for _, region, _ in asked]
    assert regions == sorted(regions, reverse=True)
    assert ("trade-matching-system-processing-status", "eu-north-1", "") in asked
    assert ("trade-matching-system-processing-status", "us-east-1", "") not in asked


def test_the_deployments_name_is_in_the_documents_names(documented: Any) -> None:
    documented.OPSPORTAL_ENV = "staging"
    names = {name for name, *_ in looked_for("requests")}
    assert {"staging-market_intelligence_requests", "market_intelligence_requests"} <= names
    assert not any("{" in name for name in names)


def test_an_emulators_table_is_not_looked_for_at_amazon(documented: Any) -> None:
    documented.DYNAMO_TABLES = documented.DYNAMO_TABLES | {
        "agents": documented.DYNAMO_TABLES["agents"] | {"endpoint": "http://127.0.0.1:1"}
    }
    assert {endpoint for _, _, endpoint in looked_for("agents")} == {"http://127.0.0.1:1"}


def test_an_endpoint_of_one_region_is_asked_for_no_other(documented: Any) -> None:
    endpoint = "https://dynamodb.us-east-1.amazonaws.com"
    documented.DYNAMO_TABLES = {
        logical: table | {"endpoint": endpoint, "region": "us-east-1"}
        for logical, table in documented.DYNAMO_TABLES.items()
    }
    assert {region for _, region, _ in looked_for("requests")} == {"us-east-1"}


def test_the_consoles_own_tables_have_no_other_place() -> None:
    assert list(candidates(audit_table_for(binding("requests")))) == []


@pytest.mark.parametrize(
    ("endpoint", "hinted"),
    [("", False), ("https://dynamodb.eu-north-1.amazonaws.com", False), ("http://127.0.0.1:8000", True)],
)
def test_an_emulators_endpoint_is_hinted_at(documented: Any, endpoint: str, hinted: bool) -> None:
    documented.DYNAMO_TABLES = documented.DYNAMO_TABLES | {
        "agents": documented.DYNAMO_TABLES["agents"] | {"endpoint": endpoint}
    }
    hint = endpoint_hint(binding("agents"))
    assert ("unset DYNAMODB_AGENTS_ENDPOINT_URL" in hint) is hinted
    table: Binding = binding("agents")
    assert (table.endpoint in hint) if hinted else hint == ""
