"""Each call to AWS as one record, for its watchers: how long it took, how it ended, what it consumed.

botocore's events report it, so that PynamoDB's calls and our own are seen alike, in pages and in workers.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from opsportal.dynamo.exceptions import PASSED_ON, THROTTLING, DeadlineExceeded
from opsportal.dynamo.spending import READS

Outcome = Literal["ok", "condition", "throttled", "denied", "refused", "fault", "unanswered", "deadline"]


@dataclass
class Call:
    """`tables`: their names in DynamoDB, a transaction's in its order (for SQS, the queue's). `throttled`: attempts,
    of all `attempts`. `error`: AWS's code, or the exception's name. `units` by table, of `kind`."""

    service: str
    operation: str
    tables: tuple[str, ...]
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    attempts: int = 0
    throttled: int = 0
    outcome: Outcome = "ok"
    error: str = ""
    request_id: str = ""
    units: dict[str, Decimal] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return "read" if self.operation in READS else "write"


Watcher = Callable[[Call], None]
_watchers: list[Watcher] = []


def watch(watcher: Watcher) -> None:
    """Call `watcher` after every call of this process. It must not raise."""
    if watcher not in _watchers:
        _watchers.append(watcher)


def unwatch(watcher: Watcher) -> None:
    _watchers.remove(watcher)


def register(events: Any, service: str) -> None:
    """Watch the client with these events (`client.meta.events`)."""

    def began(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        if _watchers:
            context[_KEY] = Call(service, model.name, tables_of(params))

    events.register(f"provide-client-params.{service}", began)
    events.register(f"response-received.{service}", _attempted)
    events.register(f"after-call.{service}", _answered)
    events.register(f"after-call-error.{service}", _failed)


_KEY = "opsportal_call"


def _attempted(parsed_response: Any, context: dict[str, Any], **_: Any) -> None:
    call: Call | None = context.get(_KEY)
    if call is None:
        return
    call.attempts += 1
    if parsed_response is None:
        return
    error = parsed_response.get("Error", {}).get("Code", "")
    # DynamoDB answers 200 where a part of a batch was too much.
    call.throttled += bool(
        error in THROTTLING or _reasons(parsed_response) or parsed_response.get("UnprocessedItems")
    )
    call.request_id = parsed_response.get("ResponseMetadata", {}).get("RequestId", "")


def _answered(parsed: dict[str, Any], http_response: Any, context: dict[str, Any], **_: Any) -> None:
    call: Call | None = context.pop(_KEY, None)
    if call is None:
        return
    consumed = parsed.get("ConsumedCapacity") or []
    for capacity in consumed if isinstance(consumed, list) else [consumed]:
        name = str(capacity.get("TableName", call.tables[0] if call.tables else ""))
        units = Decimal(str(capacity.get("CapacityUnits") or 0))
        call.units[name] = call.units.get(name, Decimal(0)) + units
    if http_response.status_code >= 300:
        call.error = str(parsed.get("Error", {}).get("Code", "")) or f"HTTP {http_response.status_code}"
        call.outcome = _outcome(call.error, http_response.status_code, parsed)
    _over(call)


def _failed(exception: Exception, context: dict[str, Any], **_: Any) -> None:
    call: Call | None = context.pop(_KEY, None)
    if call is None:
        return
    call.error = type(exception).__name__
    call.outcome = "deadline" if isinstance(exception, DeadlineExceeded) else "unanswered"
    _over(call)


def _over(call: Call) -> None:
    call.seconds = time.monotonic() - call.began
    for watcher in _watchers:
        watcher(call)


def _outcome(code: str, status: int, parsed: Mapping[str, Any]) -> Outcome:
    if code in THROTTLING or _reasons(parsed):
        return "throttled"
    if code in PASSED_ON:
        return "condition"
    if code.startswith("AccessDenied"):
        return "denied"
    return "fault" if status >= 500 else "refused"


def _reasons(parsed: Mapping[str, Any]) -> bool:
    """Whether a transaction was cancelled by throttling alone."""
    codes = {reason.get("Code") for reason in parsed.get("CancellationReasons") or []} - {None, "None"}
    return bool(codes) and codes <= {"ThrottlingError", "ProvisionedThroughputExceeded"}


def tables_of(params: Mapping[str, Any]) -> tuple[str, ...]:
    """The tables (or the queue) that a call's parameters name, each once, in their order."""
    if name := params.get("TableName") or params.get("QueueUrl", "").rpartition("/")[2]:
        return (str(name),)
    names = list(params.get("RequestItems") or {})
    for operation in params.get("TransactItems") or []:
        names += [part["TableName"] for part in operation.values() if "TableName" in part]
    return tuple(dict.fromkeys(names))
