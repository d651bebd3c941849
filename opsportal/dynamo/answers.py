"""Is it the service's answer? Whatever listens at an endpoint may answer 200: a proxy's page, another server's JSON.

botocore takes text that is no JSON for an empty answer, and an empty answer to a GetItem says that there is no such
item, to a PutItem that it was written. So an answer must have what the service always sends. `NotItsAnswer` is an
error of botocore's kind, which is translated where the others are.
"""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError


class NotItsAnswer(BotoCoreError):
    """What answered is not the service, or the answer was changed on its way. Whether it did what it was asked for
    is not known."""

    fmt = "Not an answer of this service: {reason}"

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason)


# They are asked to say what they consumed (see `clients`), and always do.
REPORTS_CAPACITY = frozenset(
    {
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    }
)
# What is always there in an answer; with a dot, inside of it.
_ALWAYS = {
    "AssumeRole": ("Credentials",),
    "AssumeRoleWithWebIdentity": ("Credentials",),
    "BatchGetItem": ("Responses",),
    "CreateBackup": ("BackupDetails.BackupArn",),
    "CreateTable": ("TableDescription.TableName",),
    "CreateToken": ("accessToken",),
    "DeleteTable": ("TableDescription.TableName",),
    "DescribeAlarms": ("MetricAlarms",),
    "DescribeBackup": ("BackupDescription.BackupDetails",),
    "DescribeContinuousBackups": ("ContinuousBackupsDescription.ContinuousBackupsStatus",),
    "DescribeKey": ("KeyMetadata.KeyId",),
    "DescribeTable": ("Table.TableName", "Table.TableStatus", "Table.KeySchema"),
    "DescribeTimeToLive": ("TimeToLiveDescription.TimeToLiveStatus",),
    "GetCallerIdentity": ("Account", "Arn"),
    "GetMetricData": ("MetricDataResults",),
    "GetRoleCredentials": ("roleCredentials",),
    "ListBackups": ("BackupSummaries",),
    "ListTagsOfResource": ("Tags",),
    "Query": ("Count", "ScannedCount"),
    "Scan": ("Count", "ScannedCount"),
    "SendMessage": ("MessageId", "MD5OfMessageBody"),
    "TransactGetItems": ("Responses",),
    "UpdateContinuousBackups": ("ContinuousBackupsDescription.ContinuousBackupsStatus",),
    "UpdateTable": ("TableDescription.TableName",),
    "UpdateTimeToLive": ("TimeToLiveSpecification.AttributeName",),
}
# Any other has at least an id: TagResource, say, is answered with nothing else.
_AT_LEAST = (("ResponseMetadata", "RequestId"),)
_EXPECTED = {
    name: tuple(path.split(".") for path in paths)
    for name, paths in (
        _ALWAYS | {name: ("ConsumedCapacity", *_ALWAYS.get(name, ())) for name in REPORTS_CAPACITY}
    ).items()
}
# Set by the parser in an answer that does not fit its own checksum. botocore asks again then, and takes the last.
CHANGED = "opsportal_changed"


def check(operation: str, parsed: dict[str, Any]) -> None:
    """Raise `NotItsAnswer` where the answer without error lacks what is always there."""
    for path in _EXPECTED.get(operation, _AT_LEAST):
        found: Any = parsed
        for name in path:
            if name not in found:
                raise NotItsAnswer(f"{operation} was answered without {'.'.join(path)}")
            found = found[name]


def wanted(operation: str, params: Mapping[str, Any]) -> str:
    """What else is there in the answer to a call with these parameters; "" where that depends on the items."""
    if operation in ("Query", "Scan"):
        return "" if params.get("Select") == "COUNT" else "Items"
    return "Attributes" if params.get("ReturnValues") in ("ALL_NEW", "UPDATED_NEW") else ""


def check_last(operation: str, parsed: dict[str, Any], also: str) -> None:
    """Raise `NotItsAnswer` where an answer that is not asked for again was changed, or lacks what is `wanted`."""
    if CHANGED in parsed:
        raise NotItsAnswer(f"{operation} was answered with what does not fit its checksum")
    if also and also not in parsed and "Error" not in parsed:
        raise NotItsAnswer(f"{operation} was answered without {also}")
