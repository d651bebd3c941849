"""What is declared to IAM: nothing twice, nothing too wide, no write for viewers, only what is switched on."""

from typing import Any

import pytest

from opsportal.descriptors import descriptors
from opsportal.dynamo.descriptions import DeployedIndex, Description
from opsportal.dynamo.tables import binding
from opsportal.tables.grants import PLACEHOLDER, Feature, places_of, queue_arn
from opsportal.tables.permissions import FEATURES, ROLES, features

READS = {
    "GetItem", "BatchGetItem", "Query", "Scan", "DescribeTable", "DescribeTimeToLive", "DescribeContinuousBackups",
    "ListTagsOfResource", "ListBackups", "GetMetricData",
}  # fmt: skip


def feature(sid: str) -> Feature:
    (found,) = (one for one in FEATURES if one.sid == sid)
    return found


def resources(sid: str, **more: Any) -> list[str]:
    return [place.resource for place in places_of(feature(sid), **more)]


def test_the_apps_ask_for_nothing_that_is_no_feature() -> None:
    known = {one.sid for one in FEATURES}
    asked = {sid for descriptor in descriptors() for sid in descriptor.iam}
    assert asked <= known, asked - known


def test_a_viewer_writes_nothing() -> None:
    asked = [permission.action for one in features("viewer") for permission in one.permissions]
    assert {action.partition(":")[2] for action in asked} <= READS


def test_an_operator_may_all_that_a_viewer_may() -> None:
    assert {one.sid for one in features("viewer")} < {one.sid for one in features("operator")}


@pytest.mark.parametrize("role", ROLES)
def test_nothing_is_asked_for_twice(role: str, settings: Any) -> None:
    settings.REQUESTS_QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/111122223333/requests"
    settings.RETENTION_LOG_DAYS, settings.PUBLISH_AGES = 30, True
    asked = [
        (action, place.resource, place.region)
        for one in features(role)
        for place in places_of(one)
        for action in one.actions
    ]
    assert len(asked) == len(set(asked))
    assert len({one.sid for one in features(role)}) == len(features(role))


def test_only_actions_that_know_no_resource_are_allowed_on_everything() -> None:
    wide = {
        permission.action
        for one in FEATURES
        for permission in one.permissions
        for place in places_of(one)
        if place.resource == "*"
    }
    # AWS, "Actions, resources, and condition keys": none of these has a resource type.
    assert wide == {"dynamodb:ListBackups", "cloudwatch:GetMetricData", "cloudwatch:DescribeAlarms"}
    assert not [place for one in FEATURES for place in places_of(one) if "index/*" in place.resource]


def test_the_consoles_own_tables_are_in_each_place_that_needs_them() -> None:
    assert resources("ReadAuditEntry") == [
        f"arn:aws:dynamodb:{region}:{PLACEHOLDER}:table/dev-opsportal_audit"
        for region in ("us-east-1", "eu-north-1")
    ]
    # Agents get no messages, and have jobs.
    assert sorted(resources("CarryOutMessages")) == [
        f"arn:aws:dynamodb:{region}:{PLACEHOLDER}:table/dev-opsportal_jobs"
        for region in ("eu-north-1", "us-east-1")
    ]


def test_leases_of_the_retention_lie_beside_each_table_that_it_stamps(settings: Any) -> None:
    logs = {**settings.DYNAMO_TABLES["request_logs"], "region": "eu-west-1"}
    settings.DYNAMO_TABLES = {**settings.DYNAMO_TABLES, "request_logs": logs}
    settings.RETENTION_LOG_DAYS = 0
    assert len(resources("CarryOutMessages")) == 2
    settings.RETENTION_LOG_DAYS = 30
    regions = sorted(name.split(":")[3] for name in resources("CarryOutMessages"))
    assert regions == ["eu-north-1", "eu-west-1", "us-east-1"]


def test_queues_that_are_not_set_are_not_asked_for(settings: Any) -> None:
    assert resources("SendMessages") == []
    settings.REQUESTS_QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/requests"
    assert resources("SendMessages") == ["arn:aws:sqs:eu-west-1:123456789012:requests"]
    (place,) = places_of(feature("SendMessages"))
    assert place.arn("999999999999") == place.resource


@pytest.mark.parametrize(
    ("url", "arn"),
    [
        (
            "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q.fifo",
            "arn:aws-cn:sqs:cn-north-1:123456789012:q.fifo",
        ),
        ("http://127.0.0.1:4566/000000000000/q", "arn:aws:sqs:us-east-1:000000000000:q"),
        ("http://127.0.0.1:4566/q", f"arn:aws:sqs:us-east-1:{PLACEHOLDER}:q"),
    ],
)
def test_a_queues_arn_is_in_its_url(url: str, arn: str) -> None:
    assert queue_arn(url) == arn


def test_retention_and_ages_are_asked_for_only_where_they_are_on(settings: Any) -> None:
    assert resources("StampLogs") == resources("PublishAges") == []
    settings.RETENTION_REQUEST_DAYS, settings.PUBLISH_AGES = 30, True
    assert len(resources("StampLogs")) == 1
    # In each region, since an age is put where its table is.
    assert resources("PublishAges") == ["*", "*"]


def test_a_migrator_changes_other_programs_tables_in_development_or_where_they_are_named(
    settings: Any,
) -> None:
    assert f"arn:aws:dynamodb:eu-north-1:{PLACEHOLDER}:table/AgentRegistry" in resources("ManageTables")
    settings.OPSPORTAL_ENV = "prod"
    own = resources("ManageTables")
    assert own
    assert all("opsportal_" in arn for arn in own)
    named = resources("ManageTables", named=("agents",))
    assert named == [f"arn:aws:dynamodb:eu-north-1:{PLACEHOLDER}:table/AgentRegistry", *own]
    # Reading them is no change.
    assert any("AgentRegistry" in arn for arn in resources("SampleItems"))


def described(*indexes: DeployedIndex) -> Description:
    return Description(
        name="t", state="ACTIVE", key="sessionId", range_key="", indexes=indexes, items=0, size=0, arn="",
        region="us-east-1", created_at=None, billing_mode="PAY_PER_REQUEST", read_capacity=0, write_capacity=0,
        attribute_types={}, encryption="", kms_key="", deletion_protection=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("indexes", "named"),
    [
        ((), None),
        ((DeployedIndex("by-status", "overallStatus", "createdAt", "ALL", usable=True),), "by-status"),
        ((DeployedIndex("new", "overallStatus", "createdAt", "ALL", usable=False),), "new"),
        (
            (
                DeployedIndex("a-keys", "overallStatus", "createdAt", "KEYS_ONLY", usable=True),
                DeployedIndex("b-all", "overallStatus", "createdAt", "ALL", usable=True),
            ),
            "b-all",
        ),
        ((DeployedIndex("other", "documentId", "", "ALL", usable=True),), None),
    ],
)
def test_the_optional_index_is_asked_for_as_it_is_deployed(
    indexes: tuple[DeployedIndex, ...], named: str | None
) -> None:
    found = {binding("workflows").fingerprint: described(*indexes)}
    arns = [arn for arn in resources("ListByIndex", found=found) if "processing-status" in arn]
    assert [arn.rpartition("/")[2] for arn in arns] == ([named] if named else [])


def test_an_index_that_every_document_has_is_asked_for_even_if_it_is_missing() -> None:
    """Its absence is a fault, which `verify` tells."""
    found = {binding("requests").fingerprint: described()}
    assert len([arn for arn in resources("ListByIndex", found=found) if "/dev-market" in arn]) == 4


def test_partitions_are_those_of_the_regions(settings: Any) -> None:
    settings.DYNAMO_TABLES = {
        logical: {**table, "region": "us-gov-west-1"} for logical, table in settings.DYNAMO_TABLES.items()
    }
    assert all(arn.startswith("arn:aws-us-gov:dynamodb:us-gov-west-1:") for arn in resources("ReadOneItem"))
    assert len(resources("ReadAuditEntry")) == 1


def test_there_is_no_fifth_role() -> None:
    with pytest.raises(KeyError):
        features("root")
