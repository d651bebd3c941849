"""What can go wrong at DynamoDB, named once: the only place that knows AWS's error codes.

Each `DynamoError` carries what its page says: a title, a sentence, the remedy, the HTTP status, and where IAM refused,
the policy statement to paste. Callers wrap calls in `errors.translated(binding)`, which is this module's with advice.
"""

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore import exceptions as boto
from django.conf import settings
from pynamodb.exceptions import PynamoDBException

from opsportal.dynamo.answers import NotItsAnswer
from opsportal.dynamo.aws_names import arn
from opsportal.dynamo.fixes import adds_index
from opsportal.dynamo.sessions import (
    CREDENTIALS,
    UnusableConfiguration,
    UnusableCredentials,
    UnusableEndpoint,
)
from opsportal.dynamo.unanswered import explain, proxy_hint, url_of

if TYPE_CHECKING:
    from opsportal.dynamo.tables import Binding

logger = logging.getLogger("opsportal.dynamo.errors")


class DynamoError(Exception):
    """Trouble with a table that a person should read about. `retry`: the same call may succeed later."""

    kind = "server_fault"
    title = "DynamoDB answered with an error"
    status = 503
    retry = True

    def __init__(self, sentence: str, fix: str = "", *, detail: str = "", statement: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.fix = fix
        self.detail = detail or sentence
        self.statement = statement

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is, for a cache: the arguments of a subclass need not be those of its exception."""
        return _made_again, (type(self), self.args, self.__dict__)


def _made_again(kind: type["DynamoError"], args: tuple[Any, ...], state: dict[str, Any]) -> "DynamoError":
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class TableMissing(DynamoError):
    kind = "table_missing"
    title = "This table does not exist"
    retry = False


class IndexMissing(DynamoError):
    kind = "index_missing"
    title = "An index is missing"
    retry = False


class KeyMismatch(DynamoError):
    kind = "key_mismatch"
    title = "The table's key is not the one configured"
    retry = False


class SortKey(KeyMismatch):
    title = "The table has a sort key"


class AccessDenied(DynamoError):
    kind = "access_denied"
    title = "IAM does not allow this"
    retry = False
    action = ""
    resource = ""


class Throttled(DynamoError):
    kind = "throttled"
    title = "DynamoDB is throttling this table"


class Unreachable(DynamoError):
    kind = "unreachable"
    title = "DynamoDB can't be reached"


class TooSlow(Unreachable):
    """It is there, and its answer did not come, or not all of it, in time."""

    kind = "deadline"
    title = "DynamoDB is too slow right now"


class CredentialsRefused(DynamoError):
    """Missing, expired, wrong, or signed by a clock that is off."""

    kind = "credentials"
    title = "The AWS credentials can't be used"


class MalformedCursor(DynamoError):
    kind = "malformed_cursor"
    title = "This page address is not valid"
    status = 400
    retry = False


class Rejected(DynamoError):
    """A change that was not made, nor would be if it were sent again."""

    kind = "rejected"
    title = "DynamoDB refused the change"
    retry = False


class OperationUnknown(DynamoError):
    """An emulator that does not have this operation: nothing is wrong, it is unknown here."""

    kind = "operation_unknown"
    title = "Operation not supported"
    retry = False


class DeadlineExceeded(DynamoError):
    kind = "deadline"
    title = "DynamoDB is too slow right now"

    def __init__(self, seconds: float, calls: int) -> None:
        super().__init__(
            f"It would take longer than {round(seconds, 1):g} s ({calls} calls were answered), so it was stopped.",
            "Try again, or narrow the filters so that it reads less.",
        )


THROTTLING = frozenset(
    {
        "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded",
        "LimitExceededException", "ThroughputExceeded",
    }
)  # fmt: skip
# What an emulator answers that does not know an operation.
UNKNOWN_OPERATION = frozenset({"UnknownOperationException", "UnknownOperation", "NotImplemented"})
# DynamoDB's words, and an emulator's; a table's own name may hold the word "index".
_NO_INDEX = re.compile(r"does not have the specified index|^Invalid index:")
_DENIED = re.compile(r"not authorized to perform: (?P<action>[\w:*-]+)(?: on resource: (?P<resource>\S+))?")
# The operations that name items by their keys, or start at one.
_WITH_KEYS = frozenset(
    {
        "GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan",
        "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems",
    }
)  # fmt: skip
# AWS's words for a start key of another list, another key, or another query.
_NO_START = re.compile("provided starting key|exclusive start key", re.IGNORECASE)


@dataclass(frozen=True)
class Advice:
    """What can be said of a table beyond an error's own words: the error of a key that is not the configured one, and the
    same by what the table has instead (None: as configured, or not to be described)."""

    key_mismatch: Callable[["Binding", str], KeyMismatch]
    described_mismatch: Callable[["Binding"], KeyMismatch | None]


@contextmanager
def translating(table: "Binding", advice: Advice | None = None) -> Iterator[None]:
    """Raise a `DynamoError` in place of botocore's and PynamoDB's errors about `table`.

    An error that none of the names above fits is a `DynamoError` too, with DynamoDB's own words. A
    failed condition of a write passes unchanged: it is an answer, not an error.
    """
    try:
        yield
    except boto.ClientError as error:
        if error.response.get("Error", {}).get("Code") in PASSED_ON:
            raise
        raise _from_client_error(error, table, advice) from error
    except PynamoDBException as error:
        if not isinstance(error.cause, boto.ClientError):
            if isinstance(error.cause, boto.BotoCoreError):
                raise _from_botocore(error.cause, table) from error
            raise
        if error.cause_response_code in PASSED_ON:
            raise
        raise _from_client_error(error.cause, table, advice) from error
    except boto.BotoCoreError as error:
        raise _from_botocore(error, table) from error


PASSED_ON = frozenset(
    {
        "ConditionalCheckFailedException", "TransactionCanceledException", "TransactionInProgressException",
        "IdempotentParameterMismatchException",
    }
)  # fmt: skip


def _from_client_error(error: boto.ClientError, table: "Binding", advice: Advice | None) -> DynamoError:
    details: Any = error.response.get("Error", {})
    code, message = details.get("Code", "Unknown"), details.get("Message", "")
    variable = f"DYNAMODB_{table.logical.upper()}"
    where = f"{table.name} in {table.region}"
    if code.isdecimal():  # no error of AWS's has its HTTP status for a code: see `parsing`
        return _not_dynamodb(f"HTTP {code}", message, table.endpoint)
    if _NO_INDEX.search(message):
        return IndexMissing(
            f"The table {table.name} lacks an index that this list reads: {message}",
            adds_index(table),
            detail=message,
        )
    if code in ("ResourceNotFoundException", "TableNotFoundException"):
        fix = f"If it has another name or region, set {variable}_TABLE or {variable}_REGION; to create it: python manage.py dynamo migrate --table {table.logical}"
        if table.logical not in settings.DYNAMO_TABLES:
            fix = "It is one of the console's own, which python manage.py dynamo migrate creates."
        return TableMissing(f"There is no table {where}.", fix, detail=message)
    if code in ("AccessDeniedException", "AccessDenied"):
        return _denied(error, message, table)
    if code in UNKNOWN_OPERATION:
        return OperationUnknown(
            f"What answers for {where} does not know {error.operation_name}.",
            "Nothing is wrong with the table: an emulator need not have every operation.",
            detail=message,
        )
    if code in THROTTLING:
        return Throttled(
            f"{table.name} gets more requests than it is allowed to serve; it will recover by itself.",
            "Wait a moment and try again. If it persists, raise the table's capacity.",
            detail=message,
        )
    if code in CREDENTIALS:
        return CredentialsRefused(
            CREDENTIALS[code],
            "Renew the credentials of the console's process (for example: aws sso login, or the task's role) "
            "and restart it.",
            detail=message,
        )
    # An engine has many words for a key that is not the table's, so the table is asked.
    if advice and code == "ValidationException" and error.operation_name in _WITH_KEYS:
        mismatch = advice.described_mismatch(table)
        if mismatch and (isinstance(mismatch, SortKey) or not _NO_START.search(message)):
            return mismatch
    if code == "ValidationException" and _NO_START.search(message):
        return MalformedCursor(
            "The position in this address is not one of this list's.",
            "Start again from the first page.",
            detail=message,
        )
    if advice and code == "ValidationException" and "key element does not match" in message:
        return advice.key_mismatch(table, message)
    logger.error("unexpected answer about %s", table.name, exc_info=error)
    return DynamoError(f"{error.operation_name} on {where}: {code}: {message}", detail=message)


def _denied(error: boto.ClientError, message: str, table: "Binding") -> AccessDenied:
    found = _DENIED.search(message)
    action = found["action"] if found else f"dynamodb:{error.operation_name}"
    if not found and "KMS key" in message:
        action = "kms:Decrypt"  # DynamoDB's words for it name neither the action nor the key
    resource = ((found and found["resource"]) or _resource(action, table)).rstrip(".,")
    statement = {"Effect": "Allow", "Action": [action], "Resource": [resource]}
    # An explicit deny wins over every Allow, so pasting one would fix nothing.
    explicit = "explicit deny" in message
    denied = AccessDenied(
        f"The console's role may not perform {action} on {resource}.",
        "A policy denies this explicitly, which no added permission lifts: ask the owner of that policy."
        if explicit
        else "Add this statement to the policy of the console's role.",
        detail=message,
        statement="" if explicit else json.dumps(statement, indent=2),
    )
    denied.action, denied.resource = action, resource
    return denied


def _resource(action: str, table: "Binding") -> str:
    service = action.partition(":")[0]
    return arn(service, table.region, "*", "key/*" if service == "kms" else f"table/{table.name}")


def _from_botocore(error: boto.BotoCoreError, table: "Binding") -> DynamoError:
    if found := _without_answer(error):
        return found
    # Nothing that this console should meet: the log gets all of it.
    logger.error("unexpected error about %s", table.name, exc_info=error)
    return DynamoError(f"{table.name}: {error}")


def unusable(error: boto.BotoCoreError) -> DynamoError:
    """Why no client could be made."""
    fix = "Check the settings of its region and endpoint, the AWS profile, and the AWS configuration file."
    return _without_answer(error) or DynamoError(str(error), fix)


def _without_answer(error: boto.BotoCoreError) -> DynamoError | None:
    if isinstance(error, UnusableCredentials | boto.NoCredentialsError | boto.ProfileNotFound):
        return CredentialsRefused(
            f"No usable AWS credentials: {str(error).rstrip('.')}.",
            "Give the console's process credentials by the usual AWS chain: a role, a profile "
            "(AWS_PROFILE), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    if isinstance(error, UnusableConfiguration | boto.ConfigParseError | boto.ConfigNotFound):
        return CredentialsRefused(
            f"The AWS configuration can't be used: {str(error).rstrip('.')}.",
            "Check the AWS configuration file (AWS_CONFIG_FILE, by default ~/.aws/config), the file of credentials, and "
            "the variables that begin with AWS_.",
        )
    if isinstance(error, UnusableEndpoint):
        return Unreachable(
            str(error),
            "Write it with its scheme, such as http://127.0.0.1:8000, in AWS_ENDPOINT_URL_DYNAMODB or the table's "
            "DYNAMODB_..._ENDPOINT_URL; leave it empty for Amazon's.",
        )
    if isinstance(error, NotItsAnswer):
        return _not_dynamodb("HTTP 200", str(error), url_of(error))
    if found := explain(error):
        return (TooSlow if found.slow else Unreachable)(found.sentence, found.fix, detail=str(error))
    return None


def _not_dynamodb(status: str, reason: str, url: str) -> Unreachable:
    logger.warning("an answer that is not DynamoDB's: %s, %.200r", status, reason)
    return Unreachable(
        f"Something answers at the endpoint, but not as DynamoDB does: {status}.",
        proxy_hint(url)
        or "Check the endpoint setting and the proxy (HTTPS_PROXY, NO_PROXY): another server may answer there.",
    )
