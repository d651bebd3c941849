"""Whether IAM allows an action, found out without any effect.

Reads are made for real, of a key that nobody has or of one item. Writes carry a condition that nothing meets, on a
key that nobody has: a refused condition means that the write was allowed. DynamoDB bills each with at most one
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

ALLOWED, DENIED, UNKNOWN, NOT_PROBED = "allowed", "denied", "unknown", "not probed"


@dataclass(frozen=True)
class Probe:
    """What became of one probe. `state`: `ALLOWED`, `DENIED`, `UNKNOWN` (`why` says why) or `NOT_PROBED`.

    `statement` is the policy statement that would allow what was denied; "" where none would.
    """

    action: str
    place: Place
    state: str
    why: str = ""
    statement: str = ""


def probe(action: str, place: Place) -> Probe:
    """Ask for `action` at `place`, within a page's time. Raises nothing of AWS's."""
    known, operation = action.partition(":")[0], action.partition(":")[2]
    if known == "dynamodb" and operation in ON_TABLES:
        table = place.table or next(table for table in bindings() if table.region == place.region)
        return _probed(
            action, place, lambda: _on_table(table, lambda: ON_TABLES[operation](table, place.index))
        )
    if known == "cloudwatch" and operation in ON_METRICS:
        return _probed(action, place, lambda: _on_metrics(action, place.region, ON_METRICS[operation]))
    return Probe(action, place, NOT_PROBED, "not probed, since it can't be tried without an effect")


def _probed(action: str, place: Place, ask: Callable[[], None]) -> Probe:
    try:
        ask()
    except AccessDenied as denied:
        return Probe(action, place, DENIED, f"{denied.sentence} {denied.mend}", denied.statement)
    except OperationUnknown:
        return Probe(action, place, UNKNOWN, UNKNOWN_HERE)
    except DynamoError as error:
        return Probe(action, place, UNKNOWN, error.sentence)
    except ServiceTrouble as trouble:
        return Probe(action, place, DENIED if trouble.denied else UNKNOWN, trouble.why, trouble.statement)
    return Probe(action, place, ALLOWED)


def _on_table(table: Binding, ask: Callable[[], Any]) -> None:
    refused = clients.client(*table.place).exceptions.ConditionalCheckFailedException
    try:
        with translated(table):
            ask()
    except refused:
        pass  # allowed, and nothing is written


# --- DynamoDB: each is given the table and the index -----------------------------------------------------


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


def _client(table: Binding) -> Any:
    return clients.client(*table.place)


def _get_item(table: Binding, _index: str) -> None:
    _client(table).get_item(TableName=table.name, Key=_nobodys(table))


def _batch_get_item(table: Binding, _index: str) -> None:
    _client(table).batch_get_item(RequestItems={table.name: {"Keys": [_nobodys(table)]}})


def _put_item(table: Binding, _index: str) -> None:
    _client(table).put_item(TableName=table.name, Item=_nobodys(table), **_never(table))


def _update_item(table: Binding, _index: str) -> None:
    _client(table).update_item(TableName=table.name, Key=_nobodys(table), **_never(table))


def _delete_item(table: Binding, _index: str) -> None:
    _client(table).delete_item(TableName=table.name, Key=_nobodys(table), **_never(table))


def _batch_write_item(table: Binding, _index: str) -> None:
    # It takes no condition. To delete what does not exist does nothing.
    delete = {"DeleteRequest": {"Key": _nobodys(table)}}
    _client(table).batch_write_item(RequestItems={table.name: [delete]})


def _query(table: Binding, index: str) -> None:
    key = _hash_key(table, index) if index else _key(table)
    value = {"S": f"opsportal-doctor-{uuid.uuid4()}"} if index else _nobodys(table)[key]
    _client(table).query(
        TableName=table.name,
        **({"IndexName": index} if index else {}),
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


def _scan(table: Binding, index: str) -> None:
    _client(table).scan(TableName=table.name, **({"IndexName": index} if index else {}), Limit=1)


def _list_tags(table: Binding, _index: str) -> None:
    try:
        arn = describe(table).arn
    except AccessDenied as denied:
        # Not this permission is denied, but the one that tells the ARN.
        raise DynamoError("The table's ARN can't be told, as DescribeTable is not allowed.") from denied
    _client(table).list_tags_of_resource(ResourceArn=arn)


ON_TABLES: dict[str, Callable[[Binding, str], Any]] = {
    "GetItem": _get_item,
    "BatchGetItem": _batch_get_item,
    "PutItem": _put_item,
    "UpdateItem": _update_item,
    "DeleteItem": _delete_item,
    "BatchWriteItem": _batch_write_item,
    "Query": _query,
    "Scan": _scan,
    "DescribeTable": lambda table, _: _client(table).describe_table(TableName=table.name),
    "DescribeTimeToLive": lambda table, _: _client(table).describe_time_to_live(TableName=table.name),
    "DescribeContinuousBackups": (
        lambda table, _: _client(table).describe_continuous_backups(TableName=table.name)
    ),
    "ListTagsOfResource": _list_tags,
    "ListBackups": lambda table, _: _client(table).list_backups(TableName=table.name, Limit=1),
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
            return  # the alarm that nobody has
