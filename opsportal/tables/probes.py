"""Whether IAM allows an action, found out without any effect.

Reads are made for real, of a key that no item has or of one item. Writes carry a condition that nothing meets, on a
key that no item has: a refused condition means that the write was allowed. DynamoDB bills each with at most one
unit, a Scan with what one item takes. What has no such form is not probed.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from opsportal.aws import ServiceTrouble, asking, is_emulated, service
from opsportal.dynamo import clients
from opsportal.dynamo.deployed import UNKNOWN_HERE
from opsportal.dynamo.descriptions import describe, known
from opsportal.dynamo.errors import AccessDenied, DynamoError, OperationUnknown, translated
from opsportal.dynamo.tables import Binding, bindings
from opsportal.tables.grants import Place

# A call that DynamoDB's client makes about a table or one of its indexes.
Probing = Callable[[Any, Binding, str], Any]
ALLOWED, DENIED, UNKNOWN, NOT_PROBED = "allowed", "denied", "unknown", "not probed"


@dataclass(frozen=True)
class Probe:
    """What became of one probe. `state`: `ALLOWED`, `DENIED`, `UNKNOWN` (`why` says why) or `NOT_PROBED`.

    `statement` is the policy statement that would allow what was denied; "" where none would.
    """

    action: str
    location: Place
    state: str
    why: str = ""
    statement: str = ""


def probe(action: str, location: Place) -> Probe:
    """Ask for `action` at `location`, within a page's time. Raises nothing of AWS's."""
    known, operation = action.partition(":")[0], action.partition(":")[2]
    if known == "dynamodb" and operation in ON_TABLES:
        table = location.table or next(table for table in bindings() if table.region == location.region)
        return _probed(action, location, lambda: _on_table(table, location.index, ON_TABLES[operation]))
    if known == "cloudwatch" and operation in ON_METRICS:
        return _probed(action, location, lambda: _on_metrics(action, location.region, ON_METRICS[operation]))
    return Probe(action, location, NOT_PROBED, "not probed, since it can't be tried without an effect")


def _probed(action: str, location: Place, ask: Callable[[], None]) -> Probe:
    try:
        ask()
    except AccessDenied as denied:
        return Probe(action, location, DENIED, f"{denied.sentence} {denied.fix}", denied.statement)
    except OperationUnknown:
        return Probe(action, location, UNKNOWN, UNKNOWN_HERE)
    except DynamoError as error:
        return Probe(action, location, UNKNOWN, error.sentence)
    except ServiceTrouble as problem:
        return Probe(action, location, DENIED if problem.denied else UNKNOWN, problem.why, problem.statement)
    return Probe(action, location, ALLOWED)


def _on_table(table: Binding, index: str, ask: Probing) -> None:
    client = clients.client(*table.location)
    try:
        with translated(table):
            ask(client, table, index)
    except client.exceptions.ConditionalCheckFailedException:
        pass  # allowed, and nothing is written


# --- DynamoDB: each gets the client, the table and the index -----------------------------------------------------


def _nobodys(table: Binding) -> dict[str, Any]:
    """A key that no item has, of the attributes that the table really has for it where they are known."""
    text = f"opsportal-doctor-{uuid.uuid4()}"
    values = {"S": text, "N": f"-{uuid.uuid4().int % 10**30}", "B": text.encode()}
    found = known(table)
    if found is None:
        return {name: {"S": text} for name in (table.key, table.spec.range_key) if name}
    kinds = {name: found.attribute_types.get(name, "S") for name in (found.key, found.range_key) if name}
    return {name: {kind: values[kind]} for name, kind in kinds.items()}


def _never(table: Binding) -> dict[str, Any]:
    """A condition that no item and no absence of one meets."""
    return {
        "ConditionExpression": "attribute_exists(#key) AND attribute_not_exists(#key)",
        "ExpressionAttributeNames": {"#key": _key(table)},
    }


def _key(table: Binding) -> str:
    """Its partition key as deployed, where that is known."""
    found = known(table)
    return found.key if found else table.key


def _query(client: Any, table: Binding, index: str) -> None:
    key = _hash_key(table, index) if index else _key(table)
    value = {"S": f"opsportal-doctor-{uuid.uuid4()}"} if index else _nobodys(table)[key]
    client.query(
        TableName=table.name,
        **_index_name(index),
        KeyConditionExpression="#key = :nobodys",
        ExpressionAttributeNames={"#key": key},
        ExpressionAttributeValues={":nobodys": value},
        Limit=1,
    )


def _hash_key(table: Binding, index: str) -> str:
    """Of a declared index, or of the optional one under the name that this table has it by."""
    for declared in table.spec.indexes:
        if declared.name == index:
            return declared.hash_key
    return next(found.hash_key for found in describe(table).indexes if found.name == index)


def _index_name(index: str) -> dict[str, str]:
    return {"IndexName": index} if index else {}


def _list_tags(client: Any, table: Binding, _index: str) -> None:
    try:
        arn = describe(table).arn
    except AccessDenied as denied:
        # Not this permission is denied, but the one to read the ARN.
        raise DynamoError("The table's ARN is unknown: DescribeTable is not allowed.") from denied
    client.list_tags_of_resource(ResourceArn=arn)


def _conditional(operation: str, item: str) -> Probing:
    """A write of the item in the argument `item`, under a condition that is never met."""
    return lambda client, table, _: getattr(client, operation)(
        TableName=table.name, **{item: _nobodys(table)}, **_never(table)
    )


def _description(operation: str, **arguments: Any) -> Probing:
    return lambda client, table, _: getattr(client, operation)(TableName=table.name, **arguments)


ON_TABLES: dict[str, Probing] = {
    "GetItem": lambda client, table, _: client.get_item(TableName=table.name, Key=_nobodys(table)),
    "BatchGetItem": lambda client, table, _: client.batch_get_item(
        RequestItems={table.name: {"Keys": [_nobodys(table)]}}
    ),
    "PutItem": _conditional("put_item", "Item"),
    "UpdateItem": _conditional("update_item", "Key"),
    "DeleteItem": _conditional("delete_item", "Key"),
    # It takes no condition. To delete what does not exist does nothing.
    "BatchWriteItem": lambda client, table, _: client.batch_write_item(
        RequestItems={table.name: [{"DeleteRequest": {"Key": _nobodys(table)}}]}
    ),
    "Query": _query,
    "Scan": lambda client, table, index: client.scan(TableName=table.name, **_index_name(index), Limit=1),
    "DescribeTable": _description("describe_table"),
    "DescribeTimeToLive": _description("describe_time_to_live"),
    "DescribeContinuousBackups": _description("describe_continuous_backups"),
    "ListTagsOfResource": _list_tags,
    "ListBackups": _description("list_backups", Limit=1),
}


# --- CloudWatch --------------------------------------------------------------------------------------------


def _get_metric_data(client: Any) -> None:
    now = datetime.now(UTC)
    metric = {"Namespace": "AWS/DynamoDB", "MetricName": "UserErrors"}
    client.get_metric_data(
        MetricDataQueries=[{"Id": "probe", "MetricStat": {"Metric": metric, "Period": 300, "Stat": "Sum"}}],
        StartTime=now - timedelta(minutes=10),
        EndTime=now,
    )


def _delete_alarms(client: Any) -> None:
    # To delete what does not exist does nothing.
    client.delete_alarms(AlarmNames=[f"{settings.OPSPORTAL_ENV}-opsportal-doctor-{uuid.uuid4()}"])


ON_METRICS: dict[str, Callable[[Any], Any]] = {
    "GetMetricData": _get_metric_data,
    "DescribeAlarms": lambda client: client.describe_alarms(
        AlarmNamePrefix=f"{settings.OPSPORTAL_ENV}-opsportal-", MaxRecords=1
    ),
    "DeleteAlarms": _delete_alarms,
}


def _on_metrics(action: str, region: str, ask: Callable[[Any], Any]) -> None:
    with asking(action, region):
        if all(is_emulated(table, "cloudwatch") for table in bindings() if table.region == region):
            raise ServiceTrouble(UNKNOWN_HERE)
        client = service("cloudwatch", region)
        try:
            ask(client)
        except client.exceptions.ResourceNotFound:
            return  # there is no such alarm
