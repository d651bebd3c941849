"""Whether an answer is DynamoDB's. What is not is no answer: nothing is written, absent or refused by it.

A web server, a proxy's page or another service can answer 200 too, and ``{}`` is a right answer to a GetItem of
an item that is not there. So each call asks for the capacity that it consumes, which DynamoDB reports with
every success, and its errors name their ``__type``.
"""

import json
import threading
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from botocore.client import ClientMeta
from botocore.exceptions import BotoCoreError, ClientError

from . import deadlines, forks
from .results import ConditionFailed, NoAnswer
from .values import Item

Check = Callable[[Any], bool]
_NOT_DYNAMODB = (
    "Something answers at the endpoint, but not as DynamoDB does: {}. Check the endpoint and the proxies."
)


class _Call(threading.local):
    asks = False  # whether it is a writer's, and not one that the program makes with its client


_call = _Call()


def watch(client: Any) -> None:
    """Look at what that client is answered, and for how long, in the calls of `ask` and in no others."""
    if not isinstance(getattr(client, "meta", None), ClientMeta):
        return  # a stand-in of a program's tests, whose answers `ask` looks at all the same
    events, seconds = client.meta.events, deadlines.seconds_of(client)
    events.register("before-send.dynamodb", partial(_begin, seconds), unique_id="writers-begin")
    events.register("before-parse.dynamodb", _judge, unique_id="writers-judge")
    events.register_first("needs-retry.dynamodb", _take_status, unique_id="writers-take-status")
    deadlines.bound(client)
    forks.watch_client(client)


def ask(client: Any, operation: str, **arguments: Any) -> dict[str, Any]:
    """DynamoDB's answer to a call, such as ``get_item``. Raises ConditionFailed, NoAnswer, and botocore's errors."""
    _call.asks = True
    try:
        answer = getattr(client, operation)(**arguments, ReturnConsumedCapacity="TOTAL")
    except ClientError as error:
        about = error.response.get("ResponseMetadata", {})
        refused = error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException"
        if refused and about.get("HTTPStatusCode", 400) == 400:
            raise ConditionFailed(str(error)) from error
        raise
    except BotoCoreError:
        raise
    except Exception as error:  # such as what botocore makes of an answer that it can't read
        raise NoAnswer(f"{operation} has no answer: {type(error).__name__}: {error}") from error
    finally:
        _call.asks = False
        deadlines.begin(None)
    # `_judge` has seen to it, but not with a botocore before 1.35.20, nor with another protocol than JSON.
    if "ConsumedCapacity" not in (answer or {}):
        raise NoAnswer(_NOT_DYNAMODB.format(f"{operation} without the consumed capacity"))
    return answer


def read(client: Any, table_name: str, key: str, ident: str) -> Item:
    """The item as it is now (consistent read); empty when there is none. Raises as `ask` does."""
    wanted = {key: {"S": ident}}
    answer = ask(client, "get_item", TableName=table_name, Key=wanted, ConsistentRead=True)
    item: Item = answer.get("Item", wanted)
    if item.get(key) != wanted[key]:
        raise NoAnswer(_NOT_DYNAMODB.format("the item is another than was asked for"))
    return item if "Item" in answer else {}


def _begin(seconds: float | None, **_: Any) -> None:
    """An attempt is sent."""
    if _call.asks:
        deadlines.begin(seconds)


def _judge(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    """Make what is not DynamoDB's answer a 503, which botocore tries again as it does after no answer."""
    if not _call.asks or getattr(operation_model.service_model, "resolved_protocol", "json") != "json":
        return
    status = response_dict["status_code"]
    if not _is_dynamodbs(operation_model.name, status, response_dict["body"]):
        facts = f"HTTP {status}, {str(response_dict['headers'].get('content-type', ''))[:80]!r}"
        error = {"__type": "NotDynamoDB", "message": _NOT_DYNAMODB.format(facts)}
        response_dict.update(status_code=503, body=json.dumps(error).encode())


def _take_status(response: Any, **_: Any) -> None:
    if _call.asks and response is not None:
        answer, parsed = response
        answer.status_code = parsed["ResponseMetadata"]["HTTPStatusCode"]


def _is_dynamodbs(operation: str, status: int, body: bytes) -> bool:
    try:
        found = json.loads(body)
        if not isinstance(found, dict):
            return False
        if status != 200:
            return 400 <= status < 600 and isinstance(found.get("__type"), str)
        # A list for a batch; of moto it may be empty.
        complete = isinstance(found.get("ConsumedCapacity"), dict | list)
        complete = complete and found.keys() >= _ALWAYS.get(operation, set())
        return complete and all(_MEMBERS[name](found[name]) for name in found.keys() & _MEMBERS)
    except (ValueError, RecursionError):
        return False


# Whether what is where an AttributeValue, an item, a list of them, ... belongs is one.


def _is_value(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) == 1
        and all(kind in _VALUES and _VALUES[kind](inner) for kind, inner in value.items())
    )


def _is_a(kind: type, value: Any) -> bool:
    return isinstance(value, kind)


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, str) and Decimal(value).is_finite()
    except InvalidOperation:
        return False


def _is_item(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_value, value.values()))


def _is_put(value: Any) -> bool:
    put = value.get("PutRequest") if isinstance(value, dict) else None
    return isinstance(put, dict) and _is_item(put.get("Item"))


def _are(check: Check, value: Any) -> bool:
    return isinstance(value, list) and all(map(check, value))


_is_text = partial(_is_a, str)
_VALUES: dict[str, Check] = {
    "S": _is_text,
    "N": _is_number,
    "B": _is_text,
    "BOOL": partial(_is_a, bool),
    "NULL": partial(_is_a, bool),
    "M": _is_item,
    "L": partial(_are, _is_value),
    "SS": partial(_are, _is_text),
    "NS": partial(_are, _is_number),
    "BS": partial(_are, _is_text),
}
_MEMBERS: dict[str, Check] = {
    "Attributes": _is_item,
    "Item": _is_item,
    "Items": partial(_are, _is_item),
    "LastEvaluatedKey": _is_item,
    "UnprocessedItems": lambda value: (
        isinstance(value, dict) and all(_are(_is_put, puts) for puts in value.values())
    ),
}
# What DynamoDB's answer always has, empty as it may be.
_ALWAYS = {"Query": {"Items"}, "BatchWriteItem": {"UnprocessedItems"}}
