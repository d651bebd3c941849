"""TransactWriteItems, and what its answers mean: done, not done, or not known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from botocore.exceptions import ClientError

from opsportal.dynamo import clients
from opsportal.dynamo.errors import (
    DeadlineExceeded,
    DynamoError,
    Rejected,
    TableMissing,
    Unreachable,
    translated,
)
from opsportal.dynamo.tables import Binding
from opsportal.operations.changes import Raw


@dataclass(frozen=True)
class Failure:
    """An operation that kept the transaction from being done: its place in the list, DynamoDB's word for why, and the
    item as it is, where its condition failed and DynamoDB sends it. An item that is not there is not sent either."""

    index: int
    code: str
    item: Raw | None = None


class Cancelled(Exception):
    """Nothing was done."""

    def __init__(self, failures: Sequence[Failure] = ()) -> None:
        super().__init__(", ".join(f"{failure.index}: {failure.code}" for failure in failures))
        self.failures = tuple(failures)

    def item(self, index: int) -> Raw | None:
        """The item of that operation as it is, where DynamoDB sent it."""
        return next((failure.item for failure in self.failures if failure.index == index), None)


class TransactionContention(Cancelled):
    """Not done, for a reason that passes. `by`: others' writes, throttling, or "itself": the same call,
    sent twice, is still under way."""

    def __init__(
        self, by: Literal["others", "throttling", "itself"], failures: Sequence[Failure] = ()
    ) -> None:
        super().__init__(failures)
        self.by = by


class ConditionFailed(Cancelled):
    """Not done: something is not as it was read."""


class TooLarge(Cancelled):
    """Not done: the item that is updated would be larger than DynamoDB stores."""


class NoAnswer(Exception):
    """Done or not: there was no answer, or none that says so."""


THROTTLED = {"ThrottlingError", "ProvisionedThroughputExceeded"}


def commit(
    table: Binding, operations: list[dict[str, Any]], *, background: bool = False, trusted: bool = False
) -> None:
    """Do all of `operations` or none; for `trusted` see `clients.client`. Raises Hindered, ConditionFailed, TooLarge, Unanswered, or `DynamoError`,
    which means that nothing was done."""
    try:
        with translated(table):
            clients.client(*table.location, background=background, trusted=trusted).transact_write_items(
                TransactItems=operations
            )
    except ClientError as error:
        raise _cancelled(error) from error
    except (Unreachable, DeadlineExceeded) as error:
        raise NoAnswer(str(error)) from error
    except TableMissing as error:
        # DynamoDB does not say which of them.
        names = sorted({name for operation in operations for name in _tables(operation)})
        raise TableMissing(
            f"One of these tables does not exist in {table.region}: {', '.join(names)}.",
            "python manage.py dynamo migrate creates the console's own.",
            detail=error.detail,
        ) from error
    except DynamoError as error:
        cause = error.__cause__
        if type(error) is not DynamoError or not isinstance(cause, ClientError):
            raise
        if cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            raise NoAnswer(str(error)) from error
        if _is_too_large(cause.response.get("Error", {})):  # some engines say so without the reasons
            raise TooLarge from error
        raise Rejected(error.sentence, detail=error.detail) from error


def _tables(operation: dict[str, Any]) -> list[str]:
    return [arguments["TableName"] for arguments in operation.values()]


def _is_too_large(answer: Mapping[str, Any]) -> bool:
    return "item size to update" in str(answer.get("Message", "")).lower()


def _cancelled(error: ClientError) -> Exception:
    answer: Mapping[str, Any] = error.response
    if answer["Error"]["Code"] == "TransactionInProgressException":
        return TransactionContention("itself")
    # They come in the order of the operations, "None" for those that were not in the way.
    reasons = [
        (index, reason)
        for index, reason in enumerate(answer.get("CancellationReasons", []))
        if reason.get("Code") not in (None, "None")
    ]
    failures = [Failure(index, reason["Code"], reason.get("Item")) for index, reason in reasons]
    codes = {failure.code for failure in failures}
    # A map that a path leads through was taken away since it was read.
    paths = any("document path" in str(reason.get("Message", "")).lower() for _, reason in reasons)
    if "ConditionalCheckFailed" in codes or paths:
        return ConditionFailed(failures)
    if codes and codes <= THROTTLED:
        return TransactionContention("throttling", failures)
    if codes <= {*THROTTLED, "TransactionConflict"}:
        return TransactionContention("others", failures)
    if any(_is_too_large(reason) for _, reason in reasons):
        return TooLarge(failures)
    sentence = "; ".join(f"{reason['Code']}: {reason.get('Message', '')}" for _, reason in reasons)
    return Rejected(f"DynamoDB refused the change: {sentence}")
