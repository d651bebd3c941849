"""AWS services beside DynamoDB: clients of any of them, and the message queues."""

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from opsportal.dynamo import clients
from opsportal.dynamo.answers import NotItsAnswer
from opsportal.dynamo.aws_names import is_amazons, region_of_queue
from opsportal.dynamo.deployed import UNKNOWN_HERE
from opsportal.dynamo.errors import UNKNOWN_OPERATION
from opsportal.dynamo.json_values import as_json
from opsportal.dynamo.sessions import CREDENTIALS, Session, UnusableError
from opsportal.dynamo.tables import Binding, aws_region
from opsportal.dynamo.unanswered import explain

_clients: dict[tuple[str, ...], Any] = {}
_lock = threading.Lock()


def service(name: str, region: str) -> Any:
    """The shared client of an AWS service ("sts", "cloudwatch", "sqs", ...) in `region`.

    At ``AWS_ENDPOINT_URL_<SERVICE>``, else ``AWS_ENDPOINT_URL``, else Amazon's. A call takes at most about 10 s:
    two attempts of 1 s to connect, 1 s to send and 3 s to be answered, and no longer than the page has. Raises
    botocore's BotoCoreError; calls raise ClientError too.
    """
    variables = (f"AWS_ENDPOINT_URL_{name.upper()}", "AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_CONFIG_FILE")
    key = (name, region, *(os.environ.get(variable, "") for variable in variables))
    with _lock:
        if key not in _clients:
            _clients[key] = _make(name, region)
        return _clients[key]


def _make(name: str, region: str) -> Any:
    config = Config(
        connect_timeout=1,
        read_timeout=3,
        retries={"mode": "standard", "total_max_attempts": 2},
    )
    return clients.make(name, region, config)


def forget() -> None:
    """Drop every client, so that changed credentials are read again."""
    with _lock:
        for made in _clients.values():
            made.close()
        _clients.clear()


def _begin_anew() -> None:
    """A fork has its parent's connections: what one of the two asks, the other may be answered."""
    global _lock
    _lock = threading.Lock()
    _clients.clear()


os.register_at_fork(after_in_child=_begin_anew)


def is_emulated(table: Binding, name: str = "cloudwatch") -> bool:
    """Whether `table` is an emulator's, and the service `name` would be asked at Amazon's all the same.

    What the real AWS knows of an emulator's table is nothing, or worse, something of a table of that name: the
    answer is then "unknown here". A service that has an endpoint of its own is believed to go with the table.
    """
    # A profile of the AWS configuration may set DynamoDB's endpoint too.
    endpoint = table.endpoint or service("dynamodb", table.region).meta.endpoint_url
    return not is_amazons(endpoint) and is_amazons(service(name, table.region).meta.endpoint_url)


class ServiceTrouble(Exception):
    """A service beside DynamoDB gave no answer, and why, in a sentence.

    `denied`: IAM refused; `statement` is then the policy statement that allows it ("" where none would). `code`: the
    service's own for the error, "" where it did not answer with one.
    """

    def __init__(self, why: str, *, denied: bool = False, statement: str = "", code: str = "") -> None:
        super().__init__(why)
        self.why, self.denied, self.statement, self.code = why, denied, statement, code


@dataclass(frozen=True)
class Signer:
    """The credentials that requests are signed with, as the AWS chain finds them. `key`: the access key's id, all
    but its ends hidden; `temporary`: a session's, which ends at `expires` (None: not told, or renewed)."""

    source: str
    key: str
    temporary: bool
    expires: datetime | None = None


def signer() -> Signer | None:
    """Who signs, or None where nobody does. Raises `ServiceTrouble` where a source of credentials fails. It may
    ask the instance's or the container's metadata service, and run a profile's ``credential_process``."""
    with asking("credentials", "the AWS chain"):
        found = Session().get_credentials()
        if found is None:
            return None
        frozen = found.get_frozen_credentials()
    key = frozen.access_key or ""
    return Signer(
        source=found.method,
        key=f"{key[:4]}…{key[-4:]}" if len(key) >= 16 else "…",
        temporary=bool(frozen.token),
        # botocore keeps it to itself, and renews what it can.
        expires=getattr(found, "_expiry_time", None),
    )


@contextmanager
def asking(action: str, region: str, resource: str = "*") -> Iterator[None]:
    """Raise `ServiceTrouble` in place of botocore's errors. `action` as IAM names it: "cloudwatch:GetMetricData".

    A server that does not know the operation, or does not answer as the service does, is "unknown here".
    """
    try:
        yield
    except ClientError as error:
        details = error.response.get("Error", {})
        code, message = details.get("Code", "Unknown"), details.get("Message", "")
        if code in UNKNOWN_OPERATION:
            raise ServiceTrouble(UNKNOWN_HERE) from error
        if code.isdecimal():  # no error of AWS's: see opsportal.dynamo.parsing
            raise ServiceTrouble(f"{action} in {region}: what answers is not AWS (HTTP {code})") from error
        if code in ("AccessDenied", "AccessDeniedException"):
            explicit = "explicit deny" in message
            statement = {"Effect": "Allow", "Action": [action], "Resource": [resource]}
            raise ServiceTrouble(
                f"The console's role may not perform {action} in {region}."
                + (" A policy denies it explicitly, which no added permission lifts." if explicit else ""),
                denied=True,
                statement="" if explicit else json.dumps(statement, indent=2),
            ) from error
        said = CREDENTIALS.get(code) or f"{action} in {region}: {code}: {message}".rstrip(": ")
        raise ServiceTrouble(said, code=code) from error
    except NotItsAnswer as error:
        raise ServiceTrouble(UNKNOWN_HERE) from error
    except UnusableError as error:
        raise ServiceTrouble(str(error)) from error
    except BotoCoreError as error:
        raise ServiceTrouble(f"{action} in {region}: {_in_words(error)}") from error


def _in_words(error: Exception) -> str:
    found = explain(error)
    return f"{found.sentence} {found.fix}" if found else str(error)


class QueueTrouble(Exception):
    """A message could not be sent; the worker tries again."""


class MessageRefused(QueueTrouble):
    """SQS will never take this message, however often it is sent."""


# An AWS limit: bytes of a message. A queue may have a lower one (MaximumMessageSize).
MAX_MESSAGE_BYTES = 1_048_576
# What SQS says of a message that it will not take later either. All else may pass, or somebody corrects it: a queue
# that is missing, a permission, a key, throttling, no answer.
_PERMANENT = frozenset(
    {
        "InvalidMessageContents", "InvalidParameterValue", "InvalidParameterCombination", "BatchRequestTooLong",
        "RequestEntityTooLarge",
    }
)  # fmt: skip
_TOO_LONG = re.compile(r"shorter than (\d+) bytes")
# SQS takes any character of XML 1.0; what JSON escapes by itself is not here.
_UNFIT = re.compile("[\ud800-\udfff\ufffe\uffff]")
# By the queue's URL, the lower limits that queues were seen to have.
_limits: dict[str, int] = {}


def message_text(body: dict[str, Any]) -> str:
    """The JSON that a queue gets: UTF-8, numbers with every digit, escaped only what SQS does not take."""
    return _UNFIT.sub(lambda found: f"\\u{ord(found[0]):04x}", as_json(body))


def message_limit(queue_url: str) -> int:
    """The bytes of a message that the queue takes, as far as this process knows."""
    return _limits.get(queue_url, MAX_MESSAGE_BYTES)


def send_message(queue_url: str, body: dict[str, Any]) -> str:
    """Send JSON to an SQS queue and return SQS's message id. Raises QueueTrouble, MessageRefused.

    A FIFO queue gets the action as group and as deduplication id, so that a repetition is dropped there.
    """
    arguments: dict[str, Any] = {"QueueUrl": queue_url, "MessageBody": message_text(body)}
    if queue_url.endswith(".fifo"):
        arguments["MessageGroupId"] = arguments["MessageDeduplicationId"] = str(body["action_id"])
    try:
        answer = service("sqs", queue_region(queue_url)).send_message(**arguments)
    except ClientError as error:
        refused = _is_permanent(queue_url, error)
        raise (MessageRefused if refused else QueueTrouble)(f"{queue_url}: {_in_words(error)}") from error
    except (BotoCoreError, ValueError) as error:  # the latter: an endpoint that is no URL
        raise QueueTrouble(f"{queue_url}: {_in_words(error)}") from error
    digest = hashlib.md5(arguments["MessageBody"].encode(), usedforsecurity=False).hexdigest()
    if answer["MD5OfMessageBody"] != digest:
        raise QueueTrouble(f"{queue_url}: what was taken is not what was sent, by SQS's checksum of it")
    return str(answer["MessageId"])


def _is_permanent(queue_url: str, error: ClientError) -> bool:
    answer: Any = error.response
    if found := _TOO_LONG.search(str(answer.get("Error", {}).get("Message", ""))):
        _limits[queue_url] = int(found[1])
    # Some versions of the protocol write AWS.SimpleQueueService.NonExistentQueue.
    code = str(answer.get("Error", {}).get("Code", "")).rpartition(".")[2]
    return code in _PERMANENT or answer.get("ResponseMetadata", {}).get("HTTPStatusCode") == 413


def queue_region(queue_url: str) -> str:
    """The region in a queue's URL, else the AWS chain's."""
    return region_of_queue(queue_url) or aws_region() or "us-east-1"
